//! Why the circuit opened, as a rejection tells it (rule C3).

use std::time::Duration;

use crate::support::secs;
use tower_breaker::{
    Cause, Circuit, CircuitBuilder, Outcome, Reason, Rejected, SavedState, clock::ManualClock,
};

fn build(settings: fn(CircuitBuilder) -> CircuitBuilder) -> (Circuit, ManualClock) {
    let clock = ManualClock::new();
    let builder = Circuit::builder("payments")
        .open_for(secs(10))
        .clock(clock.clone());
    (settings(builder).build().expect("valid"), clock)
}

fn fails(circuit: &Circuit, times: usize) {
    for _ in 0..times {
        circuit.try_acquire().expect("admitted").failure();
    }
}

/// The next rejection, which tells the same as the snapshot.
#[track_caller]
fn rejected(circuit: &Circuit) -> Rejected {
    let rejected = circuit.try_acquire().expect_err("a rejection");
    assert_eq!(
        rejected.cause(),
        circuit.snapshot().last_trip.map(|trip| trip.cause)
    );
    rejected
}

#[track_caller]
fn told(circuit: &Circuit) -> String {
    let message = rejected(circuit).to_string();
    let (circuit, told) = message.split_once(" is ").expect("a sentence");
    assert_eq!(circuit, "circuit `payments`");
    told.to_owned()
}

// C3
#[test]
fn whatever_trips_is_told_by_every_rejection_until_the_circuit_has_recovered() {
    let (circuit, clock) = build(|c| c.consecutive_failures(5).ramp(secs(10), 1e-6));
    fails(&circuit, 5);
    assert_eq!(told(&circuit), "open: 5 consecutive failures");
    clock.advance(secs(10));
    let probe = circuit.try_acquire().expect("a probe");
    assert_eq!(told(&circuit), "half-open and full: 5 consecutive failures");
    probe.failure();
    assert_eq!(told(&circuit), "open: a probe failed");
    clock.advance(secs(10));
    circuit.try_acquire().expect("a probe").success();
    // A ramp admits the first.
    circuit.try_acquire().expect("the first").success();
    assert_eq!(told(&circuit), "ramping up: a probe failed");
    circuit.trip(secs(1)).expect("a normal mode");
    assert_eq!(told(&circuit), "open: by hand");
}

// C3
#[test]
fn rates_and_policies_are_told_with_their_counts() {
    let (circuit, _) = build(|c| c.count_window(10).minimum_calls(4).failure_rate(0.5));
    circuit.try_acquire().expect("closed").success();
    fails(&circuit, 3);
    assert_eq!(told(&circuit), "open: 3 of 4 calls failed");

    let (circuit, clock) = build(|c| {
        let slow = Duration::from_millis(1);
        let watched = c.slow_call_duration(slow).slow_call_rate(1.0);
        watched.count_window(10).minimum_calls(2)
    });
    for _ in 0..2 {
        let call = circuit.try_acquire().expect("closed");
        clock.advance(secs(1));
        call.success();
    }
    assert_eq!(told(&circuit), "open: 2 of 2 calls were slow");

    let (circuit, _) = build(|c| {
        let policy = c.trip_when(|counts| counts.failed == 2);
        policy.count_window(10).minimum_calls(1)
    });
    fails(&circuit, 2);
    assert_eq!(told(&circuit), "open: a custom policy");
    let cause = rejected(&circuit).cause();
    assert!(matches!(cause, Some(Cause::CustomPolicy(counts)) if counts.failed == 2));
}

// C3
#[test]
fn other_causes_are_told_too() {
    let (circuit, clock) = build(|c| c.consecutive_failures(1).half_open_timeout(secs(1)));
    circuit
        .try_acquire()
        .expect("closed")
        .finish(Outcome::TripNow);
    assert_eq!(told(&circuit), "open: a result that trips at once");
    clock.advance(secs(10));
    let _probe = circuit.try_acquire().expect("a probe");
    clock.advance(secs(1));
    assert_eq!(told(&circuit), "open: the probes timed out");
}

// C3: a person has done it, and will undo it.
#[test]
fn forced_open_says_nothing_more() {
    let (circuit, _) = build(|c| c.consecutive_failures(1));
    fails(&circuit, 1);
    circuit.force_open();
    let rejected = circuit.try_acquire().expect_err("forced open");
    assert_eq!(
        (rejected.reason(), rejected.cause()),
        (Reason::ForcedOpen, None)
    );
    assert_eq!(rejected.to_string(), "circuit `payments` is forced open");
}

// C3, E6: whoever saved it knew.
#[test]
fn a_restored_circuit_does_not_know() {
    let (circuit, _) = build(|c| c.restore(SavedState::open(secs(1), 1)));
    assert_eq!(told(&circuit), "open");
}
