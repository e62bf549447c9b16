//! N7: alone, and back; what is shown of it.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use tower_breaker::{
    Agreement, Circuit, CircuitBuilder, State, Transition,
    fleet::{Fleet, Memory},
    observe::{FleetNews, Sharing, What, Why},
};

use crate::fleet_support::{Fault, Faulty, Instance, calls_for, millis, quiet, secs};

/// All kinds of trouble, and what is said of each.
const FAULTS: [(Fault, Why); 17] = [
    (Fault::Error(Why::NotReached), Why::NotReached),
    (Fault::Error(Why::TimedOut), Why::TimedOut),
    (Fault::Error(Why::Refused), Why::Refused),
    (Fault::Error(Why::ReadOnly), Why::ReadOnly),
    (Fault::Error(Why::Full), Why::Full),
    (Fault::Error(Why::Nonsense), Why::Nonsense),
    (Fault::Error(Why::Clock), Why::Clock),
    (Fault::Error(Why::Off), Why::Off),
    (Fault::Silent, Why::TimedOut),
    (Fault::Late(secs_of(2)), Why::TimedOut),
    (Fault::Late(secs_of(20)), Why::TimedOut),
    (Fault::Panics, Why::Nonsense),
    (Fault::PanicsAtOnce, Why::Nonsense),
    (Fault::Fewer, Why::Nonsense),
    (Fault::More, Why::Nonsense),
    (Fault::Odd, Why::Nonsense),
    (Fault::OutOfRange, Why::Nonsense),
];

const fn secs_of(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Two failures trip it, so that it is open, half-open and closed in turns.
fn lively(builder: CircuitBuilder) -> CircuitBuilder {
    builder
        .time_window(secs(10))
        .failure_rate(0.4)
        .minimum_calls(3)
        .consecutive_failures(2)
        .open_for(secs(2))
        .ramp(secs(3), 0.25)
        .jitter_seed(7)
}

type Log = Arc<Mutex<Vec<String>>>;

fn logging(builder: CircuitBuilder) -> (CircuitBuilder, Log) {
    let log = Log::default();
    let told = log.clone();
    let builder = builder.on_transition(move |_, transition: &Transition| {
        told.lock().expect("a log").push(transition.to_string());
    });
    (builder, log)
}

/// Calls every 250 ms for so long, the same ones of all circuits; each call takes 100 ms. What becomes of each is in
/// the circuit's log.
async fn play(circuits: &[(&Circuit, &Log)], time: Duration) {
    for step in 0..time.as_millis() / 250 {
        // Some 40 % fail, in no order.
        let fails = step * 7919 % 101 < 40;
        let guards: Vec<_> = circuits
            .iter()
            .map(|(circuit, log)| (circuit.try_acquire(), log))
            .collect();
        sleep(millis(100)).await;
        for (admitted, log) in guards {
            let said = match admitted {
                Err(rejected) => rejected.to_string(),
                Ok(guard) if fails => {
                    guard.failure();
                    "failed".to_owned()
                }
                Ok(guard) => {
                    guard.success();
                    "succeeded".to_owned()
                }
            };
            log.lock().expect("a log").push(format!("{step}: {said}"));
        }
        sleep(millis(150)).await;
    }
}

fn why(circuit: &Circuit) -> Option<Why> {
    match circuit.snapshot().fleet.expect("a fleet").sharing {
        Sharing::Detached { why, .. } => Some(why),
        _ => None,
    }
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().expect("a log"))
}

// N7: a store in trouble makes nothing worse than none, whatever the trouble is.
#[tokio::test(start_paused = true)]
async fn detached_is_unshared_call_by_call() {
    for (fault, expected) in FAULTS {
        let store = Faulty::new();
        store.is(fault);
        let (twin, twins_log) = logging(lively(Circuit::builder("payments")));
        let twin = twin.build().expect("a circuit");
        let mut log = Log::default();
        let instance = Instance::new(store.clone(), |builder| {
            let (builder, told) = logging(lively(builder));
            log = told;
            builder
        });
        play(&[(&instance.circuit, &log), (&twin, &twins_log)], secs(60)).await;
        let (log, twins_log) = (taken(&log), taken(&twins_log));
        assert_eq!(log, twins_log, "{fault:?}");
        let opened = log.iter().filter(|line| line.contains("half-open")).count();
        assert!(opened > 3, "it lives: {log:?}");
        assert_eq!(why(&instance.circuit), Some(expected), "{fault:?}");
        // Now and then, and not for ever faster.
        let asked = store.times_asked();
        assert!((10..200).contains(&asked), "{fault:?}: {asked}");
    }
}

fn attached(instance: &Instance) -> bool {
    why(&instance.circuit).is_none()
}

fn news(circuit: &Circuit) -> Vec<FleetNews> {
    let events = circuit.recent_events();
    let news = events.iter().filter_map(|event| match &event.what {
        What::Fleet(news) => Some(*news),
        _ => None,
    });
    news.collect()
}

/// Two of them, which the fleet has opened.
async fn open_together(store: &Faulty) -> (Instance, Instance) {
    let new = || Instance::new(store.clone(), |builder| quiet(builder).event_log(32));
    let (one, other) = (new(), new());
    calls_for(&[&one, &other], secs(7), || false).await;
    assert_eq!((one.state(), other.state()), (State::Open, State::Open));
    (one, other)
}

// N7: also one that was attached, and is attached again.
#[tokio::test(start_paused = true)]
async fn a_store_that_goes_and_comes_back_changes_nothing_of_a_circuit_that_decides_alone() {
    for (fault, expected) in FAULTS {
        let store = Faulty::new();
        let (twin, twins_log) = logging(lively(Circuit::builder("payments")));
        let twin = twin.build().expect("a circuit");
        let mut log = Log::default();
        let instance = Instance::new(store.clone(), |builder| {
            let (builder, told) = logging(lively(builder).event_log(64));
            log = told;
            builder
        });
        let both = [(&instance.circuit, &log), (&twin, &twins_log)];
        play(&both, secs(20)).await;
        assert!(attached(&instance), "{fault:?}");
        store.is(fault);
        play(&both, secs(20)).await;
        assert_eq!(why(&instance.circuit), Some(expected), "{fault:?}");
        store.is(Fault::None);
        play(&both, secs(20)).await;
        assert!(attached(&instance), "{fault:?}");
        assert_eq!(taken(&log), taken(&twins_log), "{fault:?}");
        let mut told = news(&instance.circuit);
        told.retain(|news| *news != FleetNews::Refused);
        let gone = FleetNews::Detached(expected);
        assert_eq!(
            told,
            [FleetNews::Attached, gone, FleetNews::Attached],
            "{fault:?}"
        );
        // One question at a time, whatever becomes of it.
        assert_eq!(store.at_once.load(Relaxed), 1);
    }
}

// N7: what the fleet has opened goes on alone, and closes alone.
#[tokio::test(start_paused = true)]
async fn a_led_circuit_is_alone_when_the_store_goes() {
    for (fault, _) in FAULTS {
        let store = Faulty::new();
        let (one, other) = open_together(&store).await;
        store.is(fault);
        // The break ends, nobody gives seats, and the hold lapses.
        sleep(secs(6)).await;
        // Of some trouble nobody knows before a seat is wanted.
        let made = calls_for(&[&one, &other], secs(8), || true).await;
        assert!(made >= 8, "{fault:?}: {made} calls");
        assert_eq!(
            (one.state(), other.state()),
            (State::Closed, State::Closed),
            "{fault:?}"
        );
    }
}

// N7: one that tells what it has and takes nothing is as good as away. Whoever comes back to it is held again, but all
// the more seldom.
#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_holds_nobody_for_long() {
    for why in [Why::ReadOnly, Why::Full, Why::TimedOut] {
        let store = Faulty::new();
        let (one, other) = open_together(&store).await;
        store.is(Fault::TakesNothing(why));
        calls_for(&[&one, &other], secs(10), || true).await;
        let made = calls_for(&[&one, &other], secs(600), || true).await;
        assert!(made > 1_100, "{why:?}: {made} of 1,200 calls");
        store.is(Fault::None);
        calls_for(&[&one, &other], secs(400), || true).await;
        assert!(attached(&one) && attached(&other));
        assert_eq!((one.state(), other.state()), (State::Closed, State::Closed));
    }
}

// N4, N7: what is lost once is no refusal. Or whoever has lost a word would not hear for seconds what others have
// decided.
#[tokio::test(start_paused = true)]
async fn a_word_that_is_lost_is_no_refusal() {
    let store = Faulty::new();
    let (one, other) = open_together(&store).await;
    sleep(secs(5)).await;
    store.is(Fault::TakesNothing(Why::TimedOut));
    assert!(!one.call(true), "held: it asks for a seat");
    sleep(millis(600)).await;
    store.is(Fault::None);
    assert!(!other.call(true), "held: it asks for a seat");
    sleep(millis(300)).await;
    assert!(other.call(true), "the probe");
    sleep(millis(1_500)).await;
    assert_eq!((one.state(), other.state()), (State::Closed, State::Closed));
}

// N5, N7: an answer that is lost is no store that takes nothing.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_nobody_alone() {
    let memory = Faulty::new().memory;
    let stores = [(); 2].map(|()| Faulty::of(memory.clone()));
    let slow = |builder| quiet(builder).probe_timeout(secs(30));
    let [one, other] = stores
        .each_ref()
        .map(|store| Instance::new(store.clone(), slow));
    calls_for(&[&one, &other], secs(7), || false).await;
    assert_eq!((one.state(), other.state()), (State::Open, State::Open));
    sleep(secs(5)).await;
    // The other one has the seat, and takes its time.
    other.call(true);
    sleep(millis(300)).await;
    let _probe = other.circuit.try_acquire().expect("a seat");
    stores[0].is(Fault::Silent);
    one.call(true);
    sleep(millis(500)).await;
    stores[0].is(Fault::None);
    let made = calls_for(&[&one], secs(20), || true).await;
    assert_eq!((made, why(&one.circuit)), (0, None));
}

// N7, N1: nobody has to be there for that.
#[tokio::test(start_paused = true)]
async fn a_led_circuit_is_alone_when_its_future_is_dropped() {
    let store = Faulty::new();
    let (one, other) = open_together(&store).await;
    one.task.abort();
    sleep(millis(1)).await;
    assert_eq!(why(&one.circuit), Some(Why::NotRunning));
    assert_eq!(
        news(&one.circuit).last(),
        Some(&FleetNews::Detached(Why::NotRunning))
    );
    // Held as long as it could have heard of it, and no longer.
    sleep(secs(5)).await;
    assert!(one.call(true), "a probe of its own");
    assert_eq!(one.state(), State::Closed);
    assert_eq!(other.state(), State::Open);
    // It runs anew.
    tokio::spawn(one.fleet.run(store));
    sleep(secs(1)).await;
    assert!(attached(&one));
    assert_eq!(one.state(), State::Open, "as the fleet is");
}

// N7: an open circuit can be told to wait for the store; without a future it does not.
#[tokio::test(start_paused = true)]
async fn a_circuit_may_stay_open_for_as_long_as_the_store_is_away() {
    let store = Faulty::new();
    let agreement = Agreement::default().stay_open_when_detached(true);
    let new = || Instance::new(store.clone(), |builder| quiet(builder).shared(agreement));
    let (one, other) = (new(), new());
    calls_for(&[&one, &other], secs(7), || false).await;
    assert_eq!((one.state(), other.state()), (State::Open, State::Open));
    store.is(Fault::Silent);
    let made = calls_for(&[&one, &other], secs(600), || true).await;
    assert_eq!(made, 0);
    assert_eq!(why(&one.circuit), Some(Why::TimedOut));
    other.task.abort();
    sleep(secs(4)).await;
    assert!(other.call(true) && !one.call(true));
    store.is(Fault::None);
    sleep(secs(6)).await;
    calls_for(&[&one], secs(2), || true).await;
    assert_eq!(one.state(), State::Closed);
}

// N7: what the fleet has decided meanwhile is done by whoever comes back, also if it was known before.
#[tokio::test(start_paused = true)]
async fn whoever_comes_back_does_as_the_fleet() {
    let store = Faulty::new();
    let (one, other) = open_together(&store).await;
    let away = Faulty::of(store.memory.clone());
    let late = Instance::new(away.clone(), quiet);
    sleep(secs(1)).await;
    assert_eq!(late.state(), State::Open);
    // It closes alone; the fleet is open still, for nobody calls.
    away.is(Fault::Error(Why::NotReached));
    sleep(secs(6)).await;
    assert!(late.call(true));
    assert_eq!(late.state(), State::Closed);
    away.is(Fault::None);
    sleep(secs(6)).await;
    assert_eq!(
        late.state(),
        State::Open,
        "the stamp is the same, and is done anew"
    );
    drop((one, other));
}

// N7: one that is turned off here.
#[tokio::test(start_paused = true)]
async fn a_fleet_is_paused_and_resumed() {
    let store = Faulty::new();
    let (one, other) = open_together(&store).await;
    sleep(secs(5)).await;
    assert!(!one.call(true), "it is held");
    one.fleet.pause();
    sleep(millis(1)).await;
    assert_eq!(why(&one.circuit), Some(Why::Off));
    let sharing = one.fleet.status().sharing;
    assert!(matches!(sharing, Sharing::Detached { why: Why::Off, .. }));
    // At once, and not when the hold lapses.
    assert!(one.call(true));
    assert_eq!(one.state(), State::Closed);
    other.fleet.pause();
    let asked = store.times_asked();
    sleep(secs(60)).await;
    assert!(store.times_asked() <= asked + 1, "nothing is asked");
    one.fleet.resume();
    sleep(secs(1)).await;
    assert!(attached(&one));
    assert_eq!(one.state(), State::Open, "as the fleet is");
}

// N7, E5: nothing that was asked before is done after that.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_it_was_turned_off_is_dropped() {
    type Switch = fn(&Instance, bool);
    let by_the_fleet: Switch = |it, on| match on {
        true => it.fleet.resume(),
        false => it.fleet.pause(),
    };
    let by_the_setting: Switch = |it, on| {
        let shared = on.then(Agreement::default);
        let change = it.circuit.reconfigure(|it| it.set_shared(shared));
        change.expect("it was built shared");
    };
    for switch in [by_the_fleet, by_the_setting] {
        let store = Faulty::new();
        let opened = open_together(&store).await;
        let slow = Faulty::of(store.memory.clone());
        slow.is(Fault::Late(millis(200)));
        let late = Instance::new(slow.clone(), quiet);
        sleep(millis(100)).await;
        assert_eq!(slow.times_asked(), 1);
        switch(&late, false);
        sleep(secs(3)).await;
        assert_eq!(late.state(), State::Closed);
        assert_eq!(why(&late.circuit), Some(Why::Off));
        switch(&late, true);
        sleep(secs(1)).await;
        assert_eq!(late.state(), State::Open);
        drop(opened);
    }
}

// N7: there is one at a time.
#[tokio::test(start_paused = true)]
async fn a_second_future_of_a_fleet_ends_at_once() {
    let store = Faulty::new();
    let instance = Instance::new(store.clone(), quiet);
    sleep(secs(1)).await;
    let second = timeout(secs(1), instance.fleet.run(store));
    second.await.expect("it ends at once");
    let error = instance.fleet.status().last_error.expect("an error");
    assert_eq!(error.why, Why::NotRunning);
    assert!(error.to_string().contains("runs already"), "{error}");
    sleep(secs(10)).await;
    assert!(attached(&instance));
}

// N7: the future ends with the last handle and the last circuit.
#[tokio::test(start_paused = true)]
async fn a_fleet_ends_with_the_last_that_has_to_do_with_it() {
    let fleet = Fleet::builder("shop").build().expect("a fleet");
    // Before there is a circuit.
    let task = tokio::spawn(fleet.run(Memory::new()));
    sleep(secs(5)).await;
    assert!(matches!(fleet.status().sharing, Sharing::Attached { .. }));
    let builder = Circuit::builder("payments").shared(Agreement::default());
    let circuit = builder.fleet(&fleet).build().expect("a circuit");
    drop(fleet);
    sleep(secs(5)).await;
    assert!(!task.is_finished());
    assert_eq!(why(&circuit), None);
    drop(circuit);
    sleep(millis(1)).await;
    assert!(task.is_finished());

    // And before it runs.
    let fleet = Fleet::builder("shop").build().expect("a fleet");
    let run = fleet.run(Memory::new());
    drop(fleet);
    run.await;
}

// N7: of two circuits with one name, the newer one takes part; when it is gone, the older.
#[tokio::test(start_paused = true)]
async fn of_two_with_one_name_the_newer_takes_part() {
    let fleet = Fleet::builder("shop").build().expect("a fleet");
    tokio::spawn(fleet.run(Memory::new()));
    let new = || {
        let builder = Circuit::builder("payments").shared(Agreement::default());
        builder
            .fleet(&fleet)
            .event_log(16)
            .build()
            .expect("a circuit")
    };
    let older = new();
    sleep(secs(1)).await;
    let newer = new();
    assert_eq!(why(&older), Some(Why::Replaced));
    sleep(secs(1)).await;
    assert_eq!((why(&older), why(&newer)), (Some(Why::Replaced), None));
    let replaced = FleetNews::Detached(Why::Replaced);
    assert_eq!(news(&older), [FleetNews::Attached, replaced]);
    assert_eq!(fleet.status().circuits, 1);
    drop(newer);
    sleep(secs(1)).await;
    assert_eq!(why(&older), None);
}

// E5, N7: turned off and on while it lives.
#[tokio::test(start_paused = true)]
async fn a_circuit_is_taken_out_and_put_back_by_its_settings() {
    let store = Faulty::new();
    let (one, other) = open_together(&store).await;
    let off = one
        .circuit
        .reconfigure(|settings| settings.set_shared(None));
    off.expect("it can be turned off");
    sleep(secs(1)).await;
    assert_eq!(why(&one.circuit), Some(Why::Off));
    assert_eq!(
        news(&one.circuit).last(),
        Some(&FleetNews::Detached(Why::Off))
    );
    assert!(attached(&other));
    sleep(secs(5)).await;
    assert!(one.call(true), "a probe of its own");
    assert_eq!(one.state(), State::Closed);
    let on = one
        .circuit
        .reconfigure(|settings| settings.set_shared(Agreement::of(3)));
    on.expect("it can be turned on again");
    sleep(secs(1)).await;
    assert!(attached(&one));
    assert_eq!(one.state(), State::Open);
}

// N8, L1: a store that nobody ever reaches is told once, too.
#[tokio::test(start_paused = true)]
async fn whoever_never_was_attached_is_told_why() {
    let store = Faulty::new();
    store.is(Fault::Error(Why::Refused));
    let instance = Instance::new(store, |builder| quiet(builder).event_log(16));
    sleep(secs(120)).await;
    assert_eq!(news(&instance.circuit), [FleetNews::Detached(Why::Refused)]);
    let status = instance.fleet.status();
    let error = status.last_error.expect("an error");
    assert_eq!(error.to_string(), "the store has refused it: as told");
    assert!(status.failures > 20 && status.exchanges == 0);
}

// N8: what is refused is told at most once a minute, and counted.
#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_told_seldom() {
    let store = Faulty::new();
    store.is(Fault::OutOfRange);
    let instance = Instance::new(store, |builder| quiet(builder).event_log(16));
    sleep(secs(150)).await;
    let told = news(&instance.circuit);
    let refused = told.iter().filter(|news| **news == FleetNews::Refused);
    assert_eq!(refused.count(), 3, "{told:?}");
    let snapshot = instance.circuit.snapshot();
    let seen = snapshot.fleet.expect("a fleet");
    assert!(seen.refused > 50, "{seen:?}");
    assert_eq!((seen.stamp, snapshot.state), ((0, 0), State::Closed));
}
