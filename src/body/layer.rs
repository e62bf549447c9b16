//! What layers say about bodies.

use std::sync::Arc;

use super::ObserveBodies;
use crate::service::{
    by_request::WithRequestFacts,
    layer::CircuitBreakerLayer,
    scope::{CallScope, HeadOnly},
    shared::Policies,
};

/// A [`CallScope`] in place of which bodies can be observed. Nothing is lost with it that was said of a layer.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "bodies are observed before calls are limited",
    label = "what was said of deadlines would be lost",
    note = "say `observe_bodies` or `grpc` first, then `limit_calls` or `shortened_by`"
)]
pub trait ReplacedByBodies: CallScope {}

impl ReplacedByBodies for HeadOnly {}
impl<J> ReplacedByBodies for ObserveBodies<J> {}
impl<X: ReplacedByBodies, N> ReplacedByBodies for WithRequestFacts<X, N> {}

#[cfg_attr(docsrs, doc(cfg(feature = "body")))]
impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Observes calls to the end of their bodies (rule H5). A body that ends in an error or with the wrong length is a
    /// failure. The service then answers with [`ObservedBody`](crate::body::ObservedBody). See [`body`](crate::body)
    /// for what counts as what.
    ///
    /// Default: a call ends with the head of its response, and bodies are left alone.
    pub fn observe_bodies(self) -> CircuitBreakerLayer<C, R, ObserveBodies, G>
    where
        X: ReplacedByBodies,
    {
        self.observe_bodies_with(ObserveBodies::new())
    }

    /// Observes calls to the end of their bodies, like [`observe_bodies`](Self::observe_bodies), as configured.
    pub fn observe_bodies_with<J>(
        self,
        observe: ObserveBodies<J>,
    ) -> CircuitBreakerLayer<C, R, ObserveBodies<J>, G>
    where
        X: ReplacedByBodies,
    {
        self.with_policies(|policies| Policies {
            classifier: policies.classifier,
            rejection: policies.rejection,
            scope: Arc::new(observe),
        })
    }
}
