//! [`Call`]: one future through a circuit, without Tower.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{
    classify::Classify,
    error::CircuitError,
    guard::{Admitted, Owned},
    handle::Circuit,
    limit::{Boxed, Timer},
};
use crate::machine::Answer;

pin_project! {
    /// A future that runs if a circuit admits it. Made by [`Circuit::call`] and its kin. An [`OwnedCall`] has a handle
    /// to the circuit of its own.
    ///
    /// The circuit admits the call when this is first polled. If it is dropped before, nothing has happened. If it is
    /// dropped later, the call is abandoned (rule A4).
    ///
    /// # Panics
    ///
    /// If it has a limit and has to wait, and there is no tokio runtime with time enabled. A limit is a
    /// [`call_timeout`](crate::CircuitBuilder::call_timeout); for a probe, also a
    /// [`probe_timeout`](crate::CircuitBuilder::probe_timeout).
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<'a, F, C, H = &'a Circuit>
    where
        H: Deref<Target = Circuit>,
    {
        classifier: C,
        admitted: Admitted<H>,
        #[pin]
        timer: Boxed,
        lifetime: PhantomData<&'a Circuit>,
        #[pin]
        running: Running<F>,
    }
}

pin_project! {
    // What is left of the future is told by a value that `begun` does not have, so that is no larger.
    #[project = RunningProjection]
    enum Running<F> {
        Future {
            begun: bool,
            #[pin]
            future: F,
        },
        // It was cut off.
        CutOff,
    }
}

/// A [`Call`] with a handle to the circuit of its own, made by [`Circuit::call_owned`] and its kin. It can be spawned.
pub type OwnedCall<F, C> = Call<'static, F, C, Owned>;

impl<F, C, H: Deref<Target = Circuit>> Call<'_, F, C, H> {
    pub(crate) fn new(circuit: H, classifier: C, future: F) -> Self {
        Self {
            classifier,
            admitted: Admitted::not_yet(circuit),
            timer: Boxed::new(None),
            lifetime: PhantomData,
            running: Running::Future {
                begun: false,
                future,
            },
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
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let admitted = this.admitted;
        let RunningProjection::Future { begun, future } = this.running.project() else {
            panic!("polled after completion");
        };
        if !*begun {
            if let Err(refusal) = admitted.admit() {
                let rejected = admitted.handle().rejected_cold(refusal);
                return Poll::Ready(Err(rejected.into()));
            }
            *begun = true;
        }
        let panic_guard = admitted.panic_guard();
        let polled = future.poll(context);
        let Poll::Ready(result) = &polled else {
            panic_guard.disarm();
            if admitted.is_limited(&*this.timer) {
                return self.poll_limit(context);
            }
            return Poll::Pending;
        };
        let outcome = this.classifier.classify(result.as_ref());
        panic_guard.disarm();
        admitted.finish(outcome, Answer::of(result));
        polled.map_err(CircuitError::Inner)
    }
}

impl<F, C, H: Deref<Target = Circuit>> Call<'_, F, C, H> {
    /// What a call does that is limited and whose future is pending (D9, M5).
    #[inline(always)]
    fn poll_limit<T, E>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, CircuitError<E>>> {
        let mut this = self.project();
        let told = |_: &H, timed_out| Some(timed_out);
        let timed_out = ready!(this.admitted.poll_limit(this.timer, context, told));
        this.running.set(Running::CutOff);
        Poll::Ready(Err(timed_out.into()))
    }
}

impl<F, C, H: Deref<Target = Circuit>> fmt::Debug for Call<'_, F, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let admitted = !matches!(self.running, Running::Future { begun: false, .. });
        f.debug_struct("Call")
            .field("circuit", &self.admitted.handle().name())
            .field("admitted", &admitted)
            .finish_non_exhaustive()
    }
}
