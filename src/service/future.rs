//! [`ResponseFuture`]: one call through a circuit.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{
    by_request::ClassifiedBy,
    classify::HttpClassifier,
    reject::{Reject, ServiceUnavailable},
    scope::{CallScope, HeadOnly, ObserveResponse, ObservedCall},
};
use crate::circuit::limit::{CallerLimit, Timer};

pin_project! {
    /// The response of a [`CircuitBreaker`](crate::CircuitBreaker): the inner service's, or the answer to a rejection.
    ///
    /// If it is dropped before it is done, the call is abandoned (rule A4).
    ///
    /// # Panics
    ///
    /// If it has a limit and has to wait, and there is no tokio runtime with time enabled. A limit is a
    /// [`call_timeout`](crate::CircuitBuilder::call_timeout) or the caller's own; for a probe, also a
    /// [`probe_timeout`](crate::CircuitBuilder::probe_timeout).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, A, Req, C = HttpClassifier, R = ServiceUnavailable, X = HeadOnly>
    where
        X: CallScope,
    {
        #[pin]
        kind: Kind<F, A, C, R, X>,
        request: PhantomData<fn(Req)>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, A, C, R, X>
    where
        X: CallScope,
    {
        Admitted {
            #[pin]
            inner: F,
            admitted: ObservedCall<C, R, X>,
            facts: X::RequestFacts,
            #[pin]
            timer: X::Timer,
        },
        Rejected {
            // None for a call that was cut off and is answered already. A variant of its own would make every
            // future larger.
            #[pin]
            answer: Option<A>,
        },
    }
}

impl<F, A, Req, C, R, X: CallScope> ResponseFuture<F, A, Req, C, R, X> {
    pub(crate) fn admitted(
        inner: F,
        admitted: ObservedCall<C, R, X>,
        facts: X::RequestFacts,
    ) -> Self {
        Self {
            kind: Kind::Admitted {
                inner,
                admitted,
                timer: Timer::new(X::caller_limit(&facts)),
                facts,
            },
            request: PhantomData,
        }
    }

    pub(crate) fn rejected(answer: A) -> Self {
        Self {
            kind: Kind::Rejected {
                answer: Some(answer),
            },
            request: PhantomData,
        }
    }

    /// Its caller had said until when it waits before the call was admitted.
    pub(crate) fn shorten(&mut self, caller: CallerLimit) {
        if let Kind::Admitted { timer, .. } = &mut self.kind {
            timer.shorten(caller);
        }
    }

    /// Whether the call was rejected, or cut off.
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self.kind, Kind::Rejected { .. })
    }
}

impl<F, A, Req, C, R, X, Res, E> Future for ResponseFuture<F, A, Req, C, R, X>
where
    F: Future<Output = Result<Res, E>>,
    A: Future<Output = Result<Res, R::Error>>,
    R: Reject<Req, Res, E>,
    X: ObserveResponse<Req, Res, C, R, X>,
    X::RequestFacts: ClassifiedBy<C, Res, E>,
{
    type Output = Result<X::Response, R::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (inner, admitted, facts, timer) = match self.as_mut().project().kind.project() {
            KindProjection::Admitted {
                inner,
                admitted,
                facts,
                timer,
            } => (inner, admitted, facts, timer),
            KindProjection::Rejected { answer } => {
                let answer = answer.as_pin_mut().expect("polled after completion");
                return X::passthrough(answer.poll(context));
            }
        };
        let panic_guard = admitted.panic_guard();
        let polled = inner.poll(context);
        let Poll::Ready(result) = &polled else {
            panic_guard.disarm();
            if admitted.is_limited(&*timer) {
                return X::passthrough(self.poll_limit(context));
            }
            return Poll::Pending;
        };
        let outcome = facts.classified_by(panic_guard.handle().classifier(), result.as_ref());
        panic_guard.disarm();
        // Changed in place: a result that is taken apart and put together again is loaded in other pieces than it
        // was stored in, which defeats store-to-load forwarding.
        X::finish_response(outcome, facts, admitted, polled)
            .map_err(|error| admitted.handle().rejection().inner_error(error))
    }
}

/// What comes of a call, as the protected service tells it.
type Polled<R, Req, Res, E> = Poll<Result<Res, <R as Reject<Req, Res, E>>::Error>>;

impl<F, A, Req, C, R, X: CallScope> ResponseFuture<F, A, Req, C, R, X> {
    /// What a call does that is limited and whose inner future is pending (D9, M5): cut off, if there is an answer to
    /// that.
    #[inline(always)]
    fn poll_limit<Res, E>(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled<R, Req, Res, E>
    where
        R: Reject<Req, Res, E>,
    {
        let mut kind = self.project().kind;
        let KindProjection::Admitted {
            admitted, timer, ..
        } = kind.as_mut().project()
        else {
            return Poll::Pending;
        };
        let answer = ready!(admitted.poll_limit(timer, context, |shared, timed_out| {
            shared.rejection().timed_out(timed_out)
        }));
        // Not before there is an answer: without one, the call goes on.
        kind.set(Kind::Rejected { answer: None });
        Poll::Ready(answer)
    }
}

impl<F, A, Req, C, R, X: CallScope> fmt::Debug for ResponseFuture<F, A, Req, C, R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
