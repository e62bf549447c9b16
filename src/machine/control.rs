//! What a person does to a circuit (rules E1, E2, E3, E5).
//!
//! Every control operation is a swap of the word like any other: when it returns, every later
//! admission sees it.

use super::{
    Cause, Core, HEARD, HEARD_CALLS, LIMITED, Mode, State, Transition,
    numbers::Numbers,
    retry::Attempt::{self, Done, Lost},
    tunable::Changed,
    word::{BreakLength, Word},
};
use crate::machine::sync::Ordering;
use std::time::Duration;

/// What each call looks at: from which time on it is judged by all of the numbers, and whether a rejection is no usual
/// one; and beside that, for one that is pending, whether it is limited. Calls of which durations are counted take the
/// paths of those that somebody hears of; rejections have none.
pub(super) fn hints(numbers: &Numbers, heard: bool, counts_durations: bool) -> (u64, u64) {
    let judged_from = match heard || counts_durations {
        true => HEARD_CALLS,
        false => numbers.judged_from(),
    };
    let heard = if heard { HEARD } else { 0 };
    let limited = if numbers.call_timeout > 0 { LIMITED } else { 0 };
    (judged_from, numbers.spread_retry_after | heard | limited)
}

/// A trip that the mode does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModeRefuses(pub(crate) Mode);

impl Core {
    /// E2: opens from outside, for exactly `open_for`.
    pub(crate) fn trip(&self, open_for: Duration, now: u64) -> Result<Transition, ModeRefuses> {
        self.retry(|word| {
            if let mode @ (Mode::ForcedOpen | Mode::Disabled) = word.mode() {
                return Done(Err(ModeRefuses(mode)));
            }
            let next = word.open_next(word.mode(), BreakLength::at_least(open_for));
            self.transition(word, next, Cause::Manual, now).map(Ok)
        })
    }

    /// E2: closed and cleared. Releases forced open; leaves shadow and disabled as they are.
    pub(crate) fn reset(&self, now: u64) -> Transition {
        self.retry(|word| {
            let next = match word.mode() {
                Mode::ForcedOpen => word.released_next(),
                mode => word.closed_next(mode, false),
            };
            self.transition(word, next, Cause::Manual, now)
        })
    }

    /// E1: changes the mode; `None` if it is that mode already.
    ///
    /// Between normal and shadow the era goes on. Entering or leaving disabled or forced open
    /// begins a new one: open for forced open, else closed and cleared.
    pub(crate) fn set_mode(&self, mode: Mode, now: u64) -> Option<Transition> {
        if mode == Mode::ForcedOpen {
            return self.force_open(None, now);
        }
        self.retry(|word| {
            if word.mode() == mode {
                return Done(None);
            }
            let change = match (word.mode(), mode) {
                (Mode::Normal | Mode::Shadow, Mode::Normal | Mode::Shadow) => {
                    self.change_mode(word, mode)
                }
                _ => self.transition(word, word.closed_next(mode, false), Cause::Manual, now),
            };
            change.map(Some)
        })
    }

    /// E2: forces open, `at_most` for so long from now on; `None` if that is what holds already.
    pub(crate) fn force_open(&self, at_most: Option<Duration>, now: u64) -> Option<Transition> {
        self.force_open_because(Cause::Manual, at_most, now)
    }

    pub(super) fn force_open_because(
        &self,
        cause: Cause,
        at_most: Option<Duration>,
        now: u64,
    ) -> Option<Transition> {
        let at_most = at_most.map(BreakLength::of_forced);
        self.retry(|word| {
            let is_forced = word.mode() == Mode::ForcedOpen;
            if is_forced && word.forced_for() == at_most {
                let Done(since) = self.read_in_era(word, self.facts.since(word)) else {
                    return Lost;
                };
                if at_most.is_none() || since == now {
                    return Done(None);
                }
            }
            let next = word.forced_next(at_most);
            self.transition(word, next, cause, now).map(Some)
        })
    }

    /// E2: ends forced open, closed and cleared, in the mode before; `None` if it is not forced open.
    pub(crate) fn release(&self, now: u64) -> Option<Transition> {
        self.release_because(Cause::Manual, now)
    }

    pub(super) fn release_because(&self, cause: Cause, now: u64) -> Option<Transition> {
        self.retry(|word| {
            if word.mode() != Mode::ForcedOpen {
                return Done(None);
            }
            self.transition(word, word.released_next(), cause, now)
                .map(Some)
        })
    }

    fn change_mode(&self, word: Word, mode: Mode) -> Attempt<Transition> {
        let next = word.in_mode(mode);
        let Done(()) = self.swap(word, next) else {
            return Lost;
        };
        self.place_follows(word, next, Cause::Manual);
        Done(Transition {
            from: word.state(),
            to: word.state(),
            mode_before: word.mode(),
            mode,
            era: word.era().number(),
            cause: Cause::Manual,
            vetoed: None,
            counts: None,
            threshold: None,
            shed_share: 0.0,
            attempt: self.attempt(word),
            open_for: (word.state() == State::Open).then(|| word.open_for().duration()),
        })
    }

    /// E5: changes the numbers of a live circuit, together. `change` is given their version, too, and may be
    /// asked again, if another change gets between.
    pub(crate) fn reconfigure<E>(
        &self,
        change: impl FnMut(Numbers, u64) -> Result<Numbers, E>,
    ) -> Result<Changed, E> {
        self.tunable.change(change, |numbers| {
            // Before the version goes up, so that calls are timed by the time a rate needs it.
            self.hint(numbers, self.hears_rejections());
        })
    }

    /// Notes what each call looks at of the numbers. For who keeps others away that would note something else.
    ///
    /// Relaxed: calls that race with it may be timed, or heard, or not.
    pub(super) fn hint(&self, numbers: &Numbers, heard: bool) {
        let (judged_from, spread) = hints(numbers, heard, self.durations.is_some());
        self.judged_from.store(judged_from, Ordering::Relaxed);
        self.spread_retry_after.store(spread, Ordering::Relaxed);
    }

    /// The numbers that hold now, of one version.
    pub(crate) fn numbers(&self) -> Numbers {
        self.tunable.read()
    }
}
