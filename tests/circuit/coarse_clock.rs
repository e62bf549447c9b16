//! The coarse clock: against the usual one, and in a circuit.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use tower_breaker::{
    Circuit, CircuitBuilder, Reason, State,
    clock::{Clock, Coarse},
};

/// No test comes near it, unless what it waits for never happens.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks until there is an answer.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < LIMIT, "{what} did not come about");
    }
}

/// A reading, between two of the usual clock.
fn reading() -> (Instant, Duration, Instant) {
    let before = Instant::now();
    (before, Coarse.now(), Instant::now())
}

/// By how much the coarse clock and the usual one disagree over some of its steps, in such steps.
fn disagreement(steps: u32) -> f64 {
    let (began_after, began, began_before) = reading();
    let mut latest = began;
    for _ in 0..steps {
        latest = until("a step of the clock", || {
            Some(Coarse.now()).filter(|now| *now > latest)
        });
    }
    let (ended_after, ended, ended_before) = reading();
    let measured = ended - began;
    let least = ended_after.saturating_duration_since(began_before);
    let most = ended_before - began_after;
    let off = least.saturating_sub(measured) + measured.saturating_sub(most);
    off.as_secs_f64() / (measured / steps).as_secs_f64()
}

#[test]
fn the_coarse_clock_agrees_with_the_usual_one_to_a_grain_or_two() {
    // Whoever takes the core away in between only makes it worse, so one try that is good is enough.
    let mut seen = Vec::new();
    let agrees = (0..20).any(|_| {
        seen.push(disagreement(8));
        seen.last().is_some_and(|off| *off <= 2.0)
    });
    assert!(agrees, "off by so many grains: {seen:.1?}");
}

#[test]
fn the_coarse_clock_never_goes_back_over_threads() {
    let latest = AtomicU64::new(0);
    let nanos = || u64::try_from(Coarse.now().as_nanos()).expect("less than 584 years");
    let read = || {
        let begun = Instant::now();
        // At least some steps of the clock.
        while begun.elapsed() < Duration::from_millis(100) {
            let before = latest.load(Ordering::SeqCst);
            let now = nanos();
            assert!(now >= before, "{before} was read, and then {now}");
            latest.fetch_max(now, Ordering::SeqCst);
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(read);
        }
    });
}

fn builder() -> CircuitBuilder {
    Circuit::builder("payments")
        .time_window(Duration::from_secs(60))
        .failure_rate(0.5)
        .minimum_calls(4)
        .clock(Coarse)
}

fn fail_four(circuit: &Circuit) {
    for _ in 0..4 {
        circuit.try_acquire().expect("closed").failure();
    }
}

// C1: by whatever clock it goes.
#[test]
fn a_circuit_on_the_coarse_clock_opens_and_stays_open() {
    let circuit = builder().open_for(LIMIT * 100).build().expect("valid");
    fail_four(&circuit);
    assert_eq!(circuit.state(), State::Open);
    let rejected = circuit.try_acquire().expect_err("open");
    assert_eq!(rejected.reason(), Reason::Open);
}

// C1: the break ends as the clock goes on.
#[test]
fn a_circuit_on_the_coarse_clock_closes_after_its_break() {
    let circuit = builder()
        .open_for(Duration::from_millis(1))
        .build()
        .expect("valid");
    fail_four(&circuit);
    let probe = until("the end of the break", || circuit.try_acquire().ok());
    probe.success();
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(
        circuit.snapshot().totals.map(|totals| totals.trips),
        Some(1)
    );
}
