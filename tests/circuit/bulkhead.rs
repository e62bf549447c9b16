//! Places without Tower (rule M2). The time is tokio's, and paused.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::time::Duration;

use tokio::time::{Instant, advance};
use tokio_test::task::spawn;
use tower_breaker::{Circuit, Mode, Place, Reason, State, observe::BulkheadNow};

use crate::support::{millis, secs};

const WAIT: Duration = Duration::from_millis(100);

fn circuit(places: u32, wait: Duration) -> Circuit {
    let builder = Circuit::builder("database").consecutive_failures(1);
    builder.bulkhead(places, wait).build().unwrap()
}

fn seen(circuit: &Circuit) -> BulkheadNow {
    circuit.snapshot().parts.unwrap().bulkhead.unwrap()
}

// M2
#[test]
fn a_place_is_taken_until_it_is_dropped() {
    let circuit = circuit(2, WAIT);
    let places = [(); 2].map(|()| circuit.try_enter().unwrap());
    let full = circuit.try_enter().unwrap_err();
    assert_eq!(full.reason(), Reason::BulkheadFull);
    assert_eq!((full.remaining(), full.cause()), (Some(secs(1)), None));
    assert_eq!(full.to_string(), "circuit `database` is full");
    assert_eq!(
        format!("{:?}", places[0]),
        "Place { circuit: Some(\"database\") }"
    );
    drop(places);
    drop(circuit.try_enter().unwrap());
}

// M2: although a wait is allowed.
#[test]
fn to_try_never_waits_and_needs_no_runtime() {
    let circuit = circuit(1, WAIT);
    let _place = circuit.try_enter().unwrap();
    circuit.try_enter().unwrap_err();
}

// M2, M9
#[tokio::test(start_paused = true)]
async fn what_there_is_to_see() {
    let circuit = circuit(1, WAIT);
    assert_eq!(
        circuit.snapshot().parts,
        None,
        "nobody has asked for a place"
    );
    let place = circuit.enter().await.unwrap();
    let mut waits = spawn(circuit.enter());
    assert!(waits.poll().is_pending());
    circuit.try_enter().unwrap_err();
    let now = seen(&circuit);
    assert_eq!(now.places, Some(1));
    assert_eq!((now.taken, now.waiting, now.rejected), (1, 1, 1));
    drop(waits);
    drop(place);
    let now = seen(&circuit);
    assert_eq!((now.taken, now.waiting, now.rejected), (0, 0, 1));
    let totals = circuit.snapshot().totals.unwrap();
    assert_eq!((totals.rejected, totals.rejected_by.bulkhead_full), (1, 1));
}

// M2
#[tokio::test(start_paused = true)]
async fn a_wait_gets_the_place_or_ends() {
    let circuit = circuit(1, WAIT);
    let place = circuit.enter().await.unwrap();
    let began = Instant::now();
    let full = circuit.enter().await.unwrap_err();
    assert_eq!(
        (full.reason(), began.elapsed()),
        (Reason::BulkheadFull, WAIT)
    );

    let mut waits = spawn(circuit.enter());
    assert!(waits.poll().is_pending());
    drop(place);
    assert!(waits.is_woken());
    let std::task::Poll::Ready(Ok(_place)) = waits.poll() else {
        panic!("it has its place")
    };
}

// M2
#[tokio::test(start_paused = true)]
async fn whoever_waits_is_rejected_when_the_circuit_is() {
    let circuit = circuit(1, secs(60));
    let _place = circuit.enter().await.unwrap();
    let mut waits = spawn(circuit.enter());
    assert!(waits.poll().is_pending());
    advance(millis(1)).await;
    circuit.trip(secs(5)).unwrap();
    assert!(waits.is_woken());
    let rejected = waits.await.unwrap_err();
    assert_eq!(
        (rejected.reason(), rejected.remaining()),
        (Reason::Open, Some(secs(5)))
    );
    // The place is held by a call that was admitted before; who comes now is told of the circuit.
    let open = circuit.enter().await.unwrap_err();
    assert_eq!(open.reason(), Reason::Open);
    assert_eq!(circuit.try_enter().unwrap_err().reason(), Reason::Open);
    assert_eq!(circuit.snapshot().totals.unwrap().rejected_by.open, 3);
}

fn counts(place: &Place) -> bool {
    format!("{place:?}") != "Place { circuit: None }"
}

// M2, D8
#[tokio::test(start_paused = true)]
async fn a_part_of_a_call_needs_no_place_of_its_own() {
    let (one, other) = (circuit(1, WAIT), circuit(1, WAIT));
    let _place = one.try_enter().unwrap();
    let within = one.call(async {
        assert!(!counts(&one.enter().await.unwrap()));
        assert!(!counts(&one.try_enter().unwrap()));
        assert!(counts(&other.enter().await.unwrap()));
        Ok::<_, std::io::Error>(())
    });
    within.await.unwrap();
    one.try_enter().unwrap_err();
}

// M2
#[test]
fn without_a_bulkhead_there_is_always_a_place_and_nothing_is_made() {
    let circuit = Circuit::builder("database").build().unwrap();
    let places = [(); 100].map(|()| circuit.try_enter().unwrap());
    assert!(places.iter().all(|place| !counts(place)));
    assert_eq!(circuit.snapshot().parts, None);
}

// M2, E1
#[test]
fn a_place_is_needed_in_every_mode_that_admits() {
    for mode in [Mode::Normal, Mode::Shadow, Mode::Disabled] {
        let circuit = circuit(1, WAIT);
        circuit.set_mode(mode);
        let place = circuit.try_enter().unwrap();
        let full = circuit.try_enter().unwrap_err();
        assert_eq!(full.reason(), Reason::BulkheadFull, "{mode}");
        drop(place);
    }
}

// M2, D1: a call through the circuit that asks for its place first.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_leaves_the_probe_to_others() {
    let circuit = circuit(1, WAIT);
    let hangs = circuit.enter().await.unwrap();
    circuit.trip(secs(5)).unwrap();
    advance(secs(5)).await;
    let mut waits = spawn(circuit.enter());
    assert!(waits.poll().is_pending());
    assert_eq!(circuit.state(), State::Open);
    drop(hangs);
    let place = waits.await.unwrap();
    circuit.try_acquire().unwrap().success();
    drop(place);
    assert_eq!(circuit.state(), State::Closed);
}

// M2
#[test]
fn a_place_keeps_its_circuit() {
    let circuit = circuit(1, WAIT);
    let (place, weak) = (circuit.try_enter().unwrap(), circuit.downgrade());
    drop(circuit);
    assert_eq!(seen(&weak.upgrade().unwrap()).taken, 1);
    drop(place);
    assert!(weak.upgrade().is_none());
}
