//! Threads that call by key, while circuits are removed, make room for others, and are reset (rules J1, J2, J4).
//!
//! Each circuit has a clock that says who reads it: so a call knows, of itself, which circuit has admitted it, and
//! which one its result has gone to.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{
    cell::Cell,
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, CircuitBuilder, State,
    clock::{Clock, ManualClock},
    registry::{Event, Registry},
};

use crate::{
    calling::{by_key, obey, request},
    collisions::{Dice, race},
};

/// More names than circuits.
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const MAX_CIRCUITS: u32 = 4;
const THREADS: usize = 4;
/// Of each thread, in each round.
const CALLS: usize = 200;
/// The circuits that are not of the registry.
const OWN: usize = 0;
const OVERFLOW: usize = 1;

thread_local! {
    /// Whose clock this thread has read last.
    static READ: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The clock of one circuit.
struct Watched {
    number: usize,
    time: ManualClock,
}

impl Clock for Watched {
    fn now(&self) -> Duration {
        READ.set(Some(self.number));
        self.time.now()
    }
}

/// What `work` does, and the circuit that it dealt with last.
fn watch<T>(work: impl FnOnce() -> T) -> (T, Option<usize>) {
    READ.set(None);
    (work(), READ.take())
}

/// Two failures in a row open it. Calls are timed, so that its clock is read, and a minute clears its window.
fn numbered(circuit: CircuitBuilder, number: usize, time: &ManualClock) -> CircuitBuilder {
    let time = time.clone();
    circuit
        .tag("number", number.to_string())
        .consecutive_failures(2)
        .time_window(Duration::from_secs(60))
        .slow_call_rate(1.0)
        .slow_call_duration(Duration::from_secs(1_000_000))
        .clock(Watched { number, time })
}

fn pick_name(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(&NAMES)
}

fn number_of(circuit: &Circuit) -> usize {
    circuit.tags().get("number").unwrap().parse().unwrap()
}

/// How a circuit has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Removed,
    Evicted,
    /// Evicted, with something in it.
    Missed,
}

/// A circuit that has left. It is kept from then on only: whoever holds one keeps it from leaving.
struct Departure {
    circuit: Circuit,
    how: Left,
    /// How many had left before.
    order: usize,
}

/// Circuits that have left, by number.
#[derive(Clone, Default)]
struct Gone(Arc<Mutex<BTreeMap<usize, Departure>>>);

impl Gone {
    fn hear(&self, circuit: &Circuit, event: Event<'_>) {
        let how = match event {
            Event::Removed => Left::Removed,
            Event::Evicted if would_be_missed(circuit) => Left::Missed,
            Event::Evicted => Left::Evicted,
            _ => return,
        };
        let mut all = self.all();
        let departure = Departure {
            circuit: circuit.clone(),
            how,
            order: all.len(),
        };
        all.insert(number_of(circuit), departure);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<usize, Departure>> {
        self.0.lock().unwrap()
    }

    fn len(&self) -> usize {
        self.all().len()
    }

    fn how(&self, number: usize) -> Option<Left> {
        self.all().get(&number).map(|departure| departure.how)
    }

    fn times(&self, how: Left) -> u64 {
        let all = self.all();
        all.values()
            .filter(|departure| departure.how == how)
            .count() as u64
    }
}

/// Whether it knows something that a new circuit would not know.
fn would_be_missed(circuit: &Circuit) -> bool {
    let snapshot = circuit.snapshot();
    let holds_calls = snapshot.window.is_some_and(|window| window.calls > 0);
    match snapshot.state {
        State::Closed => holds_calls || snapshot.consecutive_failures > 0,
        _ => snapshot.remaining.is_some_and(|left| !left.is_zero()),
    }
}

type Called = BoxCloneSyncService<Request<u16>, Response<()>, Infallible>;

/// A registry, and two layers on it.
struct Storm {
    registry: Registry,
    time: ManualClock,
    gone: Gone,
    own: Circuit,
    overflow: Circuit,
    services: [Called; 2],
}

impl Storm {
    fn new() -> Self {
        let (time, gone, made) = (ManualClock::new(), Gone::default(), AtomicUsize::new(2));
        let (clock, told) = (time.clone(), gone.clone());
        let registry = Registry::builder()
            .defaults(move |circuit| {
                numbered(circuit, made.fetch_add(1, Ordering::Relaxed), &clock)
            })
            .max_circuits(MAX_CIRCUITS)
            .on_event(move |circuit, event| told.hear(circuit, event))
            .build()
            .unwrap();
        let alone = |name, number| {
            numbered(Circuit::builder(name), number, &time)
                .build()
                .unwrap()
        };
        let (own, overflow) = (alone("own", OWN), alone("overflow", OVERFLOW));
        let first = CircuitBreakerLayer::new(own.clone()).keyed_by(&registry, by_key());
        let second = CircuitBreakerLayer::new(own.clone())
            .keyed_by(&registry, by_key())
            .overflow_to(overflow.clone());
        Self {
            services: [
                Called::new(first.layer(service_fn(obey))),
                Called::new(second.layer(service_fn(obey))),
            ],
            registry,
            time,
            gone,
            own,
            overflow,
        }
    }

    /// All circuits that there ever were, by number.
    fn all(&self) -> BTreeMap<usize, Circuit> {
        let gone = self.gone.all();
        let gone = gone.values().map(|departure| departure.circuit.clone());
        let present = self.registry.circuits();
        let alone = [self.own.clone(), self.overflow.clone()];
        let all = gone.chain(present).chain(alone);
        all.map(|circuit| (number_of(&circuit), circuit)).collect()
    }

    /// Now and then takes a circuit away, or brings all back to their beginnings.
    fn disturb(&self, dice: &mut Dice) {
        match dice.below(64) {
            0..6 => drop(self.registry.remove(pick_name(dice))),
            6 => self.registry.reset_all(),
            // Long enough for windows to be empty, and for what is open to be forgotten.
            7..11 => self.time.advance(Duration::from_secs(3_600)),
            _ => {}
        }
    }

    /// Calls that overlap. When the last is over, nothing has been lost on the way.
    fn call(&self, seed: usize, tally: &mut Tally) {
        let (mut dice, mut under_way) = (Dice::new(seed), Vec::new());
        let mut services = [0, 0, 1, 1].map(|layer: usize| self.services[layer].clone());
        for _ in 0..CALLS {
            self.disturb(&mut dice);
            let service = usize::try_from(dice.below(4)).unwrap();
            let status = *dice.pick(&[200, 200, 500]);
            let name = pick_name(&mut dice);
            under_way.push(UnderWay::begin(self, &mut services[service], name, status));
            while under_way.len() as u64 > dice.below(6) {
                tally.end(self, under_way.remove(0));
            }
        }
        for call in under_way {
            tally.end(self, call);
        }
    }

    /// While nothing changes, each call goes through the circuit that the registry has.
    fn call_those_that_are_there(&self, tally: &mut Tally) {
        let there = self.registry.circuits();
        for circuit in &there {
            let found = self.registry.get(circuit.name()).expect("it is there");
            assert_eq!(number_of(&found), number_of(circuit));
            for service in &self.services {
                let call = UnderWay::begin(self, &mut service.clone(), circuit.name(), 200);
                assert_eq!(call.circuit, number_of(circuit), "{circuit:?}");
                tally.end(self, call);
            }
        }
    }

    fn round(&self, number: usize) -> Vec<Tally> {
        let arrived = AtomicUsize::new(0);
        race(THREADS, |thread| {
            let mut tally = Tally::default();
            let arrives = Arrives(&arrived);
            self.call(number * THREADS + thread, &mut tally);
            drop(arrives);
            while arrived.load(Ordering::SeqCst) < THREADS {
                thread::yield_now();
            }
            self.call_those_that_are_there(&mut tally);
            tally
        })
    }
}

/// Tells the others, also if this thread panics.
struct Arrives<'a>(&'a AtomicUsize);

impl Drop for Arrives<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A call that is not over.
struct UnderWay {
    /// Which has admitted or rejected it.
    circuit: usize,
    status: u16,
    answer: <Called as Service<Request<u16>>>::Future,
}

impl UnderWay {
    fn begin(storm: &Storm, service: &mut Called, name: &str, status: u16) -> Self {
        let had_left = storm.gone.len();
        let ready = service.ready().now_or_never().unwrap().unwrap();
        let (answer, circuit) = watch(|| ready.call(request(name, status)));
        let circuit = circuit.expect("some circuit was asked");
        let left = storm
            .gone
            .all()
            .get(&circuit)
            .map(|departure| departure.order);
        assert!(
            left.is_none_or(|order| order >= had_left),
            "it had left before"
        );
        Self {
            circuit,
            status,
            answer,
        }
    }
}

/// What the calls of a circuit came to: so many successful, failed and rejected.
type Came = [u64; 3];

#[derive(Default)]
struct Tally {
    /// By the number of the circuit.
    came: BTreeMap<usize, Came>,
    /// Results whose circuit was removed before.
    late: u64,
}

impl Tally {
    fn end(&mut self, storm: &Storm, call: UnderWay) {
        let left = storm.gone.how(call.circuit);
        let (answer, counted) = watch(|| call.answer.now_or_never());
        let status = answer.expect("an answer").unwrap().status().as_u16();
        let came = self.came.entry(call.circuit).or_default();
        if status == 503 {
            came[2] += 1;
            return;
        }
        assert_eq!(status, call.status);
        assert_eq!(counted, Some(call.circuit), "its result went elsewhere");
        let stayed = matches!(left, None | Some(Left::Removed));
        assert!(stayed, "evicted with a call under way");
        came[usize::from(status == 500)] += 1;
        self.late += u64::from(left == Some(Left::Removed));
    }

    fn add(&mut self, other: Self) {
        self.late += other.late;
        for (circuit, came) in other.came {
            let sum = self.came.entry(circuit).or_default();
            sum.iter_mut()
                .zip(came)
                .for_each(|(sum, came)| *sum += came);
        }
    }
}

fn counted(circuit: &Circuit) -> Came {
    let totals = circuit.snapshot().totals.unwrap();
    [totals.successful, totals.failed, totals.rejected]
}

/// What must have come about often enough.
fn is_missing(storm: &Storm, tally: &Tally) -> Vec<&'static str> {
    let totals = storm.registry.totals();
    let rejected: u64 = tally.came.values().map(|came| came[2]).sum();
    let seen = [
        ("circuits that made room", totals.evicted),
        (
            "circuits that were removed",
            storm.gone.times(Left::Removed),
        ),
        ("keys without room", totals.refused),
        ("results of circuits that were removed", tally.late),
        ("rejections", rejected),
    ];
    let missing = seen.into_iter().filter(|(_, times)| *times < 200);
    missing.map(|(what, _)| what).collect()
}

// J1, J2, J4
#[test]
fn each_call_is_answered_and_counts_for_the_circuit_that_was_asked_whatever_happens_to_it() {
    let storm = Storm::new();
    let mut tally = Tally::default();
    for number in 0.. {
        let missing = is_missing(&storm, &tally);
        if missing.is_empty() && number >= 60 {
            break;
        }
        assert!(number < 500, "never provoked: {missing:?}");
        storm
            .round(number)
            .into_iter()
            .for_each(|one| tally.add(one));
    }

    assert_eq!(storm.gone.times(Left::Missed), 0);
    let all = storm.all();
    for (number, circuit) in &all {
        let came = tally.came.remove(number).unwrap_or_default();
        assert_eq!(counted(circuit), came, "{circuit:?}");
    }
    assert_eq!(tally.came, BTreeMap::new(), "circuits that nobody knows");
    drop(all);

    // The layers have called all that are left, and keep none of them.
    storm.registry.reset_all();
    storm.time.advance(Duration::from_secs(3_600));
    for number in 0..4 * MAX_CIRCUITS {
        storm
            .registry
            .get_or_create(&format!("new {number}"))
            .unwrap();
    }
}
