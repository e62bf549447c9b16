//! N5: seats.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
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
        all.iter().for_each(|it| drop(it.call(false)));
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
            true => drop(guard.success()),
            false => drop(guard.failure()),
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

/// A clock of an instance that is stopped for half a minute when it is told to, before it is read.
#[derive(Clone)]
struct Stops {
    clock: ManualClock,
    stops: Arc<AtomicBool>,
}

impl Clock for Stops {
    fn now(&self) -> Duration {
        if self.stops.swap(false, Relaxed) {
            self.clock.advance(secs(30));
        }
        self.clock.now()
    }
}

/// A store after which an instance is stopped, when it has been given seats.
struct StopsAfterSeats {
    memory: Memory,
    stops: Arc<AtomicBool>,
}

impl Store for StopsAfterSeats {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        self.memory.exchange(ask)
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        Box::pin(async move {
            let told = self.memory.decide(ask).await?;
            self.stops.store(told.lease.is_some(), Relaxed);
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
    let clock = ManualClock::new();
    let stops = Arc::new(AtomicBool::new(false));
    let store = StopsAfterSeats {
        memory: Memory::new(),
        stops: stops.clone(),
    };
    let fleet = Fleet::builder("shop").clock(clock.clone());
    let fleet = fleet.build().expect("a fleet");
    let of_circuit = Stops {
        clock: clock.clone(),
        stops,
    };
    // Whoever hears that it is half-open calls at once.
    let called = Arc::new(OnceLock::new());
    let calls = (called.clone(), Arc::new(OnceLock::<Circuit>::new()));
    let own = calls.1.clone();
    let builder = quiet(Circuit::builder("payments")).shared(Agreement::of(1));
    let builder = builder.on_transition(move |_, told| {
        if let (State::HalfOpen, Some(circuit)) = (told.to, calls.1.get()) {
            let _ = calls.0.set(circuit.try_acquire().is_ok());
        }
    });
    let builder = builder.fleet(&fleet).clock(of_circuit);
    let circuit = builder.build().expect("a circuit");
    own.set(circuit.clone()).expect("the first");
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
    assert_eq!(called.get(), Some(&false), "it was given a seat");
    task.abort();
}
