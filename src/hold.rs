//! How the calls of a service hold on to what they need: counted, or for ever.

use std::{fmt, ops::Deref, sync::Arc};

use crate::{
    classify::HttpClassifier,
    follow::{Extent, HeadOnly},
    handle::Circuit,
    reject::ServiceUnavailable,
};

/// How a service, and every call through it, holds on to its circuit: [`Counted`], as usual, or
/// [`Leaked`].
///
/// It is implemented for these two and nothing else.
pub trait Hold: Clone + Deref<Target = Circuit> + sealed::Sealed {
    /// What says what counts as a failure.
    type Classifier;
    /// What answers in place of the inner service.
    type Rejection;
    /// How far a call is followed.
    type Extent: Extent;

    #[doc(hidden)]
    fn classifier(&self) -> &Self::Classifier;

    #[doc(hidden)]
    fn rejection(&self) -> &Self::Rejection;

    #[doc(hidden)]
    fn extent(&self) -> &Self::Extent;
}

mod sealed {
    pub trait Sealed {}
}

/// What a layer makes of outcomes and of rejections.
pub(crate) struct Manners<C, R, X> {
    pub(crate) classifier: Arc<C>,
    pub(crate) rejection: Arc<R>,
    pub(crate) extent: Arc<X>,
}

impl<C, R, X> Manners<C, R, X> {
    pub(crate) fn around(self, circuit: Circuit) -> Setup<C, R, X> {
        Setup {
            circuit,
            manners: self,
        }
    }
}

impl Default for Manners<HttpClassifier, ServiceUnavailable, HeadOnly> {
    fn default() -> Self {
        Self {
            classifier: Arc::new(HttpClassifier::new()),
            rejection: Arc::new(ServiceUnavailable),
            extent: Arc::new(HeadOnly),
        }
    }
}

impl<C, R, X> Clone for Manners<C, R, X> {
    fn clone(&self) -> Self {
        Self {
            classifier: self.classifier.clone(),
            rejection: self.rejection.clone(),
            extent: self.extent.clone(),
        }
    }
}

/// What all clones of one service share. Together, so that a call clones one `Arc` for all of it.
///
/// Two cache lines away from the counts of that `Arc`: these change with every call, and what every call
/// reads must not lie beside them.
#[repr(align(128))]
pub(crate) struct Setup<C, R, X> {
    pub(crate) circuit: Circuit,
    pub(crate) manners: Manners<C, R, X>,
}

/// A share that is counted: whatever the last one to hold it lets go of is freed. A call takes one and
/// gives it back.
pub struct Counted<C, R, X = HeadOnly>(Arc<Setup<C, R, X>>);

/// A reference for ever, which costs nothing to copy. Made by
/// [`CircuitBreakerLayer::leak`](crate::CircuitBreakerLayer::leak).
pub struct Leaked<C: 'static, R: 'static, X: 'static = HeadOnly>(&'static Setup<C, R, X>);

impl<C, R, X> Counted<C, R, X> {
    pub(crate) fn new(setup: Setup<C, R, X>) -> Self {
        Self(Arc::new(setup))
    }

    pub(crate) fn manners(&self) -> &Manners<C, R, X> {
        &self.0.manners
    }
}

impl<C, R, X> Leaked<C, R, X> {
    pub(crate) fn new(setup: Setup<C, R, X>) -> Self {
        Self(Box::leak(Box::new(setup)))
    }
}

impl<C, R, X> Clone for Counted<C, R, X> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C, R, X> Clone for Leaked<C, R, X> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, R, X> Copy for Leaked<C, R, X> {}

/// Both are the same but for what is inside. Not a shared part that both wrap: it would be a private type
/// in the bounds of a public trait.
macro_rules! hold {
    ($hold:ident) => {
        impl<C, R, X> Deref for $hold<C, R, X> {
            type Target = Circuit;

            fn deref(&self) -> &Circuit {
                &self.0.circuit
            }
        }

        impl<C, R, X> sealed::Sealed for $hold<C, R, X> {}

        impl<C, R, X: Extent> Hold for $hold<C, R, X> {
            type Classifier = C;
            type Rejection = R;
            type Extent = X;

            fn classifier(&self) -> &C {
                &self.0.manners.classifier
            }

            fn rejection(&self) -> &R {
                &self.0.manners.rejection
            }

            fn extent(&self) -> &X {
                &self.0.manners.extent
            }
        }

        impl<C, R, X> fmt::Debug for $hold<C, R, X> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($hold)).field(&**self).finish()
            }
        }
    };
}

hold!(Counted);
hold!(Leaked);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_says_which_circuit_it_holds() {
        let circuit = Circuit::builder("payments").build().expect("valid");
        let setup = || Setup {
            circuit: circuit.clone(),
            manners: Manners::default(),
        };
        let counted = format!("{:?}", Counted::new(setup()));
        assert_eq!(counted, format!("Counted({circuit:?})"));
        let leaked = format!("{:?}", Leaked::new(setup()));
        assert_eq!(leaked, format!("Leaked({circuit:?})"));
    }
}
