//! That a run does what its scenario says.

use std::time::Duration;

use tower_breaker::Settings;
use tower_breaker_lab::{NoBreaker, Ours, Scenario, Summary, run};

fn scenario(text: &str) -> Scenario {
    Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
}

const OUTAGE: &str = r#"
    instances = 4
    [callers]
    rate = 400
    [dependency]
    latency = { mean = "50ms", spread = "log-normal" }
    errors = "1%"
    [[phases]]
    for = "60s"
    [[phases]]
    for = "60s"
    errors = "100%"
    [[phases]]
    for = "60s"
"#;

#[test]
fn each_call_ends_in_one_way() {
    let scenario = scenario(OUTAGE);
    let mut ours = Ours::new("ours", Settings::default()).expect("valid");
    let total = run(&scenario, &mut ours).total();
    // What is under way at the end has not ended: at most 400 · 0.05 on average.
    let under_way = total.offered - total.ended() - total.not_made;
    assert!(under_way < 60, "{total:?}");
    assert!(total.rejected > 15_000, "{total:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let first = scenario(OUTAGE);
    let mut ours = Ours::new("ours", Settings::default()).expect("valid");
    let run_of_first = run(&first, &mut ours);
    assert_eq!(run_of_first, run(&first, &mut ours));
    let mut second = first.clone();
    second.seed = 2;
    assert_ne!(run_of_first, run(&second, &mut ours));
}

#[test]
fn without_a_breaker_all_get_through() {
    let scenario = scenario(OUTAGE);
    let none = Summary::new(&scenario, &run(&scenario, &mut NoBreaker::new()));
    assert_eq!((none.total.rejected, none.false_trips), (0, 0));
    assert_eq!(none.to_trip, None);
    assert!((none.failed() - 0.34).abs() < 0.01, "{none:?}");
}

#[test]
fn a_circuit_opens_and_closes() {
    let scenario = scenario(OUTAGE);
    let mut ours = Ours::new("ours", Settings::default()).expect("valid");
    let ours = Summary::new(&scenario, &run(&scenario, &mut ours));
    let to_trip = ours.to_trip.expect("it opens");
    assert_eq!((to_trip.circuits, ours.not_closed), (4, 0));
    // 50 of the last 100 calls, at 100 calls a second.
    assert!(
        to_trip.median > Duration::from_millis(400) && to_trip.p95 < Duration::from_millis(900)
    );
    assert!(ours.to_recover.expect("it closes").p95 < Duration::from_secs(31));
}
