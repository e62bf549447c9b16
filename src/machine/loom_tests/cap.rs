//! Places under a cap: never one too many, none lost, and no trip that comes to nothing (G7).

use super::*;

type Control = fn(&Core) -> Option<Transition>;

const TRIP: Control = |core| core.trip(Duration::from_nanos(OPEN_FOR), 1).ok();
const RESET: Control = |core| Some(core.reset(1));
const FORCE: Control = |core| core.set_mode(Mode::ForcedOpen, 1);
const SHADOW: Control = |core| core.set_mode(Mode::Shadow, 1);
const NORMAL: Control = |core| core.set_mode(Mode::Normal, 1);

fn half() -> StdArc<Cap> {
    StdArc::new(Cap::new(WHOLE / 2, 0))
}

fn third() -> StdArc<Cap> {
    StdArc::new(Cap::new(WHOLE / 3, 0))
}

/// No place at all.
fn none() -> StdArc<Cap> {
    StdArc::new(Cap::new(1, 0))
}

fn whole() -> StdArc<Cap> {
    StdArc::new(Cap::new(WHOLE, 0))
}

/// A circuit of the set that trips at so many failures in a row.
fn member(cap: &StdArc<Cap>, failures: u64) -> Arc<Fixture> {
    Fixture::with(consecutive(failures), false, Some(cap.clone()))
}

fn trip_now(fixture: &Arc<Fixture>, ticket: Ticket) -> Part {
    let fixture = fixture.clone();
    Box::new(move || fixture.record(ticket, Outcome::TripNow, 1))
}

fn control(fixture: &Arc<Fixture>, operation: Control) -> Part {
    let fixture = fixture.clone();
    Box::new(move || fixture.note(operation(&fixture.core)))
}

fn causes(fixture: &Fixture) -> Vec<Cause> {
    fixture.won().iter().map(|won| won.cause).collect()
}

/// One place is taken for each of these that is open, and no other.
fn assert_places(cap: &Cap, members: &[&Fixture]) {
    let ejected = members.iter().filter(|one| one.core.load().is_ejected());
    assert_eq!(cap.taken(), ejected.count() as u64);
}

// G7, F1
#[test]
fn two_calls_open_one_circuit_with_the_only_place() {
    model("two calls and one place", || {
        let cap = whole();
        let fixture = member(&cap, 1);
        let tickets = [(); 2].map(|()| fixture.enter(0));
        race_all(tickets.map(|ticket| fail(&fixture, ticket, 1)).into());
        assert_eq!(causes(&fixture), [Cause::ConsecutiveFailures(1)]);
        assert_places(&cap, &[&fixture]);
    });
}

// G7
#[test]
fn of_two_circuits_one_opens_and_the_other_is_vetoed() {
    model("two circuits and one place", || {
        let cap = half();
        let (one, other) = (member(&cap, 1), member(&cap, 1));
        let (first, second) = (one.enter(0), other.enter(0));
        race!(fail(&one, first, 1), fail(&other, second, 1));
        let told = [causes(&one), causes(&other)];
        let vetoed = told.iter().filter(|told| **told == [Cause::TripVetoed]);
        assert_eq!((vetoed.count(), one.trips() + other.trips()), (1, 1));
        assert_places(&cap, &[&one, &other]);
    });
}

// G7: there is a place for each, so however many calls want to open one, the other is not vetoed.
#[test]
fn calls_that_open_one_circuit_take_no_place_from_another() {
    model(
        "two calls and another circuit, with a place for each",
        || {
            let cap = whole();
            let (one, other) = (member(&cap, 1), member(&cap, 1));
            let (first, second, third) = (one.enter(0), one.enter(0), other.enter(0));
            race!(
                fail(&one, first, 1),
                fail(&one, second, 1),
                fail(&other, third, 1)
            );
            assert_eq!((one.trips(), other.trips()), (1, 1));
            assert_places(&cap, &[&one, &other]);
        },
    );
}

// G7, E2: what a person does takes a place or frees one, whatever a call does meanwhile.
#[test]
fn a_person_and_a_call_leave_as_many_places_taken_as_circuits_open() {
    for operation in [TRIP, RESET, FORCE, SHADOW] {
        model("a person against a trip", move || {
            let cap = whole();
            let fixture = member(&cap, 1);
            let ticket = fixture.enter(0);
            let controlled = fixture.clone();
            race!(
                move || controlled.note(operation(&controlled.core)),
                fail(&fixture, ticket, 1),
            );
            assert_places(&cap, &[&fixture]);
        });
    }
}

// G7, E2
#[test]
fn a_person_and_a_probe_leave_as_many_places_taken_as_circuits_open() {
    for operation in [TRIP, RESET, FORCE, SHADOW] {
        model("a person against a probe", move || {
            let cap = whole();
            let fixture = member(&cap, 1);
            fixture.trip(OPEN_FOR, 0);
            let probe = fixture.enter(OPEN_FOR);
            let controlled = fixture.clone();
            race!(
                move || controlled.note(operation(&controlled.core)),
                succeed(&fixture, probe, OPEN_FOR + 1),
            );
            assert_places(&cap, &[&fixture]);
        });
    }
}

// G7, F1: two people open one circuit, which is one place.
#[test]
fn two_people_take_one_place() {
    model("two people and one place", || {
        let cap = whole();
        let fixture = member(&cap, 1);
        let (tripping, forcing) = (fixture.clone(), fixture.clone());
        race!(move || tripping.note(TRIP(&tripping.core)), move || forcing
            .note(FORCE(&forcing.core)),);
        assert_eq!(cap.taken(), 1);
    });
}

// G7, C4: the place that a call of an older era has in hand is no reason to forget a trip.
#[test]
fn a_trip_is_not_left_to_a_call_of_an_older_era() {
    model("a trip against one of an older era", || {
        let cap = whole();
        let fixture = member(&cap, 1);
        let ticket = fixture.enter(0);
        let resetting = fixture.clone();
        race!(fail(&fixture, ticket, 1), move || {
            let era = resetting.core.reset(1).era;
            let ticket = resetting.enter(1);
            resetting.record(ticket, Outcome::Failure, 1);
            assert_ne!(
                resetting.core.view(|| 0).era,
                era,
                "neither open nor vetoed"
            );
        });
        assert_places(&cap, &[&fixture]);
    });
}

// G7, A7, B1: a success ends the streak that was about to trip; another call that trips counted on it.
#[test]
fn a_trip_is_not_left_to_a_call_that_gives_up() {
    model("two trips against a success", || {
        let cap = whole();
        let fixture = member(&cap, 2);
        let tickets = [(); 4].map(|()| fixture.enter(0));
        fixture.record(tickets[0], Outcome::Failure, 0);
        race!(
            fail(&fixture, tickets[1], 1),
            trip_now(&fixture, tickets[2]),
            succeed(&fixture, tickets[3], 1)
        );
        assert_eq!((fixture.trips(), fixture.won().len()), (1, 1));
        assert_places(&cap, &[&fixture]);
    });
}

// G7: in shadow no place is taken.
#[test]
fn a_trip_that_finds_itself_in_shadow_gives_its_place_back() {
    model("a trip against shadow and another circuit", || {
        let cap = half();
        let (one, other) = (member(&cap, 1), member(&cap, 1));
        let ticket = one.enter(0);
        let shadowed = one.clone();
        race!(fail(&one, ticket, 1), move || {
            shadowed.note(SHADOW(&shadowed.core));
        });
        assert_places(&cap, &[&one, &other]);
        let ticket = other.enter(2);
        other.record(ticket, Outcome::Failure, 2);
        assert_eq!(other.core.state(), State::Open);
    });
}

// G7: freed on drop, and by then the set is smaller, too; not the other way round.
#[test]
fn a_circuit_that_goes_takes_no_place_from_another() {
    model("a drop against a trip", || {
        let cap = whole();
        let (one, other) = (member(&cap, 1), member(&cap, 1));
        one.trip(OPEN_FOR, 0);
        let ticket = other.enter(1);
        race!(move || drop(one), fail(&other, ticket, 1));
        assert_eq!((other.trips(), other.won().len()), (1, 1));
        assert_eq!((cap.members(), cap.taken()), (1, 1));
    });
}

// G7: a circuit that closes makes room.
#[test]
fn a_circuit_that_closes_makes_room_for_another() {
    model("a close against a trip", || {
        let cap = half();
        let (one, other) = (member(&cap, 1), member(&cap, 1));
        one.trip(OPEN_FOR, 0);
        let probe = one.enter(OPEN_FOR);
        let ticket = other.enter(OPEN_FOR);
        race!(
            succeed(&one, probe, OPEN_FOR),
            fail(&other, ticket, OPEN_FOR)
        );
        assert_places(&cap, &[&one, &other]);
        if other.trips() == 0 {
            assert_eq!(causes(&other), [Cause::TripVetoed]);
            let again = other.enter(OPEN_FOR);
            other.record(again, Outcome::Failure, OPEN_FOR);
        }
        assert_eq!(other.core.state(), State::Open);
    });
}

// G7: the break of one is over. It closes, and another opens, with its place or with the one it frees; or is
// vetoed while that is on its way, and opens the next time.
#[test]
fn a_place_is_taken_over_or_freed_but_not_both() {
    model("a close against one who takes its place over", || {
        let cap = half();
        let (one, other) = (member(&cap, 1), member(&cap, 1));
        one.trip(OPEN_FOR, 0);
        let ticket = other.enter(OPEN_FOR);
        race!(control(&one, RESET), fail(&other, ticket, OPEN_FOR));
        assert_places(&cap, &[&one, &other]);
        if other.trips() == 0 {
            let again = other.enter(OPEN_FOR);
            other.record(again, Outcome::Failure, OPEN_FOR);
        }
        assert_eq!((other.trips(), cap.taken()), (1, 1));
    });
}

// G7, C1: the break of one is over. It becomes half-open with its place, or another has taken that over.
#[test]
fn a_probe_keeps_its_place_or_has_lost_it() {
    model("a probe against one who takes its place over", || {
        let cap = half();
        let (one, other) = (member(&cap, 1), member(&cap, 1));
        one.trip(OPEN_FOR, 0);
        let ticket = other.enter(OPEN_FOR);
        let probing = one.clone();
        race!(
            move || {
                let probe = probing.enter(OPEN_FOR);
                probing.record(probe, Outcome::Failure, OPEN_FOR);
            },
            fail(&other, ticket, OPEN_FOR)
        );
        // Reopened with its own, or closed for want of it: never both open, and never none.
        assert_eq!(cap.taken(), 1);
        let open = [&one, &other].map(|fixture| fixture.core.state() == State::Open);
        assert_ne!(open[0], open[1]);
        let told = if open[0] { &other } else { &one };
        assert_eq!(causes(told).last(), Some(&Cause::TripVetoed));
    });
}

// G7: one place whose break is over, and two who ask for it.
#[test]
fn of_two_who_ask_for_one_place_one_takes_it_over() {
    model("two trips and one break that is over", || {
        let cap = third();
        let [gone, one, other] = [(); 3].map(|()| member(&cap, 1));
        gone.trip(OPEN_FOR, 0);
        let (first, second) = (one.enter(OPEN_FOR), other.enter(OPEN_FOR));
        race!(fail(&one, first, OPEN_FOR), fail(&other, second, OPEN_FOR));
        assert_eq!((one.trips() + other.trips(), cap.taken()), (1, 1));
    });
}

// G7, E2: whoever comes last, the place follows what is so in the end.
#[test]
fn people_who_open_and_close_leave_a_place_for_what_is_open() {
    for opening in [TRIP, FORCE] {
        model("a person who opens against one who closes", move || {
            let cap = whole();
            let fixture = member(&cap, 1);
            race!(control(&fixture, opening), control(&fixture, RESET));
            assert_places(&cap, &[&fixture]);
        });
    }
}

// G7, E1: to shadow and back is the same era, and the same place.
#[test]
fn a_place_that_is_needed_after_all_is_put_back() {
    model("to shadow against back to normal", || {
        let cap = whole();
        let fixture = member(&cap, 1);
        fixture.trip(OPEN_FOR, 0);
        race!(control(&fixture, SHADOW), control(&fixture, NORMAL));
        assert_places(&cap, &[&fixture]);
    });
}

// G7: whoever fails in the era that a veto began knows that it has been told.
#[test]
fn a_veto_is_told_once() {
    model("two calls that are vetoed", || {
        let cap = none();
        let fixture = member(&cap, 1);
        let ticket = fixture.enter(0);
        let again = fixture.clone();
        race!(fail(&fixture, ticket, 1), move || {
            let ticket = again.enter(1);
            again.record(ticket, Outcome::Failure, 1);
        });
        assert_eq!(causes(&fixture), [Cause::TripVetoed]);
    });
}

// G7: a veto that is not told is the end of no era, and leaves it to the next call to open the circuit.
#[test]
fn after_a_veto_that_is_not_told_the_next_call_opens() {
    model(
        "a veto that is not told against a place that gets free",
        || {
            let cap = half();
            let (one, other) = (member(&cap, 1), member(&cap, 1));
            one.trip(OPEN_FOR, 0);
            let ticket = other.enter(1);
            other.record(ticket, Outcome::Failure, 1);
            let tickets = [(); 2].map(|()| other.enter(1));
            let [first, second] = tickets.map(|ticket| fail(&other, ticket, 1));
            race_all(vec![first, second, control(&one, RESET)]);
            if other.trips() == 0 {
                let ticket = other.enter(1);
                other.record(ticket, Outcome::Failure, 1);
            }
            assert_eq!((other.trips(), cap.taken()), (1, 1));
        },
    );
}

fn alone() -> Arc<Fixture> {
    Fixture::new(consecutive(1))
}

fn join(fixture: &Arc<Fixture>, cap: &StdArc<Cap>) -> Part {
    let (fixture, cap) = (fixture.clone(), cap.clone());
    Box::new(move || assert!(fixture.core.join(Joining { cap, zero: 1 })))
}

// K1, G7: whoever opens the circuit sees that it is a member, or whoever has it join sees that it is open.
#[test]
fn a_circuit_that_joins_while_a_call_opens_it_has_one_place() {
    model("a circuit that joins against a call that opens it", || {
        let cap = whole();
        let fixture = alone();
        let ticket = fixture.enter(0);
        race!(fail(&fixture, ticket, 1), join(&fixture, &cap));
        assert_eq!(causes(&fixture), [Cause::ConsecutiveFailures(1)]);
        assert_places(&cap, &[&fixture]);
    });
}

// K1, G7, E2
#[test]
fn a_circuit_that_joins_while_a_person_opens_or_closes_it_has_a_place_if_it_is_open() {
    for (begins_open, operation) in [
        (false, TRIP),
        (false, FORCE),
        (true, TRIP),
        (true, RESET),
        (true, SHADOW),
    ] {
        model("a circuit that joins against a person", move || {
            let cap = whole();
            let fixture = alone();
            if begins_open {
                fixture.trip(OPEN_FOR, 0);
            }
            race!(control(&fixture, operation), join(&fixture, &cap));
            assert_places(&cap, &[&fixture]);
        });
    }
}

// K1, G7
#[test]
fn a_circuit_that_joins_while_its_probe_decides_has_a_place_if_it_is_open() {
    model("a circuit that joins against a probe that fails", || {
        let cap = whole();
        let fixture = alone();
        fixture.trip(OPEN_FOR, 0);
        let probe = fixture.enter(OPEN_FOR);
        race!(fail(&fixture, probe, OPEN_FOR), join(&fixture, &cap));
        assert_places(&cap, &[&fixture]);
    });
}
