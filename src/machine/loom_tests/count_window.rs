//! The last N calls, with marks and successes racing (B2, F5).

use super::*;
use crate::machine::count_window::CountWindow;
use crate::machine::window::Mark;

/// Records a failure and returns how many it found.
fn mark(window: &CountWindow, era: u64) -> u64 {
    window.record_marked(era, Mark::FAILED).failed
}

// B2, F5
#[test]
fn a_count_window_keeps_every_mark() {
    model("count window: marks and successes", || {
        let window = Arc::new(CountWindow::new(4, false));
        let (first, second, plain) = (window.clone(), window.clone(), window.clone());
        race!(
            move || assert!(mark(&first, 0) >= 1),
            move || assert!(mark(&second, 0) >= 1),
            move || plain.record_unmarked(0),
        );
        let counts = window.counts(0);
        assert_eq!((counts.calls, counts.failed), (3, 2));
    });
}

// B2: to clean and from clean.
#[test]
fn a_failure_is_never_lost_to_a_window_that_comes_clean() {
    model("count window: coming clean against a failure", || {
        let window = Arc::new(CountWindow::new(2, false));
        mark(&window, 0);
        window.record_unmarked(0);
        let (failing, passing) = (window.clone(), window.clone());
        race!(
            move || {
                let published = failing.record_marked(0, Mark::FAILED);
                assert!(published.failed >= 1 && published.calls == 2);
            },
            move || passing.record_unmarked(0),
        );
        // Last two: a failure and a success, in some order.
        let counts = window.counts(0);
        assert_eq!((counts.calls, counts.failed), (2, 1));
        window.record_unmarked(0);
        window.record_unmarked(0);
        assert_eq!(window.counts(0).failed, 0);
    });
}

// B2: a whole window of successes pushes out every failure that was before it, whatever raced; or a
// later failure would be judged with one that is long gone.
#[test]
fn a_count_window_never_trips_falsely() {
    model("count window: two failures a window apart", || {
        let window = Arc::new(CountWindow::new(2, false));
        mark(&window, 0);
        let (failing, passing, other) = (window.clone(), window.clone(), window.clone());
        race!(
            move || assert!(mark(&failing, 0) >= 1),
            move || passing.record_unmarked(0),
            move || other.record_unmarked(0),
        );
        let counts = window.counts(0);
        assert_eq!(counts.calls, 2);
        assert!(counts.failed <= 1);
        window.record_unmarked(0);
        window.record_unmarked(0);
        assert_eq!(mark(&window, 0), 1, "a failure that is long gone");
    });
}

// C4, D5
#[test]
fn a_mark_of_an_old_era_never_lands_in_a_new_one() {
    model("count window: an old era's marks against a new era", || {
        let window = Arc::new(CountWindow::new(2, false));
        mark(&window, 0);
        let (old, new, plain) = (window.clone(), window.clone(), window.clone());
        race!(
            move || assert!(mark(&old, 0) <= 2),
            move || {
                new.start_era(3);
                assert_eq!(mark(&new, 3), 1);
            },
            move || plain.record_unmarked(0),
        );
        let counts = window.counts(3);
        assert_eq!((counts.calls, counts.failed), (1, 1));
    });
}

/// Two failures in a window of two.
fn two_failures() -> Arc<CountWindow> {
    let window = Arc::new(CountWindow::new(2, false));
    mark(&window, 0);
    mark(&window, 0);
    window
}

fn mark_thrice(window: &Arc<CountWindow>) -> Part {
    let window = window.clone();
    Box::new(move || {
        for _ in 0..3 {
            mark(&window, 0);
        }
    })
}

// F5: the ring goes round while somebody looks.
#[test]
fn looking_at_a_window_undoes_no_mark() {
    model("count window: a look against a round of marks", || {
        let window = two_failures();
        let looking = window.clone();
        race!(mark_thrice(&window), move || {
            assert_eq!(looking.counts(0).failed, 2);
        });
        assert_eq!(window.counts(0).failed, 2);
    });
}

// B2: five marks have gone into a ring of four, and the window has just room for three.
#[test]
fn a_full_ring_keeps_its_marks() {
    model("count window: two writers on a full ring", || {
        let window = Arc::new(CountWindow::new(3, false));
        for _ in 0..5 {
            mark(&window, 0);
        }
        window.record_unmarked(0);
        window.record_unmarked(0);
        let (first, second) = (window.clone(), window.clone());
        race!(
            move || assert!([1, 2].contains(&mark(&first, 0))),
            move || assert!([1, 2].contains(&mark(&second, 0))),
        );
        assert_eq!(window.counts(0).failed, 2);
        assert_eq!(mark(&window, 0), 3);
        assert_eq!(window.counts(0).failed, 3);
    });
}

// F5: the newest mark of an era that is over is archived late, into the slot that the new era is about
// to use.
#[test]
fn a_late_archiving_of_an_old_era_takes_no_slot() {
    model(
        "count window: a look at an old era against new marks",
        || {
            let window = Arc::new(CountWindow::new(4, false));
            for _ in 0..3 {
                window.record_unmarked(0);
            }
            mark(&window, 0);
            let (looking, marking) = (window.clone(), window.clone());
            race!(move || assert!(looking.counts(0).failed <= 1), move || {
                marking.start_era(3);
                mark(&marking, 3);
                mark(&marking, 3);
            },);
            let last = window.record_marked(3, Mark::FAILED);
            assert_eq!((last.calls, last.failed), (3, 3));
        },
    );
}

// B2, F5: a mark that was held up takes the place it has when it is published, and not the one it
// had when it came; or the marks after it would be counted from beyond it.
#[test]
fn a_mark_that_was_held_up_is_placed_anew() {
    model(
        "count window: a mark against two successes and a mark",
        || {
            let window = Arc::new(CountWindow::new(2, false));
            mark(&window, 0);
            let (held, passing) = (window.clone(), window.clone());
            race!(move || assert!(mark(&held, 0) >= 1), move || {
                passing.record_unmarked(0);
                passing.record_unmarked(0);
                mark(&passing, 0);
            },);
            // Whichever call was the last, it failed; and so does this one.
            assert_eq!(mark(&window, 0), 2);
        },
    );
}

// B2
#[test]
fn a_window_of_one_is_the_last_call() {
    model("count window: one call", || {
        let window = Arc::new(CountWindow::new(1, false));
        let (first, second, plain) = (window.clone(), window.clone(), window.clone());
        race!(
            move || assert_eq!(mark(&first, 0), 1),
            move || assert_eq!(mark(&second, 0), 1),
            move || plain.record_unmarked(0),
        );
        let counts = window.counts(0);
        assert_eq!(counts.calls, 1);
        assert!(counts.failed <= 1);
        window.record_unmarked(0);
        assert_eq!(window.counts(0).failed, 0);
    });
}

// B2, B4: each log counts what is marked in the other.
#[test]
fn a_log_of_slow_calls_is_cleaned_by_failures() {
    model("count window: a slow call against a fast failure", || {
        let window = Arc::new(CountWindow::new(2, true));
        window.record_marked(0, Mark::SLOW);
        mark(&window, 0);
        let (failing, slow) = (window.clone(), window.clone());
        race!(move || assert!(mark(&failing, 0) >= 1), move || assert!(
            slow.record_marked(0, Mark::SLOW).slow >= 1
        ),);
        // The last two calls: a fast failure and a slow success, in some order.
        let counts = window.counts(0);
        assert_eq!((counts.calls, counts.failed, counts.slow), (2, 1, 1));
        mark(&window, 0);
        mark(&window, 0);
        assert_eq!((window.counts(0).failed, window.counts(0).slow), (2, 0));
    });
}

// D5: the window was clean in the era before, and on one stripe the new era sweeps the cell that its
// first call counts on.
#[test]
fn the_first_calls_of_an_era_are_counted() {
    model(
        "count window: entering an era against its first calls",
        || {
            let window = Arc::new(CountWindow::new(4, false));
            for _ in 0..4 {
                window.record_unmarked(0);
            }
            let (entering, plain) = (window.clone(), window.clone());
            race_all(vec![
                Box::new(move || entering.start_era(1)),
                Box::new(move || {
                    set_thread_number(0);
                    plain.record_unmarked(1);
                    assert_eq!(mark(&plain, 1), 1);
                }),
            ]);
            let counts = window.counts(1);
            assert_eq!((counts.calls, counts.failed), (2, 1));
        },
    );
}

// F5: what is archived late finds in its slot what looks, but for the era, like what it found before.
#[test]
fn a_late_filing_knows_its_era() {
    model(
        "count window: a look at an old era against a like mark",
        || {
            let window = Arc::new(CountWindow::new(2, false));
            mark(&window, 0);
            assert_eq!(window.counts(0).failed, 1);
            window.start_era(1);
            window.record_unmarked(1);
            mark(&window, 1);
            let (looking, marking) = (window.clone(), window.clone());
            race!(move || assert!(looking.counts(1).failed <= 1), move || {
                marking.start_era(2);
                mark(&marking, 2);
                mark(&marking, 2);
            });
            window.record_unmarked(2);
            let counts = window.counts(2);
            assert_eq!((counts.calls, counts.failed), (2, 1));
        },
    );
}

// D5: an era is entered although a mark of the one before comes in between.
#[test]
fn an_era_begins_whatever_comes_in_between() {
    model(
        "count window: entering an era against an old era's mark",
        || {
            let window = Arc::new(CountWindow::new(2, false));
            let (old, new) = (window.clone(), window.clone());
            race!(move || assert!(mark(&old, 0) <= 1), move || new
                .start_era(1));
            window.record_unmarked(1);
            assert_eq!(window.counts(1).calls, 1);
        },
    );
}
