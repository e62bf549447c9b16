//! How the contract speaks with a store.

use std::{cell::Cell, time::Duration};

use super::super::{
    store::{Store, StoreError},
    wire::{
        Decide, Decided, Exchange, Exchanged, InstanceId, Key, Look, Odd, Place, Proposal,
        Register, Report, Stamp, Stored, Text, Told,
    },
};

pub(super) const NEVER: Stamp = stamp(0, 0);

pub(super) const fn stamp(era: u64, nonce: u32) -> Stamp {
    Stamp { era, nonce }
}

/// Makes stores, and lets their time pass.
pub(super) struct Make<M, P> {
    make: M,
    pass: P,
    made: Cell<u32>,
}

impl<S: Store, M: AsyncFn() -> S, P: AsyncFn(Duration)> Make<M, P> {
    pub(super) fn new(make: M, pass: P) -> Self {
        let made = Cell::new(0);
        Self { make, pass, made }
    }

    /// An empty store; and a place that nobody has used, in case that it is not quite empty.
    pub(super) async fn store(&self) -> At<'_, S, P> {
        self.made.set(self.made.get() + 1);
        At {
            store: (self.make)().await,
            pass: &self.pass,
            place: Place {
                fleet: format!("tb1:contract:{}", self.made.get()).into(),
                shard: 0,
            },
        }
    }
}

/// A store of its own.
pub(super) struct At<'a, S, P> {
    pub(super) store: S,
    pass: &'a P,
    pub(super) place: Place,
}

/// The circuit that is meant if nothing else is said.
pub(super) fn it() -> Key {
    Key::of("it")
}

impl<S: Store, P: AsyncFn(Duration)> At<'_, S, P> {
    pub(super) async fn pass(&self, millis: u64) {
        (self.pass)(Duration::from_millis(millis)).await;
    }

    pub(super) async fn exchange(&self, me: u64, seen: u64, circuits: Vec<Look>) -> Exchanged {
        let ask = Exchange {
            place: self.place.clone(),
            instance: InstanceId(me),
            seen,
            circuits,
        };
        self.store.exchange(&ask).await.expect("an answer")
    }

    pub(super) async fn try_look(&self, me: u64, look: Look) -> Result<Told, Odd> {
        let mut told = self.exchange(me, 0, vec![look]).await.circuits;
        assert_eq!(told.len(), 1, "as many as were asked for");
        told.remove(0)
    }

    /// A look without a report.
    pub(super) async fn look(&self, me: u64, stamp: Stamp) -> Told {
        let look = look(it(), stamp, None);
        self.try_look(me, look).await.expect("told")
    }

    pub(super) async fn report(&self, me: u64, stamp: Stamp, report: Report) -> Told {
        let look = look(it(), stamp, Some(report));
        self.try_look(me, look).await.expect("told")
    }

    pub(super) async fn try_decide(&self, ask: &Decide) -> Result<Decided, StoreError> {
        self.store.decide(ask).await
    }

    pub(super) fn ask(&self, me: u64, seen: Stamp, nonce: u32, what: Proposal) -> Decide {
        Decide {
            place: self.place.clone(),
            instance: InstanceId(me),
            name: it(),
            seen,
            nonce,
            what,
        }
    }

    pub(super) async fn decide(&self, me: u64, seen: Stamp, nonce: u32, what: Proposal) -> Decided {
        let ask = self.ask(me, seen, nonce, what);
        self.try_decide(&ask).await.expect("an answer")
    }

    /// The first decision: open, for so long. Its stamp is (1, 9).
    pub(super) async fn opened(&self, length: u64) -> Stamp {
        let decided = self.decide(1, NEVER, 9, open(length)).await;
        decided.standing.stamp
    }

    /// Instance 1 has asked for so many seats first. The stamp is (2, 5).
    pub(super) async fn half_open(&self, numbers: [u32; 3], want: u32) -> Stamp {
        let open = self.opened(0).await;
        let decided = self.decide(1, open, 5, lease(numbers, want)).await;
        decided.standing.stamp
    }

    /// A quarter of a generation after it began, so what takes a moment is still within it.
    pub(super) async fn early_in(&self, generation: u64) {
        let now = self.exchange(1, 0, Vec::new()).await.now;
        let begun = now % generation;
        self.pass(generation - begun + generation / 4).await;
    }
}

pub(super) fn look(name: Key, stamp: Stamp, report: Option<Report>) -> Look {
    Look {
        name,
        stamp,
        report,
    }
}

/// How long generations are here, in milliseconds.
pub(super) const GENERATION: u64 = 4_000;

/// A report of calls, of which some have failed.
pub(super) fn report(seq: u64, calls: u64, failed: u64) -> Report {
    Report {
        seq,
        keep_for: GENERATION,
        settings: 77,
        revision: 0,
        register: Register {
            calls,
            failed,
            ..Register::default()
        },
    }
}

/// A report of failures in a row, and whether there was a success before them.
pub(super) fn streak(seq: u64, streak: u64, ok: bool) -> Report {
    let mut report = report(seq, 10, streak);
    (report.register.streak, report.register.ok) = (streak, ok);
    report
}

pub(super) fn open(length: u64) -> Proposal {
    Proposal::Open {
        length,
        attempt: 1,
        cause: Text::of("because"),
    }
}

/// How long a seat is kept here.
pub(super) const LIFE: u64 = 2_000;

/// Seats, under these numbers: permits, successes, of how many.
pub(super) fn lease([permits, need, of]: [u32; 3], want: u32) -> Proposal {
    Proposal::Lease {
        permits,
        need,
        of,
        life: LIFE,
        want,
    }
}

pub(super) fn result(ok: u32, failed: u32, unused: u32) -> Proposal {
    Proposal::Results {
        ok,
        failed,
        unused,
        length: 3_000,
    }
}

pub(super) fn force(at_most: Option<u64>) -> Proposal {
    let who = Text::of("ops");
    Proposal::Force { at_most, who }
}

pub(super) fn release() -> Proposal {
    let who = Text::of("ops");
    Proposal::Release { who }
}

pub(super) fn reset() -> Proposal {
    let who = Text::of("ops");
    Proposal::Reset { who }
}

pub(super) const CLOSED: Stored = Stored::Closed { reset: false };

/// Whether it is open, and what is left of that.
#[track_caller]
pub(super) fn open_left(state: Stored) -> u64 {
    match state {
        Stored::Open { left } => left,
        other => panic!("it is open, not {other:?}"),
    }
}

/// What is left of a half-open time: permits, need, spare, budget.
#[track_caller]
pub(super) fn half_open(state: Stored) -> [u32; 4] {
    match state {
        Stored::HalfOpen {
            permits,
            need,
            spare,
            budget,
        } => [permits, need, spare, budget],
        other => panic!("it is half-open, not {other:?}"),
    }
}
