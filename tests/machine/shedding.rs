//! Shedding: a closed circuit refuses a share of its calls, as large as its window is evidence for (rule B9).

use crate::support::{Fixture, NANO, SLOW, millis, secs};
use tower_breaker::{
    Cause, Circuit, CircuitBuilder, Guard, Mode, Outcome, Reason, Settings, State, Transition,
};

/// Sheds above half, and never opens by a rate.
fn shedding(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Fixture {
    Fixture::new(|c| {
        let builder = c.count_window(100).minimum_calls(10);
        configure(builder.shed(2.0, 0.1).failure_rate(None))
    })
}

/// So many failures and successes, in turns as even as can be. What is refused is not made up for.
fn record(circuit: &Circuit, failures: u32, successes: u32) {
    let (mut failed, all) = (0, failures + successes);
    for call in 1..=all {
        let fails = failed * all < failures * call;
        failed += u32::from(fails);
        let outcome = match fails {
            true => Outcome::Failure,
            false => Outcome::Success,
        };
        if let Ok(guard) = circuit.try_acquire() {
            guard.finish(outcome);
        }
    }
}

/// Of how many calls how many are admitted, if none of them ends in an outcome.
fn admitted(circuit: &Circuit, of: usize) -> usize {
    let guards = (0..of).filter_map(|_| circuit.try_acquire().ok());
    guards.map(Guard::ignore).count()
}

#[track_caller]
fn about(seen: usize, expected: usize) {
    assert!(seen.abs_diff(expected) <= 2, "{seen} instead of {expected}");
}

#[track_caller]
fn once(circuit: &Fixture) -> Transition {
    let told = circuit.told();
    assert_eq!(told.len(), 1, "{told:?}");
    told[0]
}

fn fail(circuit: &Fixture, times: usize) {
    for _ in 0..times {
        if let Ok(guard) = circuit.circuit.try_acquire() {
            guard.failure();
        }
    }
}

// B9
#[test]
fn nothing_is_shed_up_to_the_threshold() {
    let circuit = shedding(|c| c);
    record(&circuit.circuit, 0, 50);
    record(&circuit.circuit, 50, 0);
    assert_eq!(circuit.look().shed_share, 0.0);
    assert_eq!(admitted(&circuit.circuit, 1_000), 1_000);
    circuit.tells_nothing();
}

// B9
#[test]
fn the_share_is_a_function_of_the_window() {
    let circuit = shedding(|c| c);
    fail(&circuit, 2_000);
    assert!((circuit.look().shed_share - 0.9).abs() < 1e-9);
    assert_eq!(circuit.look().state, State::Closed);
    about(admitted(&circuit.circuit, 1_000), 100);
    // 25 accepted of 100: 50 of 101.
    for _ in 0..25 {
        let guard = std::iter::repeat_with(|| circuit.circuit.try_acquire()).find_map(Result::ok);
        guard.expect("one in ten is admitted").success();
    }
    assert!((circuit.look().shed_share - 50.0 / 101.0).abs() < 1e-6);
    about(admitted(&circuit.circuit, 1_000), 505);
}

// B9: in the book's form it would grow until nearly nothing is let through.
#[test]
fn a_constant_failure_rate_is_refused_a_constant_share() {
    let circuit = shedding(|c| c);
    for _ in 0..100 {
        record(&circuit.circuit, 60, 40);
    }
    let share = circuit.look().shed_share;
    assert!((0.1..0.3).contains(&share), "{share}");
}

// B9, B4
#[test]
fn too_few_calls_shed_nothing() {
    let circuit = shedding(|c| c);
    fail(&circuit, 9);
    assert_eq!(circuit.look().shed_share, 0.0);
    assert_eq!(admitted(&circuit.circuit, 100), 100);
    fail(&circuit, 1);
    assert!((circuit.look().shed_share - 0.9).abs() < 1e-9);
}

// B9, C3
#[test]
fn a_refused_call_says_so() {
    let circuit = shedding(|c| c);
    fail(&circuit, 10);
    let rejected = std::iter::repeat_with(|| circuit.circuit.try_acquire()).find_map(Result::err);
    let rejected = rejected.expect("nine in ten are refused");
    assert_eq!(rejected.reason(), Reason::Shedding);
    assert_eq!(
        (rejected.remaining(), rejected.cause()),
        (Some(secs(1)), None)
    );
    assert_eq!(rejected.to_string(), "circuit `payments` is shedding");
    let totals = circuit.look().totals.expect("on by default");
    assert_eq!(totals.rejected, totals.rejected_by.shedding);
    assert!(totals.rejected > 0);
}

// B9, E4
#[test]
fn shedding_begins_and_ends_with_an_event_each() {
    let circuit = shedding(|c| c);
    fail(&circuit, 30);
    let told = once(&circuit);
    assert!(
        matches!(told.cause, Cause::ShedBegan(counts) if (counts.calls, counts.failed) == (10, 10))
    );
    assert_eq!((told.from, told.to), (State::Closed, State::Closed));
    assert_eq!(told.era, circuit.look().era);
    let line = told.describe("payments").to_string();
    assert_eq!(
        line,
        "circuit `payments` sheds calls (90 % at first): 10 of 10 calls failed"
    );
    for _ in 0..2_000 {
        if let Ok(guard) = circuit.circuit.try_acquire() {
            guard.success();
        }
    }
    assert_eq!(circuit.look().shed_share, 0.0);
    // It comes and goes at the edge, and that is no event.
    circuit.wait(secs(1) - NANO);
    circuit.admit().success();
    circuit.tells_nothing();
    circuit.wait(NANO);
    circuit.admit().success();
    let told = once(&circuit);
    assert_eq!(told.cause, Cause::ShedEnded);
    assert_eq!(
        told.describe("payments").to_string(),
        "circuit `payments` sheds no more calls: there is nothing to shed any more"
    );
    circuit.admit().success();
    circuit.tells_nothing();
}

// B9: a second without anything to refuse, and not a second between two calls.
#[test]
fn shedding_is_not_over_because_calls_are_far_between() {
    let circuit = shedding(|c| c.count_window(10));
    circuit.play_times(5, "sf");
    circuit.tells_nothing();
    // Each pushes out its opposite: 6 of 10, 5 of 10, and so on.
    for call in 0..10 {
        circuit.wait(secs(2));
        let guard = std::iter::repeat_with(|| circuit.circuit.try_acquire()).find_map(Result::ok);
        let letter = if call % 2 == 0 { 'f' } else { 's' };
        circuit.end(guard.expect("some are admitted"), letter);
    }
    assert!(matches!(once(&circuit).cause, Cause::ShedBegan(_)));
}

// B9: nor where a call that was admitted before has found something to refuse at its end, and no other has come.
#[test]
fn shedding_is_not_over_where_an_end_found_something_to_refuse() {
    let circuit = shedding(|c| c.count_window(10));
    let mut admitted: Vec<_> = (0..5).map(|_| circuit.admit()).collect();
    let mut ends = |letter| circuit.end(admitted.pop().expect("one is left"), letter);
    circuit.play_times(5, "sf");
    // 6 of 10 have failed, and 5 of 10: each pushes out its opposite.
    ends('f');
    assert!(matches!(once(&circuit).cause, Cause::ShedBegan(_)));
    ends('s');
    circuit.wait(millis(500));
    ends('f');
    ends('s');
    // A second after it was calm at first, and not after it was calm again.
    circuit.wait(millis(700));
    ends('s');
    circuit.tells_nothing();
    circuit.wait(millis(300));
    circuit.admit().ignore();
    assert_eq!(once(&circuit).cause, Cause::ShedEnded);
}

// B9: nor where a call has been refused since it was calm, because good calls have left the window.
#[test]
fn shedding_is_not_over_as_long_as_calls_are_refused() {
    let circuit = Fixture::new(|c| {
        let builder = c.time_window(secs(10)).time_window_buckets(100);
        let builder = builder.minimum_calls(10).shed(2.0, 0.1);
        builder.failure_rate(None)
    });
    let late = circuit.admit();
    circuit.play_times(30, "s");
    circuit.wait(secs(5));
    circuit.play_times(31, "f");
    assert!(matches!(once(&circuit).cause, Cause::ShedBegan(_)));
    circuit.wait(millis(800));
    while circuit.look().shed_share > 0.0 {
        if let Ok(guard) = circuit.circuit.try_acquire() {
            guard.success();
        }
    }
    circuit.admit().success();
    circuit.wait(secs(9));
    assert!((circuit.look().shed_share - 29.0 / 34.0).abs() < 1e-6);
    let rejected = loop {
        match circuit.circuit.try_acquire() {
            Err(rejected) => break rejected,
            // Its end would find out, too.
            Ok(guard) => std::mem::forget(guard),
        }
    };
    assert_eq!(rejected.reason(), Reason::Shedding);
    circuit.wait(millis(300));
    assert_eq!(circuit.look().shed_share, 0.0);
    late.success();
    circuit.tells_nothing();
    circuit.wait(secs(1));
    circuit.admit().ignore();
    assert_eq!(once(&circuit).cause, Cause::ShedEnded);
}

// B9: one failure is no evidence, whatever there was to shed before the window was empty.
#[test]
fn an_empty_window_ends_it() {
    let circuit = Fixture::new(|c| {
        let builder = c.time_window(secs(10)).minimum_calls(10).shed(2.0, 0.1);
        builder.failure_rate(None)
    });
    fail(&circuit, 100);
    assert!(matches!(once(&circuit).cause, Cause::ShedBegan(_)));
    circuit.wait(secs(10_000));
    fail(&circuit, 1);
    assert_eq!(once(&circuit).cause, Cause::ShedEnded);
    fail(&circuit, 8);
    assert_eq!(circuit.look().shed_share, 0.0);
    fail(&circuit, 1);
    assert!(matches!(once(&circuit).cause, Cause::ShedBegan(_)));
}

// B9: or who lets few calls through could not go on with it.
#[test]
fn a_thin_window_goes_on_shedding() {
    let circuit = Fixture::new(|c| {
        let builder = c.time_window(secs(10)).minimum_calls(20).shed(2.0, 0.1);
        builder.failure_rate(None)
    });
    for _ in 0..600 {
        circuit.wait(millis(100));
        fail(&circuit, 1);
    }
    assert!(matches!(once(&circuit).cause, Cause::ShedBegan(_)));
    let rejected = circuit.totals().rejected;
    assert!(rejected > 500, "{rejected} of 600");
}

// B9, C4: it begins no era, so a call that was in flight is not stale.
#[test]
fn calls_in_flight_count_when_shedding_begins() {
    let circuit = shedding(|c| c);
    let before = circuit.admit();
    fail(&circuit, 10);
    before.failure();
    assert_eq!(circuit.look().window.expect("a window").failed, 11);
    assert_eq!(circuit.look().totals.expect("on").stale, 0);
}

// B9: shed a partial failure, open on a total one.
#[test]
fn a_policy_that_trips_opens_a_circuit_that_sheds() {
    let circuit = Fixture::new(|c| {
        let builder = c.count_window(100).minimum_calls(10).shed(1.5, 0.1);
        builder.failure_rate(0.9)
    });
    record(&circuit.circuit, 80, 20);
    assert!(circuit.look().shed_share > 0.5);
    circuit.is(State::Closed);
    fail(&circuit, 2_000);
    circuit.is(State::Open);
    assert_eq!(circuit.look().shed_share, 0.0);
    circuit.wait_out();
    circuit.admit().success();
    assert_eq!(circuit.look().shed_share, 0.0);
    assert_eq!(admitted(&circuit.circuit, 100), 100);
}

// B9, B1: the failure that begins shedding counts in a row as any other.
#[test]
fn failures_in_a_row_are_counted_while_it_sheds() {
    let circuit = shedding(|c| c.consecutive_failures(11));
    fail(&circuit, 10);
    assert!(circuit.look().shed_share > 0.0);
    assert_eq!(circuit.look().consecutive_failures, 10);
    while circuit.look().state == State::Closed {
        fail(&circuit, 1);
    }
    assert_eq!(
        circuit.look().last_trip.map(|trip| trip.cause),
        Some(Cause::ConsecutiveFailures(11))
    );
}

// B9, B3: evidence that has left the window sheds nothing, also if nobody has called since.
#[test]
fn a_time_window_forgets() {
    let circuit = Fixture::new(|c| {
        let builder = c.time_window(secs(10)).minimum_calls(10).shed(2.0, 0.1);
        builder.failure_rate(None)
    });
    fail(&circuit, 100);
    assert!(circuit.look().shed_share > 0.0);
    circuit.wait(secs(11));
    assert_eq!(circuit.look().shed_share, 0.0);
    assert_eq!(admitted(&circuit.circuit, 1_000), 1_000);
}

// B9, B4: a success may find that it fails too much by now; it is a failure that says so.
#[test]
fn a_fast_success_begins_nothing() {
    let circuit = Fixture::new(|c| {
        let builder = c.time_window(secs(10)).minimum_calls(10).shed(2.0, 0.1);
        builder.failure_rate(None).consecutive_failures(1_000)
    });
    record(&circuit.circuit, 0, 20);
    circuit.wait(secs(8));
    fail(&circuit, 15);
    circuit.wait(secs(3));
    circuit.admit().success();
    assert_eq!(circuit.window(), (16, 15, 0));
    circuit.tells_nothing();
    assert_eq!(circuit.look().shed_share, 0.0);
    fail(&circuit, 1);
    assert!(circuit.look().shed_share > 0.5);
}

// B9: slow calls are evidence where they could trip.
#[test]
fn slow_calls_are_shed_where_a_rate_watches_them() {
    for (rate, sheds) in [(None, false), (Some(1.0), true)] {
        let circuit = shedding(|c| {
            let builder = c.slow_call_duration(SLOW - NANO).trip_when(|_| false);
            match rate {
                Some(rate) => builder.slow_call_rate(rate),
                None => builder,
            }
        });
        circuit.admit().success();
        for _ in 0..9 {
            let guard = circuit.admit();
            circuit.wait(SLOW);
            guard.success();
        }
        assert_eq!(circuit.look().shed_share > 0.0, sheds);
    }
}

// B9, E1
#[test]
fn in_shadow_it_counts_whom_it_would_refuse() {
    let circuit = shedding(|c| c.mode(Mode::Shadow));
    fail(&circuit, 10);
    assert!((circuit.look().shed_share - 0.9).abs() < 1e-9);
    assert_eq!(admitted(&circuit.circuit, 1_000), 1_000);
    let totals = circuit.look().totals.expect("on");
    assert!((890..=910).contains(&totals.shadowed), "{totals:?}");
    assert_eq!(totals.rejected, 0);
}

// B9, D6: the smaller admitted share holds.
#[test]
fn a_ramp_and_shedding_do_not_add_up() {
    let circuit = shedding(|c| c.ramp(secs(10), 0.5).consecutive_failures(1_000));
    circuit.circuit.trip(secs(1)).expect("normal");
    circuit.wait(secs(1));
    circuit.admit().success();
    assert!((circuit.look().ramp_share - 0.5).abs() < 1e-9);
    let mut left = 10;
    while left > 0 {
        if let Ok(guard) = circuit.circuit.try_acquire() {
            guard.failure();
            left -= 1;
        }
    }
    let mut reasons = Vec::new();
    while reasons.len() < 100 {
        reasons.extend(
            circuit
                .circuit
                .try_acquire()
                .err()
                .map(|rejected| rejected.reason()),
        );
    }
    assert!(reasons.iter().all(|reason| *reason == Reason::Shedding));
    about(admitted(&circuit.circuit, 1_000), 100);
    // And when the ramp is over, shedding goes on.
    circuit.wait(secs(10));
    about(admitted(&circuit.circuit, 1_000), 100);
    assert_eq!(circuit.look().ramp_share, 1.0);
}

// B9, D6: of a ramp somebody would pass.
#[test]
fn a_call_that_comes_late_is_shed_like_any_other() {
    let circuit = shedding(|c| c);
    fail(&circuit, 10);
    let mut passed = 0;
    for _ in 0..100 {
        circuit.wait(secs(1));
        passed += admitted(&circuit.circuit, 1);
    }
    about(passed, 10);
}

// B9, E5
#[test]
fn it_can_be_turned_on_and_off_while_the_circuit_lives() {
    let circuit = Fixture::new(|c| {
        c.count_window(100)
            .minimum_calls(10)
            .failure_rate(1.0)
            .trip_when(|_| false)
    });
    record(&circuit.circuit, 60, 40);
    let change = |shed: Option<(f64, f64)>| {
        let changed = circuit
            .circuit
            .reconfigure(|settings| settings.set_failure_rate(None).set_shed(shed));
        changed.expect("valid");
    };
    change(Some((1.1, 0.1)));
    // Not before there is news.
    assert_eq!(circuit.look().shed_share, 0.0);
    fail(&circuit, 1);
    assert!(circuit.look().shed_share > 0.5);
    change(None);
    assert_eq!(circuit.look().shed_share, 0.0);
    assert_eq!(admitted(&circuit.circuit, 100), 100);
    circuit.wait(millis(1_000));
    circuit.admit().success();
    assert_eq!(
        circuit.told().last().expect("an event").cause,
        Cause::ShedEnded
    );
}

// E5: the error is about what was changed.
#[test]
fn a_live_change_that_makes_no_sense_names_what_was_changed() {
    let says = |circuit: &Fixture, change: fn(&mut Settings) -> &mut Settings, what: &str| {
        let refused = circuit.circuit.reconfigure(change).expect_err("refused");
        let said = refused.to_string();
        assert!(said.contains(what), "{said}");
    };
    let rate = Fixture::new(|c| c);
    says(
        &rate,
        |it| it.set_shed((2.0, 0.1)),
        "`shed.multiplier` is 2",
    );
    let both = Fixture::new(|c| c.shed(1.5, 0.1));
    says(
        &both,
        |it| it.set_failure_rate(0.2),
        "`failure_rate` is 0.2",
    );
    says(
        &both,
        |it| it.set_shed((3.0, 0.1)),
        "`shed.multiplier` is 3",
    );
    let alone = shedding(|c| c);
    says(&alone, |it| it.set_shed(None), "`shed` is off, but must be");
}

// B9, E5: a live circuit cannot be given a window.
#[test]
fn it_cannot_be_turned_on_without_a_window() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3));
    let refused = circuit
        .circuit
        .reconfigure(|settings| settings.set_shed((2.0, 0.1)));
    assert!(
        refused.expect_err("no window").to_string().contains(
            "`shed.multiplier` is 2.0, but must be left out where there is no `count_window` or `time_window`"
        )
    );
}

// B6, B9: a share that is what the floor leaves reads as just that, and one below a percent not as nothing.
#[test]
fn the_printed_share_is_what_is_refused() {
    for floor in 1..=99 {
        let circuit = shedding(|c| c.shed(100.0, f64::from(floor) / 100.0));
        fail(&circuit, 10_000);
        let line = circuit.look().to_string();
        let refused = 100 - floor;
        let end = format!("; shedding: {refused} % are refused");
        assert!(line.ends_with(&end), "floor {floor}: {line}");
    }
    let circuit = shedding(|c| c.shed(1.0, 0.1).count_window(200));
    record(&circuit.circuit, 0, 199);
    fail(&circuit, 1);
    let line = circuit.look().to_string();
    assert!(line.ends_with("; shedding: 0.4 % are refused"), "{line}");
}

// B9: the window holds another call than one that has entered none.
#[test]
fn a_neutral_call_does_not_end_it_while_the_window_holds_one() {
    for neutral in ['i', 'a', 'd'] {
        let circuit = Fixture::new(|c| {
            let builder = c.time_window(secs(10)).minimum_calls(10).shed(2.0, 0.1);
            builder.failure_rate(None)
        });
        let under_way = circuit.admit();
        let late = circuit.admit();
        fail(&circuit, 10);
        assert!(matches!(once(&circuit).cause, Cause::ShedBegan(_)));
        circuit.wait(secs(9));
        late.success();
        circuit.wait(secs(9));
        assert_eq!(circuit.window(), (1, 0, 0));
        circuit.end(under_way, neutral);
        circuit.tells_nothing();
        // A second later it is over.
        circuit.wait(secs(1));
        circuit.end(circuit.admit(), neutral);
        assert_eq!(once(&circuit).cause, Cause::ShedEnded);
    }
}

// B9: nor does a reset leave anything of it.
#[test]
fn a_reset_admits_everything() {
    let circuit = shedding(|c| c);
    fail(&circuit, 10);
    circuit.circuit.reset();
    assert_eq!(circuit.look().shed_share, 0.0);
    assert_eq!(admitted(&circuit.circuit, 100), 100);
}

// B8, B9
#[test]
fn what_would_never_shed_is_refused() {
    let said = |configure: fn(CircuitBuilder) -> CircuitBuilder| {
        let built = configure(Circuit::builder("search")).build();
        built.expect_err("refused").to_string()
    };
    for (words, configure) in [
        (
            "`shed.multiplier` is 0.9, but must be 1 to 100",
            (|c| c.shed(0.9, 0.1)) as fn(CircuitBuilder) -> CircuitBuilder,
        ),
        ("`shed.multiplier` is NaN", |c| c.shed(f64::NAN, 0.1)),
        ("`shed.multiplier` is 100.5", |c| c.shed(100.5, 0.1)),
        ("`shed.floor` is 0.0, but must be a share above 0", |c| {
            c.shed(1.5, 0.0)
        }),
        (
            "`shed.floor` is 1.0, but must be a share above 0 and below 1",
            |c| c.shed(1.5, 1.0),
        ),
        ("`shed.floor` is NaN", |c| c.shed(1.5, f64::NAN)),
        (
            "`failure_rate` is 0.5, but must be above 0.5, from where a `shed.multiplier` of 2 sheds, or off; left \
             out, it is 0.5",
            |c| c.shed(2.0, 0.1),
        ),
        ("`failure_rate` is 0.2", |c| {
            c.shed(1.25, 0.1).failure_rate(0.2)
        }),
    ] {
        let said = said(configure);
        assert!(said.contains(words), "{said}");
    }
    let fine = Circuit::builder("search")
        .shed(1.25, 0.1)
        .failure_rate(0.21);
    assert!(fine.build().is_ok());
}
