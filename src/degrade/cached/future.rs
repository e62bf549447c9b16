//! [`CachedFuture`]: one call, and what is done with its result.

use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    body::CachedBody,
    headers::Why,
    layer::{Changed, Judge},
    shared::Asked,
};
use crate::{
    circuit::{
        call_event::FellBack,
        classify::{BoxError, Classify},
        error::{Rejected, TimedOut},
        parts::{FallbackCause, FallbackKind},
    },
    degrade::Degraded,
    machine::Outcome,
    util::panic::catch_panic,
};

/// What the cache has to do with a call.
#[derive(Debug)]
pub(super) enum Task {
    Nothing,
    /// The request changes something: answers that are out of date then are forgotten.
    Forget(Changed),
    /// The answer may be kept, or one that is kept may be given.
    Ask(Box<Asked>),
}

pin_project! {
    /// The response of a [`CachedService`](super::CachedService).
    #[must_use = "futures do nothing unless polled"]
    pub struct CachedFuture<F, C> {
        #[pin]
        inner: F,
        task: Task,
        judge: Judge<C>,
    }
}

impl<F, C> CachedFuture<F, C> {
    pub(super) fn new(inner: F, task: Task, judge: Judge<C>) -> Self {
        Self { inner, task, judge }
    }
}

impl<F, C> fmt::Debug for CachedFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedFuture").finish_non_exhaustive()
    }
}

impl<F, C, B, E> Future for CachedFuture<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    C: Classify<Response<B>, E>,
    E: 'static,
    B: Body,
{
    type Output = Result<Response<CachedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(context));
        let task = std::mem::replace(this.task, Task::Nothing);
        Poll::Ready(match task {
            Task::Nothing => result.map(pass_on),
            Task::Forget(changed) => result.map(|response| {
                if has_changed_something(&response) {
                    changed.forget(&response);
                }
                pass_on(response)
            }),
            Task::Ask(asked) => finish(result, *asked, this.judge),
        })
    }
}

fn pass_on<B>(response: Response<B>) -> Response<CachedBody<B>> {
    response.map(CachedBody::inner)
}

fn has_changed_something<B>(response: &Response<B>) -> bool {
    let status = response.status();
    (status.is_success() || status.is_redirection()) && !is_other_answer(response)
}

/// Made by a fallback or of a rejection further in.
fn is_other_answer<B>(response: &Response<B>) -> bool {
    let extensions = response.extensions();
    extensions.get::<Degraded>().is_some() || extensions.get::<Rejected>().is_some()
}

fn finish<B, E, C>(
    result: Result<Response<B>, E>,
    asked: Asked,
    judge: &Judge<C>,
) -> Result<Response<CachedBody<B>>, E>
where
    B: Body,
    C: Classify<Response<B>, E>,
    E: 'static,
{
    match verdict(&result, &*judge.classifier) {
        Verdict::Good => result.map(|response| keep(response, asked)),
        Verdict::Neither => result.map(pass_on),
        Verdict::Bad(why) => {
            let answer = asked.answer(why);
            note(judge, why, answer.is_some());
            let Some(answer) = answer else {
                return result.map(pass_on);
            };
            // It may hold a connection.
            drop(result);
            let degraded = Degraded::new(FallbackKind::Cached, why.cause());
            Ok(degraded.mark_response(answer.map(CachedBody::kept)))
        }
    }
}

fn keep<B: Body>(response: Response<B>, asked: Asked) -> Response<CachedBody<B>> {
    let Some(recording) = asked.record(response.status(), response.headers()) else {
        return pass_on(response);
    };
    response.map(|body| CachedBody::recorded(body, recording))
}

fn note<C>(judge: &Judge<C>, why: Why, answered: bool) {
    if let Some(circuit) = &judge.circuit {
        circuit.note_fallback(FellBack {
            kind: FallbackKind::Cached,
            cause: why.cause(),
            answered,
        });
    }
}

/// What a result means for the cache.
enum Verdict {
    /// It may be kept.
    Good,
    /// It is passed on, and that is all.
    Neither,
    /// What is kept may be given in its place.
    Bad(Why),
}

fn verdict<B, E, C>(result: &Result<Response<B>, E>, classifier: &C) -> Verdict
where
    C: Classify<Response<B>, E>,
    E: 'static,
{
    if let Some(verdict) = marked(result) {
        return verdict;
    }
    // If it panics, the call has failed (rule A5).
    let outcome = catch_panic(|| classifier.classify(result.as_ref()));
    let status = result.as_ref().ok().map(Response::status);
    match outcome.unwrap_or(Outcome::Failure) {
        Outcome::Success | Outcome::Answered => Verdict::Good,
        // Of a body whose end decides, nobody knows here whether it is good.
        Outcome::Ignored | Outcome::InnerRejection => Verdict::Neither,
        Outcome::RequiresEos if status.is_some() => Verdict::Neither,
        _ => Verdict::Bad(Why::Asked(FallbackCause::Failed, status)),
    }
}

/// What a result says of itself, whatever a classifier makes of it.
fn marked<B, E: 'static>(result: &Result<Response<B>, E>) -> Option<Verdict> {
    let (rejected, timed_out) = match result {
        Ok(response) => {
            let extensions = response.extensions();
            if extensions.get::<Degraded>().is_some() {
                return Some(Verdict::Neither);
            }
            (extensions.get(), extensions.get::<TimedOut>().is_some())
        }
        Err(error) => in_error(error),
    };
    if let Some(rejected) = rejected {
        return Some(Verdict::Bad(Why::NotAsked(Rejected::reason(rejected))));
    }
    let status = result.as_ref().ok().map(Response::status);
    timed_out.then_some(Verdict::Bad(Why::Asked(FallbackCause::TimedOut, status)))
}

/// A rejection, and whether the call was cut off.
fn in_error<E: 'static>(error: &E) -> (Option<&Rejected>, bool) {
    let error: &dyn Any = error;
    if let Some(boxed) = error.downcast_ref::<BoxError>() {
        return (Rejected::find(&**boxed), boxed.is::<TimedOut>());
    }
    (error.downcast_ref(), error.is::<TimedOut>())
}
