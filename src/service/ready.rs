//! [`Ready`]: waits until a service is ready for a call.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tower_service::Service;

/// Waits until a service is ready for a call, and then gives it back. Made by the method `ready` of each service, such
/// as [`CircuitBreaker::ready`](crate::CircuitBreaker::ready).
#[must_use = "futures do nothing unless polled"]
pub struct Ready<'a, S, Req> {
    service: Option<&'a mut S>,
    request: PhantomData<fn() -> Req>,
}

impl<'a, S, Req> Ready<'a, S, Req> {
    pub(crate) fn new(service: &'a mut S) -> Self {
        Self {
            service: Some(service),
            request: PhantomData,
        }
    }
}

impl<'a, S: Service<Req>, Req> Future for Ready<'a, S, Req> {
    type Output = Result<&'a mut S, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        const DONE: &str = "polled after completion";
        ready!(self.service.as_mut().expect(DONE).poll_ready(context))?;
        Poll::Ready(Ok(self.service.take().expect(DONE)))
    }
}

impl<S: fmt::Debug, Req> fmt::Debug for Ready<'_, S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ready").field(&self.service).finish()
    }
}
