//! N5: seats.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::sleep;
use tower_breaker::{
    Agreement, Cause, Circuit, CircuitBuilder, OpenFor, OwnedGuard as Probe, State,
    clock::{Clock, ManualClock},
    fleet::{
        Answer, Fleet, Memory, Store,
        wire::{Decide, Decided, Exchange, Exchanged},
    },
};

use crate::fleet_support::{Instance, millis, quiet, secs};

fn instances(count: usize, configure: fn(CircuitBuilder) -> CircuitBuilder) -> Vec<Instance> {
    let store = Memory::new();
    (0..count)
        .map(|_| Instance::new(store.clone(), configure))
        .collect()
}

/// Open, and the break is over.
async fn after_the_break(all: &[Instance]) {
    while all[0].state() == State::Closed {
        for it in all {
            it.call(false);
        }
        sleep(millis(500)).await;
    }
    sleep(secs(7)).await;
    assert!(are(all, State::Open), "nobody has called");
}

/// All call, as fast as they can, and hold on to what they get.
async fn hammer(all: &[Instance], rounds: u32) -> Vec<(usize, Probe)> {
    let mut probes = Vec::new();
    for _ in 0..rounds {
        for (number, it) in all.iter().enumerate() {
            probes.extend(
                it.circuit
                    .clone()
                    .try_acquire_owned()
                    .ok()
                    .map(|guard| (number, guard)),
            );
        }
        sleep(millis(10)).await;
    }
    probes
}

fn ends(probes: Vec<(usize, Probe)>, well: bool) {
    for (_, guard) in probes {
        match well {
            true => guard.success(),
            false => guard.failure(),
        }
    }
}

fn are(all: &[Instance], state: State) -> bool {
    all.iter().all(|it| it.state() == state)
}

// N5: however many call, one probe is made; its result closes all.
#[tokio::test(start_paused = true)]
async fn one_probe_of_the_whole_fleet_decides() {
    let all = instances(8, quiet);
    after_the_break(&all).await;
    let probes = hammer(&all, 50).await;
    assert_eq!(probes.len(), 1);
    ends(probes, true);
    sleep(millis(300)).await;
    assert!(are(&all, State::Closed));
}

// N5: and opens all again, for longer.
#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_all_again_for_longer() {
    let all = instances(8, |builder| {
        quiet(builder).open_for(OpenFor::exponential(secs(5), 2.0, secs(60)))
    });
    after_the_break(&all).await;
    let probes = hammer(&all, 50).await;
    ends(probes, false);
    sleep(millis(300)).await;
    assert!(are(&all, State::Open));
    for it in &all {
        let left = it.circuit.snapshot().remaining.expect("open");
        assert!(left > secs(9) && left <= secs(10), "{left:?}");
    }
}

// N5, D1, D2: two at a time, of which two have to succeed, whoever makes them.
#[tokio::test(start_paused = true)]
async fn probes_of_several_instances_are_counted_together() {
    let all = instances(4, |builder| quiet(builder).permits(2).probes(2, 2));
    after_the_break(&all).await;
    let probes = hammer(&all, 50).await;
    assert_eq!(probes.len(), 2, "at a time");
    let (one, other): (Vec<_>, Vec<_>) = probes.into_iter().enumerate().partition(|it| it.0 == 0);
    ends(one.into_iter().map(|it| it.1).collect(), true);
    sleep(millis(300)).await;
    assert!(all.iter().all(|it| it.state() != State::Closed));
    ends(other.into_iter().map(|it| it.1).collect(), true);
    sleep(millis(300)).await;
    assert!(are(&all, State::Closed));
}

// N5: a single instance with few calls gets one seat after the other, without waiting for leases to end.
#[tokio::test(start_paused = true)]
async fn one_instance_alone_recovers_by_one_probe_after_the_other() {
    let all = instances(2, |builder| {
        quiet(builder)
            .success_threshold(3)
            .half_open_timeout(secs(60))
            .probe_timeout(secs(50))
    });
    after_the_break(&all).await;
    let mut made = 0;
    for _ in 0..30 {
        made += u32::from(all[0].call(true));
        sleep(millis(100)).await;
    }
    assert!(are(&all, State::Closed), "{made} probes");
}

// N5: a prober that dies delays recovery by its lease.
#[tokio::test(start_paused = true)]
async fn a_dead_prober_delays_recovery_by_its_lease() {
    let mut all = instances(3, quiet);
    after_the_break(&all).await;
    let mut probes = hammer(&all, 20).await;
    assert_eq!(probes.len(), 1);
    let (dead, guard) = probes.remove(0);
    std::mem::forget(guard);
    drop(all.remove(dead));
    // Probes may take a second, and a lease is one longer.
    let none = hammer(&all, 150).await;
    assert_eq!(none.len(), 0);
    let probes = hammer(&all, 100).await;
    assert_eq!(probes.len(), 1);
    ends(probes, true);
    sleep(millis(300)).await;
    assert!(are(&all, State::Closed));
}

// N5: a seat is for the next call. If it were over before that comes, in each instance, nobody would ever probe.
#[tokio::test(start_paused = true)]
async fn instances_with_hardly_a_call_probe_all_the_same() {
    // Probes may take a second, so a lease would be two.
    let all = instances(20, |builder| quiet(builder).time_window(secs(60)));
    let round = async |succeeds: bool| {
        for it in &all {
            it.call(succeeds);
            // Each calls once in 20 seconds.
            sleep(secs(1)).await;
        }
    };
    for _ in 0..2 {
        round(false).await;
    }
    assert!(
        !all.iter().any(|it| it.state() == State::Closed),
        "the fleet is open"
    );
    for _ in 0..4 {
        round(true).await;
    }
    assert!(are(&all, State::Closed));
}

// N5: an instance that has no calls has no seat.
#[tokio::test(start_paused = true)]
async fn who_has_no_calls_takes_no_seat() {
    let all = instances(3, quiet);
    after_the_break(&all).await;
    sleep(secs(60)).await;
    assert!(are(&all, State::Open), "nobody has called");
    assert!(!all[1].call(true), "held");
    sleep(millis(100)).await;
    assert_eq!(all[1].state(), State::HalfOpen);
    assert!(all[1].call(true));
    sleep(millis(300)).await;
    assert!(are(&all, State::Closed));
}

// N5: a result that comes after its lease counts nowhere.
#[tokio::test(start_paused = true)]
async fn a_result_after_its_lease_decides_nothing() {
    let all = instances(2, |builder| quiet(builder).half_open_timeout(secs(2)));
    after_the_break(&all).await;
    let late = hammer(&all[..1], 20).await;
    assert_eq!(late.len(), 1);
    assert_eq!(hammer(&all[1..], 100).await.len(), 0, "its lease");
    let second = hammer(&all[1..], 200).await;
    assert_eq!(second.len(), 1, "another one's turn");
    ends(late, true);
    sleep(millis(300)).await;
    assert!(all.iter().all(|it| it.state() != State::Closed));
    ends(second, false);
    sleep(millis(300)).await;
    assert!(are(&all, State::Open));
}

/// A clock of an instance that is stopped for half a minute before it is read for the so many-th time.
#[derive(Clone)]
struct Stops {
    clock: ManualClock,
    /// 0: not any more.
    reads: Arc<AtomicU32>,
}

impl Clock for Stops {
    fn now(&self) -> Duration {
        let left = |reads: u32| reads.checked_sub(1);
        if self.reads.fetch_update(Relaxed, Relaxed, left) == Ok(1) {
            self.clock.advance(secs(30));
        }
        self.clock.now()
    }
}

/// A store after which an instance is stopped, when it has been given seats: before so many looks at its clock.
struct StopsAfterSeats {
    memory: Memory,
    after: u32,
    reads: Arc<AtomicU32>,
}

impl Store for StopsAfterSeats {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        self.memory.exchange(ask)
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        Box::pin(async move {
            let told = self.memory.decide(ask).await?;
            if told.lease.is_some() {
                self.reads.store(self.after, Relaxed);
            }
            Ok(told)
        })
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.memory.hint()
    }
}

// N5: an instance that is stopped between the answer and what it does of it has no seat any more.
#[tokio::test(start_paused = true)]
async fn seats_are_over_for_who_was_stopped_before_it_took_them() {
    let mut stopped = 0;
    for after in 1..12 {
        let called = seats_after_a_stop(after).await;
        stopped += u32::from(called.was_stopped);
        assert!(called.was_stopped != called.was_admitted, "after {after}");
    }
    assert!(stopped > 3);
}

/// What has become of a call at the very instant at which an instance had seats.
#[derive(Clone, Copy, Debug)]
struct Called {
    was_stopped: bool,
    was_admitted: bool,
}

async fn seats_after_a_stop(after: u32) -> Called {
    let clock = ManualClock::new();
    let reads = Arc::new(AtomicU32::new(0));
    let store = StopsAfterSeats {
        memory: Memory::new(),
        after,
        reads: reads.clone(),
    };
    let fleet = Fleet::builder("shop").clock(clock.clone());
    let fleet = fleet.build().expect("a fleet");
    let of_circuit = Stops {
        clock: clock.clone(),
        reads: reads.clone(),
    };
    let called = Arc::new(OnceLock::new());
    let result = called.clone();
    let builder = quiet(Circuit::builder("payments")).shared(Agreement::of(1));
    let builder = builder.on_transition(move |circuit, told| {
        if told.to == State::HalfOpen {
            let probe = circuit.try_acquire();
            let _ = result.set(Called {
                was_stopped: reads.load(Relaxed) == 0,
                was_admitted: probe.is_ok(),
            });
        }
    });
    let builder = builder.fleet(&fleet).clock(of_circuit);
    let circuit = builder.build().expect("a circuit");
    let task = tokio::spawn(fleet.run(store));
    let pass = async |time: Duration| {
        for _ in 0..time.as_millis() / 20 {
            clock.advance(millis(20));
            sleep(millis(20)).await;
        }
    };
    pass(secs(1)).await;
    (0..10).for_each(|_| circuit.try_acquire().expect("closed").failure());
    pass(secs(1)).await;
    let trip = circuit.snapshot().last_trip.expect("a trip");
    assert_eq!(trip.cause, Cause::Shared);
    pass(secs(5)).await;
    assert!(circuit.try_acquire().is_err(), "held");
    pass(secs(1)).await;
    task.abort();
    *called.get().expect("seats")
}
