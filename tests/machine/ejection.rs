//! A cap on how many circuits of a set may be open (rule G7): how the share is counted, who takes a place
//! and who frees it, and what is vetoed. Until when it is held is in `leases`, which vetoes are told in
//! `vetoes`. Any history is held against a model in `histories`, threads that
//! collide against the same promises in `collisions`, and what comes between a place and its swap is made to
//! come there in `instants`.

mod collisions;
mod histories;
mod instants;
mod leases;
mod vetoes;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{Fixture, fragile, secs};
use tower::{Layer, Service, service_fn};
use tower_breaker::{
    Cause, Circuit, CircuitBreakerLayer, CircuitBuilder, EjectionCap, Mode, Outcome, Reason, State,
};

const VETOED: &str = "closed -> closed: a trip was vetoed: too many circuits are open";

fn cap(share: f64) -> EjectionCap {
    EjectionCap::new(share).expect("a share")
}

/// So many circuits under the cap, each of which opens for 5 seconds at the first failure.
fn members(cap: &EjectionCap, number: usize) -> Vec<Fixture> {
    (0..number)
        .map(|_| fragile(|builder| builder.ejection_cap(cap)))
        .collect()
}

#[track_caller]
fn counts(cap: &EjectionCap, ejected: u64, members: u64) {
    assert_eq!((cap.ejected(), cap.members()), (ejected, members));
}

// ---- the share ---------------------------------------------------------------------------------

// B8
#[test]
fn a_share_that_makes_no_sense_is_refused_by_name() {
    for (share, value) in [
        (0.0, "0.0"),
        (-0.5, "-0.5"),
        (0.000_000_4, "4e-7"),
        (1.000_001, "1.000001"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
    ] {
        for new in [EjectionCap::new, EjectionCap::at_least_one] {
            let error = new(share).expect_err(value);
            assert_eq!((error.field(), error.value()), ("ejection_cap", value));
        }
    }
    for share in [0.000_001, 0.5, 1.0] {
        counts(&cap(share), 0, 0);
    }
}

// G7: how many of so many may be open.
#[test]
fn the_share_is_a_limit_rounded_down() {
    for (share, members, may_open) in [
        (0.5, 1, 0),
        (0.5, 2, 1),
        (0.5, 3, 1),
        (0.5, 10, 5),
        (0.1, 9, 0),
        (0.1, 10, 1),
        (0.07, 100, 7),
        (0.9, 10, 9),
        (0.99, 10, 9),
        (1.0, 1, 1),
        (1.0, 7, 7),
        // As people write thirds.
        (1.0 / 3.0, 3, 1),
        (1.0 / 3.0, 9, 3),
        (2.0 / 3.0, 3, 2),
        (1.0 / 7.0, 7, 1),
        (0.33, 3, 0),
        (0.333_33, 3, 0),
        (0.666, 3, 1),
    ] {
        let least = may_open.max(1);
        assert_eq!(
            open_of(cap(share), members),
            may_open,
            "{share} of {members}"
        );
        // By name, at least one, however few there are.
        let cap = EjectionCap::at_least_one(share).expect("a share");
        assert_eq!(open_of(cap, members), least, "{share} of {members}");
    }
}

/// How many open when each of them fails.
fn open_of(cap: EjectionCap, number: usize) -> u64 {
    let members = members(&cap, number);
    members.iter().for_each(|member| member.play("f"));
    cap.ejected()
}

// G7: whoever comes later makes the set larger, and the limit with it.
#[test]
fn a_new_member_makes_room() {
    let cap = cap(0.5);
    let first = members(&cap, 3);
    first.iter().for_each(|member| member.play("f"));
    counts(&cap, 1, 3);
    let last = members(&cap, 1).pop().expect("a member");
    first[1].play("f");
    first[2].play("f");
    last.play("f");
    counts(&cap, 2, 4);
}

// ---- a veto ------------------------------------------------------------------------------------

// G7, E4
#[test]
fn a_trip_beyond_the_cap_is_vetoed_and_told_once() {
    let cap = cap(0.5);
    let [one, other] = members(&cap, 2).try_into().ok().expect("two");
    one.play("f");
    one.tells(&["closed -> open: 1 failure, open for 5s"]);
    other.play("f");
    other.tells(&[VETOED]);
    for vetoed in 1..4 {
        other.is(State::Closed);
        assert_eq!((other.look().era, other.totals().vetoed), (1, vetoed));
        other.play("f");
        other.tells_nothing();
    }
    assert_eq!(other.look().last_trip.map(|trip| trip.cause), None);
    assert!((cap.share() - 0.5).abs() < f64::EPSILON);
    counts(&cap, 1, 2);
}

// G7: closed and cleared, whatever it was that tripped.
#[test]
fn a_veto_clears_streak_and_window() {
    let cap = cap(0.1);
    let rate = Fixture::new(|builder| {
        let builder = builder.count_window(4).failure_rate(0.5).minimum_calls(4);
        builder.consecutive_failures(3).ejection_cap(&cap)
    });
    rate.play("ssf");
    assert_eq!(rate.window(), (3, 1, 0));
    rate.play("f");
    rate.tells(&[VETOED]);
    assert_eq!(rate.window(), (0, 0, 0));
    // And the streak has begun anew, too.
    rate.play("ff");
    rate.tells_nothing();
    rate.play("f");
    rate.play("t");
    rate.tells_nothing();
    assert_eq!(rate.totals().vetoed, 3);
}

// B6, G7
#[tokio::test]
async fn a_veto_tells_what_would_have_tripped() {
    let member = fragile(|builder| builder.ejection_cap(&cap(0.5)));
    let mut watch = member.circuit.watch();
    member.play("f");
    let told = watch.changed().await.expect("a veto");
    assert_eq!(told.cause, Cause::TripVetoed);
    assert_eq!(told.vetoed, Some(Cause::ConsecutiveFailures(1)));
    member.circuit.force_open();
    let told = watch.changed().await.expect("by hand");
    assert_eq!(told.vetoed, None);
}

// G7, D6: a veto begins anew in every respect, and so does a ramp that was under way: whoever fails again
// is not given more.
#[test]
fn a_veto_begins_a_ramp_anew() {
    let cap = cap(0.1);
    let member = fragile(|builder| builder.ramp(secs(10), 0.5).ejection_cap(&cap));
    member.circuit.trip(secs(5)).expect("normal mode");
    member.wait_out();
    member.play("s");
    member.wait(secs(5));
    assert!((member.look().ramp_share - 0.75).abs() < f64::EPSILON);
    while let Err(ramping) = member.circuit.try_acquire().map(|call| call.failure()) {
        assert_eq!(ramping.reason(), Reason::Ramping);
    }
    member.is(State::Closed);
    assert!((member.look().ramp_share - 0.5).abs() < f64::EPSILON);
}

// G7, C4: a veto ends the era. What was in flight is stale.
#[test]
fn what_was_in_flight_at_a_veto_decides_nothing() {
    let cap = cap(0.1);
    let member = members(&cap, 1).pop().expect("a member");
    let late = [member.admit(), member.admit()];
    member.play("f");
    member.tells(&[VETOED]);
    late.into_iter().for_each(|call| call.failure());
    member.tells_nothing();
    assert_eq!(member.totals().stale, 2);
}

// G7, E4: a listener hears of it in place, and can look at the set.
#[test]
fn a_listener_hears_of_the_veto_and_can_look_at_the_set() {
    let cap = cap(1.0);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (seeing, looked) = (seen.clone(), cap.clone());
    let member = Circuit::builder("member")
        .consecutive_failures(1)
        .ejection_cap(&cap)
        .on_transition(move |_, told| {
            let look = (told.cause, looked.ejected());
            seeing.lock().expect("not poisoned").push(look);
        })
        .build()
        .expect("valid");
    member.try_acquire().expect("closed").failure();
    member.reset();
    let seen = seen.lock().expect("not poisoned").clone();
    let trip = Cause::ConsecutiveFailures(1);
    assert_eq!(seen, [(trip, 1), (Cause::Manual, 0)]);
}

// ---- places ------------------------------------------------------------------------------------

// G7: from trip to close, through half-open and back, where nobody else asks for it.
#[test]
fn a_place_is_held_from_trip_to_close() {
    let cap = cap(0.5);
    let members = members(&cap, 2);
    let (one, other) = (&members[0], &members[1]);
    one.play("f");
    counts(&cap, 1, 2);
    one.wait_out();
    one.play("f");
    one.is(State::Open);
    counts(&cap, 1, 2);
    one.wait_out();
    let probe = one.admit();
    one.is(State::HalfOpen);
    counts(&cap, 1, 2);
    other.play("f");
    other.is(State::Closed);
    probe.success();
    counts(&cap, 0, 2);
    other.play("f");
    other.is(State::Open);
    counts(&cap, 1, 2);
}

// G7: what has a place already is never vetoed, even if the set has shrunk below it.
#[test]
fn a_circuit_that_reopens_needs_no_new_place() {
    let cap = cap(0.5);
    let mut members = members(&cap, 2);
    members[0].play("f");
    members.pop();
    counts(&cap, 1, 1);
    members[0].wait_out();
    members[0].play("f");
    members[0].is(State::Open);
    counts(&cap, 1, 1);
}

// G7, E2: a person is not vetoed, but takes a place from the others.
#[test]
fn what_a_person_opens_takes_a_place_whatever_the_cap() {
    let opens: [fn(&Circuit); 3] = [
        |circuit| circuit.trip(secs(5)).expect("normal mode"),
        |circuit| assert!(circuit.force_open()),
        |circuit| assert!(circuit.set_mode(Mode::ForcedOpen)),
    ];
    for open in opens {
        let cap = cap(0.5);
        let members = members(&cap, 4);
        members[..3].iter().for_each(|member| open(&member.circuit));
        counts(&cap, 3, 4);
        members[3].play("f");
        members[3].tells(&[VETOED]);
        members[0].circuit.reset();
        members[1].circuit.reset();
        counts(&cap, 1, 4);
        members[3].play("f");
        members[3].is(State::Open);
        counts(&cap, 2, 4);
    }
}

// G7, E1: each way out of forced open gives the one place back.
#[test]
fn forced_open_holds_one_place_however_it_came_and_goes() {
    let ways_out: [fn(&Circuit); 4] = [
        |circuit| assert!(circuit.release()),
        |circuit| circuit.reset(),
        |circuit| assert!(circuit.set_mode(Mode::Disabled)),
        |circuit| assert!(circuit.set_mode(Mode::Shadow)),
    ];
    for out in ways_out {
        let cap = cap(1.0);
        let member = fragile(|builder| builder.mode(Mode::ForcedOpen).ejection_cap(&cap));
        counts(&cap, 1, 1);
        out(&member.circuit);
        counts(&cap, 0, 1);
        // And from open.
        member.circuit.reset();
        member.circuit.set_mode(Mode::Normal);
        member.play("f");
        member.circuit.force_open();
        member.circuit.force_open();
        counts(&cap, 1, 1);
        out(&member.circuit);
        counts(&cap, 0, 1);
    }
}

// G7, E1: what is decided in shadow ejects nobody, until a person makes it count.
#[test]
fn shadow_takes_no_place_until_it_counts() {
    let cap = cap(0.5);
    let members = members(&cap, 2);
    let (shadow, other) = (&members[0], &members[1]);
    shadow.circuit.set_mode(Mode::Shadow);
    shadow.play("f");
    shadow.is(State::Open);
    counts(&cap, 0, 2);
    other.play("f");
    counts(&cap, 1, 2);
    shadow.circuit.set_mode(Mode::Normal);
    counts(&cap, 2, 2);
    shadow.circuit.set_mode(Mode::Shadow);
    counts(&cap, 1, 2);
    // Nor is a trip in shadow vetoed, though no place is left.
    shadow.circuit.reset();
    shadow.told();
    shadow.play("f");
    shadow.is(State::Open);
    counts(&cap, 1, 2);
}

// G7: freed on drop, when the last handle goes.
#[test]
fn a_circuit_that_is_dropped_frees_its_place_and_leaves_the_set() {
    let cap = cap(0.5);
    let members = members(&cap, 3);
    members[0].play("f");
    members[1].circuit.force_open();
    counts(&cap, 2, 3);
    let handle = members[0].circuit.clone();
    drop(members);
    counts(&cap, 1, 1);
    drop(handle);
    counts(&cap, 0, 0);
}

// G7: a builder is no member; each circuit that is built from it is.
#[test]
fn every_circuit_that_is_built_from_a_builder_is_a_member() {
    let cap = cap(0.5);
    let builder = Circuit::builder("endpoint").ejection_cap(&cap);
    counts(&cap, 0, 0);
    let layer = || builder.clone().build_layer().expect("valid");
    let echo = || {
        service_fn(|_: http::Request<()>| async { Ok::<_, ()>(http::Response::new(String::new())) })
    };
    let (one, other) = (layer().layer(echo()), layer().layer(echo()));
    counts(&cap, 0, 2);
    let twin = one.clone();
    counts(&cap, 0, 2);
    drop((one, other));
    counts(&cap, 0, 1);
    let pending = layer().pending_while_open().layer(echo());
    counts(&cap, 0, 2);
    drop((twin, pending));
    counts(&cap, 0, 0);
}

// G7: a circuit that was vetoed is no reason to wait.
#[tokio::test(start_paused = true)]
async fn the_last_one_in_rotation_stays_ready() {
    let cap = cap(0.5);
    let members = members(&cap, 2);
    members.iter().for_each(|member| member.play("f"));
    let ready = members.iter().map(|member| {
        let layer = CircuitBreakerLayer::new(member.circuit.clone()).pending_while_open();
        let mut service = layer.layer(service_fn(|_: http::Request<()>| async {
            Ok::<_, ()>(http::Response::new(String::new()))
        }));
        tokio_test::task::spawn(()).enter(|context, _| {
            Service::<http::Request<()>>::poll_ready(&mut service, context).is_ready()
        })
    });
    assert_eq!(ready.collect::<Vec<_>>(), [false, true]);
}

// G7: clones are one set, and Debug shows it.
#[test]
fn a_clone_is_the_same_set() {
    let cap = cap(0.5);
    let members = members(&cap.clone(), 2);
    members[1].circuit.force_open();
    counts(&cap, 1, 2);
    let shown = format!("{cap:?}");
    assert_eq!(
        shown,
        "EjectionCap { share: 0.5, members: 2, ejected: 1, .. }"
    );
}
