//! Numbers that change under a live circuit (E5).

use super::*;
use crate::machine::tunable::Versioned;

// E5
#[test]
fn numbers_are_of_one_version() {
    model("reconfiguring against a reader", || {
        let words = Arc::new(Versioned::new([0, 0]));
        let (writing, reading) = (words.clone(), words.clone());
        race!(
            move || {
                writing.write([7, 7]);
                writing.write([8, 8]);
            },
            move || {
                let [first, second] = reading.read();
                assert_eq!(first, second);
            },
        );
        assert_eq!(words.read(), [8, 8]);
    });
}

// E5: the hint of what is slow and the numbers that judge are two cells.
#[test]
fn one_version_of_the_numbers_judges_a_call() {
    model("reconfiguring what is slow against a call", || {
        let watched = |slow_after, rate| Settings {
            slow_call_duration: Some(Duration::from_nanos(slow_after)),
            slow_call_rate: Some(rate),
            ..Settings::default()
        };
        let fixture = Fixture::new(&Settings {
            count_window: Some(4),
            minimum_calls: Some(1),
            ..watched(100, 0.25)
        });
        for _ in 0..3 {
            let call = fixture.enter(0);
            fixture.record(call, Outcome::Success, 0);
        }
        let call = fixture.enter(0);
        let changing = fixture.clone();
        race!(
            move || changing.core.reconfigure(&watched(5, 1.0)).expect("valid"),
            succeed(&fixture, call, 10),
        );
        assert_eq!(
            fixture.trips(),
            0,
            "neither the old numbers nor the new ones trip"
        );
    });
}

// E5: neither of two changes undoes the other.
#[test]
fn two_changes_both_hold() {
    model("reconfiguring against reconfiguring", || {
        let fixture = Fixture::new(&consecutive(9));
        let (first, second) = (fixture.clone(), fixture.clone());
        race!(
            move || first.core.reconfigure(&streak_of(1)).expect("valid"),
            move || second.core.reconfigure(&permits_of(3)).expect("valid"),
        );
        let numbers = fixture.core.tunable.read();
        assert_eq!((numbers.consecutive, numbers.permits), (1, 3));
    });
}

fn streak_of(n: u64) -> Settings {
    Settings {
        consecutive_failures: Some(n),
        ..Settings::default()
    }
}

fn permits_of(n: u64) -> Settings {
    Settings {
        permits: Some(n),
        probes: of(n, n),
        ..Settings::default()
    }
}

// E3, E5: from the next call on; a call that races is judged by the one or the other.
#[test]
fn a_new_threshold_holds_from_the_next_call_on() {
    model("reconfiguring the streak against failures", || {
        let fixture = Fixture::new(&consecutive(3));
        let tickets = [(); 3].map(|()| fixture.enter(0));
        let changing = fixture.clone();
        race!(
            move || {
                changing.core.reconfigure(&streak_of(1)).expect("valid");
                changing.record(tickets[0], Outcome::Failure, 1);
            },
            fail(&fixture, tickets[1], 1),
        );
        assert_eq!(fixture.trips(), 1);
        fixture.assert_eras_follow();
    });
}
