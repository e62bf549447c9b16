//! The window of a fleet: what each instance has said last, and the sums of it (rule N2).
//!
//! Time goes in generations. What was said in this one and the one before counts, so what a dead instance has said
//! leaves by arithmetic, one to two generations later.

use super::super::wire::{LAST_COUNT, Report, Sums};

/// What a number of Lua holds exactly.
const LAST_SUM: u64 = LAST_COUNT * 512;

/// What an instance has said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::fleet) struct Kept {
    pub(in crate::fleet) generation: u64,
    pub(in crate::fleet) seq: u64,
    pub(in crate::fleet) part: Part,
    pub(in crate::fleet) streak: u64,
}

impl Kept {
    pub(super) fn new(window: &Window, report: &Report) -> Self {
        let register = &report.register;
        let bad = u64::from(register.bad);
        Self {
            generation: window.generation,
            seq: report.seq,
            part: Part {
                calls: register.calls,
                failed: register.failed,
                slow: register.slow,
                contributors: u64::from(register.calls > 0).max(bad),
                bad,
            },
            streak: register.streak,
        }
    }
}

/// Sums, or what one instance has in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::fleet) struct Part {
    pub(in crate::fleet) calls: u64,
    pub(in crate::fleet) failed: u64,
    pub(in crate::fleet) slow: u64,
    pub(in crate::fleet) contributors: u64,
    pub(in crate::fleet) bad: u64,
}

impl Part {
    fn with(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            calls: both(self.calls, other.calls),
            failed: both(self.failed, other.failed),
            slow: both(self.slow, other.slow),
            contributors: both(self.contributors, other.contributors),
            bad: both(self.bad, other.bad),
        }
    }

    fn plus(self, other: Self) -> Self {
        self.with(other, |this, other| (this + other).min(LAST_SUM))
    }

    /// Never below zero: part of a store can be lost, and another one kept.
    fn minus(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }
}

/// `W`: the sums of two generations, and failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::fleet) struct Window {
    pub(in crate::fleet) generation: u64,
    /// How long a generation is. The first report of a window decides.
    pub(in crate::fleet) length: u64,
    pub(in crate::fleet) current: Part,
    pub(in crate::fleet) previous: Part,
    pub(in crate::fleet) streak: u64,
    /// Since when the streak is not 0.
    pub(in crate::fleet) since: u64,
}

impl Window {
    /// Of no time yet: it is to be [rolled](Self::roll) before anything counts.
    pub(super) fn begin(length: u64) -> Self {
        Self {
            generation: 0,
            length,
            current: Part::default(),
            previous: Part::default(),
            streak: 0,
            since: 0,
        }
    }

    /// Goes on to the generation of now.
    pub(super) fn roll(&mut self, now: u64) {
        *self = self.rolled(now);
    }

    fn rolled(&self, now: u64) -> Self {
        let generation = now / self.length;
        if generation == self.generation {
            return *self;
        }
        let is_next = generation == self.generation + 1;
        let previous = if is_next {
            self.current
        } else {
            Part::default()
        };
        Self {
            generation,
            current: Part::default(),
            previous,
            ..*self
        }
    }

    /// Whether it still counts, or the store's clock has gone back since.
    pub(super) fn may_count(&self, kept: &Kept) -> bool {
        kept.generation + 1 >= self.generation
    }

    /// Takes off what an instance said before, and adds what it says now.
    pub(super) fn replace(&mut self, now: u64, old: Option<&Kept>, new: &Kept, ok: bool) {
        if let Some(old) = old {
            self.take_off(old);
        }
        self.current = self.current.plus(new.part);
        let before = old.map_or(0, |old| old.streak);
        let grown = self.streak + new.streak.saturating_sub(before);
        self.set_streak(now, if ok { new.streak } else { grown.min(LAST_SUM) });
    }

    fn take_off(&mut self, old: &Kept) {
        if old.generation == self.generation {
            self.current = self.current.minus(old.part);
        } else if old.generation + 1 == self.generation {
            self.previous = self.previous.minus(old.part);
        }
    }

    fn set_streak(&mut self, now: u64, streak: u64) {
        self.streak = streak;
        if streak == 0 {
            self.since = 0;
        } else if self.since == 0 {
            self.since = now;
        }
    }

    pub(super) fn sums(&self, now: u64) -> Sums {
        let rolled = self.rolled(now);
        let all = rolled.current.plus(rolled.previous);
        let is_streak = self.since > 0;
        Sums {
            calls: all.calls,
            failed: all.failed,
            slow: all.slow,
            streak: self.streak,
            streak_for: if is_streak {
                now.saturating_sub(self.since)
            } else {
                0
            },
            contributors: all.contributors,
            agreeing: all.bad,
        }
    }
}
