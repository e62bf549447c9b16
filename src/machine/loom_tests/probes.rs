//! Half-open: who is a probe, and what probes decide (C1, D1 to D4, F2).

use super::*;

// F2, D1
#[test]
fn probes_never_exceed_the_permits() {
    model("probes never exceed the permits", || {
        let fixture = Fixture::open(Numbers {
            permits: 1,
            ..probes(2, 2, consecutive(1))
        });
        let held = fixture.enter(OPEN_FOR);
        let in_flight = StdArc::new(AtomicUsize::new(1));
        let leave = |ticket| {
            let (fixture, in_flight) = (fixture.clone(), in_flight.clone());
            move || {
                in_flight.fetch_sub(1, Relaxed);
                fixture.abandon(ticket, OPEN_FOR);
            }
        };
        let call = || {
            let (fixture, in_flight) = (fixture.clone(), in_flight.clone());
            Box::new(move || {
                if let Some(ticket) = fixture.admit(OPEN_FOR) {
                    assert_eq!(in_flight.fetch_add(1, Relaxed), 0, "two probes, one permit");
                    // Without a step in between, no other thread would ever see this one in flight.
                    loom::thread::yield_now();
                    in_flight.fetch_sub(1, Relaxed);
                    fixture.abandon(ticket, OPEN_FOR);
                }
            })
        };
        race!(leave(held), call(), call());
        assert_eq!(
            probes_and_permits(&fixture, OPEN_FOR).0,
            0,
            "a permit leaked"
        );
        assert_eq!(fixture.won().len(), 1);
    });
}

// C1, F2
#[test]
fn the_end_of_a_break_admits_one_probe() {
    model("two calls at the end of the break", || {
        let fixture = Fixture::open(consecutive(1));
        let admitted = StdArc::new(AtomicUsize::new(0));
        let call = || {
            let (fixture, admitted) = (fixture.clone(), admitted.clone());
            move || {
                let admission = fixture.admit(OPEN_FOR);
                admitted.fetch_add(admission.is_some().into(), Relaxed);
            }
        };
        race!(call(), call());
        assert_eq!(admitted.load(Relaxed), 1);
        assert_eq!(probes_and_permits(&fixture, OPEN_FOR), (1, 1));
        fixture.assert_eras_follow();
    });
}

/// Three probes, two of which must succeed.
fn two_of_three() -> (Arc<Fixture>, [Ticket; 3]) {
    let fixture = Fixture::open(probes(2, 3, consecutive(1)));
    let probes = [(); 3].map(|()| fixture.enter(OPEN_FOR));
    (fixture, probes)
}

// D2, F1
#[test]
fn half_open_decides_once() {
    for (odd, even, state) in [
        (Outcome::Success, Outcome::Failure, State::Closed),
        (Outcome::Failure, Outcome::Success, State::Open),
    ] {
        model("half-open decides once with mixed results", move || {
            let (fixture, probes) = two_of_three();
            let end = |ticket, outcome| {
                let fixture = fixture.clone();
                move || fixture.record(ticket, outcome, OPEN_FOR + 1)
            };
            race!(
                end(probes[0], odd),
                end(probes[1], even),
                end(probes[2], odd)
            );
            // Two of three, in whatever order.
            assert_eq!(fixture.core.state(), state);
            assert_eq!(fixture.won().len(), 2);
            fixture.assert_eras_follow();
        });
    }
}

// A2, A4, D1: what is neutral counts as never admitted.
#[test]
fn neutral_probes_leave_the_decision_to_the_others() {
    model(
        "half-open with a success, an ignored and a dropped probe",
        || {
            let (fixture, probes) = two_of_three();
            let later = OPEN_FOR + 1;
            let ignoring = fixture.clone();
            race!(
                succeed(&fixture, probes[0], later),
                move || ignoring.record(probes[1], Outcome::Ignored, later),
                abandon(&fixture, probes[2], later),
            );
            let probes = fixture.core.view(|| later).probes.expect("half-open");
            assert_eq!((probes.successes_needed, probes.failures_allowed), (1, 1));
            assert_eq!(probes_and_permits(&fixture, later), (0, 3));
        },
    );
}

// D4
#[test]
fn a_late_success_and_the_time_limit_exclude_each_other() {
    model("the half-open time limit against a late success", || {
        let fixture = Fixture::open(patient(10));
        let probe = fixture.enter(OPEN_FOR);
        let late = OPEN_FOR + 10;
        let calling = fixture.clone();
        race!(succeed(&fixture, probe, late), move || calling.knock(late));
        let won = fixture.won();
        let last = won.iter().max_by_key(|won| won.era).expect("won");
        assert!(matches!(
            (last.cause, fixture.core.state()),
            (Cause::Recovered, State::Closed) | (Cause::ProbesTimedOut, State::Open)
        ));
        assert_eq!(won.len(), 2);
        fixture.assert_eras_follow();
    });
}

/// Two calls at `now`, of which nobody may find the other's probe timed out.
fn two_calls_at(fixture: &Arc<Fixture>, now: u64) {
    let call = || {
        let fixture = fixture.clone();
        move || fixture.knock(now)
    };
    race!(call(), call());
    assert_eq!(fixture.trips(), 0, "a probe was timed out as it came");
}

// D4: stamped before the swap that opens half-open.
#[test]
fn the_first_probe_is_not_timed_out_as_it_comes() {
    model("the first probe of a half-open era against a call", || {
        two_calls_at(&Fixture::open(patient(10)), OPEN_FOR);
    });
}

// D4: stamped before the swap that admits.
#[test]
fn a_probe_that_comes_late_is_not_timed_out_by_its_predecessors_stamp() {
    model("a late probe of a half-open era against a call", || {
        let fixture = Fixture::open(patient(10));
        let probe = fixture.enter(OPEN_FOR);
        fixture.abandon(probe, OPEN_FOR);
        two_calls_at(&fixture, OPEN_FOR + 500);
    });
}

// D4, E5: the half-open timeout is frozen for its era, whoever else had other numbers in hand.
#[test]
fn a_loser_does_not_change_how_long_half_open_waits() {
    model(
        "reconfiguring the time limit against the first probe",
        || {
            let fixture = Fixture::open(patient(10));
            let (changing, calling) = (fixture.clone(), fixture.clone());
            let seen = StdArc::new(std::sync::Mutex::new(None));
            let first = seen.clone();
            race!(
                move || {
                    changing.reconfigure(|numbers| numbers.half_open_timeout = 500);
                    changing.knock(OPEN_FOR);
                    *first.lock().expect("not poisoned") = changing.refusal(OPEN_FOR);
                },
                move || calling.knock(OPEN_FOR),
            );
            let first = seen.lock().expect("not poisoned").take();
            assert_eq!(fixture.refusal(OPEN_FOR), first);
        },
    );
}

// C3, D4, F7: half-open is full until 1,010, and from 1,005 on, in another era, until 1,506.
#[test]
fn nobody_is_told_the_time_limit_of_another_era() {
    model("a rejection against new probes", || {
        let fixture = Fixture::open_in_a_set(patient(10));
        fixture.knock(OPEN_FOR);
        fixture.reconfigure(|numbers| numbers.half_open_timeout = 500);
        let now = OPEN_FOR + 5;
        let turning = fixture.clone();
        race!(
            move || {
                turning.trip(1, now);
                turning.knock(now + 1);
            },
            move || match fixture.refusal(now) {
                Some(Refusal::HalfOpenFull(remaining)) =>
                    assert!([5, 501].contains(&remaining.get())),
                refusal => assert_eq!(refusal, Some(Refusal::Open(Nanos::new(1)))),
            },
        );
    });
}

// C1, F7
#[test]
fn nobody_probes_before_the_break_is_over() {
    model("no early half-open", || {
        // The era before this one was open, too, and its break is long over.
        let fixture = Fixture::open(consecutive(1));
        let probe = fixture.enter(OPEN_FOR);
        let now = OPEN_FOR + 500;
        let (first, second) = (fixture.clone(), fixture.clone());
        race!(
            fail(&fixture, probe, now),
            // Rejected while half-open is full, rejected while open: never a probe.
            move || assert!(first.admit(now).is_none()),
            move || assert!(second.admit(now + OPEN_FOR - 1).is_none()),
        );
        let view = fixture.core.view(|| now);
        assert_eq!(view.state, State::Open);
        assert_eq!(view.remaining, Some(Duration::from_nanos(OPEN_FOR)));
        assert_eq!(view.attempt, 2);
    });
}

// D4: of two calls that race for the last seat, the loser may have read the clock earlier.
#[test]
fn a_loser_with_an_older_clock_times_no_probe_out() {
    model("two calls for one seat, the later one admitted", || {
        let fixture = Fixture::open(probes(2, 2, patient(10)));
        fixture.knock(OPEN_FOR);
        let (newer, older) = (fixture.clone(), fixture.clone());
        let won = StdArc::new(AtomicUsize::new(0));
        let wins = won.clone();
        race!(
            move || {
                let admission = newer.admit(OPEN_FOR + 9);
                wins.store(admission.is_some().into(), Relaxed);
            },
            move || older.knock(OPEN_FOR + 1),
        );
        let refusal = fixture.refusal(OPEN_FOR + 15);
        if won.load(Relaxed) == 1 {
            assert_eq!(refusal, Some(Refusal::HalfOpenFull(Nanos::new(4))));
        }
    });
}

// A7, D2, F1: each of the two would decide.
#[test]
fn a_success_and_a_result_that_trips_exclude_each_other() {
    model("half-open with a success and trip-now", || {
        let fixture = Fixture::open(probes(1, 2, consecutive(1)));
        let probes = [(); 2].map(|()| fixture.enter(OPEN_FOR));
        let tripping = fixture.clone();
        race!(succeed(&fixture, probes[0], OPEN_FOR), move || tripping
            .record(probes[1], Outcome::TripNow, OPEN_FOR),);
        assert_eq!(fixture.won().len(), 2);
        fixture.assert_eras_follow();
    });
}
