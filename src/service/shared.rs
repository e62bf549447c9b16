//! What the services of a layer, and their calls, have in common, and how they hold on to it.

use std::{fmt, ops::Deref, sync::Arc};

use super::{classify::HttpClassifier, reject::ServiceUnavailable, scope::HeadOnly, striped};
use crate::circuit::handle::Circuit;

/// What a layer makes of outcomes and of rejections.
pub(crate) struct Policies<C, R, X> {
    pub(crate) classifier: Arc<C>,
    pub(crate) rejection: Arc<R>,
    pub(crate) scope: Arc<X>,
}

impl Default for Policies<HttpClassifier, ServiceUnavailable, HeadOnly> {
    fn default() -> Self {
        Self {
            classifier: Arc::new(HttpClassifier::new()),
            rejection: Arc::new(ServiceUnavailable),
            scope: Arc::new(HeadOnly),
        }
    }
}

impl<C, R, X> Clone for Policies<C, R, X> {
    fn clone(&self) -> Self {
        Self {
            classifier: self.classifier.clone(),
            rejection: self.rejection.clone(),
            scope: self.scope.clone(),
        }
    }
}

/// A circuit, and what its layer says of outcomes and rejections.
struct Parts<C, R, X> {
    circuit: Circuit,
    policies: Policies<C, R, X>,
}

/// All shares of a circuit and its policies: see [`striped`].
pub(crate) struct Family<C, R, X>(striped::Family<Parts<C, R, X>>);

impl<C, R, X> Family<C, R, X> {
    pub(crate) fn new(circuit: &Circuit, policies: &Policies<C, R, X>) -> Self {
        Self(striped::Family::new(|| Parts {
            circuit: circuit.clone(),
            policies: policies.clone(),
        }))
    }

    pub(crate) fn circuit(&self) -> &Circuit {
        &self.0.held().circuit
    }

    pub(crate) fn policies(&self) -> &Policies<C, R, X> {
        &self.0.held().policies
    }

    /// The calling thread's share.
    pub(crate) fn share(&self) -> Shared<C, R, X> {
        Shared(self.0.share())
    }
}

impl<C, R, X> Clone for Family<C, R, X> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A share of a circuit, and of what its layer says of outcomes and rejections.
pub struct Shared<C, R, X>(striped::Share<Parts<C, R, X>>);

#[cfg(feature = "registry")]
impl<C, R, X> Shared<C, R, X> {
    /// One that shares its count with all its clones.
    pub(crate) fn alone(circuit: Circuit, policies: Policies<C, R, X>) -> Self {
        Self(striped::Share::alone(Parts { circuit, policies }))
    }

    /// Whether nobody else holds it.
    pub(crate) fn is_only(&self) -> bool {
        self.0.is_only()
    }

    pub(crate) fn downgrade(&self) -> WeakShared<C, R, X> {
        WeakShared(self.0.downgrade())
    }
}

/// A share that does not keep its circuit.
#[cfg(feature = "registry")]
pub(crate) struct WeakShared<C, R, X>(striped::WeakShare<Parts<C, R, X>>);

#[cfg(feature = "registry")]
impl<C, R, X> WeakShared<C, R, X> {
    pub(crate) fn upgrade(&self) -> Option<Shared<C, R, X>> {
        self.0.upgrade().map(Shared)
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
impl<C, R, X> Shared<C, R, X> {
    /// Whether its count is the calling thread's own.
    pub(crate) fn is_own(&self) -> bool {
        self.0.is_own()
    }
}

impl<C, R, X> Clone for Shared<C, R, X> {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C, R, X> Deref for Shared<C, R, X> {
    type Target = Circuit;

    #[inline]
    fn deref(&self) -> &Circuit {
        &self.0.circuit
    }
}

impl<C, R, X> Shared<C, R, X> {
    pub(super) fn classifier(&self) -> &C {
        &self.0.policies.classifier
    }

    pub(crate) fn rejection(&self) -> &R {
        &self.0.policies.rejection
    }

    #[inline(always)]
    pub(crate) fn scope(&self) -> &X {
        &self.0.policies.scope
    }
}

impl<C, R, X> fmt::Debug for Shared<C, R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&**self).finish()
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_circuit_it_holds() {
        let circuit = Circuit::builder("payments").build().expect("valid");
        let family = Family::new(&circuit, &Policies::default());
        let printed = format!("{:?}", family.share());
        assert_eq!(printed, format!("Shared({:?})", family.circuit()));
    }
}
