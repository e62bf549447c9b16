//! [`Fleet`]: the instances that share circuits, as one process knows them.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::{
    builder::FleetBuilder,
    member::{Members, Part},
    pace::Pace,
    run,
    status::FleetStatus,
    store::{Store, StoreError},
    wire::InstanceId,
};
use crate::circuit::{clock::CircuitClock, followed::Why, name::Name};

/// The instances that share circuits, through a [`Store`] (rules N1 to N9).
///
/// A clone is another handle to the same fleet. Circuits [join it](crate::CircuitBuilder::fleet) when they are built,
/// if they are [shared](crate::CircuitBuilder::shared). Nothing is shared before its future [runs](Self::run).
///
/// ```
/// use tower_breaker::{Agreement, Circuit, fleet::{Fleet, Memory}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_breaker::ConfigError> {
/// // In production: `Redis` of the package tower-breaker-redis.
/// let store = Memory::new();
/// let fleet = Fleet::builder("shop").scope("eu-west-1a").build()?;
/// tokio::spawn(fleet.run(store));
///
/// let circuit = Circuit::builder("payments")
///     .shared(Agreement::default())
///     .fleet(&fleet)
///     .build()?;
/// # let _ = circuit;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fleet {
    alive: Arc<Alive>,
}

/// Whoever has it may want the fleet to go on: handles to it, and circuits that belong to it.
struct Alive {
    common: Arc<Common>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.common.ended.store(true, Ordering::Release);
        self.common.wake.notify_one();
    }
}

/// What handles, circuits and the task share.
pub(super) struct Common {
    /// What a [place](super::wire::Place) is called.
    pub(super) place: Arc<str>,
    pub(super) shards: u32,
    pub(super) pace: Pace,
    pub(super) label: Option<Name>,
    pub(super) clock: CircuitClock,
    pub(super) seed: Option<u64>,
    pub(super) members: Members,
    /// There is something to look at.
    pub(super) wake: Notify,
    /// A person has turned it off.
    pub(super) paused: AtomicBool,
    /// Nobody has a handle any more.
    pub(super) ended: AtomicBool,
    pub(super) running: AtomicBool,
    pub(super) counted: Counted,
    /// As whom its future speaks, and the number of its last report: whichever runs, it is the same instance.
    pub(super) me: Mutex<Option<(InstanceId, u64)>>,
    /// How the store does, for all circuits.
    pub(super) part: Mutex<Part>,
    pub(super) last_error: Mutex<Option<StoreError>>,
}

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) exchanges: AtomicU64,
    pub(super) reports: AtomicU64,
    pub(super) decisions: AtomicU64,
    pub(super) hints: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failures: AtomicU64,
}

impl Common {
    pub(super) fn new(
        (place, shards): (Arc<str>, u32),
        pace: Pace,
        label: Option<Name>,
        clock: CircuitClock,
        seed: Option<u64>,
    ) -> Self {
        let part = Part::new(clock.now());
        Self {
            place,
            shards,
            pace,
            label,
            clock,
            seed,
            members: Members::default(),
            wake: Notify::new(),
            paused: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            running: AtomicBool::new(false),
            counted: Counted::default(),
            me: Mutex::new(None),
            part: Mutex::new(part),
            last_error: Mutex::new(None),
        }
    }

    /// Why no circuit takes part, whatever the store does.
    pub(super) fn stopped(&self) -> Option<Why> {
        if self.paused.load(Ordering::Acquire) {
            return Some(Why::Off);
        }
        let runs = self.running.load(Ordering::Acquire);
        (!runs).then_some(Why::NotRunning)
    }
}

impl Fleet {
    /// Begins to build a fleet of this namespace: the name of your application. Letters, digits, `_`, `.` and `-`, at
    /// most 64. Instances of the same namespace and the same [scope](FleetBuilder::scope) share circuits that have the
    /// same name.
    pub fn builder(namespace: impl Into<Name>) -> FleetBuilder {
        FleetBuilder::new(namespace.into())
    }

    pub(super) fn new(common: Common) -> Self {
        let common = Arc::new(common);
        Self {
            alive: Arc::new(Alive { common }),
        }
    }

    /// Exchanges news with the store, for all circuits of this process that belong to the fleet. Spawn it.
    ///
    /// * Until it runs, and without the store, each circuit is what it would be alone.
    ///   **Watch out:** `let _ = fleet.run(store);` runs nothing, without a warning. Right:
    ///   `tokio::spawn(fleet.run(store));`
    /// * It ends when there is no handle to the fleet any more, and no circuit belongs to it. A registry that makes
    ///   circuits of the fleet has a handle.
    /// * If it is dropped, nothing is lost. All circuits are alone within the time of
    ///   [`detach_after`](FleetBuilder::detach_after), and the fleet can be run anew.
    /// * There is one at a time. A second one ends at once, and [`status`](Self::status) says so.
    ///
    /// It holds no circuit: each leaves its registry as if it were not shared.
    ///
    /// # Panics
    ///
    /// The future panics if there is no runtime of tokio with time enabled.
    pub fn run<S: Store>(&self, store: S) -> impl Future<Output = ()> + Send + use<S> {
        run::run(self.common().clone(), store)
    }

    /// How this process stands to its fleet: whether the store answers, and the last error's text.
    #[must_use]
    pub fn status(&self) -> FleetStatus {
        let common = self.common();
        let now = common.clock.now();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counted = &common.counted;
        FleetStatus {
            sharing: lock(&common.part).sharing(common.stopped(), now),
            last_error: lock(&common.last_error).clone(),
            circuits: common.members.count(),
            exchanges: read(&counted.exchanges),
            reports: read(&counted.reports),
            decisions: read(&counted.decisions),
            hints: read(&counted.hints),
            refused: read(&counted.refused),
            failures: read(&counted.failures),
        }
    }

    /// Takes all circuits of this process out of the fleet until [`resume`](Self::resume). Each is then what it would
    /// be alone. It is the switch to use if you suspect that sharing does harm.
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// Ends [`pause`](Self::pause).
    pub fn resume(&self) {
        self.set_paused(false);
    }

    fn set_paused(&self, paused: bool) {
        self.common().paused.store(paused, Ordering::Release);
        self.common().wake.notify_one();
    }

    pub(super) fn common(&self) -> &Arc<Common> {
        &self.alive.common
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("place", &self.common().place)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// What is under this crate's locks is whole at each instant.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
