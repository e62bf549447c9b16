//! [`Oneshot`]: makes one call with a service of its own.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    /// Waits until a service is ready, and then makes one call. Made by the method `oneshot` of each service, such as
    /// [`CircuitBreaker::oneshot`](crate::CircuitBreaker::oneshot).
    ///
    /// The service is dropped as soon as the call is made.
    #[must_use = "futures do nothing unless polled"]
    pub struct Oneshot<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, Req, F> {
        NotReady {
            service: S,
            request: Option<Req>,
        },
        Called {
            #[pin]
            call: F,
        },
        Done,
    }
}

impl<S: Service<Req>, Req> Oneshot<S, Req> {
    pub(crate) fn new(service: S, request: Req) -> Self {
        let request = Some(request);
        Self {
            state: State::NotReady { service, request },
        }
    }
}

impl<S: Service<Req>, Req> Future for Oneshot<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProjection::NotReady { service, request } = state.as_mut().project() {
            ready!(service.poll_ready(context))?;
            let call = service.call(request.take().expect("called once"));
            state.set(State::Called { call });
        }
        let StateProjection::Called { call } = state.as_mut().project() else {
            panic!("polled after completion");
        };
        let result = ready!(call.poll(context));
        state.set(State::Done);
        Poll::Ready(result)
    }
}

impl<S: Service<Req>, Req> fmt::Debug for Oneshot<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oneshot").finish_non_exhaustive()
    }
}
