//! [`ChaosLayer`], and what it has done.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;
use tower_layer::Layer;

use super::{
    builder::ChaosBuilder,
    outcome::{FaultyCall, MakeOutcome, Status},
    plan::{End, Fate, Plan},
    random::{draw, share},
    service::Chaos,
};

/// Disturbs the calls of a service. Clones, and all services that it is put around, share the numbers of the calls and
/// the counts.
///
/// See [the module](super) for an example.
#[must_use = "a layer does nothing until it is applied"]
pub struct ChaosLayer<F = Status> {
    shared: Arc<Shared<F>>,
}

struct Shared<F> {
    plan: Plan,
    outcome: F,
    built: Instant,
    calls: AtomicU64,
    // Who sees a call in one of these (Acquire) sees it in `calls`, too: it is counted there before (Release).
    failed: AtomicU64,
    hung: AtomicU64,
    delayed: AtomicU64,
}

/// How many calls a [`ChaosLayer`] has met, and what it did to them. A call counts when it is made, by what is to
/// become of it: also if its caller drops it before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChaosCounts {
    /// All calls.
    pub calls: u64,
    /// Those that are handed to the inner service, to be answered in time or late.
    pub passed: u64,
    /// Those that fail.
    pub failed: u64,
    /// Those that hang.
    pub hung: u64,
    /// Those that take longer. They pass, fail or hang as well.
    pub delayed: u64,
}

impl ChaosLayer {
    /// Begins a layer whose chances come from this seed. The same seed makes the same sequence.
    pub fn builder(seed: u64) -> ChaosBuilder {
        ChaosBuilder {
            plan: Plan {
                seed,
                rules: Vec::new(),
            },
            outcome: Status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl<F> ChaosLayer<F> {
    pub(super) fn new(plan: Plan, outcome: F) -> Self {
        Self {
            shared: Arc::new(Shared {
                plan,
                outcome,
                built: Instant::now(),
                calls: AtomicU64::new(0),
                failed: AtomicU64::new(0),
                hung: AtomicU64::new(0),
                delayed: AtomicU64::new(0),
            }),
        }
    }

    /// What it has done until now. While other threads call, the counts are of about the same moment, and none is more
    /// than `calls`.
    #[must_use]
    pub fn counts(&self) -> ChaosCounts {
        let shared = &*self.shared;
        let (failed, hung) = (shared.failed.load(Acquire), shared.hung.load(Acquire));
        let delayed = shared.delayed.load(Acquire);
        // After its parts, so that it is not less than they are.
        let calls = shared.calls.load(Relaxed);
        ChaosCounts {
            calls,
            passed: calls.saturating_sub(failed.saturating_add(hung)),
            failed,
            hung,
            delayed,
        }
    }

    /// Numbers a call and says what is to become of it.
    pub(super) fn begin(&self) -> (FaultyCall, Fate) {
        let shared = &*self.shared;
        let number = shared.calls.fetch_add(1, Relaxed) + 1;
        let elapsed = shared.built.elapsed();
        let fate = shared.plan.fate(number, elapsed);
        shared.count(fate);
        let chance = share(draw(shared.plan.seed, number, CHANCE));
        let call = FaultyCall {
            number,
            elapsed,
            chance,
        };
        (call, fate)
    }

    pub(super) fn outcome<T, E>(&self, call: FaultyCall) -> Result<T, E>
    where
        F: MakeOutcome<T, E>,
    {
        self.shared.outcome.make_outcome(call)
    }
}

/// What the chance of a faulty call is drawn for. Rules count from 0.
const CHANCE: u64 = u64::MAX;

impl<F> Shared<F> {
    fn count(&self, fate: Fate) {
        match fate.end {
            End::Passes => 0,
            End::Fails => self.failed.fetch_add(1, Release),
            End::Hangs => self.hung.fetch_add(1, Release),
        };
        if fate.delay > Duration::ZERO {
            self.delayed.fetch_add(1, Release);
        }
    }
}

/// By hand, because the outcome need not be `Clone`: clones share it.
impl<F> Clone for ChaosLayer<F> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// By hand, because a closure has no `Debug`.
impl<F> fmt::Debug for ChaosLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosLayer")
            .field("plan", &self.shared.plan)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl<S, F> Layer<S> for ChaosLayer<F> {
    type Service = Chaos<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Chaos::new(inner, self.clone())
    }
}
