//! What a person does to a circuit (rules E1, E2, E3, E5).
//!
//! Every control operation is a swap of the word like any other: when it returns, every later
//! admission sees it.

use super::{
    Cause, ConfigError, Core, Mode, Settings, State, Transition,
    config::{Numbers, WindowSize},
    window::Window,
    word::{Break, Word},
};
use crate::sync::Ordering;
use std::time::Duration;

/// A trip that the mode does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) Mode);

impl Core {
    /// E2: opens from outside, for exactly `open_for`.
    pub(crate) fn trip(&self, open_for: Duration, now: u64) -> Result<Transition, Refused> {
        loop {
            let word = self.load();
            if let mode @ (Mode::ForcedOpen | Mode::Disabled) = word.mode() {
                return Err(Refused(mode));
            }
            let next = word.open_next(word.mode(), Break::at_least(open_for));
            if let Some(change) = self.turn(word, next, Cause::Manual, now) {
                return Ok(change);
            }
        }
    }

    /// E2: closed and cleared. Releases forced open; leaves shadow and disabled as they are.
    pub(crate) fn reset(&self, now: u64) -> Transition {
        loop {
            let word = self.load();
            let mode = match word.mode() {
                Mode::ForcedOpen => Mode::Normal,
                mode => mode,
            };
            let next = word.closed_next(mode, false);
            if let Some(change) = self.turn(word, next, Cause::Manual, now) {
                return change;
            }
        }
    }

    /// E1: changes the mode; `None` if it is that mode already.
    ///
    /// Between normal and shadow the era goes on. Entering or leaving disabled or forced open
    /// begins a new one: open for forced open, else closed and cleared.
    pub(crate) fn set_mode(&self, mode: Mode, now: u64) -> Option<Transition> {
        loop {
            let word = self.load();
            if word.mode() == mode {
                return None;
            }
            let change = match (word.mode(), mode) {
                (Mode::Normal | Mode::Shadow, Mode::Normal | Mode::Shadow) => {
                    self.change_mode(word, mode)
                }
                (_, Mode::ForcedOpen) => self.turn(word, word.forced_next(), Cause::Manual, now),
                _ => self.turn(word, word.closed_next(mode, false), Cause::Manual, now),
            };
            if change.is_some() {
                return change;
            }
        }
    }

    /// E2: ends forced open, closed and cleared; `None` if it is not forced open.
    pub(crate) fn release(&self, now: u64) -> Option<Transition> {
        loop {
            let word = self.load();
            if word.mode() != Mode::ForcedOpen {
                return None;
            }
            let next = word.closed_next(Mode::Normal, false);
            if let Some(change) = self.turn(word, next, Cause::Manual, now) {
                return Some(change);
            }
        }
    }

    fn change_mode(&self, word: Word, mode: Mode) -> Option<Transition> {
        self.swap(word, word.in_mode(mode)).then(|| Transition {
            from: word.state(),
            to: word.state(),
            mode_before: word.mode(),
            mode,
            era: word.era(),
            cause: Cause::Manual,
            attempt: self.next_attempt_in(word),
            open_for: (word.state() == State::Open).then(|| word.open_for().duration()),
        })
    }

    /// E5: changes the numbers of a live circuit, together.
    pub(crate) fn reconfigure(&self, settings: &Settings) -> Result<(), ConfigError> {
        self.refuse_new_shape(settings)?;
        self.tunable.change(|numbers| {
            let numbers = settings.apply(numbers, self.window_size())?;
            self.check_kept(&numbers)?;
            // Before the version goes up, so that calls are timed by the time a rate needs it.
            self.slow_after.store(numbers.slow_after, Ordering::Relaxed);
            Ok(numbers)
        })?;
        Ok(())
    }

    fn window_size(&self) -> Option<WindowSize> {
        match (&self.window, self.window.size()) {
            (Window::None, _) => None,
            (_, Some(size)) => Some(WindowSize::Calls(size)),
            (_, None) => Some(WindowSize::Unbounded),
        }
    }

    /// What changes the memory's shape cannot be changed while calls are in flight.
    fn refuse_new_shape(&self, settings: &Settings) -> Result<(), ConfigError> {
        let kept = "left as it was built";
        let refuse = |changed: bool, field, value: &dyn std::fmt::Debug| {
            ConfigError::unless(!changed, field, value, kept)
        };
        let Settings {
            count_window,
            time_window,
            time_window_buckets,
            custom_policy,
            open_for,
            ..
        } = settings;
        refuse(count_window.is_some(), "count_window", count_window)?;
        refuse(time_window.is_some(), "time_window", time_window)?;
        let buckets = time_window_buckets;
        refuse(buckets.is_some(), "time_window_buckets", buckets)?;
        refuse(*custom_policy, "trip_when", &format_args!("a closure"))?;
        let function = |open_for: &super::OpenFor| open_for.function().is_some();
        let functions = self.backoff.function.is_some() || open_for.as_ref().is_some_and(function);
        refuse(open_for.is_some() && functions, "open_for", open_for)
    }

    /// What needs memory that was not set aside when the circuit was built.
    fn check_kept(&self, numbers: &Numbers) -> Result<(), ConfigError> {
        let needs = "left out where the circuit was built without";
        let refuse =
            |changed: bool, field, value: u64| ConfigError::unless(!changed, field, &value, needs);
        let none = self.window.is_none();
        refuse(
            none && numbers.failure_rate > 0,
            "failure_rate",
            numbers.failure_rate,
        )?;
        let unwatched = numbers.slow_rate > 0 && !self.window.watches_slow();
        refuse(unwatched, "slow_call_rate", numbers.slow_rate)
    }

    fn next_attempt_in(&self, word: Word) -> u32 {
        match word.state() {
            State::Closed => 0,
            State::Open | State::HalfOpen => self.facts.attempt(word),
        }
    }
}

impl Word {
    /// The forced-open word of the next era. Its break has no end.
    fn forced_next(self) -> Self {
        self.open_next(Mode::ForcedOpen, Break::FOREVER)
    }
}
