//! The retry set-up of "Metastable Failures in the Wild" (OSDI '22): where it recovers by itself, and where the circuit
//! lets it.

use std::time::Duration;

use tower_breaker::Settings;
use tower_breaker_lab::{Contender, Map, NoBreaker, Ours, Scenario, Share, Trigger, recovers, run};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn retry() -> Scenario {
    let text = include_str!("../../scenarios/metastable/retry.toml");
    Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
}

fn gc() -> Scenario {
    let text = include_str!("../../scenarios/metastable/gc.toml");
    Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
}

fn lost(percent: u32) -> Share {
    Share::new(f64::from(percent) / 100.0).expect("a share")
}

fn with_breaks(open_for: Duration) -> Ours {
    let mut settings = Settings::default();
    settings.set_open_for(open_for);
    Ours::new("ours", settings).expect("valid")
}

/// The rate, the tries and the slots of the scenario are free: the paper's database is not in it. They are chosen so
/// that these four come out as published.
#[test]
fn the_boundary_is_where_it_was_found() {
    let recovers = |trigger: Trigger| {
        let scenario = trigger
            .applied(&retry())
            .expect("three phases, slots and a rate");
        recovers(&scenario, &run(&scenario, &mut NoBreaker::new()))
    };
    assert!(recovers(Trigger::new(lost(78), secs(10))));
    assert!(!recovers(Trigger::new(lost(80), secs(10))));
    assert!(recovers(Trigger::new(lost(80), secs(9))));
    assert!(recovers(Trigger::new(lost(80), secs(10)).at_load(0.7)));
}

fn stuck(scenario: &Scenario, breaker: &mut dyn Contender) -> usize {
    let depths = [70, 80, 90].map(lost);
    let durations = [5, 10, 20].map(secs);
    let map = Map::new(scenario, (&depths, &durations, 1.0), breaker)
        .expect("three phases, slots and a rate");
    println!("{map}");
    map.stuck()
}

/// Even breaks of 10 ms: a probe that waits in the queue keeps the circuit half-open, and the queue gets shorter
/// meanwhile.
#[test]
fn a_circuit_shrinks_what_is_stuck() {
    let none = stuck(&retry(), &mut NoBreaker::new());
    for break_of in [Duration::from_millis(10), secs(5)] {
        let ours = stuck(&retry(), &mut with_breaks(break_of));
        assert!(ours < none, "{break_of:?}: {ours} of {none}");
    }
}

/// Nobody tries again here: the queue alone keeps the server slow.
#[test]
fn a_full_heap_is_stuck_without_a_circuit() {
    let none = stuck(&gc(), &mut NoBreaker::new());
    let ours = stuck(&gc(), &mut with_breaks(secs(5)));
    assert!((1..9).contains(&none) && ours == 0, "{ours} of {none}");
}

/// A hundred instances with 63 probes each let as many calls through as come until the first probe has failed, which
/// takes three seconds. Then a short break is as good as no circuit, and a long one is not.
#[test]
fn short_breaks_with_many_probes_do_not_help() {
    let mut scenario = retry();
    scenario.instances = 100;
    let trigger = Trigger::new(lost(90), secs(15));
    let scenario = trigger
        .applied(&scenario)
        .expect("three phases, slots and a rate");
    let with_breaks_of = |open_for| {
        let mut settings = Settings::default();
        settings
            .set_open_for(open_for)
            .set_permits(63)
            .set_probes((32, 63));
        let mut ours = Ours::new("ours", settings).expect("valid");
        recovers(&scenario, &run(&scenario, &mut ours))
    };
    assert!(!recovers(&scenario, &run(&scenario, &mut NoBreaker::new())));
    assert!(!with_breaks_of(Duration::from_millis(10)));
    assert!(with_breaks_of(secs(30)));
}
