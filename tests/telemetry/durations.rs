//! How long calls took: a histogram.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tower_breaker::{
    Circuit,
    clock::ManualClock,
    observe::CALL_DURATION_BUCKETS,
    registry::{Registry, RegistryBuilder},
    telemetry::{Exposition, Metrics},
};

use super::scrape::{Exported, Scrape, brittle, registry};

const DURATION: &str = "call_duration_seconds";

fn timed(names: &[&str]) -> (Registry, ManualClock) {
    let clock = ManualClock::new();
    let builder = brittle(Registry::builder(), &clock).defaults(|circuit| circuit.durations(true));
    let add = |builder, name: &&str| RegistryBuilder::circuit(builder, name, |circuit| circuit);
    let registry = names.iter().fold(builder, add).build();
    (registry.expect("valid"), clock)
}

/// A call that takes so many milliseconds.
fn call(circuit: &Circuit, clock: &ManualClock, millis: u64) {
    let guard = circuit.try_acquire().expect("admitted");
    clock.advance(Duration::from_millis(millis));
    guard.success();
}

/// With the buckets that the docs show.
fn exported(registry: &Registry) -> Exported {
    let metric = Matcher::Full("circuit_breaker_call_duration_seconds".to_owned());
    let builder = PrometheusBuilder::new();
    let builder = builder.set_buckets_for_metric(metric, &CALL_DURATION_BUCKETS);
    Exported::to(registry, builder.expect("buckets").build_recorder())
}

fn buckets(scrape: &Scrape, circuit: &str) -> [f64; 8] {
    let bounds = ["0.01", "0.05", "0.1", "0.5", "1", "5", "10", "+Inf"];
    bounds.map(|le| {
        scrape.value(&format!(
            "{DURATION}_bucket{{circuit=\"{circuit}\",le=\"{le}\"}}"
        ))
    })
}

fn both(exported: &Exported, exposition: &Exposition) -> [Scrape; 2] {
    [exported.scrape(), Scrape::read(&exposition.render())]
}

// L4, L5
#[test]
fn calls_are_counted_in_buckets_of_the_time_they_took() {
    let (registry, clock) = timed(&["a"]);
    let (exported, exposition) = (exported(&registry), Exposition::new(&registry));
    for scrape in both(&exported, &exposition) {
        assert_eq!(buckets(&scrape, "a"), [0.0; 8], "before the first call");
    }
    let a = registry.try_get("a").expect("named");
    // A bound is in the bucket that it ends.
    for millis in [10, 11, 50, 400, 500, 700, 20_000] {
        call(&a, &clock, millis);
    }
    for scrape in both(&exported, &exposition) {
        assert_eq!(
            buckets(&scrape, "a"),
            [1.0, 3.0, 3.0, 5.0, 6.0, 6.0, 6.0, 7.0]
        );
        assert_eq!(scrape.of("a", &format!("{DURATION}_count")), 7.0);
        let sum = scrape.of("a", &format!("{DURATION}_sum"));
        assert!((sum - 21.671).abs() < 1e-6, "{sum}");
    }
}

// L4: whatever has been told by then, and the exporter has put away.
#[test]
fn each_call_is_told_once() {
    let (registry, clock) = timed(&["a"]);
    let exported = exported(&registry);
    let a = registry.try_get("a").expect("named");
    for round in 1..=3 {
        call(&a, &clock, 20);
        exported.published.publish();
        exported.published.publish();
        exported.handle.run_upkeep();
        a.force_open();
        a.release();
        let scrape = exported.scrape();
        assert_eq!(
            scrape.of("a", &format!("{DURATION}_count")),
            f64::from(round)
        );
    }
}

// L4
#[test]
fn the_durations_of_what_has_left_stay() {
    let (registry, clock) = timed(&["a", "b"]);
    let exported = exported(&registry);
    let exposition = Exposition::new(&registry);
    let together = Exposition::new(&registry).max_labels(0);
    for round in 1..=3 {
        for name in ["a", "b"] {
            call(&registry.get_or_create(name).expect("made"), &clock, 20);
        }
        // In the middle of what nobody has published yet.
        registry.remove("a").expect("there");
        call(&registry.get_or_create("a").expect("made"), &clock, 30);
        for scrape in both(&exported, &exposition) {
            let count = |name| scrape.of(name, &format!("{DURATION}_count"));
            assert_eq!(
                [count("a"), count("b")],
                [2.0, 1.0].map(|calls| calls * f64::from(round))
            );
        }
        let scrape = Scrape::read(&together.render());
        assert_eq!(buckets(&scrape, "other")[1], 3.0 * f64::from(round));
    }
}

// L4
#[test]
fn a_recorder_that_comes_late_has_the_durations_from_before_unless_they_were_published() {
    let (registry, clock) = timed(&["a"]);
    let a = registry.try_get("a").expect("named");
    call(&a, &clock, 20);
    let published = Metrics::install(&registry);
    call(&a, &clock, 20);
    a.force_open();
    a.release();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || published.publish());
    let scrape = Scrape::read(&handle.render());
    assert_eq!(scrape.of("a", &format!("{DURATION}_count")), 2.0);
}

// L4: most circuits do not.
#[test]
fn a_circuit_that_counts_no_durations_has_no_histogram() {
    let (registry, clock) = registry(&["a"]);
    let (exported, exposition) = (exported(&registry), Exposition::new(&registry));
    call(&registry.try_get("a").expect("named"), &clock, 20);
    for scrape in both(&exported, &exposition) {
        assert!(!scrape.0.keys().any(|series| series.contains(DURATION)));
    }
}

// L4: what the docs warn of.
#[test]
fn without_buckets_the_exporter_makes_a_summary() {
    let (registry, clock) = timed(&["a"]);
    let exported = Exported::of(&registry);
    call(&registry.try_get("a").expect("named"), &clock, 20);
    exported.published.publish();
    let text = exported.text();
    assert!(
        text.contains("# TYPE circuit_breaker_call_duration_seconds summary"),
        "{text}"
    );
    assert!(!text.contains("_bucket"));
}
