//! How the calls of a service hold on to what they need: counted, or for ever.

use std::{fmt, ops::Deref, sync::Arc};

use crate::{
    handle::Circuit,
    layer::{Manners, Setup},
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

    #[doc(hidden)]
    fn classifier(&self) -> &Self::Classifier;

    #[doc(hidden)]
    fn rejection(&self) -> &Self::Rejection;
}

mod sealed {
    pub trait Sealed {}
}

/// A share that is counted: whatever the last one to hold it lets go of is freed. A call takes one and
/// gives it back.
pub struct Counted<C, R>(Arc<Setup<C, R>>);

/// A reference for ever, which costs nothing to copy. Made by
/// [`CircuitBreakerLayer::leak`](crate::CircuitBreakerLayer::leak).
pub struct Leaked<C: 'static, R: 'static>(&'static Setup<C, R>);

impl<C, R> Counted<C, R> {
    pub(crate) fn new(setup: Setup<C, R>) -> Self {
        Self(Arc::new(setup))
    }

    pub(crate) fn manners(&self) -> &Manners<C, R> {
        &self.0.manners
    }
}

impl<C, R> Leaked<C, R> {
    pub(crate) fn new(setup: Setup<C, R>) -> Self {
        Self(Box::leak(Box::new(setup)))
    }
}

impl<C, R> Clone for Counted<C, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C, R> Clone for Leaked<C, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, R> Copy for Leaked<C, R> {}

impl<C, R> Deref for Counted<C, R> {
    type Target = Circuit;

    fn deref(&self) -> &Circuit {
        &self.0.circuit
    }
}

impl<C, R> Deref for Leaked<C, R> {
    type Target = Circuit;

    fn deref(&self) -> &Circuit {
        &self.0.circuit
    }
}

impl<C, R> sealed::Sealed for Counted<C, R> {}

impl<C, R> sealed::Sealed for Leaked<C, R> {}

impl<C, R> Hold for Counted<C, R> {
    type Classifier = C;
    type Rejection = R;

    fn classifier(&self) -> &C {
        &self.0.manners.classifier
    }

    fn rejection(&self) -> &R {
        &self.0.manners.rejection
    }
}

impl<C, R> Hold for Leaked<C, R> {
    type Classifier = C;
    type Rejection = R;

    fn classifier(&self) -> &C {
        &self.0.manners.classifier
    }

    fn rejection(&self) -> &R {
        &self.0.manners.rejection
    }
}

impl<C, R> fmt::Debug for Counted<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&**self).finish()
    }
}

impl<C, R> fmt::Debug for Leaked<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leaked").field(&**self).finish()
    }
}

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
