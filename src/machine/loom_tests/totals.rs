//! Totals, exact when nobody is calling (F4).

use super::*;

// F4
#[test]
fn totals_are_exact_at_rest() {
    model("totals", || {
        let totals = Arc::new(TotalCounters::new());
        let (first, second) = (totals.clone(), totals.clone());
        race!(
            move || {
                first.rejected(Refusal::Open(Nanos::new(1)));
                first.stale();
            },
            move || {
                second.rejected(Refusal::Open(Nanos::new(2)));
                second.rejected(Refusal::Ramping);
            },
        );
        let read = totals.read();
        assert_eq!((read.rejected, read.stale), (3, 1));
        let by = read.rejected_by;
        assert_eq!((by.open, by.ramping), (2, 1));
    });
}

// F4: also on one stripe.
#[test]
fn durations_add_up() {
    model("durations: two threads on one stripe, and another", || {
        let durations = Arc::new(DurationCounters::new());
        let take = |stripe, nanos: &'static [u64]| {
            let durations = durations.clone();
            move || {
                set_thread_number(stripe);
                for nanos in nanos {
                    durations.add(Nanos::new(*nanos));
                }
            }
        };
        race!(take(0, &[1]), take(0, &[10]), take(1, &[100]));
        let read = durations.read();
        let first = read.buckets[0];
        assert_eq!((first.calls, first.nanos, read.calls()), (3, 111, 3));
    });
}

// F4: whatever becomes of the era meanwhile, each call ends once.
#[test]
fn every_call_ends_once() {
    model("totals: calls against a trip", || {
        let fixture = Fixture::built(consecutive(1), true);
        let tickets = [(); 3].map(|()| fixture.enter(0));
        race!(
            fail(&fixture, tickets[0], 1),
            succeed(&fixture, tickets[1], 1),
            abandon(&fixture, tickets[2], 1),
        );
        assert!(fixture.admit(1).is_none());
        let totals = fixture.core.totals().expect("on");
        assert_eq!((totals.successful, totals.failed), (1, 1));
        assert_eq!((totals.abandoned, totals.ended()), (1, 3));
        assert!(totals.stale <= 2);
    });
}

// F4, C4: one of two results that trip is too late, however late it notices.
#[test]
fn a_trip_that_comes_too_late_is_stale() {
    model("totals: two results that trip at once", || {
        let fixture = Fixture::built(consecutive(5), true);
        let trip = || {
            let (fixture, ticket) = (fixture.clone(), fixture.enter(0));
            move || fixture.record(ticket, Outcome::TripNow, 1)
        };
        race!(trip(), trip());
        let totals = fixture.core.totals().expect("on");
        assert_eq!((fixture.trips(), totals.failed, totals.stale), (1, 2, 1));
    });
}

// F4
#[test]
fn threads_that_share_a_stripe_lose_no_total() {
    model("totals: two threads on one stripe", || {
        let totals = Arc::new(TotalCounters::new());
        let reject = || {
            let totals = totals.clone();
            move || {
                set_thread_number(0);
                totals.rejected(Refusal::ForcedOpen(Nanos::FOREVER));
            }
        };
        race!(reject(), reject());
        assert_eq!(totals.read().rejected_by.forced_open, 2);
    });
}
