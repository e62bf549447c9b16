//! Which vetoes are told, and what one that is not told leaves as it was.

use super::*;
use crate::support::NANO;

/// One circuit that no cap lets open; it fails once in a row to trip.
fn vetoed(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Fixture {
    let member = fragile(|builder| configure(builder.ejection_cap(&cap(0.1))));
    member.play("f");
    member.tells(&[VETOED]);
    member
}

// G7, E4: one is told, all are counted, and nobody is stale for it.
#[test]
fn one_veto_of_an_outage_is_told_and_all_are_counted() {
    let member = vetoed(|builder| builder);
    let era = member.look().era;
    for _ in 0..1_000 {
        member.wait(secs(5) - NANO);
        member.play("f");
    }
    member.tells_nothing();
    assert_eq!(member.look().era, era);
    let totals = member.totals();
    assert_eq!(
        (totals.vetoed, totals.failed, totals.stale),
        (1_001, 1_001, 0)
    );
}

// G7: an outage is over when none has come for exactly as long as the break would have been.
#[test]
fn a_veto_after_a_pause_as_long_as_the_break_is_told_again() {
    let member = vetoed(|builder| builder);
    member.wait(secs(5) - NANO);
    member.play("f");
    member.tells_nothing();
    member.wait(secs(5));
    member.play("f");
    member.tells(&[VETOED]);
    // As long as this one's.
    member.wait(secs(5));
    member.admit().finish(Outcome::TripFor(secs(6)));
    member.tells_nothing();
    member.wait(secs(5));
    member
        .admit()
        .finish(Outcome::FailureRetryAfter(secs(5) + NANO));
    member.tells_nothing();
    member.wait(secs(2));
    member.admit().finish(Outcome::TripFor(secs(2)));
    member.tells(&[VETOED]);
    assert_eq!(member.totals().vetoed, 6);
}

// G7: whatever else changes the circuit ends the outage.
#[test]
fn a_veto_after_another_change_is_told_again() {
    let changes: [fn(&Circuit); 4] = [
        |circuit| circuit.reset(),
        |circuit| {
            circuit.force_open();
            circuit.release();
        },
        |circuit| {
            circuit.set_mode(Mode::Disabled);
            circuit.set_mode(Mode::Normal);
        },
        |circuit| {
            circuit.trip(secs(1)).expect("normal mode");
            circuit.reset();
        },
    ];
    for change in changes {
        let member = vetoed(|builder| builder);
        member.play("f");
        change(&member.circuit);
        member.told();
        member.play("ff");
        member.tells(&[VETOED]);
    }
    // Between normal and shadow the era goes on, and so does the outage.
    let member = vetoed(|builder| builder);
    member.circuit.set_mode(Mode::Shadow);
    member.circuit.set_mode(Mode::Normal);
    member.told();
    member.play("f");
    member.tells_nothing();
}

// G7, B1, B4: streak and window go on, so the next failure opens as soon as there is a place.
#[test]
fn after_a_veto_that_is_not_told_the_next_failure_opens() {
    let streaks: fn(CircuitBuilder) -> CircuitBuilder = |builder| builder.consecutive_failures(3);
    let rates: fn(CircuitBuilder) -> CircuitBuilder = |builder| {
        let builder = builder.count_window(4).failure_rate(1.0);
        builder.minimum_calls(3)
    };
    for policy in [streaks, rates] {
        let cap = cap(0.5);
        let other = members(&cap, 1).pop().expect("a member");
        let member = Fixture::new(|builder| policy(builder).ejection_cap(&cap));
        other.play("f");
        member.play("fff");
        member.tells(&[VETOED]);
        member.play("fff fffff");
        member.tells_nothing();
        assert_eq!(member.totals().vetoed, 1 + 6);
        other.circuit.reset();
        member.play("f");
        member.is(State::Open);
        assert_eq!(member.totals().stale, 0);
    }
}

// G7: rates and streaks together make one veto of one call.
#[test]
fn a_call_makes_one_veto_at_most() {
    let member = vetoed(|builder| builder.count_window(2).failure_rate(0.5).minimum_calls(1));
    member.play("ff");
    assert_eq!(member.totals().vetoed, 3);
    assert_eq!(member.window(), (2, 2, 0));
}

// B1: a success ends the streak that a veto left.
#[test]
fn a_success_ends_what_a_veto_that_is_not_told_has_left() {
    let cap = cap(0.1);
    let member = Fixture::new(|builder| builder.consecutive_failures(2).ejection_cap(&cap));
    member.play("ff ff s f");
    member.tells(&[VETOED]);
    assert_eq!(member.totals().vetoed, 2);
    member.play("f");
    assert_eq!(member.totals().vetoed, 3);
}

// G7, D6: a ramp goes on.
#[test]
fn a_veto_that_is_not_told_leaves_a_ramp_alone() {
    let cap = cap(0.1);
    let member = fragile(|builder| builder.ramp(secs(10), 0.5).ejection_cap(&cap));
    member.circuit.trip(secs(5)).expect("normal mode");
    member.wait_out();
    member.play("s");
    let fail = || {
        while member
            .circuit
            .try_acquire()
            .map(|call| call.failure())
            .is_err()
        {}
    };
    fail();
    member.wait(secs(4));
    fail();
    assert!((member.look().ramp_share - 0.7).abs() < f64::EPSILON);
    assert_eq!(member.totals().vetoed, 2);
}

// G7, C4: calls that were in flight at a veto that is not told are of the era that goes on.
#[test]
fn what_was_in_flight_at_a_veto_that_is_not_told_still_counts() {
    let member = vetoed(|builder| builder);
    let late = [member.admit(), member.admit()];
    member.play("f");
    late.into_iter().for_each(|call| call.failure());
    member.tells_nothing();
    assert_eq!((member.totals().stale, member.totals().vetoed), (0, 4));
}
