//! A circuit's state, to be kept while there is no circuit (rule E6).

use std::time::Duration;

use super::{
    Core, Mode, State,
    word::{BreakLength, StateMode, Word},
};

/// What outlives a process: the state of a circuit, what remains of its break, its attempt and its mode (rule E6). Made
/// by [`Circuit::save`](crate::Circuit::save). A circuit is built from it by
/// [`CircuitBuilder::restore`](crate::CircuitBuilder::restore).
///
/// It is written as one line, and read from one. The line begins with its version. Later releases read it, too:
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Circuit, SavedState, State};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let circuit = Circuit::builder("payments").build()?;
/// let line = circuit.save().to_string();
/// assert_eq!(line, "v1 closed normal");
///
/// // In another process, seven seconds after it was written:
/// let line = "v1 open normal remaining=23.5s open_for=30s attempt=2";
/// let saved: SavedState = line.parse()?;
/// let circuit = Circuit::builder("payments")
///     .restore(saved.after(Duration::from_secs(7)))
///     .build()?;
/// assert_eq!(circuit.state(), State::Open);
/// # Ok(())
/// # }
/// ```
///
/// To store it otherwise, store its fields. Values that make no sense together are refused by a
/// [`ConfigError`](crate::ConfigError), which says which part is wrong. They are refused when a circuit is built from
/// them, and when a line is read.
///
/// ```
/// # use std::time::Duration;
/// # use tower_breaker::{Mode, SavedState};
/// let mut saved = SavedState::open(Duration::from_secs(23), 2);
/// saved.mode = Mode::Shadow;
/// assert_eq!(saved.to_string(), "v1 open shadow remaining=23s attempt=2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedState {
    /// Closed or open. A half-open circuit is saved as an open one with nothing remaining. What its probes have said so
    /// far is forgotten, and the next call is the first probe.
    pub state: State,
    /// Who decides: the circuit or a person.
    pub mode: Mode,
    /// The mode before the circuit was forced open, to which a release returns. `None` unless it is forced open.
    pub mode_before: Option<Mode>,
    /// What remained of the break, or of the time for which the circuit was forced open. At most 584 years. `None`
    /// unless it is open, and time ends that.
    pub remaining: Option<Duration>,
    /// How long that break was as a whole, if that is known. At least what remains of it. Once the circuit has stayed
    /// closed for so long again, it forgets its attempts (rule C2).
    pub open_for: Option<Duration>,
    /// How many times in a row the circuit has opened: 1 to 134,217,727. 0 in closed.
    pub attempt: u32,
}

impl SavedState {
    /// Closed, in normal mode: what every circuit begins as.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            state: State::Closed,
            mode: Mode::Normal,
            mode_before: None,
            remaining: None,
            open_for: None,
            attempt: 0,
        }
    }

    /// Open for the `attempt`-th time in a row, for as long as `remaining`.
    #[must_use]
    pub fn open(remaining: Duration, attempt: u32) -> Self {
        Self {
            state: State::Open,
            remaining: Some(remaining),
            attempt,
            ..Self::closed()
        }
    }

    /// Forced open, out of the mode `before`, until a person releases it. To let it end by itself, set what
    /// [remains](Self::remaining).
    #[must_use]
    pub fn forced_open(before: Mode) -> Self {
        Self {
            state: State::Open,
            mode: Mode::ForcedOpen,
            mode_before: Some(before),
            attempt: 1,
            ..Self::closed()
        }
    }

    /// This state, `time` later: that much less remains of the break, or of forced open. Without this, the time between
    /// saving and restoring is not counted.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self {
            remaining: self.remaining.map(|left| left.saturating_sub(time)),
            ..self
        }
    }

    /// What a circuit begins as if nothing is restored.
    pub(crate) fn in_mode(mode: Mode) -> Self {
        match mode {
            Mode::ForcedOpen => Self::forced_open(Mode::Normal),
            mode => Self {
                mode,
                ..Self::closed()
            },
        }
    }
}

/// Closed, in normal mode.
impl Default for SavedState {
    fn default() -> Self {
        Self::closed()
    }
}

impl Core {
    /// E6: all of one era, as a [`view`](Core::view) is.
    pub(crate) fn save(&self, now: impl Fn() -> u64) -> SavedState {
        self.retry(|word| self.read_in_era(word, self.save_word(word, now())))
    }

    fn save_word(&self, word: Word, now: u64) -> SavedState {
        let open = |remaining, whole| SavedState {
            mode: word.mode(),
            open_for: Some(whole),
            ..SavedState::open(remaining, self.attempt(word))
        };
        let remaining = |length: BreakLength| {
            let deadline = self.facts.since(word).saturating_add(length.nanos());
            Duration::from_nanos(deadline.saturating_sub(now))
        };
        match word.state_mode() {
            StateMode::Closed | StateMode::ClosedShadow | StateMode::Disabled => {
                SavedState::in_mode(word.mode())
            }
            StateMode::ForcedOpen => SavedState {
                attempt: self.attempt(word),
                remaining: word.forced_for().map(remaining),
                ..SavedState::forced_open(word.mode_before_forced())
            },
            StateMode::Open | StateMode::OpenShadow => {
                let remaining = remaining(word.open_for());
                let whole = self.facts.whole_break(word).duration();
                open(remaining, whole)
            }
            StateMode::HalfOpen | StateMode::HalfOpenShadow => {
                open(Duration::ZERO, self.facts.break_before(word).duration())
            }
        }
    }
}
