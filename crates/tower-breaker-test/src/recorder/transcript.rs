//! [`Transcript`]: all that was recorded, to be printed or looked through.

use std::{fmt, time::Duration};

use tower_breaker::{Mode, State};

use super::entry::{Entry, Since};

/// What a [`Recorder`](super::Recorder) has recorded until it was asked.
///
/// It prints as lines:
///
/// ```text
/// +0.000s begins closed
/// +1.500s closed → open (3 consecutive failures)
/// +6.500s open → half-open (the wait is over, the next call is a probe)
/// ```
///
/// The words may change in a later release. Tests should compare [transitions](Self::transitions) or fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Transcript {
    pub(super) beginning: Beginning,
    pub(super) entries: Vec<Entry>,
    pub(super) cut_off: u64,
    pub(super) transitions_cut_off: u64,
}

/// What the circuit was when the recorder was made or cleared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Beginning {
    pub(super) state: State,
    pub(super) mode: Mode,
    pub(super) era: u64,
    pub(super) at: Duration,
}

impl Beginning {
    /// Until a circuit has been looked at: no transition has been seen.
    pub(super) fn unknown(at: Duration) -> Self {
        Self {
            state: State::Closed,
            mode: Mode::Normal,
            era: 0,
            at,
        }
    }

    /// Whether this is a transition that had led to the state in which it began.
    pub(super) fn has_seen(&self, entry: &Entry) -> bool {
        let told = entry.transition();
        entry.changes_state() && told.is_some_and(|told| told.era <= self.era)
    }
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} begins {}", Since(self.at), self.state)?;
        match self.mode {
            Mode::Normal => Ok(()),
            mode => write!(f, " (mode {mode})"),
        }
    }
}

impl Transcript {
    /// The state of the circuit when the recorder was made or cleared.
    #[must_use]
    pub fn began(&self) -> State {
        self.beginning.state
    }

    /// The entries, in the order in which they were told. Two threads that make two transitions in a row may tell them
    /// in either order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries were cut off, because there were more than the recorder keeps. They were the oldest.
    #[must_use]
    pub fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// How many transitions to another state are among the entries that were cut off. If there are any,
    /// [`transitions`](Self::transitions) begins later than the recorder did.
    #[must_use]
    pub fn transitions_cut_off(&self) -> u64 {
        self.transitions_cut_off
    }

    /// The states that the circuit went through after the one in which it began, in the order of their eras (elsewhere:
    /// generations). A change of mode that leaves the state as it was is none.
    ///
    /// Those that were [cut off](Self::transitions_cut_off) are missing.
    #[must_use]
    pub fn transitions(&self) -> Vec<State> {
        let told = self.entries.iter().filter(|entry| entry.changes_state());
        let mut told: Vec<_> = told.filter_map(Entry::transition).collect();
        told.sort_by_key(|told| told.era);
        told.iter().map(|told| told.to).collect()
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.beginning)?;
        if self.cut_off > 0 {
            write!(f, "\n… entries cut off here: {}", self.cut_off)?;
        }
        self.entries
            .iter()
            .try_for_each(|entry| write!(f, "\n{entry}"))
    }
}
