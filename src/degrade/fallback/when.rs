//! [`OnRejection`] and [`OnFailure`]: when a fallback answers.

use std::fmt;

use super::view::{Note, View};
use crate::{
    circuit::classify::Classify,
    degrade::Because,
    machine::{Answer, Outcome},
    service::classify::HttpClassifier,
};

/// When a fallback answers: [`OnRejection`] or [`OnFailure`].
///
/// It is implemented by this crate only.
pub trait When<Res, E, V>: sealed::Sealed {
    /// Judges whether the result of a call asks for another answer.
    #[doc(hidden)]
    fn judge(&self, result: Result<Res, E>) -> Judged<Res, E>;
}

mod sealed {
    pub trait Sealed {}
}

/// What has come of a call.
#[derive(Debug)]
#[doc(hidden)]
pub enum Judged<Res, E> {
    /// It is passed on.
    Fine(Result<Res, E>),
    /// Another answer is asked for.
    Bad(Bad<Res, E>),
}

/// What asks for another answer.
#[derive(Debug)]
#[doc(hidden)]
pub struct Bad<Res, E> {
    pub(super) because: Because<E>,
    /// What is passed on if there is none, but for an error that `because` has.
    rest: Option<Result<Res, E>>,
}

impl<Res, E> Bad<Res, E> {
    /// Lets go of what the call came to, but for the cause.
    pub(super) fn into_cause(self) -> Because<E> {
        self.because
    }

    /// What the call came to.
    pub(super) fn into_result(self) -> Result<Res, E> {
        match (self.rest, self.because) {
            (Some(result), _) => result,
            (None, Because::Error(error)) => Err(error),
            (None, _) => unreachable!("only an error is nowhere else"),
        }
    }
}

/// Only if the call was rejected, by a circuit or by a bulkhead. Made by
/// [`FallbackLayer::on_rejection`](super::FallbackLayer::on_rejection).
#[derive(Clone, Copy, Debug, Default)]
pub struct OnRejection;

/// If the call was rejected, took too long, or failed. Made by
/// [`FallbackLayer::on_failure`](super::FallbackLayer::on_failure).
#[derive(Clone, Copy)]
pub struct OnFailure<C = HttpClassifier, P = Always> {
    pub(super) classifier: C,
    pub(super) predicate: P,
}

/// A predicate that always holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Always;

/// Narrows [`OnFailure`]: [`Always`], or a closure.
pub trait Narrow<E> {
    /// Whether there is to be another answer.
    fn holds(&self, because: &Because<E>) -> bool;
}

impl<E> Narrow<E> for Always {
    fn holds(&self, _: &Because<E>) -> bool {
        true
    }
}

#[diagnostic::do_not_recommend]
impl<E, F: Fn(&Because<E>) -> bool> Narrow<E> for F {
    fn holds(&self, because: &Because<E>) -> bool {
        self(because)
    }
}

impl sealed::Sealed for OnRejection {}
impl<C, P> sealed::Sealed for OnFailure<C, P> {}

fn note_in<V: View<Res, E>, Res, E>(result: &Result<Res, E>) -> Note {
    match result {
        Ok(response) => V::note_in_response(response),
        Err(error) => V::note_in_error(error),
    }
}

impl<Res, E, V: View<Res, E>> When<Res, E, V> for OnRejection {
    #[inline]
    fn judge(&self, result: Result<Res, E>) -> Judged<Res, E> {
        match note_in::<V, _, _>(&result) {
            Note::Rejected(rejected) => Judged::Bad(Bad {
                because: Because::Rejected(rejected),
                rest: Some(result),
            }),
            _ => Judged::Fine(result),
        }
    }
}

impl<Res, E, V, C, P> When<Res, E, V> for OnFailure<C, P>
where
    V: View<Res, E>,
    C: Classify<Res, E>,
    P: Narrow<E>,
{
    #[inline]
    fn judge(&self, result: Result<Res, E>) -> Judged<Res, E> {
        let bad = match note_in::<V, _, _>(&result) {
            Note::Degraded => return Judged::Fine(result),
            Note::Rejected(rejected) => Bad {
                because: Because::Rejected(rejected),
                rest: Some(result),
            },
            Note::TimedOut(timed_out) => Bad {
                because: Because::TimedOut(timed_out),
                rest: Some(result),
            },
            Note::None if !is_failure(self.classifier.classify(result.as_ref()), &result) => {
                return Judged::Fine(result);
            }
            Note::None => failed::<V, _, _>(result),
        };
        if self.predicate.holds(&bad.because) {
            Judged::Bad(bad)
        } else {
            Judged::Fine(bad.into_result())
        }
    }
}

/// Whether it is one to a circuit, too. The end of a body nobody waits for here.
fn is_failure<Res, E>(outcome: Outcome, result: &Result<Res, E>) -> bool {
    matches!(
        Answer::of(result).settle(outcome),
        Outcome::Failure | Outcome::FailureRetryAfter(_) | Outcome::TripNow | Outcome::TripFor(_)
    )
}

/// A response or an error that is a failure.
fn failed<V: View<Res, E>, Res, E>(result: Result<Res, E>) -> Bad<Res, E> {
    match result {
        Ok(response) => Bad {
            because: V::status(&response).map_or(Because::Response, Because::Status),
            rest: Some(Ok(response)),
        },
        Err(error) => Bad {
            because: Because::Error(error),
            rest: None,
        },
    }
}

impl<C: fmt::Debug, P> fmt::Debug for OnFailure<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnFailure")
            .field("classifier", &self.classifier)
            .finish_non_exhaustive()
    }
}
