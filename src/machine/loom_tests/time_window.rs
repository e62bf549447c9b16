//! The last T, with failures racing in the same and in neighbouring buckets (B3, F5).

use super::*;
use crate::machine::time_window::TimeWindow;
use crate::machine::window::Mark;

const BUCKET: u64 = 500_000;

fn two_buckets() -> Arc<TimeWindow> {
    Arc::new(TimeWindow::new(Duration::from_nanos(2 * BUCKET), 2, false))
}

/// Records a failure and returns how many it found.
fn fail(window: &TimeWindow, era: u64, now: u64) -> u64 {
    window.record_marked(era, now, Mark::FAILED).failed
}

/// Two failures race; of those that were there before them, one at most is theirs to see.
fn two_failures_at(window: &Arc<TimeWindow>, first: u64, second: u64) {
    let seen = StdArc::new(AtomicUsize::new(0));
    let failure = |now| {
        let (window, seen) = (window.clone(), seen.clone());
        move || match fail(&window, 0, now) {
            1 => {}
            2 => drop(seen.fetch_add(1, Relaxed)),
            other => panic!("{other} of two failures"),
        }
    };
    race!(failure(first), failure(second));
    assert!(seen.load(Relaxed) >= 1, "two failures missed each other");
    assert_eq!(window.counts(0, first.max(second)).failed, 2);
}

// B3, B4: needs sequential consistency; see the window's docs.
#[test]
fn of_two_failures_in_two_buckets_one_sees_the_other() {
    model("time window: two failures in two buckets", || {
        two_failures_at(&two_buckets(), BUCKET - 1, BUCKET);
    });
}

// B3: both find the bucket of a window ago in their cell.
#[test]
fn a_bucket_is_turned_over_once() {
    model("time window: two failures in one stale bucket", || {
        let window = two_buckets();
        fail(&window, 0, 0);
        two_failures_at(&window, 2 * BUCKET, 2 * BUCKET + 1);
    });
}

// C4
#[test]
fn a_late_record_never_lands_in_a_new_eras_bucket() {
    model(
        "time window: an old era's failure against a new era",
        || {
            let window = Arc::new(TimeWindow::new(Duration::from_nanos(2 * BUCKET), 1, false));
            let (old, new) = (window.clone(), window.clone());
            race!(move || assert!(fail(&old, 0, 5) <= 1), move || assert_eq!(
                fail(&new, 1, 5),
                1
            ),);
            assert_eq!(window.counts(1, 5).failed, 1);
        },
    );
}

// C4: a call of the new era read the clock a bucket before the old era's last one did.
#[test]
fn a_new_era_with_an_older_clock_is_still_new() {
    model(
        "time window: an old era's failure in a later bucket",
        || {
            let window = two_buckets();
            let (old, new) = (window.clone(), window.clone());
            race!(
                move || assert!(fail(&old, 0, BUCKET) <= 1),
                move || assert_eq!(fail(&new, 1, BUCKET - 1), 1),
            );
            assert_eq!(window.counts(1, BUCKET - 1).failed, 1);
        },
    );
}

// D5, F6
#[test]
fn a_sweep_loses_no_failure() {
    model(
        "time window: a sweep against the era's first failure",
        || {
            let window = two_buckets();
            fail(&window, 0, 0);
            let (sweeping, failing) = (window.clone(), window.clone());
            race!(move || sweeping.start_era(256, 0), move || assert_eq!(
                fail(&failing, 256, 0),
                1
            ),);
            assert_eq!(window.counts(256, 0).failed, 1);
        },
    );
}
