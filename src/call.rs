//! [`Call`]: one future through a circuit, without Tower.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{classify::Classify, error::CircuitError, guard::Admitted, handle::Circuit};

pin_project! {
    /// A future that runs if a circuit admits it. Made by [`Circuit::call`] and its kin.
    ///
    /// The circuit admits when this is first polled. Dropped before, nothing has happened; dropped
    /// later, the call is abandoned (rule A4).
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<'a, F, C> {
        circuit: &'a Circuit,
        classifier: C,
        admitted: Option<Admitted<&'a Circuit>>,
        #[pin]
        future: F,
    }
}

impl<'a, F, C> Call<'a, F, C> {
    pub(crate) fn new(circuit: &'a Circuit, classifier: C, future: F) -> Self {
        Self {
            circuit,
            classifier,
            admitted: None,
            future,
        }
    }
}

impl<F, C, T, E> Future for Call<'_, F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, CircuitError<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let circuit: &Circuit = this.circuit;
        let admitted = match this.admitted {
            Some(admitted) => admitted,
            none => match circuit.admit() {
                Ok(permit) => none.insert(Admitted::new(*this.circuit, permit)),
                Err(refusal) => return Poll::Ready(Err(circuit.rejected(refusal).into())),
            },
        };
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

impl<F, C> fmt::Debug for Call<'_, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("circuit", &self.circuit.name())
            .field("admitted", &self.admitted.is_some())
            .finish_non_exhaustive()
    }
}
