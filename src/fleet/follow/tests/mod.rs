//! A circuit and a fleet of words alone: what is said and done, row by row.

mod alone;
mod apart;
mod left;
mod opens;
mod person;
mod rows;
mod seats;

use std::time::Duration;

use super::{Follow, MILLI};
use crate::{
    circuit::{followed::FleetNews, settings::Agreement},
    fleet::{
        judge::Judge,
        local::{Apply, Asks, Ended, Here, Local, Rules, Trip},
        wire::{
            CAUSE_BYTES, Decided, Done, How, Lease, Proposal, Stamp, Standing, Stored, StoredMode,
            Sums, Text, Told,
        },
    },
    machine::{Mode, Tally, WindowCounts},
};

const SECOND: u64 = 1_000 * MILLI;
const ALONE_AFTER: u64 = 3 * SECOND;
/// Instants do not begin at zero.
const BEGIN: u64 = 100 * SECOND;

/// The time of the store, in its milliseconds.
const STORE: u64 = 1_800_000_000_000;

/// Half of at least 10 calls; so many seconds a break as there were in a row.
struct Half;

impl Judge for Half {
    fn trips(&self, all: &Sums) -> Option<Text<CAUSE_BYTES>> {
        (all.calls >= 10 && all.failed * 2 >= all.calls).then(|| Text::of("half"))
    }

    fn reaches(&self, own: &WindowCounts, _streak: u64) -> bool {
        own.calls > 0 && own.failed * 2 >= own.calls
    }

    fn break_of(&self, attempt: u32, _era: u64) -> u64 {
        u64::from(attempt) * 1_000
    }
}

const OPEN_ALONE: Here = Here::Open {
    led: false,
    left: SECOND,
};
const LED: Here = Here::Open {
    led: true,
    left: SECOND,
};
/// Led, and its break is over: held.
const WAITS: Here = Here::Open { led: true, left: 0 };
const OWN_PROBE: Here = Here::HalfOpen(None);

/// Half-open, with seats: so many, of which so many probes have ended, and so many were not begun.
fn seated(granted: u32, ok: u32, failed: u32, unused: u32) -> Here {
    Here::HalfOpen(Some(Tally {
        granted,
        ok,
        failed,
        unused,
        floor: Duration::ZERO,
    }))
}

fn local(state: Here) -> Local<'static> {
    Local {
        state,
        mode: Mode::Normal,
        window: Some(WindowCounts::default()),
        streak: 0,
        ended: Ended::default(),
        trip: None,
        rules: Rules {
            agreement: Agreement::default(),
            permits: 2,
            need: 2,
            of: 3,
            life: 5_000,
            limit: 0,
            keep_for: 10_000,
            by_count: false,
            watches_streak: false,
            settings: 7,
        },
        judge: &Half,
    }
}

fn with_calls(calls: u64, failed: u64) -> Local<'static> {
    Local {
        window: Some(counts(calls, failed)),
        ended: Ended {
            successful: calls - failed,
            failed,
            slow: 0,
        },
        ..local(Here::Closed)
    }
}

fn counts(calls: u64, failed: u64) -> WindowCounts {
    WindowCounts {
        calls,
        failed,
        slow: 0,
    }
}

fn stamp(era: u64) -> Stamp {
    Stamp { era, nonce: 5 }
}

fn stands(era: u64, state: Stored) -> Standing {
    Standing {
        stamp: stamp(era),
        state,
        length: 1_000,
        attempt: 1,
        ..Standing::default()
    }
}

fn closed(era: u64) -> Standing {
    stands(era, Stored::Closed { reset: false })
}

fn reset(era: u64) -> Standing {
    stands(era, Stored::Closed { reset: true })
}

fn open(era: u64, left: u64) -> Standing {
    stands(era, Stored::Open { left })
}

fn half(era: u64, need: u32, spare: u32) -> Standing {
    let state = Stored::HalfOpen {
        permits: 2,
        need,
        spare,
        budget: 0,
    };
    stands(era, state)
}

fn forced(era: u64, left: Option<u64>) -> Standing {
    Standing {
        mode: StoredMode::Forced { left },
        ..open(era, left.unwrap_or(0))
    }
}

fn told(standing: Standing) -> Told {
    Told {
        how: How::Looked,
        standing,
        window: Sums::default(),
        my_seq: 0,
        settings: 7,
        revision: 0,
        lease: None,
    }
}

fn decided(done: Done, standing: Standing) -> Decided {
    Decided {
        done,
        now: STORE,
        standing,
        lease: None,
        heard: None,
    }
}

fn lease(seats: u32, left: u64) -> Option<Lease> {
    Some(Lease { seats, left })
}

/// A circuit and its fleet.
struct It {
    follow: Follow,
    now: u64,
}

impl It {
    fn new() -> Self {
        Self {
            follow: Follow::new(ALONE_AFTER),
            now: BEGIN,
        }
    }

    /// One that was attached when this was so.
    fn that_knows(standing: Standing, here: Here) -> Self {
        let mut it = Self::new();
        it.hears(standing, here);
        it
    }

    fn passes(&mut self, millis: u64) -> &mut Self {
        self.now += millis * MILLI;
        self
    }

    /// An answer that was asked for just now.
    fn hears(&mut self, standing: Standing, here: Here) -> Vec<Apply> {
        self.told(&told(standing), &local(here))
    }

    fn told(&mut self, told: &Told, local: &Local<'_>) -> Vec<Apply> {
        let both = (self.now, self.now);
        without_hold(self.follow.heard(told, both, local))
    }

    fn decided(&mut self, what: &Proposal, decided: &Decided, here: Here) -> Vec<Apply> {
        let both = (self.now, self.now);
        let apply = self.follow.decided(what, decided, both, &local(here));
        without_hold(apply)
    }

    fn asks(&mut self, local: &Local<'_>) -> Asks {
        self.follow.asks(local, self.now)
    }

    fn proposes(&mut self, local: &Local<'_>) -> Option<Proposal> {
        match self.asks(local) {
            Asks::Decide(proposal) => Some(proposal),
            Asks::Look { .. } | Asks::Report(_) => None,
        }
    }

    fn wants_seats(&mut self, here: Here) -> Option<u32> {
        match self.proposes(&local(here)) {
            Some(Proposal::Lease { want, .. }) => Some(want),
            _ => None,
        }
    }

    /// Says what there is to say; so many instances have so many calls then, of which so many see it themselves.
    fn reports(&mut self, local: &Local<'_>, all: Sums) -> Vec<Apply> {
        let Asks::Report(register) = self.asks(local) else {
            panic!("there is something to report");
        };
        let report = self.follow.say(register, local);
        let told = Told {
            how: How::Counted,
            window: all,
            my_seq: report.seq,
            ..told(self.follow.standing.clone())
        };
        self.told(&told, local)
    }
}

/// What is done; news of being attached, and holds, are in every answer.
fn without_hold(apply: Vec<Apply>) -> Vec<Apply> {
    let quiet = |it: &Apply| {
        let news = matches!(it, Apply::News(FleetNews::Attached));
        !news && !matches!(it, Apply::Hold { .. })
    };
    apply.into_iter().filter(quiet).collect()
}

fn opens(left: u64) -> Apply {
    Apply::Open {
        left: Duration::from_millis(left),
    }
}

fn seats(it: &Apply) -> Option<(u32, u64)> {
    match *it {
        Apply::Lead { seats, until, .. } => Some((seats, until)),
        _ => None,
    }
}

/// Ten calls, five of them failed, in so many instances, of which so many see it.
fn half_failed(contributors: u64, agreeing: u64) -> Sums {
    Sums {
        calls: 10,
        failed: 5,
        contributors,
        agreeing,
        ..Sums::default()
    }
}

fn alone_after_a_trip(era: u64, at_once: bool) -> Local<'static> {
    Local {
        trip: Some(Trip {
            era,
            calls: 20,
            failed: 12,
            at_once,
            ..Trip::default()
        }),
        ..local(OPEN_ALONE)
    }
}
