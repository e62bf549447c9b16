//! What an event has, and who hears of it (rules L1, L3).

use std::{
    sync::{Arc, Mutex, OnceLock, mpsc},
    time::{Duration, SystemTime},
};

use tower_breaker::{
    By, Circuit, CircuitBuilder, Mode, State,
    clock::{Clock, ManualClock},
    observe::{Event, Subscription, What},
};

use crate::support::{millis, secs};

/// The events that were told since the last look.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Arc<Event>>>>);

impl Told {
    pub(crate) fn listener(&self) -> impl Fn(&Circuit, &Arc<Event>) + Send + Sync + use<> {
        let told = self.0.clone();
        move |_, event| told.lock().expect("no panic").push(event.clone())
    }

    pub(crate) fn take(&self) -> Vec<Arc<Event>> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }

    /// As they print.
    fn lines(&self) -> Vec<String> {
        self.take().iter().map(|event| event.to_string()).collect()
    }
}

fn ops() -> By {
    By::who("ops").because("INC-1")
}

/// The first failure opens it for five seconds.
fn brittle(build: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> (Circuit, ManualClock, Told) {
    let (clock, told) = (ManualClock::new(), Told::default());
    clock.advance(secs(1_000));
    let builder = Circuit::builder("payments")
        .consecutive_failures(1)
        .open_for(secs(5))
        .clock(clock.clone())
        .on_event(told.listener());
    (build(builder).build().expect("valid"), clock, told)
}

fn fail(circuit: &Circuit) {
    circuit.try_acquire().expect("admitted").failure();
}

// L1
#[test]
fn an_event_has_everything() {
    let (circuit, clock, told) = brittle(|c| c.tag("tier", "critical"));
    clock.advance(millis(1));
    fail(&circuit);
    let told = told.take();
    let [event] = &*told else {
        panic!("one event: {told:?}")
    };
    assert_eq!(
        event.at,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_001)
    );
    assert_eq!((&*event.circuit, event.era), ("payments", 1));
    assert_eq!(event.tags.get("tier"), Some("critical"));
    assert!(event.by.is_unknown());
    assert_eq!(event.label(), "opened");
    assert_eq!(event.next_probe(), Some(event.at + secs(5)));
    let What::Transition(transition) = &event.what else {
        panic!("a transition")
    };
    assert_eq!((transition.to, transition.attempt), (State::Open, 1));
}

// L1, E7
#[test]
fn each_kind_of_event_has_a_label_and_a_line() {
    let (circuit, clock, told) = brittle(|c| c);
    fail(&circuit);
    clock.advance(secs(5));
    circuit.try_acquire().expect("a probe").success();
    circuit.set_mode_as(ops(), Mode::Shadow);
    circuit.set_mode(Mode::Normal);
    circuit.force_open_as(ops());
    circuit.release_as(By::who("ops"));
    circuit.trip_as(ops(), secs(9)).expect("normal");
    circuit.reset_as(By::unknown().because("a drill"));
    let change = circuit.reconfigure_as(ops(), |s| s.set_consecutive_failures(3));
    change.expect("valid");
    let told = told.take();
    let lines: Vec<_> = told
        .iter()
        .map(|it| format!("{}: {it}", it.label()))
        .collect();
    assert_eq!(
        lines,
        [
            "opened: circuit `payments` opened: 1 failure, next probe in 5 s",
            "half_open: circuit `payments` is half-open: the wait is over, the next call is a probe",
            "closed: circuit `payments` closed: the probes succeeded",
            "mode: circuit `payments` is in shadow: by hand (shadow: nothing is rejected) (by ops: INC-1)",
            "mode: circuit `payments` is back to normal: by hand",
            "mode: circuit `payments` is forced open: by hand (by ops: INC-1)",
            "mode: circuit `payments` is back to normal: by hand (by ops)",
            "opened: circuit `payments` opened: by hand, next probe in 9 s (by ops: INC-1)",
            "closed: circuit `payments` closed: by hand (by somebody: a drill)",
            "settings: circuit `payments`: `consecutive_failures` 1 -> 3 (by ops: INC-1)",
        ]
    );
    assert!(told.is_sorted_by_key(|event| event.id));
    assert_eq!(told[9].by, ops());
    assert_eq!(told[9].era, told[8].era);
    // Only what begins a break says when the next probe may go out.
    let begun: Vec<_> = told.iter().filter(|it| it.next_probe().is_some()).collect();
    assert!(begun.iter().all(|it| it.label() == "opened") && begun.len() == 2);
}

// L1
#[test]
fn all_who_hear_of_it_share_one_event() {
    let (circuit, _, told) = brittle(|c| c);
    let others = Told::default();
    let subscription = circuit.subscribe(others.listener());
    circuit.force_open();
    let (one, other) = (told.take(), others.take());
    assert!(Arc::ptr_eq(&one[0], &other[0]));
    drop(subscription);
    circuit.release();
    assert_eq!((told.take().len(), others.take().len()), (1, 0));
}

// L1
#[test]
fn who_subscribes_to_a_live_circuit_hears_what_comes_after() {
    let circuit = Circuit::builder("payments").build().expect("valid");
    circuit.force_open();
    let told = Told::default();
    let _subscription = circuit.subscribe(told.listener());
    circuit.release();
    assert_eq!(
        told.lines(),
        ["circuit `payments` is back to normal: by hand"]
    );
}

// L1, E4
#[test]
fn a_listener_may_call_back_and_end_itself() {
    let (circuit, _, told) = brittle(|c| c);
    let (itself, calls) = (Arc::new(Mutex::new(None::<Subscription>)), Told::default());
    let (ends, heard) = (itself.clone(), calls.listener());
    let subscription = circuit.subscribe(move |circuit, event| {
        heard(circuit, event);
        let _other = circuit.subscribe(|_, _| {});
        assert_eq!(circuit.snapshot().mode, Mode::ForcedOpen);
        drop(ends.lock().expect("no panic").take());
        circuit.release();
    });
    *itself.lock().expect("no panic") = Some(subscription);
    let (done, ended) = mpsc::channel();
    let calling = circuit.clone();
    std::thread::spawn(move || {
        calling.force_open();
        done.send(()).expect("somebody waits");
    });
    ended.recv_timeout(secs(20)).expect("no deadlock");
    assert_eq!(calls.take().len(), 1, "it has ended itself");
    assert_eq!(told.take().len(), 2);
}

// L1, E4
#[test]
fn a_listener_that_panics_harms_nobody() {
    let told = Told::default();
    let circuit = Circuit::builder("payments")
        .consecutive_failures(1)
        .on_event(|_, _| panic!("a listener's own fault"))
        .on_event(told.listener())
        .build()
        .expect("valid");
    fail(&circuit);
    let change = circuit.reconfigure(|settings| settings.set_consecutive_failures(2));
    change.expect("valid");
    assert_eq!(told.take().len(), 2);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("somebody else's drop");
    }
}

// L1, E4
#[test]
fn what_a_listener_holds_may_panic_when_it_is_dropped() {
    let (circuit, _, told) = brittle(|c| c);
    let bomb = Bomb;
    let subscription = circuit.subscribe(move |_, _| {
        let _held = &bomb;
    });
    drop(subscription);
    circuit.force_open();
    assert_eq!(told.take().len(), 1);
}

/// A wall clock that is set, and one that panics.
struct Wall(Arc<Mutex<Option<SystemTime>>>);

impl Clock for Wall {
    fn now(&self) -> Duration {
        secs(1)
    }

    fn wall(&self) -> SystemTime {
        let wall = *self.0.lock().expect("no panic");
        wall.expect("a clock that panics")
    }
}

// L1
#[test]
fn a_wall_clock_may_be_set_back_or_panic() {
    let hour = SystemTime::UNIX_EPOCH + secs(3_600);
    let wall = Arc::new(Mutex::new(Some(hour)));
    let (circuit, _, told) = brittle(|c| c.clock(Wall(wall.clone())));
    circuit.force_open();
    *wall.lock().expect("no panic") = Some(SystemTime::UNIX_EPOCH);
    circuit.release();
    *wall.lock().expect("no panic") = None;
    circuit.force_open();
    let told = told.take();
    assert!(told.is_sorted_by_key(|event| event.id));
    let at: Vec<_> = told.iter().map(|event| event.at).collect();
    assert_eq!(at, [hour, SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH]);
}

// L1, E4
#[test]
fn a_listener_keeps_no_circuit_alive() {
    let (circuit, ..) = brittle(|c| c);
    let subscription = circuit.subscribe(|_, _| {});
    let weak = circuit.downgrade();
    drop(circuit);
    assert!(weak.upgrade().is_none());
    drop(subscription);
}

// L1
#[test]
fn nothing_is_made_for_whom_nobody_listens() {
    // The wall clock is read for each event, and for nothing else.
    let wall = Arc::new(Mutex::new(None));
    let asked = Arc::new(OnceLock::new());
    struct Asked(Arc<OnceLock<()>>, Wall);
    impl Clock for Asked {
        fn now(&self) -> Duration {
            secs(1)
        }
        fn wall(&self) -> SystemTime {
            let _ = self.0.set(());
            self.1.wall()
        }
    }
    let clock = Asked(asked.clone(), Wall(wall));
    let circuit = Circuit::builder("payments").clock(clock).build();
    let circuit = circuit.expect("valid");
    drop(circuit.subscribe(|_, _| {}));
    circuit.force_open();
    assert_eq!(asked.get(), None);
    let _subscription = circuit.subscribe(|_, _| {});
    circuit.release();
    assert_eq!(asked.get(), Some(&()));
}
