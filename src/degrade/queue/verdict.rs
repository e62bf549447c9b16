//! [`Verdict`]: what a try came to, for the entry.

use std::{error::Error, time::Duration};

use http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};

use super::attempt::{AttemptClassifier, AttemptError};
use crate::{
    circuit::{
        classify::Classify,
        error::{CircuitError, Reason, Rejected},
    },
    machine::Outcome,
    util::digits,
};

type BoxError = Box<dyn Error + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    /// Its own circuit rejected it: nobody has seen it. Worth another look after this time.
    NotAsked(Duration),
    /// The same of another circuit, which has nothing to say of the other entries.
    NotAskedElsewhere(Duration),
    /// It may work later, after this time at least.
    Failed(Option<Duration>),
    /// The dependency will never want it.
    Unwanted(StatusCode),
}

impl Verdict {
    pub(super) fn of<C, B, E>(
        classifier: &AttemptClassifier<C>,
        own: &str,
        result: Result<Response<B>, CircuitError<AttemptError<E>>>,
    ) -> Self
    where
        C: Classify<Response<B>, E>,
        E: Into<BoxError>,
    {
        match result {
            Ok(response) => Self::of_answer(classifier.classify(Ok(&response)), own, &response),
            Err(CircuitError::Rejected(rejected)) => Self::not_asked(own, Some(&rejected)),
            Err(CircuitError::TimedOut(_)) => Self::Failed(None),
            Err(CircuitError::Inner(error)) => {
                let outcome = classifier.classify(Err(&error));
                Self::of_error(outcome, own, error)
            }
        }
    }

    fn of_answer<B>(outcome: Outcome, own: &str, response: &Response<B>) -> Self {
        let status = response.status();
        let wait = || retry_after(response.headers());
        match outcome {
            // It was not done there, and has to be sent elsewhere.
            Outcome::Success if is_moved(status) => Self::Unwanted(status),
            Outcome::Success | Outcome::RequiresEos => Self::Delivered,
            Outcome::InnerRejection => Self::not_asked(own, response.extensions().get()),
            Outcome::Answered => Self::Unwanted(status),
            _ => Self::Failed(wait()),
        }
    }

    fn of_error<E: Into<BoxError>>(outcome: Outcome, own: &str, error: AttemptError<E>) -> Self {
        let AttemptError::Inner(error) = error else {
            return Self::Failed(None);
        };
        let error: BoxError = error.into();
        match Rejected::find(&*error) {
            Some(rejected) => Self::not_asked(own, Some(rejected)),
            None if outcome == Outcome::InnerRejection => Self::not_asked(own, None),
            None => Self::Failed(None),
        }
    }

    fn not_asked(own: &str, rejected: Option<&Rejected>) -> Self {
        let is_own = rejected.is_some_and(|rejected| rejected.circuit() == own);
        match is_own {
            true => Self::NotAsked(pause(rejected)),
            false => Self::NotAskedElsewhere(pause(rejected)),
        }
    }
}

/// The dependency says that the very same request is to be sent elsewhere.
fn is_moved(status: StatusCode) -> bool {
    let moved = [
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    moved.contains(&status)
}

/// When to look again after a rejection. A ramp lets a trickle pass (D6). For everything else the drainer waits longer
/// if it is its own circuit that rejects, and elsewhere it looks.
fn pause(rejected: Option<&Rejected>) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);
    match rejected {
        Some(rejected) if rejected.reason() == Reason::Ramping => Duration::from_millis(100),
        Some(rejected) => {
            let remaining = rejected.remaining().unwrap_or(LONGEST);
            remaining.clamp(SHORTEST, LONGEST)
        }
        None => LONGEST,
    }
}

/// In seconds. A date is not looked at: the backoff is as good.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    digits::number(value).map(Duration::from_secs)
}
