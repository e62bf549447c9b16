//! How long a circuit stays open, and what happens meanwhile (rules C1 to C5).

use std::time::Duration;

use crate::support::{Fixture, NANO, SLOW, fragile, millis, secs};
use tower_breaker::{
    Circuit, CircuitBuilder, Guard, Jitter, OpenFor, Outcome, Reason, Snapshot, State,
};

// ---- C1: the deadline --------------------------------------------------------------------------

// C1
#[test]
fn a_nanosecond_before_the_deadline_rejects_and_the_deadline_admits_a_probe() {
    let circuit = fragile(|c| c);
    circuit.play("f x");
    circuit.wait(secs(5) - NANO);
    circuit.play("xxx");
    circuit.is(State::Open);
    circuit.told();

    circuit.wait(NANO);
    let probe = circuit.admit();
    circuit.tells(&["open -> half-open: the wait is over, the next call is a probe"]);
    circuit.play("x");
    probe.success();
    circuit.is(State::Closed);
}

// C1
#[test]
fn a_break_of_a_nanosecond_is_one() {
    let circuit = fragile(|c| c.open_for(NANO));
    circuit.play("f x");
    circuit.wait(NANO);
    circuit.play("s");
}

// C1
#[test]
fn the_break_begins_at_the_trip_not_at_the_call() {
    let circuit = fragile(|c| c);
    let call = circuit.admit();
    circuit.wait(secs(100));
    call.failure();
    circuit.wait(secs(5) - NANO);
    circuit.play("x");
    circuit.wait(NANO);
    circuit.play("s");
}

// C1
#[test]
fn rejections_do_not_lengthen_a_break() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    for _ in 0..50 {
        circuit.play("x");
        circuit.wait(millis(100));
    }
    circuit.play("s");
}

// C1
#[test]
fn a_break_that_is_long_over_admits_one_probe_like_any_other() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    circuit.wait(secs(1_000_000_000));
    let _probe = circuit.admit();
    circuit.play("x");
}

// C1
#[test]
fn many_breaks_in_a_row_each_keep_their_deadline() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    for _ in 0..1_000 {
        circuit.wait(secs(5) - NANO);
        circuit.play("x");
        circuit.wait(NANO);
        circuit.play("f");
    }
}

// C1, C2
#[test]
fn a_break_with_many_digits_is_rounded_up_a_little() {
    for time in [
        1_234_567_891,
        5_000_000_001,
        86_399_999_999_999,
        u64::MAX / 3,
    ] {
        let time = Duration::from_nanos(time);
        let circuit = fragile(|c| c.open_for(time));
        circuit.play("f");
        let kept = circuit.remaining();
        assert!(kept >= time, "{kept:?} for {time:?}");
        assert!(kept - time < time / 100_000, "{kept:?} for {time:?}");
        circuit.wait(kept - NANO);
        circuit.play("x");
        circuit.wait(NANO);
        circuit.play("s");
    }
}

// C1
#[test]
fn the_longest_break_never_ends() {
    let circuit = fragile(|c| c.open_for(Duration::MAX));
    circuit.play("f");
    circuit.wait(Duration::MAX);
    circuit.play("x");
}

// ---- C2: the length ----------------------------------------------------------------------------

/// The breaks of a circuit whose every probe fails.
fn breaks(circuit: &Fixture, number: usize) -> Vec<Duration> {
    let next = |_| {
        circuit.play("f");
        let open_for = circuit.remaining();
        circuit.wait_out();
        open_for
    };
    (0..number).map(next).collect()
}

fn in_seconds(seconds: &[u64]) -> Vec<Duration> {
    seconds.iter().copied().map(secs).collect()
}

fn doubling() -> OpenFor {
    OpenFor::exponential(secs(1), 2.0, secs(10))
}

// C2
#[test]
fn a_constant_break_stays_what_it_is() {
    let circuit = fragile(|c| c.open_for(secs(3)));
    assert_eq!(breaks(&circuit, 5), in_seconds(&[3, 3, 3, 3, 3]));
}

// C2
#[test]
fn without_a_word_a_break_is_thirty_seconds() {
    let circuit = Fixture::new(|c| c.consecutive_failures(1));
    assert_eq!(breaks(&circuit, 2), in_seconds(&[30, 30]));
}

// C2
#[test]
fn an_exponential_break_grows_to_its_maximum() {
    let circuit = fragile(|c| c.open_for(doubling()));
    assert_eq!(breaks(&circuit, 6), in_seconds(&[1, 2, 4, 8, 10, 10]));
    let attempts: Vec<u32> = circuit.told().iter().map(|told| told.attempt).collect();
    assert_eq!(attempts, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]);
}

// C2
#[test]
fn an_exponential_break_stays_at_its_maximum_for_ever() {
    let extreme = OpenFor::exponential(secs(1), f64::MAX, Duration::MAX);
    let circuit = fragile(|c| c.open_for(extreme));
    circuit.play("f");
    circuit.wait_out();
    circuit.play("f");
    circuit.wait(secs(1_000_000_000));
    circuit.play("x");

    let circuit = fragile(|c| c.open_for(doubling()));
    breaks(&circuit, 5_000);
    assert_eq!(breaks(&circuit, 1), in_seconds(&[10]));
}

// C2, D5
#[test]
fn the_attempts_start_over_once_closed_has_lasted_as_long_as_the_last_break() {
    let circuit = fragile(|c| c.open_for(doubling()));
    assert_eq!(breaks(&circuit, 3), in_seconds(&[1, 2, 4]));
    assert_eq!(circuit.look().attempt, 3);
    circuit.play("s");
    assert_eq!(circuit.look().attempt, 0);
    circuit.wait(secs(4));
    assert_eq!(breaks(&circuit, 2), in_seconds(&[1, 2]));
}

// C2, D5: or a circuit that closes on one good probe and trips again at once never gets a longer break.
#[test]
fn a_circuit_that_flaps_gets_longer_breaks() {
    let circuit = fragile(|c| c.open_for(doubling()));
    let mut seen = Vec::new();
    for _ in 0..5 {
        circuit.play("f");
        seen.push(circuit.remaining());
        circuit.wait_out();
        circuit.play("s");
    }
    assert_eq!(seen, in_seconds(&[1, 2, 4, 8, 10]));
    circuit.wait(secs(10) - NANO);
    circuit.play("f");
    assert_eq!((circuit.remaining(), circuit.look().attempt), (secs(10), 6));
    circuit.wait_out();
    circuit.play("s");
    circuit.wait(secs(10));
    circuit.play("f");
    assert_eq!((circuit.remaining(), circuit.look().attempt), (secs(1), 1));
}

// C2, D5, E2: a person's close is for good.
#[test]
fn a_reset_starts_the_attempts_over_at_once() {
    let controls: [fn(&Circuit); 2] = [Circuit::reset, |circuit| {
        circuit.force_open();
        circuit.release();
    }];
    for control in controls {
        let circuit = fragile(|c| c.open_for(doubling()));
        breaks(&circuit, 3);
        circuit.play("s");
        control(&circuit.circuit);
        assert_eq!(breaks(&circuit, 1), in_seconds(&[1]));

        let circuit = fragile(|c| c.open_for(doubling()));
        breaks(&circuit, 3);
        control(&circuit.circuit);
        assert_eq!(breaks(&circuit, 1), in_seconds(&[1]));

        let circuit = fragile(|c| c.open_for(doubling()).probes(2, 2));
        breaks(&circuit, 3);
        circuit.play("s");
        circuit.is(State::HalfOpen);
        control(&circuit.circuit);
        assert_eq!(breaks(&circuit, 1), in_seconds(&[1]));
    }
}

// C2, E2
#[test]
fn a_reset_starts_the_attempts_over() {
    let circuit = fragile(|c| c.open_for(doubling()));
    breaks(&circuit, 3);
    circuit.circuit.reset();
    assert_eq!(circuit.look().attempt, 0);
    assert_eq!(breaks(&circuit, 2), in_seconds(&[1, 2]));
}

// C2
#[test]
fn an_ignored_probe_is_no_attempt() {
    let circuit = fragile(|c| c.open_for(doubling()));
    breaks(&circuit, 1);
    circuit.play("iidd");
    assert_eq!(breaks(&circuit, 1), in_seconds(&[2]));
}

// C2, E2
#[test]
fn a_trip_from_closed_is_the_first_attempt() {
    let circuit = fragile(|c| c.open_for(doubling()));
    circuit.circuit.trip(secs(60)).expect("normal mode");
    assert_eq!((circuit.look().attempt, circuit.remaining()), (1, secs(60)));
    circuit.wait_out();
    assert_eq!(breaks(&circuit, 2), in_seconds(&[2, 4]));
}

// C2, E2
#[test]
fn a_trip_while_open_keeps_the_attempt() {
    let circuit = fragile(|c| c.open_for(doubling()));
    breaks(&circuit, 1);
    circuit.play("f");
    for _ in 0..5 {
        circuit.circuit.trip(secs(60)).expect("normal mode");
        assert_eq!(circuit.look().attempt, 2);
    }
    circuit.wait_out();
    assert_eq!(breaks(&circuit, 1), in_seconds(&[4]));
}

// C2, E2
#[test]
fn a_trip_while_half_open_is_one_more_attempt() {
    let circuit = fragile(|c| c.open_for(doubling()));
    breaks(&circuit, 1);
    let _probe = circuit.admit();
    circuit.circuit.trip(secs(60)).expect("normal mode");
    assert_eq!(circuit.look().attempt, 2);
    circuit.wait_out();
    assert_eq!(breaks(&circuit, 1), in_seconds(&[4]));
}

// C2, A7
#[test]
fn a_break_of_its_own_length_counts_as_an_attempt() {
    let circuit = fragile(|c| c.open_for(doubling()));
    breaks(&circuit, 1);
    circuit.admit().finish(Outcome::TripFor(secs(100)));
    assert_eq!(circuit.look().attempt, 2);
    circuit.wait_out();
    assert_eq!(breaks(&circuit, 1), in_seconds(&[4]));
}

// C2
#[test]
fn a_function_of_the_attempt_is_asked_for_each() {
    let own = OpenFor::from_fn(|attempt| secs(u64::from(attempt) * 10));
    let circuit = fragile(|c| c.open_for(own));
    assert_eq!(breaks(&circuit, 3), in_seconds(&[10, 20, 30]));
    circuit.play("s");
    circuit.wait(secs(30));
    assert_eq!(breaks(&circuit, 1), in_seconds(&[10]));
}

// C2
#[test]
fn a_function_that_panics_makes_a_break_of_thirty_seconds() {
    let circuit = fragile(|c| c.open_for(OpenFor::from_fn(|_| panic!("no idea"))));
    assert_eq!(breaks(&circuit, 2), in_seconds(&[30, 30]));
}

// C2
#[test]
fn a_function_may_say_anything() {
    let extremes = OpenFor::from_fn(|attempt| match attempt {
        1 => Duration::ZERO,
        _ => Duration::MAX,
    });
    let circuit = fragile(|c| c.open_for(extremes.jitter(Jitter::Fraction(1.0))));
    circuit.play("f");
    assert_eq!(circuit.remaining(), Duration::ZERO);
    circuit.play("f");
    circuit.is(State::Open);
}

fn jittered(jitter: Jitter, seed: u64) -> Vec<Duration> {
    let open_for = OpenFor::constant(secs(100)).jitter(jitter);
    let circuit = fragile(|c| c.open_for(open_for).jitter_seed(seed));
    breaks(&circuit, 200)
}

// C2
#[test]
fn jitter_repeats_with_its_seed_and_varies_without() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Fraction(0.2)] {
        assert_eq!(jittered(jitter, 7), jittered(jitter, 7));
        assert_ne!(jittered(jitter, 7), jittered(jitter, 8));
        let mut times = jittered(jitter, 7);
        times.sort();
        times.dedup();
        assert!(times.len() > 190, "{} different times", times.len());
    }
}

// C2
#[test]
fn instances_without_a_seed_differ() {
    let times = || {
        let open_for = OpenFor::constant(secs(100)).jitter(Jitter::Full);
        breaks(&fragile(|c| c.open_for(open_for)), 10)
    };
    assert_ne!(times(), times());
}

// C2
#[test]
fn jitter_stays_in_its_bounds_and_uses_them() {
    for (jitter, least, most) in [
        (Jitter::None, 100, 100),
        (Jitter::Full, 0, 100),
        (Jitter::Equal, 50, 100),
        (Jitter::Fraction(0.2), 80, 120),
        (Jitter::Fraction(1.0), 0, 200),
    ] {
        let times = jittered(jitter, 42);
        let (least, most) = (secs(least), secs(most));
        let within = times.iter().all(|time| (least..=most).contains(time));
        assert!(within, "{jitter:?}: {times:?}");
        let tenth = (most - least) / 10;
        let (shortest, longest) = (times.iter().min(), times.iter().max());
        assert!(shortest <= Some(&(least + tenth)), "{jitter:?}: {times:?}");
        assert!(longest >= Some(&(most - tenth)), "{jitter:?}: {times:?}");
    }
}

// C2
#[test]
fn a_jittered_break_is_computed_once() {
    let open_for = OpenFor::constant(secs(100)).jitter(Jitter::Full);
    let circuit = fragile(|c| c.open_for(open_for).jitter_seed(7));
    circuit.play("f");
    let told = circuit.told();
    let remaining = circuit.remaining();
    assert_eq!(told[0].open_for, Some(remaining));
    for _ in 0..100 {
        assert_eq!(circuit.reject().remaining(), Some(remaining));
        assert_eq!(circuit.remaining(), remaining);
    }
}

// ---- C3: rejections ----------------------------------------------------------------------------

// C3
#[test]
fn an_open_circuit_says_how_long_to_wait() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    for left in [secs(5), secs(4), millis(2_500), NANO] {
        circuit.wait(circuit.remaining() - left);
        let rejected = circuit.reject();
        assert_eq!(rejected.circuit(), "payments");
        assert_eq!(rejected.reason(), Reason::Open);
        assert_eq!(rejected.remaining(), Some(left));
    }
}

// C3, D4
#[test]
fn a_full_circuit_says_a_second() {
    let circuit = fragile(|c| c.half_open_timeout(secs(8)));
    circuit.play("f");
    circuit.wait_out();
    let _probe = circuit.admit();
    circuit.wait(secs(3));
    let rejected = circuit.reject();
    assert_eq!(rejected.reason(), Reason::HalfOpenFull);
    assert_eq!(rejected.remaining(), Some(secs(1)));
}

// C3, D4
#[test]
fn the_call_that_finds_the_probes_timed_out_is_told_of_the_new_break() {
    let circuit = fragile(|c| c.half_open_timeout(secs(8)));
    circuit.play("f");
    circuit.wait_out();
    let _probe = circuit.admit();
    circuit.wait(secs(9));
    let rejected = circuit.reject();
    assert_eq!(rejected.reason(), Reason::Open);
    assert_eq!(rejected.remaining(), Some(secs(5)));
}

// C3
#[test]
fn a_forced_open_circuit_promises_nothing() {
    let circuit = fragile(|c| c);
    circuit.circuit.force_open();
    let rejected = circuit.reject();
    assert_eq!(rejected.reason(), Reason::ForcedOpen);
    assert_eq!(rejected.remaining(), None);
    assert_eq!(rejected.retry_after_secs(), None);
}

// C3, D6
#[test]
fn a_ramping_circuit_says_a_second() {
    let circuit = fragile(|c| c.ramp(secs(10), 0.000_001));
    circuit.play("f");
    circuit.wait_out();
    circuit.play("s s");
    let rejected = circuit.reject();
    assert_eq!(rejected.reason(), Reason::Ramping);
    assert_eq!(rejected.remaining(), Some(secs(1)));
}

// C3, H1
#[test]
fn whole_seconds_are_rounded_up_and_bounded() {
    for (left, seconds) in [
        (NANO, 1),
        (secs(1), 1),
        (secs(1) + NANO, 2),
        (secs(5), 5),
        (secs(86_400), 86_400),
        (secs(86_400) + NANO, 86_400),
        (Duration::MAX, 86_400),
    ] {
        let circuit = fragile(|c| c);
        circuit.circuit.trip(left).expect("normal mode");
        assert_eq!(
            circuit.reject().retry_after_secs(),
            Some(seconds),
            "{left:?}"
        );
    }
}

// ---- C4: stale results -------------------------------------------------------------------------

/// Ways to end a call, each of which would decide something in its own era.
const ENDINGS: [fn(Guard<'_>); 7] = [
    |guard| guard.success(),
    |guard| guard.failure(),
    |guard| guard.ignore(),
    |guard| drop(guard),
    |guard| guard.finish(Outcome::TripNow),
    |guard| guard.finish(Outcome::TripFor(secs(1_000))),
    |guard| guard.finish(Outcome::FailureRetryAfter(secs(1_000))),
];

/// Everything is watched, and one result of any kind would be seen.
fn sensitive(c: CircuitBuilder) -> CircuitBuilder {
    sensitive_to_failures(c)
        .slow_call_duration(SLOW)
        .slow_call_rate(1.0)
}

fn sensitive_to_failures(c: CircuitBuilder) -> CircuitBuilder {
    c.consecutive_failures(1)
        .count_window(10)
        .minimum_calls(10)
        .open_for(secs(5))
        .half_open_timeout(secs(500))
}

/// Each ending, with a circuit that times its calls and with one that does not.
fn endings() -> impl Iterator<Item = (fn(Guard<'_>), Fixture)> {
    let timed = ENDINGS.map(|end| (end, Fixture::new(sensitive)));
    let untimed = ENDINGS.map(|end| (end, Fixture::new(sensitive_to_failures)));
    timed.into_iter().chain(untimed)
}

/// Ends `stale` in the current era and shows that only the totals have seen it.
#[track_caller]
fn changes_nothing(circuit: &Fixture, stale: Guard<'_>, end: fn(Guard<'_>)) {
    let before: Snapshot = circuit.look_without_totals();
    let totals = circuit.totals();
    circuit.told();
    end(stale);
    assert_eq!(circuit.look_without_totals(), before);
    circuit.tells_nothing();
    assert_eq!(circuit.totals().stale, totals.stale + 1);
    assert_eq!(circuit.totals().ended(), totals.ended() + 1);
}

// C4
#[test]
fn a_closed_era_decides_nothing_in_open() {
    for (end, circuit) in endings() {
        let stale = circuit.admit();
        circuit.play("f");
        circuit.wait(SLOW * 2);
        changes_nothing(&circuit, stale, end);
        circuit.wait(secs(3) - NANO);
        circuit.play("x");
        circuit.wait(NANO);
        circuit.play("s");
    }
}

// C4
#[test]
fn a_closed_era_decides_nothing_when_its_break_is_over() {
    for (end, circuit) in endings() {
        let stale = circuit.admit();
        circuit.play("f");
        circuit.wait(secs(5));
        changes_nothing(&circuit, stale, end);
        circuit.is(State::Open);
    }
}

// C4
#[test]
fn a_closed_era_decides_no_probe() {
    for (end, circuit) in endings() {
        let stale = circuit.admit();
        circuit.play("f");
        circuit.wait_out();
        let probe = circuit.admit();
        changes_nothing(&circuit, stale, end);
        circuit.play("x");
        probe.success();
        circuit.is(State::Closed);
    }
}

// C4
#[test]
fn a_closed_era_enters_no_later_window_nor_streak() {
    for (end, circuit) in endings() {
        let stale = circuit.admit();
        circuit.play("f");
        circuit.wait_out();
        circuit.play("s s s");
        assert_eq!(circuit.window(), (2, 0, 0));
        changes_nothing(&circuit, stale, end);
    }
}

/// A circuit with a probe in flight whose era has timed out.
fn with_timed_out_probe(circuit: &Fixture) -> Guard<'_> {
    circuit.play("f");
    circuit.wait_out();
    let probe = circuit.admit();
    circuit.wait(secs(500));
    circuit.play("x");
    probe
}

// C4, D4
#[test]
fn a_timed_out_probe_decides_nothing_in_open() {
    for (end, circuit) in endings() {
        let stale = with_timed_out_probe(&circuit);
        changes_nothing(&circuit, stale, end);
        assert_eq!(circuit.remaining(), secs(5));
    }
}

// C4, D4
#[test]
fn a_timed_out_probe_decides_nothing_among_the_next_probes() {
    for (end, circuit) in endings() {
        let stale = with_timed_out_probe(&circuit);
        circuit.wait_out();
        let probe = circuit.admit();
        changes_nothing(&circuit, stale, end);
        circuit.play("x");
        probe.success();
        circuit.is(State::Closed);
    }
}

// C4
#[test]
fn a_late_probe_decides_nothing_once_the_others_have() {
    for end in ENDINGS {
        let circuit = Fixture::new(|c| sensitive(c).probes(1, 2).permits(2));
        circuit.play("f");
        circuit.wait_out();
        let (deciding, late) = (circuit.admit(), circuit.admit());
        deciding.success();
        circuit.is(State::Closed);
        changes_nothing(&circuit, late, end);
    }
}

// C4, B1
#[test]
fn a_stale_success_ends_no_streak_and_a_stale_failure_extends_none() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3));
    let (success, failure) = (circuit.admit(), circuit.admit());
    circuit.circuit.reset();
    circuit.play("ff");
    changes_nothing(&circuit, failure, |guard| guard.failure());
    changes_nothing(&circuit, success, |guard| guard.success());
    assert_eq!(circuit.look().consecutive_failures, 2);
    circuit.play("f");
    circuit.is(State::Open);
}

// C4, E2
#[test]
fn a_reset_makes_what_is_in_flight_stale() {
    for (end, circuit) in endings() {
        let stale = circuit.admit();
        circuit.circuit.reset();
        changes_nothing(&circuit, stale, end);
    }
}

// C4, E1
#[test]
fn forced_open_makes_what_is_in_flight_stale() {
    for (end, circuit) in endings() {
        let stale = circuit.admit();
        circuit.circuit.force_open();
        changes_nothing(&circuit, stale, end);
    }
}

// C4
#[test]
fn stale_calls_still_end_as_what_they_were() {
    let circuit = Fixture::new(|c| sensitive(c).consecutive_failures(100));
    let guards: Vec<Guard<'_>> = (0..5).map(|_| circuit.admit()).collect();
    circuit.circuit.reset();
    for (guard, letter) in guards.into_iter().zip("sfidF".chars()) {
        circuit.end(guard, letter);
    }
    let totals = circuit.totals();
    assert_eq!((totals.successful, totals.failed), (1, 2));
    assert_eq!((totals.ignored, totals.abandoned), (1, 1));
    assert_eq!((totals.slow, totals.stale), (1, 5));
}

// ---- C5: looking -------------------------------------------------------------------------------

// C5
#[test]
fn looking_changes_nothing() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    circuit.told();
    circuit.wait(secs(500));
    for _ in 0..100 {
        circuit.is(State::Open);
        let snapshot = circuit.look();
        assert_eq!(snapshot.remaining, Some(Duration::ZERO));
        assert_eq!(snapshot.time_in_state, secs(500));
        assert_eq!(snapshot.era, 1);
        let _ = format!("{:?} {:?}", circuit.circuit, snapshot);
    }
    circuit.tells_nothing();
    circuit.play("s");
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> closed: the probes succeeded",
    ]);
}

// C5, D4
#[test]
fn looking_times_out_no_probe() {
    let circuit = fragile(|c| c.half_open_timeout(secs(8)));
    circuit.play("f");
    circuit.wait_out();
    let probe = circuit.admit();
    circuit.wait(secs(1_000));
    assert_eq!(circuit.look().state, State::HalfOpen);
    probe.success();
    circuit.is(State::Closed);
}
