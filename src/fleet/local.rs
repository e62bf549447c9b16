//! A circuit of this process, as its fleet sees it, and what the fleet does to it.
//!
//! Instants are nanoseconds of the fleet's clock. What is to be done comes as such instants, or as lengths; whoever
//! does it takes them over to the clock of the circuit.

use std::time::Duration;

use super::{
    judge::Judge,
    wire::{Proposal, Register},
};
use crate::{
    circuit::{
        followed::{FleetNews, Heard},
        settings::Agreement,
    },
    machine::{Alone, Mode, Tally, WindowCounts},
};

/// A circuit at one look.
#[derive(Clone, Copy)]
pub(super) struct Local<'a> {
    pub(super) state: Here,
    pub(super) mode: Mode,
    /// What its window holds now. `None`: it has none.
    pub(super) window: Option<WindowCounts>,
    /// Failures in a row, if it is closed.
    pub(super) streak: u64,
    /// Since it was built.
    pub(super) ended: Ended,
    /// What has opened it last.
    pub(super) trip: Option<Trip>,
    pub(super) rules: Rules,
    pub(super) judge: &'a dyn Judge,
}

impl Local<'_> {
    pub(super) fn is_led(&self) -> bool {
        matches!(
            self.state,
            Here::Open { led: true, .. } | Here::HalfOpen(Some(_))
        )
    }

    /// A probe on one of the fleet's seats is on its way.
    pub(super) fn has_probe(&self) -> bool {
        matches!(self.state, Here::HalfOpen(Some(it)) if it.granted > it.ok + it.failed + it.unused)
    }

    /// Open by itself, or half-open after that.
    pub(super) fn is_open_alone(&self) -> bool {
        let is_open = matches!(
            self.state,
            Here::Open { led: false, .. } | Here::HalfOpen(None)
        );
        is_open && self.mode == Mode::Normal
    }
}

/// Its state, and whether the fleet leads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    Closed,
    Open {
        led: bool,
        /// Nanoseconds. 0: the break is over.
        left: u64,
    },
    /// With what has become of the fleet's seats; `None`: its probes are its own.
    HalfOpen(Option<Tally>),
}

/// Calls that have ended, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ended {
    pub(super) successful: u64,
    pub(super) failed: u64,
    /// Of both, the slow ones.
    pub(super) slow: u64,
}

/// A trip of this circuit, by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Trip {
    /// Which era it began.
    pub(super) era: u64,
    /// What the window held then. All 0 without a window.
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    /// Failures in a row, if it were these.
    pub(super) streak: u64,
    /// A result has tripped it at once.
    pub(super) at_once: bool,
}

/// Its settings, as far as a fleet is to know them. Lengths are milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) agreement: Agreement,
    /// How many probes at a time.
    pub(super) permits: u32,
    /// How many of them must succeed.
    pub(super) need: u32,
    /// Of how many.
    pub(super) of: u32,
    /// How long a seat is kept.
    pub(super) life: u64,
    /// How long a probe may take. 0: nobody has said.
    pub(super) limit: u64,
    /// How long a register counts.
    pub(super) keep_for: u64,
    /// Its window counts calls, whatever their age: if none is new for `keep_for`, it says nothing.
    pub(super) by_count: bool,
    /// It watches for failures in a row: one is enough to see it.
    pub(super) watches_streak: bool,
    /// A fingerprint of what all instances should have in common.
    pub(super) settings: u64,
}

/// What there would be to say to the store now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asks {
    /// Nothing but to look. `now`: what the fleet has decided is not known, or was not done here.
    Look { now: bool },
    /// What its window holds; when to say it is a matter of pace. Sent by [`say`](super::follow::Follow::say).
    Report(Register),
    /// At once, as far as one may speak.
    Decide(Proposal),
}

/// What is to be done to the circuit, in this order, and to others.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Apply {
    /// Until then, a led break that is over is held.
    Hold { until: u64 },
    /// The fleet is open for so long from now on; zero: until seats come.
    Open { left: Duration },
    /// Seats of this instance, until then. `life`: how long a lease is as a whole.
    Lead {
        seats: u32,
        until: u64,
        life: Duration,
    },
    /// The fleet has closed. `clear`: by a person, and what the window holds goes, too.
    Close { clear: bool },
    /// A person has forced the fleet open.
    Force { left: Option<Duration> },
    /// And released it.
    Release,
    /// The store is out of reach: a led era goes on by itself.
    Alone(Alone),
    /// How many have heard what a person did here.
    Heard(Heard),
    /// To be told.
    News(FleetNews),
    /// Another one speaks in the name of this instance: it takes a new one.
    NewInstance,
    /// There is something to say now.
    Again,
}

impl Apply {
    /// Whether it does what the fleet has decided.
    pub(super) fn is_a_decision(&self) -> bool {
        matches!(
            self,
            Self::Open { .. }
                | Self::Lead { .. }
                | Self::Close { .. }
                | Self::Force { .. }
                | Self::Release
        )
    }
}
