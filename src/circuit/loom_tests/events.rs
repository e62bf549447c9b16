//! What is told of transitions that race, through the one door to the circuit (E4).

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::{
    circuit::{
        clock::ManualClock,
        handle::Circuit,
        observe::{Told, Watch},
    },
    machine::{
        State,
        loom_tests::{model, race},
    },
};

type Heard = Arc<Mutex<Vec<u64>>>;

/// Whether anybody was woken.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A circuit with a window, so that winning a transition and telling it are some accesses apart.
fn listened_to() -> (Circuit, Heard) {
    let heard = Heard::default();
    let log = heard.clone();
    let circuit = Circuit::builder("modelled")
        .consecutive_failures(1)
        .count_window(1)
        .failure_rate(1.0)
        .totals(false)
        .clock(ManualClock::new())
        .on_transition(move |_, told| log.lock().expect("not poisoned").push(told.era))
        .build();
    (circuit.expect("valid"), heard)
}

/// Makes a call that has failed.
fn fail(circuit: &Circuit) {
    circuit.try_acquire().expect("closed").failure();
}

/// A circuit that nobody listens to, and that keeps so many events.
fn logging(events: u32) -> Circuit {
    let circuit = Circuit::builder("modelled")
        .consecutive_failures(1)
        .totals(false)
        .clock(ManualClock::new())
        .event_log(events)
        .build();
    circuit.expect("valid")
}

/// The era of what a watch shows.
fn shown(watch: &mut Watch) -> u64 {
    let changed = pin!(watch.changed());
    match changed.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(transition)) => transition.era,
        Poll::Ready(None) => panic!("the circuit is gone"),
        Poll::Pending => panic!("nothing was told"),
    }
}

// E4
#[test]
fn each_transition_is_told_once_and_a_watch_ends_at_the_newest() {
    model("events: a failure against a reset", || {
        let (circuit, heard) = listened_to();
        let mut watch = circuit.watch();
        let (failing, resetting) = (circuit.clone(), circuit.clone());
        race!(move || fail(&failing), move || resetting.reset(),);
        let era = circuit.snapshot().era;
        let mut heard = heard.lock().expect("not poisoned").clone();
        heard.sort_unstable();
        assert!(heard.into_iter().eq(1..=era));
        assert_eq!(shown(&mut watch), era);
    });
}

// C5: whoever looks between a trip and its telling sees no rate, and not that of the trip before.
#[test]
fn a_snapshot_shows_the_rates_of_no_older_trip() {
    model("events: a snapshot against the second trip", || {
        let (circuit, _) = listened_to();
        // Era 1, with one failure of one call; era 2, closed; era 3, with none of one.
        fail(&circuit);
        circuit.reset();
        circuit.try_acquire().expect("closed").success();
        let tripping = circuit.clone();
        race!(
            move || tripping.trip(Duration::from_secs(1)).expect("normal mode"),
            move || {
                let seen = circuit.snapshot();
                if seen.state == State::Open {
                    assert!(seen.failure_rate().is_none_or(|shown| shown < 0.5));
                }
            },
        );
    });
}

// L1
#[test]
fn a_log_is_in_the_order_of_its_ids() {
    model("events: two that are kept", || {
        let circuit = logging(3);
        let (one, other) = (circuit.clone(), circuit.clone());
        race!(move || one.reset(), move || other.reset());
        let kept = circuit.recent_events();
        assert_eq!(kept.len(), 2);
        assert!(kept.is_sorted_by_key(|event| event.id));
    });
}

// L3: whoever looks at the circuit after subscribing has seen what happened, or will hear of it.
#[test]
fn who_subscribes_late_misses_nothing_after() {
    model("events: a subscriber against a trip", || {
        let circuit = logging(0);
        // The first subscriber has made what holds those who want events: that is no part of the model.
        drop(circuit.events());
        let tripping = circuit.clone();
        let found = Arc::new(Mutex::new(None));
        let finds = found.clone();
        race!(move || fail(&tripping), move || {
            let events = circuit.events();
            let seen = circuit.state();
            *finds.lock().expect("not poisoned") = Some((events, seen));
        },);
        let found = found.lock().expect("not poisoned").take();
        let (mut events, seen) = found.expect("it has looked");
        match events.try_next() {
            Some(Told::Event(event)) => assert_eq!(event.era, 1),
            Some(lagged) => panic!("{lagged:?}"),
            None => assert_eq!(seen, State::Open, "neither seen nor told"),
        }
    });
}

// L3: a reader that is about to wait is woken for what comes just then.
#[test]
fn who_waits_is_woken_for_what_comes_just_then() {
    model("events: one who waits against a trip", || {
        let circuit = logging(0);
        let mut events = circuit.events();
        let tripping = circuit.clone();
        let bell = Arc::new(Bell::default());
        let rings = bell.clone();
        let heard = Arc::new(Mutex::new(false));
        let hears = heard.clone();
        // Kept until all is over: dropped, it would give its place back.
        let waiting = Arc::new(Mutex::new(None));
        let waits = waiting.clone();
        race!(move || fail(&tripping), move || {
            let mut next = Box::pin(async move { events.next().await });
            let waker = Waker::from(rings);
            let polled = next.as_mut().poll(&mut Context::from_waker(&waker));
            *hears.lock().expect("not poisoned") = polled.is_ready();
            *waits.lock().expect("not poisoned") = Some(next);
        },);
        let woken = bell.0.load(Ordering::Relaxed);
        assert!(woken || *heard.lock().expect("not poisoned"));
        drop(waiting);
    });
}
