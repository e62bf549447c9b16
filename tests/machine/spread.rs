//! What rejections tell of when to come back, spread out (rule C3).

use std::{convert::Infallible, time::Duration};

use crate::support::{millis, secs};
use http::Response;
use tower::{Layer, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, CircuitBuilder, clock::ManualClock};

fn open(settings: fn(CircuitBuilder) -> CircuitBuilder) -> (Circuit, ManualClock) {
    let clock = ManualClock::new();
    let builder = Circuit::builder("payments").clock(clock.clone());
    let builder = builder.consecutive_failures(1).open_for(secs(100));
    let circuit = settings(builder).build().expect("valid");
    circuit.try_acquire().expect("closed").failure();
    (circuit, clock)
}

fn told(circuit: &Circuit) -> Duration {
    let rejected = circuit.try_acquire().expect_err("rejected");
    rejected.remaining().expect("a time")
}

/// How many of a thousand rejections are told times in each of the tenths from `from` to `to`.
fn tenths(circuit: &Circuit, from: Duration, to: Duration) -> [u32; 10] {
    let mut tenths = [0; 10];
    for _ in 0..1_000 {
        let told = told(circuit);
        assert!((from..=to).contains(&told), "{told:?}");
        let tenth = (told - from).as_nanos() * 10 / (to - from).as_nanos();
        tenths[usize::try_from(tenth).expect("small").min(9)] += 1;
    }
    tenths
}

// C3
#[test]
fn by_default_all_are_told_the_end_of_the_break() {
    let (circuit, clock) = open(|c| c);
    clock.advance(secs(1));
    for _ in 0..100 {
        assert_eq!(told(&circuit), secs(99));
    }
}

// C3
#[test]
fn a_share_spreads_evenly_what_rejections_tell() {
    let (circuit, clock) = open(|c| c.spread_retry_after(0.2));
    let even = |tenths: [u32; 10]| tenths.iter().all(|count| (90..=110).contains(count));
    let spread = tenths(&circuit, secs(100), secs(120));
    assert!(even(spread), "{spread:?}");
    clock.advance(secs(50));
    let spread = tenths(&circuit, secs(50), secs(60));
    assert!(even(spread), "{spread:?}");
}

// C3: also what a full half-open circuit and a ramp tell.
#[test]
fn a_share_spreads_the_second_that_full_half_open_circuits_and_ramps_tell() {
    let (circuit, clock) = open(|c| c.spread_retry_after(1.0).ramp(secs(100), 1e-6));
    clock.advance(secs(100));
    let probe = circuit.try_acquire().expect("a probe");
    let spread = tenths(&circuit, secs(1), secs(2));
    assert!(spread.iter().all(|count| *count > 0), "{spread:?}");
    probe.success();
    circuit.try_acquire().expect("the first").success();
    let spread = tenths(&circuit, secs(1), secs(2));
    assert!(spread.iter().all(|count| *count > 0), "{spread:?}");
}

// C1, C3: who comes back as soon as the wait is over is admitted.
#[test]
fn the_break_itself_is_no_longer() {
    let (circuit, clock) = open(|c| c.spread_retry_after(1.0));
    for _ in 0..10 {
        told(&circuit);
    }
    assert_eq!(circuit.snapshot().remaining, Some(secs(100)));
    clock.advance(secs(100));
    assert!(circuit.try_acquire().is_ok());
}

// C3: only a person ends it.
#[test]
fn forced_open_has_nothing_to_spread() {
    let (circuit, _) = open(|c| c.spread_retry_after(0.5));
    circuit.force_open();
    let rejected = circuit.try_acquire().expect_err("forced open");
    assert_eq!(rejected.remaining(), None);
}

// C3: however long the break is.
#[test]
fn the_longest_break_is_spread_without_harm() {
    let (circuit, _) = open(|c| c.spread_retry_after(1.0));
    circuit.trip(Duration::MAX).expect("a normal mode");
    for _ in 0..10 {
        assert_eq!(told(&circuit), Duration::from_nanos(u64::MAX));
    }
}

// E5
#[test]
fn a_live_circuit_changes_its_spread() {
    let (circuit, _) = open(|c| c);
    circuit
        .reconfigure(|settings| settings.set_spread_retry_after(0.5))
        .expect("a number");
    // The first of the sequence is told the end itself.
    assert_eq!(told(&circuit), secs(100));
    assert!(told(&circuit) > secs(100));
    // What does not speak of it leaves it as it is.
    circuit
        .reconfigure(|numbers| numbers.set_open_for(secs(7)))
        .expect("a number");
    assert!(told(&circuit) > secs(100));
}

// B8
#[test]
fn nonsense_is_refused() {
    for share in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY, 1e-9] {
        let built = Circuit::builder("payments")
            .spread_retry_after(share)
            .build();
        assert_eq!(
            built.expect_err("nonsense").field(),
            "spread_retry_after",
            "{share}"
        );
    }
}

// H1: whole seconds, rounded up.
#[tokio::test]
async fn the_header_tells_the_spread_time() {
    let (circuit, clock) = open(|c| c.spread_retry_after(0.1));
    clock.advance(millis(500));
    let inner = service_fn(|(): ()| async { Ok::<_, Infallible>(Response::new(())) });
    let service = CircuitBreakerLayer::new(circuit).layer(inner);
    let mut told = Vec::new();
    for _ in 0..100 {
        let Ok(response) = service.clone().oneshot(()).await;
        let header = response.headers()["retry-after"].to_str().expect("text");
        told.push(header.parse::<u64>().expect("a number"));
    }
    told.sort_unstable();
    told.dedup();
    // 99.5 to 109.45 seconds.
    assert_eq!(told, (100..=110).collect::<Vec<_>>());
}
