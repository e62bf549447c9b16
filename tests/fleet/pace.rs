//! N2, N4: how often an instance speaks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_breaker::{
    Agreement, Circuit, CircuitBuilder, State,
    clock::Clock,
    fleet::{Fleet, Memory},
};

use crate::fleet_support::{Instance, millis, quiet, secs};

fn long(builder: CircuitBuilder) -> CircuitBuilder {
    builder.time_window(secs(60)).minimum_calls(100)
}

/// How many reports it makes in that time.
async fn reports(of: &Instance, time: Duration) -> u64 {
    let before = of.fleet.status().reports;
    sleep(time).await;
    of.fleet.status().reports - before
}

// N2: what has not changed is said again once in half the time for which it counts, and nothing once.
#[tokio::test(start_paused = true)]
async fn what_does_not_change_is_seldom_said_again() {
    let it = Instance::new(Memory::new(), long);
    sleep(secs(1)).await;
    it.call(false);
    assert_eq!(reports(&it, secs(1)).await, 1);
    assert_eq!(reports(&it, secs(28)).await, 0);
    assert_eq!(reports(&it, secs(25)).await, 1);
    // The window is empty.
    assert_eq!(reports(&it, secs(20)).await, 1);
    assert_eq!(reports(&it, secs(600)).await, 0);
}

// N2, N3: whoever is open alone says so for as long as it is, and no more often.
#[tokio::test(start_paused = true)]
async fn who_is_open_alone_says_so_seldom() {
    let alone = |builder| long(builder).open_for(secs(600));
    let it = Instance::new(Memory::new(), alone);
    sleep(secs(1)).await;
    it.circuit.trip(secs(600)).expect("normal");
    assert_eq!(reports(&it, secs(1)).await, 1);
    assert!(reports(&it, secs(300)).await <= 11);
    assert_eq!(it.state(), State::Open);
}

// N2: a success after a success is said at most once in a quarter of the time for which it counts.
#[tokio::test(start_paused = true)]
async fn successes_are_seldom_said_and_failures_at_most_once_in_an_interval() {
    let it = Instance::new(Memory::new(), long);
    sleep(secs(1)).await;
    let calls = async |succeeds| {
        for _ in 0..600 {
            it.call(succeeds);
            sleep(millis(10)).await;
        }
    };
    let before = it.fleet.status().reports;
    calls(true).await;
    assert!(it.fleet.status().reports - before <= 2);
    let before = it.fleet.status().reports;
    calls(false).await;
    let said = it.fleet.status().reports - before;
    assert!(said <= 65, "{said}");
}

// N2, N7: what others say is not shown for ever by whoever has nothing to say.
#[tokio::test(start_paused = true)]
async fn sums_that_are_long_gone_are_not_shown() {
    let short = |builder: CircuitBuilder| builder.time_window(secs(10));
    let store = Memory::new();
    let one = Instance::new(store.clone(), short);
    let other = Instance::new(store, short);
    sleep(secs(1)).await;
    one.call(true);
    for _ in 0..20 {
        other.call(true);
        sleep(secs(1)).await;
    }
    let shown = |it: &Instance| it.circuit.snapshot().fleet.expect("a fleet").contributors;
    assert_eq!((shown(&one), shown(&other)), (1, 1));
    sleep(secs(60)).await;
    assert_eq!((shown(&one), shown(&other)), (0, 0));
    let asked = || one.fleet.status().exchanges;
    let before = asked();
    sleep(secs(600)).await;
    assert!(asked() - before <= 650, "only polls");
}

/// A clock that counts how often it is read.
#[derive(Clone)]
struct Counts {
    began: Instant,
    reads: Arc<AtomicU64>,
}

impl Clock for Counts {
    fn now(&self) -> Duration {
        self.reads.fetch_add(1, Relaxed);
        self.began.elapsed()
    }
}

// N1, N5: calls that are held do not keep the future of the fleet busy, however many they are.
#[tokio::test(start_paused = true)]
async fn calls_that_are_held_are_looked_at_now_and_then() {
    let store = Memory::new();
    let slow = |builder: CircuitBuilder| quiet(builder).probe_timeout(secs(30));
    let prober = Instance::new(store.clone(), slow);
    let clock = Counts {
        began: Instant::now(),
        reads: Arc::default(),
    };
    let fleet = Fleet::builder("shop").clock(clock.clone());
    let fleet = fleet.build().expect("a fleet");
    let builder = slow(Circuit::builder("payments")).shared(Agreement::of(1));
    let circuit = builder.fleet(&fleet).build().expect("a circuit");
    let task = tokio::spawn(fleet.run(store));
    sleep(secs(1)).await;
    (0..10).for_each(|_| circuit.try_acquire().expect("closed").failure());
    sleep(secs(6)).await;
    assert_eq!(prober.state(), State::Open);
    assert!(!prober.call(true), "held");
    sleep(millis(200)).await;
    let probe = prober.circuit.try_acquire().expect("a seat");
    let before = clock.reads.load(Relaxed);
    for _ in 0..5_000 {
        assert!(circuit.try_acquire().is_err());
        sleep(millis(1)).await;
    }
    let reads = clock.reads.load(Relaxed) - before;
    assert!(reads < 500, "{reads}");
    probe.success();
    task.abort();
}
