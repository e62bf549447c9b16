//! The retry set-up of "Metastable Failures in the Wild" (OSDI '22): where it recovers by itself, and where the circuit
//! lets it.

use std::time::Duration;

use tower_breaker::Settings;
use tower_breaker_lab::{Contender, Map, NoBreaker, Ours, Scenario, Share, Trigger, recovers, run};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// More than 3 · 370 calls, each tried three times.
const MANY: u32 = 4_000;

fn retry() -> Scenario {
    let text = include_str!("../../scenarios/metastable/retry.toml");
    Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
}

fn lost(percent: u32) -> Share {
    Share::new(f64::from(percent) / 100.0).expect("a share")
}

fn with_breaks(open_for: Duration, probes: u32) -> Ours {
    let mut settings = Settings::default();
    settings.set_open_for(open_for).set_permits(probes);
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

fn stuck(breaker: &mut dyn Contender) -> usize {
    let depths = [70, 80, 90].map(lost);
    let durations = [5, 10, 15, 20].map(secs);
    let map = Map::new(&retry(), (&depths, &durations, 1.0), breaker)
        .expect("three phases, slots and a rate");
    println!("{map}");
    map.stuck()
}

#[test]
fn a_circuit_shrinks_what_is_stuck() {
    let none = stuck(&mut NoBreaker::new());
    for break_of in [Duration::from_millis(10), secs(5)] {
        let ours = stuck(&mut with_breaks(break_of, 1));
        assert!(ours < none, "{break_of:?}: {ours} of {none}");
    }
}
