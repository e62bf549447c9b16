//! How long calls take, in buckets (rule F4).

use std::time::Duration;

use crate::support::{Fixture, NANO, millis, secs};
use tower_breaker::{
    CircuitBuilder, Mode, State,
    observe::{CALL_DURATION_BUCKETS, Durations},
};

fn counted(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Fixture {
    let builder = |c: CircuitBuilder| c.consecutive_failures(1).open_for(secs(5));
    Fixture::new(|c| configure(builder(c).durations(true)))
}

#[track_caller]
fn durations(circuit: &Fixture) -> Durations {
    circuit.look().durations.expect("turned on")
}

/// Makes one call that takes so long.
#[track_caller]
fn call(circuit: &Fixture, time: Duration, end: char) {
    let guard = circuit.admit();
    circuit.wait(time);
    circuit.end(guard, end);
}

/// The calls of each bucket.
fn calls(circuit: &Fixture) -> [u64; 8] {
    durations(circuit).buckets.map(|bucket| bucket.calls)
}

// F4: a bound is in the bucket that it ends, as `le` has it.
#[test]
fn a_call_is_in_the_bucket_whose_bound_it_reaches() {
    let circuit = counted(|c| c);
    for bound in CALL_DURATION_BUCKETS.map(Duration::from_secs_f64) {
        call(&circuit, bound, 's');
        call(&circuit, bound + NANO, 's');
    }
    call(&circuit, Duration::ZERO, 's');
    assert_eq!(calls(&circuit), [2, 2, 2, 2, 2, 2, 2, 1]);
    let last = durations(&circuit).buckets[7];
    assert_eq!(last.nanos, 10_000_000_001);
    let all = CALL_DURATION_BUCKETS.map(Duration::from_secs_f64);
    let all = all.into_iter().sum::<Duration>() * 2 + 7 * NANO;
    assert_eq!(durations(&circuit).total(), all);
}

// F4, A4, C4, E1: however it ends, and whatever has become of its era, each call counts once.
#[test]
fn every_call_that_ends_counts_once() {
    let circuit = counted(|c| c.count_window(10).failure_rate(0.9));
    let old = circuit.admit();
    for (number, end) in "siad".chars().enumerate() {
        call(&circuit, secs(2), end);
        assert_eq!(durations(&circuit).calls(), number as u64 + 1);
    }
    call(&circuit, secs(2), 'f');
    circuit.is(State::Open);
    // Stale.
    circuit.end(old, 'f');
    circuit.wait_out();
    call(&circuit, secs(2), 's');
    for mode in [Mode::Disabled, Mode::Shadow] {
        circuit.circuit.set_mode(mode);
        call(&circuit, secs(2), 'f');
        call(&circuit, secs(2), 's');
    }
    // The stale one took as long as the five calls while it was under way: ten seconds.
    assert_eq!(calls(&circuit), [0, 0, 0, 0, 0, 10, 1, 0]);
    assert_eq!(durations(&circuit).calls(), circuit.totals().ended());
    circuit.circuit.reset();
    assert_eq!(durations(&circuit).calls(), 11);
}

// F4: rejections take no time, and calls that have not ended have taken none yet.
#[test]
fn what_has_not_ended_does_not_count() {
    let circuit = counted(|c| c);
    let flying = circuit.admit();
    circuit.circuit.trip(secs(5)).expect("normal mode");
    circuit.play("xx");
    assert_eq!(durations(&circuit), Durations::default());
    drop(flying);
    assert_eq!(durations(&circuit).calls(), 1);
}

// A3, A4: calls are timed for their durations, and are not slow for that.
#[test]
fn nothing_is_slow_or_late_for_it() {
    let circuit = counted(|c| c);
    call(&circuit, secs(1_000), 's');
    call(&circuit, secs(1_000), 'd');
    circuit.is(State::Closed);
    let totals = circuit.totals();
    assert_eq!(
        (totals.successful, totals.abandoned, totals.slow),
        (1, 1, 0)
    );
}

// E5: whatever changes of the numbers, calls stay timed; and it cannot be changed itself.
#[test]
fn it_goes_on_whatever_is_changed() {
    let circuit = counted(|c| c.slow_call_duration(secs(1)));
    for duration in [None, Some(secs(3)), None] {
        let changed = circuit
            .circuit
            .reconfigure(|s| s.set_slow_call_duration(duration));
        changed.expect("valid");
        call(&circuit, millis(20), 's');
    }
    assert_eq!(calls(&circuit), [0, 3, 0, 0, 0, 0, 0, 0]);
    let refused = circuit.circuit.reconfigure(|s| s.set_durations(false));
    assert_eq!(refused.expect_err("its shape").field(), "durations");
    assert!(circuit.circuit.settings().durations());
}

// L2: also of those that somebody hears of, and it is what they are told.
#[test]
fn a_call_that_is_heard_counts_as_any_other() {
    let circuit = counted(|c| c);
    let hearing = circuit.circuit.subscribe_calls(|_, _| {});
    for end in "sid".chars() {
        call(&circuit, millis(70), end);
    }
    drop(hearing);
    call(&circuit, millis(70), 's');
    assert_eq!(calls(&circuit), [0, 0, 4, 0, 0, 0, 0, 0]);
    assert_eq!(durations(&circuit).total(), millis(280));
}

// F4
#[test]
fn they_are_off_unless_they_are_turned_on() {
    let circuit = Fixture::new(|c| c.consecutive_failures(1));
    call(&circuit, secs(1), 's');
    assert_eq!(circuit.look().durations, None);
    assert!(!circuit.circuit.settings().durations());
    let printed = |circuit: &Fixture| circuit.circuit.settings().to_string();
    assert!(!printed(&circuit).contains("durations"));
    assert!(printed(&counted(|c| c)).contains(".durations(true)"));
}
