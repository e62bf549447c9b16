//! What a fleet leads: no call gets in without a seat, and no seat admits two (C1, N1, N5).

use super::*;
use crate::machine::led::{Alone, Led, OpenShared};

/// Until when a break is held that is over at [`OPEN_FOR`].
const HELD: u64 = 5_000;
/// No probe runs as long in vain (D4).
const LIFE: Duration = Duration::from_nanos(1_000);

/// Shared, closed.
fn shared(numbers: Numbers) -> Arc<Fixture> {
    Fixture::of(numbers.into(), false, None, true)
}

/// Opened by the fleet at 0, and held when its break is over.
fn opened() -> Arc<Fixture> {
    let fixture = shared(patient(10));
    fixture.core.hold(HELD);
    open(&fixture, OPEN_FOR, 0);
    fixture
}

/// Half-open since [`OPEN_FOR`], with so many seats for ten nanoseconds.
fn led(seats: u32) -> Arc<Fixture> {
    let fixture = opened();
    assert!(is_told(lead(&fixture, seats, OPEN_FOR)));
    fixture
}

/// Not noted.
fn open(fixture: &Fixture, left: u64, now: u64) -> OpenShared {
    fixture.core.open_shared(Duration::from_nanos(left), now)
}

/// The fleet opens, in a race.
fn opening(fixture: &Arc<Fixture>, left: u64, now: u64) -> Part {
    let fixture = fixture.clone();
    Box::new(move || {
        if let OpenShared::Told(told) = open(&fixture, left, now) {
            fixture.note(Some(told));
        }
    })
}

fn lead(fixture: &Fixture, seats: u32, now: u64) -> Led {
    fixture.core.lead(seats, now + 10, LIFE, now)
}

fn is_told(led: Led) -> bool {
    matches!(led, Led::Told(_))
}

/// New seats come, in a race.
fn seating(fixture: &Arc<Fixture>, seats: u32, now: u64) -> Part {
    let fixture = fixture.clone();
    Box::new(move || {
        if let Led::Told(told) = lead(&fixture, seats, now) {
            fixture.note(Some(told));
        }
    })
}

/// A call in a race; `admitted` counts those that were let in.
fn calling(fixture: &Arc<Fixture>, now: u64, admitted: &StdArc<AtomicUsize>) -> Part {
    let (fixture, admitted) = (fixture.clone(), admitted.clone());
    Box::new(move || {
        // What comes before, for speed, changes nothing.
        let admission = fixture.core.admit_any(now);
        fixture.note(admission.transition);
        admitted.fetch_add(admission.answer.is_ok().into(), Relaxed);
    })
}

fn tally(fixture: &Fixture) -> (u32, u32, u32, u32) {
    let tally = fixture.core.tally().expect("led");
    (tally.granted, tally.ok, tally.failed, tally.unused)
}

// N4, F1: whichever comes first, what holds in the end is the fleet's break.
#[test]
fn a_shared_open_and_a_local_trip_make_one_break() {
    model("a shared open against a local trip", || {
        let fixture = shared(consecutive(1));
        fixture.core.hold(HELD);
        let ticket = fixture.enter(0);
        race!(fail(&fixture, ticket, 1), opening(&fixture, 500, 1));
        fixture.assert_eras_follow();
        let view = fixture.core.view(|| 1);
        assert_eq!(view.remaining, Some(Duration::from_nanos(500)));
        assert_eq!(view.attempt, 1);
        assert!(fixture.core.is_led());
        assert!(fixture.admit(501).is_none());
    });
}

// N6, E2
#[test]
fn a_shared_open_never_undoes_a_person() {
    model("a shared open against a person", || {
        let fixture = shared(consecutive(1));
        let person = fixture.clone();
        race!(opening(&fixture, 500, 1), move || {
            person.note(person.core.force_open(None, 1));
        });
        fixture.assert_eras_follow();
        let view = fixture.core.view(|| 1);
        assert_eq!((view.mode, view.remaining), (Mode::ForcedOpen, None));
    });
}

// N5, C1: one call reads the clock when the lease is over already.
#[test]
fn no_call_gets_in_between_hold_and_seat() {
    model("two calls against a seat", || {
        let fixture = opened();
        let [early, late] = [(); 2].map(|()| StdArc::default());
        race!(
            calling(&fixture, OPEN_FOR, &early),
            calling(&fixture, OPEN_FOR + 10, &late),
            seating(&fixture, 1, OPEN_FOR),
        );
        assert_eq!(late.load(Relaxed), 0);
        let (granted, _, _, unused) = tally(&fixture);
        assert_eq!(granted - unused, early.load(Relaxed) as u32);
        fixture.assert_eras_follow();
    });
}

// N1: alone, it is as if nobody had led it; and a hold that is put off too late undoes nothing.
#[test]
fn a_lapsing_hold_admits_one() {
    model("two calls against a hold that is put off", || {
        let fixture = opened();
        let (admitted, holding) = (StdArc::default(), fixture.clone());
        race!(
            calling(&fixture, HELD, &admitted),
            calling(&fixture, HELD, &admitted),
            move || holding.core.hold(2 * HELD),
        );
        let admitted = admitted.load(Relaxed);
        assert!(admitted <= 1);
        assert_eq!(fixture.core.is_led(), admitted == 0);
        // Nobody is left waiting for good.
        assert_eq!(fixture.admit(2 * HELD).is_some(), admitted == 0);
    });
}

// N1, D2: a call that sees the hold lapse may begin the very era that is about to be led. Its result decides.
#[test]
fn who_finds_the_hold_lapsed_is_no_led_probe() {
    model("a lapsed hold against a seat", || {
        let fixture = opened();
        let calling = fixture.clone();
        let got_in = StdArc::new(AtomicUsize::new(0));
        let gets_in = got_in.clone();
        race!(seating(&fixture, 1, HELD), move || {
            let Some(ticket) = calling.admit(HELD) else {
                return;
            };
            gets_in.store(1, Relaxed);
            calling.record(ticket, Outcome::Success, HELD);
        });
        fixture.assert_eras_follow();
        match fixture.core.tally() {
            None => assert_eq!(fixture.core.state(), State::Closed),
            Some(tally) => assert_eq!(
                (tally.granted, tally.ok as usize),
                (1, got_in.load(Relaxed))
            ),
        }
    });
}

// N5, F2
#[test]
fn two_calls_and_one_seat() {
    model("two calls and one seat", || {
        let fixture = led(1);
        let admitted = StdArc::default();
        race!(
            calling(&fixture, OPEN_FOR, &admitted),
            calling(&fixture, OPEN_FOR, &admitted),
        );
        assert_eq!(admitted.load(Relaxed), 1);
        assert_eq!(tally(&fixture), (1, 0, 0, 0));
    });
}

// N5: neither of the old lease nor of the new one.
#[test]
fn no_probe_after_the_lease_by_any_clock_reading() {
    model("calls by three clocks against new seats", || {
        let fixture = led(1);
        let over = OPEN_FOR + 10;
        let [early, late] = [(); 2].map(|()| StdArc::default());
        race!(
            calling(&fixture, over - 1, &early),
            calling(&fixture, over + 10, &late),
            seating(&fixture, 1, over),
        );
        assert_eq!(late.load(Relaxed), 0);
        // The first seat, or the second, if it read the clock a while ago.
        assert_eq!(early.load(Relaxed), 1);
        let (granted, _, _, unused) = tally(&fixture);
        assert_eq!(granted - unused, 1);
    });
}

// N5: each result once, and never a seat that is not accounted for.
#[test]
fn results_are_tallied_once() {
    model("two probes end against a tally", || {
        let fixture = led(2);
        let [good, bad] = [(); 2].map(|()| fixture.enter(OPEN_FOR));
        let seen = fixture.clone();
        race!(
            succeed(&fixture, good, OPEN_FOR),
            fail(&fixture, bad, OPEN_FOR),
            move || {
                let (granted, ok, failed, unused) = tally(&seen);
                assert!(granted == 2 && ok <= 1 && failed <= 1 && unused == 0);
            },
        );
        assert_eq!(tally(&fixture), (2, 1, 1, 0));
        assert!(fixture.won().is_empty());
    });
}

// G7: and none is left behind.
#[test]
fn a_shared_open_takes_one_place() {
    model("a shared open against a trip, in a set", || {
        let cap = StdArc::new(Cap::new(WHOLE, 0));
        let fixture = Fixture::of(consecutive(1).into(), false, Some(cap.clone()), true);
        let ticket = fixture.enter(0);
        race!(fail(&fixture, ticket, 1), opening(&fixture, 500, 1));
        assert_eq!((fixture.core.state(), cap.taken()), (State::Open, 1));
        assert!(fixture.core.close_shared(false, 2).is_some());
        assert_eq!(cap.taken(), 0);
    });
}

// G7, E2
#[test]
fn a_shared_open_and_a_person_take_one_place() {
    model("a shared open against a person, in a set", || {
        let cap = StdArc::new(Cap::new(WHOLE, 0));
        let fixture = Fixture::of(consecutive(1).into(), false, Some(cap.clone()), true);
        open(&fixture, 1, 0);
        let person = fixture.clone();
        race!(opening(&fixture, 500, 1), move || {
            person.core.force_open(None, 1);
        });
        assert_eq!((fixture.core.mode(), cap.taken()), (Mode::ForcedOpen, 1));
    });
}

// N1: its mark is written before, and the old one is left where it is.
#[test]
fn a_led_break_begun_anew_is_held_throughout() {
    model("a call against a led break that begins anew", || {
        let fixture = opened();
        let admitted = StdArc::default();
        race!(
            opening(&fixture, 0, OPEN_FOR),
            calling(&fixture, OPEN_FOR, &admitted),
        );
        assert_eq!(admitted.load(Relaxed), 0);
        assert!(fixture.core.is_led());
    });
}

// N5: there were two, which nobody has used.
#[test]
fn new_seats_do_not_revive_old_ones() {
    model("two calls against one seat in place of two", || {
        let fixture = led(2);
        let over = OPEN_FOR + 10;
        let admitted = StdArc::default();
        race!(
            calling(&fixture, over, &admitted),
            calling(&fixture, over, &admitted),
            seating(&fixture, 1, over),
        );
        let admitted = admitted.load(Relaxed);
        assert!(admitted <= 1);
        assert_eq!(tally(&fixture), (1, 0, 0, 1 - admitted as u32));
    });
}

// N5, A2
#[test]
fn an_old_probe_gives_back_no_new_seat() {
    model("an abandoned probe against a new seat", || {
        let fixture = led(1);
        let old = fixture.enter(OPEN_FOR);
        let over = OPEN_FOR + 10;
        race!(abandon(&fixture, old, over), seating(&fixture, 1, over));
        assert!(fixture.admit(over).is_some());
        assert!(fixture.admit(over).is_none());
    });
}

// N7: what a probe has come to is not lost, nor counted twice.
#[test]
fn who_goes_alone_knows_what_its_probe_has_come_to() {
    model("going alone against a success", || {
        let fixture = Fixture::of(patient(10).into(), true, None, true);
        fixture.core.hold(HELD);
        open(&fixture, OPEN_FOR, 0);
        assert!(is_told(lead(&fixture, 1, OPEN_FOR)));
        let ticket = fixture.enter(OPEN_FOR);
        let going = fixture.clone();
        race!(succeed(&fixture, ticket, OPEN_FOR), move || {
            let plan = Alone {
                permits: 1,
                need: 1,
                spare: 0,
            };
            going.note(going.core.go_alone(plan, OPEN_FOR));
        });
        fixture.assert_eras_follow();
        let won = fixture.won();
        assert_eq!(won.len(), 1);
        let is_stale = fixture.core.totals().expect("on").stale == 1;
        let (to, cause) = match is_stale {
            true => (State::HalfOpen, Cause::WaitOver),
            false => (State::Closed, Cause::Recovered),
        };
        assert_eq!((won[0].to, won[0].cause), (to, cause));
        assert!(fixture.admit(OPEN_FOR).is_some());
    });
}
