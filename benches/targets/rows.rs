//! The rows of the table: paths, the floors beside them, and the targets.

use std::{
    mem::size_of_val,
    task::{Context, Waker},
};

use tower::{Layer, Service};
use tower_breaker::CircuitBreakerLayer;

use crate::{
    measure::Row,
    tasks::{Maker, circuits::*, floors::*, services::*},
};

fn row(name: &'static str, floor: Maker, path: Maker, target: f64, excellent: f64) -> Row {
    Row {
        name,
        floor: (floor, 1),
        path: (path, 1),
        target,
        excellent,
    }
}

/// Two threads that share a circuit, over one.
fn scaling(name: &'static str, path: &Maker, target: f64, excellent: f64) -> Row {
    Row {
        name,
        floor: (path.clone(), 1),
        path: (path.clone(), 2),
        target,
        excellent,
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = clean();
    rows.extend(writing());
    rows.extend(scales());
    rows.extend(others());
    #[cfg(feature = "coarse-clock")]
    rows.extend(coarse());
    #[cfg(feature = "registry")]
    rows.extend(keyed());
    #[cfg(feature = "metrics")]
    rows.extend(telemetry());
    rows
}

/// What it costs to be looked at: a call pays nothing, a transition does.
#[cfg(feature = "metrics")]
fn telemetry() -> Vec<Row> {
    use crate::tasks::telemetry::{
        calls, transitions_as_text, transitions_to_a_recorder, transitions_unpublished,
    };

    let over_none = |name, path, target| row(name, transitions_unpublished(), path, target, 1.1);
    vec![
        row(
            "telemetry: success while another scrapes, over alone",
            calls(false),
            calls(true),
            1.1,
            1.02,
        ),
        over_none(
            "telemetry: two transitions, as text",
            transitions_as_text(),
            1.5,
        ),
        over_none(
            "telemetry: two transitions, to a recorder",
            transitions_to_a_recorder(),
            15.0,
        ),
    ]
}

/// A circuit for each key: what the layer adds to a lookup, and that it stays the same with many keys and threads.
#[cfg(feature = "registry")]
fn keyed() -> Vec<Row> {
    use crate::tasks::keyed::{keyed_calls, lookups_and_calls};

    let over_lookup =
        |name, keys| row(name, lookups_and_calls(keys), keyed_calls(keys), 1.25, 1.05);
    vec![
        over_lookup("keyed: success, 1 key, over a lookup and a call", 1),
        over_lookup("keyed: success, 100 keys, over a lookup and a call", 100),
        over_lookup(
            "keyed: success, 10,000 keys, over a lookup and a call",
            10_000,
        ),
        scaling("keyed: 1 key, 2 threads over 1", &keyed_calls(1), 1.2, 1.05),
        scaling(
            "keyed: 100 keys, 2 threads over 1",
            &keyed_calls(100),
            1.2,
            1.05,
        ),
        scaling(
            "keyed: 10,000 keys, 2 threads over 1",
            &keyed_calls(10_000),
            1.2,
            1.05,
        ),
    ]
}

/// What must cost the same, however much of it there is.
fn scales() -> Vec<Row> {
    let flat = |name, little, much| row(name, little, much, 1.3, 1.1);
    vec![
        flat(
            "count window of 65,536 over one of 100, 1 % failures",
            one_fails_in(100, count(100)),
            one_fails_in(100, count(65_536)),
        ),
        flat(
            "time window: a million calls a second over a thousand",
            calls_a_second(1_000),
            calls_a_second(1_000_000),
        ),
        flat(
            "100 circuits in turn over one",
            successes_of(1, consecutive),
            successes_of(100, consecutive),
        ),
    ]
}

fn clean() -> Vec<Row> {
    let (streak, window) = (successes(consecutive()), successes(count(100)));
    vec![
        row(
            "consecutive: success, over two loads",
            two_loads(),
            streak.clone(),
            2.5,
            1.4,
        ),
        row(
            "clean count window: success, over two loads",
            two_loads(),
            window.clone(),
            2.5,
            1.4,
        ),
        scaling("consecutive: success, 2 threads over 1", &streak, 1.1, 1.02),
        scaling(
            "clean count window: success, 2 threads over 1",
            &window,
            1.1,
            1.02,
        ),
    ]
}

fn writing() -> Vec<Row> {
    // Now and then a failure, so that successes always have to be written down.
    let window = one_fails_in(10_000, with_a_failure());
    let time = successes(time_window(|c| c.clock(NoClock)));
    let totals = successes(circuit(|c| c.consecutive_failures(5).totals(true)));
    let swap = own_line_swap;
    vec![
        row(
            "count window with failures: success, over a swap",
            swap(),
            window.clone(),
            1.6,
            1.25,
        ),
        row(
            "time window, no clock: success, over a swap",
            swap(),
            time.clone(),
            1.6,
            1.25,
        ),
        row(
            "totals: success, over a swap",
            swap(),
            totals.clone(),
            1.6,
            1.25,
        ),
        scaling(
            "count window with failures: 2 threads over 1",
            &window,
            1.2,
            1.05,
        ),
        scaling("time window, no clock: 2 threads over 1", &time, 1.2, 1.05),
        scaling("totals: 2 threads over 1", &totals, 1.2, 1.05),
        Row {
            name: "count window, 1 % failures, 2 threads, over a swap",
            floor: (swap(), 2),
            path: (one_fails_in(100, count(100)), 2),
            target: 4.0,
            excellent: 2.5,
        },
    ]
}

fn others() -> Vec<Row> {
    let unavailable = calls(CircuitBreakerLayer::new(open()).layer(Bare));
    vec![
        row(
            "time window: success, over the clock",
            clock(),
            successes(time_window(|c| c)),
            1.6,
            1.4,
        ),
        row(
            "rejection as an error, over the clock",
            clock(),
            rejections(open()),
            1.3,
            1.2,
        ),
        row(
            "rejection as a 503, over one made by hand",
            unavailable_by_hand(),
            unavailable,
            1.3,
            1.1,
        ),
        row(
            "Arc clone and drop, over itself",
            arc_clone(),
            arc_clone(),
            1.05,
            1.02,
        ),
        row(
            "service: success, over a bare call and an Arc clone",
            bare_call_and_arc(),
            calls(protected(consecutive())),
            1.5,
            1.05,
        ),
        row(
            "service: success, awaited, over a bare call and an Arc",
            bare_call_and_arc(),
            awaited_calls(protected(consecutive())),
            1.5,
            1.05,
        ),
        scaling(
            "default service: success, 2 threads over 1",
            &calls(protected(consecutive())),
            1.1,
            1.02,
        ),
        scaling(
            "a clone for each call: success, 2 threads over 1",
            &calls_of_clones(protected(consecutive())),
            1.1,
            1.02,
        ),
    ]
}

/// With the coarse clock: beside the system's clock alone, and beside the same with the system's clock.
#[cfg(feature = "coarse-clock")]
fn coarse() -> Vec<Row> {
    use tower_breaker::clock::Coarse;

    let window = || successes(time_window(|c| c.clock(Coarse)));
    let shut = || circuit(|c| c.consecutive_failures(5).clock(Coarse));
    let over_system = |name, system, coarse| row(name, system, coarse, 1.0, 0.7);
    vec![
        over_system(
            "reading the coarse clock, over the system's",
            clock(),
            coarse_clock(),
        ),
        over_system(
            "time window, coarse: success, over the clock",
            clock(),
            window(),
        ),
        over_system(
            "time window: success, coarse clock over the system's",
            successes(time_window(|c| c)),
            window(),
        ),
        over_system(
            "calls that are timed: success, coarse over the system's",
            successes(timed(|c| c)),
            successes(timed(|c| c.clock(Coarse))),
        ),
        over_system(
            "rejection as an error, coarse clock over the system's",
            rejections(open()),
            rejections(tripped(shut())),
        ),
    ]
}

/// What calls cost beside what they protect.
pub(crate) fn print_excess() {
    let excess = |floor, path| row("", floor, path, 0.0, 0.0).measure().excess();
    let borrowed = excess(bare_futures(), futures(consecutive()));
    let verdict = if borrowed <= 2.0 { "met" } else { "MISSED" };
    println!(
        "borrowed: `Circuit::call` costs {borrowed:.2} ns more than its future (target 2.00)  {verdict}"
    );
    let service = excess(bare_calls(), calls(protected(consecutive())));
    println!("service: a call costs {service:.2} ns more than its inner one");
}

/// What a scrape takes, which nobody's call waits for.
#[cfg(feature = "metrics")]
pub(crate) fn print_scrapes() {
    use crate::{measure::millis, tasks::telemetry};

    let circuits = telemetry::CIRCUITS;
    for (what, work) in telemetry::scrapes() {
        println!(
            "scrape: {circuits} circuits, {what}: {:.2} ms",
            millis(work)
        );
    }
    let kilobytes = telemetry::length_of_scrape() / 1_000;
    println!("scrape: {circuits} circuits, as text: {kilobytes} kB");
}

/// How much larger than the inner one the future should be at most, in bytes. (It is larger by a word: the limit of
/// a probe, D9.)
const FUTURE: usize = 24;

/// The future's size over the inner one's.
pub(crate) fn print_sizes() {
    let mut service = CircuitBreakerLayer::new(consecutive()).layer(Bare);
    let mut context = Context::from_waker(Waker::noop());
    let _ = service.poll_ready(&mut context);
    let (inner, outer) = (size_of_val(&Bare.call(())), size_of_val(&service.call(())));
    let more = outer - inner;
    let verdict = if more <= FUTURE { "met" } else { "MISSED" };
    println!(
        "future: {outer} bytes over an inner {inner}, {more} more (target {FUTURE})  {verdict}"
    );
}
