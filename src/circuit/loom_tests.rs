//! Models of the real types under loom: every interleaving of a few threads, up to a bound.
//!
//! Run them with `.ci/loom`; `LOOM_MAX_PREEMPTIONS=3 .ci/loom` looks deeper. Each model prints how
//! many executions it took, and one that took a single execution fails: it has explored nothing.

use std::{
    sync::{
        Arc as StdArc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use loom::{sync::Arc, thread};

use super::{
    config::Settings, count_window::CountWindow, time_window::TimeWindow, tunable::Versioned, *,
};
use crate::sync::set_thread_number;

/// Explores `run` and tells how far it got.
fn model(name: &str, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    let executions = StdArc::new(AtomicUsize::new(0));
    let counted = executions.clone();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        run();
    });
    let executions = executions.load(Relaxed);
    println!("{name}: {executions} executions");
    assert!(executions > 1, "{name} has explored nothing");
}

/// Runs each of `parts` on a thread and a stripe of its own, the last on this one.
fn race(parts: Vec<Box<dyn FnOnce() + Send>>) {
    let mut threads = Vec::new();
    for (number, part) in parts.into_iter().enumerate() {
        threads.push(thread::spawn(move || {
            set_thread_number(number);
            part();
        }));
    }
    for thread in threads {
        thread.join().expect("a part panicked");
    }
}

macro_rules! race {
    ($($part:expr),+ $(,)?) => {
        race(vec![$(Box::new($part)),+])
    };
}

const OPEN_FOR: u64 = 1_000;

fn settings() -> Settings {
    Settings {
        open_for: Some(Duration::from_nanos(OPEN_FOR).into()),
        ..Settings::default()
    }
}

fn consecutive(n: u64) -> Settings {
    Settings {
        consecutive_failures: Some(n),
        ..settings()
    }
}

/// A circuit, and every transition that somebody won.
struct Fixture {
    core: Core,
    won: std::sync::Mutex<Vec<Transition>>,
}

impl Fixture {
    fn new(settings: &Settings) -> Arc<Self> {
        let extras = Extras {
            mode: Mode::Normal,
            totals: false,
            seed: 0,
            policy: None,
        };
        let plan = settings.resolve().expect("valid");
        Arc::new(Self {
            core: Core::new(plan, extras, 0),
            won: std::sync::Mutex::default(),
        })
    }

    /// Open since 0.
    fn open(settings: &Settings) -> Arc<Self> {
        let fixture = Self::new(settings);
        fixture
            .core
            .trip(Duration::from_nanos(OPEN_FOR), 0)
            .expect("normal mode");
        fixture
    }

    fn note(&self, transition: Option<Transition>) {
        self.won.lock().expect("not poisoned").extend(transition);
    }

    fn admit(&self, now: u64) -> Option<Permit> {
        if let Some(permit) = self.core.admit_freely(|| now) {
            return Some(permit);
        }
        let mut change = None;
        let admission = self.core.admit_slowly(now, &mut change);
        self.note(change);
        admission.ok()
    }

    fn record(&self, permit: Permit, outcome: Outcome, now: u64) {
        self.note(self.core.record(permit, outcome, true, || now));
    }

    fn abandon(&self, permit: Permit, now: u64) {
        self.note(self.core.abandon(permit, false, || now));
    }

    fn won(&self) -> Vec<Transition> {
        self.won.lock().expect("not poisoned").clone()
    }

    /// F1, E4: no era began twice, and none was skipped.
    fn assert_eras_follow(&self) {
        let mut eras: Vec<u64> = self.won().iter().map(|won| won.era).collect();
        eras.sort_unstable();
        let last = self.core.view(|| 0).era;
        let first = last + 1 - eras.len() as u64;
        assert!(eras.into_iter().eq(first..=last));
    }

    fn trips(&self) -> usize {
        self.won()
            .iter()
            .filter(|won| won.to == State::Open)
            .count()
    }
}

fn fail(fixture: &Arc<Fixture>, permit: Permit, now: u64) -> Box<dyn FnOnce() + Send> {
    let fixture = fixture.clone();
    Box::new(move || fixture.record(permit, Outcome::Failure, now))
}

fn succeed(fixture: &Arc<Fixture>, permit: Permit, now: u64) -> Box<dyn FnOnce() + Send> {
    let fixture = fixture.clone();
    Box::new(move || fixture.record(permit, Outcome::Success, now))
}

fn abandon(fixture: &Arc<Fixture>, permit: Permit, now: u64) -> Box<dyn FnOnce() + Send> {
    let fixture = fixture.clone();
    Box::new(move || fixture.abandon(permit, now))
}

// F1, B1
#[test]
fn three_racing_failures_trip_once() {
    model("three racing failures trip once", || {
        let fixture = Fixture::new(&consecutive(2));
        let permits = [(); 3].map(|()| fixture.admit(0).expect("closed"));
        race(permits.map(|permit| fail(&fixture, permit, 5)).into());
        assert_eq!(fixture.trips(), 1);
        assert_eq!(fixture.core.view(|| 5).era, 1);
    });
}

// B1
#[test]
fn a_success_either_ends_the_streak_or_comes_after_the_trip() {
    model("success against failure on the streak", || {
        let fixture = Fixture::new(&consecutive(2));
        let permits = [(); 3].map(|()| fixture.admit(0).expect("closed"));
        fixture.record(permits[0], Outcome::Failure, 1);
        race!(
            fail(&fixture, permits[1], 2),
            succeed(&fixture, permits[2], 2)
        );
        let view = fixture.core.view(|| 2);
        match view.state {
            State::Open => assert_eq!(fixture.trips(), 1),
            // The success came between the failures, or its reset was the last word.
            _ => assert!(view.streak <= 1),
        }
    });
}

// F2, D1
#[test]
fn probes_never_exceed_the_permits() {
    model("probes never exceed the permits", || {
        let fixture = Fixture::open(&Settings {
            permits: Some(1),
            probes: Some(Probing::Of {
                successes: 2,
                of: 2,
            }),
            ..consecutive(1)
        });
        let held = fixture.admit(OPEN_FOR).expect("a probe");
        let in_flight = StdArc::new(AtomicUsize::new(1));
        let leave = |permit| {
            let (fixture, in_flight) = (fixture.clone(), in_flight.clone());
            move || {
                in_flight.fetch_sub(1, Relaxed);
                fixture.abandon(permit, OPEN_FOR);
            }
        };
        let call = || {
            let (fixture, in_flight) = (fixture.clone(), in_flight.clone());
            Box::new(move || {
                if let Some(permit) = fixture.admit(OPEN_FOR) {
                    assert_eq!(in_flight.fetch_add(1, Relaxed), 0, "two probes, one permit");
                    in_flight.fetch_sub(1, Relaxed);
                    fixture.abandon(permit, OPEN_FOR);
                }
            })
        };
        race!(leave(held), call(), call());
        let probes = fixture.core.view(|| OPEN_FOR).probes.expect("half-open");
        assert_eq!(probes.in_flight, 0, "a permit leaked");
        assert_eq!(fixture.won().len(), 1);
    });
}

// C4
#[test]
fn a_stale_result_changes_nothing() {
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::TripNow] {
        model("a stale result against a new era", move || {
            let fixture = Fixture::new(&consecutive(1));
            let old = fixture.admit(0).expect("closed");
            fixture
                .core
                .trip(Duration::from_nanos(OPEN_FOR), 0)
                .expect("normal mode");
            let (probing, straggling) = (fixture.clone(), fixture.clone());
            race!(
                move || {
                    let probe = probing.admit(OPEN_FOR).expect("the break is over");
                    probing.record(probe, Outcome::Success, OPEN_FOR + 1);
                },
                move || straggling.record(old, outcome, OPEN_FOR + 1),
            );
            assert_eq!(fixture.core.state(), State::Closed);
            assert_eq!(fixture.core.view(|| OPEN_FOR).streak, 0);
            assert_eq!(fixture.won().len(), 2);
        });
    }
}

// C4
#[test]
fn a_stale_drop_gives_nothing_back() {
    model("a stale drop against a new era", || {
        let fixture = Fixture::open(&consecutive(1));
        let old = fixture.admit(OPEN_FOR).expect("a probe");
        fixture
            .core
            .trip(Duration::from_nanos(OPEN_FOR), OPEN_FOR)
            .expect("normal mode");
        let probing = fixture.clone();
        race!(
            move || drop(probing.admit(2 * OPEN_FOR).expect("a probe")),
            abandon(&fixture, old, 2 * OPEN_FOR),
        );
        let probes = fixture
            .core
            .view(|| 2 * OPEN_FOR)
            .probes
            .expect("half-open");
        assert_eq!((probes.in_flight, probes.permits), (1, 1));
    });
}

// D2, F1
#[test]
fn half_open_decides_once() {
    model("half-open decides once with mixed results", || {
        let fixture = Fixture::open(&Settings {
            permits: Some(3),
            probes: Some(Probing::Of {
                successes: 2,
                of: 3,
            }),
            ..consecutive(1)
        });
        let probes = [(); 3].map(|()| fixture.admit(OPEN_FOR).expect("a probe"));
        let later = OPEN_FOR + 1;
        race!(
            succeed(&fixture, probes[0], later),
            fail(&fixture, probes[1], later),
            succeed(&fixture, probes[2], later),
        );
        // 2 of 3 succeeded, in whatever order.
        assert_eq!(fixture.core.state(), State::Closed);
        assert_eq!(fixture.won().len(), 2);
        fixture.assert_eras_follow();
    });
}

// D4
#[test]
fn a_late_success_and_the_time_limit_exclude_each_other() {
    model("the half-open time limit against a late success", || {
        let fixture = Fixture::open(&Settings {
            half_open_timeout: Some(Duration::from_nanos(10)),
            ..consecutive(1)
        });
        let probe = fixture.admit(OPEN_FOR).expect("a probe");
        let late = OPEN_FOR + 10;
        let calling = fixture.clone();
        race!(succeed(&fixture, probe, late), move || drop(
            calling.admit(late)
        ),);
        let last = fixture
            .won()
            .into_iter()
            .max_by_key(|won| won.era)
            .expect("won");
        assert!(matches!(
            last.cause,
            Cause::Recovered | Cause::ProbesTimedOut
        ));
        assert_eq!(fixture.won().len(), 2);
        fixture.assert_eras_follow();
    });
}

// C1, F7
#[test]
fn nobody_probes_before_the_break_is_over() {
    model("no early half-open", || {
        // The era before this one was open, too, and its break is long over.
        let fixture = Fixture::open(&consecutive(1));
        let probe = fixture.admit(OPEN_FOR).expect("a probe");
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
        assert_eq!(view.remaining, Some(OPEN_FOR));
        assert_eq!(view.attempt, 2);
    });
}

// C1: a racer that loses does not push the end of the break back beyond the swap.
#[test]
fn two_trips_leave_a_break_that_began_no_later_than_either() {
    model("two trips, one break", || {
        let fixture = Fixture::new(&consecutive(1));
        let permits = [(); 2].map(|()| fixture.admit(0).expect("closed"));
        race!(
            fail(&fixture, permits[0], 10),
            fail(&fixture, permits[1], 20)
        );
        let remaining = fixture.core.view(|| 20).remaining.expect("open");
        assert!(
            (OPEN_FOR - 10..=OPEN_FOR).contains(&remaining),
            "{remaining}"
        );
        assert_eq!(fixture.trips(), 1);
    });
}

fn count_window(size: u32, rate: f64) -> Settings {
    Settings {
        count_window: Some(size),
        failure_rate: Some(rate),
        minimum_calls: Some(1),
        ..settings()
    }
}

// B2, B4
#[test]
fn a_count_window_never_misses_a_trip() {
    model(
        "count window: two failures and a success in a window of 4",
        || {
            let fixture = Fixture::new(&count_window(4, 0.5));
            let permits = [(); 4].map(|()| fixture.admit(0).expect("closed"));
            fixture.record(permits[3], Outcome::Success, 0);
            fixture.record(fixture.admit(0).expect("closed"), Outcome::Success, 0);
            race!(fail(&fixture, permits[0], 1), fail(&fixture, permits[1], 1),);
            // 2 of 4, whoever was first.
            assert_eq!(fixture.trips(), 1);
        },
    );
}

// B2, F5
#[test]
fn a_count_window_keeps_every_mark() {
    model("count window: marks and successes", || {
        let window = Arc::new(CountWindow::new(4, false));
        let (first, second, plain) = (window.clone(), window.clone(), window.clone());
        race!(
            move || drop(first.record_marked(0, true, false)),
            move || drop(second.record_marked(0, true, false)),
            move || plain.record_plain(0),
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
        window.record_marked(0, true, false);
        window.record_plain(0);
        let (failing, passing) = (window.clone(), window.clone());
        race!(
            move || {
                let published = failing.record_marked(0, true, false);
                assert!(published.failed >= 1 && published.calls == 2);
            },
            move || passing.record_plain(0),
        );
        // Last two: a failure and a success, in some order.
        let counts = window.counts(0);
        assert_eq!((counts.calls, counts.failed), (2, 1));
        window.record_plain(0);
        window.record_plain(0);
        assert_eq!(window.counts(0).failed, 0);
    });
}

// B2: a whole window of successes pushes the old failure out, or comes after the new one.
#[test]
fn a_count_window_never_trips_falsely() {
    model("count window: two failures a window apart", || {
        let window = Arc::new(CountWindow::new(2, false));
        window.record_marked(0, true, false);
        let (failing, passing) = (window.clone(), window.clone());
        race!(
            move || {
                let published = failing.record_marked(0, true, false);
                assert!(published.failed <= 2);
            },
            move || {
                passing.record_plain(0);
                passing.record_plain(0);
            },
        );
        let counts = window.counts(0);
        assert_eq!(counts.calls, 2);
        assert!(counts.failed <= 1);
    });
}

// C4, D5
#[test]
fn a_mark_of_an_old_era_never_lands_in_a_new_one() {
    model("count window: an old era's marks against a new era", || {
        let window = Arc::new(CountWindow::new(2, false));
        window.record_marked(0, true, false);
        let (old, new, plain) = (window.clone(), window.clone(), window.clone());
        race!(
            move || drop(old.record_marked(0, true, false)),
            move || {
                new.enter(3);
                let published = new.record_marked(3, true, false);
                assert_eq!(published.failed, 1);
            },
            move || plain.record_plain(0),
        );
        let counts = window.counts(3);
        assert_eq!((counts.calls, counts.failed), (1, 1));
    });
}

// B3, B4: needs sequential consistency; see the window's docs.
#[test]
fn of_two_failures_in_two_buckets_one_sees_the_other() {
    model("time window: two failures in two buckets", || {
        let window = Arc::new(TimeWindow::new(Duration::from_millis(1), 2, false));
        let seen = StdArc::new(AtomicUsize::new(0));
        let failure = |now| {
            let (window, seen) = (window.clone(), seen.clone());
            Box::new(move || {
                if window.record_marked(0, now, true, false).failed == 2 {
                    seen.fetch_add(1, Relaxed);
                }
            })
        };
        race!(failure(499_999), failure(500_000));
        assert!(seen.load(Relaxed) >= 1, "two failures missed each other");
    });
}

// C4
#[test]
fn a_late_record_never_lands_in_a_new_eras_bucket() {
    model(
        "time window: an old era's failure against a new era",
        || {
            let window = Arc::new(TimeWindow::new(Duration::from_millis(1), 1, false));
            let (old, new) = (window.clone(), window.clone());
            race!(
                move || drop(old.record_marked(0, 5, true, false)),
                move || drop(new.record_marked(1, 5, true, false)),
            );
            assert_eq!(window.counts(1, 5).failed, 1);
        },
    );
}

// E2, E3, F1
#[test]
fn control_operations_and_calls_end_each_era_once() {
    type Control = fn(&Core) -> Option<Transition>;
    let controls: [Control; 5] = [
        |core| core.trip(Duration::from_nanos(OPEN_FOR), 1).ok(),
        |core| Some(core.reset(1)),
        |core| core.set_mode(Mode::ForcedOpen, 1),
        |core| core.set_mode(Mode::Shadow, 1),
        |core| core.set_mode(Mode::Disabled, 1),
    ];
    for control in controls {
        model("a control operation against calls", move || {
            let fixture = Fixture::new(&consecutive(1));
            let permit = fixture.admit(0).expect("closed");
            let (controlled, calling) = (fixture.clone(), fixture.clone());
            race!(
                move || {
                    controlled.note(control(&controlled.core));
                    // E3: seen at once.
                    match controlled.core.mode() {
                        Mode::ForcedOpen => assert!(controlled.admit(2).is_none()),
                        Mode::Disabled | Mode::Shadow => assert!(controlled.admit(2).is_some()),
                        Mode::Normal => {}
                    }
                },
                fail(&fixture, permit, 1),
                move || drop(calling.admit(1)),
            );
            let mut eras: Vec<u64> = fixture.won().iter().map(|won| won.era).collect();
            eras.sort_unstable();
            eras.dedup();
            let last = fixture.core.view(|| 2).era;
            assert!(eras.into_iter().filter(|era| *era > 0).eq(1..=last));
        });
    }
}

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

// D6
#[test]
fn a_ramp_ends_once_for_all() {
    model("the end of a ramp", || {
        let fixture = Fixture::open(&Settings {
            ramp: Some((Duration::from_nanos(100), 0.5)),
            ..consecutive(2)
        });
        let probe = fixture.admit(OPEN_FOR).expect("a probe");
        fixture.record(probe, Outcome::Success, OPEN_FOR);
        let during = fixture.admit(OPEN_FOR).expect("the first of the ramp");
        let over = OPEN_FOR + 100;
        let (first, second) = (fixture.clone(), fixture.clone());
        race!(
            move || assert!(first.admit(over).is_some()),
            move || assert!(second.admit(over).is_some()),
            fail(&fixture, during, over),
        );
        let view = fixture.core.view(|| over);
        assert_eq!((view.state, view.streak), (State::Closed, 1));
        assert_eq!(view.ramp_share, WHOLE);
    });
}

// F4
#[test]
fn totals_are_exact_at_rest() {
    model("totals", || {
        let totals = Arc::new(TotalCounters::new());
        let (first, second) = (totals.clone(), totals.clone());
        race!(
            move || {
                first.rejected();
                first.stale();
            },
            move || second.rejected(),
        );
        let read = totals.read();
        assert_eq!((read.rejected, read.stale), (2, 1));
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
            let call = fixture.admit(0).expect("closed");
            fixture.record(call, Outcome::Success, 0);
        }
        let call = fixture.admit(0).expect("closed");
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

/// Two failures in a window of two.
fn two_failures() -> Arc<CountWindow> {
    let window = Arc::new(CountWindow::new(2, false));
    window.record_marked(0, true, false);
    window.record_marked(0, true, false);
    window
}

fn mark_thrice(window: &Arc<CountWindow>) -> Box<dyn FnOnce() + Send> {
    let window = window.clone();
    Box::new(move || {
        for _ in 0..3 {
            window.record_marked(0, true, false);
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

// B2
#[test]
fn a_full_ring_keeps_its_marks() {
    model("count window: two writers on a full ring", || {
        let window = two_failures();
        let write = || {
            let window = window.clone();
            move || assert_eq!(window.record_marked(0, true, false).failed, 2)
        };
        race!(write(), write());
        assert_eq!(window.counts(0).failed, 2);
    });
}

// F5: the newest mark of an era that is over is filed late, into the slot that the new era is about
// to use.
#[test]
fn a_late_filing_of_an_old_era_takes_no_slot() {
    model(
        "count window: a look at an old era against new marks",
        || {
            let window = Arc::new(CountWindow::new(4, false));
            for _ in 0..3 {
                window.record_plain(0);
            }
            window.record_marked(0, true, false);
            let (looking, marking) = (window.clone(), window.clone());
            race!(move || drop(looking.counts(0)), move || {
                marking.enter(3);
                marking.record_marked(3, true, false);
                marking.record_marked(3, true, false);
            });
            let last = window.record_marked(3, true, false);
            assert_eq!((last.calls, last.failed), (3, 3));
        },
    );
}
