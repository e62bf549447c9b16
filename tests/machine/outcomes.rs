//! What the end of a call means: ignored, slow, abandoned, panicked, and trip now (rules A2 to A5,
//! A7).

use std::{future::pending, time::Duration};

use crate::support::{Fixture, NANO, SLOW, fragile, fragile_after_break, panic_of, secs};
use tower_breaker::{AbandonedPolicy, Cause, Circuit, Mode, OpenFor, Outcome, State};

// ---- A2: ignored -------------------------------------------------------------------------------

// A2
#[test]
fn ignored_calls_enter_no_window() {
    let circuit = Fixture::new(|c| c.count_window(4).failure_rate(0.5).minimum_calls(2));
    circuit.play("i i i f i i i");
    assert_eq!(circuit.window(), (1, 1, 0));
    circuit.is(State::Closed);
    assert_eq!(circuit.totals().ignored, 6);
}

// A2
#[test]
fn ignored_calls_push_nothing_out_of_the_window() {
    let circuit = Fixture::new(|c| c.count_window(4).failure_rate(0.5).minimum_calls(4));
    circuit.play("s s f");
    circuit.play_times(100, "i");
    circuit.play("f");
    circuit.tells(&["closed -> open: 2 of 4 calls failed, open for 30s"]);
}

// A2
#[test]
fn ignored_calls_neither_extend_nor_end_a_streak() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3));
    circuit.play("f i f i i");
    assert_eq!(circuit.look().consecutive_failures, 2);
    circuit.play("f");
    circuit.is(State::Open);
}

// A2, A3
#[test]
fn ignored_calls_are_not_slow_however_long_they_take() {
    let circuit = Fixture::new(|c| {
        c.count_window(10)
            .slow_call_duration(SLOW)
            .slow_call_rate(0.1)
            .minimum_calls(1)
    });
    let call = circuit.admit();
    circuit.wait(SLOW * 10);
    call.ignore();
    circuit.is(State::Closed);
    assert_eq!(circuit.window(), (0, 0, 0));
    assert_eq!(circuit.totals().slow, 0);
}

// A2
#[test]
fn an_ignored_probe_gives_its_permit_back_and_decides_nothing() {
    let circuit = fragile_after_break(|c| c);
    circuit.play_times(100, "i");
    circuit.is(State::HalfOpen);
    circuit.tells(&["open -> half-open: the wait is over, the next call is a probe"]);
    circuit.play("s");
    circuit.tells(&["half-open -> closed: the probes succeeded"]);
}

// A2
#[test]
fn an_ignored_probe_does_not_spare_the_next_one() {
    let circuit = fragile_after_break(|c| c);
    circuit.play("i f");
    circuit.is(State::Open);
}

// A2
#[test]
fn an_answered_probe_closes_the_circuit() {
    let circuit = fragile_after_break(|c| c);
    circuit.play("a");
    circuit.is(State::Closed);
    assert_eq!(circuit.totals().successful, 1);
    assert_eq!(circuit.totals().ignored, 0);
}

// A2
#[test]
fn an_answered_probe_is_one_of_those_that_are_needed() {
    let circuit = fragile_after_break(|c| c.probes(2, 3));
    circuit.play("a f a");
    circuit.is(State::Closed);
}

// A2: an error can be an answer, and a response can be none.
#[tokio::test]
async fn the_classifier_alone_says_what_is_an_answer() {
    let circuit = fragile_after_break(|c| c);
    let ignore = |_: Result<&(), &()>| Outcome::Ignored;
    let result = circuit.circuit.call_with(ignore, async { Ok(()) }).await;
    assert!(result.is_ok());
    circuit.is(State::HalfOpen);
    let answered = |_: Result<&(), &()>| Outcome::Answered;
    let result = circuit.circuit.call_with(answered, async { Err(()) }).await;
    assert!(result.is_err());
    circuit.is(State::Closed);
}

// A1: an error has no end to wait for.
#[tokio::test]
async fn an_error_that_is_left_to_the_end_is_a_failure() {
    let circuit = Fixture::new(|c| c.consecutive_failures(2));
    let at_end = |_: Result<&(), &()>| Outcome::RequiresEos;
    let _ = circuit.circuit.call_with(at_end, async { Err(()) }).await;
    let _ = circuit.circuit.call_with(at_end, async { Ok(()) }).await;
    assert_eq!(
        (circuit.totals().failed, circuit.totals().successful),
        (1, 1)
    );
}

// A2
#[test]
fn answered_is_neutral_in_closed() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3));
    circuit.play("f f a f");
    circuit.is(State::Open);
    assert_eq!(circuit.totals().ignored, 1);

    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(0.5).minimum_calls(2));
    circuit.play("f a a a a a a");
    assert_eq!(circuit.window(), (1, 1, 0));
}

// A2, C4: late, it decides nothing for a later era.
#[test]
fn an_answered_probe_of_an_earlier_era_proves_nothing() {
    let circuit = fragile_after_break(|c| c);
    let probe = circuit.admit();
    circuit.circuit.trip(secs(5)).expect("in normal mode");
    probe.finish(Outcome::Answered);
    circuit.is(State::Open);
    assert_eq!(circuit.totals().stale, 1);
}

// A2, D3
#[test]
fn an_answered_probe_must_be_fast_where_slow_calls_are_watched() {
    let circuit = fragile_after_break(|c| c.slow_call_duration(SLOW).slow_call_rate(1.0));
    circuit.play("A");
    circuit.is(State::Open);
}

// ---- A3: slow ----------------------------------------------------------------------------------

fn watching_slow() -> Fixture {
    Fixture::new(|c| {
        c.count_window(10)
            .minimum_calls(10)
            .slow_call_duration(SLOW)
            .slow_call_rate(1.0)
    })
}

// A3
#[test]
fn slow_is_strictly_longer_than_the_limit() {
    let circuit = watching_slow();
    let call = circuit.admit();
    circuit.wait(SLOW);
    call.success();
    assert_eq!(circuit.window(), (1, 0, 0));
    assert_eq!(circuit.totals().slow, 0);

    let call = circuit.admit();
    circuit.wait(SLOW + NANO);
    call.success();
    assert_eq!(circuit.window(), (2, 0, 1));
    assert_eq!(circuit.totals().slow, 1);
}

// A3
#[test]
fn a_slow_failure_counts_in_both_rates() {
    let circuit = watching_slow();
    circuit.play("F");
    assert_eq!(circuit.window(), (1, 1, 1));
    circuit.play("f S s");
    assert_eq!(circuit.window(), (4, 2, 2));
    let totals = circuit.totals();
    assert_eq!((totals.successful, totals.failed, totals.slow), (2, 2, 2));
}

// A3
#[test]
fn nothing_is_slow_where_no_limit_is_set() {
    let circuit = Fixture::new(|c| c.count_window(10));
    let call = circuit.admit();
    circuit.wait(secs(1_000_000));
    call.success();
    assert_eq!(circuit.window(), (1, 0, 0));
    assert_eq!(circuit.totals().slow, 0);
}

// A3
#[test]
fn the_longest_limit_is_never_passed() {
    let circuit = Fixture::new(|c| c.count_window(10).slow_call_duration(Duration::MAX));
    let call = circuit.admit();
    circuit.wait(Duration::MAX);
    call.success();
    assert_eq!(circuit.window(), (1, 0, 0));
}

// ---- A4: abandoned -----------------------------------------------------------------------------

// A4
#[test]
fn a_dropped_call_is_neutral() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).count_window(10));
    circuit.play("f d f d d");
    assert_eq!(circuit.look().consecutive_failures, 2);
    assert_eq!(circuit.window(), (2, 2, 0));
    assert_eq!(circuit.totals().abandoned, 3);
    circuit.tells_nothing();
}

/// What a circuit makes of a call that was dropped after so long: failed, abandoned, slow.
fn totals_of_drop(policy: AbandonedPolicy, after: Duration) -> (u64, u64, u64) {
    let circuit = Fixture::new(|c| {
        c.count_window(10)
            .slow_call_duration(SLOW)
            .abandoned(policy)
    });
    let call = circuit.admit();
    circuit.wait(after);
    drop(call);
    let totals = circuit.totals();
    let recorded = (totals.failed, totals.failed, totals.slow);
    assert_eq!(
        circuit.window(),
        recorded,
        "the window agrees with the totals"
    );
    (totals.failed, totals.abandoned, totals.slow)
}

// A4
#[test]
fn each_policy_judges_fast_and_slow_drops() {
    let neutral = (0, 1, 0);
    let failed = (1, 0, 0);
    let failed_slowly = (1, 0, 1);
    for (policy, at_the_limit, beyond) in [
        (AbandonedPolicy::Ignore, neutral, neutral),
        (AbandonedPolicy::Failure, failed, failed_slowly),
        (AbandonedPolicy::FailureIfSlow, neutral, failed_slowly),
    ] {
        assert_eq!(totals_of_drop(policy, SLOW), at_the_limit, "{policy:?}");
        assert_eq!(totals_of_drop(policy, SLOW + NANO), beyond, "{policy:?}");
    }
}

/// What a circuit that watches no slow calls makes of a call that was dropped after so long: failed,
/// abandoned, slow.
fn totals_of_drop_after(limit: Duration, after: Duration) -> (u64, u64, u64) {
    let circuit = Fixture::new(|c| c.abandoned(AbandonedPolicy::FailureAfter(limit)));
    let call = circuit.admit();
    circuit.wait(after);
    drop(call);
    let totals = circuit.totals();
    (totals.failed, totals.abandoned, totals.slow)
}

// A4
#[test]
fn an_abandoned_call_can_be_a_failure_after_a_time_of_its_own() {
    let limit = secs(2);
    assert_eq!(totals_of_drop_after(limit, limit - NANO), (0, 1, 0));
    assert_eq!(totals_of_drop_after(limit, limit), (1, 0, 0));
    // An answer may take longer, and is not slow.
    let circuit = Fixture::new(|c| c.abandoned(AbandonedPolicy::FailureAfter(limit)));
    circuit.play("S");
    let call = circuit.admit();
    circuit.wait(3 * limit);
    call.success();
    assert_eq!((circuit.totals().successful, circuit.totals().slow), (2, 0));
}

// A4, A3: slow is a question of its own.
#[test]
fn an_abandoned_call_that_failed_after_its_time_is_slow_past_the_slow_limit_only() {
    for (limit, slow) in [(SLOW / 2, 0), (2 * SLOW, 1)] {
        let circuit = Fixture::new(|c| {
            c.slow_call_duration(SLOW)
                .abandoned(AbandonedPolicy::FailureAfter(limit))
        });
        let call = circuit.admit();
        circuit.wait(limit);
        drop(call);
        assert_eq!((circuit.totals().failed, circuit.totals().slow), (1, slow));
    }
}

// A4: for a probe as for any other call.
#[test]
fn an_abandoned_probe_has_failed_after_that_time() {
    let circuit = fragile_after_break(|c| {
        c.abandoned(AbandonedPolicy::FailureAfter(secs(2)))
            .half_open_timeout(secs(8))
    });
    let probe = circuit.admit();
    circuit.wait(secs(2) - NANO);
    drop(probe);
    circuit.is(State::HalfOpen);
    let probe = circuit.admit();
    circuit.wait(secs(2));
    drop(probe);
    circuit.is(State::Open);
}

// A4, E5: from the next call on.
#[test]
fn the_time_after_which_an_abandoned_call_has_failed_can_be_changed() {
    let circuit = fragile(|c| c);
    let before = circuit.admit();
    let changed = circuit
        .circuit
        .reconfigure(|c| c.set_abandoned(AbandonedPolicy::FailureAfter(secs(2))));
    changed.expect("a number");
    let after = circuit.admit();
    circuit.wait(secs(2));
    drop(before);
    circuit.is(State::Closed);
    drop(after);
    circuit.is(State::Open);
}

// A4
#[test]
fn failure_if_slow_is_the_default() {
    let circuit = Fixture::new(|c| c.consecutive_failures(2).slow_call_duration(SLOW));
    circuit.play("d d D");
    circuit.is(State::Closed);
    circuit.play("D");
    circuit.tells(&["closed -> open: 2 consecutive failures, open for 30s"]);
}

// A4
#[test]
fn a_drop_is_never_slow_where_no_limit_is_set() {
    let circuit = fragile(|c| c);
    let call = circuit.admit();
    circuit.wait(secs(1_000_000));
    drop(call);
    circuit.is(State::Closed);
    assert_eq!(circuit.totals().abandoned, 1);
}

// A4
#[test]
fn a_dropped_probe_gives_its_permit_back() {
    let circuit = fragile_after_break(|c| c);
    circuit.play_times(100, "d");
    circuit.is(State::HalfOpen);
    circuit.play("s");
    circuit.is(State::Closed);
}

// A4
#[test]
fn a_probe_dropped_after_the_slow_limit_has_failed() {
    let circuit = fragile_after_break(|c| c.slow_call_duration(SLOW));
    let probe = circuit.admit();
    circuit.wait(SLOW);
    drop(probe);
    circuit.is(State::HalfOpen);

    circuit.play("D");
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: a probe failed, open for 5s",
    ]);
}

// A4
#[test]
fn without_a_slow_limit_a_dropped_probe_is_measured_by_the_half_open_timeout() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
    let probe = circuit.admit();
    circuit.wait(secs(8) - NANO);
    drop(probe);
    circuit.is(State::HalfOpen);

    let probe = circuit.admit();
    circuit.wait(secs(8) + NANO);
    drop(probe);
    circuit.is(State::Open);
    let totals = circuit.totals();
    assert_eq!((totals.abandoned, totals.failed), (1, 2));
}

// A4
#[test]
fn the_half_open_timeout_measures_no_probe_that_has_a_slow_limit() {
    let circuit =
        fragile_after_break(|c| c.slow_call_duration(secs(60)).half_open_timeout(secs(8)));
    let probe = circuit.admit();
    circuit.wait(secs(60));
    drop(probe);
    // It is no failure; but half-open has had no answer for too long.
    assert_eq!(
        (circuit.totals().abandoned, circuit.totals().failed),
        (1, 1)
    );
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: the probes were abandoned without an answer, open for 5s",
    ]);
}

// A4
#[test]
fn the_policy_holds_for_probes_too() {
    let never = fragile_after_break(|c| {
        c.slow_call_duration(SLOW)
            .abandoned(AbandonedPolicy::Ignore)
    });
    never.play("D D");
    never.is(State::HalfOpen);

    let always = fragile_after_break(|c| {
        c.slow_call_duration(SLOW)
            .abandoned(AbandonedPolicy::Failure)
    });
    always.play("d");
    always.is(State::Open);
}

// A4
#[tokio::test]
async fn a_call_dropped_before_its_first_poll_never_was() {
    let circuit = fragile_after_break(|c| c);
    drop(circuit.circuit.call(pending::<Result<(), ()>>()));
    circuit.is(State::Open);
    assert_eq!(circuit.totals().ended(), 1, "the call that tripped");
}

// A4
#[tokio::test]
async fn a_call_dropped_in_flight_is_abandoned() {
    let circuit = fragile(|c| c);
    let call = circuit.circuit.call(pending::<Result<(), ()>>());
    let mut call = tokio_test::task::spawn(call);
    assert!(call.poll().is_pending());
    assert_eq!(circuit.totals().ended(), 0);
    drop(call);
    assert_eq!(circuit.totals().abandoned, 1);
    circuit.is(State::Closed);
}

// ---- A5: panics --------------------------------------------------------------------------------

fn panics_in_the_call(circuit: &Circuit) -> String {
    let call = circuit.call(async { panic!("the dependency") as Result<(), ()> });
    panic_of(|| drop(tokio_test::block_on(call)))
}

// A5
#[test]
fn a_panic_in_the_call_is_a_failure_and_goes_on() {
    let circuit = fragile(|c| c);
    assert_eq!(panics_in_the_call(&circuit.circuit), "the dependency");
    circuit.tells(&["closed -> open: 1 failure, open for 5s"]);
    let totals = circuit.totals();
    assert_eq!((totals.failed, totals.ended()), (1, 1));
}

// A5
#[test]
fn a_panic_in_the_classifier_is_a_failure_and_goes_on() {
    let circuit = fragile(|c| c);
    let classifier = |_: Result<&(), &()>| -> Outcome { panic!("no idea") };
    let call = circuit.circuit.call_with(classifier, async { Ok(()) });
    let panic = panic_of(|| drop(tokio_test::block_on(call)));
    assert_eq!(panic, "no idea");
    circuit.is(State::Open);
    assert_eq!(circuit.totals().ended(), 1);
}

// A5
#[test]
fn a_panicking_probe_has_failed() {
    let circuit = fragile_after_break(|c| c);
    panics_in_the_call(&circuit.circuit);
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: a probe failed, open for 5s",
    ]);
}

/// Makes one call, successfully, while the thread is panicking for a reason of its own.
struct CallsInDrop<'a>(&'a Circuit);

impl Drop for CallsInDrop<'_> {
    fn drop(&mut self) {
        assert!(std::thread::panicking());
        let call = self.0.call(async { Ok::<_, ()>(()) });
        tokio_test::block_on(call).expect("a successful call");
    }
}

// A5: a guard sees nothing of its call, and takes any panic for its own; see `drops_and_panics`.
#[test]
fn somebody_elses_panic_is_no_failure() {
    let circuit = fragile(|c| c);
    let cleanup = || {
        let _cleanup = CallsInDrop(&circuit.circuit);
        let hangs = std::future::pending::<Result<(), ()>>();
        let mut unfinished = tokio_test::task::spawn(circuit.circuit.call(hangs));
        assert!(unfinished.poll().is_pending());
        panic!("somebody else");
    };
    assert_eq!(panic_of(cleanup), "somebody else");
    let totals = circuit.totals();
    assert_eq!((totals.successful, totals.abandoned), (1, 1));
    circuit.tells_nothing();
}

// A5, E4
#[test]
fn accounting_in_drop_survives_panicking_listeners_in_the_middle_of_a_panic() {
    let circuit = fragile(|c| {
        c.abandoned(AbandonedPolicy::Failure)
            .on_transition(|_, _| panic!("a listener"))
    });
    let abandon = || {
        let _abandoned = circuit.admit();
        panic!("the caller");
    };
    // A panic that left the destructor would abort the test.
    assert_eq!(panic_of(abandon), "the caller");
    circuit.is(State::Open);
}

// ---- A7: trip now, and retry after -------------------------------------------------------------

fn patient() -> Fixture {
    Fixture::new(|c| c.consecutive_failures(100).open_for(secs(5)))
}

fn ends(circuit: &Fixture, outcome: Outcome) {
    circuit.admit().finish(outcome);
}

// A7
#[test]
fn trip_now_opens_whatever_the_policy_says() {
    let circuit = patient();
    circuit.play("t");
    circuit.tells(&["closed -> open: a result that trips at once, open for 5s"]);
    assert_eq!(
        circuit.look().last_trip.map(|trip| trip.cause),
        Some(Cause::TripNow)
    );
    assert_eq!(circuit.totals().failed, 1);
    circuit.play("x");
}

// A7
#[test]
fn trip_now_opens_where_there_is_no_window_nor_streak() {
    let circuit = Fixture::new(|c| c.trip_when(|_| false));
    circuit.play("t");
    circuit.is(State::Open);
}

// A7, C1
#[test]
fn trip_for_opens_for_exactly_its_time() {
    let circuit = patient();
    ends(&circuit, Outcome::TripFor(secs(20)));
    circuit.tells(&["closed -> open: a result that trips at once, open for 20s"]);
    circuit.wait(secs(20) - NANO);
    circuit.play("x");
    circuit.wait(NANO);
    circuit.play("s");
    circuit.is(State::Closed);
}

// A7
#[test]
fn trip_for_may_be_shorter_than_the_usual_break() {
    let circuit = patient();
    ends(&circuit, Outcome::TripFor(secs(1)));
    assert_eq!(circuit.remaining(), secs(1));
}

// A7
#[test]
fn trip_for_is_safe_at_both_ends_of_time() {
    let circuit = patient();
    ends(&circuit, Outcome::TripFor(Duration::ZERO));
    circuit.is(State::Open);
    ends(&circuit, Outcome::TripFor(Duration::MAX));
    circuit.is(State::Open);
    circuit.wait(Duration::MAX);
    circuit.play("x");
}

// A7, D2
#[test]
fn a_probe_that_says_trip_now_reopens_though_a_failure_could_be_afforded() {
    let circuit = fragile_after_break(|c| c.probes(1, 3));
    circuit.play("f");
    circuit.is(State::HalfOpen);
    ends(&circuit, Outcome::TripFor(secs(20)));
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: a result that trips at once, open for 20s",
    ]);
    assert_eq!(circuit.look().attempt, 2);
}

// A7, E1
#[test]
fn trip_now_opens_in_shadow_and_not_in_disabled() {
    let circuit = patient();
    circuit.circuit.set_mode(Mode::Disabled);
    circuit.play("t");
    circuit.is(State::Closed);
    circuit.circuit.set_mode(Mode::Shadow);
    circuit.play("t");
    circuit.is(State::Open);
}

// A7
#[test]
fn retry_after_is_a_floor_of_the_break_it_begins() {
    let circuit = fragile(|c| c);
    ends(&circuit, Outcome::FailureRetryAfter(secs(20)));
    circuit.tells(&["closed -> open: 1 failure, open for 20s"]);
    circuit.wait(secs(20) - NANO);
    circuit.play("x");
    circuit.wait(NANO);
    ends(&circuit, Outcome::FailureRetryAfter(secs(21)));
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: a probe failed, open for 21s",
    ]);
}

// A7
#[test]
fn retry_after_shortens_no_break() {
    let circuit = fragile(|c| c);
    ends(&circuit, Outcome::FailureRetryAfter(secs(2)));
    assert_eq!(circuit.remaining(), secs(5));
}

// A7
#[test]
fn retry_after_is_above_the_maximum_of_the_backoff() {
    let growing = OpenFor::exponential(secs(1), 2.0, secs(4));
    let circuit = Fixture::new(|c| c.consecutive_failures(1).open_for(growing));
    ends(&circuit, Outcome::FailureRetryAfter(secs(20)));
    assert_eq!(circuit.remaining(), secs(20));
    circuit.wait_out();
    circuit.play("f");
    assert_eq!(circuit.remaining(), secs(2), "the second attempt");
}

// A7
#[test]
fn retry_after_never_trips_by_itself_and_is_forgotten() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).open_for(secs(5)));
    ends(&circuit, Outcome::FailureRetryAfter(Duration::MAX));
    ends(&circuit, Outcome::FailureRetryAfter(Duration::MAX));
    circuit.tells_nothing();
    circuit.play("f");
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
}

// A7, B4
#[test]
fn retry_after_counts_as_a_failure_in_the_window() {
    let circuit = Fixture::new(|c| c.count_window(4).failure_rate(0.5).minimum_calls(4));
    circuit.play("s s f");
    ends(&circuit, Outcome::FailureRetryAfter(secs(100)));
    circuit.tells(&["closed -> open: 2 of 4 calls failed, open for 100s"]);
}

// A7
#[test]
fn the_longest_retry_after_never_ends_until_somebody_resets() {
    let circuit = fragile(|c| c);
    ends(&circuit, Outcome::FailureRetryAfter(Duration::MAX));
    circuit.wait(secs(1_000_000_000));
    circuit.play("x");
    circuit.circuit.reset();
    circuit.play("s");
}
