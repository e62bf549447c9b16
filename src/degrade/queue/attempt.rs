//! One try to deliver an entry, as its circuit sees it: it takes no longer than it may, and a panic is a failure.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use crate::{circuit::classify::Classify, machine::Outcome, util::panic::catch_panic};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum AttemptError<E> {
    Inner(E),
    /// It took longer than a try may.
    Late,
    Panicked,
}

impl<E: fmt::Debug> fmt::Display for AttemptError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner(_) => f.write_str("the try failed"),
            Self::Late => f.write_str("the try took too long"),
            Self::Panicked => f.write_str("the try panicked"),
        }
    }
}

impl<E: fmt::Debug> Error for AttemptError<E> {}

/// The dependency, for tries. It goes inside of the breaker.
pub(super) struct Attempts<S> {
    inner: S,
    limit: Duration,
    /// For as long as it is not ready. That, too, may take no longer than it may, and the circuit hears of it (A6).
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Attempts<S> {
    pub(super) fn new(inner: S, limit: Duration) -> Self {
        Self {
            inner,
            limit,
            waiting: None,
        }
    }
}

impl<S: Service<Req>, Req> Service<Req> for Attempts<S> {
    type Response = S::Response;
    type Error = AttemptError<S::Error>;
    type Future = Attempt<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let polled = match catch_panic(|| self.inner.poll_ready(context)) {
            Some(Poll::Ready(result)) => result.map_err(AttemptError::Inner),
            None => Err(AttemptError::Panicked),
            Some(Poll::Pending) => {
                let begin = || Box::pin(sleep(self.limit));
                ready!(
                    self.waiting
                        .get_or_insert_with(begin)
                        .as_mut()
                        .poll(context)
                );
                Err(AttemptError::Late)
            }
        };
        self.waiting = None;
        Poll::Ready(polled)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        Attempt {
            inner: catch_panic(|| self.inner.call(request)),
            limit: sleep(self.limit),
        }
    }
}

pin_project! {
    pub(super) struct Attempt<F> {
        // None if the call has panicked.
        #[pin]
        inner: Option<F>,
        #[pin]
        limit: Sleep,
    }
}

impl<F, T, E> Future for Attempt<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, AttemptError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Ready(Err(AttemptError::Panicked));
        };
        match catch_panic(|| inner.poll(context)) {
            Some(Poll::Ready(result)) => Poll::Ready(result.map_err(AttemptError::Inner)),
            None => Poll::Ready(Err(AttemptError::Panicked)),
            Some(Poll::Pending) => {
                ready!(this.limit.poll(context));
                Poll::Ready(Err(AttemptError::Late))
            }
        }
    }
}

/// What a try comes to, for the circuit and for the drainer.
#[derive(Debug)]
pub(super) struct AttemptClassifier<C>(Arc<C>);

impl<C> AttemptClassifier<C> {
    pub(super) fn new(classifier: Arc<C>) -> Self {
        Self(classifier)
    }
}

impl<C, B, E> Classify<Response<B>, AttemptError<E>> for AttemptClassifier<C>
where
    C: Classify<Response<B>, E>,
{
    fn classify(&self, result: Result<&Response<B>, &AttemptError<E>>) -> Outcome {
        let classify = |result| catch_panic(|| self.0.classify(result));
        let outcome = match result {
            Ok(response) => classify(Ok(response)),
            Err(AttemptError::Inner(error)) => classify(Err(error)),
            Err(AttemptError::Late | AttemptError::Panicked) => None,
        };
        outcome.unwrap_or(Outcome::Failure)
    }
}
