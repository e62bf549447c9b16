//! Models of the real types under loom: every interleaving of a few threads, up to a bound.
//!
//! Run them with `.ci/loom`, a theme of them with `.ci/loom probes`; `LOOM_MAX_PREEMPTIONS=3 .ci/loom`
//! looks deeper. Each model prints how many executions it took, and one that took a single execution
//! fails: it has explored nothing. That each of them can fail is shown by `.ci/removals`. With
//! `LOOM_MAX_DURATION`, in seconds, a model is left after that time, and says that it was.

/// [`race_all`] of closures of different types.
macro_rules! race {
    ($($part:expr),+ $(,)?) => {
        $crate::machine::loom_tests::race_all(vec![$(Box::new($part)),+])
    };
}
pub(crate) use race;

mod cap;
mod causes;
mod control;
mod count_window;
mod eras;
mod harness;
mod led;
mod numbers;
mod probes;
mod ramp;
mod shed;
mod stripes;
mod time_window;
mod totals;
mod tripping;
mod waiting;

use std::{
    convert::Infallible,
    sync::{
        Arc as StdArc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use loom::{sync::Arc, thread};

use super::*;
use crate::machine::sync::set_thread_number;

/// Explores `run` and tells how far it got.
pub(crate) fn model(name: &str, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    // How often it looks whether its time is over.
    builder.checkpoint_interval = 1_000;
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    let executions = StdArc::new(AtomicUsize::new(0));
    let counted = executions.clone();
    let began = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        run();
    });
    let executions = executions.load(Relaxed);
    let left = builder
        .max_duration
        .is_some_and(|most| began.elapsed() >= most);
    let left = if left { ", not to its end" } else { "" };
    println!("{name}: {executions} executions{left}");
    assert!(executions > 1, "{name} has explored nothing");
}

/// Runs each of `parts` on a thread and a stripe of its own, the last on this one.
pub(crate) fn race_all(parts: Vec<Part>) {
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

const OPEN_FOR: u64 = 1_000;

fn consecutive(n: u64) -> Numbers {
    Numbers {
        consecutive_failures: n,
        open_first: OPEN_FOR,
        ..Numbers::default()
    }
}

/// So long does half-open wait for its probes.
fn patient(nanos: u64) -> Numbers {
    Numbers {
        half_open_timeout: nanos,
        ..consecutive(1)
    }
}

/// Half-open decides by so many successes of so many probes, all at once.
fn probes(successes: u64, of: u64, numbers: Numbers) -> Numbers {
    Numbers {
        permits: of,
        successes,
        of,
        ..numbers
    }
}

/// With a window and a rate of failures, in millionths, over so many calls.
fn windowed(window: WindowKind, failure_rate: u64, minimum_calls: u64) -> Plan {
    let numbers = Numbers {
        failure_rate,
        minimum_calls,
        ..consecutive(0)
    };
    Plan {
        window,
        ..numbers.into()
    }
}

/// One part of a race.
pub(crate) type Part = Box<dyn FnOnce() + Send>;

/// A circuit, and every transition that somebody won.
struct Fixture {
    core: Core,
    won: std::sync::Mutex<Vec<Transition>>,
}

impl Fixture {
    fn new(plan: impl Into<Plan>) -> Arc<Self> {
        Self::built(plan, false)
    }

    fn built(plan: impl Into<Plan>, totals: bool) -> Arc<Self> {
        Self::with(plan, totals, None)
    }

    fn with(plan: impl Into<Plan>, totals: bool, cap: Option<StdArc<Cap>>) -> Arc<Self> {
        Self::of(plan.into(), totals, cap, false)
    }

    fn of(plan: Plan, totals: bool, cap: Option<StdArc<Cap>>, shared: bool) -> Arc<Self> {
        let cap = cap.map(|cap| Joining { cap, zero: 1 });
        let parts = CoreParts {
            totals,
            cap,
            shared,
            ..CoreParts::none()
        };
        Arc::new(Self {
            core: Core::new(plan, parts, 0),
            won: std::sync::Mutex::default(),
        })
    }

    /// Open since 0.
    fn open(numbers: Numbers) -> Arc<Self> {
        let fixture = Self::new(numbers);
        fixture.trip(OPEN_FOR, 0);
        fixture
    }

    /// The same as a member of a set. Any other circuit has a fence after each transition, which would do for the
    /// release of what is told of it.
    fn open_in_a_set(numbers: Numbers) -> Arc<Self> {
        let cap = StdArc::new(Cap::new(1_000_000, 0));
        let fixture = Self::with(numbers, false, Some(cap));
        fixture.trip(OPEN_FOR, 0);
        fixture
    }

    /// E5
    fn reconfigure(&self, change: impl Fn(&mut Numbers)) {
        let changed = self.core.reconfigure(|mut numbers, _| {
            change(&mut numbers);
            Ok::<_, Infallible>(numbers)
        });
        assert!(changed.is_ok());
    }

    /// Opens by hand; not noted.
    fn trip(&self, open_for: u64, now: u64) -> Transition {
        let open_for = Duration::from_nanos(open_for);
        self.core.trip(open_for, now).expect("normal mode")
    }

    /// Lets a call in that must be let in.
    fn enter(&self, now: u64) -> Ticket {
        self.admit(now).expect("admitted")
    }

    fn note(&self, transition: Option<Transition>) {
        self.won.lock().expect("not poisoned").extend(transition);
    }

    /// As `Circuit` does it.
    fn admit(&self, now: u64) -> Option<Ticket> {
        if let Some(ticket) = self.core.admit_fast(|| now) {
            return Some(ticket);
        }
        if let Some(answer) = self.core.admit_without_clock() {
            return answer.ok();
        }
        if self.core.refuse_open(now).is_some() {
            return None;
        }
        let admission = self.core.admit_any(now);
        self.note(admission.transition);
        admission.answer.ok()
    }

    /// What readiness would be told.
    fn refusal(&self, now: u64) -> Option<Refusal> {
        self.core.refusal(self.core.seen(), || now)
    }

    /// A call that, if it is let in, never ends.
    fn knock(&self, now: u64) {
        let _ = self.admit(now);
    }

    fn record(&self, ticket: Ticket, outcome: Outcome, now: u64) {
        self.note(self.core.record(ticket, outcome, || now));
    }

    fn abandon(&self, ticket: Ticket, now: u64) {
        self.note(self.core.abandon(ticket, Answer::None, || now));
    }

    fn won(&self) -> Vec<Transition> {
        self.won.lock().expect("not poisoned").clone()
    }

    /// F1, E4: each era since the first noted one began once, and none was skipped.
    fn assert_eras_follow(&self) {
        let won = self.won().into_iter().filter(Transition::begins_era);
        let mut eras: Vec<u64> = won.map(|won| won.era).collect();
        eras.sort_unstable();
        let last = self.core.view(|| 0).era;
        let first = last + 1 - eras.len() as u64;
        // A fixture that was opened, or is led, has had some before anybody noted any.
        assert!(first <= 3, "{eras:?} of {last}");
        assert!(eras.iter().copied().eq(first..=last), "{eras:?}");
    }

    fn trips(&self) -> usize {
        self.won()
            .iter()
            .filter(|won| won.to == State::Open)
            .count()
    }
}

fn fail(fixture: &Arc<Fixture>, ticket: Ticket, now: u64) -> Part {
    let fixture = fixture.clone();
    Box::new(move || fixture.record(ticket, Outcome::Failure, now))
}

fn succeed(fixture: &Arc<Fixture>, ticket: Ticket, now: u64) -> Part {
    let fixture = fixture.clone();
    Box::new(move || fixture.record(ticket, Outcome::Success, now))
}

fn abandon(fixture: &Arc<Fixture>, ticket: Ticket, now: u64) -> Part {
    let fixture = fixture.clone();
    Box::new(move || fixture.abandon(ticket, now))
}

/// The probes in flight, and the permits.
fn probes_and_permits(fixture: &Fixture, now: u64) -> (u64, u64) {
    let probes = fixture.core.view(|| now).probes.expect("half-open");
    (probes.in_flight, probes.permits)
}
