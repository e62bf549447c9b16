//! Another service as an answer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Answer, Because, FallbackError, FallbackKind};

/// Answers with another service: a replica, a slower source, a page of your own. It gets what is kept of the request.
/// With [`keeping_request`](super::super::FallbackLayer::keeping_request), that is the whole request.
///
/// Each answer takes a clone of the service and waits until that is ready.
///
/// **Watch out:** a service that is never ready keeps the caller waiting. Put a timeout around it, or around
/// everything.
///
/// If it fails, the service's error is a [`FallbackError`], which has both causes. If it cannot fail, its error is
/// [`Infallible`](std::convert::Infallible), and axum's routers still take the service.
pub fn service<S: Clone>(service: S) -> ServiceAnswer<S> {
    ServiceAnswer(service)
}

/// Another service. Made by [`service`].
#[derive(Clone, Copy)]
pub struct ServiceAnswer<S>(S);

/// A service that can be asked for what is kept of a request, `K`: each that is `Clone`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no service that can be asked for `{K}`, which is what is kept of a request",
    label = "cannot stand in here",
    note = "nothing of a request is kept, `()`, unless the layer says `keeping_request()`, `keeping_head()` or \
            `keeping(..)`; and a service that stands in has to be `Clone`"
)]
pub trait StandIn<K>: Service<K> + Clone {}

// Or the compiler would tell of types that do not fit, and not why.
#[diagnostic::do_not_recommend]
impl<S: Service<K> + Clone, K> StandIn<K> for S {}

impl<S, K, E> Answer<K, S::Response, E> for ServiceAnswer<S>
where
    S: StandIn<K>,
{
    type Failure = S::Error;
    type Error = FallbackError<E, S::Error>;
    type Future = ServiceAnswerFuture<S, K>;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Own
    }

    fn answer(&self, kept: K, _: &Because<E>) -> Option<Self::Future> {
        Some(ServiceAnswerFuture {
            stage: Stage::Waiting {
                service: self.0.clone(),
                kept: Some(kept),
            },
        })
    }

    can_fail!();
}

pin_project! {
    /// The answer of a [`ServiceAnswer`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ServiceAnswerFuture<S, K>
    where
        S: Service<K>,
    {
        #[pin]
        stage: Stage<S, K, S::Future>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, K, F> {
        Waiting { service: S, kept: Option<K> },
        Called { #[pin] answer: F },
    }
}

impl<S, K> Future for ServiceAnswerFuture<S, K>
where
    S: Service<K>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        loop {
            match stage.as_mut().project() {
                StageProjection::Waiting { service, kept } => {
                    ready!(service.poll_ready(context))?;
                    let kept = kept.take().expect("polled after completion");
                    let answer = service.call(kept);
                    stage.set(Stage::Called { answer });
                }
                StageProjection::Called { answer } => return answer.poll(context),
            }
        }
    }
}

impl<S> fmt::Debug for ServiceAnswer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceAnswer(_)")
    }
}

impl<S: Service<K>, K> fmt::Debug for ServiceAnswerFuture<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAnswerFuture")
            .finish_non_exhaustive()
    }
}
