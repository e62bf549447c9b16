//! [`Call`]: one future through a circuit, without Tower.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{
    classify::Classify,
    error::CircuitError,
    guard::{Admitted, Owned},
    handle::Circuit,
};

pin_project! {
    /// A future that runs if a circuit admits it. Made by [`Circuit::call`] and its kin. An [`OwnedCall`] is
    /// the same with a circuit of its own.
    ///
    /// The circuit admits when this is first polled. Dropped before, nothing has happened; dropped
    /// later, the call is abandoned (rule A4).
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<'a, F, C, H = &'a Circuit>
    where
        H: Deref<Target = Circuit>,
    {
        classifier: C,
        admitted: Admitted<H>,
        begun: bool,
        lifetime: PhantomData<&'a Circuit>,
        #[pin]
        future: F,
    }
}

/// A [`Call`] that has a handle to its circuit, made by [`Circuit::call_owned`] and its kin. It can be spawned.
pub type OwnedCall<F, C> = Call<'static, F, C, Owned>;

impl<F, C, H: Deref<Target = Circuit>> Call<'_, F, C, H> {
    pub(crate) fn new(circuit: H, classifier: C, future: F) -> Self {
        Self {
            classifier,
            admitted: Admitted::not_yet(circuit),
            begun: false,
            lifetime: PhantomData,
            future,
        }
    }
}

impl<F, C, H, T, E> Future for Call<'_, F, C, H>
where
    H: Deref<Target = Circuit>,
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, CircuitError<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let admitted = this.admitted;
        if !*this.begun {
            if let Err(refusal) = admitted.admit() {
                let rejected = admitted.holder().rejected_apart(refusal);
                return Poll::Ready(Err(rejected.into()));
            }
            *this.begun = true;
        }
        let watched = admitted.watch();
        let polled = this.future.poll(context);
        let Poll::Ready(result) = &polled else {
            watched.returned();
            return Poll::Pending;
        };
        let outcome = this.classifier.classify(result.as_ref());
        watched.returned();
        admitted.finish(outcome, result.is_ok());
        polled.map_err(CircuitError::Inner)
    }
}

impl<F, C, H: Deref<Target = Circuit>> fmt::Debug for Call<'_, F, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("circuit", &self.admitted.holder().name())
            .field("admitted", &self.begun)
            .finish_non_exhaustive()
    }
}
