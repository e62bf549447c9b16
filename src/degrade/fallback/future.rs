//! [`FallbackFuture`]: one call that has a fallback.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    answer::Answer,
    keep::{CircuitOf, Keep, Nothing},
    layer::Plan,
    view::{Http, Mark, View},
    when::{Judged, OnRejection, When},
};
use crate::{
    circuit::call_event::FellBack,
    degrade::{Because, Degraded, FallbackKind},
    service::striped::Share,
};

pin_project! {
    /// The response of a [`Fallback`](super::Fallback): the inner service's, or another answer.
    ///
    /// If it is dropped while the inner service is at work, the call is dropped, too, and counts as abandoned (rule
    /// A4). If it is dropped while the fallback is at work, the circuit has its outcome already, and no answer is
    /// counted.
    #[must_use = "futures do nothing unless polled"]
    pub struct FallbackFuture<S, Req, A, W = OnRejection, K = Nothing, V = Http>
    where
        S: Service<Req>,
        K: Keep<Req>,
        A: Answer<K::Kept, S::Response, S::Error>,
    {
        #[pin]
        stage: Stage<S::Future, K::Kept, A::Future, S::Error>,
        circuit_of: Option<K::CircuitOf>,
        plan: Share<Plan<A, W, K, V>>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, Kept, Fut, E> {
        Calling {
            #[pin]
            inner: F,
            kept: Option<Kept>,
        },
        Answering {
            #[pin]
            answer: Fut,
            because: Option<Because<E>>,
        },
    }
}

impl<S, Req, A, W, K, V> FallbackFuture<S, Req, A, W, K, V>
where
    S: Service<Req>,
    K: Keep<Req>,
    A: Answer<K::Kept, S::Response, S::Error>,
{
    pub(super) fn new(
        inner: S::Future,
        kept: K::Kept,
        circuit_of: K::CircuitOf,
        plan: Share<Plan<A, W, K, V>>,
    ) -> Self {
        Self {
            stage: Stage::Calling {
                inner,
                kept: Some(kept),
            },
            circuit_of: Some(circuit_of),
            plan,
        }
    }
}

impl<S, Req, A, W, K, V> Future for FallbackFuture<S, Req, A, W, K, V>
where
    S: Service<Req>,
    K: Keep<Req>,
    V: View<S::Response, S::Error>,
    W: When<S::Response, S::Error, V>,
    A: Answer<K::Kept, S::Response, S::Error>,
{
    type Output = Result<S::Response, A::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let plan: &Plan<A, W, K, V> = this.plan;
        if let StageProjection::Calling { inner, kept } = this.stage.as_mut().project() {
            let bad = match plan.when.judge(ready!(inner.poll(context))) {
                Judged::Fine(result) => return Poll::Ready(plan.pass_on(result)),
                Judged::Bad(bad) => bad,
            };
            let kept = kept.take().expect("polled after completion");
            let Some(answer) = plan.answer.answer(kept, &bad.because) else {
                return Poll::Ready(plan.pass_on(bad.into_result()));
            };
            let because = Some(bad.into_cause());
            this.stage.set(Stage::Answering { answer, because });
        }
        let StageProjection::Answering { answer, because } = this.stage.project() else {
            unreachable!("it is being answered");
        };
        let answer = ready!(answer.poll(context));
        let because = because.take().expect("polled after completion");
        let circuit_of = this.circuit_of.take().expect("polled after completion");
        Poll::Ready(plan.finish(answer, because, circuit_of))
    }
}

impl<A, W, K, V> Plan<A, W, K, V> {
    /// What the call came to, with what only a fallback may say taken out.
    fn pass_on<Kept, Res, E>(&self, mut result: Result<Res, E>) -> Result<Res, A::Error>
    where
        V: View<Res, E>,
        A: Answer<Kept, Res, E>,
    {
        if let (Ok(response), Some(header)) = (&mut result, &self.header) {
            V::clean(response, header);
        }
        result.map_err(|error| self.answer.inner_error(error))
    }

    /// What the other answer came to: marked, counted, and told.
    #[cold]
    fn finish<Kept, Res, E>(
        &self,
        mut answer: Result<Res, A::Failure>,
        because: Because<E>,
        circuit_of: impl CircuitOf,
    ) -> Result<Res, A::Error>
    where
        V: View<Res, E>,
        A: Answer<Kept, Res, E>,
    {
        let (kind, cause) = (self.answer.kind(), because.cause());
        let is_fail = kind == FallbackKind::Fail;
        let refusal = because.rejected().filter(|_| is_fail);
        let answered = match &mut answer {
            Ok(response) => V::mark(
                response,
                Mark {
                    degraded: Degraded::new(kind, cause),
                    refusal,
                    header: self.header.as_ref(),
                },
            ),
            // To fail was all it was asked for.
            Err(_) => is_fail,
        };
        self.counted.note(
            &because,
            circuit_of,
            FellBack {
                kind,
                cause,
                answered,
            },
        );
        answer.map_err(|failure| self.answer.failed(because, failure))
    }
}

impl<S, Req, A, W, K, V> fmt::Debug for FallbackFuture<S, Req, A, W, K, V>
where
    S: Service<Req>,
    K: Keep<Req>,
    A: Answer<K::Kept, S::Response, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackFuture").finish_non_exhaustive()
    }
}
