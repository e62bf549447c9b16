//! A process: a real circuit, and the real thing that speaks for it.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::atomic::Ordering,
    task::{Context, Waker},
    time::Duration,
};

use super::{
    super::{fleet::Fleet, pilot::Pilot, wire::InstanceId},
    clock::Drifting,
    history::History,
};
use crate::circuit::{
    builder::CircuitBuilder, guard::OwnedGuard, handle::Circuit, settings::Agreement,
};

/// How long a break is, in all instances.
pub(super) const BREAK: Duration = Duration::from_secs(2);

/// How long a seat is kept at least: the limit of a probe, and a second.
pub(super) const LIFE: Duration = Duration::from_secs(2);

/// How long a window is.
pub(super) const WINDOW: Duration = Duration::from_secs(4);

pub(super) struct Instance {
    /// Of all processes that there ever were, which.
    pub(super) number: u64,
    /// The names under which it has spoken.
    pub(super) ids: Vec<InstanceId>,
    pub(super) clock: Drifting,
    /// Calls under way, and whether they will succeed. Dropped before their circuit.
    pub(super) calls: BTreeMap<u64, (OwnedGuard, bool)>,
    pub(super) pilot: Pilot,
    pub(super) circuit: Circuit,
    fleet: Fleet,
    /// What it has asked and waits for.
    pub(super) flight: Option<Flight>,
    /// When it looks again by itself.
    pub(super) wake_at: u64,
    pub(super) stalled_until: u64,
    /// When it asked what was answered last, by its own clock.
    pub(super) heard: Option<u64>,
    /// The latest decision that it has shown.
    pub(super) shown: (u64, u32),
}

#[derive(Clone, Copy)]
pub(super) struct Flight {
    pub(super) id: u64,
    pub(super) asked: u64,
}

impl Instance {
    pub(super) fn new(
        number: u64,
        clock: Drifting,
        seed: u64,
        history: &History,
        revision: u64,
    ) -> Self {
        let fleet = Fleet::builder("shop").clock(clock.clone()).seed(seed);
        let fleet = fleet.build().expect("a fleet");
        let common = fleet.common();
        common.running.store(true, Ordering::Release);
        let circuit = configure(Circuit::builder("it"), count(history.permits), revision);
        let circuit = circuit.clock(clock.clone()).fleet(&fleet);
        let circuit = circuit.build().expect("settings that make sense");
        let pilot = Pilot::new(common.clone(), seed, common.clock.now());
        Self {
            number,
            ids: Vec::new(),
            clock,
            calls: BTreeMap::new(),
            pilot,
            circuit,
            fleet,
            flight: None,
            wake_at: 0,
            stalled_until: 0,
            heard: None,
            shown: (0, 0),
        }
    }

    /// By its own clock.
    pub(super) fn now(&self) -> u64 {
        self.fleet.common().clock.now()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.fleet.common().pace.timeout()
    }

    /// Whether somebody has said that there is something to look at.
    pub(super) fn is_woken(&self) -> bool {
        let woken = pin!(self.fleet.common().wake.notified());
        let mut context = Context::from_waker(Waker::noop());
        woken.poll(&mut context).is_ready()
    }
}

/// Histories count everything in `u64`.
fn count(number: u64) -> u32 {
    number.try_into().expect("small")
}

fn configure(builder: CircuitBuilder, permits: u32, revision: u64) -> CircuitBuilder {
    // What a deploy changes.
    let rate = if revision == 0 { 0.5 } else { 0.4 };
    builder
        .time_window(WINDOW)
        .failure_rate(rate)
        .minimum_calls(6)
        .open_for(BREAK)
        .permits(permits)
        .probes(permits, permits + 1)
        .probe_timeout(LIFE - Duration::from_secs(1))
        .shared(Agreement::default().revision(revision))
}
