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
                let ([first, second], _) = reading.read();
                assert_eq!(first, second);
            },
        );
        assert_eq!(words.read(), ([8, 8], 2));
    });
}

// E5: the hint of what is slow and the numbers that judge are two cells.
#[test]
fn one_version_of_the_numbers_judges_a_call() {
    model("reconfiguring what is slow against a call", || {
        let watch = |numbers: &mut Numbers, slow_call_duration, slow_call_rate| {
            (numbers.slow_call_duration, numbers.slow_call_rate) =
                (slow_call_duration, slow_call_rate);
        };
        let mut plan = windowed(WindowKind::Count(4), WHOLE, 1);
        watch(&mut plan.numbers, 100, WHOLE / 4);
        let fixture = Fixture::new(plan);
        for _ in 0..3 {
            let call = fixture.enter(0);
            fixture.record(call, Outcome::Success, 0);
        }
        let call = fixture.enter(0);
        let changing = fixture.clone();
        race!(
            move || changing.reconfigure(|numbers| watch(numbers, 5, WHOLE)),
            succeed(&fixture, call, 10),
        );
        assert_eq!(
            fixture.trips(),
            0,
            "neither the old numbers nor the new ones trip"
        );
    });
}

// E5, L2: both write what calls look at.
#[test]
fn calls_are_heard_through_a_change() {
    model("reconfiguring against somebody who begins to hear", || {
        let fixture = Fixture::new(consecutive(9));
        let (changing, hearing) = (fixture.clone(), fixture.clone());
        race!(
            move || changing.reconfigure(|numbers| numbers.slow_call_duration = 5),
            move || hearing.core.hear_calls(true),
        );
        assert!(fixture.core.hears_calls());
        assert!(fixture.core.admit_fast(|| 0).is_none());
    });
}

// E5: neither of two changes undoes the other.
#[test]
fn two_changes_both_hold() {
    model("reconfiguring against reconfiguring", || {
        let fixture = Fixture::new(consecutive(9));
        let (first, second) = (fixture.clone(), fixture.clone());
        race!(
            move || first.reconfigure(|numbers| numbers.consecutive_failures += 1),
            move || second.reconfigure(|numbers| *numbers = probes(3, 3, *numbers)),
        );
        let numbers = fixture.core.numbers();
        assert_eq!((numbers.consecutive_failures, numbers.permits), (10, 3));
    });
}

// E5: each begins from what the other has made, so neither is lost, and the versions tell their order.
#[test]
fn two_relative_changes_add_up() {
    model("twice one more", || {
        let fixture = Fixture::new(consecutive(1));
        let newest = StdArc::new(AtomicUsize::new(0));
        let more = || {
            let (fixture, newest) = (fixture.clone(), newest.clone());
            move || {
                let changed = fixture.core.reconfigure(|numbers, _| {
                    Ok::<_, Infallible>(Numbers {
                        consecutive_failures: numbers.consecutive_failures + 1,
                        ..numbers
                    })
                });
                let changed = changed.expect("infallible");
                assert_eq!(changed.new.consecutive_failures, 1 + changed.version);
                newest.fetch_max(changed.version.try_into().expect("few"), Relaxed);
            }
        };
        race!(more(), more());
        assert_eq!(fixture.core.numbers().consecutive_failures, 3);
        assert_eq!(newest.load(Relaxed), 2);
    });
}

// E5: a change is given the version that it begins from, and nobody gets between that and what it writes.
#[test]
fn of_two_who_expect_one_version_one_gets_through() {
    model("twice one more, of the same version", || {
        let fixture = Fixture::new(consecutive(1));
        let through = StdArc::new(AtomicUsize::new(0));
        let more = || {
            let (fixture, through) = (fixture.clone(), through.clone());
            move || {
                let changed = fixture.core.reconfigure(|numbers, version| match version {
                    0 => Ok(Numbers {
                        consecutive_failures: numbers.consecutive_failures + 1,
                        ..numbers
                    }),
                    newer => Err(newer),
                });
                through.fetch_add(changed.is_ok().into(), Relaxed);
            }
        };
        race!(more(), more());
        assert_eq!(through.load(Relaxed), 1);
        assert_eq!(fixture.core.settings_version(), 1);
        assert_eq!(fixture.core.numbers().consecutive_failures, 2);
    });
}

// E3, E5: from the next call on; a call that races is judged by the one or the other.
#[test]
fn a_new_threshold_holds_from_the_next_call_on() {
    model("reconfiguring the streak against failures", || {
        let fixture = Fixture::new(consecutive(3));
        let tickets = [(); 3].map(|()| fixture.enter(0));
        let changing = fixture.clone();
        race!(
            move || {
                changing.reconfigure(|numbers| numbers.consecutive_failures = 1);
                changing.record(tickets[0], Outcome::Failure, 1);
            },
            fail(&fixture, tickets[1], 1),
        );
        assert_eq!(fixture.trips(), 1);
        fixture.assert_eras_follow();
    });
}
