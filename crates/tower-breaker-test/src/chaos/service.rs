//! [`Chaos`]: the service, and its future.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    layer::ChaosLayer,
    outcome::{FaultyCall, MakeOutcome},
    plan::End,
};

/// A service whose calls are disturbed. Made by a [`ChaosLayer`].
///
/// A call that fails or hangs was let in by the inner service's `poll_ready`, and is not made. What that had reserved
/// for it stays reserved for the next call of the same service.
#[must_use = "services do nothing unless called"]
pub struct Chaos<S, F> {
    inner: S,
    layer: ChaosLayer<F>,
}

impl<S, F> Chaos<S, F> {
    pub(super) fn new(inner: S, layer: ChaosLayer<F>) -> Self {
        Self { inner, layer }
    }
}

/// By hand, as for the layer: the outcome need not be `Clone`.
impl<S: Clone, F> Clone for Chaos<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Chaos<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos")
            .field("inner", &self.inner)
            .field("layer", &self.layer)
            .finish()
    }
}

/// # Panics
///
/// A call that is delayed panics outside of a tokio runtime that has time enabled.
impl<S, F, Request> Service<Request> for Chaos<S, F>
where
    S: Service<Request>,
    F: MakeOutcome<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ChaosFuture<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (call, fate) = self.layer.begin();
        let end = match fate.end {
            End::Passes => Ending::Inner {
                future: self.inner.call(request),
            },
            End::Fails => Ending::Fault {
                call,
                layer: self.layer.clone(),
            },
            End::Hangs => Ending::Hangs,
        };
        let delay = Some(fate.delay).filter(|delay| *delay > Duration::ZERO);
        ChaosFuture {
            delay: delay.map(sleep),
            end,
        }
    }
}

pin_project! {
    /// A call of [`Chaos`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ChaosFuture<Fut, F> {
        #[pin]
        delay: Option<Sleep>,
        #[pin]
        end: Ending<Fut, F>,
    }
}

pin_project! {
    #[project = EndingProjected]
    enum Ending<Fut, F> {
        Inner { #[pin] future: Fut },
        Fault { call: FaultyCall, layer: ChaosLayer<F> },
        Hangs,
    }
}

impl<Fut, F, T, E> Future for ChaosFuture<Fut, F>
where
    Fut: Future<Output = Result<T, E>>,
    F: MakeOutcome<T, E>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(delay) = this.delay.as_pin_mut() {
            ready!(delay.poll(cx));
        }
        match this.end.project() {
            EndingProjected::Inner { future } => future.poll(cx),
            EndingProjected::Fault { call, layer } => Poll::Ready(layer.outcome(*call)),
            // Nobody wakes it: that is what a call that hangs is.
            EndingProjected::Hangs => Poll::Pending,
        }
    }
}

impl<Fut, F> fmt::Debug for ChaosFuture<Fut, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match &self.end {
            Ending::Inner { .. } => "passes",
            Ending::Fault { .. } => "fails",
            Ending::Hangs => "hangs",
        };
        f.debug_struct("ChaosFuture")
            .field("delayed", &self.delay.is_some())
            .field("call", &ending)
            .finish_non_exhaustive()
    }
}
