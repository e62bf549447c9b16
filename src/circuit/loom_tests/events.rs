//! What is told of transitions that race, through the one door to the circuit (E4).

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    circuit::{clock::ManualClock, handle::Circuit, observe::Watch},
    machine::{
        State,
        loom_tests::{model, race},
    },
};

type Heard = Arc<Mutex<Vec<u64>>>;

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
