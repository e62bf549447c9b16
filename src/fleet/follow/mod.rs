//! [`Follow`]: one circuit of this process and its fleet (rules N2 to N7).
//!
//! It decides what there is to say and what an answer means. It has no clock, no store and no circuit: time comes as
//! nanoseconds of the fleet's own clock, the circuit as a [`Local`], the store as its answers. Whatever it is asked, in
//! whatever order, it keeps these:
//!
//! * It never goes back: a decision that is older than the one it knows means that the store has forgotten, and is
//!   restored.
//! * A lease and a hold count from when it *asked*; a break from when it was *told*.
//! * It forgets nothing but what it has applied: after a time without the store, what the fleet says is applied as if
//!   it were new.
//!
//! `report` is what it says of the circuit, `asks` what it wants of the store, `heard` what it makes of an answer,
//! `alone` what it does without one.

mod alone;
mod asks;
mod heard;
mod report;

use super::{
    local::{Ended, Local},
    wire::{CAUSE_BYTES, Register, Report, Stamp, Standing, StoredMode, Sums, Text, WHO_BYTES},
};
use crate::circuit::followed::Act;

const MILLI: u64 = 1_000_000;

/// One circuit and its fleet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Follow {
    /// So long after the last answer was asked for, the circuit is alone.
    alone_after: u64,
    /// How the fleet stands, as far as is known: never an older decision than before.
    pub(super) standing: Standing,
    /// When that was heard. What is left of a break is less by now.
    pub(super) as_of: u64,
    /// Which decision was done here. `None`: the next one is done, whatever it is.
    pub(super) applied: Option<Stamp>,
    /// When the last answer was asked for, unless the circuit is alone.
    pub(super) asked: Option<u64>,
    /// The store has forgotten what is known here.
    pub(super) behind: bool,
    /// It was the fleet that has forced the circuit open.
    pub(super) forced: bool,
    /// What a person has done here, and the store does not know yet.
    pub(super) act: Option<Said>,
    pub(super) speaks: Speaks,
    pub(super) seats: Seats,
    /// What all see together, as last told. Only to be shown.
    pub(super) all: Sums,
    /// Other settings than these are the fleet's. Only to be shown.
    pub(super) differs: Option<u64>,
}

/// What a person has done here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Said {
    pub(super) act: Act,
    pub(super) who: Text<WHO_BYTES>,
    pub(super) at: u64,
}

/// What was said of the circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Speaks {
    /// How often.
    pub(super) seq: u64,
    /// In this era of the fleet, the last that counts.
    pub(super) counted: Option<Register>,
    /// Which calls had ended when that was said.
    pub(super) by_then: Ended,
    /// What was said last.
    pub(super) sent: Option<(Register, Ended)>,
    /// Open alone, what its window held when it opened.
    pub(super) evidence: Option<Register>,
    /// The fleet trips, and this is why.
    pub(super) trips: Option<Text<CAUSE_BYTES>>,
    /// The trip of this circuit that was proposed to the fleet at once.
    pub(super) tripped: Option<u64>,
    /// Calls that had ended, and when: an older look and a newer one.
    pub(super) looks: [Option<(u64, Ended)>; 2],
}

/// Seats for probes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Seats {
    /// Calls that were held since seats were asked for.
    pub(super) wanted: u32,
    /// None before then.
    pub(super) full_until: Option<u64>,
    pub(super) lease: Option<Held>,
    /// So many seats the store still counts whose lease is over here: they are given back.
    pub(super) stale: u32,
    /// What was made of them, as last seen.
    pub(super) seen: Option<Made>,
    /// What the store knows of that.
    pub(super) told: Made,
    /// How many results it knew when it gave the lease.
    pub(super) told_by_then: u32,
    /// And what it knows of seats that the circuit had before it was alone, in the same era of the fleet.
    pub(super) before: Made,
    /// The circuit has left the era for which they were: what is to be said of them at last.
    pub(super) gone: Option<Gone>,
}

/// A lease of seats. Without seats: what is left of one that is not to be taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) seats: u32,
    /// Until then, they hold: never longer than by the store's clock.
    pub(super) until: u64,
    /// When they end by the store's clock, in its milliseconds. No other lease of this instance ends then.
    pub(super) ends: u64,
}

/// Results of probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Made {
    pub(super) ok: u32,
    pub(super) failed: u32,
    /// Seats that no probe has taken.
    pub(super) unused: u32,
}

impl Made {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            ok: self.ok.saturating_add(other.ok),
            failed: self.failed.saturating_add(other.failed),
            unused: self.unused.saturating_add(other.unused),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            ok: self.ok.saturating_sub(other.ok),
            failed: self.failed.saturating_sub(other.failed),
            unused: self.unused.saturating_sub(other.unused),
        }
    }
}

/// What a circuit that is gone leaves to the next one of its name: the store still counts its seats.
#[derive(Clone, Debug)]
pub(super) struct Left {
    standing: Standing,
    as_of: u64,
    seats: Seats,
}

impl Left {
    /// Whether the store may still give those seats to whoever asks in the name of this instance.
    pub(super) fn matters(&self, now: u64) -> bool {
        const LATER: u64 = 60_000 * MILLI;
        let until = self.seats.lease.map_or(self.as_of, |lease| lease.until);
        now < until.saturating_add(LATER)
    }
}

/// What became of seats in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gone {
    pub(super) made: Made,
    /// The break that the circuit has begun by itself, in milliseconds.
    pub(super) length: u64,
}

impl Follow {
    /// Of a circuit that has heard nothing yet. `alone_after`: how long it goes on with its fleet without an answer.
    pub(super) fn new(alone_after: u64) -> Self {
        Self {
            alone_after,
            standing: Standing::default(),
            as_of: 0,
            applied: None,
            asked: None,
            behind: false,
            forced: false,
            act: None,
            speaks: Speaks::default(),
            seats: Seats::default(),
            all: Sums::default(),
            differs: None,
        }
    }

    /// Goes on with the seats of a circuit that is gone.
    pub(super) fn goes_on(self, left: Left) -> Self {
        if left.standing.stamp < self.known() {
            return self;
        }
        Self {
            standing: left.standing,
            as_of: left.as_of,
            seats: left.seats,
            ..self
        }
    }

    /// What is known, when nobody asks the store any more.
    pub(super) fn without_part(mut self) -> Self {
        self.act = None;
        self.forgets_done();
        self
    }

    /// What it leaves, [without a part](Self::without_part).
    pub(super) fn left(self) -> Option<Left> {
        let seats = self.seats;
        let some = seats.lease.is_some() || seats.before != Made::default();
        some.then_some(Left {
            standing: self.standing,
            as_of: self.as_of,
            seats,
        })
    }

    /// The latest decision that is known.
    pub(super) fn known(&self) -> Stamp {
        self.standing.stamp
    }

    /// Whether the store has answered, for long enough.
    pub(super) fn is_attached(&self, now: u64) -> bool {
        self.asked
            .is_some_and(|asked| now < asked.saturating_add(self.alone_after))
    }

    /// A person has done it here, and means the fleet. What was not told yet of an earlier one is dropped.
    pub(super) fn act(&mut self, act: Act, who: Text<WHO_BYTES>, now: u64) {
        self.act = Some(Said { act, who, at: now });
    }

    /// Whether it makes a difference that calls were held: whoever asks for seats already, or has found none, does not
    /// look for more.
    pub(super) fn looks_for_calls(&self, now: u64) -> bool {
        let seats = &self.seats;
        seats.wanted == 0 && seats.full_until.is_none_or(|until| now >= until)
    }

    /// So many calls were held, or have found no seat.
    pub(super) fn wants(&mut self, calls: u64) {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.seats.wanted = self.seats.wanted.saturating_add(calls).min(MOST_WANTED);
    }

    /// The report that says this register. It is sent now.
    pub(super) fn say(&mut self, register: Register, local: &Local<'_>) -> Report {
        self.speaks.seq += 1;
        self.speaks.sent = Some((register, local.ended));
        Report {
            seq: self.speaks.seq,
            keep_for: local.rules.keep_for,
            settings: local.rules.settings,
            revision: local.rules.agreement.revision,
            register,
        }
    }

    fn is_forced(&self) -> bool {
        matches!(self.standing.mode, StoredMode::Forced { .. })
    }
}

/// No more seats than that are ever given.
const MOST_WANTED: u32 = 63;

#[cfg(test)]
mod tests;
