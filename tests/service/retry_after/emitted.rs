//! What we say ourselves, and that we would honour it.

use std::{convert::Infallible, time::Duration};

use futures_util::FutureExt;
use http::{HeaderMap, Response};
use proptest::prelude::*;
use tower::{Layer, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, clock::ManualClock};

use super::{DAY, between, wide};
use crate::support::secs;

/// The headers of a rejection of this circuit.
fn rejection(circuit: &Circuit) -> HeaderMap {
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let service = layer.layer(service_fn(|()| async {
        Ok::<_, Infallible>(Response::new(()))
    }));
    let answer = service.oneshot(()).now_or_never().expect("at once");
    let Ok(response) = answer;
    assert_eq!(response.status(), 503);
    response.into_parts().0.headers
}

fn circuit(clock: &ManualClock) -> Circuit {
    let builder = Circuit::builder("payments").clock(clock.clone());
    builder.build().expect("valid")
}

/// The headers of the rejections of a circuit that is open for so long.
fn open_for(left: Duration) -> HeaderMap {
    let circuit = circuit(&ManualClock::new());
    circuit.trip(left).expect("in normal mode");
    rejection(&circuit)
}

// H1, A7
#[test]
fn a_breaker_further_out_honours_what_we_say() {
    for (left, seconds) in [
        (Duration::from_nanos(1), 1),
        (secs(1), 1),
        (secs(1) + Duration::from_nanos(1), 2),
        (Duration::from_millis(29_999), 30),
        (DAY, 86_400),
        (DAY * 10, 86_400),
    ] {
        let said = open_for(left);
        assert_eq!(said["retry-after"], seconds.to_string().as_str());
        assert_eq!(wide().read(&said), Some(secs(seconds)), "{left:?}");
    }
}

// H1: a person knows when, and it is not for a breaker to guess.
#[test]
fn a_circuit_that_is_forced_open_asks_nothing() {
    let circuit = circuit(&ManualClock::new());
    circuit.force_open();
    let said = rejection(&circuit);
    assert_eq!(said.get("retry-after"), None);
    assert_eq!(between(secs(10), DAY).read(&said), None);
}

// H1: the wait is over, and its probe is out.
#[test]
fn a_circuit_that_waits_for_its_probe_says_how_long_it_will() {
    let clock = ManualClock::new();
    let circuit = circuit(&clock);
    circuit.trip(secs(5)).expect("in normal mode");
    clock.advance(secs(5));
    let probe = circuit.try_acquire().expect("a probe");
    clock.advance(secs(30) - Duration::from_nanos(1));
    assert_eq!(wide().read(&rejection(&circuit)), Some(secs(1)));
    drop(probe);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    // H1, A7: never earlier than the end of the break, and less than a second later, up to a day.
    #[test]
    fn who_comes_back_when_told_finds_the_break_over(
        nanos in prop_oneof![1..3_000_000_000_u64, 1..900_000_000_000_000_u64],
    ) {
        let left = Duration::from_nanos(nanos);
        let told = wide().read(&open_for(left)).expect("what is honoured");
        if left <= DAY {
            prop_assert!(told >= left && told < left + secs(1) + Duration::from_micros(1));
        } else {
            prop_assert_eq!(told, DAY);
        }
    }
}
