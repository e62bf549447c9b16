//! How much memory a registry takes, and that no flood of names makes it more: by the figures that its docs state.
//!
//! What is counted is what one thread has asked for and not given back, at its peak. Threads are added up.

use std::{
    ops::Range,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tower_breaker::{
    Circuit, CircuitBuilder, Snapshot,
    clock::ManualClock,
    registry::{CreateError, Registry, RegistryBuilder, RegistryTotals},
};

const DOCS: &str = include_str!("../../src/registry/mod.rs");

fn number(text: &str) -> u64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

/// What the docs say that a circuit takes on this machine.
#[track_caller]
fn stated(with: &str) -> u64 {
    let row = format!("//! | {with}");
    let row = DOCS
        .lines()
        .find(|line| line.starts_with(&row))
        .expect("a row");
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let [bytes, more] = [number(cells[2]), number(cells[3])];
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cores = cores.next_power_of_two().min(16) as u64;
    bytes + more * cores - more * 2
}

/// What the docs say that a thread may hold back.
fn held_back() -> u64 {
    let (_, text) = DOCS.split_once("may hold back up to ").expect("stated");
    number(
        text.split_once(' ')
            .map_or(text, |it| it.0)
            .split("\n")
            .next()
            .expect("a line"),
    )
}

type Change = fn(CircuitBuilder) -> CircuitBuilder;

const KINDS: [(&str, Change); 3] = [
    ("failures in a row", |circuit| {
        circuit.consecutive_failures(2)
    }),
    ("the defaults", |circuit| circuit),
    ("a time window", |circuit| {
        circuit.time_window(Duration::from_secs(10))
    }),
];

fn builder(change: Change) -> (RegistryBuilder, ManualClock) {
    let clock = ManualClock::new();
    let time = clock.clone();
    let builder = Registry::builder();
    (
        builder.defaults(move |circuit| change(circuit).clock(time.clone())),
        clock,
    )
}

/// A name of 32 bytes that looks like no other.
fn hostile(number: u64) -> String {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{random:0>32x}")
}

/// Not more than is stated, and not much less.
#[track_caller]
fn assert_as_stated(what: &str, took: u64, stated: u64) {
    assert!(
        took <= stated,
        "{what}: {took} bytes, but {stated} are stated"
    );
    assert!(
        took * 10 >= stated * 9,
        "{what}: {took} bytes are less than the {stated} stated"
    );
}

// I5
#[test]
#[cfg_attr(
    not(target_pointer_width = "64"),
    ignore = "stated for words of 64 bits"
)]
fn a_circuit_takes_as_much_as_the_docs_say() {
    const CIRCUITS: u64 = 1_000;
    for (with, change) in KINDS {
        let (builder, _clock) = builder(change);
        let registry = builder.build().expect("valid");
        let took = allocation_counter::measure(|| {
            for number in 0..CIRCUITS {
                registry.get_or_create(&hostile(number)).expect("made");
            }
        });
        let took = u64::try_from(took.bytes_current).expect("some");
        assert_as_stated(with, took / CIRCUITS, stated(with));
    }
}

// I5, L1
#[test]
#[cfg_attr(
    not(target_pointer_width = "64"),
    ignore = "stated for words of 64 bits"
)]
fn the_events_of_a_circuit_take_as_much_as_the_docs_say() {
    const CIRCUITS: u64 = 100;
    let registry = Registry::builder().build().expect("valid");
    for number in 0..CIRCUITS {
        registry.get_or_create(&hostile(number)).expect("made");
    }
    let mut took = [0; 2];
    for (took, events) in took.iter_mut().zip([1, 200]) {
        let all = allocation_counter::measure(|| (0..events).for_each(|_| registry.reset_all()));
        *took = u64::try_from(all.bytes_current).expect("some") / CIRCUITS;
    }
    let [first, more] = took;
    assert_as_stated("its first event", first, stated("its first event"));
    assert_as_stated("each more", more.div_ceil(15), stated("each more"));
}

// L1: it has a place for events of its own only where it keeps some, or somebody listens to it.
#[test]
fn events_that_only_the_registry_hears_of_take_nothing() {
    let builder = Registry::builder().defaults(|circuit| circuit.event_log(0));
    let registry = builder.build().expect("valid");
    for number in 0..100 {
        registry.get_or_create(&hostile(number)).expect("made");
    }
    let heard = Arc::new(AtomicU64::new(0));
    let count = heard.clone();
    let _subscription = registry.subscribe_events(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let took = allocation_counter::measure(|| {
        registry.reset_all();
    });
    assert_eq!(heard.load(Ordering::Relaxed), 100);
    assert_eq!(took.bytes_current, 0);
}

/// Routes that were there before the flood, and whose time stands still.
fn routes(builder: RegistryBuilder) -> RegistryBuilder {
    let clock = ManualClock::new();
    let builder = builder.matching("/route/*", move |circuit| circuit.clock(clock.clone()));
    (0..30).fold(builder, |builder, number| {
        builder.circuit(&format!("/route/{number}"), |circuit| circuit)
    })
}

/// So that each has a past.
fn live_a_little(route: &Circuit, number: usize) {
    (0..number % 3).for_each(|_| {
        if let Ok(call) = route.try_acquire() {
            call.failure();
        }
    });
}

fn snapshots(registry: &Registry) -> Vec<Snapshot> {
    let all = registry.snapshots().into_iter();
    all.filter(|it| it.name.starts_with("/route/")).collect()
}

/// So many for each kind of circuit.
fn names() -> u64 {
    let said = std::env::var("TOWER_BREAKER_NAMES").ok();
    said.map_or(50_000, |names| names.parse().expect("a number of names"))
}

/// Calls to names that nobody knows: one of them, every other time two failures, which open the circuit.
fn flood(registry: &Registry, clock: &ManualClock, numbers: Range<u64>) {
    for number in numbers {
        match registry.get_or_create(&hostile(number)) {
            Ok(circuit) if number % 2 == 0 => circuit.try_acquire().expect("closed").success(),
            Ok(circuit) => (0..2).for_each(|_| circuit.try_acquire().expect("closed").failure()),
            Err(CreateError::Full { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        if number % 8 == 0 {
            clock.advance(Duration::from_secs(1));
        }
    }
}

const PLACES: u64 = 256;

/// What a flood of names through a registry of 256 places takes at its peak, and what has come and gone.
fn peak_of_a_flood(change: Change) -> (u64, RegistryTotals) {
    let (builder, clock) = builder(change);
    let builder = routes(builder).max_circuits(256);
    let mut totals = RegistryTotals::default();
    let took = allocation_counter::measure(|| {
        let registry = builder.build().expect("valid");
        for (number, route) in registry.circuits().iter().enumerate() {
            live_a_little(route, number);
        }
        let before = snapshots(&registry);
        flood(&registry, &clock, 0..names());
        assert_eq!(snapshots(&registry), before);
        totals = registry.totals();
    });
    (took.bytes_max, totals)
}

// I5
#[test]
#[cfg_attr(
    not(target_pointer_width = "64"),
    ignore = "stated for words of 64 bits"
)]
fn no_flood_of_names_changes_what_a_registry_takes_or_the_circuits_of_real_routes() {
    for (with, change) in KINDS {
        let (took, totals) = peak_of_a_flood(change);
        // Half of them have opened.
        let bound = PLACES * (stated(with) + stated("its first event")) + held_back();
        println!("{with}: {took} of {bound} bytes, {totals:?}");
        assert!(took <= bound, "{with}: {took} bytes of {bound}");
        assert_eq!(
            totals.created - totals.evicted,
            PLACES,
            "there is no room for more"
        );
        assert_eq!(totals.created + totals.refused, 30 + names());
        // A count window holds a call for ever, so nobody makes room.
        assert_eq!(totals.evicted > 1_000, with != "the defaults");
    }
}

// I5
#[test]
#[cfg_attr(
    not(target_pointer_width = "64"),
    ignore = "stated for words of 64 bits"
)]
fn each_thread_that_makes_circuits_holds_back_no_more_than_the_docs_say() {
    const THREADS: u64 = 4;
    let (with, change) = KINDS[0];
    let (builder, clock) = builder(change);
    let builder = builder.max_circuits(256);
    let mut registry = None;
    let built = allocation_counter::measure(|| registry = Some(builder.build().expect("valid")));
    let registry = registry.expect("built");
    let started = Barrier::new(4);
    let work = |thread| {
        started.wait();
        let numbers = thread * 10_000..(thread + 1) * 10_000;
        allocation_counter::measure(|| flood(&registry, &clock, numbers)).bytes_current
    };
    let taken: i64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|it| scope.spawn(move || work(it)))
            .collect();
        threads
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .sum()
    });
    let took = u64::try_from(built.bytes_current + taken).expect("some");
    let bound = PLACES * (stated(with) + stated("its first event")) + THREADS * held_back();
    assert!(took <= bound, "{took} bytes of {bound}");
    assert!(registry.totals().evicted > 1_000);
}
