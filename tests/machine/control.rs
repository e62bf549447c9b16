//! What a person does to a circuit: modes, trips, resets and new numbers (rules E1, E2, E3, E5).

use std::{mem::forget, time::Duration};

use crate::support::{Fixture, NANO, SLOW, fragile, fragile_after_break, secs};
use tower_breaker::{
    AbandonedPolicy, Cause, Circuit, ConfigError, Guard, Jitter, Mode, OpenFor, Outcome, Reason,
    Settings, State,
};

const MODES: [Mode; 4] = [Mode::Normal, Mode::ForcedOpen, Mode::Disabled, Mode::Shadow];

// ---- E1: modes ---------------------------------------------------------------------------------

// E1
#[test]
fn a_circuit_can_be_built_in_any_mode() {
    for mode in MODES {
        let circuit = fragile(|c| c.mode(mode));
        let forced = mode == Mode::ForcedOpen;
        assert_eq!(circuit.circuit.mode(), mode);
        circuit.is(if forced { State::Open } else { State::Closed });
        assert_eq!(circuit.circuit.try_acquire().is_err(), forced, "{mode}");
        let snapshot = circuit.look();
        assert_eq!((snapshot.era, snapshot.attempt), (0, u32::from(forced)));
        assert_eq!(
            (
                snapshot.last_trip.map(|trip| trip.cause),
                snapshot.remaining
            ),
            (None, None)
        );
        circuit.tells_nothing();
    }
}

// E1
#[test]
fn every_mode_can_be_left_for_every_other() {
    for (from, to) in MODES
        .into_iter()
        .flat_map(|from| MODES.map(|to| (from, to)))
    {
        let circuit = fragile(|c| c.mode(from));
        assert_eq!(circuit.circuit.set_mode(to), from != to, "{from} to {to}");
        assert_eq!(circuit.circuit.mode(), to);
        let told = circuit.told();
        assert_eq!(told.len(), usize::from(from != to), "{from} to {to}");
        for transition in told {
            assert_eq!((transition.mode_before, transition.mode), (from, to));
            assert_eq!(transition.cause, Cause::Manual);
            assert_eq!(transition.to, circuit.circuit.state());
        }
    }
}

// E1
#[test]
fn forced_open_stays_until_a_person_releases_it() {
    let circuit = fragile(|c| c);
    assert!(circuit.circuit.force_open());
    circuit.wait(secs(1_000_000_000));
    circuit.play("xxx");
    assert_eq!(circuit.reject().reason(), Reason::ForcedOpen);
    assert_eq!(circuit.look().remaining, None);
    assert!(circuit.circuit.release());
    circuit.play("s");
    circuit.tells(&[
        "closed -> open (normal -> forced open): by hand",
        "open -> closed (forced open -> normal): by hand",
    ]);
}

// E1
#[test]
fn disabled_admits_all_and_decides_nothing() {
    let circuit = fragile(|c| c.count_window(10).minimum_calls(1).mode(Mode::Disabled));
    circuit.play_times(100, "f t i d s");
    circuit.tells_nothing();
    assert_eq!(circuit.window(), (0, 0, 0));
    assert_eq!(circuit.look().consecutive_failures, 0);
    let totals = circuit.totals();
    assert_eq!((totals.successful, totals.failed), (100, 200));
    assert_eq!((totals.ignored, totals.abandoned), (100, 100));
    assert_eq!((totals.shadowed, totals.rejected), (0, 0));
}

// E1, C4
#[test]
fn what_disabled_admitted_decides_nothing_afterwards() {
    for mode in [Mode::Normal, Mode::Shadow] {
        let circuit = fragile(|c| c.mode(Mode::Disabled));
        let call = circuit.admit();
        circuit.circuit.set_mode(mode);
        circuit.told();
        call.failure();
        circuit.tells_nothing();
        circuit.play("f");
        circuit.is(State::Open);
    }
}

// E1
#[test]
fn disabling_closes_and_clears() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).count_window(10));
    circuit.play("ff");
    circuit.circuit.set_mode(Mode::Disabled);
    circuit.circuit.set_mode(Mode::Normal);
    assert_eq!(circuit.look().consecutive_failures, 0);
    assert_eq!(circuit.window(), (0, 0, 0));
    circuit.play("fff");
    circuit.circuit.set_mode(Mode::Disabled);
    circuit.tells(&[
        "closed -> closed (normal -> disabled): by hand",
        "closed -> closed (disabled -> normal): by hand",
        "closed -> open: 3 consecutive failures, open for 30s",
        "open -> closed (normal -> disabled): by hand",
    ]);
    circuit.play_times(10, "f");
}

// E1
#[test]
fn shadow_admits_all_and_reports_what_it_would_have_done() {
    let circuit = fragile(|c| c.mode(Mode::Shadow));
    circuit.play("s f s f");
    circuit.tells(&["closed -> open: 1 failure, open for 5s"]);
    circuit.wait(secs(5) - NANO);
    circuit.play("s");
    circuit.tells_nothing();
    circuit.wait(NANO);
    circuit.play("s");
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> closed: the probes succeeded",
    ]);
    let totals = circuit.totals();
    assert_eq!((totals.successful, totals.failed), (4, 2));
    assert_eq!((totals.shadowed, totals.rejected), (3, 0));
}

// E1
#[test]
fn what_only_shadow_let_pass_decides_nothing() {
    let circuit = fragile(|c| c.mode(Mode::Shadow).count_window(10));
    circuit.play("f");
    let while_open = circuit.admit();
    circuit.wait_out();
    let probe = circuit.admit();
    let beside_the_probe = circuit.admit();
    assert_eq!(circuit.totals().shadowed, 2);

    while_open.success();
    beside_the_probe.finish(Outcome::TripNow);
    circuit.is(State::HalfOpen);
    probe.success();
    circuit.is(State::Closed);
    assert_eq!(circuit.totals().stale, 0, "they belong to no era");
}

// E1, A3, A4
#[test]
fn what_only_shadow_let_pass_is_timed_for_the_totals() {
    let circuit = fragile(|c| c.mode(Mode::Shadow).slow_call_duration(SLOW));
    circuit.play("f S D s");
    let totals = circuit.totals();
    assert_eq!((totals.shadowed, totals.slow), (3, 2));
    assert_eq!((totals.successful, totals.failed), (2, 2));
}

// E1, D4
#[test]
fn shadow_times_probes_out_like_normal() {
    let circuit = fragile_after_break(|c| c.mode(Mode::Shadow).half_open_timeout(secs(8)));
    forget(circuit.admit());
    circuit.wait(secs(8));
    circuit.play("s");
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: the probes timed out, open for 5s",
    ]);
}

// E1
#[test]
fn between_normal_and_shadow_everything_goes_on() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).count_window(10).open_for(secs(5)));
    circuit.play("ff");
    let call = circuit.admit();
    circuit.wait(secs(3));
    let before = circuit.look();
    circuit.circuit.set_mode(Mode::Shadow);
    let after = circuit.look();
    assert_eq!(after.mode, Mode::Shadow);
    assert_eq!(after.era, before.era);
    assert_eq!(after.time_in_state, before.time_in_state);
    assert_eq!(after.window, before.window);
    assert_eq!(after.consecutive_failures, 2);
    call.failure();
    circuit.tells(&[
        "closed -> closed (normal -> shadow): by hand",
        "closed -> open: 3 consecutive failures, open for 5s",
    ]);
    circuit.wait(secs(4));
    circuit.play("s");
    circuit.circuit.set_mode(Mode::Normal);
    circuit.tells(&["open -> open (shadow -> normal): by hand, open for 5s"]);
    circuit.wait(secs(1) - NANO);
    circuit.play("x");
    circuit.wait(NANO);
    circuit.play("s");
}

// E1, D1
#[test]
fn a_probe_keeps_its_seat_when_the_mode_changes() {
    let circuit = fragile_after_break(|c| c.mode(Mode::Shadow));
    let probe = circuit.admit();
    let passing = circuit.admit();
    circuit.circuit.set_mode(Mode::Normal);
    circuit.play("x");
    passing.failure();
    circuit.play("x");
    probe.success();
    circuit.is(State::Closed);
}

// E1
#[test]
fn in_shadow_trip_now_and_slow_calls_are_judged_as_ever() {
    let circuit = Fixture::new(|c| {
        c.mode(Mode::Shadow)
            .count_window(10)
            .minimum_calls(2)
            .slow_call_duration(SLOW)
            .slow_call_rate(1.0)
    });
    circuit.play("SS");
    circuit.tells(&["closed -> open: 2 of 2 calls were slow, open for 30s"]);
    circuit.circuit.reset();
    circuit.play("t");
    circuit.is(State::Open);
}

// ---- E2: trip, force open, release, reset ------------------------------------------------------

// E2, C1
#[test]
fn a_trip_opens_for_its_time_and_recovers_by_itself() {
    let circuit = fragile(|c| c);
    circuit.circuit.trip(secs(20)).expect("normal mode");
    circuit.wait(secs(20) - NANO);
    circuit.play("x");
    circuit.wait(NANO);
    circuit.play("s");
    circuit.tells(&[
        "closed -> open: by hand, open for 20s",
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> closed: the probes succeeded",
    ]);
    assert_eq!(
        circuit.look().last_trip.map(|trip| trip.cause),
        Some(Cause::Manual)
    );
}

// E2
#[test]
fn a_trip_while_open_begins_a_new_break() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    circuit.wait(secs(4));
    circuit.circuit.trip(secs(2)).expect("normal mode");
    assert_eq!(circuit.remaining(), secs(2));
    circuit.circuit.trip(secs(200)).expect("normal mode");
    assert_eq!(circuit.remaining(), secs(200));
}

// E2, C4
#[test]
fn a_trip_while_half_open_makes_the_probes_stale() {
    let circuit = fragile_after_break(|c| c);
    let probe = circuit.admit();
    circuit.circuit.trip(secs(20)).expect("normal mode");
    probe.success();
    circuit.is(State::Open);
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: by hand, open for 20s",
    ]);
}

// E2
#[test]
fn a_trip_is_refused_in_forced_open_and_disabled() {
    for mode in [Mode::ForcedOpen, Mode::Disabled] {
        let circuit = fragile(|c| c.mode(mode));
        let before = circuit.look();
        let refused = circuit.circuit.trip(secs(20)).expect_err("a refusal");
        assert_eq!(refused.mode(), mode);
        assert_eq!(
            refused.to_string(),
            format!("a circuit that is {mode} cannot be tripped")
        );
        assert_eq!(circuit.look(), before);
        circuit.tells_nothing();
    }
}

// E2, E1
#[test]
fn a_trip_in_shadow_rejects_nobody() {
    let circuit = fragile(|c| c.mode(Mode::Shadow));
    circuit.circuit.trip(secs(20)).expect("shadow mode");
    circuit.is(State::Open);
    circuit.play("s s s");
    assert_eq!(circuit.circuit.mode(), Mode::Shadow);
}

// E2
#[test]
fn a_trip_is_safe_at_both_ends_of_time() {
    let circuit = fragile(|c| c);
    circuit.circuit.trip(Duration::ZERO).expect("normal mode");
    circuit.play("s");
    circuit.circuit.trip(Duration::MAX).expect("normal mode");
    circuit.wait(Duration::MAX);
    circuit.play("x");
}

// E2
#[test]
fn forcing_and_releasing_say_whether_they_changed_anything() {
    let circuit = fragile(|c| c);
    assert!(!circuit.circuit.release());
    circuit.tells_nothing();
    assert!(circuit.circuit.force_open());
    assert!(!circuit.circuit.force_open());
    assert_eq!(circuit.told().len(), 1);
    assert!(circuit.circuit.release());
    assert!(!circuit.circuit.release());
    assert_eq!(circuit.told().len(), 1);
}

// E2
#[test]
fn release_ends_nothing_but_forced_open() {
    for mode in [Mode::Disabled, Mode::Shadow] {
        let circuit = fragile(|c| c.mode(mode));
        assert!(!circuit.circuit.release());
        assert_eq!(circuit.circuit.mode(), mode);
    }
    let circuit = fragile(|c| c);
    circuit.play("f");
    assert!(!circuit.circuit.release());
    circuit.is(State::Open);
}

// E2
#[test]
fn release_closes_and_clears_whatever_was_before() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).count_window(10));
    circuit.play("fff");
    circuit.circuit.force_open();
    circuit.circuit.release();
    circuit.is(State::Closed);
    let snapshot = circuit.look();
    assert_eq!((snapshot.attempt, snapshot.consecutive_failures), (0, 0));
    assert_eq!(circuit.window(), (0, 0, 0));
    circuit.play("ff");
    circuit.is(State::Closed);
}

// E2
#[test]
fn reset_closes_and_clears_from_every_state() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).count_window(10).open_for(secs(5)));
    let cleared = || {
        circuit.circuit.reset();
        let snapshot = circuit.look();
        assert_eq!(snapshot.state, State::Closed);
        assert_eq!((snapshot.attempt, snapshot.consecutive_failures), (0, 0));
        assert_eq!(circuit.window(), (0, 0, 0));
        assert_eq!(snapshot.time_in_state, Duration::ZERO);
        circuit.told().last().expect("a transition").from
    };
    circuit.play("ff");
    assert_eq!(cleared(), State::Closed);
    circuit.play("fff");
    assert_eq!(cleared(), State::Open);
    circuit.play("fff");
    circuit.wait_out();
    let _probe = circuit.admit();
    assert_eq!(cleared(), State::HalfOpen);
    circuit.play("ff");
    circuit.is(State::Closed);
}

// E2
#[test]
fn reset_releases_forced_open_and_leaves_the_other_modes() {
    for mode in MODES {
        let circuit = fragile(|c| c.mode(mode));
        circuit.circuit.reset();
        let left = match mode {
            Mode::ForcedOpen => Mode::Normal,
            other => other,
        };
        assert_eq!(circuit.circuit.mode(), left);
        circuit.is(State::Closed);
        assert_eq!(circuit.told().len(), 1);
    }
}

// E2, E1: who forces a circuit open for a while finds it as it was.
#[test]
fn a_release_brings_back_the_mode_before() {
    for mode in [Mode::Normal, Mode::Shadow, Mode::Disabled] {
        let releases: [fn(&Circuit); 2] = [|circuit| assert!(circuit.release()), Circuit::reset];
        for release in releases {
            let circuit = fragile(|c| c.mode(mode));
            circuit.circuit.force_open();
            release(&circuit.circuit);
            assert_eq!(
                (circuit.circuit.mode(), circuit.circuit.state()),
                (mode, State::Closed)
            );
        }
    }
    let circuit = fragile(|c| c.mode(Mode::ForcedOpen));
    circuit.circuit.release();
    assert_eq!(circuit.circuit.mode(), Mode::Normal);
    circuit.circuit.set_mode(Mode::Shadow);
    circuit.circuit.force_open();
    circuit.circuit.set_mode(Mode::Disabled);
    assert_eq!(circuit.circuit.mode(), Mode::Disabled);
}

// E5: what is said as it is already is no change.
#[test]
fn settings_that_cannot_change_may_be_said_again() {
    let counting = Fixture::new(|c| c.count_window(50).jitter_seed(7).totals(true));
    change(&counting, |c| {
        c.set_count_window(50).set_jitter_seed(7).set_totals(true)
    });
    refuses(&counting, "count_window", |c| c.set_count_window(51));
    refuses(&counting, "time_window", |c| c.set_time_window(secs(1)));
    refuses(&counting, "jitter_seed", |c| c.set_jitter_seed(8));
    refuses(&counting, "totals", |c| c.set_totals(false));
    let timing = Fixture::new(|c| c.time_window(secs(60)).time_window_buckets(6));
    change(&timing, |c| {
        c.set_time_window(secs(60)).set_time_window_buckets(6)
    });
    refuses(&timing, "time_window", |c| c.set_time_window(secs(61)));
    refuses(&timing, "time_window_buckets", |c| {
        c.set_time_window_buckets(7)
    });
    refuses(&timing, "count_window", |c| c.set_count_window(100));
}

// F4
#[test]
fn each_time_it_opens_is_a_trip() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    circuit.wait_out();
    circuit.play("f");
    circuit.circuit.trip(secs(5)).expect("normal mode");
    circuit.circuit.force_open();
    assert_eq!(circuit.totals().trips, 4);
    circuit.circuit.release();
    circuit.circuit.set_mode(Mode::Shadow);
    circuit.play("f");
    assert_eq!(circuit.totals().trips, 5);
}

// E2, E1
#[test]
fn reset_in_shadow_clears_what_would_have_been() {
    let circuit = fragile(|c| c.mode(Mode::Shadow));
    circuit.play("f");
    circuit.circuit.reset();
    circuit.is(State::Closed);
    circuit.play("s");
    assert_eq!(circuit.totals().shadowed, 0);
}

// E2, F4
#[test]
fn totals_never_go_back() {
    let circuit = fragile(|c| c.count_window(10));
    circuit.play("s i d f xx");
    let before = circuit.totals();
    circuit.circuit.reset();
    circuit.circuit.force_open();
    circuit.circuit.release();
    circuit.circuit.set_mode(Mode::Disabled);
    circuit.circuit.set_mode(Mode::Normal);
    let after = circuit.totals();
    assert_eq!((after.ended(), after.rejected), (4, 2));
    assert_eq!((before.trips, after.trips), (1, 2));
}

// F4
#[test]
fn each_admitted_call_ends_exactly_once() {
    let circuit = fragile(|c| c.count_window(10).slow_call_duration(SLOW));
    let mut admitted = 0;
    for letter in "sfidSFDt".chars().cycle().take(8_000) {
        match circuit.circuit.try_acquire() {
            Ok(guard) => {
                admitted += 1;
                circuit.end(guard, letter);
            }
            Err(_) => circuit.wait(secs(1)),
        }
        assert_eq!(circuit.totals().ended(), admitted);
    }
    assert_eq!(circuit.totals().rejected, 8_000 - admitted);
    assert!(admitted > 1_000, "{admitted} were admitted");
}

// F4
#[test]
fn totals_can_be_left_out() {
    let circuit = fragile(|c| c.totals(false));
    circuit.play("s i d f xx");
    assert_eq!(circuit.look().totals, None);
    circuit.is(State::Open);
}

// ---- E3: everybody sees it ---------------------------------------------------------------------

// E3
#[test]
fn control_is_seen_by_every_clone() {
    let circuit = fragile(|c| c).circuit;
    let clones = [circuit.clone(), circuit.clone().clone()];
    let admits = || clones.each_ref().map(|clone| clone.try_acquire().is_ok());
    circuit.trip(secs(20)).expect("normal mode");
    assert_eq!(admits(), [false, false]);
    circuit.reset();
    assert_eq!(admits(), [true, true]);
    clones[0].force_open();
    assert!(circuit.try_acquire().is_err());
    clones[1].release();
    assert!(circuit.try_acquire().is_ok());
}

// E3
#[test]
fn control_is_seen_by_every_thread_that_learns_of_its_return() {
    let circuit = &fragile(|c| c).circuit;
    for _ in 0..100 {
        circuit.force_open();
        // A spawn happens after the call before it returned.
        let seen = || std::thread::scope(|scope| join(scope.spawn(|| admitted(circuit))));
        assert!(!seen());
        circuit.release();
        assert!(seen());
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().expect("a thread that returns")
}

fn admitted(circuit: &Circuit) -> bool {
    circuit.try_acquire().map(Guard::ignore).is_ok()
}

// ---- E5: new numbers ---------------------------------------------------------------------------

fn change(circuit: &Fixture, change: impl FnMut(&mut Settings) -> &mut Settings) {
    circuit
        .circuit
        .reconfigure(change)
        .expect("numbers that make sense");
}

// E5
#[test]
fn new_thresholds_hold_from_the_next_call_on() {
    let circuit = Fixture::new(|c| c.consecutive_failures(5));
    circuit.play("ffff");
    change(&circuit, |c| c.set_consecutive_failures(2));
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 5 consecutive failures, open for 30s"]);

    let circuit = Fixture::new(|c| c.consecutive_failures(2));
    circuit.play("f");
    change(&circuit, |c| c.set_consecutive_failures(4));
    circuit.play("ff");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.is(State::Open);
}

// E5
#[test]
fn new_rates_judge_the_window_that_is_there() {
    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(1.0).minimum_calls(10));
    circuit.play("ssss fff");
    change(&circuit, |c| c.set_failure_rate(0.5).set_minimum_calls(8));
    assert_eq!(circuit.window(), (7, 3, 0));
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 4 of 8 calls failed, open for 30s"]);
}

// E5
#[test]
fn a_change_is_no_transition_and_keeps_the_state() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    let before = circuit.look();
    circuit.told();
    change(&circuit, |c| {
        c.set_consecutive_failures(10).set_open_for(secs(1))
    });
    assert_eq!(circuit.look(), before);
    circuit.tells_nothing();
}

// E5
#[test]
fn numbers_that_a_change_does_not_name_stay() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).open_for(secs(7)));
    change(&circuit, |c| c.set_permits(1));
    circuit.play("fff");
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 7s"]);
}

// E5
#[test]
fn a_consecutive_policy_can_be_added() {
    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(1.0));
    change(&circuit, |c| c.set_consecutive_failures(2));
    circuit.play("s ff");
    circuit.tells(&["closed -> open: 2 consecutive failures, open for 30s"]);
}

// E5
#[test]
fn the_deadline_is_frozen_for_its_era() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    change(&circuit, |c| c.set_open_for(secs(50)));
    assert_eq!(circuit.remaining(), secs(5));
    circuit.wait_out();
    circuit.play("f");
    assert_eq!(circuit.remaining(), secs(50));
}

// E5
#[test]
fn a_change_of_the_backoff_keeps_the_attempt() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    change(&circuit, |c| {
        c.set_open_for(OpenFor::exponential(secs(1), 3.0, secs(100)))
    });
    circuit.wait_out();
    circuit.play("f");
    assert_eq!(circuit.remaining(), secs(3));
    change(&circuit, |c| {
        c.set_open_for(OpenFor::constant(secs(9)).jitter(Jitter::None))
    });
    circuit.wait_out();
    circuit.play("f");
    assert_eq!(circuit.remaining(), secs(9));
}

// E5
#[test]
fn half_open_numbers_are_frozen_for_their_era() {
    let circuit = fragile_after_break(|c| c.probes(2, 3).permits(2).half_open_timeout(secs(8)));
    let (first, second) = (circuit.admit(), circuit.admit());
    change(&circuit, |c| {
        c.set_probes((1, 1))
            .set_permits(1)
            .set_half_open_timeout(secs(800))
    });
    circuit.wait(secs(8) - NANO);
    assert_eq!(circuit.reject().reason(), Reason::HalfOpenFull);
    first.failure();
    circuit.is(State::HalfOpen);
    let third = circuit.admit();
    second.success();
    circuit.is(State::HalfOpen);
    third.failure();
    circuit.is(State::Open);

    circuit.wait_out();
    let probe = circuit.admit();
    circuit.wait(secs(800) - NANO);
    assert_eq!(circuit.reject().reason(), Reason::HalfOpenFull);
    probe.success();
    circuit.is(State::Closed);
}

// E5, A3
#[test]
fn a_slow_limit_can_be_moved() {
    let circuit = Fixture::new(|c| {
        c.count_window(10)
            .failure_rate(1.0)
            .slow_call_duration(secs(60))
    });
    circuit.play("S");
    assert_eq!(circuit.window(), (1, 0, 0));
    change(&circuit, |c| {
        c.set_slow_call_duration(SLOW).set_slow_call_rate(0.5)
    });
    circuit.play("S");
    assert_eq!(circuit.window(), (2, 0, 1));
}

// E5, D3
#[test]
fn a_slow_limit_can_be_moved_for_probes() {
    let circuit = fragile_after_break(|c| c.slow_call_duration(secs(60)).slow_call_rate(1.0));
    change(&circuit, |c| c.set_slow_call_duration(SLOW));
    circuit.play("S");
    circuit.is(State::Open);
}

// E5
#[test]
fn calls_that_nobody_timed_are_not_slow_afterwards() {
    let circuit = fragile(|c| c);
    let call = circuit.admit();
    circuit.wait(SLOW * 2);
    change(&circuit, |c| c.set_slow_call_duration(SLOW));
    drop(call);
    circuit.is(State::Closed);
    circuit.play("D");
    circuit.is(State::Open);
}

// E5
#[test]
fn the_other_numbers_can_be_changed_too() {
    let circuit = fragile(|c| c);
    change(&circuit, |c| {
        c.set_abandoned(AbandonedPolicy::Failure)
            .set_ramp((secs(10), 0.25))
    });
    circuit.play("d");
    circuit.is(State::Open);
    circuit.wait_out();
    circuit.play("s");
    circuit.is(State::Closed);
    assert_eq!(circuit.look().ramp_share, 0.25);
}

type Change = fn(&mut Settings) -> &mut Settings;

/// A live circuit refuses this change by this name, and nothing has changed.
fn refuses(circuit: &Fixture, field: &str, change: Change) -> ConfigError {
    let refused = circuit
        .circuit
        .reconfigure(|c| change(c.set_consecutive_failures(1_000).set_open_for(secs(1_000))))
        .expect_err(field);
    assert_eq!(refused.field(), field);
    assert_eq!(refused.circuit(), Some("payments"));
    refused
}

const SHAPES: [(&str, Change); 9] = [
    ("count_window", |c| c.set_count_window(500)),
    ("time_window", |c| c.set_time_window(secs(60))),
    ("time_window_buckets", |c| c.set_time_window_buckets(5)),
    ("count_window", |c| c.set_count_window(None)),
    ("open_for", |c| {
        c.set_open_for(OpenFor::from_fn(|_| secs(1)))
    }),
    ("totals", |c| c.set_totals(false)),
    ("jitter_seed", |c| c.set_jitter_seed(7)),
    ("failure_rate", |c| c.set_failure_rate(1.5)),
    ("permits", |c| c.set_permits(2)),
];

// E5
#[test]
fn what_changes_the_shape_is_refused_by_name_and_changes_nothing() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).count_window(10));
    for (field, change) in SHAPES {
        refuses(&circuit, field, change);
    }
    circuit.play("s fff");
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 30s"]);
    circuit.wait_out();
    let _probe = circuit.admit();
    circuit.play("x");
}

// E5: a policy comes with the settings of another circuit, and so does a function of the attempt.
#[test]
fn closures_of_another_circuit_are_refused_by_name() {
    let closures = [
        (
            "trip_when",
            Fixture::new(|c| c.count_window(10).trip_when(|_| true)),
        ),
        (
            "open_for",
            Fixture::new(|c| c.count_window(10).open_for(OpenFor::from_fn(|_| secs(1)))),
        ),
    ];
    for (field, with) in &closures {
        let without = Fixture::new(|c| c.count_window(10));
        for (circuit, other) in [(&without, with), (with, &without)] {
            let other = other.circuit.settings();
            let refused = circuit.circuit.reconfigure(|c| c.set_to(&other));
            assert_eq!(refused.expect_err("another").field(), *field);
        }
        change(with, |c| c.set_to(&with.circuit.settings()));
    }
}

// E5
#[test]
fn what_needs_a_window_is_refused_where_there_is_none() {
    let circuit = fragile(|c| c);
    refuses(&circuit, "failure_rate", |c| c.set_failure_rate(0.25));
    refuses(&circuit, "minimum_calls", |c| c.set_minimum_calls(5));
    refuses(&circuit, "slow_call_rate", |c| {
        c.set_slow_call_rate(0.5).set_slow_call_duration(SLOW)
    });
}

// E5
#[test]
fn a_slow_rate_is_refused_where_no_slow_calls_were_watched() {
    let circuit = Fixture::new(|c| c.count_window(10));
    refuses(&circuit, "slow_call_rate", |c| c.set_slow_call_rate(0.5));
    let refused = refuses(&circuit, "slow_call_rate", |c| {
        c.set_slow_call_rate(0.5).set_slow_call_duration(SLOW)
    });
    assert_eq!(refused.value(), "0.5");
}

// E5
#[test]
fn a_slow_rate_of_a_time_window_can_be_changed_where_it_was_watched() {
    let deaf = Fixture::new(|c| c.time_window(secs(10)));
    refuses(&deaf, "slow_call_rate", |c| {
        c.set_slow_call_rate(0.5).set_slow_call_duration(SLOW)
    });
    let watching = Fixture::new(|c| c.time_window(secs(60)).slow_call_duration(SLOW));
    change(&watching, |c| c.set_slow_call_rate(0.5));
    watching.play_times(20, "S");
    watching.tells(&["closed -> open: 20 of 20 calls were slow, open for 30s"]);
}

// B2, E5: a window that does not watch slow calls takes them for what they are besides.
#[test]
fn a_slow_success_enters_a_window_that_does_not_watch_slow_calls() {
    let circuit = Fixture::new(|c| c.count_window(10));
    change(&circuit, |c| c.set_slow_call_duration(SLOW));
    circuit.play("S");
    assert_eq!(circuit.window(), (1, 0, 0));
}

// E5
#[test]
fn a_minimum_must_fit_the_window_that_is_there() {
    let circuit = Fixture::new(|c| c.count_window(10));
    change(&circuit, |c| c.set_minimum_calls(10));
    refuses(&circuit, "minimum_calls", |c| c.set_minimum_calls(11));
}

// E5
#[test]
fn a_function_of_the_attempt_cannot_be_replaced() {
    let circuit = fragile(|c| c.open_for(OpenFor::from_fn(|_| secs(1))));
    let refused = circuit
        .circuit
        .reconfigure(|c| c.set_open_for(secs(5)))
        .expect_err("a refusal");
    assert_eq!(refused.field(), "open_for");
}

// E5
#[test]
fn clones_share_their_numbers() {
    let circuit = Fixture::new(|c| c.consecutive_failures(100));
    let clone = circuit.circuit.clone();
    clone
        .reconfigure(|c| c.set_consecutive_failures(1))
        .expect("numbers that make sense");
    circuit.play("f");
    circuit.is(State::Open);
}
