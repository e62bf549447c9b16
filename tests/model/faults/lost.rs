//! Probes that hang, that are forgotten with [`mem::forget`], or that come back when the circuit has
//! been somewhere else ten times over.

use std::{
    future::{Future, pending, poll_fn},
    mem::forget,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower::{Layer, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, CircuitError, Guard, Outcome, Snapshot, State, Totals,
    clock::ManualClock,
};

const BREAK: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);
const PERMITS: u32 = 3;

type Given<'a> = Pin<Box<dyn Future<Output = Result<(), CircuitError<&'static str>>> + 'a>>;

struct Stage {
    circuit: Circuit,
    clock: ManualClock,
    told: Arc<AtomicU64>,
}

impl Stage {
    fn new() -> Self {
        let clock = ManualClock::new();
        let told = Arc::new(AtomicU64::new(0));
        let count = told.clone();
        let circuit = Circuit::builder("lost")
            .consecutive_failures(2)
            .count_window(10)
            .open_for(BREAK)
            .half_open_timeout(PATIENCE)
            .probes(2, 4)
            .permits(PERMITS)
            .clock(clock.clone())
            .on_transition(move |_, _| _ = count.fetch_add(1, SeqCst))
            .build()
            .unwrap();
        Self {
            circuit,
            clock,
            told,
        }
    }

    fn probing() -> Self {
        let stage = Self::new();
        stage.circuit.trip(BREAK).unwrap();
        stage.clock.advance(BREAK);
        stage
    }

    /// Everything but the totals, and the transitions told.
    fn look(&self) -> (Snapshot, u64) {
        let mut seen = self.circuit.snapshot();
        seen.totals = None;
        (seen, self.told.load(SeqCst))
    }

    fn totals(&self) -> Totals {
        self.circuit.snapshot().totals.unwrap()
    }

    fn era(&self) -> u64 {
        self.circuit.snapshot().era
    }

    fn end(&self, outcome: Outcome) {
        self.circuit.try_acquire().unwrap().finish(outcome);
    }

    /// Through a service whose inner one hangs for ever.
    fn hang(&self) -> Given<'static> {
        let layer = CircuitBreakerLayer::new(self.circuit.clone())
            .classify(|_: Result<&(), &&'static str>| Outcome::Success)
            .reject_as_error();
        let inner = service_fn(|()| pending::<Result<(), &'static str>>());
        let mut call: Given<'static> = Box::pin(layer.layer(inner).oneshot(()));
        assert!(poll(&mut call).is_pending());
        call
    }

    /// Through [`Circuit::call`].
    fn hang_apart(&self) -> Given<'_> {
        let mut call: Given<'_> = Box::pin(self.circuit.call(pending()));
        assert!(poll(&mut call).is_pending());
        call
    }

    /// Closes, from half-open.
    fn recover(&self) {
        (0..2).for_each(|_| self.end(Outcome::Success));
        assert_eq!(self.circuit.state(), State::Closed);
    }
}

fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

// ---- hanging and forgotten ---------------------------------------------------------------------

/// Takes every seat for good, in a way of its own.
type Lose = fn(&Stage);

const LOSSES: [(&str, Lose); 5] = [
    ("forgotten guards", |stage| {
        (0..PERMITS).for_each(|_| forget(stage.circuit.try_acquire().unwrap()));
    }),
    ("forgotten service calls", |stage| {
        (0..PERMITS).for_each(|_| forget(stage.hang()));
    }),
    ("forgotten circuit calls", |stage| {
        (0..PERMITS).for_each(|_| forget(stage.hang_apart()));
    }),
    ("one of each", |stage| {
        forget(stage.circuit.try_acquire().unwrap());
        forget(stage.hang());
        forget(stage.hang_apart());
    }),
    ("forgotten before their first poll", |stage| {
        let layer = CircuitBreakerLayer::new(stage.circuit.clone());
        let inner = service_fn(|()| pending::<Result<http::Response<()>, &'static str>>());
        let mut service = layer.layer(inner);
        for _ in 0..PERMITS {
            let context = &mut Context::from_waker(Waker::noop());
            assert!(tower::Service::<()>::poll_ready(&mut service, context).is_ready());
            forget(tower::Service::call(&mut service, ()));
        }
    }),
];

// D1, D4
#[test]
fn probes_lost_for_good_in_ten_half_open_eras_cost_ten_time_outs_and_no_more() {
    for (name, lose) in LOSSES {
        let stage = Stage::probing();
        for round in 0..10 {
            lose(&stage);
            let probes = stage.circuit.snapshot().probes.unwrap();
            assert_eq!(
                probes.in_flight,
                u64::from(PERMITS),
                "{name}, round {round}"
            );
            assert!(
                stage.circuit.try_acquire().is_err(),
                "{name}, round {round}"
            );

            stage.clock.advance(PATIENCE - Duration::from_nanos(1));
            assert!(stage.circuit.try_acquire().is_err());
            assert_eq!(stage.circuit.state(), State::HalfOpen, "{name}: impatient");
            stage.clock.advance(Duration::from_nanos(1));
            assert!(stage.circuit.try_acquire().is_err());
            assert_eq!(stage.circuit.state(), State::Open, "{name}: wedged");
            stage.clock.advance(BREAK);
        }
        stage.recover();
        // One trip by hand, ten breaks that end, ten time-outs, one last break, one recovery.
        assert_eq!(stage.told.load(SeqCst), 1 + 2 * 10 + 2, "{name}");
    }
}

// D1, D4
#[test]
fn where_a_seat_is_left_a_hanging_probe_delays_nothing() {
    let stage = Stage::probing();
    let hanging = [stage.hang(), stage.hang()];
    stage.recover();
    let seen = stage.look();
    drop(hanging);
    assert_eq!(stage.look(), seen);
    assert_eq!(stage.totals().stale, 2);
}

// ---- coming back -------------------------------------------------------------------------------

/// A probe that waits to be told how to end.
#[derive(Clone, Default)]
struct Summons(Arc<Mutex<Option<Comeback>>>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comeback {
    Ends(Outcome),
    Dropped,
    Panics,
}

const COMEBACKS: [Comeback; 8] = [
    Comeback::Ends(Outcome::Success),
    Comeback::Ends(Outcome::Failure),
    Comeback::Ends(Outcome::FailureRetryAfter(Duration::MAX)),
    Comeback::Ends(Outcome::Ignored),
    Comeback::Ends(Outcome::TripNow),
    Comeback::Ends(Outcome::TripFor(Duration::MAX)),
    Comeback::Dropped,
    Comeback::Panics,
];

impl Summons {
    fn call(&self, circuit: &Circuit) -> Given<'static> {
        let (summons, judge) = (self.clone(), self.clone());
        let layer = CircuitBreakerLayer::new(circuit.clone())
            .classify(move |_: Result<&(), &&'static str>| judge.outcome())
            .reject_as_error();
        let inner = service_fn(move |()| {
            let summons = summons.clone();
            poll_fn(move |_| summons.answer())
        });
        let mut call: Given<'static> = Box::pin(layer.layer(inner).oneshot(()));
        assert!(poll(&mut call).is_pending());
        call
    }

    fn answer(&self) -> Poll<Result<(), &'static str>> {
        match *self.0.lock().unwrap() {
            None => Poll::Pending,
            Some(Comeback::Panics) => resume_unwind(Box::new("late, and in a panic")),
            Some(_) => Poll::Ready(Ok(())),
        }
    }

    fn outcome(&self) -> Outcome {
        match *self.0.lock().unwrap() {
            Some(Comeback::Ends(outcome)) => outcome,
            other => panic!("{other:?} has no outcome"),
        }
    }

    fn come_back(&self, call: &mut Given<'_>, how: Comeback) {
        *self.0.lock().unwrap() = Some(how);
        match catch_unwind(AssertUnwindSafe(|| poll(call))) {
            Ok(answer) => assert!(answer.is_ready()),
            Err(_) => assert_eq!(how, Comeback::Panics),
        }
    }
}

/// Reopens, closes, trips: until so many more eras have begun.
fn live_on(stage: &Stage, eras: u64) {
    let last = stage.era() + eras;
    for turn in 0.. {
        if stage.era() == last {
            return;
        }
        match (stage.circuit.state(), turn % 3) {
            (State::Open, _) => {
                stage.clock.advance(BREAK);
                stage.end(Outcome::Ignored);
            }
            (State::HalfOpen, 0) => (0..3).for_each(|_| end_if_admitted(stage, Outcome::Failure)),
            (State::HalfOpen, _) => (0..2).for_each(|_| end_if_admitted(stage, Outcome::Success)),
            (State::Closed, _) => (0..2).for_each(|_| stage.end(Outcome::Failure)),
        }
    }
}

fn end_if_admitted(stage: &Stage, outcome: Outcome) {
    if let Ok(guard) = stage.circuit.try_acquire() {
        guard.finish(outcome);
    }
}

/// A late end changes nothing there is to see, and is counted as stale once.
fn assert_changes_nothing(stage: &Stage, what: &str, end: impl FnOnce()) {
    let (seen, totals) = (stage.look(), stage.totals());
    end();
    assert_eq!(stage.look(), seen, "{what}");
    let now = stage.totals();
    assert_eq!(now.stale, totals.stale + 1, "{what}");
    assert_eq!(now.ended(), totals.ended() + 1, "{what}");
}

// A4, A5, A7, C4, D1, D2
#[test]
fn a_probe_that_comes_back_after_ten_eras_changes_nothing() {
    let mut states = Vec::new();
    // Around ten, so that it comes back into every state, and into eras of either parity.
    for eras in 8..=13 {
        for how in COMEBACKS {
            let stage = Stage::probing();
            let summons = Summons::default();
            let mut call = summons.call(&stage.circuit);
            live_on(&stage, eras);
            states.push(stage.circuit.state());

            let what = format!("{how:?} after {eras} eras, {:?}", stage.circuit.state());
            assert_changes_nothing(&stage, &what, || match how {
                Comeback::Dropped => drop(call),
                how => {
                    summons.come_back(&mut call, how);
                    drop(call);
                }
            });
        }
    }
    for state in [State::Closed, State::Open, State::HalfOpen] {
        assert!(states.contains(&state), "it never came back into {state}");
    }
}

/// Ends one guard, by outcome or by drop.
fn end_guard(guard: Guard<'_>, how: Comeback) {
    match how {
        Comeback::Ends(outcome) => guard.finish(outcome),
        Comeback::Dropped | Comeback::Panics => drop(guard),
    }
}

// C4, D1, D2, F2
#[test]
fn a_late_probe_does_not_touch_the_probes_that_are_in_flight_by_then() {
    for how in COMEBACKS {
        let stage = Stage::probing();
        let late = stage.circuit.try_acquire().unwrap();
        live_on(&stage, 10);
        while stage.circuit.state() != State::HalfOpen {
            live_on(&stage, 1);
        }
        let probes: Vec<_> = (0..PERMITS).map(|_| stage.circuit.try_acquire()).collect();
        assert_changes_nothing(&stage, &format!("{how:?}"), || end_guard(late, how));

        assert!(
            stage.circuit.try_acquire().is_err(),
            "it made room: {how:?}"
        );
        assert_eq!(
            stage.circuit.snapshot().probes.unwrap().in_flight,
            u64::from(PERMITS)
        );
        probes.into_iter().flatten().for_each(Guard::success);
        assert_eq!(stage.circuit.state(), State::Closed);
    }
}

// C4, B1, B2, D5
#[test]
fn a_late_call_of_a_closed_circuit_enters_no_later_window_or_streak() {
    for how in COMEBACKS {
        let stage = Stage::new();
        let late = stage.circuit.try_acquire().unwrap();
        live_on(&stage, 10);
        while stage.circuit.state() != State::HalfOpen {
            live_on(&stage, 1);
        }
        stage.recover();
        stage.end(Outcome::Failure);
        assert_eq!(stage.circuit.snapshot().consecutive_failures, 1);
        assert_changes_nothing(&stage, &format!("{how:?}"), || end_guard(late, how));
    }
}
