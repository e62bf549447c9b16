//! Calls and facts of one era against the next ones (C4, F1, F7).

use super::*;

// C4: the era of the call ends while its result is on its way into it.
#[test]
fn a_stale_result_changes_nothing() {
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::TripNow] {
        model("a stale result against a new era", move || {
            let fixture = Fixture::new(consecutive(1));
            let old = fixture.enter(0);
            let (turning, straggling) = (fixture.clone(), fixture.clone());
            race!(
                move || {
                    turning.note(Some(turning.trip(OPEN_FOR, 0)));
                    let probe = turning.enter(OPEN_FOR);
                    turning.record(probe, Outcome::Success, OPEN_FOR);
                },
                move || straggling.record(old, outcome, 0),
            );
            assert_eq!(fixture.core.state(), State::Closed);
            assert_eq!(fixture.core.view(|| OPEN_FOR).consecutive_failures, 0);
            fixture.assert_eras_follow();
            // All that the result may end is its own era.
            let own = |won: &Transition| {
                matches!(won.cause, Cause::TripNow | Cause::ConsecutiveFailures(_))
            };
            let mut ended = fixture.won().into_iter().filter(own);
            assert!(ended.all(|won| won.era == 1));
        });
    }
}

// A4, C4: the era of the probe, which was more patient, ends while the call is dropped.
#[test]
fn a_stale_drop_gives_nothing_back() {
    model("a stale drop against a new era", || {
        let fixture = Fixture::built(patient(500), true);
        fixture.trip(OPEN_FOR, 0);
        let old = fixture.enter(OPEN_FOR);
        fixture.reconfigure(|numbers| numbers.half_open_timeout = 10);
        let now = OPEN_FOR + 100;
        let probing = fixture.clone();
        race!(
            move || {
                probing.trip(1, now);
                probing.knock(now + 1);
            },
            abandon(&fixture, old, now + 1),
        );
        assert_eq!(probes_and_permits(&fixture, now + 1), (1, 1));
        let totals = fixture.core.totals().expect("on");
        assert_eq!((totals.abandoned, totals.failed), (1, 0), "not overdue");
    });
}

// C4: the era ends while the probe's result is on its way into it.
#[test]
fn a_stale_release_frees_no_seat() {
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
        model("a stale release against a new era", move || {
            let fixture = Fixture::open(probes(2, 2, consecutive(1)));
            let old = fixture.enter(OPEN_FOR);
            let (probing, straggling) = (fixture.clone(), fixture.clone());
            race!(
                move || {
                    probing.trip(OPEN_FOR, OPEN_FOR);
                    probing.knock(2 * OPEN_FOR);
                },
                move || straggling.record(old, outcome, OPEN_FOR),
            );
            let view = fixture.core.view(|| 2 * OPEN_FOR);
            let probes = view.probes.expect("half-open");
            assert_eq!(probes.successes_needed, 2);
            assert_eq!(probes_and_permits(&fixture, 2 * OPEN_FOR), (1, 2));
        });
    }
}

// C4: a result that trips by itself is checked by nobody but the swap that trips.
#[test]
fn a_result_that_trips_at_once_trips_its_own_era_only() {
    model("trip-now against a reset", || {
        let fixture = Fixture::new(consecutive(1));
        let ticket = fixture.enter(0);
        let (resetting, tripping) = (fixture.clone(), fixture.clone());
        race!(
            move || {
                resetting.core.reset(1);
            },
            move || tripping.record(ticket, Outcome::TripNow, 1),
        );
        assert_eq!(fixture.core.state(), State::Closed);
    });
}

// C1, C2, F7: a racer that was held up since era 0 changes no fact of era 3.
#[test]
fn a_straggler_moves_no_fact_of_a_later_era() {
    model("a late trip against three eras", || {
        let fixture = Fixture::new(consecutive(1));
        let ticket = fixture.enter(0);
        let turning = fixture.clone();
        race!(
            move || {
                turning.trip(OPEN_FOR, 10);
                let probe = turning.enter(10 + OPEN_FOR);
                turning.record(probe, Outcome::Failure, 10 + OPEN_FOR);
            },
            fail(&fixture, ticket, 5),
        );
        let view = fixture.core.view(|| 10 + OPEN_FOR);
        assert_eq!((view.state, view.attempt), (State::Open, 2));
        assert_eq!(view.remaining, Some(Duration::from_nanos(OPEN_FOR)));
    });
}

/// Era 1 ends at 1,000, era 2 at 17, era 3 at 50.
fn three_breaks() -> (Arc<Fixture>, Part) {
    let fixture = Fixture::open_in_a_set(consecutive(1));
    let tripping = fixture.clone();
    let part = move || {
        tripping.trip(7, 10);
        tripping.trip(30, 20);
    };
    (fixture, Box::new(part))
}

// C3, F7
#[test]
fn nobody_is_rejected_with_the_deadline_of_another_era() {
    model("a rejection against new breaks", || {
        let (fixture, tripping) = three_breaks();
        race!(tripping, move || match fixture.refusal(20) {
            Some(Refusal::Open(remaining)) => assert!([980, 30].contains(&remaining.get())),
            refusal => assert_eq!(refusal, None),
        });
    });
}

// F7
#[test]
fn a_view_is_of_one_era() {
    model("a view against new breaks", || {
        let (fixture, tripping) = three_breaks();
        race!(tripping, move || {
            let view = fixture.core.view(|| 20);
            let expected = [980, 0, 30][usize::try_from(view.era - 1).expect("small")];
            assert_eq!(
                view.remaining,
                Some(Duration::from_nanos(expected)),
                "in era {}",
                view.era
            );
        });
    });
}

// F7: looked at with an older reading of the clock, the window of the era before would be this one's.
#[test]
fn a_view_reads_the_clock_in_its_era() {
    model("a view against a reset and the clock", || {
        let bucket = 1_000_000;
        let window = WindowKind::Time(Duration::from_nanos(bucket), 1);
        let fixture = Fixture::new(windowed(window, WHOLE, 9));
        let clock = Arc::new(AtomicU64::new(0));
        let ticket = fixture.enter(0);
        let (ticking, failing) = (clock.clone(), fixture.clone());
        race!(
            move || {
                ticking.store(2 * bucket, Ordering::Release);
                failing.record(ticket, Outcome::Failure, 2 * bucket);
                failing.core.reset(2 * bucket);
            },
            move || {
                let view = fixture.core.view(|| clock.load(Ordering::Acquire));
                let failed = view.counts.expect("a window").failed;
                assert!(view.era == 0 || failed == 0, "another era's failure");
            },
        );
    });
}

// A6, C4
#[test]
fn readiness_that_fails_fails_the_era_that_was_seen() {
    model("a failed readiness against a reset", || {
        let fixture = Fixture::new(consecutive(1));
        let seen = fixture.core.seen();
        let (resetting, failing) = (fixture.clone(), fixture.clone());
        race!(
            move || {
                resetting.core.reset(1);
            },
            move || {
                let note = |change| failing.note(Some(change));
                failing.core.fail_ready(seen, 1, note);
            },
        );
        assert_eq!(fixture.core.state(), State::Closed);
        assert!(fixture.trips() <= 1);
    });
}

// C2
#[test]
fn a_view_knows_the_attempt_of_its_era() {
    model("a view against the next attempt", || {
        let fixture = Fixture::open(consecutive(1));
        let probe = fixture.enter(OPEN_FOR);
        race!(fail(&fixture, probe, OPEN_FOR), move || {
            let view = fixture.core.view(|| OPEN_FOR);
            assert_eq!(u64::from(view.attempt), view.era - 1, "{:?}", view.state);
        });
    });
}

// C1, F7: the racers of the next era stamp it, and the one that loses has not lengthened this break.
#[test]
fn a_loser_leaves_the_deadline_as_it_is() {
    model("a failed probe against a view of the era it ends", || {
        let fixture = Fixture::open(consecutive(1));
        let probe = fixture.enter(OPEN_FOR);
        race!(fail(&fixture, probe, OPEN_FOR + 9), move || {
            let view = fixture.core.view(|| OPEN_FOR + 9);
            let expected = if view.era == 2 { 9 } else { 0 };
            assert_eq!(
                view.in_state,
                Duration::from_nanos(expected),
                "{:?}",
                view.state
            );
        });
    });
}

// C2, F7
#[test]
fn a_view_knows_no_attempt_of_a_later_era() {
    model("a view against the attempt of two eras later", || {
        let fixture = Fixture::open_in_a_set(consecutive(1));
        let probe = fixture.enter(OPEN_FOR);
        fixture.record(probe, Outcome::Failure, OPEN_FOR);
        let tripping = fixture.clone();
        race!(
            move || {
                tripping.trip(OPEN_FOR, OPEN_FOR);
                tripping.trip(OPEN_FOR, OPEN_FOR);
            },
            move || assert_eq!(fixture.core.view(|| OPEN_FOR).attempt, 2),
        );
    });
}
