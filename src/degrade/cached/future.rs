//! [`CachedFuture`]: one call, and what is done with its result.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{body::CachedBody, changed::Changed, counts::WhyNotKept, layer::Judge, shared::Asked};
use crate::{
    circuit::{call_event::FellBack, classify::Classify, error::Rejected, parts::FallbackKind},
    degrade::{
        Because, Degraded,
        fallback::{Http, Note, View},
    },
    machine::Outcome,
    service::classify::HttpClassifier,
    util::panic::catch_panic,
};

/// What the cache has to do with a call.
#[derive(Debug)]
pub(super) enum Task {
    Nothing,
    /// The request changes something: answers that are out of date then are forgotten.
    Forget(Box<Changed>),
    /// No answer is kept, and none is given. But one that says no holds for what was kept before.
    Heed(Box<Asked>),
    /// The answer may be kept, or one that is kept may be given.
    Ask(Box<Asked>),
}

pin_project! {
    /// The response of a [`CachedService`](super::CachedService): the inner service's, or the last good one.
    #[must_use = "futures do nothing unless polled"]
    pub struct CachedFuture<F, C = HttpClassifier, V = Http> {
        #[pin]
        inner: F,
        task: Task,
        judge: Arc<Judge<C, V>>,
    }
}

impl<F, C, V> CachedFuture<F, C, V> {
    pub(super) fn new(inner: F, task: Task, judge: Arc<Judge<C, V>>) -> Self {
        Self { inner, task, judge }
    }
}

impl<F, C, V> fmt::Debug for CachedFuture<F, C, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedFuture").finish_non_exhaustive()
    }
}

impl<F, C, V, B, E> Future for CachedFuture<F, C, V>
where
    F: Future<Output = Result<Response<B>, E>>,
    C: Classify<Response<B>, E>,
    V: View<Response<B>, E>,
    B: Body,
{
    type Output = Result<Response<CachedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(context));
        Poll::Ready(match mem::replace(this.task, Task::Nothing) {
            Task::Nothing => result.map(pass_on),
            Task::Forget(changed) => {
                if let Some(response) = result.as_ref().ok().filter(|it| has_changed(it)) {
                    changed.forget(response);
                }
                result.map(pass_on)
            }
            Task::Heed(asked) => {
                heed::<V, _, _>(&result, &asked);
                result.map(pass_on)
            }
            Task::Ask(asked) => {
                heed::<V, _, _>(&result, &asked);
                this.judge.finish(result, *asked)
            }
        })
    }
}

fn pass_on<B>(response: Response<B>) -> Response<CachedBody<B>> {
    response.map(CachedBody::inner)
}

/// What the dependency itself says: no fallback, and no rejection further in.
fn heed<V: View<Response<B>, E>, B, E>(result: &Result<Response<B>, E>, asked: &Asked) {
    if let Ok(response) = result {
        if matches!(V::note_in_response(response), Note::None) {
            asked.heed(response.status());
        }
    }
}

/// Not if a fallback or a rejection further in has answered.
fn has_changed<B>(response: &Response<B>) -> bool {
    let (status, extensions) = (response.status(), response.extensions());
    let is_other = extensions.get::<Degraded>().is_some() || extensions.get::<Rejected>().is_some();
    (status.is_success() || status.is_redirection()) && !is_other
}

/// What a result means for the cache.
enum Verdict {
    /// It may be kept.
    Good,
    /// It is passed on, and that is all.
    Neither,
    /// What is kept may be given in its place.
    Bad(Because<()>),
}

impl<C, V> Judge<C, V> {
    fn finish<B, E>(
        &self,
        result: Result<Response<B>, E>,
        asked: Asked,
    ) -> Result<Response<CachedBody<B>>, E>
    where
        C: Classify<Response<B>, E>,
        V: View<Response<B>, E>,
        B: Body,
    {
        let because = match self.verdict(&result) {
            Verdict::Good => return result.map(|response| keep(response, asked)),
            Verdict::Neither => {
                if result.is_ok() {
                    asked.is_not_kept(WhyNotKept::NotGood);
                }
                return result.map(pass_on);
            }
            Verdict::Bad(because) => because,
        };
        let answer = asked.answer(&because);
        self.note(&because, answer.is_some());
        let Some(answer) = answer else {
            return result.map(pass_on);
        };
        // It may hold a connection.
        drop(result);
        let degraded = Degraded::new(FallbackKind::Cached, because.cause());
        Ok(degraded.mark_response(answer.map(CachedBody::kept)))
    }

    fn note(&self, because: &Because<()>, answered: bool) {
        let fell_back = FellBack {
            kind: FallbackKind::Cached,
            cause: because.cause(),
            answered,
        };
        self.counted.note(because, (), fell_back);
    }

    fn verdict<B, E>(&self, result: &Result<Response<B>, E>) -> Verdict
    where
        C: Classify<Response<B>, E>,
        V: View<Response<B>, E>,
    {
        let note = match result {
            Ok(response) => V::note_in_response(response),
            Err(error) => V::note_in_error(error),
        };
        match note {
            Note::Degraded => return Verdict::Neither,
            Note::Rejected(rejected) => return Verdict::Bad(Because::Rejected(rejected)),
            Note::TimedOut(timed_out) => return Verdict::Bad(Because::TimedOut(timed_out)),
            Note::None => {}
        }
        // If it panics, the call has failed (rule A5).
        let outcome = catch_panic(|| self.classifier.classify(result.as_ref()));
        match (outcome.unwrap_or(Outcome::Failure), result) {
            (Outcome::Success | Outcome::Answered, _) => Verdict::Good,
            // If the end of its body decides, nobody knows here whether it is good.
            (Outcome::Ignored | Outcome::InnerRejection, _) | (Outcome::RequiresEos, Ok(_)) => {
                Verdict::Neither
            }
            (_, Ok(response)) => Verdict::Bad(Because::Status(response.status())),
            (_, Err(_)) => Verdict::Bad(Because::Error(())),
        }
    }
}

fn keep<B: Body>(response: Response<B>, asked: Asked) -> Response<CachedBody<B>> {
    match asked.record(response.status(), response.headers()) {
        Some(recording) => response.map(|body| CachedBody::recorded(body, recording)),
        None => pass_on(response),
    }
}
