//! [`QueueFuture`]: a call that is made at once, or waits for something.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

pin_project! {
    /// The response of a [`Hold`](super::Hold) or a [`Later`](super::Later): the inner service's, or another. A call is
    /// boxed only if it has to wait, or may have to be kept.
    #[must_use = "futures do nothing unless polled"]
    pub struct QueueFuture<F: Future> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F: Future> {
        Through {
            #[pin]
            inner: F,
        },
        Boxed {
            work: Pin<Box<dyn Future<Output = F::Output> + Send>>,
        },
    }
}

impl<F: Future> QueueFuture<F> {
    pub(super) fn through(inner: F) -> Self {
        Self {
            kind: Kind::Through { inner },
        }
    }

    pub(super) fn boxed(work: impl Future<Output = F::Output> + Send + 'static) -> Self {
        let work = Box::pin(work);
        Self {
            kind: Kind::Boxed { work },
        }
    }
}

impl<F: Future> Future for QueueFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Through { inner } => inner.poll(context),
            KindProjection::Boxed { work } => work.as_mut().poll(context),
        }
    }
}

impl<F: Future> fmt::Debug for QueueFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueFuture").finish_non_exhaustive()
    }
}
