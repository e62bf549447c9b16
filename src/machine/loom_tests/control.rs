//! What a person does, against calls and against each other (E1 to E4, F1).

use super::*;

type Control = fn(&Core) -> Option<Transition>;

const TRIP: Control = |core| core.trip(Duration::from_nanos(OPEN_FOR), 1).ok();
const RESET: Control = |core| Some(core.reset(1));
const FORCE: Control = |core| core.set_mode(Mode::ForcedOpen, 1);
const RELEASE: Control = |core| core.release(1);
const SHADOW: Control = |core| core.set_mode(Mode::Shadow, 1);
const DISABLE: Control = |core| core.set_mode(Mode::Disabled, 1);

fn control(fixture: &Arc<Fixture>, control: Control) -> Part {
    let fixture = fixture.clone();
    Box::new(move || {
        fixture.note(control(&fixture.core));
    })
}

/// E3: what a control operation has done is seen at once.
fn assert_obeyed(fixture: &Fixture) {
    match fixture.core.mode() {
        Mode::ForcedOpen => assert!(fixture.admit(2).is_none()),
        Mode::Disabled | Mode::Shadow => assert!(fixture.admit(2).is_some()),
        Mode::Normal => {}
    }
}

// E2, E3, F1
#[test]
fn control_operations_and_calls_end_each_era_once() {
    for operation in [TRIP, RESET, FORCE, SHADOW, DISABLE] {
        model("a control operation against calls", move || {
            let fixture = Fixture::new(consecutive(1));
            let ticket = fixture.enter(0);
            let (controlled, calling) = (fixture.clone(), fixture.clone());
            race!(
                move || {
                    controlled.note(operation(&controlled.core));
                    assert_obeyed(&controlled);
                },
                fail(&fixture, ticket, 1),
                move || calling.knock(1),
            );
            fixture.assert_eras_follow();
        });
    }
}

// E2, F1, F2
#[test]
fn control_operations_and_probes_end_each_era_once() {
    for operation in [TRIP, RESET, FORCE, SHADOW, DISABLE] {
        model("a control operation against a probe", move || {
            let fixture = Fixture::open(consecutive(1));
            let probe = fixture.enter(OPEN_FOR);
            race!(
                control(&fixture, operation),
                succeed(&fixture, probe, OPEN_FOR + 1),
            );
            fixture.assert_eras_follow();
        });
    }
}

// E2, E3
#[test]
fn a_release_admits_and_is_told_once() {
    model("a release against calls and another release", || {
        let fixture = Fixture::new(consecutive(1));
        fixture.core.set_mode(Mode::ForcedOpen, 0);
        let (releasing, calling) = (fixture.clone(), fixture.clone());
        race!(
            move || {
                releasing.note(releasing.core.release(1));
                assert!(releasing.admit(1).is_some());
            },
            control(&fixture, RELEASE),
            move || calling.knock(1),
        );
        assert_eq!(
            (fixture.won().len(), fixture.core.mode()),
            (1, Mode::Normal)
        );
    });
}

// E1, E4
#[test]
fn a_mode_is_entered_once() {
    for operation in [FORCE, SHADOW, DISABLE] {
        model("the same mode by two people", move || {
            let fixture = Fixture::new(consecutive(1));
            race!(control(&fixture, operation), control(&fixture, operation));
            assert_eq!(fixture.won().len(), 1);
        });
    }
}

/// Forced open since 0, until then.
fn forced_until(end: u64) -> Arc<Fixture> {
    let fixture = Fixture::new(consecutive(1));
    let at_most = Some(Duration::from_nanos(end));
    fixture.core.force_open(at_most, 0).expect("a change");
    fixture
}

// E2, F1, E4: whoever notices, and whatever a person does at that moment.
#[test]
fn an_expiry_ends_once() {
    let force: Control = |core| core.force_open(Some(Duration::from_nanos(7)), 9);
    for (operation, others) in [(RELEASE, 2), (force, 1)] {
        model(
            "the end of forced open against a person and calls",
            move || {
                let fixture = forced_until(5);
                let (calling, waiting) = (fixture.clone(), fixture.clone());
                let call: Part = Box::new(move || calling.knock(9));
                let wait: Part = Box::new(move || {
                    let tell = |transition| waiting.note(Some(transition));
                    let _ = waiting.core.refusal_or_time_out(|| 9, tell);
                });
                let mut parts = vec![control(&fixture, operation)];
                parts.extend([call, wait].into_iter().take(others));
                race_all(parts);
                let won = fixture.won();
                let expired = won.iter().filter(|won| won.cause == Cause::ForceExpired);
                assert!(expired.count() <= 1);
                fixture.assert_eras_follow();
                let forced = fixture.core.mode() == Mode::ForcedOpen;
                assert_eq!(fixture.admit(9).is_none(), forced);
                assert!(forced || fixture.core.mode() == Mode::Normal);
            },
        );
    }
}

// E2, F7: whoever looks knows the end of the era that it sees, and a new time is not cut short by an old one.
#[test]
fn an_expiry_and_a_new_expiry() {
    model("forced open anew against calls and a look", || {
        let fixture = forced_until(5);
        let (forcing, calling, looking) = (fixture.clone(), fixture.clone(), fixture.clone());
        race!(
            move || {
                let at_most = Some(Duration::from_nanos(100));
                forcing.note(forcing.core.force_open(at_most, 5));
                assert!(forcing.admit(5).is_none());
            },
            move || calling.knock(5),
            move || {
                let left = looking
                    .core
                    .view(|| 5)
                    .remaining
                    .map(|left| left.as_nanos());
                assert!([None, Some(0), Some(100)].contains(&left), "{left:?}");
            },
        );
        // The call may have ended the first time before it was made longer.
        assert_eq!(fixture.core.mode(), Mode::ForcedOpen);
        assert!(fixture.admit(104).is_none() && fixture.admit(105).is_some());
        fixture.assert_eras_follow();
    });
}

// E2: forced open refuses a trip, whenever it comes.
#[test]
fn a_trip_never_disturbs_forced_open() {
    model("a trip against forced open", || {
        let fixture = Fixture::new(consecutive(1));
        race!(control(&fixture, FORCE), control(&fixture, TRIP));
        assert_eq!(fixture.core.mode(), Mode::ForcedOpen);
        let mut won = fixture.won().into_iter();
        assert!(won.all(|won| won.mode_before == Mode::Normal));
        fixture.assert_eras_follow();
    });
}

// E2, F1: the circuit is as the last of the two left it, and both were told.
#[test]
fn two_people_end_each_era_once() {
    for (one, other) in [
        (TRIP, RESET),
        (RESET, FORCE),
        (SHADOW, TRIP),
        (DISABLE, RESET),
    ] {
        model("two control operations", move || {
            let fixture = Fixture::new(consecutive(1));
            race!(control(&fixture, one), control(&fixture, other));
            fixture.assert_eras_follow();
            let won = fixture.won();
            let last = won.iter().max_by_key(|won| won.era).expect("won");
            assert_eq!(fixture.core.state(), last.to);
        });
    }
}
