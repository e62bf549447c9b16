//! Each rejected call counts once, under the reason it is told (rule F4).

use std::future::pending;

use tower_breaker::{Guard, RejectedTotals};

use super::*;

/// A circuit that rejects, for each reason.
fn rejecting(reason: Reason) -> Circuit {
    let clock = ManualClock::new();
    // A ramp so long and so low that nobody passes but the first call, and one a tenth of a second.
    let circuit = circuit(&clock).ramp(8_640 * BREAK, 1e-6).build().unwrap();
    let recovering = || {
        circuit.trip(BREAK).expect("in normal mode");
        clock.advance(BREAK);
        circuit.try_acquire().expect("the probe")
    };
    match reason {
        Reason::Open => circuit.trip(BREAK).expect("in normal mode"),
        Reason::HalfOpenFull => std::mem::forget(recovering()),
        Reason::ForcedOpen => assert!(circuit.force_open()),
        Reason::Ramping => {
            recovering().success();
            circuit
                .try_acquire()
                .expect("the first of the ramp")
                .success();
        }
        Reason::Shedding => return shedding(clock),
        _ => unreachable!("no other reason"),
    }
    circuit
}

/// A circuit that has just let one of a thousand calls through, and sheds the next hundreds (rule B9).
fn shedding(clock: ManualClock) -> Circuit {
    let circuit = Circuit::builder("inventory")
        .clock(clock)
        .count_window(1_000)
        .shed(100.0, 1e-6)
        .failure_rate(None)
        .build()
        .expect("valid");
    let admitted: Vec<_> = (0..1_000).map(|_| circuit.try_acquire().unwrap()).collect();
    admitted.into_iter().for_each(Guard::failure);
    circuit.try_acquire().expect("the first of all").ignore();
    circuit
}

/// How often each reason of the circuit's own was told, in the order of [`REASONS`]. There is no bulkhead here.
fn told(circuit: &Circuit) -> [u64; 5] {
    let totals = circuit.snapshot().totals.expect("on by default");
    let RejectedTotals {
        open,
        half_open_full,
        forced_open,
        ramping,
        shedding,
        bulkhead_full,
        ..
    } = totals.rejected_by;
    assert_eq!(bulkhead_full, 0);
    let told = [open, half_open_full, forced_open, ramping, shedding];
    assert_eq!(totals.rejected, told.iter().sum::<u64>());
    told
}

const REASONS: [Reason; 5] = [
    Reason::Open,
    Reason::HalfOpenFull,
    Reason::ForcedOpen,
    Reason::Ramping,
    Reason::Shedding,
];

type Never = std::future::Pending<Result<(), Odd>>;

fn call_rejected(answer: Option<Result<(), CircuitError<Odd>>>) -> Rejected {
    let error = answer.expect("at once").expect_err("rejected");
    error.rejected().expect("by the circuit").clone()
}

type Way = fn(&Circuit) -> Rejected;

/// All ways to be rejected.
const WAYS: [(&str, Way); 5] = [
    ("guard", |circuit| circuit.try_acquire().unwrap_err()),
    ("owned guard", |circuit| {
        circuit.clone().try_acquire_owned().unwrap_err()
    }),
    ("call", |circuit| {
        let never: Never = pending();
        call_rejected(circuit.call(never).now_or_never())
    }),
    ("owned call", |circuit| {
        let never: Never = pending();
        call_rejected(circuit.clone().call_owned(never).now_or_never())
    }),
    ("service", |circuit| mark(&rejection(circuit)).clone()),
];

#[test]
fn every_rejection_counts_once_for_its_reason_whichever_way_the_call_came() {
    for (which, reason) in REASONS.into_iter().enumerate() {
        let circuit = rejecting(reason);
        let mut expected = told(&circuit);
        for (way, reject) in WAYS {
            assert_eq!(reject(&circuit).reason(), reason, "{way}");
            expected[which] += 1;
            assert_eq!(told(&circuit), expected, "{way}: {reason}");
        }
        assert_eq!(expected.iter().sum::<u64>(), 5);
    }
}

// G2: what counts is what the call is told, not what readiness had found.
#[test]
fn a_reason_that_has_changed_since_readiness_is_counted_as_it_is_told() {
    let circuit = open();
    let rejected = rejection_after(&circuit, || assert!(circuit.force_open()));
    assert_eq!(rejected.reason(), Reason::ForcedOpen);
    assert_eq!(told(&circuit), [0, 0, 1, 0, 0]);
}

// G1: a call that readiness had let through.
#[test]
fn a_call_that_comes_too_late_after_its_readiness_counts_once() {
    let circuit = closed();
    let rejected = rejection_after(&circuit, || circuit.trip(BREAK).unwrap());
    assert_eq!(rejected.reason(), Reason::Open);
    assert_eq!(told(&circuit), [1, 0, 0, 0, 0]);
}

// G1
#[test]
fn readiness_that_no_call_uses_is_no_rejection() {
    for reason in REASONS {
        let circuit = rejecting(reason);
        let layer = CircuitBreakerLayer::new(circuit.clone());
        let mut service = layer.layer(service_fn(route as Route));
        for _ in 0..3 {
            assert!(service.ready().now_or_never().is_some(), "{reason}");
        }
        drop(service);
        assert_eq!(told(&circuit), [0; 5], "{reason}");
    }
}

// E1
#[test]
fn what_shadow_lets_pass_is_no_rejection() {
    let reasons = REASONS
        .into_iter()
        .filter(|reason| *reason != Reason::ForcedOpen);
    for reason in reasons {
        let circuit = rejecting(reason);
        circuit.set_mode(Mode::Shadow);
        circuit.try_acquire().expect("let pass").success();
        let totals = circuit.snapshot().totals.expect("on by default");
        assert_eq!((totals.shadowed, told(&circuit)), (1, [0; 5]), "{reason}");
    }
}
