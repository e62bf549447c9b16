//! What it does to a break.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Response, StatusCode};
use tower::{Layer, Service, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, CircuitBuilder, Jitter, OpenFor, Outcome, State, classify::HttpClassifier,
};

use super::{DAY, between, headers, wide};
use crate::support::{Fixture, secs};

/// A response of the dependency: its status and its `Retry-After`.
type Answer = (u16, Option<u64>);

const FINE: Answer = (200, None);
const FAILED: Answer = (503, None);

fn asking(seconds: u64) -> Answer {
    (503, Some(seconds))
}

/// Calls a dependency that gives this answer, through a breaker that honours up to a day.
fn call(circuit: &Fixture, answer: Answer) {
    call_with(circuit, HttpClassifier::new().retry_after(wide()), answer);
}

fn call_with(circuit: &Fixture, classifier: HttpClassifier, answer: Answer) {
    let layer = CircuitBreakerLayer::new(circuit.circuit.clone()).classifier(classifier);
    let mut service = layer.layer(service_fn(respond));
    let ready = service.ready().now_or_never().expect("ready at once");
    let Ok(service) = ready;
    let response = service.call(answer).now_or_never().expect("at once");
    let Ok(response) = response;
    assert_eq!(response.status(), answer.0, "not rejected");
}

fn respond((status, seconds): Answer) -> Ready<Result<Response<()>, Infallible>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    let line = seconds.map(|seconds| format!("retry-after: {seconds}"));
    *response.headers_mut() = headers(line.as_slice());
    ready(Ok(response))
}

fn three_failures(open_for: impl Into<OpenFor>) -> Fixture {
    Fixture::new(|c| c.consecutive_failures(3).open_for(open_for))
}

/// The break of a circuit whose first failure trips it and has this answer.
fn break_after(
    configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
    answer: Answer,
) -> Duration {
    let circuit = Fixture::new(|c| configure(c.consecutive_failures(1)));
    call(&circuit, answer);
    circuit.is(State::Open);
    circuit.remaining()
}

// ---- a floor, and for the result that trips --------------------------------------------------------

// A7
#[test]
fn being_asked_to_wait_never_trips_by_itself() {
    let circuit = three_failures(secs(5));
    for _ in 0..10 {
        call(&circuit, asking(3600));
        call(&circuit, asking(3600));
        call(&circuit, FINE);
    }
    circuit.is(State::Closed);
    circuit.tells_nothing();
}

// A7
#[test]
fn the_failure_that_trips_is_the_one_that_is_asked() {
    for (third, break_) in [
        (asking(60), 60),
        (FAILED, 5),
        // A floor, and nothing more.
        (asking(5), 5),
        (asking(4), 5),
        (asking(6), 6),
        (asking(0), 5),
        (asking(86_400), 86_400),
        (asking(86_401), 5),
        (asking(u64::MAX), 5),
    ] {
        let circuit = three_failures(secs(5));
        call(&circuit, asking(3600));
        call(&circuit, asking(1800));
        call(&circuit, third);
        assert_eq!(circuit.remaining(), secs(break_), "{third:?}");
    }
}

// A7, B4
#[test]
fn the_failure_that_trips_a_window_is_the_one_that_is_asked() {
    let circuit = Fixture::new(|c| {
        c.count_window(4)
            .failure_rate(0.5)
            .minimum_calls(4)
            .open_for(secs(5))
    });
    call(&circuit, asking(3600));
    call(&circuit, FINE);
    call(&circuit, FINE);
    circuit.is(State::Closed);
    call(&circuit, asking(60));
    circuit.tells(&["closed -> open: 2 of 4 calls failed, open for 60s"]);
}

// A7
#[test]
fn a_break_it_asked_for_ends_when_it_said() {
    let circuit = three_failures(secs(5));
    (0..3).for_each(|_| call(&circuit, asking(60)));
    circuit.wait(secs(60) - Duration::from_nanos(1));
    assert_eq!(circuit.reject().retry_after_secs(), Some(1));
    circuit.wait(Duration::from_nanos(1));
    call(&circuit, FINE);
    circuit.is(State::Closed);
}

// A7: also of the probe that fails.
#[test]
fn the_probe_that_reopens_is_asked_too() {
    for (probe, break_) in [(asking(60), 60), (FAILED, 5), (asking(2), 5)] {
        let circuit = three_failures(secs(5));
        circuit.play("f f f");
        circuit.wait_out();
        call(&circuit, probe);
        assert_eq!(circuit.remaining(), secs(break_), "{probe:?}");
    }
}

// A7, D2: with 2 of 3 probes to succeed, the first that fails decides nothing.
#[test]
fn a_probe_that_decides_nothing_is_not_asked() {
    let half_open = || {
        let circuit = Fixture::new(|c| c.consecutive_failures(1).open_for(secs(5)).probes(2, 3));
        circuit.play("f");
        circuit.wait_out();
        call(&circuit, asking(3600));
        circuit.is(State::HalfOpen);
        circuit
    };
    let circuit = half_open();
    call(&circuit, FAILED);
    assert_eq!(circuit.remaining(), secs(5));
    let circuit = half_open();
    call(&circuit, asking(60));
    assert_eq!(circuit.remaining(), secs(60));
    let circuit = half_open();
    call(&circuit, FINE);
    call(&circuit, FINE);
    circuit.is(State::Closed);
}

// A7, C4: a straggler neither trips again nor makes the break longer.
#[test]
fn a_failure_of_an_earlier_era_is_not_asked() {
    let circuit = three_failures(secs(5));
    let straggler = circuit.admit();
    circuit.play("f f f");
    circuit.told();
    straggler.finish(Outcome::FailureRetryAfter(secs(3600)));
    assert_eq!(circuit.remaining(), secs(5));
    circuit.tells_nothing();
    assert_eq!(circuit.totals().stale, 1);
}

// ---- whatever the open time is -----------------------------------------------------------------------

// A7, C2
#[test]
fn what_is_asked_is_a_floor_under_a_growing_break() {
    let growing = OpenFor::exponential(secs(1), 2.0, secs(60));
    let circuit = three_failures(growing);
    (0..3).for_each(|_| call(&circuit, asking(3)));
    let mut breaks = vec![circuit.remaining()];
    for _ in 0..4 {
        circuit.wait_out();
        call(&circuit, asking(3));
        breaks.push(circuit.remaining());
    }
    // 1 s and 2 s are below the floor; the attempts go on under it.
    assert_eq!(breaks, [3, 3, 4, 8, 16].map(secs));
}

// A7, C2
#[test]
fn no_jitter_goes_below_what_is_asked() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Fraction(1.0)] {
        let mut longer = 0;
        for seed in 0..200 {
            let open_for = OpenFor::constant(secs(10)).jitter(jitter);
            let break_ = break_after(|c| c.jitter_seed(seed).open_for(open_for), asking(7));
            assert!(break_ >= secs(7), "{jitter:?}, {seed}: {break_:?}");
            longer += u64::from(break_ > secs(7));
        }
        assert!((1..200).contains(&longer), "{jitter:?}: {longer}");
    }
}

// A7, C2
#[test]
fn what_is_asked_is_a_floor_under_a_function_of_the_attempt() {
    let ten_each = OpenFor::from_fn(|attempt| secs(10) * attempt);
    for (asked, break_) in [(9, 10), (11, 11), (86_400, 86_400)] {
        let open_for = ten_each.clone();
        assert_eq!(
            break_after(|c| c.open_for(open_for), asking(asked)),
            secs(break_)
        );
    }
}

// ---- bounds ------------------------------------------------------------------------------------------

// A7
#[test]
fn a_break_is_as_long_as_the_bounds_allow() {
    for (asked, break_) in [(1, 10), (20, 20), (3600, 30), (86_401, 5)] {
        let circuit = three_failures(secs(5));
        let classifier = HttpClassifier::new().retry_after(between(secs(10), secs(30)));
        (0..3).for_each(|_| call_with(&circuit, classifier.clone(), asking(asked)));
        assert_eq!(circuit.remaining(), secs(break_), "{asked}");
    }
}

// ---- at once -----------------------------------------------------------------------------------------

// A7: not a floor, but what it says, below the open time or above it.
#[test]
fn a_response_that_trips_at_once_says_for_how_long() {
    for (asked, break_) in [
        (Some(2), secs(2)),
        (Some(20), secs(20)),
        (Some(86_400), DAY),
        // Nothing that is honoured: the open time.
        (None, secs(5)),
        (Some(0), secs(5)),
        (Some(86_401), secs(5)),
    ] {
        let circuit = three_failures(secs(5));
        let classifier = HttpClassifier::new()
            .classify_as(Outcome::TripNow, [StatusCode::TOO_MANY_REQUESTS])
            .retry_after(wide());
        call_with(&circuit, classifier, (429, asked));
        let told = circuit.told();
        assert_eq!(told.len(), 1, "{asked:?}");
        assert_eq!(circuit.remaining(), break_, "{asked:?}");
    }
}
