//! What outlasts an era: attempts across a close (C2), what late probes have taught, and when half-open has
//! heard nothing for too long (D4); and the instants beside the word that say since when (B1, D6).

use super::*;

/// Half-open since `OPEN_FOR`, with its first probe.
fn probing(numbers: Numbers) -> (Arc<Fixture>, Ticket) {
    let fixture = Fixture::open(numbers);
    let probe = fixture.enter(OPEN_FOR);
    (fixture, probe)
}

/// The attempts of the trips that were noted.
fn attempts(fixture: &Fixture) -> Vec<u32> {
    let trips = fixture.won().into_iter();
    trips
        .filter(|won| won.to == State::Open)
        .map(|won| won.attempt)
        .collect()
}

// C2, D5: whoever finds the circuit closed knows how often it had opened before.
#[test]
fn a_trip_right_after_a_close_knows_the_attempts_before() {
    model("a trip against the close before it", || {
        let (fixture, probe) = probing(consecutive(1));
        let failing = fixture.clone();
        race!(succeed(&fixture, probe, OPEN_FOR + 1), move || {
            if let Some(ticket) = failing.core.admit_fast(|| OPEN_FOR + 1) {
                failing.record(ticket, Outcome::Failure, OPEN_FOR + 1);
            }
        });
        assert!(attempts(&fixture).into_iter().all(|attempt| attempt == 2));
        fixture.assert_eras_follow();
    });
}

// C2, E2: a person's close is for good, also where half-open was about to close by itself.
#[test]
fn a_reset_forgets_the_attempts_whoever_closed() {
    model("a reset against the success of a probe", || {
        let (fixture, probe) = probing(consecutive(1));
        let resetting = fixture.clone();
        race!(succeed(&fixture, probe, OPEN_FOR + 1), move || {
            resetting.core.reset(OPEN_FOR + 1);
        });
        let ticket = fixture.enter(OPEN_FOR + 1);
        fixture.record(ticket, Outcome::Failure, OPEN_FOR + 1);
        assert_eq!(attempts(&fixture), [1]);
    });
}

// D4: of two late probes of one era, the slower says how long an answer takes.
#[test]
fn half_open_learns_from_the_slower_of_two_late_probes() {
    model("two late probes of one era", || {
        let fixture = Fixture::open(probes(2, 2, patient(10)));
        let probes = [(); 2].map(|()| fixture.enter(OPEN_FOR));
        let now = OPEN_FOR + 100;
        fixture.trip(OPEN_FOR, now);
        race!(
            succeed(&fixture, probes[0], now),
            succeed(&fixture, probes[1], now + 100),
        );
        let next = now + OPEN_FOR;
        fixture.knock(next);
        fixture.knock(next);
        assert_eq!(
            fixture.refusal(next),
            Some(Refusal::HalfOpenFull(Nanos::new(400)))
        );
    });
}

// D4: the probe that is late because its era is timed out just now teaches like any other.
#[test]
fn a_probe_that_is_late_by_an_instant_has_taught_or_closed() {
    model("a late success against the time-out", || {
        let fixture = Fixture::open(patient(10));
        let probe = fixture.enter(OPEN_FOR);
        let late = OPEN_FOR + 40;
        let calling = fixture.clone();
        race!(succeed(&fixture, probe, late), move || calling.knock(late));
        if fixture.core.state() == State::Open {
            let next = late + OPEN_FOR;
            fixture.knock(next);
            assert_eq!(
                fixture.refusal(next),
                Some(Refusal::HalfOpenFull(Nanos::new(80)))
            );
        }
    });
}

// D4: an answer that has been counted is known to whoever would say that there was none.
#[test]
fn an_answer_that_counts_has_been_heard() {
    model("an answered probe against an abandoned one", || {
        let numbers = Numbers {
            permits: 2,
            ..probes(2, 3, patient(10))
        };
        let fixture = Fixture::built(numbers, true);
        fixture.trip(OPEN_FOR, 0);
        let probes = [(); 2].map(|()| fixture.enter(OPEN_FOR));
        let now = OPEN_FOR + 10;
        let answering = fixture.clone();
        race!(
            move || answering.record(probes[0], Outcome::Failure, now),
            abandon(&fixture, probes[1], now),
        );
        // Either the answer came first, and half-open goes on, or it came too late.
        match fixture.core.view(|| now).probes {
            Some(probes) => assert_eq!((probes.in_flight, probes.failures_allowed), (0, 0)),
            None => {
                let won = fixture.won();
                let last = won.iter().max_by_key(|won| won.era).expect("won");
                assert_eq!((last.cause, last.era), (Cause::ProbesAbandoned, 3));
                assert_eq!(fixture.core.totals().expect("on").stale, 1);
            }
        }
        fixture.assert_eras_follow();
    });
}

// B1: stamped before the swap that counts the first failure.
#[test]
fn the_first_failure_in_a_row_is_stamped_before_it_counts() {
    model("two failures in a row that have to span a time", || {
        let fixture = Fixture::new(Numbers {
            consecutive_failures_span: 50,
            ..consecutive(2)
        });
        let tickets = [(); 2].map(|()| fixture.enter(0));
        race!(
            fail(&fixture, tickets[0], 100),
            fail(&fixture, tickets[1], 100)
        );
        assert_eq!(fixture.trips(), 0, "they came at the same instant");
        assert_eq!(fixture.core.view(|| 100).consecutive_failures, 2);
    });
}

// D6: of several that come after a quiet tenth of a second, one is admitted for that.
#[test]
fn a_trickle_is_one_call() {
    model("two calls in a ramp after a quiet time", || {
        let (fixture, probe) = probing(Numbers {
            ramp: 1_000_000_000_000,
            ramp_from: 1,
            ..consecutive(2)
        });
        fixture.record(probe, Outcome::Success, OPEN_FOR);
        // The first turn of all is always admitted.
        fixture.knock(OPEN_FOR);
        let now = OPEN_FOR + 100_000_000;
        let admitted = StdArc::new(AtomicUsize::new(0));
        let call = || {
            let (fixture, admitted) = (fixture.clone(), admitted.clone());
            move || {
                admitted.fetch_add(fixture.admit(now).is_some().into(), Relaxed);
            }
        };
        race!(call(), call());
        assert_eq!(admitted.load(Relaxed), 1);
    });
}
