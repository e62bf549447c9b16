//! One admitted call: recorded once, or abandoned when dropped.
//!
//! What finishes a guard is always inlined, down to the few loads of the usual success: a guard that
//! is passed on through memory costs more than all of them, because its words are stored one by one
//! and loaded two at a time.

use std::{fmt, ops::Deref};

use crate::{
    circuit::{Outcome, Permit},
    handle::Circuit,
};

/// One admitted call of a circuit, made by [`Circuit::try_acquire`].
///
/// Finish it with an outcome. Dropped without one, the call is abandoned: neutral, or a slow failure
/// if it has run too long (rule A4). Either way a probe's permit is given back.
///
/// Forgotten with [`std::mem::forget`], a probe holds its permit until half-open times out (D4).
#[must_use = "a guard that is dropped abandons its call"]
pub struct Guard<'a> {
    admitted: Admitted<&'a Circuit>,
}

impl<'a> Guard<'a> {
    #[inline]
    pub(crate) fn new(circuit: &'a Circuit, permit: Permit) -> Self {
        Self {
            admitted: Admitted::new(circuit, permit),
        }
    }

    /// The call succeeded.
    #[inline(always)]
    pub fn success(self) {
        self.finish(Outcome::Success);
    }

    /// The call failed.
    #[inline(always)]
    pub fn failure(self) {
        self.finish(Outcome::Failure);
    }

    /// The call says nothing about the dependency (rule A2).
    pub fn ignore(self) {
        self.finish(Outcome::Ignored);
    }

    /// The call came to `outcome`.
    #[inline(always)]
    pub fn finish(mut self, outcome: Outcome) {
        self.admitted.finish(outcome, true);
    }
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("circuit", &self.admitted.circuit.name())
            .finish_non_exhaustive()
    }
}

/// A permit and the circuit it belongs to.
pub struct Admitted<H: Deref<Target = Circuit>> {
    circuit: H,
    permit: Permit,
}

impl<H: Deref<Target = Circuit>> Admitted<H> {
    #[inline]
    pub(crate) fn new(circuit: H, permit: Permit) -> Self {
        Self { circuit, permit }
    }

    pub(crate) fn holder(&self) -> &H {
        &self.circuit
    }

    /// The same call, to be followed by somebody else from here on.
    #[cfg(feature = "body")]
    pub(crate) fn hand_over(&mut self) -> Self
    where
        H: Clone,
    {
        Self::new(self.circuit.clone(), std::mem::take(&mut self.permit))
    }

    /// How long the call has run, in nanoseconds, if that is measured.
    #[cfg(feature = "body")]
    pub(crate) fn elapsed(&self) -> Option<u64> {
        self.permit.elapsed(|| self.circuit.now())
    }

    #[cfg(feature = "body")]
    pub(crate) fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Records `outcome`, unless one is recorded already. `answered` tells a response from an error.
    #[inline(always)]
    pub(crate) fn finish(&mut self, outcome: Outcome, answered: bool) {
        if let Some(permit) = self.permit.take() {
            self.circuit.record(permit, outcome, answered);
        }
    }

    /// Records a response that took so long and whose outcome is known only now.
    #[cfg(feature = "body")]
    pub(crate) fn finish_late(&mut self, outcome: Outcome, answered: bool, took: u64) {
        if let Some(permit) = self.permit.take() {
            self.circuit.record_late(permit, outcome, answered, took);
        }
    }

    /// Abandons the call, unless its outcome is recorded already. `answered` says that the head of its
    /// response has come.
    #[inline]
    pub(crate) fn abandon(&mut self, answered: bool) {
        if let Some(permit) = self.permit.take() {
            self.circuit.abandon(permit, answered);
        }
    }

    /// Stands guard while somebody else's code runs on behalf of this call.
    #[inline]
    pub(crate) fn watch(&mut self) -> Watched<'_, H> {
        Watched::new(&self.circuit, &mut self.permit)
    }
}

impl<H: Deref<Target = Circuit>> Drop for Admitted<H> {
    #[inline]
    fn drop(&mut self) {
        self.abandon(false);
    }
}

/// Lives while somebody else's code runs. Dropped without [`Watched::returned`], that code has
/// panicked, and the call has failed (rule A5).
///
/// So a panic is noticed around our own calls, and not by asking whether the thread is panicking: a
/// destructor that runs in somebody else's panic may make calls too.
pub(crate) struct Watched<'a, H: Deref<Target = Circuit>> {
    circuit: &'a H,
    permit: &'a mut Permit,
}

impl<'a, H: Deref<Target = Circuit>> Watched<'a, H> {
    #[inline]
    pub(crate) fn new(circuit: &'a H, permit: &'a mut Permit) -> Self {
        Self { circuit, permit }
    }

    pub(crate) fn holder(&self) -> &'a H {
        self.circuit
    }

    #[inline]
    pub(crate) fn returned(self) {
        std::mem::forget(self);
    }
}

impl<H: Deref<Target = Circuit>> Drop for Watched<'_, H> {
    #[cold]
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.circuit.record(permit, Outcome::Failure, false);
        }
    }
}

impl<H: Deref<Target = Circuit>> fmt::Debug for Admitted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("circuit", &self.circuit.name())
            .finish_non_exhaustive()
    }
}
