//! How probes decide: seats, s of m, time-outs, and the way back to full traffic (rules D1 to D6).

mod waiting;

use std::{mem::forget, time::Duration};

use crate::support::{Fixture, NANO, SLOW, fragile_after_break, millis, secs};
use tower_breaker::{Circuit, CircuitBuilder, Guard, Mode, Outcome, ProbeCounts, Reason, State};

/// A circuit whose next call is the first of these probes.
fn probing(successes: u32, of: u32, permits: u32) -> Fixture {
    fragile_after_break(|c| c.probes(successes, of).permits(permits))
}

fn admit_all<'a>(circuit: &'a Fixture, number: usize) -> Vec<Guard<'a>> {
    (0..number).map(|_| circuit.admit()).collect()
}

// ---- D1: seats ---------------------------------------------------------------------------------

// D1
#[test]
fn by_default_one_probe_decides() {
    let circuit = fragile_after_break(|c| c);
    let probe = circuit.admit();
    circuit.play("xxx");
    assert_eq!(circuit.reject().reason(), Reason::HalfOpenFull);
    probe.success();
    circuit.is(State::Closed);
}

// D2: also where a call is timed, so that a fast success is known for one at once.
#[test]
fn a_fast_probe_decides_where_slow_calls_are_watched() {
    let watched = |builder: CircuitBuilder| {
        let builder = builder.count_window(10).slow_call_rate(0.5);
        builder.slow_call_duration(Duration::from_secs(1))
    };
    let circuit = fragile_after_break(watched);
    circuit.admit().success();
    circuit.is(State::Closed);
}

// D1
#[test]
fn at_most_so_many_probes_are_in_flight() {
    let circuit = probing(10, 10, 3);
    let mut probes = admit_all(&circuit, 3);
    circuit.play("x");
    for _ in 0..6 {
        probes.pop().expect("a probe").success();
        probes.push(circuit.admit());
        circuit.play("x");
    }
    circuit.is(State::HalfOpen);
}

// D1
#[test]
fn no_probe_is_admitted_that_could_not_decide() {
    let circuit = probing(2, 3, 3);
    let mut probes = admit_all(&circuit, 3);
    probes.pop().expect("a probe").success();
    circuit.play("x");
    probes.pop().expect("a probe").failure();
    circuit.play("x");
    probes.pop().expect("a probe").success();
    circuit.is(State::Closed);
}

// D1, A2, A4
#[test]
fn ignored_and_abandoned_probes_make_room_for_others() {
    let circuit = probing(2, 2, 2);
    circuit.play("s");
    for letter in ['i', 'd'] {
        let probe = circuit.admit();
        circuit.play("x");
        circuit.end(probe, letter);
    }
    circuit.play("s");
    circuit.is(State::Closed);
}

// D1
#[test]
fn the_snapshot_counts_the_probes() {
    let circuit = probing(2, 4, 3);
    assert_eq!(
        circuit.look().probes,
        None,
        "not half-open before the first"
    );
    let counts = || {
        let ProbeCounts {
            in_flight,
            permits,
            successes_needed,
            failures_allowed,
            ..
        } = circuit.look().probes.expect("half-open");
        (in_flight, permits, successes_needed, failures_allowed)
    };
    let (first, second) = (circuit.admit(), circuit.admit());
    assert_eq!(counts(), (2, 3, 2, 2));
    first.failure();
    assert_eq!(counts(), (1, 3, 2, 1));
    second.success();
    assert_eq!(counts(), (0, 3, 1, 1));
    circuit.play("i d");
    assert_eq!(counts(), (0, 3, 1, 1));
    circuit.play("s");
    assert_eq!(circuit.look().probes, None);
}

// D1
#[test]
fn the_most_probes_there_can_be_are_counted_right() {
    let circuit = probing(63, 63, 63);
    let probes = admit_all(&circuit, 63);
    circuit.play("x");
    probes.into_iter().skip(1).for_each(Guard::success);
    circuit.is(State::HalfOpen);
    circuit.play("s");
    circuit.is(State::Closed);
}

// ---- D2: s of m --------------------------------------------------------------------------------

// D2
#[test]
fn with_s_of_s_the_first_failure_reopens() {
    let circuit = fragile_after_break(|c| c.success_threshold(3));
    circuit.play("ss");
    circuit.is(State::HalfOpen);
    circuit.play("f");
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: a probe failed, open for 5s",
    ]);
}

// D2
#[test]
fn a_new_half_open_starts_counting_over() {
    let circuit = fragile_after_break(|c| c.success_threshold(3));
    circuit.play("ss f");
    circuit.wait_out();
    circuit.play("ss");
    circuit.is(State::HalfOpen);
    circuit.play("s");
    circuit.is(State::Closed);
}

/// What `s` of `m` makes of these results, by counting.
fn naive(s: usize, m: usize, results: &str) -> State {
    let mut state = State::HalfOpen;
    for end in 1..=results.len() {
        let count = |letter| results[..end].matches(letter).count();
        if state == State::HalfOpen && count('s') >= s {
            state = State::Closed;
        } else if state == State::HalfOpen && m - count('f') < s {
            state = State::Open;
        }
    }
    state
}

/// All sequences of `s` and `f` of this length.
fn sequences(length: usize) -> impl Iterator<Item = String> {
    let letter = |number: usize, bit| if number >> bit & 1 == 0 { 's' } else { 'f' };
    (0..1 << length).map(move |number| (0..length).map(|bit| letter(number, bit)).collect())
}

// D2
#[test]
fn half_open_closes_when_enough_succeeded_and_reopens_as_soon_as_they_cannot() {
    for (s, m) in (1..=5_u8).flat_map(|m| (1..=m).map(move |s| (s, m))) {
        let (successes, of) = (s.into(), m.into());
        let (s, m) = (usize::from(s), usize::from(m));
        for results in sequences(m) {
            let circuit = probing(successes, of, 1);
            for (end, letter) in (1..).zip(results.chars()) {
                circuit.play(&letter.to_string());
                let expected = naive(s, m, &results[..end]);
                circuit.is(expected);
                if expected != State::HalfOpen {
                    break;
                }
            }
        }
    }
}

// D2, A2, A4
#[test]
fn ignored_and_abandoned_probes_count_as_neither() {
    let circuit = probing(2, 3, 1);
    circuit.play("i d f i d s i d");
    circuit.is(State::HalfOpen);
    circuit.play("f");
    circuit.is(State::Open);

    let circuit = probing(2, 3, 1);
    circuit.play("i d f i d s i d s");
    circuit.is(State::Closed);
}

// D2
#[test]
fn concurrent_probes_decide_in_the_order_they_end() {
    let circuit = probing(2, 3, 3);
    let probes = admit_all(&circuit, 3);
    for (probe, letter) in probes.into_iter().rev().zip("sfs".chars()) {
        circuit.is(State::HalfOpen);
        circuit.end(probe, letter);
    }
    circuit.is(State::Closed);
    assert_eq!(circuit.told().len(), 2);
}

// D2, F1
#[test]
fn the_deciding_result_decides_once() {
    let circuit = probing(1, 3, 3);
    let probes = admit_all(&circuit, 3);
    probes.into_iter().for_each(Guard::success);
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> closed: the probes succeeded",
    ]);
    assert_eq!(circuit.totals().stale, 2);
}

// ---- D3: slow probes ---------------------------------------------------------------------------

// D3, A3
#[test]
fn a_slow_probe_has_failed_and_one_at_the_limit_has_not() {
    let circuit = fragile_after_break(|c| c.slow_call_duration(SLOW).slow_call_rate(1.0));
    circuit.play("S");
    circuit.is(State::Open);
    circuit.wait_out();
    let probe = circuit.admit();
    circuit.wait(SLOW);
    probe.success();
    circuit.is(State::Closed);
}

// D3, D2
#[test]
fn a_slow_probe_takes_one_of_the_failures_allowed() {
    let circuit =
        fragile_after_break(|c| c.slow_call_duration(SLOW).slow_call_rate(1.0).probes(2, 3));
    circuit.play("s S");
    circuit.is(State::HalfOpen);
    circuit.play("s");
    circuit.is(State::Closed);
    assert_eq!(
        circuit.totals().successful,
        3,
        "slow is a mark beside success"
    );
    assert_eq!(circuit.totals().slow, 1);
}

// D3
#[test]
fn where_slow_calls_are_not_watched_a_probe_may_take_its_time() {
    let circuit = fragile_after_break(|c| c);
    let probe = circuit.admit();
    circuit.wait(secs(1_000));
    probe.success();
    circuit.is(State::Closed);
}

// D3: what does not trip a closed circuit does not keep an open one open.
#[test]
fn where_no_rate_watches_slow_calls_a_slow_probe_has_succeeded() {
    let circuit = fragile_after_break(|c| c.slow_call_duration(SLOW));
    circuit.play("S");
    circuit.is(State::Closed);
    assert_eq!((circuit.totals().successful, circuit.totals().slow), (1, 1));
}

// ---- D4: probes that never come back -----------------------------------------------------------

// D4
#[test]
fn a_forgotten_probe_cannot_wedge_half_open() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
    forget(circuit.admit());
    circuit.wait(secs(8) - NANO);
    circuit.play("x");
    circuit.tells(&["open -> half-open: the wait is over, the next call is a probe"]);

    circuit.wait(NANO);
    circuit.play("x");
    circuit.tells(&["half-open -> open: the probes timed out, open for 5s"]);
    circuit.wait_out();
    circuit.play("s");
    circuit.is(State::Closed);
}

// D4
#[test]
fn however_often_probes_are_forgotten_there_is_always_a_next_one() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)).probes(2, 3).permits(2));
    for _ in 0..100 {
        admit_all(&circuit, 2).into_iter().for_each(forget);
        circuit.wait(secs(8));
        circuit.play("x");
        circuit.wait_out();
    }
    circuit.play("ss");
    circuit.is(State::Closed);
}

// D4
#[test]
fn the_time_out_is_another_attempt() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
    forget(circuit.admit());
    circuit.wait(secs(8));
    circuit.play("x");
    assert_eq!(circuit.look().attempt, 2);
}

// D4
#[test]
fn the_new_break_begins_when_the_time_out_is_found() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
    forget(circuit.admit());
    circuit.wait(secs(100));
    circuit.play("x");
    circuit.wait(secs(5) - NANO);
    circuit.play("x");
    circuit.wait(NANO);
    circuit.play("s");
}

// D4
#[test]
fn the_time_out_is_measured_from_the_last_admission() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)).probes(3, 3).permits(3));
    for _ in 0..3 {
        forget(circuit.admit());
        circuit.wait(secs(3));
    }
    circuit.wait(secs(5) - NANO);
    assert_eq!(circuit.reject().reason(), Reason::HalfOpenFull);
    circuit.wait(NANO);
    assert_eq!(circuit.reject().reason(), Reason::Open);
}

// D4
#[test]
fn half_open_waits_for_traffic_as_long_as_it_must() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)).success_threshold(3));
    circuit.play("s");
    circuit.wait(secs(1_000_000));
    circuit.play("s");
    circuit.wait(secs(1_000_000));
    circuit.play("s");
    circuit.is(State::Closed);
}

// D4
#[test]
fn while_a_seat_is_free_nothing_times_out() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)).probes(2, 3).permits(2));
    forget(circuit.admit());
    circuit.wait(secs(1_000));
    circuit.play("s");
    circuit.wait(secs(1_000));
    circuit.play("s");
    circuit.is(State::Closed);
}

// D4
#[test]
fn a_slow_probe_that_comes_back_first_still_decides() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
    let probe = circuit.admit();
    circuit.wait(secs(8_000));
    probe.success();
    circuit.is(State::Closed);
}

/// How long a circuit with this break waits for a probe, found at the edge.
fn patience(open_for: Duration, expected: Duration) {
    let circuit = fragile_after_break(|c| c.open_for(open_for));
    forget(circuit.admit());
    circuit.wait(expected - NANO);
    assert_eq!(circuit.reject().reason(), Reason::HalfOpenFull);
    circuit.wait(NANO);
    assert_eq!(circuit.reject().reason(), Reason::Open);
}

// D4
#[test]
fn the_default_is_the_longer_of_the_break_and_thirty_seconds() {
    patience(secs(5), secs(30));
    patience(secs(30), secs(30));
    patience(secs(31), secs(31));
    patience(secs(600), secs(600));
}

// D4, E2
#[test]
fn the_break_that_counts_is_the_one_that_was() {
    let circuit = fragile_after_break(|c| c);
    circuit.circuit.trip(secs(77)).expect("normal mode");
    circuit.wait_out();
    forget(circuit.admit());
    circuit.wait(secs(77) - NANO);
    assert_eq!(circuit.reject().reason(), Reason::HalfOpenFull);
    circuit.wait(NANO);
    assert_eq!(circuit.reject().reason(), Reason::Open);
}

// D4
#[test]
fn the_shortest_and_the_longest_time_out_are_safe() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(NANO));
    forget(circuit.admit());
    assert_eq!(circuit.reject().reason(), Reason::HalfOpenFull);
    circuit.wait(NANO);
    assert_eq!(circuit.reject().reason(), Reason::Open);

    let circuit = fragile_after_break(|c| c.half_open_timeout(Duration::MAX));
    let probe = circuit.admit();
    circuit.wait(Duration::MAX);
    circuit.play("x");
    probe.success();
    circuit.is(State::Closed);
}

// ---- D5: closing -------------------------------------------------------------------------------

// D5
#[test]
fn closing_clears_window_streak_and_attempts() {
    let circuit = Fixture::new(|c| {
        c.consecutive_failures(3)
            .count_window(10)
            .failure_rate(0.6)
            .minimum_calls(5)
    });
    circuit.play("s fff");
    circuit.wait_out();
    circuit.play("s");
    circuit.is(State::Closed);
    let snapshot = circuit.look();
    assert_eq!((snapshot.consecutive_failures, snapshot.attempt), (0, 0));
    assert_eq!(circuit.window(), (0, 0, 0), "the probe is not in it");

    circuit.play("ff s ff");
    circuit.tells(&[
        "closed -> open: 3 consecutive failures, open for 30s",
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> closed: the probes succeeded",
        "closed -> open: 4 of 5 calls failed, open for 30s",
    ]);
}

// D5
#[test]
fn closing_clears_a_time_window_too() {
    let circuit = Fixture::new(|c| {
        c.time_window(secs(3_600))
            .failure_rate(0.5)
            .minimum_calls(3)
            .open_for(secs(5))
    });
    for _ in 0..100 {
        circuit.play("fff");
        circuit.is(State::Open);
        circuit.wait_out();
        circuit.play("s");
        assert_eq!(circuit.window(), (0, 0, 0));
        circuit.play("ff");
        circuit.is(State::Closed);
        circuit.circuit.reset();
    }
}

// D5
#[test]
fn probes_enter_no_window() {
    let circuit = Fixture::new(|c| c.count_window(10).minimum_calls(1).success_threshold(5));
    circuit.play("f");
    circuit.wait_out();
    circuit.play("ssss");
    assert_eq!(circuit.window(), (0, 0, 0));
}

// ---- D6: the ramp ------------------------------------------------------------------------------

/// Closed since this instant, and growing from a tenth to all in ten seconds.
fn ramping() -> Fixture {
    ramping_from(0.1)
}

fn ramping_from(share: f64) -> Fixture {
    let circuit = fragile_after_break(|c| c.ramp(secs(10), share));
    circuit.play("s");
    circuit.is(State::Closed);
    circuit.told();
    circuit
}

/// How many of a thousand calls are admitted now. Each succeeds.
fn admitted(circuit: &Circuit) -> u64 {
    let calls = (0..1_000).filter_map(|_| circuit.try_acquire().ok());
    calls.map(Guard::success).map(|()| 1).sum()
}

#[track_caller]
fn about(seen: u64, expected: u64) {
    assert!(seen.abs_diff(expected) <= 3, "{seen} instead of {expected}");
}

// D6
#[test]
fn the_admitted_share_grows_from_the_start_to_all() {
    let circuit = ramping();
    for (second, percent) in [(0, 10u32), (1, 19), (5, 55), (9, 91)] {
        let elapsed = circuit.look().time_in_state;
        circuit.wait(secs(second) - elapsed);
        let seen = circuit.look();
        assert_eq!(seen.state, State::Closed);
        assert!((seen.ramp_share * 100.0 - f64::from(percent)).abs() < 1e-9);
        about(admitted(&circuit.circuit), u64::from(percent) * 10);
    }
    circuit.wait(secs(1) - NANO);
    assert!(circuit.look().ramp_share < 1.0);
    circuit.wait(NANO);
    assert_eq!(circuit.look().ramp_share, 1.0);
    assert_eq!(admitted(&circuit.circuit), 1_000);
    circuit.tells_nothing();
}

// D6
#[test]
fn the_calls_it_admits_are_spread_evenly() {
    let circuit = ramping_from(0.25);
    let turns: Vec<bool> = (0..100).map(|_| admits(&circuit)).collect();
    assert!(
        turns.windows(8).all(|eight| eight.contains(&true)),
        "{turns:?}"
    );
    assert!(
        turns.windows(3).all(|three| three.contains(&false)),
        "{turns:?}"
    );
}

fn admits(circuit: &Fixture) -> bool {
    circuit.circuit.try_acquire().map(Guard::success).is_ok()
}

// D6: the first turns are at 0 and at 618,033 millionths.
#[test]
fn a_turn_at_exactly_the_share_is_not_among_them() {
    let circuit = ramping_from(0.618_033);
    assert_eq!((admits(&circuit), admits(&circuit)), (true, false));
    let circuit = ramping_from(0.618_034);
    assert_eq!((admits(&circuit), admits(&circuit)), (true, true));
}

// D6: a ramp protects from a stampede, and a call now and then is none.
#[test]
fn a_trickle_is_admitted() {
    for (apart, ways) in [(millis(100), 30), (secs(1), 9), (millis(333), 25)] {
        let circuit = ramping_from(0.1);
        for _ in 0..ways {
            circuit.play("s");
            circuit.wait(apart);
        }
        assert_eq!(circuit.totals().rejected, 0, "{apart:?} apart");
    }
}

// D6: closer than that, one in a tenth of a second is admitted beside the share, at most.
#[test]
fn a_trickle_ends_at_a_tenth_of_a_second() {
    let circuit = fragile_after_break(|c| c.ramp(secs(10), 0.000_001));
    circuit.play("s s");
    circuit.wait(millis(100) - NANO);
    circuit.play("x");
    circuit.wait(NANO);
    circuit.play("s x");
    circuit.wait(millis(50));
    circuit.play("x");
    circuit.wait(millis(50));
    circuit.play("s x x");
}

// D6
#[test]
fn a_ramp_that_is_over_stays_over() {
    let circuit = ramping();
    circuit.wait(secs(10));
    circuit.play_times(1_000, "s");
    circuit.play_times(1_000, "i");
    assert_eq!(circuit.totals().rejected, 0);
}

// D6, E5
#[test]
fn a_longer_ramp_does_not_bring_back_one_that_is_over() {
    let circuit = ramping();
    circuit.wait(secs(10));
    circuit.play("s");
    let longer = circuit
        .circuit
        .reconfigure(|c| c.set_ramp((secs(1_000), 0.1)));
    longer.expect("numbers that make sense");
    circuit.play_times(1_000, "s");
}

// D6
#[test]
fn a_start_with_everything_rejects_nothing() {
    let circuit = ramping_from(1.0);
    assert_eq!(circuit.look().ramp_share, 1.0);
    assert_eq!(admitted(&circuit.circuit), 1_000);
}

// D6
#[test]
fn rejections_of_the_ramp_are_counted() {
    let circuit = ramping();
    let admitted = admitted(&circuit.circuit);
    assert_eq!(circuit.totals().rejected, 1_000 - admitted);
    assert_eq!(circuit.totals().successful, admitted + 1);
}

/// The next call that the ramp admits.
fn next_admitted(circuit: &Fixture) -> Guard<'_> {
    std::iter::repeat_with(|| circuit.circuit.try_acquire())
        .take(1_000)
        .find_map(Result::ok)
        .expect("an admitted call")
}

/// The same ramp, with policies that take more than one failure.
fn ramping_with(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Fixture {
    let circuit = Fixture::new(|c| configure(c.ramp(secs(10), 0.1)));
    circuit.circuit.trip(secs(5)).expect("normal mode");
    circuit.wait_out();
    circuit.play("s");
    circuit.told();
    circuit
}

// D6
#[test]
fn the_policies_hold_throughout_a_ramp() {
    let circuit = ramping_with(|c| c.count_window(10).failure_rate(0.5).minimum_calls(5));
    for letter in "sfsff".chars() {
        circuit.is(State::Closed);
        circuit.end(next_admitted(&circuit), letter);
    }
    circuit.tells(&["closed -> open: 3 of 5 calls failed, open for 30s"]);
    assert_eq!(
        circuit.look().attempt,
        2,
        "it had closed for less than the break"
    );
}

// D6, B1
#[test]
fn a_streak_grows_and_ends_while_ramping() {
    let circuit = ramping_with(|c| c.consecutive_failures(3));
    for (letter, streak) in [('f', 1), ('f', 2), ('s', 0), ('f', 1), ('f', 2)] {
        circuit.end(next_admitted(&circuit), letter);
        assert_eq!(circuit.look().consecutive_failures, streak);
        assert_eq!(circuit.look().ramp_share, 0.1, "the ramp goes on");
    }
    circuit.wait(secs(10));
    circuit.play("f");
    circuit.is(State::Open);
}

// D6, A7
#[test]
fn a_ramp_starts_over_with_the_next_recovery() {
    let circuit = ramping();
    circuit.wait(secs(9));
    next_admitted(&circuit).finish(Outcome::TripNow);
    circuit.is(State::Open);
    assert_eq!(circuit.look().ramp_share, 1.0, "no ramp while open");
    circuit.wait_out();
    circuit.play("s");
    assert_eq!(circuit.look().ramp_share, 0.1);
}

// D6, E2
#[test]
fn a_person_admits_everything_at_once() {
    let by_reset = ramping();
    by_reset.circuit.reset();
    let by_release = ramping();
    by_release.circuit.force_open();
    by_release.circuit.release();
    let by_mode = ramping();
    by_mode.circuit.set_mode(Mode::Disabled);
    for circuit in [by_reset, by_release, by_mode] {
        assert_eq!(circuit.look().ramp_share, 1.0);
        assert_eq!(admitted(&circuit.circuit), 1_000);
    }
}

// D6
#[test]
fn a_new_circuit_does_not_ramp() {
    let circuit = Fixture::new(|c| c.ramp(secs(10), 0.1));
    assert_eq!(circuit.look().ramp_share, 1.0);
    assert_eq!(admitted(&circuit.circuit), 1_000);
}

// D6, E1
#[test]
fn in_shadow_the_ramp_rejects_nobody() {
    let circuit = ramping();
    circuit.circuit.set_mode(Mode::Shadow);
    assert_eq!(admitted(&circuit.circuit), 1_000);
    let totals = circuit.totals();
    about(totals.shadowed, 900);
    assert_eq!(totals.rejected, 0);
}

// D6
#[test]
fn the_longest_and_the_shortest_ramp_are_safe() {
    let circuit = fragile_after_break(|c| c.ramp(Duration::MAX, 0.1));
    circuit.play("s");
    circuit.wait(millis(1));
    about(admitted(&circuit.circuit), 100);
    circuit.wait(Duration::MAX);
    assert!(circuit.look().ramp_share <= 1.0);

    let circuit = fragile_after_break(|c| c.ramp(NANO, 0.000_001));
    circuit.play("s s");
    circuit.play("x");
    circuit.wait(NANO);
    circuit.play("s");
}
