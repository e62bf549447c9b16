//! A cache in front of the dependency: how much it answers, what happens if it is emptied, and what a circuit makes of
//! that.

use std::time::Duration;

use tower_breaker::Settings;
use tower_breaker_lab::{
    Candidate, Contender, NoBreaker, Ours, Report, Run, Scenario, Share, Trigger, recovers, run,
};

fn scenario(text: &str) -> Scenario {
    Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// How often each entry is asked for, the most popular one first.
fn popularity(entries: u32, alpha: f64) -> Vec<f64> {
    let weights: Vec<_> = (1..=entries)
        .map(|rank| f64::from(rank).powf(-alpha))
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// 100,000 calls at rest.
fn at_rest(cache: &str) -> Run {
    let run = run(
        &scenario(&format!(
            r#"
            callers = {{ rate = 1000 }}
            dependency = {{ latency = {{ mean = "1ns" }}, cache = {{ {cache} }} }}
            phases = [{{ for = "150s" }}]
            "#
        )),
        &mut NoBreaker::new(),
    );
    let total = run.total();
    assert_eq!(total.offered, total.cached + total.admitted + run.under_way);
    run
}

fn cached(run: &Run) -> f64 {
    let steady = run.between(secs(50), Duration::MAX);
    steady.cached as f64 / steady.offered as f64
}

/// Calls of one entry come by chance, once in 1/λ. Of those from one miss to the next, λ · lifetime are answered.
#[test]
fn as_much_is_cached_as_lifetimes_allow() {
    for (alpha, lifetime) in [(0.0, 5), (1.0, 10), (1.3, 10)] {
        let run = at_rest(&format!(
            "entries = 10_000, alpha = {alpha:?}, lifetime = \"{lifetime}s\""
        ));
        let hits = popularity(10_000, alpha).into_iter().map(|popularity| {
            let in_lifetime = popularity * 1000.0 * lifetime as f64;
            popularity * in_lifetime / (1.0 + in_lifetime)
        });
        let (found, expected) = (cached(&run), hits.sum::<f64>());
        println!("{alpha}, {lifetime} s: {found:.4}, expected {expected:.4}");
        // Two deviations of 100,000 calls are at most 0.0032.
        assert!(
            (found - expected).abs() < 0.004,
            "{alpha}: {found}, {expected}"
        );
    }
}

/// A hundred entries end in each second, from the first one on.
#[test]
fn entries_do_not_all_end_at_once() {
    let run = at_rest("entries = 1_000, alpha = 0, lifetime = \"10s\"");
    let most = run.steps.iter().map(|step| step.admitted).max();
    assert!(most < Some(150), "{most:?}");
    assert!(run.between(secs(1), secs(10)).admitted > 500);
}

/// With the approximation of Che: an entry is there if it was asked for in the last `calls` calls, which is as many as
/// ask for `capacity` different ones.
fn with_room_for(capacity: u32, popularity: &[f64]) -> f64 {
    let there = |calls: f64| {
        popularity
            .iter()
            .map(move |popularity| 1.0 - (-popularity * calls).exp())
    };
    let (mut low, mut high) = (0.0, 1e9);
    for _ in 0..100 {
        let calls = (low + high) / 2.0;
        match there(calls).sum::<f64>() < f64::from(capacity) {
            true => low = calls,
            false => high = calls,
        }
    }
    let hits = popularity.iter().zip(there(low));
    hits.map(|(popularity, there)| popularity * there).sum()
}

#[test]
fn as_much_is_cached_as_there_is_room() {
    for (alpha, capacity) in [(0.8, 1_000), (1.3, 1_000)] {
        let run = at_rest(&format!(
            "entries = 10_000, alpha = {alpha:?}, capacity = {capacity}"
        ));
        let (found, expected) = (
            cached(&run),
            with_room_for(capacity, &popularity(10_000, alpha)),
        );
        println!("{alpha}, {capacity}: {found:.4}, expected {expected:.4}");
        assert!(
            (found - expected).abs() < 0.005,
            "{alpha}: {found}, {expected}"
        );
    }
}

fn cache() -> Scenario {
    scenario(include_str!("../../scenarios/metastable/cache.toml"))
}

/// But for what was fetched just then: the database has twenty slots.
#[test]
fn all_calls_are_for_the_dependency_when_the_cache_is_gone() {
    let mut scenario = cache();
    scenario.step = Duration::from_millis(100);
    let run = run(&scenario, &mut NoBreaker::new());
    let before = run.between(secs(29), secs(30));
    assert!(before.admitted * 10 < before.offered, "{before:?}");
    let just_after = run.between(secs(30), Duration::from_millis(30_100));
    assert_eq!(just_after.offered, 100);
    assert!(just_after.admitted >= 95, "{just_after:?}");
}

#[test]
fn a_part_of_the_cache_is_gone() {
    let mut scenario = scenario(
        r#"
        callers = { rate = 10_000, even = true }
        phases = [{ for = "1s" }, { for = "1s", emptied = "30%" }]
        [dependency]
        latency = { mean = "10s" }
        cache = { entries = 100_000, alpha = 0 }
        "#,
    );
    let missed = |scenario: &Scenario| run(scenario, &mut NoBreaker::new()).total().admitted;
    // Two deviations are 92.
    let some = missed(&scenario);
    assert!((2_900..3_100).contains(&some), "{some}");
    scenario.phases[1].emptied = Share::new(0.0);
    assert_eq!(missed(&scenario), 0);
}

/// The caller has gone after a second. A cache that was filled then would be full after ten.
#[test]
fn an_answer_that_comes_too_late_is_not_kept() {
    let late = |timeout: &str, dependency: &str| {
        let text = format!(
            r#"
            callers = {{ rate = 100, {timeout} }}
            phases = [{{ for = "20s", emptied = 1 }}]
            [dependency]
            latency = {{ mean = "2s" }}
            cache = {{ entries = 5 }}
            {dependency}
            "#
        );
        run(&scenario(&text), &mut NoBreaker::new()).total().cached
    };
    assert_eq!(late("timeout = \"1s\"", ""), 0);
    assert_eq!(late("gives_up = \"1s\"", ""), 0);
    assert_eq!(late("timeout = \"3s\"", "errors = 1"), 0, "nor a failure");
    assert!(late("timeout = \"3s\"", "") > 1_500);
}

/// Later calls have fetched what the first ones could not.
#[test]
fn a_retry_looks_into_the_cache_again() {
    let text = r#"
        callers = { rate = 1000, even = true, retries = { tries = 2, wait = "1s" } }
        phases = [{ for = "20ms", emptied = 1, errors = 1 }, { for = "500ms" }, { for = "2s", errors = 1 }]
        [dependency]
        latency = { mean = "1ms" }
        cache = { entries = 1 }
    "#;
    let run = run(&scenario(text), &mut NoBreaker::new());
    assert_eq!((run.total().failed, run.under_way), (0, 0));
    assert!(run.total().retries > 10, "{:?}", run.total());
}

fn with_breaks(open_for: Duration) -> Ours {
    let mut settings = Settings::default();
    settings.set_open_for(open_for);
    Ours::new("ours", settings).expect("valid")
}

/// All of the cache is gone, at 1.25 times the load.
fn emptied() -> Scenario {
    let trigger = Trigger::new(Share::ALL, secs(10)).at_load(1.25);
    trigger.applied(&cache()).expect("three phases and a rate")
}

fn is_stuck(scenario: &Scenario, breaker: &mut dyn Contender) -> bool {
    !recovers(scenario, &run(scenario, breaker))
}

#[test]
fn an_empty_cache_stays_empty_without_a_circuit() {
    let run = run(&emptied(), &mut NoBreaker::new());
    // What was fetched before the queue was too long has lived for its 30 s.
    let later = run.between(secs(70), Duration::MAX);
    assert_eq!((later.cached, later.succeeded), (0, 0));
}

#[test]
fn a_circuit_lets_the_cache_fill() {
    for break_of in [10, 5_000].map(Duration::from_millis) {
        let stuck = is_stuck(&emptied(), &mut with_breaks(break_of));
        assert!(!stuck, "{break_of:?}");
    }
}

/// What has been fetched before a break is gone after it.
#[test]
fn breaks_as_long_as_the_lifetime_of_entries_do_not_help() {
    assert!(is_stuck(&emptied(), &mut with_breaks(secs(30))));
    let mut longer = emptied();
    longer.dependency.cache.as_mut().expect("a cache").lifetime = Some(secs(300));
    assert!(!is_stuck(&longer, &mut with_breaks(secs(30))));
}

/// As with retries: a hundred instances that probe with 63 calls each are as good as no circuit if breaks are short.
#[test]
fn short_breaks_with_many_probes_do_not_help() {
    let mut scenario = emptied();
    scenario.instances = 100;
    let is_stuck = |open_for| {
        let mut settings = Settings::default();
        settings
            .set_open_for(open_for)
            .set_permits(63)
            .set_probes((32, 63));
        is_stuck(&scenario, &mut Ours::new("ours", settings).expect("valid"))
    };
    assert!(is_stuck(Duration::from_millis(10)));
    assert!(!is_stuck(secs(10)));
}

/// Of the quiet time before the cache is emptied, where half of the calls are answered by it.
#[test]
fn a_circuit_hears_of_no_call_that_is_cached() {
    let text = r#"
        callers = { rate = 400, even = true }
        phases = [{ for = "60s" }, { for = "60s", emptied = 1, errors = 1 }]
        [dependency]
        latency = { mean = "10ms" }
        errors = "5%"
        cache = { entries = 100_000, alpha = 0, capacity = 50_000 }
    "#;
    let settings = "[circuits.three]\nconsecutive_failures = 3";
    let mut candidates = Candidate::from_toml(settings).expect("settings");
    let report = Report::new(&scenario(text), text, &mut candidates, &mut |_, _| {});
    let advice = report.advice().concat();
    let every = "3 in a row trips every 41.9 s at 201 calls/s";
    assert!(advice.contains(every), "{advice}");
    let json = report.json();
    assert_eq!(json.matches("\"cached\":").count(), 2, "{json}");
    let text = text.replace(", emptied = 1", "");
    let (without, _) = text.split_once("        cache").expect("a cache");
    let report = Report::new(&scenario(without), without, &mut candidates, &mut |_, _| {});
    assert!(!report.json().contains("\"cached\":"));
}
