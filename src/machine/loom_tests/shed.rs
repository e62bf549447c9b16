//! Shedding: where it begins, where it is over, and what comes between (B9, E4, F1).

use super::*;

const SECOND_LATER: u64 = 1_000_000_000;

/// Sheds above half, from the first call on, of so many.
fn shedding(window: u32, numbers: Numbers) -> Plan {
    Plan {
        window: WindowKind::Count(window),
        ..Numbers {
            shed: Shed::new(2 * WHOLE, WHOLE / 10),
            minimum_calls: 1,
            ..numbers
        }
        .into()
    }
}

fn tickets<const N: usize>(fixture: &Fixture) -> [Ticket; N] {
    [(); N].map(|()| fixture.enter(0))
}

/// How often it was told that shedding begins, and that it is over.
fn told(fixture: &Fixture) -> [usize; 2] {
    let of = |is: fn(Cause) -> bool| fixture.won().iter().filter(|won| is(won.cause)).count();
    [
        of(|cause| matches!(cause, Cause::ShedBegan(_))),
        of(|cause| cause == Cause::ShedEnded),
    ]
}

/// What was told is what holds.
fn assert_told_right(fixture: &Fixture) {
    let [began, ended] = told(fixture);
    let sheds = usize::from(fixture.core.load().is_shedding());
    assert_eq!(began, ended + sheds);
}

// B9, E4
#[test]
fn shedding_begins_once() {
    model("two failures that begin it", || {
        let fixture = Fixture::new(shedding(4, consecutive(9)));
        let [one, other] = tickets(&fixture);
        race!(fail(&fixture, one, 1), fail(&fixture, other, 1));
        assert_eq!(told(&fixture), [1, 0]);
        let view = fixture.core.view(|| 1);
        assert!(view.shed_share > 0);
        // And no failure in a row is lost to it.
        assert_eq!(view.consecutive_failures, 2);
    });
}

// B9, E4
#[test]
fn shedding_is_over_once() {
    model("two successes that end it", || {
        let fixture = Fixture::new(shedding(4, consecutive(0)));
        let [first, second, third, fourth] = tickets(&fixture);
        fixture.record(first, Outcome::Failure, 1);
        fixture.record(second, Outcome::Success, 1);
        let now = 1 + SECOND_LATER;
        race!(
            succeed(&fixture, third, now),
            succeed(&fixture, fourth, now)
        );
        assert_eq!(told(&fixture), [1, 1]);
        assert_told_right(&fixture);
    });
}

/// Nothing of shedding is in the era that holds, and what was told of it is of the one before.
fn assert_of_the_era_before(fixture: &Fixture) {
    assert!(!fixture.core.load().is_shedding());
    let mut sheds = fixture.won().into_iter();
    assert!(sheds.all(|won| !won.is_of_shedding() || won.era == 0));
    assert!(told(fixture)[0] <= 1);
    fixture.assert_eras_follow();
}

// B9, F1: the trip wins, and ends it.
#[test]
fn nothing_of_shedding_outlives_a_trip() {
    model("two failures: one begins it, the next one trips", || {
        let fixture = Fixture::new(shedding(4, consecutive(2)));
        let [one, other] = tickets(&fixture);
        race!(fail(&fixture, one, 1), fail(&fixture, other, 1));
        let view = fixture.core.view(|| 1);
        let left = view.remaining.map(nanos);
        assert_eq!((view.state, left), (State::Open, Some(OPEN_FOR)));
        assert_of_the_era_before(&fixture);
        let probe = fixture.enter(1 + OPEN_FOR);
        fixture.record(probe, Outcome::Success, 1 + OPEN_FOR);
        assert!(fixture.core.load().admits_fast());
    });
}

// B9, C4: what another era holds is no evidence of the call's.
#[test]
fn a_call_of_another_era_begins_nothing() {
    model("a failure against a reset, and calls after that", || {
        let numbers = Numbers {
            shed: Shed::new(WHOLE, WHOLE / 10),
            minimum_calls: 2,
            ..consecutive(0)
        };
        let fixture = Fixture::new(Plan {
            window: WindowKind::Count(4),
            ..numbers.into()
        });
        let [ticket] = tickets(&fixture);
        let resetting = fixture.clone();
        race!(fail(&fixture, ticket, 1), move || {
            resetting.note(Some(resetting.core.reset(1)));
            let [one, other] = tickets(&resetting);
            resetting.record(one, Outcome::Failure, 1);
            // The window has something to shed by now, but a success does not begin it.
            resetting.record(other, Outcome::Success, 1);
        });
        assert_of_the_era_before(&fixture);
        assert_eq!(told(&fixture), [0, 0]);
    });
}

// B9, E1, F1: neither undoes the other.
#[test]
fn shedding_begins_under_a_change_of_mode() {
    for mode in [Mode::Shadow, Mode::Disabled] {
        model("a failure that begins it against a mode", move || {
            let fixture = Fixture::new(shedding(4, consecutive(0)));
            let [ticket] = tickets(&fixture);
            let changing = fixture.clone();
            race!(fail(&fixture, ticket, 1), move || {
                changing.note(changing.core.set_mode(mode, 1));
            });
            assert_eq!(fixture.core.mode(), mode);
            match mode {
                // Its era goes on.
                Mode::Shadow => assert_eq!(told(&fixture), [1, 0]),
                _ => assert_of_the_era_before(&fixture),
            }
            assert_eq!(fixture.core.load().is_shedding(), mode == Mode::Shadow);
        });
    }
}

// B9, D6: two bits of one word go, each by a swap of its own.
#[test]
fn a_ramp_and_shedding_end_at_once() {
    model("calls that end a ramp and shedding", || {
        let fixture = Fixture::new(shedding(
            4,
            Numbers {
                ramp: 100,
                ramp_from: WHOLE / 2,
                ..consecutive(9)
            },
        ));
        fixture.trip(OPEN_FOR, 0);
        let probe = fixture.enter(OPEN_FOR);
        fixture.record(probe, Outcome::Success, OPEN_FOR);
        let ticket = Ticket::new(fixture.core.load());
        fixture.record(ticket, Outcome::Failure, OPEN_FOR);
        for _ in 0..2 {
            fixture.record(ticket, Outcome::Success, OPEN_FOR);
        }
        let over = OPEN_FOR + SECOND_LATER;
        let calling = fixture.clone();
        race!(succeed(&fixture, ticket, over), move || {
            // Nothing is left to refuse, whichever bits it sees.
            assert!(calling.admit(over).is_some());
            assert!(calling.refusal(over).is_none());
        });
        assert!(fixture.core.load().admits_fast());
        assert_eq!(told(&fixture), [1, 1]);
    });
}
