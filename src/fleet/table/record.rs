//! What a store keeps of a circuit.

use super::{
    super::wire::{
        CAUSE_BYTES, LAST_ERA, LAST_MILLIS, Odd, Stamp, Standing, Stored, StoredMode, Text,
        WHO_BYTES,
    },
    register::Window,
};

/// The cause of a circuit that a person has closed and cleared.
const RESET: &str = "reset";

/// How a circuit stands (fields `S`, `k`, `w`, `W`). Instants are those of the store, 0 is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::fleet) struct Record {
    /// `e`, `n`
    pub(in crate::fleet) stamp: Stamp,
    /// `s`, `p`, `q`, `x`, `b`
    pub(in crate::fleet) state: State,
    /// `m`. The state is open then.
    pub(in crate::fleet) forced: bool,
    /// `u`: when the break is over, or what is forced.
    pub(in crate::fleet) until: u64,
    /// `d`: how long the last break is, or was.
    pub(in crate::fleet) length: u64,
    /// `a`
    pub(in crate::fleet) attempt: u32,
    /// `t`: since when it is closed, if it ever was open.
    pub(in crate::fleet) closed_at: u64,
    /// `k`
    pub(in crate::fleet) cause: Text<CAUSE_BYTES>,
    /// `w`
    pub(in crate::fleet) who: Text<WHO_BYTES>,
    /// `c`
    pub(in crate::fleet) settings: u64,
    /// `r`
    pub(in crate::fleet) revision: u64,
    /// `W`
    pub(in crate::fleet) window: Option<Window>,
    /// Nothing that we would have written.
    pub(in crate::fleet) odd: bool,
}

/// `s`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::fleet) enum State {
    #[default]
    Closed,
    Open,
    HalfOpen(HalfOpen),
}

/// What is left of a half-open time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::fleet) struct HalfOpen {
    /// `p`
    pub(in crate::fleet) permits: u32,
    /// `q`
    pub(in crate::fleet) need: u32,
    /// `x`: so many failures more do not open it.
    pub(in crate::fleet) spare: u32,
    /// `b`: so many seats can still be given.
    pub(in crate::fleet) budget: u32,
}

impl Record {
    pub(super) fn readable(&self) -> Result<(), Odd> {
        if self.odd || self.stamp.era > LAST_ERA {
            let text = Text::of("the record is unreadable");
            return Err(Odd { text });
        }
        Ok(())
    }

    /// Whether another decision can follow.
    pub(super) fn can_go_on(&self) -> Result<(), Odd> {
        if self.stamp.era >= LAST_ERA {
            let text = Text::of("no era can follow");
            return Err(Odd { text });
        }
        Ok(())
    }

    /// The settings of the fleet are those of the greatest revision; of the first who said, among equals.
    pub(super) fn agree(&mut self, settings: u64, revision: u64) {
        if self.settings == 0 || revision > self.revision {
            (self.settings, self.revision) = (settings, revision);
        }
    }

    pub(super) fn forced_is_over(&self, now: u64) -> bool {
        self.forced && self.until > 0 && now >= self.until
    }

    pub(super) fn force_expired(&mut self, now: u64) {
        self.forced = false;
        (self.until, self.closed_at, self.attempt) = (0, now, 0);
        self.say("force_expired", Text::default());
    }

    /// The clock has gone back: from now on no break is longer than it is.
    pub(super) fn shorten(&mut self, now: u64) {
        if self.state == State::Open {
            self.until = self.until.min(later(now, self.length));
        }
    }

    pub(super) fn say(&mut self, cause: &str, who: Text<WHO_BYTES>) {
        (self.cause, self.who) = (Text::of(cause), who);
    }

    /// A break that begins now.
    pub(super) fn begin_break(&mut self, now: u64, length: u64) {
        (self.until, self.length) = (later(now, length), length);
    }

    /// The breaks in a row, if another began now. A calm as long as the last break ends a row.
    pub(super) fn next_attempt(&self, now: u64) -> u32 {
        let calm = self.closed_at == 0 || now.saturating_sub(self.closed_at) >= self.length;
        if calm {
            return 1;
        }
        self.one_more_attempt()
    }

    pub(super) fn one_more_attempt(&self) -> u32 {
        self.attempt.saturating_add(1)
    }

    /// What an instance knows, after the store has forgotten. A half-open time comes back as a break that is over:
    /// nobody knows who has which seats.
    pub(super) fn restore(&mut self, now: u64, known: &Standing) {
        self.stamp = known.stamp;
        self.forced = known.mode != StoredMode::Normal;
        self.length = known.length;
        self.until = match (known.mode, known.state) {
            (StoredMode::Forced { left: None }, _) => 0,
            (StoredMode::Forced { left: Some(left) }, _) => later(now, left.min(known.length)),
            (_, Stored::Closed { .. }) => 0,
            (_, Stored::Open { left }) => later(now, left.min(known.length)),
            (_, Stored::HalfOpen { .. }) => now,
        };
        self.attempt = known.attempt;
        let closed_at = |closed_for| now.saturating_sub(closed_for);
        self.closed_at = known.closed_for.map_or(0, closed_at);
        (self.cause, self.who) = (known.cause.clone(), known.who.clone());
    }

    pub(super) fn standing(&self, now: u64) -> Standing {
        let closed_for = || now.saturating_sub(self.closed_at);
        let is_calm = self.state == State::Closed && self.closed_at > 0;
        Standing {
            stamp: self.stamp,
            state: self.stored(now),
            mode: self.mode(now),
            attempt: self.attempt,
            closed_for: is_calm.then(closed_for),
            length: self.length,
            cause: self.cause.clone(),
            who: self.who.clone(),
        }
    }

    fn stored(&self, now: u64) -> Stored {
        match self.state {
            State::Closed => Stored::Closed {
                reset: self.cause.as_str() == RESET,
            },
            State::Open => Stored::Open {
                left: self.left(now),
            },
            State::HalfOpen(HalfOpen {
                permits,
                need,
                spare,
                budget,
            }) => Stored::HalfOpen {
                permits,
                need,
                spare,
                budget,
            },
        }
    }

    fn mode(&self, now: u64) -> StoredMode {
        if !self.forced {
            return StoredMode::Normal;
        }
        let left = (self.until > 0).then(|| self.left(now));
        StoredMode::Forced { left }
    }

    /// Never more than the length: a clock that goes back prolongs a break by at most itself.
    fn left(&self, now: u64) -> u64 {
        self.until.saturating_sub(now).min(self.length)
    }
}

/// An instant that is still believed.
pub(super) fn later(now: u64, by: u64) -> u64 {
    (now + by).min(LAST_MILLIS)
}
