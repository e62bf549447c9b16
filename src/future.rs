//! [`ResponseFuture`]: one call through a circuit.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{classify::Classify, guard::Admitted, layer::Held, reject::Reject};

pin_project! {
    /// The response of a [`CircuitBreaker`](crate::CircuitBreaker): the inner service's, or the
    /// answer to a rejection.
    ///
    /// Dropped before it is done, the call is abandoned (rule A4).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, A, C, R, Req> {
        #[pin]
        kind: Kind<F, A, C, R>,
        request: PhantomData<fn(Req)>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, A, C, R> {
        Admitted {
            #[pin]
            inner: F,
            admitted: Admitted<Held<C, R>>,
        },
        Rejected {
            #[pin]
            answer: A,
        },
    }
}

impl<F, A, C, R, Req> ResponseFuture<F, A, C, R, Req> {
    pub(crate) fn admitted(inner: F, admitted: Admitted<Held<C, R>>) -> Self {
        Self {
            kind: Kind::Admitted { inner, admitted },
            request: PhantomData,
        }
    }

    pub(crate) fn rejected(answer: A) -> Self {
        Self {
            kind: Kind::Rejected { answer },
            request: PhantomData,
        }
    }
}

impl<F, C, R, Req, Res, E> Future for ResponseFuture<F, R::Future, C, R, Req>
where
    F: Future<Output = Result<Res, E>>,
    C: Classify<Res, E>,
    R: Reject<Req, Res, E>,
{
    type Output = Result<Res, R::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (inner, admitted) = match self.project().kind.project() {
            KindProjection::Admitted { inner, admitted } => (inner, admitted),
            KindProjection::Rejected { answer } => return answer.poll(context),
        };
        let (result, outcome) = ready!(admitted.watch(|held| {
            inner.poll(context).map(|result| {
                let outcome = held.0.classifier.classify(result.as_ref());
                (result, outcome)
            })
        }));
        admitted.finish(outcome, result.is_ok());
        let rejection = &admitted.holder().0.rejection;
        Poll::Ready(result.map_err(|error| rejection.inner_error(error)))
    }
}

impl<F, A, C, R, Req> fmt::Debug for ResponseFuture<F, A, C, R, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
