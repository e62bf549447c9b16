//! A circuit as its fleet knows it, and all of them.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    fleet::{Fleet, lock},
    wire::Key,
};
use crate::circuit::{
    by::By,
    followed::{Act, FleetNow, Follows, Heard, Sharing, Why},
    handle::WeakCircuit,
    name::Name,
};
use crate::machine::{State, WindowCounts};

/// Whether somebody takes part, and since when, in nanoseconds of the fleet's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Why not, if it does not.
    pub(super) why: Option<Why>,
    pub(super) since: u64,
}

impl Standing {
    /// Nobody has asked yet.
    pub(super) fn new(now: u64) -> Self {
        Self {
            why: Some(Why::NotReached),
            since: now,
        }
    }

    /// What is said of it, unless the whole fleet is stopped.
    pub(super) fn sharing(&self, stopped: Option<Why>, now: u64) -> Sharing {
        let since = Duration::from_nanos(now.saturating_sub(self.since));
        match stopped.or(self.why) {
            None => Sharing::Attached { since },
            Some(why) => Sharing::Detached { since, why },
        }
    }
}

/// The circuits of this process that belong to the fleet.
#[derive(Default)]
pub(super) struct Members {
    by_key: Mutex<HashMap<Key, Vec<Arc<Member>>>>,
    /// One more with each that comes or goes.
    version: AtomicU64,
}

impl Members {
    pub(super) fn count(&self) -> u64 {
        u64::try_from(lock(&self.by_key).len()).unwrap_or(u64::MAX)
    }

    fn add(&self, member: &Arc<Member>) {
        let mut by_key = lock(&self.by_key);
        by_key
            .entry(member.key.clone())
            .or_default()
            .push(member.clone());
        self.version.fetch_add(1, Ordering::Release);
    }

    fn remove(&self, member: &Arc<Member>) {
        let mut by_key = lock(&self.by_key);
        if let Some(same) = by_key.get_mut(&member.key) {
            same.retain(|other| !Arc::ptr_eq(other, member));
            if same.is_empty() {
                by_key.remove(&member.key);
            }
        }
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// What the task and a circuit's [`Membership`] share.
pub(super) struct Member {
    pub(super) key: Key,
    circuit: OnceLock<WeakCircuit>,
    stirred: AtomicBool,
}

/// What a circuit has of its fleet. With the circuit it goes.
pub(super) struct Membership {
    member: Arc<Member>,
    fleet: Fleet,
}

impl Membership {
    pub(super) fn new(fleet: &Fleet, name: &Name) -> Self {
        let member = Member {
            key: Key::of(name),
            circuit: OnceLock::new(),
            stirred: AtomicBool::new(false),
        };
        Self {
            member: Arc::new(member),
            fleet: fleet.clone(),
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.fleet.common().members.remove(&self.member);
        self.stir();
    }
}

impl Follows for Membership {
    fn began(&self, circuit: WeakCircuit) {
        let _ = self.member.circuit.set(circuit);
        self.fleet.common().members.add(&self.member);
        self.stir();
    }

    fn stir(&self) {
        if !self.member.stirred.swap(true, Ordering::AcqRel) {
            self.fleet.common().wake.notify_one();
        }
    }

    fn act(&self, act: Act, by: &By) {
        let _ = (act, by);
    }

    fn now(&self) -> FleetNow {
        let common = self.fleet.common();
        let now = common.clock.now();
        FleetNow {
            sharing: lock(&common.stands).sharing(common.stopped(), now),
            stamp: (0, 0),
            state: State::Closed,
            forced: false,
            cause: None,
            who: None,
            attempt: 0,
            window: WindowCounts::default(),
            consecutive_failures: 0,
            contributors: 0,
            agreeing: 0,
            seats: 0,
            mismatch: false,
            refused: 0,
        }
    }

    fn heard(&self) -> Pin<Box<dyn Future<Output = Heard> + Send + '_>> {
        Box::pin(std::future::ready(Heard::OnlyHere(Why::NotRunning)))
    }
}
