//! [`ResponseFuture`]: one call through a circuit.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{
    follow::{Extent, Follow, Followed},
    hold::Hold,
    noted::JudgedBy,
    reject::Reject,
};

pin_project! {
    /// The response of a [`CircuitBreaker`](crate::CircuitBreaker): the inner service's, or the
    /// answer to a rejection.
    ///
    /// Dropped before it is done, the call is abandoned (rule A4).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, A, H, Req>
    where
        H: Hold,
    {
        #[pin]
        kind: Kind<F, A, H>,
        request: PhantomData<fn(Req)>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, A, H>
    where
        H: Hold,
    {
        Admitted {
            #[pin]
            inner: F,
            admitted: Followed<H>,
            note: <H::Extent as Extent>::Note,
        },
        Rejected {
            #[pin]
            answer: A,
        },
    }
}

impl<F, A, H: Hold, Req> ResponseFuture<F, A, H, Req> {
    pub(crate) fn admitted(
        inner: F,
        admitted: Followed<H>,
        note: <H::Extent as Extent>::Note,
    ) -> Self {
        Self {
            kind: Kind::Admitted {
                inner,
                admitted,
                note,
            },
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

impl<F, A, H, Req, Res, E> Future for ResponseFuture<F, A, H, Req>
where
    F: Future<Output = Result<Res, E>>,
    A: Future<Output = Result<Res, <H::Rejection as Reject<Req, Res, E>>::Error>>,
    H: Hold,
    H::Extent: Follow<Req, Res, H>,
    <H::Extent as Extent>::Note: JudgedBy<H::Classifier, Res, E>,
    H::Rejection: Reject<Req, Res, E>,
{
    type Output = Result<
        <H::Extent as Follow<Req, Res, H>>::Response,
        <H::Rejection as Reject<Req, Res, E>>::Error,
    >;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (inner, admitted, note) = match self.project().kind.project() {
            KindProjection::Admitted {
                inner,
                admitted,
                note,
            } => (inner, admitted, note),
            KindProjection::Rejected { answer } => return H::Extent::pass(answer.poll(context)),
        };
        let watched = admitted.watch();
        let polled = inner.poll(context);
        let Poll::Ready(result) = &polled else {
            watched.returned();
            return Poll::Pending;
        };
        let outcome = note.judged_by(watched.holder().classifier(), result.as_ref());
        watched.returned();
        // Changed in place: a result that is taken apart and put together again is copied in other
        // pieces than it was stored in, which stalls.
        H::Extent::conclude(outcome, note, admitted, polled)
            .map_err(|error| admitted.holder().rejection().inner_error(error))
    }
}

impl<F, A, H: Hold, Req> fmt::Debug for ResponseFuture<F, A, H, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
