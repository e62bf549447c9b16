//! What layers say about bodies.

use std::sync::Arc;

use super::ObserveBodies;
use crate::service::{layer::CircuitBreakerLayer, shared::Policies};

#[cfg_attr(docsrs, doc(cfg(feature = "body")))]
impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Observes calls to the end of their bodies (rule H5): a body that ends in an error or with the wrong
    /// length is a failure. The service then answers with [`ObservedBody`](crate::body::ObservedBody); see
    /// [`body`](crate::body) for what counts as what.
    ///
    /// Default: a call ends with the head of its response, and bodies are left alone.
    pub fn observe_bodies(self) -> CircuitBreakerLayer<C, R, ObserveBodies, G> {
        self.observe_bodies_with(ObserveBodies::new())
    }

    /// Like [`observe_bodies`](Self::observe_bodies), as configured.
    pub fn observe_bodies_with<J>(
        self,
        observe: ObserveBodies<J>,
    ) -> CircuitBreakerLayer<C, R, ObserveBodies<J>, G> {
        self.with_policies(|policies| Policies {
            classifier: policies.classifier,
            rejection: policies.rejection,
            scope: Arc::new(observe),
        })
    }
}
