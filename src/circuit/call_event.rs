//! [`CallEvent`]: what became of one call, for those who ask.

use std::time::Duration;

use super::{
    error::{Rejected, TimedOut},
    parts::{FallbackCause, FallbackKind, RetryDecision},
};
use crate::machine::{End, HeardEnd, State};

/// What became of one call, for those who ask. To ask, use [`CircuitBuilder::on_call`](crate::CircuitBuilder::on_call)
/// or [`Circuit::subscribe_calls`](crate::Circuit::subscribe_calls), or their like on a registry.
///
/// It is told on the thread of the call, after it was decided, and after whatever the circuit has done because of it.
/// No lock is held meanwhile. Each admission has one end, whatever becomes of the call: it is recorded, dropped, cut
/// off, or panics. (A call whose guard is [forgotten](std::mem::forget) has no end.) A part of another call (rule D8)
/// is told with that one.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use tower_breaker::{Circuit, observe::CallEvent};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let log = lines.clone();
/// let circuit = Circuit::builder("payments")
///     .consecutive_failures(1)
///     .on_call(move |_, call| {
///         log.lock().unwrap().push(match call {
///             CallEvent::Admitted(call) => format!("admitted, {}", call.state),
///             CallEvent::Rejected(rejected) => rejected.to_string(),
///             CallEvent::Ended(call) => call.end.label().to_owned(),
///             _ => return,
///         });
///     })
///     .build()?;
///
/// circuit.try_acquire()?.failure();
/// assert!(circuit.try_acquire().is_err());
/// assert_eq!(
///     *lines.lock().unwrap(),
///     ["admitted, closed", "failure", "circuit `payments` is open: 1 failure"],
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum CallEvent<'a> {
    /// The call may be made.
    Admitted(AdmittedCall),
    /// The call must not be made.
    Rejected(&'a Rejected),
    /// The call has reached a limit (rules D9, M5). It is cut off if somebody can be told so. Its end is told next.
    TimedOut(&'a TimedOut),
    /// The call has ended, or is no longer followed.
    Ended(EndedCall),
    /// The inner service failed to become ready, which counts as a failure (rule A6). No call was admitted.
    NotReady,
    /// Another answer was needed (rule M1). It was there, or failed as well.
    FellBack(FellBack),
    /// A policy for retries has decided what becomes of a call that could have been repeated (rule M8).
    Retried(RetryDecision),
}

/// Another answer, in place of the dependency's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FellBack {
    /// What was to answer.
    pub kind: FallbackKind,
    /// Why it was needed.
    pub cause: FallbackCause,
    /// Whether it answered. If not, it has failed as well.
    pub answered: bool,
}

/// A call that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdmittedCall {
    /// The state of the circuit that admitted it: half-open for a probe.
    pub state: State,
    /// The era (elsewhere: generation) in which it was admitted (rule E4).
    pub era: u64,
    /// Whether it is a probe, by which the circuit closes or opens again.
    pub probe: bool,
    /// Whether it would have been rejected if the circuit were not in shadow mode (rule E1).
    pub shadowed: bool,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedCall {
    /// What it came to.
    pub end: CallEnd,
    /// Whether it was slow (rule A3). Never, unless a [`slow_call_duration`](crate::CircuitBuilder::slow_call_duration)
    /// is set.
    pub slow: bool,
    /// Whether its era was over before it ended. Then it has decided nothing (rule C4).
    pub stale: bool,
    /// Whether it was a probe.
    pub probe: bool,
    /// How long it took, as far as the circuit measures it: from admission to the head of the response. The time in
    /// which it has waited for its client is not in it, if that is [known](crate::CircuitBuilder::slow_call_duration).
    ///
    /// `None` if nobody heard of calls yet when it was admitted. Also `None` for what a circuit is told in the course
    /// of another circuit's call (rules J5, J6).
    pub took: Option<Duration>,
}

/// What a call came to, as [`Totals`](crate::Totals) count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallEnd {
    /// The dependency did its work.
    Successful,
    /// The dependency failed.
    Failed,
    /// It says nothing about the dependency (rule A2).
    Ignored,
    /// It was dropped before its outcome was known, and that is no failure (rule A4).
    Abandoned,
}

impl CallEnd {
    /// One word for machines, such as the label of a metric. It stays the same in every later release.
    /// [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Successful => "success",
            Self::Failed => "failure",
            Self::Ignored => "ignored",
            Self::Abandoned => "abandoned",
        }
    }
}

impl From<End> for CallEnd {
    fn from(end: End) -> Self {
        match end {
            End::Successful => Self::Successful,
            End::Failed => Self::Failed,
            End::Ignored => Self::Ignored,
            End::Abandoned => Self::Abandoned,
        }
    }
}

impl EndedCall {
    pub(super) fn new(heard: HeardEnd, probe: bool) -> Self {
        Self {
            end: heard.end.into(),
            slow: heard.slow,
            stale: heard.stale,
            probe,
            took: heard.took.map(|took| took.duration()),
        }
    }
}
