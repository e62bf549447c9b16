//! N4 to N7: what comes in between: a word while the fleet's is done, and a future that is run anew.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use tokio::time::{sleep, timeout};
use tower_breaker::{
    Agreement, Circuit, Mode, State,
    fleet::{
        Answer, Fleet, Memory, Store,
        wire::{Decide, Decided, Exchange, Exchanged},
    },
    observe::{FleetNews, Heard, Sharing, What},
};

use crate::fleet_support::{Fault, Faulty, Instance, calls_for, millis, quiet, secs};

/// Two that the fleet has opened.
async fn open_together(store: &Memory) -> (Instance, Instance) {
    let new = || Instance::new(store.clone(), quiet);
    let (one, other) = (new(), new());
    calls_for(&[&one, &other], secs(7), || false).await;
    assert_eq!((one.state(), other.state()), (State::Open, State::Open));
    (one, other)
}

/// One that does something when it takes part for the how many-th time, before anything of the fleet is done here.
fn that_joins(store: impl Store, when: u32, act: fn(&Circuit)) -> Instance {
    let times = AtomicU32::new(0);
    let listener = move |circuit: &Circuit, what: &What| {
        let joins = matches!(what, What::Fleet(FleetNews::Attached));
        if joins && times.fetch_add(1, Relaxed) + 1 == when {
            act(circuit);
        }
    };
    Instance::new(store, |builder| {
        quiet(builder).on_event(move |circuit, event| listener(circuit, &event.what))
    })
}

// N6, N5: nobody is held for a fleet that is closed.
#[tokio::test(start_paused = true)]
async fn a_reset_that_comes_while_the_fleet_opens_the_circuit_holds() {
    let store = Memory::new();
    let (one, other) = open_together(&store).await;
    let late = that_joins(store, 1, Circuit::reset);
    sleep(millis(500)).await;
    assert_eq!((one.state(), other.state()), (State::Closed, State::Closed));
    sleep(secs(20)).await;
    calls_for(&[&late], secs(5), || true).await;
    assert_eq!(late.state(), State::Closed);
}

// N6: nor is a word lost here that all others have heard.
#[tokio::test(start_paused = true)]
async fn a_forced_open_that_comes_while_the_fleet_is_released_holds() {
    let store = Memory::new();
    let away = Faulty::of(store.clone());
    let one = Instance::new(store, quiet);
    let late = that_joins(away.clone(), 2, |circuit| {
        circuit.force_open();
    });
    sleep(secs(1)).await;
    one.circuit.force_open();
    sleep(secs(1)).await;
    away.is(Fault::Silent);
    sleep(secs(4)).await;
    assert!(one.circuit.release());
    away.is(Fault::None);
    sleep(secs(7)).await;
    assert_eq!(one.circuit.mode(), Mode::ForcedOpen);
    assert_eq!(late.circuit.mode(), Mode::ForcedOpen);
}

/// A store during whose answer a person forces a circuit open, once.
#[derive(Clone, Default)]
struct Forces {
    memory: Memory,
    circuit: Arc<Mutex<Option<Circuit>>>,
}

impl Forces {
    fn next(&self, circuit: Option<Circuit>) -> Option<Circuit> {
        std::mem::replace(&mut *self.circuit.lock().expect("a circuit"), circuit)
    }
}

impl Store for Forces {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        Box::pin(async move {
            let told = self.memory.exchange(ask).await;
            if let Some(circuit) = self.next(None) {
                circuit.force_open();
            }
            told
        })
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        self.memory.decide(ask)
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.memory.hint()
    }
}

// N6, N7: it is newer than what the answer has decided, and the rest of the answer is as true as before.
#[tokio::test(start_paused = true)]
async fn who_is_forced_open_while_the_store_answers_takes_part_all_the_same() {
    let store = Forces::default();
    let one = Instance::new(store.clone(), quiet);
    store.next(Some(one.circuit.clone()));
    sleep(secs(1)).await;
    let seen = one.circuit.snapshot().fleet.expect("a fleet");
    assert!(seen.forced, "{seen:?}");
    assert!(matches!(seen.sharing, Sharing::Attached { .. }), "{seen:?}");
}

// N7, N6: a future that is run anew knows what the one before has done here.
#[tokio::test(start_paused = true)]
async fn what_was_forced_before_is_released_by_a_future_that_runs_anew() {
    let store = Memory::new();
    let new = || Instance::new(store.clone(), quiet);
    let (mut one, other) = (new(), new());
    sleep(secs(1)).await;
    other.circuit.force_open();
    sleep(secs(1)).await;
    assert_eq!(one.circuit.mode(), Mode::ForcedOpen);
    one.task.abort();
    sleep(secs(1)).await;
    assert!(other.circuit.release());
    assert!(matches!(other.circuit.heard().await, Heard::By(_)));
    one.task = tokio::spawn(one.fleet.run(store.clone()));
    sleep(secs(2)).await;
    assert_eq!(one.circuit.mode(), Mode::Normal, "the fleet was released");
}

// N2, N3: it is one instance, however often its future is run.
#[tokio::test(start_paused = true)]
async fn a_future_that_runs_anew_is_no_other_instance() {
    let store = Memory::new();
    let new = || Instance::new(store.clone(), quiet);
    let (mut bad, good) = (new(), new());
    for _ in 0..4 {
        for _ in 0..5 {
            bad.call(false);
            good.call(true);
            sleep(millis(300)).await;
        }
        bad.task.abort();
        sleep(millis(10)).await;
        bad.task = tokio::spawn(bad.fleet.run(store.clone()));
        sleep(millis(500)).await;
        let seen = good.circuit.snapshot().fleet.expect("a fleet");
        assert!(seen.agreeing <= 1 && seen.contributors <= 2, "{seen:?}");
    }
    assert_eq!(good.state(), State::Closed);
}

// N7: turned off, it waits for nobody.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_store_is_alone_at_once_when_it_is_turned_off() {
    let store = Memory::new();
    let agreement = Agreement::default().stay_open_when_detached(true);
    let new = || Instance::new(store.clone(), |builder| quiet(builder).shared(agreement));
    let (one, other) = (new(), new());
    calls_for(&[&one, &other], secs(7), || false).await;
    sleep(secs(6)).await;
    one.fleet.pause();
    sleep(millis(1)).await;
    assert!(one.call(true), "its break is over");
    drop(other);
}

// N5: a seat admits one probe, whoever asks for it.
#[tokio::test(start_paused = true)]
async fn a_seat_is_not_another_ones_if_the_circuit_is_made_anew() {
    let store = Memory::new();
    let (_one, _other) = open_together(&store).await;
    let fleet = Fleet::builder("shop").build().expect("a fleet");
    tokio::spawn(fleet.run(store));
    let new = || {
        let builder = quiet(Circuit::builder("payments").shared(Agreement::default()));
        builder.fleet(&fleet).build().expect("a circuit")
    };
    let older = new();
    sleep(secs(7)).await;
    let seat = |circuit: &Circuit| circuit.clone().try_acquire_owned().ok();
    assert!(seat(&older).is_none());
    sleep(millis(200)).await;
    let probe = seat(&older).expect("a seat");
    let newer = new();
    sleep(millis(300)).await;
    assert!(seat(&newer).is_none());
    sleep(millis(300)).await;
    assert!(seat(&newer).is_none(), "the seat is taken");
    drop((probe, older));
    // It delays recovery by a lease, and prevents it never.
    let mut made = 0;
    for _ in 0..5 {
        sleep(secs(1)).await;
        made += u32::from(newer.try_acquire().is_ok_and(|probe| {
            probe.success();
            true
        }));
    }
    assert!(made > 0);
    assert_eq!(newer.state(), State::Closed);
}

// N4, N5: somebody has to ask for a seat, or the fleet would never decide anything again.
#[tokio::test(start_paused = true)]
async fn a_fleet_whose_instances_were_all_closed_one_by_one_goes_on() {
    for by in [
        |circuit: &Circuit| circuit.here().reset(),
        |circuit: &Circuit| {
            circuit.set_mode(Mode::Disabled);
            circuit.set_mode(Mode::Normal);
        },
    ] {
        let store = Memory::new();
        let (one, other) = open_together(&store).await;
        for it in [&one, &other] {
            by(&it.circuit);
        }
        calls_for(&[&one, &other], secs(10), || true).await;
        assert_eq!(one.state(), State::Closed, "it stays so, for a while");
        calls_for(&[&one, &other], secs(30), || true).await;
        let seen = one.circuit.snapshot().fleet.expect("a fleet");
        assert_eq!((seen.state, one.state()), (State::Closed, State::Closed));
        // And what they see is added up again.
        calls_for(&[&one, &other], secs(10), || false).await;
        assert!(
            [&one, &other]
                .map(|it| it.state())
                .iter()
                .all(|it| *it != State::Closed)
        );
    }
}

// N5, N7: what is shown is how many probes there may be now.
#[tokio::test(start_paused = true)]
async fn seats_are_shown_as_long_as_they_are_there() {
    let store = Memory::new();
    let (one, other) = open_together(&store).await;
    sleep(secs(6)).await;
    assert!(!one.call(true));
    let seats = |it: &Instance| it.circuit.snapshot().fleet.expect("a fleet").seats;
    let has_one = async {
        while seats(&one) == 0 {
            sleep(millis(1)).await;
        }
    };
    timeout(secs(5), has_one).await.expect("a seat");
    assert_eq!(seats(&one), 1);
    let probe = one.circuit.try_acquire().expect("a seat");
    assert_eq!(seats(&one), 0, "it is taken");
    probe.ignore();
    assert_eq!(seats(&one), 1, "it is back");
    sleep(secs(70)).await;
    assert_eq!(seats(&one), 0, "its lease is over");
    drop(other);
}
