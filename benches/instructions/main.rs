//! Does one path so many times and nothing else, for a tool that counts instructions.
//!
//! `.ci/instructions` runs it under callgrind, twice for each path, and divides the difference by the
//! difference in calls: what is left is a call, to the instruction, on any machine with the same
//! compiler. `cargo bench --bench instructions` lists the paths; `… -- rejection 1000` does one.

#[path = "../tasks/mod.rs"]
mod tasks;

use std::hint::black_box;

use tasks::{Maker, circuits::*, services::*};
use tower::Layer;
use tower_breaker::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, CircuitBuilder, classify::ErrorsOnly,
};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let chosen = arguments.next();
    let times = arguments.next().and_then(|times| times.parse().ok());
    match (chosen, times) {
        (Some(name), Some(times)) => run(&name, times),
        _ => paths().iter().for_each(|path| println!("{}", path.0)),
    }
}

fn run(name: &str, times: u64) {
    let path = paths().into_iter().find(|path| path.0 == name);
    let (_, make) = path.expect("one of the paths that are listed");
    let mut work = make();
    work(times);
}

/// With a clock that stands still, because a real one costs what the system makes of it.
fn timeless(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    circuit(|c| configure(c).clock(NoClock))
}

fn tripped() -> Circuit {
    let circuit = timeless(|c| c.consecutive_failures(5));
    circuit.trip(BREAK).expect("normal mode");
    circuit
}

/// Somebody listens to calls, and does nothing with them.
fn heard() -> Circuit {
    timeless(|c| {
        c.consecutive_failures(5).on_call(|_, event| {
            black_box(event);
        })
    })
}

type Path = (&'static str, Maker);

fn paths() -> Vec<Path> {
    let mut paths = cores();
    paths.extend(towers());
    #[cfg(feature = "body")]
    paths.extend(bodies());
    paths
}

fn cores() -> Vec<Path> {
    let timed = || time_window(|c| c.clock(NoClock));
    vec![
        ("consecutive_success", successes(consecutive())),
        ("clean_count_window_success", successes(count(100))),
        ("count_window_success", successes(with_a_failure())),
        (
            "count_window_1_in_10_fails",
            one_fails_in(10, timeless(|c| c.count_window(100).failure_rate(0.5))),
        ),
        ("time_window_success", successes(timed())),
        ("time_window_1_in_10_fails", one_fails_in(10, timed())),
        (
            "totals_success",
            successes(timeless(|c| c.consecutive_failures(5).totals(true))),
        ),
        (
            "watched_for_slowness_success",
            successes(timeless(|c| {
                c.count_window(100)
                    .slow_call_duration(BREAK)
                    .slow_call_rate(0.5)
            })),
        ),
        ("rejection", rejections(tripped())),
        ("outage_and_recovery", outages()),
        ("future_success", futures(consecutive())),
    ]
}

fn towers() -> Vec<Path> {
    vec![
        ("service_success", calls(protected(consecutive()))),
        (
            "service_success_pending_while_open",
            calls(
                CircuitBreakerLayer::new(consecutive())
                    .classifier(ErrorsOnly)
                    .pending_while_open()
                    .layer(Bare),
            ),
        ),
        (
            "service_success_limited",
            calls(
                CircuitBreakerLayer::new(timeless(|c| {
                    c.consecutive_failures(5).call_timeout(BREAK)
                }))
                .classifier(ErrorsOnly)
                .limit_calls()
                .layer(Bare),
            ),
        ),
        (
            "service_success_bulkhead",
            calls(BulkheadLayer::new().layer(protected(timeless(|c| {
                c.consecutive_failures(5).bulkhead(16, BREAK)
            })))),
        ),
        (
            "service_success_bulkhead_off",
            calls(BulkheadLayer::new().layer(protected(consecutive()))),
        ),
        ("service_success_heard", calls(protected(heard()))),
        (
            "service_success_with_durations",
            calls(protected(timeless(|c| {
                c.consecutive_failures(5).durations(true)
            }))),
        ),
        (
            "service_success_through_a_clone",
            calls_of_clones(protected(consecutive())),
        ),
        ("service_rejection_as_error", calls(refusing(tripped()))),
        (
            "service_rejection_as_503",
            calls(CircuitBreakerLayer::new(tripped()).layer(Bare)),
        ),
    ]
}

/// A response is made, and its body read to its end.
#[cfg(feature = "body")]
fn bodies() -> Vec<Path> {
    use tasks::bodies::{Short, downloads};

    let layer = || CircuitBreakerLayer::new(consecutive()).classifier(ErrorsOnly);
    vec![
        ("body_not_observed", downloads(layer().layer(Short))),
        (
            "body_observed",
            downloads(layer().observe_bodies().layer(Short)),
        ),
    ]
}
