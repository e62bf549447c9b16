//! A circuit that its fleet leads (rules N1, N5; C1, D1).
#![allow(dead_code, reason = "the fleet is to use it")]

use std::time::Duration;

use super::{Cause, Core, Mode, Transition, WindowCounts};
use crate::machine::sync::{AtomicU64, Ordering};

/// What its fleet says of a circuit.
#[derive(Debug)]
pub(super) struct Lead {
    /// How many calls were held since somebody asked.
    wanted: AtomicU64,
    /// Until when a break that is over is held, in nanoseconds.
    hold_until: AtomicU64,
}

impl Default for Lead {
    fn default() -> Self {
        Self {
            wanted: AtomicU64::new(0),
            hold_until: AtomicU64::new(0),
        }
    }
}

/// What has come of a break that the fleet has begun.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OpenShared {
    Told(Transition),
    /// Too many of its set are open (G7): it is closed.
    Vetoed(Transition),
    /// It is forced open or disabled.
    ModeRefuses(Mode),
}

/// What has come of seats that the fleet has given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Led {
    /// It is half-open, with these seats.
    Told(Transition),
    /// It was half-open, with a lease that has ended, and has these seats now.
    Seated,
    /// The era for which they were is over, or has seats already: nobody takes these.
    Refused,
}

/// What has become of the seats of a led half-open era, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Seats that were given, without those that have ended unused.
    pub(crate) granted: u32,
    pub(crate) ok: u32,
    pub(crate) failed: u32,
    /// Of those that were given, no probe has taken so many yet.
    pub(crate) unused: u32,
    /// The longest that a failed probe asked to be left alone for (A7).
    pub(crate) floor: Duration,
}

/// What a half-open circuit goes on with that is on its own from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alone {
    /// How many probes at a time.
    pub(crate) permits: u32,
    /// How many must still succeed, in the whole fleet as far as is known; 0 closes it.
    pub(crate) need: u32,
    /// How many may still fail.
    pub(crate) spare: u32,
}

impl Core {
    /// Whether a fleet may lead it.
    pub(crate) fn is_shared(&self) -> bool {
        self.lead.is_some()
    }

    /// Whether the era that stands is one that the fleet has begun: open, or the half-open one after it.
    pub(crate) fn is_led(&self) -> bool {
        false
    }

    /// The fleet has opened: open here, too, for as long as is `left`, and led from then on.
    pub(crate) fn open_shared(&self, left: Duration, now: u64) -> OpenShared {
        let _ = (left, now);
        OpenShared::ModeRefuses(self.mode())
    }

    /// The fleet has closed: closed here, too. `clear`: a person has reset it, so that it is cleared where it is closed
    /// already, and does not ramp. `None` if it is closed, forced open or disabled.
    pub(crate) fn close_shared(&self, clear: bool, now: u64) -> Option<Transition> {
        let _ = (clear, now);
        None
    }

    /// A person has forced the fleet open: as [`force_open`](Self::force_open).
    pub(crate) fn force_shared(&self, at_most: Option<Duration>, now: u64) -> Option<Transition> {
        let _ = (at_most, now);
        None
    }

    /// A person has released the fleet: as [`release`](Self::release).
    pub(crate) fn release_shared(&self, now: u64) -> Option<Transition> {
        let _ = now;
        None
    }

    /// This instance has so many seats until `lease_until`, by the circuit's own clock: it is half-open. `life`: how
    /// long a lease is, as a whole.
    pub(crate) fn lead(&self, seats: u32, lease_until: u64, life: Duration, now: u64) -> Led {
        let _ = (seats, lease_until, life, now);
        Led::Refused
    }

    /// A led break that is over is held until then: renewed with each answer.
    pub(crate) fn hold(&self, until: u64) {
        let _ = until;
    }

    /// What has become of the seats of the led half-open era, if it stands.
    pub(crate) fn tally(&self) -> Option<Tally> {
        None
    }

    /// The fleet is out of reach: a led era goes on by itself (N7).
    pub(crate) fn go_alone(&self, plan: Alone, now: u64) -> Option<Transition> {
        let _ = (plan, now);
        None
    }

    /// A call was held, or somebody waits to make one. Returns whether it is the first since that was
    /// [taken](Self::take_wanted).
    pub(crate) fn want(&self) -> bool {
        let Some(lead) = &self.lead else {
            return false;
        };
        lead.wanted.fetch_add(1, Ordering::AcqRel) == 0
    }

    /// How many calls were held since this was last asked.
    pub(crate) fn take_wanted(&self) -> u64 {
        let lead = self.lead.as_ref();
        lead.map_or(0, |lead| lead.wanted.swap(0, Ordering::AcqRel))
    }

    /// Whether the fleet's calls would trip this circuit, by its own numbers (B1, B4, B7).
    pub(crate) fn judge_foreign(
        &self,
        counts: &WindowCounts,
        streak: u64,
        streak_for: Duration,
    ) -> Option<Cause> {
        let _ = (counts, streak, streak_for);
        None
    }

    /// Whether these calls alone would reach what trips this circuit, however few they are.
    pub(crate) fn reaches_alone(&self, counts: &WindowCounts, streak: u64) -> bool {
        let _ = (counts, streak);
        false
    }

    /// How long a break of the fleet is, by the numbers of this circuit.
    pub(crate) fn break_of(&self, attempt: u32, era: u64) -> Duration {
        let _ = (attempt, era);
        Duration::ZERO
    }

    /// The numbers that all instances of a fleet should have in common, as one number.
    pub(crate) fn fingerprint(&self) -> u64 {
        0
    }
}
