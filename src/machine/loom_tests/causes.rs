//! Why the circuit is open, as rejections tell it (C3).

use super::*;
use crate::machine::trip_cause::{PackedCause, TripCause};

fn told(cell: &TripCause, era: u64) -> Option<Cause> {
    cell.of(Era::new(era)).and_then(PackedCause::cause)
}

fn note(cell: &TripCause, era: u64) {
    cell.note(
        Era::new(era),
        PackedCause::of(Cause::ConsecutiveFailures(era)),
    );
}

/// The cause of this era, or nothing.
fn own_or_none(cell: &TripCause, era: u64) {
    if let Some(cause) = told(cell, era) {
        assert_eq!(cause, Cause::ConsecutiveFailures(era));
    }
}

// C3
#[test]
fn a_rejection_tells_the_cause_of_its_own_era_or_none() {
    model("two trips of an outage against a rejection", || {
        let cell = Arc::new(TripCause::new());
        note(&cell, 1);
        assert_eq!(told(&cell, 1), Some(Cause::ConsecutiveFailures(1)));
        let (writing, reading) = (cell.clone(), cell.clone());
        race!(
            move || {
                note(&writing, 3);
                note(&writing, 5);
            },
            move || {
                for era in [1, 3, 5] {
                    own_or_none(&reading, era);
                }
            },
        );
        assert_eq!(told(&cell, 5), Some(Cause::ConsecutiveFailures(5)));
    });
}

// C3: whoever is held up between its trip and its cause meets the next one.
#[test]
fn two_who_tell_causes_of_different_eras_never_mix_them() {
    model("two winners of trips", || {
        let cell = Arc::new(TripCause::new());
        let (first, second) = (cell.clone(), cell.clone());
        race!(move || note(&first, 1), move || {
            note(&second, 3);
            own_or_none(&second, 3);
        });
        for era in [1, 3] {
            own_or_none(&cell, era);
        }
    });
}

// C3, F3: somebody's cause is told, and it is that of a trip which has happened.
#[test]
fn a_rejection_tells_a_cause_of_the_circuit_as_it_is() {
    model("a trip against a trip by hand and a rejection", || {
        let fixture = Fixture::new(consecutive(1));
        let call = fixture.enter(0);
        let (failing, tripping, rejected) = (fixture.clone(), fixture.clone(), fixture.clone());
        race!(
            fail(&failing, call, 1),
            move || {
                tripping
                    .core
                    .trip(Duration::from_nanos(7), 1)
                    .expect("a normal mode");
            },
            move || {
                let told = rejected
                    .core
                    .cause_of_rejection(Refusal::Open(Nanos::new(1)))
                    .cause();
                let known = [
                    None,
                    Some(Cause::Manual),
                    Some(Cause::ConsecutiveFailures(1)),
                ];
                assert!(known.contains(&told));
            },
        );
        // Whoever was second did it by hand: a failure of an earlier era trips nothing.
        let told = fixture
            .core
            .cause_of_rejection(Refusal::Open(Nanos::new(1)))
            .cause();
        assert!(matches!(told, None | Some(Cause::Manual)));
    });
}
