//! What trips a closed circuit, and what does not (rules B1 to B7).

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::support::{Fixture, NANO, SLOW, millis, secs};
use tower_breaker::{Cause, CircuitBuilder, State, WindowCounts};

// ---- B1: consecutive failures ------------------------------------------------------------------

// B1: so that one connection that drops under fifty calls is no outage.
#[test]
fn failures_in_a_row_may_have_to_span_a_time() {
    let circuit = Fixture::new(|c| c.consecutive_failures(5).consecutive_failures_span(secs(1)));
    circuit.play_times(50, "f");
    circuit.wait(secs(1) - NANO);
    circuit.play("f");
    circuit.is(State::Closed);
    circuit.wait(NANO);
    circuit.play("f");
    circuit.tells(&["closed -> open: 52 consecutive failures, open for 30s"]);
}

// B1: both hold.
#[test]
fn a_span_alone_trips_nothing_and_a_success_starts_it_over() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).consecutive_failures_span(secs(1)));
    circuit.play("f");
    circuit.wait(secs(100));
    circuit.play("f");
    circuit.is(State::Closed);
    circuit.play("s f");
    circuit.wait(secs(1) - NANO);
    circuit.play("f f f");
    circuit.is(State::Closed);
    circuit.wait(NANO);
    circuit.play("f");
    circuit.is(State::Open);
}

// B1, D5: each stay in closed begins anew.
#[test]
fn a_span_does_not_reach_back_before_the_circuit_closed() {
    let circuit = Fixture::new(|c| {
        c.consecutive_failures(2)
            .consecutive_failures_span(secs(1))
            .open_for(secs(5))
    });
    circuit.play("f");
    circuit.wait(secs(1));
    circuit.play("f");
    circuit.wait_out();
    circuit.play("s f f f");
    circuit.is(State::Closed);
    circuit.wait(secs(1));
    circuit.play("f");
    circuit.is(State::Open);
}

// B1
#[test]
fn the_nth_failure_in_a_row_trips_and_not_one_sooner() {
    for n in 1..=20 {
        let circuit = Fixture::new(|c| c.consecutive_failures(n));
        for failures in 1..n {
            circuit.play("f");
            assert_eq!(circuit.look().consecutive_failures, u64::from(failures));
        }
        circuit.is(State::Closed);
        circuit.play("f x");
        assert_eq!(
            circuit.look().last_trip.map(|trip| trip.cause),
            Some(Cause::ConsecutiveFailures(n.into()))
        );
    }
}

// B1
#[test]
fn a_success_starts_the_streak_over_every_time() {
    let circuit = Fixture::new(|c| c.consecutive_failures(5));
    circuit.play_times(1_000, "ffff s");
    circuit.tells_nothing();
    assert_eq!(circuit.look().consecutive_failures, 0);
    circuit.play("fffff");
    circuit.tells(&["closed -> open: 5 consecutive failures, open for 30s"]);
}

// B1
#[test]
fn a_slow_success_starts_the_streak_over_too() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).slow_call_duration(SLOW));
    circuit.play("ff S ff s ff");
    circuit.is(State::Closed);
}

// B1
#[test]
fn the_streak_takes_results_in_the_order_they_come_in() {
    let circuit = Fixture::new(|c| c.consecutive_failures(2));
    let (first, second, third) = (circuit.admit(), circuit.admit(), circuit.admit());
    third.failure();
    second.success();
    first.failure();
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.is(State::Open);
}

// B1
#[test]
fn time_does_not_end_a_streak() {
    let circuit = Fixture::new(|c| c.consecutive_failures(2));
    circuit.play("f");
    circuit.wait(secs(1_000_000));
    circuit.play("f");
    circuit.is(State::Open);
}

// ---- B2: the count window ----------------------------------------------------------------------

fn never(c: CircuitBuilder) -> CircuitBuilder {
    c.trip_when(|_| false)
}

// B2
#[test]
fn a_window_of_ten_takes_five_failures_even_after_ten_thousand_successes() {
    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(0.5).minimum_calls(10));
    circuit.play_times(10_000, "s");
    circuit.play("ffff");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 5 of 10 calls failed, open for 30s"]);
}

// B2
#[test]
fn the_oldest_leaves_as_a_new_one_enters() {
    let circuit = Fixture::new(|c| c.count_window(4).failure_rate(0.5).minimum_calls(4));
    circuit.play("f sss");
    assert_eq!(circuit.window(), (4, 1, 0));
    circuit.play("f");
    assert_eq!(circuit.window(), (4, 1, 0), "the first failure has left");
    circuit.play("f");
    circuit.tells(&["closed -> open: 2 of 4 calls failed, open for 30s"]);
}

// B2
#[test]
fn one_failure_in_a_whole_window_never_adds_up() {
    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(0.2).minimum_calls(10));
    circuit.play("s");
    circuit.play_times(2_000, "sssssssss f");
    circuit.tells_nothing();
    assert_eq!(circuit.window(), (10, 1, 0));
}

// B2
#[test]
fn a_window_of_one_is_the_last_call() {
    let circuit = Fixture::new(|c| never(c.count_window(1)));
    circuit.play("fff s");
    assert_eq!(circuit.window(), (1, 0, 0));
    circuit.play("f");
    assert_eq!(circuit.window(), (1, 1, 0));
}

/// Letters that look random and are the same every time.
fn letters(seed: u64) -> impl Iterator<Item = char> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Runs of several hundred successes, and others without one.
        let successes = if state >> 55 & 1 == 0 { 2 } else { 14 };
        match state >> 60 {
            draw if draw < successes => 's',
            draw if draw % 4 == 0 => 'f',
            draw if draw % 4 == 1 => 'S',
            draw if draw % 4 == 2 => 'F',
            _ => 'i',
        }
    })
}

/// The same window, written down call by call.
#[derive(Default)]
struct Naive(VecDeque<char>);

impl Naive {
    fn record(&mut self, letter: char, size: usize) {
        self.0.extend((letter != 'i').then_some(letter));
        while self.0.len() > size {
            self.0.pop_front();
        }
    }

    fn counts(&self) -> (u64, u64, u64) {
        let count = |which: fn(&char) -> bool| {
            let count = self.0.iter().copied().filter(which).count();
            u64::try_from(count).expect("a count")
        };
        let failed = count(|letter| letter.eq_ignore_ascii_case(&'f'));
        (count(|_| true), failed, count(char::is_ascii_uppercase))
    }
}

// B2
#[test]
fn the_window_is_the_last_n_calls_for_ever() {
    for size in [1u32, 2, 3, 7, 16, 100] {
        let circuit = Fixture::new(|c| never(c.count_window(size).slow_call_duration(SLOW)));
        let mut naive = Naive::default();
        for (position, letter) in letters(u64::from(size)).take(5_000).enumerate() {
            circuit.end(circuit.admit(), letter);
            naive.record(letter, size as usize);
            assert_eq!(circuit.window(), naive.counts(), "{size}: call {position}");
        }
    }
}

// ---- B3: the time window -----------------------------------------------------------------------

/// Ten seconds in ten buckets, and a clock that stands at the beginning of a bucket.
fn ten_seconds(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Fixture {
    Fixture::new(|c| configure(c.time_window(secs(10))))
}

// B3
#[test]
fn a_call_leaves_with_its_bucket() {
    let circuit = ten_seconds(never);
    circuit.play("f s");
    circuit.wait(secs(10) - NANO);
    assert_eq!(circuit.window(), (2, 1, 0));
    circuit.wait(NANO);
    assert_eq!(
        circuit.window(),
        (0, 0, 0),
        "though nothing was recorded since"
    );
}

// B3
#[test]
fn calls_of_one_bucket_leave_together() {
    let circuit = ten_seconds(never);
    circuit.play("f");
    circuit.wait(millis(999));
    circuit.play("f");
    circuit.wait(millis(1));
    circuit.play("f");
    assert_eq!(circuit.window(), (3, 3, 0));
    circuit.wait(secs(9));
    assert_eq!(circuit.window(), (1, 1, 0));
    circuit.wait(secs(1));
    assert_eq!(circuit.window(), (0, 0, 0));
}

// B3
#[test]
fn the_number_of_buckets_is_how_finely_it_rolls() {
    let circuit = ten_seconds(|c| never(c.time_window_buckets(100)));
    circuit.play("f");
    circuit.wait(millis(100));
    circuit.play("f");
    circuit.wait(millis(9_900));
    assert_eq!(circuit.window(), (1, 1, 0));

    let circuit = ten_seconds(|c| never(c.time_window_buckets(1)));
    circuit.wait(secs(6));
    circuit.play("f");
    circuit.wait(secs(7) - NANO);
    assert_eq!(circuit.window(), (1, 1, 0));
    circuit.wait(NANO);
    assert_eq!(circuit.window(), (0, 0, 0));
}

// B3
#[test]
fn a_call_counts_when_it_is_recorded_not_when_it_began() {
    let circuit = ten_seconds(never);
    let long = circuit.admit();
    circuit.wait(secs(25));
    long.failure();
    assert_eq!(circuit.window(), (1, 1, 0));
    circuit.wait(secs(5) - NANO);
    assert_eq!(circuit.window(), (1, 1, 0));
}

// B3, B4
#[test]
fn failures_that_have_expired_do_not_trip() {
    let circuit = ten_seconds(|c| c.failure_rate(0.5).minimum_calls(4));
    circuit.play("fff");
    circuit.wait(secs(10));
    circuit.play("f");
    circuit.is(State::Closed);
    circuit.play("ff");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 4 of 4 calls failed, open for 30s"]);
}

// B3, B4
#[test]
fn failures_that_have_not_expired_trip() {
    let circuit = ten_seconds(|c| c.failure_rate(0.5).minimum_calls(4));
    circuit.play("fff");
    circuit.wait(secs(10) - NANO);
    circuit.play("f");
    circuit.is(State::Open);
}

// B3
#[test]
fn successes_expire_from_a_time_window_too() {
    let circuit = ten_seconds(|c| c.failure_rate(0.5).minimum_calls(2));
    circuit.play_times(1_000, "s");
    circuit.wait(secs(5));
    circuit.play("ff");
    circuit.is(State::Closed);
    circuit.wait(secs(5));
    circuit.play("f");
    circuit.tells(&["closed -> open: 3 of 3 calls failed, open for 30s"]);
}

// B3
#[test]
fn a_time_window_counts_slow_calls() {
    let circuit = ten_seconds(|c| never(c.slow_call_duration(SLOW)));
    circuit.play("S F s f");
    assert_eq!(circuit.window(), (4, 2, 2));
}

// ---- B4: rates ---------------------------------------------------------------------------------

// B4
#[test]
fn a_rate_holds_only_once_there_are_enough_calls() {
    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(0.5).minimum_calls(5));
    circuit.play("ffff");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 5 of 5 calls failed, open for 30s"]);
}

// B4
#[test]
fn the_threshold_itself_trips_and_less_does_not() {
    let circuit = Fixture::new(|c| c.count_window(200).failure_rate(0.5).minimum_calls(200));
    circuit.play_times(101, "s");
    circuit.play_times(99, "f");
    assert_eq!(circuit.window(), (200, 99, 0), "49.5 %");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 100 of 200 calls failed, open for 30s"]);
}

// B4
#[test]
fn every_whole_percentage_means_what_it_says() {
    for percent in 1..=100u32 {
        let share = f64::from(percent) / 100.0;
        let circuit = Fixture::new(|c| c.count_window(100).failure_rate(share).minimum_calls(100));
        circuit.play_times(101 - percent as usize, "s");
        circuit.play_times(percent as usize - 1, "f");
        circuit.is(State::Closed);
        circuit.play("f");
        let failed = percent.into();
        let cause = Cause::FailureRate { failed, calls: 100 };
        assert_eq!(circuit.look().last_trip.map(|trip| trip.cause), Some(cause));
    }
}

// B4
#[test]
fn a_fast_success_never_opens() {
    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(0.5).minimum_calls(4));
    circuit.play("fff s");
    assert_eq!(circuit.window(), (4, 3, 0));
    circuit.is(State::Closed);
    circuit.play("ss f");
    circuit.tells(&["closed -> open: 4 of 7 calls failed, open for 30s"]);
}

// B4
#[test]
fn a_slow_success_is_a_reason_to_look() {
    let circuit = Fixture::new(|c| {
        c.count_window(10)
            .failure_rate(0.5)
            .minimum_calls(4)
            .slow_call_duration(SLOW)
    });
    circuit.play("fff S");
    circuit.tells(&["closed -> open: 3 of 4 calls failed, open for 30s"]);
}

fn slow_calls(c: CircuitBuilder) -> CircuitBuilder {
    c.count_window(4).minimum_calls(4).slow_call_duration(SLOW)
}

// B4
#[test]
fn slow_successes_trip_the_slow_rate() {
    let circuit = Fixture::new(|c| slow_calls(c).slow_call_rate(0.5));
    circuit.play("ss S");
    circuit.is(State::Closed);
    circuit.play("S");
    circuit.tells(&["closed -> open: 2 of 4 calls were slow, open for 30s"]);
}

// B4
#[test]
fn a_slow_rate_beside_a_streak_watches_no_failure_rate() {
    let circuit = Fixture::new(|c| {
        let streak = c.consecutive_failures(3);
        streak.slow_call_duration(SLOW).slow_call_rate(0.5)
    });
    circuit.play_times(1_000, "fs");
    circuit.tells_nothing();
}

// Nobody who watches for slow calls wants to be deaf to failures.
#[test]
fn a_slow_rate_alone_leaves_failures_to_the_default() {
    let circuit = Fixture::new(|c| c.slow_call_duration(SLOW).slow_call_rate(0.5));
    circuit.play_times(19, "f");
    circuit.tells_nothing();
    circuit.play("f");
    circuit.is(State::Open);
}

// B4
#[test]
fn a_failure_rate_alone_watches_no_slow_calls() {
    let circuit = Fixture::new(|c| slow_calls(c).failure_rate(0.5));
    circuit.play_times(1_000, "S");
    circuit.tells_nothing();
}

// B4
#[test]
fn the_rates_do_not_add_up() {
    let circuit = Fixture::new(|c| slow_calls(c).failure_rate(0.5).slow_call_rate(0.5));
    circuit.play_times(1_000, "f S s s");
    circuit.tells_nothing();
    circuit.play("F");
    circuit.tells(&["closed -> open: 2 of 4 calls were slow, open for 30s"]);
}

// B4
#[test]
fn a_rate_is_looked_at_with_a_time_window_the_same_way() {
    let circuit = ten_seconds(|c| c.failure_rate(0.07).minimum_calls(100));
    circuit.play_times(94, "s");
    circuit.play_times(7, "f");
    assert_eq!(circuit.window(), (101, 7, 0), "6.93 %");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 8 of 102 calls failed, open for 30s"]);
}

// B4
#[test]
fn by_default_half_of_at_least_twenty_calls_trips() {
    let circuit = Fixture::new(|c| c);
    circuit.play_times(19, "f");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 20 of 20 calls failed, open for 30s"]);
}

// B4
#[test]
fn a_small_window_is_enough_by_default() {
    let circuit = Fixture::new(|c| c.count_window(3));
    circuit.play("ff");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.is(State::Open);
}

// B4
#[test]
fn the_default_window_holds_a_hundred_calls() {
    let circuit = Fixture::new(|c| c);
    circuit.play_times(200, "s");
    circuit.play_times(49, "f");
    circuit.tells_nothing();
    circuit.play("f");
    circuit.tells(&["closed -> open: 50 of 100 calls failed, open for 30s"]);
}

// ---- B5: together ------------------------------------------------------------------------------

fn both() -> Fixture {
    Fixture::new(|c| {
        c.consecutive_failures(3)
            .count_window(10)
            .failure_rate(0.5)
            .minimum_calls(8)
    })
}

// B5
#[test]
fn a_streak_trips_before_the_rate() {
    let circuit = both();
    circuit.play("s f s fff");
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 30s"]);
}

// B5
#[test]
fn a_rate_trips_without_a_streak() {
    let circuit = both();
    circuit.play("s f s f s f s f");
    circuit.tells(&["closed -> open: 4 of 8 calls failed, open for 30s"]);
}

// B5
#[test]
fn when_both_hold_at_once_there_is_one_trip() {
    let circuit = both();
    circuit.play("s f s ff s ff");
    assert_eq!(circuit.told().len(), 1);
}

// B5
#[test]
fn only_the_policies_that_are_named_hold() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3));
    circuit.play_times(1_000, "ff s");
    circuit.tells_nothing();
    assert_eq!(circuit.look().window, None);

    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(1.0).minimum_calls(10));
    circuit.play_times(1_000, "fffffffff s");
    circuit.tells_nothing();
    assert_eq!(circuit.look().consecutive_failures, 0);
}

fn beside_a_streak(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Fixture {
    Fixture::new(|c| configure(c.consecutive_failures(1_000)))
}

// B5
#[test]
fn whatever_looks_at_a_window_beside_a_streak_gets_one() {
    let failures = beside_a_streak(|c| c.failure_rate(0.5));
    failures.play_times(20, "f");
    failures.tells(&["closed -> open: 20 of 20 calls failed, open for 30s"]);
    let slow = beside_a_streak(|c| c.slow_call_duration(SLOW).slow_call_rate(0.5));
    slow.play_times(20, "S");
    slow.tells(&["closed -> open: 20 of 20 calls were slow, open for 30s"]);
    let own = beside_a_streak(|c| c.trip_when(|counts| counts.failed == 20));
    own.play_times(20, "f");
    own.tells(&["closed -> open: a custom policy, open for 30s"]);
}

// B5
#[test]
fn a_window_that_is_named_beside_a_streak_asks_for_the_default_rate() {
    let count = beside_a_streak(|c| c.count_window(20));
    count.play_times(20, "f");
    count.is(State::Open);
    let time = beside_a_streak(|c| c.time_window(secs(10)));
    time.play_times(20, "f");
    time.is(State::Open);
}

// ---- B7: custom policies -----------------------------------------------------------------------

// B7
#[test]
fn a_custom_policy_decides_on_the_counts() {
    let circuit = Fixture::new(|c| {
        c.count_window(10)
            .minimum_calls(1)
            .slow_call_duration(SLOW)
            .trip_when(|counts| counts.failed + 2 * counts.slow >= 5)
    });
    circuit.play("s f S f s");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: a custom policy, open for 30s"]);
    let Some(Cause::CustomPolicy(counts)) = circuit.look().last_trip.map(|trip| trip.cause) else {
        panic!("another cause");
    };
    assert_eq!((counts.calls, counts.failed, counts.slow), (6, 3, 1));
    assert!((counts.failure_rate() - 0.5).abs() < 1e-9);
    assert!((counts.slow_call_rate() - 1.0 / 6.0).abs() < 1e-9);
}

// B7
#[test]
fn a_custom_policy_is_asked_like_a_rate() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let circuit = Fixture::new(|c| {
        c.count_window(4)
            .minimum_calls(3)
            .slow_call_duration(SLOW)
            .trip_when(move |counts: &WindowCounts| {
                let counts = (counts.calls, counts.failed, counts.slow);
                heard.lock().expect("a log").push(counts);
                false
            })
    });
    let asks = |script: &str| {
        circuit.play(script);
        std::mem::take(&mut *asked.lock().expect("a log"))
    };
    assert_eq!(asks("s f"), [], "not enough calls");
    assert_eq!(
        asks("s i d"),
        [],
        "a fast success, and calls that are not recorded"
    );
    assert_eq!(asks("f"), [(4, 2, 0)]);
    assert_eq!(asks("S"), [(4, 2, 1)]);
    assert_eq!(asks("F"), [(4, 2, 2)]);
}

// B7, B5
#[test]
fn a_custom_policy_joins_the_others() {
    let build = || {
        Fixture::new(|c| {
            c.consecutive_failures(3)
                .count_window(10)
                .minimum_calls(1)
                .failure_rate(0.5)
                .trip_when(|counts| counts.failed >= 4)
        })
    };
    let circuit = build();
    circuit.play("sssss fff");
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 30s"]);
    let circuit = build();
    circuit.play("sssss ff s f s f");
    circuit.tells(&["closed -> open: a custom policy, open for 30s"]);
    let circuit = build();
    circuit.play("s f");
    circuit.tells(&["closed -> open: 1 of 2 calls failed, open for 30s"]);
}

// B7
#[test]
fn a_custom_policy_alone_watches_nothing_else() {
    let circuit = Fixture::new(|c| never(c.count_window(10)));
    circuit.play_times(1_000, "f");
    circuit.tells_nothing();
}

// B4: where they are not watched, it is not none.
#[test]
fn the_rate_of_slow_calls_is_known_where_they_are_watched() {
    let windows: [fn(CircuitBuilder) -> CircuitBuilder; 2] =
        [|c| c.count_window(10), |c| c.time_window(secs(10))];
    for window in windows {
        let plain = Fixture::new(|c| never(window(c).minimum_calls(1)));
        let watched = Fixture::new(|c| never(window(c).minimum_calls(1).slow_call_duration(SLOW)));
        for (circuit, rate) in [(plain, None), (watched, Some(0.0))] {
            circuit.play("s");
            assert_eq!(circuit.look().slow_call_rate(), rate);
        }
    }
}

// B7
#[test]
fn a_panicking_policy_does_not_trip_and_harms_nobody() {
    let calls = AtomicU64::new(0);
    let circuit = Fixture::new(|c| {
        c.count_window(10).minimum_calls(1).trip_when(move |_| {
            assert!(calls.fetch_add(1, Ordering::Relaxed) >= 3, "no idea");
            true
        })
    });
    circuit.play("fff");
    circuit.tells_nothing();
    assert_eq!(circuit.window(), (3, 3, 0), "each was recorded");
    assert_eq!(circuit.totals().failed, 3);
    circuit.play("f");
    circuit.tells(&["closed -> open: a custom policy, open for 30s"]);
}

// B7, B5
#[test]
fn a_panicking_policy_leaves_the_others_alone() {
    let circuit = Fixture::new(|c| {
        c.consecutive_failures(3)
            .count_window(10)
            .minimum_calls(1)
            .trip_when(|_| panic!("no idea"))
    });
    circuit.play("fff");
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 30s"]);
}
