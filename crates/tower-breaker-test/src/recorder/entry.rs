//! [`Entry`]: one thing that was recorded, as a value and as a line.

use std::{fmt, sync::Arc, time::Duration};

use tower_breaker::{
    Cause, Mode, Rejected, TimedOut, Transition,
    observe::{AdmittedCall, CallEvent, EndedCall, Event, FellBack, RetryDecision, What},
};

/// One thing that was recorded. It prints as one line, such as `+1.500s closed → open (3 consecutive failures)`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// When it was told, since the recorder was made, by the recorder's clock. If the clock could not be read, the time
    /// of the entry before.
    pub at: Duration,
    /// What it was.
    pub what: Recorded,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Recorded {
    /// Something happened to the circuit.
    Event(Arc<Event>),
    /// Something became of a call.
    Call(Call),
}

/// What became of a call: a [`CallEvent`] that is kept.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Call {
    /// The circuit admitted it.
    Admitted(AdmittedCall),
    /// The circuit rejected it.
    Rejected(Rejected),
    /// It has reached a limit.
    TimedOut(TimedOut),
    /// It has ended.
    Ended(EndedCall),
    /// The inner service failed to become ready.
    NotReady,
    /// Another answer was needed.
    FellBack(FellBack),
    /// It was decided whether to repeat it.
    Retried(RetryDecision),
    /// Something that this version of the kit does not know, as `Debug` prints it.
    Other(String),
}

impl From<CallEvent<'_>> for Call {
    fn from(call: CallEvent<'_>) -> Self {
        match call {
            CallEvent::Admitted(call) => Self::Admitted(call),
            CallEvent::Rejected(rejected) => Self::Rejected(rejected.clone()),
            CallEvent::TimedOut(timed_out) => Self::TimedOut(timed_out.clone()),
            CallEvent::Ended(call) => Self::Ended(call),
            CallEvent::NotReady => Self::NotReady,
            CallEvent::FellBack(fell_back) => Self::FellBack(fell_back),
            CallEvent::Retried(decision) => Self::Retried(decision),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

impl Entry {
    /// The transition, if it was one.
    #[must_use]
    pub fn transition(&self) -> Option<&Transition> {
        match &self.what {
            Recorded::Event(event) => match &event.what {
                What::Transition(told) => Some(told),
                _ => None,
            },
            Recorded::Call(_) => None,
        }
    }

    /// Whether it was a transition to another state.
    pub(super) fn changes_state(&self) -> bool {
        self.transition().is_some_and(|told| told.from != told.to)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", Since(self.at))?;
        match &self.what {
            Recorded::Event(event) => write_event(f, event),
            Recorded::Call(call) => write!(f, "{call}"),
        }
    }
}

/// A time since the recorder was made, to the millisecond.
pub(super) struct Since(pub(super) Duration);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}.{:03}s", self.0.as_secs(), self.0.subsec_millis())
    }
}

fn write_event(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
    let What::Transition(told) = &event.what else {
        return write!(f, "{event}");
    };
    write!(f, "{} → {} (", told.from, told.to)?;
    // The states are the same, and the cause has the counts only.
    if let Cause::ShedBegan(_) = told.cause {
        f.write_str("calls are shed: ")?;
    }
    write!(f, "{}", told.cause)?;
    if let Some(vetoed) = told.vetoed {
        write!(f, "; it was: {vetoed}")?;
    }
    match told.mode {
        mode if mode != told.mode_before => write!(f, "; mode {} → {mode}", told.mode_before)?,
        Mode::Normal => {}
        mode => write!(f, "; mode {mode}")?,
    }
    if !event.by.is_unknown() {
        write!(f, "; {}", event.by)?;
    }
    f.write_str(")")
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted(call) if call.shadowed => {
                f.write_str("    call admitted in shadow: it would be rejected")
            }
            Self::Admitted(call) => write!(f, "    {} admitted", name_of(call.probe)),
            Self::Rejected(rejected) => write!(f, "    call rejected ({})", rejected.reason()),
            Self::TimedOut(timed_out) => write!(f, "    {timed_out}"),
            Self::Ended(call) => write_end(f, call),
            Self::NotReady => f.write_str("    the inner service failed to become ready"),
            Self::FellBack(FellBack { answered: true, .. }) => {
                f.write_str("    another answer was given")
            }
            Self::FellBack(_) => f.write_str("    another answer was needed, and failed"),
            Self::Retried(decision) => write!(f, "    repeat? {}", decision.label()),
            Self::Other(other) => write!(f, "    {other}"),
        }
    }
}

fn name_of(probe: bool) -> &'static str {
    if probe { "probe" } else { "call" }
}

fn write_end(f: &mut fmt::Formatter<'_>, call: &EndedCall) -> fmt::Result {
    write!(f, "    {} ended: {}", name_of(call.probe), call.end.label())?;
    if let Some(took) = call.took {
        write!(f, " after {took:?}")?;
    }
    if call.slow {
        f.write_str(", slow")?;
    }
    if call.stale {
        f.write_str(", stale: it counts no more")?;
    }
    Ok(())
}
