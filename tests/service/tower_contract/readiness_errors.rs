//! An error from the inner `poll_ready`, rule A6.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use tokio_test::{assert_ready, assert_ready_err};
use tower::{Layer, Service};
use tower_breaker::{
    By, Cause, Circuit, CircuitBreakerLayer, Mode, State, classify::ErrorsOnly, clock::ManualClock,
    reject::ServiceUnavailable,
};
use tower_test::mock::Spawn;

use super::{BREAK, Stage, circuit, half_open_and_full};

/// Asks for readiness and gets an error.
fn fail_readiness(stage: &mut Stage) {
    stage.inner.send_error("down");
    let error = assert_ready_err!(stage.service.poll_ready::<u32>());
    let error = error.into_inner().expect("the inner service's own");
    assert_eq!(error.to_string(), "down");
}

#[test]
fn while_closed_it_is_a_failure() {
    let mut stage = Stage::with(|builder| builder.consecutive_failures(2));

    fail_readiness(&mut stage);
    assert_eq!(stage.circuit.state(), State::Closed);
    assert_eq!(stage.circuit.snapshot().consecutive_failures, 1);

    fail_readiness(&mut stage);
    assert_eq!(stage.circuit.state(), State::Open);
    assert_eq!(
        stage.circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ConsecutiveFailures(2))
    );
    assert_eq!(stage.totals().failed, 2);
}

#[test]
fn a_readiness_error_after_the_break_is_a_failed_probe() {
    let mut stage = Stage::new();
    stage.open();
    stage.end_break();

    fail_readiness(&mut stage);

    let snapshot = stage.circuit.snapshot();
    assert_eq!(snapshot.state, State::Open);
    assert_eq!(
        snapshot.last_trip.map(|trip| trip.cause),
        Some(Cause::ProbeFailed)
    );
    assert_eq!(snapshot.remaining, Some(BREAK));
    assert_eq!(snapshot.attempt, 2);
    assert_eq!(stage.totals().failed, 1);
}

#[test]
fn a_readiness_error_with_a_failure_to_spare_is_one_and_holds_no_permit() {
    let mut stage = Stage::with(|builder| builder.probes(1, 2).permits(2));
    stage.open();
    stage.end_break();

    fail_readiness(&mut stage);

    let probes = stage.circuit.snapshot().probes.expect("half-open");
    assert_eq!((probes.in_flight, probes.failures_allowed), (0, 0));
    fail_readiness(&mut stage);
    assert_eq!(stage.circuit.state(), State::Open);
}

#[test]
fn a_readiness_error_in_half_open_takes_a_free_seat_and_fails() {
    let mut stage = Stage::with(|builder| builder.probes(2, 2).permits(2));
    let circuit = stage.circuit.clone();
    let probe = half_open_and_full(&circuit, &stage.clock);

    fail_readiness(&mut stage);

    assert_eq!(circuit.state(), State::Open);
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbeFailed)
    );
    probe.success();
    assert_eq!(circuit.state(), State::Open);
}

// E2: before its end, nothing was asked of the dependency; from then on, it is a failure of the closed circuit.
#[test]
fn a_readiness_error_at_the_end_of_forced_open_is_a_failure_of_what_comes_after_it() {
    let mut stage = Stage::with(|builder| builder.consecutive_failures(2));
    let forced = stage.circuit.force_open_for(By::default(), BREAK);
    assert!(forced.expect("it ends"));
    stage.end_break();

    fail_readiness(&mut stage);

    assert_eq!(stage.circuit.mode(), Mode::Normal);
    let snapshot = stage.circuit.snapshot();
    assert_eq!(
        (snapshot.state, snapshot.consecutive_failures),
        (State::Closed, 1)
    );
    assert_eq!(stage.totals().failed, 1);
}

#[test]
fn a_disabled_circuit_only_counts_a_readiness_error() {
    let mut stage = Stage::with(|builder| builder.mode(Mode::Disabled));
    fail_readiness(&mut stage);
    assert_eq!(stage.circuit.state(), State::Closed);
    assert_eq!(stage.totals().failed, 1);
}

#[test]
fn a_shadow_circuit_that_is_open_does_not_count_a_readiness_error_against_the_break() {
    let mut stage = Stage::with(|builder| builder.mode(Mode::Shadow));
    stage.open();
    let era = stage.circuit.snapshot().era;
    fail_readiness(&mut stage);
    assert_eq!(stage.circuit.snapshot().era, era);
}

/// An error that compares, under a rejection that leaves the error type alone.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Broken(u32);

/// Does something to the circuit while it is asked for readiness, and then fails.
struct FailAfter<F>(F);

impl<F: FnMut()> Service<u32> for FailAfter<F> {
    type Response = http::Response<()>;
    type Error = Broken;
    type Future = Ready<Result<http::Response<()>, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.0();
        Poll::Ready(Err(Broken(7)))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        ready(Ok(http::Response::new(())))
    }
}

fn fail_after(circuit: &Circuit, action: impl FnMut()) {
    let layer = CircuitBreakerLayer::new(circuit.clone())
        .classifier(ErrorsOnly)
        .rejection(ServiceUnavailable);
    let mut service = Spawn::new(layer.layer(FailAfter(action)));
    // The inner error, of the inner type.
    assert_eq!(assert_ready!(service.poll_ready()), Err(Broken(7)));
}

#[test]
fn a_readiness_error_passes_through_unchanged() {
    let circuit = circuit(&ManualClock::new(), |builder| builder);
    fail_after(&circuit, || {});
    assert_eq!(circuit.state(), State::Open);
}

#[test]
fn a_readiness_error_belongs_to_the_era_before_the_poll_when_that_was_closed() {
    let circuit = circuit(&ManualClock::new(), |builder| builder);
    // A reset of a closed circuit begins another era, in the same state.
    fail_after(&circuit, || circuit.reset());

    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(circuit.snapshot().consecutive_failures, 0);
}

#[test]
fn a_readiness_error_belongs_to_the_era_before_the_poll_when_its_break_was_over() {
    let clock = ManualClock::new();
    let circuit = circuit(&clock, |builder| builder);
    circuit.trip(BREAK).expect("in normal mode");
    clock.advance(BREAK);

    fail_after(&circuit, || circuit.reset());

    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn a_readiness_error_without_a_free_seat_is_neutral() {
    let clock = ManualClock::new();
    let circuit = circuit(&clock, |builder| builder.probes(2, 2).permits(2));
    let first = half_open_and_full(&circuit, &clock);
    let mut second = None;

    // The last seat goes while the inner service is being asked.
    fail_after(&circuit, || second = circuit.try_acquire().ok());

    assert_eq!(circuit.state(), State::HalfOpen);
    assert_eq!(
        circuit.snapshot().totals.map(|totals| totals.ended()),
        Some(0)
    );
    first.success();
    second.expect("the last seat").success();
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn a_readiness_error_is_neutral_even_if_the_probes_that_hold_the_seats_have_timed_out() {
    let clock = ManualClock::new();
    let circuit = circuit(&clock, |builder| {
        builder.probes(2, 2).permits(2).half_open_timeout(BREAK)
    });
    let _first = half_open_and_full(&circuit, &clock);
    let mut second = None;

    fail_after(&circuit, || {
        second = circuit.try_acquire().ok();
        clock.advance(BREAK);
    });

    // Finding that out is left to a call.
    assert_eq!(circuit.state(), State::HalfOpen);
}
