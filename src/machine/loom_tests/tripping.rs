//! Trips out of closed: once an era, never missed (B1, B4, F1).

use super::*;

// F1, B1
#[test]
fn three_racing_failures_trip_once() {
    model("three racing failures trip once", || {
        let fixture = Fixture::new(consecutive(2));
        let tickets = [(); 3].map(|()| fixture.enter(0));
        race_all(tickets.map(|ticket| fail(&fixture, ticket, 5)).into());
        assert_eq!(fixture.trips(), 1);
        assert_eq!(fixture.core.view(|| 5).era, 1);
    });
}

// B1
#[test]
fn a_success_either_ends_the_streak_or_comes_after_the_trip() {
    model("success against failure on the streak", || {
        let fixture = Fixture::new(consecutive(2));
        let tickets = [(); 3].map(|()| fixture.enter(0));
        fixture.record(tickets[0], Outcome::Failure, 1);
        race!(
            fail(&fixture, tickets[1], 2),
            succeed(&fixture, tickets[2], 2)
        );
        let view = fixture.core.view(|| 2);
        match view.state {
            State::Open => assert_eq!(
                (fixture.trips(), view.remaining),
                (1, Some(Duration::from_nanos(OPEN_FOR)))
            ),
            // The success came between the failures.
            _ => assert_eq!((fixture.trips(), view.consecutive_failures), (0, 1)),
        }
    });
}

// B1
#[test]
fn a_success_is_never_lost_among_failures_of_the_streak() {
    model("a success that loses its first swap", || {
        let fixture = Fixture::new(consecutive(3));
        let tickets = [(); 3].map(|()| fixture.enter(0));
        fixture.record(tickets[0], Outcome::Failure, 1);
        race!(
            fail(&fixture, tickets[1], 2),
            succeed(&fixture, tickets[2], 2)
        );
        let streak = fixture.core.view(|| 2).consecutive_failures;
        assert!(streak <= 1, "{streak} in a row, with a success among them");
    });
}

// C1: a racer that loses does not push the end of the break back beyond the swap.
#[test]
fn two_trips_leave_a_break_that_began_no_later_than_either() {
    model("two trips, one break", || {
        let fixture = Fixture::new(consecutive(1));
        let tickets = [(); 2].map(|()| fixture.enter(0));
        race!(
            fail(&fixture, tickets[0], 10),
            fail(&fixture, tickets[1], 20)
        );
        let remaining = fixture.core.view(|| 20).remaining.expect("open");
        assert!(
            (OPEN_FOR - 10..=OPEN_FOR).contains(&nanos(remaining)),
            "{remaining:?}"
        );
        assert_eq!(fixture.trips(), 1);
    });
}

fn window_of_four(failure_rate: u64) -> Plan {
    windowed(WindowKind::Count(4), failure_rate, 4)
}

// B2, B4
#[test]
fn a_count_window_never_misses_a_trip() {
    model("a rate in a count window: two failures", || {
        let fixture = Fixture::new(window_of_four(WHOLE / 2));
        let tickets = [(); 4].map(|()| fixture.enter(0));
        fixture.record(tickets[2], Outcome::Success, 0);
        fixture.record(tickets[3], Outcome::Success, 0);
        race!(fail(&fixture, tickets[0], 1), fail(&fixture, tickets[1], 1));
        // 2 of 4, whoever was first.
        assert_eq!(fixture.trips(), 1);
    });
}

// B4, F1: both have seen the rate reached; the second finds the era over.
#[test]
fn a_rate_that_two_have_seen_trips_once() {
    model(
        "a rate in a count window: one more failure than it takes",
        || {
            let fixture = Fixture::new(window_of_four(WHOLE / 4));
            let tickets = [(); 5].map(|()| fixture.enter(0));
            for ticket in &tickets[2..] {
                fixture.record(*ticket, Outcome::Success, 0);
            }
            race!(fail(&fixture, tickets[0], 1), fail(&fixture, tickets[1], 1));
            assert_eq!(fixture.trips(), 1);
            fixture.assert_eras_follow();
        },
    );
}

// B3, B4, F1
#[test]
fn a_time_window_never_misses_a_trip_across_two_buckets() {
    model(
        "a rate in a time window: two failures in two buckets",
        || {
            let fixture = Fixture::new(windowed(
                WindowKind::Time(Duration::from_millis(1), 2),
                WHOLE,
                2,
            ));
            let tickets = [(); 2].map(|()| fixture.enter(0));
            race!(
                fail(&fixture, tickets[0], 499_999),
                fail(&fixture, tickets[1], 500_000)
            );
            assert_eq!(fixture.trips(), 1);
            fixture.assert_eras_follow();
        },
    );
}
