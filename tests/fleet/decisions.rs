//! N4: one decision after the other.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::Mutex,
};

use tokio::time::sleep;
use tower_breaker::{
    Circuit, CircuitBuilder, EjectionCap, Mode, State,
    fleet::{
        Answer, Memory, Store,
        wire::{Decide, Decided, Exchange, Exchanged},
    },
};

use crate::fleet_support::{Fault, Faulty, Instance, calls_for, millis, quiet, secs};

fn stamp(of: &Instance) -> (u64, u32) {
    of.circuit.snapshot().fleet.expect("a fleet").stamp
}

async fn open_all(one: &Instance, other: &Instance) {
    calls_for(&[one, other], secs(12), || false).await;
    assert_eq!((one.state(), other.state()), (State::Open, State::Open));
}

/// A store that never hints at anything.
#[derive(Clone)]
struct WithoutHints(Memory);

impl Store for WithoutHints {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        self.0.exchange(ask)
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        self.0.decide(ask)
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(pending())
    }
}

// N4
#[tokio::test(start_paused = true)]
async fn all_have_the_same_stamp_within_a_poll_and_an_exchange() {
    let store = WithoutHints(Memory::new());
    let all: Vec<_> = (0..5)
        .map(|_| Instance::new(store.clone(), quiet))
        .collect();
    sleep(secs(2)).await;
    assert!(all[0].circuit.force_open());
    sleep(millis(1_300)).await;
    for it in &all {
        assert_eq!(
            (it.circuit.mode(), stamp(it)),
            (Mode::ForcedOpen, stamp(&all[0]))
        );
    }
    // And with hints, at once.
    let store = Memory::new();
    let all: Vec<_> = (0..5)
        .map(|_| Instance::new(store.clone(), quiet))
        .collect();
    sleep(secs(2)).await;
    assert!(all[0].circuit.force_open());
    sleep(millis(150)).await;
    for it in &all {
        assert_eq!(it.circuit.mode(), Mode::ForcedOpen);
    }
}

// N4: whoever begins or comes late does what holds.
#[tokio::test(start_paused = true)]
async fn who_begins_late_is_open_as_the_others_are() {
    let store = Memory::new();
    let (one, other) = (
        Instance::new(store.clone(), quiet),
        Instance::new(store.clone(), quiet),
    );
    open_all(&one, &other).await;
    let late = Instance::new(store.clone(), quiet);
    sleep(millis(200)).await;
    assert_eq!(late.state(), State::Open);
    let lasts = |it: &Instance| it.circuit.snapshot().remaining.expect("open");
    assert!(lasts(&late).abs_diff(lasts(&one)) < millis(200));
}

// N4: a store that has forgotten is told what is known.
#[tokio::test(start_paused = true)]
async fn a_store_that_was_emptied_is_restored() {
    let store = Memory::new();
    let (one, other) = (
        Instance::new(store.clone(), quiet),
        Instance::new(store.clone(), quiet),
    );
    open_all(&one, &other).await;
    let before = stamp(&one);
    store.clear();
    sleep(millis(1_300)).await;
    let late = Instance::new(store.clone(), quiet);
    sleep(millis(200)).await;
    for it in [&one, &other, &late] {
        assert_eq!((it.state(), stamp(it)), (State::Open, before));
    }
    // And so it goes on: one probe closes all.
    sleep(secs(5)).await;
    calls_for(&[&one, &other, &late], secs(3), || true).await;
    for it in [&one, &other, &late] {
        assert_eq!(it.state(), State::Closed);
    }
}

// N4: a failover that has lost the last decision. Nobody goes back, and all are of one mind again.
#[tokio::test(start_paused = true)]
async fn a_decision_that_a_failover_has_lost_is_not_taken_back() {
    let store = Memory::new();
    let all: Vec<_> = (0..3)
        .map(|_| Instance::new(store.clone(), quiet))
        .collect();
    sleep(secs(2)).await;
    let saved = store.save();
    assert!(all[0].circuit.force_open());
    sleep(millis(500)).await;
    store.forget_since(&saved);
    for _ in 0..20 {
        sleep(millis(100)).await;
        for it in &all {
            assert_eq!(it.circuit.mode(), Mode::ForcedOpen);
        }
    }
    assert!(all[1].circuit.release());
    sleep(millis(1_300)).await;
    for it in &all {
        assert_eq!(
            (it.circuit.mode(), stamp(it)),
            (Mode::Normal, stamp(&all[0]))
        );
    }
}

// N4: what is done to one instance stays until the fleet decides something else.
#[tokio::test(start_paused = true)]
async fn what_is_done_here_stays_until_the_next_decision() {
    let store = Memory::new();
    let (one, other) = (
        Instance::new(store.clone(), quiet),
        Instance::new(store.clone(), quiet),
    );
    open_all(&one, &other).await;
    one.circuit.here().reset();
    sleep(secs(3)).await;
    assert_eq!((one.state(), other.state()), (State::Closed, State::Open));
    // The other one's probe fails: that is the next decision.
    sleep(secs(2)).await;
    while other.state() != State::HalfOpen {
        other.call(false);
        sleep(millis(50)).await;
    }
    assert!(other.call(false));
    sleep(millis(300)).await;
    assert_eq!((one.state(), other.state()), (State::Open, State::Open));
}

// N4, N7: whoever was alone does what the fleet says; a circuit that is open alone stays so where the fleet is closed.
#[tokio::test(start_paused = true)]
async fn who_comes_back_does_what_the_fleet_says() {
    // A store that has failed for long is asked every five seconds or so.
    let back = secs(7);
    let slow = |builder| quiet(builder).open_for(secs(20));
    let memory = Memory::new();
    let store = Faulty::of(memory.clone());
    let away = Instance::new(store.clone(), slow);
    let one = Instance::new(memory.clone(), slow);
    let other = Instance::new(memory, slow);
    sleep(secs(2)).await;
    store.is(Fault::Silent);
    sleep(secs(4)).await;
    open_all(&one, &other).await;
    assert_eq!(away.state(), State::Closed);
    store.is(Fault::None);
    sleep(back).await;
    assert_eq!(away.state(), State::Open);
    sleep(secs(20)).await;
    calls_for(&[&one, &other, &away], secs(3), || true).await;
    assert_eq!(away.state(), State::Closed);

    store.is(Fault::Silent);
    sleep(secs(4)).await;
    away.circuit.trip(secs(60)).expect("normal");
    store.is(Fault::None);
    sleep(back).await;
    assert_eq!((away.state(), one.state()), (State::Open, State::Closed));
    sleep(secs(1)).await;
    let fleet = away.circuit.snapshot().fleet.expect("a fleet");
    assert_eq!((fleet.state, fleet.agreeing), (State::Closed, 1));
}

// N3, G7: an instance that must keep this circuit in rotation is told once, and goes on; the fleet is open all the
// same.
#[tokio::test(start_paused = true)]
async fn a_decision_that_is_vetoed_here_is_done() {
    let store = Memory::new();
    let cap = EjectionCap::new(0.5).expect("a half");
    let slow = |builder: CircuitBuilder| quiet(builder).open_for(secs(20));
    let capped = |builder: CircuitBuilder| slow(builder).ejection_cap(&cap);
    let of_set = Circuit::builder("search").ejection_cap(&cap);
    let of_set = of_set.build().expect("a circuit");
    let kept = Instance::new(store.clone(), capped);
    let one = Instance::new(store.clone(), slow);
    let other = Instance::new(store, slow);
    sleep(secs(1)).await;
    of_set.trip(secs(600)).expect("normal");
    open_all(&one, &other).await;
    let seen = kept.circuit.snapshot();
    assert_eq!(seen.state, State::Closed);
    let fleet = seen.fleet.expect("a fleet");
    assert_eq!((fleet.state, fleet.stamp), (State::Open, stamp(&one)));
    let vetoed = seen.totals.expect("totals").vetoed;
    assert_eq!(vetoed, 1);
    sleep(secs(2)).await;
    assert_eq!(
        kept.circuit.snapshot().totals.expect("totals").vetoed,
        vetoed
    );
    assert!(kept.call(true));
}

/// A store whose answers come when the test says so.
struct Stopped {
    memory: Memory,
    gate: Mutex<Option<tokio::sync::watch::Receiver<bool>>>,
}

impl Stopped {
    fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let gate = self.gate.lock().expect("a gate").clone();
        async move {
            if let Some(mut gate) = gate {
                let _ = gate.wait_for(|open| *open).await;
            }
        }
    }
}

impl Store for Stopped {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        self.memory.exchange(ask)
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        Box::pin(async move {
            let told = self.memory.decide(ask).await;
            self.wait().await;
            told
        })
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.memory.hint()
    }
}

// N4, N6: the last word counts, also if it is said while the one before it is on its way.
#[tokio::test(start_paused = true)]
async fn a_release_while_the_forcing_is_on_its_way_is_not_lost() {
    let memory = Memory::new();
    let (opens, gate) = tokio::sync::watch::channel(false);
    let store = Stopped {
        memory: memory.clone(),
        gate: Mutex::new(Some(gate)),
    };
    let one = Instance::new(store, quiet);
    let other = Instance::new(memory, quiet);
    sleep(secs(2)).await;
    assert!(one.circuit.force_open());
    sleep(millis(200)).await;
    assert_eq!(other.circuit.mode(), Mode::ForcedOpen);
    assert!(one.circuit.release());
    opens.send(true).expect("a store");
    sleep(millis(500)).await;
    assert_eq!(
        (one.circuit.mode(), other.circuit.mode()),
        (Mode::Normal, Mode::Normal)
    );
}
