//! Corners of the engine in which a call could be lost, a moment missed, or memory run out.

use std::time::Duration;

use tower_breaker::Settings;
use tower_breaker_lab::{NoBreaker, Ours, Run, Scenario, Step, Summary, run};

fn scenario(text: &str) -> Scenario {
    Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    match Scenario::from_toml(text) {
        Ok(scenario) => panic!("accepted: {scenario:?}"),
        Err(error) => error.to_string(),
    }
}

fn without_breaker(text: &str) -> Run {
    run(&scenario(text), &mut NoBreaker::new())
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Calls come every 100 s. The next one would be far behind the spike.
#[test]
fn a_new_rate_holds_from_the_beginning_of_its_phase() {
    let run = without_breaker(
        r#"
        callers = { rate = 0.01, even = true }
        dependency = { latency = { mean = "1ms" } }
        [[phases]]
        for = "50s"
        [[phases]]
        for = "10s"
        rate = 100
        [[phases]]
        for = "200s"
        "#,
    );
    let offered = |from, to| run.between(secs(from), secs(to)).offered;
    // Half of the wait for the first is over, and the other half takes 5 ms.
    assert_eq!(offered(0, 50), 0);
    assert!((999..=1001).contains(&offered(50, 60)));
    assert_eq!(offered(60, 260), 2);
}

/// The only worker hangs for ever. Those that wait for it go, and are counted when they do.
#[test]
fn patience_ends_without_a_free_worker() {
    let run = without_breaker(
        r#"
        callers = { rate = 10, even = true, workers = 1, patience = "1s" }
        dependency = { latency = { mean = "1ms" } }
        [[phases]]
        for = "10s"
        hangs = true
        "#,
    );
    let total = run.total();
    assert_eq!((total.offered, total.admitted), (99, 1));
    assert_eq!(total.not_made, 88, "the last ten do not wait for a second");
    assert_eq!(run.steps[1].not_made, 8, "the second call came at 0.2 s");
}

/// A probe has too little time here. A user would have had enough.
#[test]
fn a_short_limit_of_probes_hides_no_loss() {
    let mut settings = Settings::default();
    settings.set_probe_timeout(Duration::from_millis(10));
    let scenario = scenario(
        r#"
        callers = { rate = 100 }
        dependency = { latency = { mean = "50ms" } }
        [[phases]]
        for = "10s"
        errors = 1
        [[phases]]
        for = "50s"
        "#,
    );
    let run = run(&scenario, &mut Ours::new("ours", settings).expect("valid"));
    let after = run.between(secs(10), secs(60));
    assert!(after.rejected > 4000, "{after:?}");
    assert_eq!(after.lost, after.rejected);
}

/// The circuit's limit lies within the caller's: if both are over, the call has failed and was not dropped.
#[test]
fn of_two_equal_limits_the_inner_one_counts() {
    let mut settings = Settings::default();
    settings
        .set_call_timeout(secs(1))
        .set_abandoned(tower_breaker::AbandonedPolicy::Ignore);
    let scenario = scenario(
        r#"
        callers = { rate = 100, gives_up = "1s" }
        dependency = { latency = { mean = "2s" } }
        [[phases]]
        for = "20s"
        "#,
    );
    let total = run(&scenario, &mut Ours::new("ours", settings).expect("valid")).total();
    assert!(total.rejected > 1000, "it has not opened: {total:?}");
}

/// A worker becomes free just before a call comes, and one waits already.
#[test]
fn nobody_goes_before_those_that_wait() {
    let run = without_breaker(
        r#"
        callers = { rate = 10, even = true, workers = 1, slow_after = "210ms" }
        dependency = { latency = { mean = "200ms" } }
        [[phases]]
        for = "10s"
        "#,
    );
    // Twice as many calls come as a worker can make, so that the line grows.
    let later = run.between(secs(1), secs(10));
    assert!(later.succeeded > 40);
    assert_eq!(later.slow, later.succeeded, "{later:?}");
}

#[test]
fn an_open_loop_against_what_hangs_does_not_eat_all_memory() {
    let run = without_breaker(
        r#"
        step = "10s"
        callers = { rate = 1_000_000, even = true }
        dependency = { latency = { mean = "1ms" } }
        [[phases]]
        for = "1300ms"
        hangs = true
        "#,
    );
    let total = run.total();
    assert!(total.admitted <= tower_breaker_lab::MOST_UNDER_WAY as u64);
    assert!(total.not_made > 90_000, "{total:?}");
    assert_eq!(run.under_way, total.offered - total.not_made);
}

#[test]
fn what_no_machine_could_run_is_refused() {
    let minute = "[[phases]]\nfor = \"1m\"\n";
    let with = |keys: &str, phases: &str| refused(&format!("{keys}\n{phases}"));
    let dependency = "dependency = { latency = { mean = \"1ms\" } }";
    let many_calls = with(
        &format!("step = \"1d\"\ncallers = {{ rate = 1e7 }}\n{dependency}"),
        "[[phases]]\nfor = \"300d\"\n",
    );
    assert!(
        many_calls.contains("259200000000000 tries are to be expected"),
        "{many_calls}"
    );
    let workers = with(
        &format!(
            "instances = 1_000_000\ncallers = {{ rate = 1, workers = 1_000_000 }}\n{dependency}"
        ),
        minute,
    );
    assert!(
        workers.contains("1000000000000 workers are more than"),
        "{workers}"
    );
    let endpoints = with(
        "callers = { rate = 1 }\n\
         dependency = { targets = 1_000_000, endpoints = 1_000_000, latency = { mean = \"1ms\" } }",
        minute,
    );
    assert!(endpoints.contains("endpoints are more than"), "{endpoints}");
    let tries = with(
        &format!("callers = {{ rate = 1, retries = {{ tries = 65_536 }} }}\n{dependency}"),
        minute,
    );
    assert!(tries.contains("65536 are more than 65535"), "{tries}");
    let years = with(
        &format!("step = \"100d\"\ncallers = {{ rate = 1e-9 }}\n{dependency}"),
        &"[[phases]]\nfor = \"366d\"\n".repeat(11),
    );
    assert!(years.contains("longer than ten years"), "{years}");
    let latency = with(
        "callers = { rate = 1 }\n\
         dependency = { latency = { mean = \"1ms\", min = \"2s\", max = \"1s\" } }",
        minute,
    );
    assert!(latency.contains("`min` is longer than `max`"), "{latency}");
}

/// Each error names the key, and what may stand there.
#[test]
fn a_cache_that_makes_no_sense_is_refused() {
    let with = |cache: &str, phase: &str| {
        refused(&format!(
            "callers = {{ rate = 1 }}
             phases = [{{ for = \"1m\"{phase} }}]
             [dependency]
             latency = {{ mean = \"1ms\" }}
             {cache}"
        ))
    };
    let of_cache = |keys: &str| with(&format!("[dependency.cache]\n{keys}"), "");
    let has = |error: String, line: &str, expected: &str| {
        assert!(error.contains(line) && error.contains(expected), "{error}");
    };
    let count = "a count from 1 to 1000000";
    for keys in ["entries = 0", "entries = 1_000_001", "entries = -1"] {
        has(of_cache(keys), keys, count);
    }
    for key in ["capacity = 0", "capacity = 1_000_001"] {
        has(of_cache(&format!("entries = 1\n{key}")), key, count);
    }
    for key in ["alpha = -0.1", "alpha = 10.1", "alpha = nan", "alpha = inf"] {
        let error = of_cache(&format!("entries = 1\n{key}"));
        has(error, key, "an exponent from 0 to 10");
    }
    let no_time = of_cache("entries = 1\nlifetime = \"0s\"");
    has(no_time, "lifetime", "a time that is longer than none");
    has(of_cache("alpha = 1"), "", "missing field `entries`");
    has(of_cache("entries = 1\nsize = 1"), "size", "unknown field");
    let cache = "cache = { entries = 1 }";
    has(
        with(cache, ", emptied = 1.1"),
        "emptied",
        "a share from 0 to 1",
    );
    let nothing = with("", ", emptied = 1");
    assert_eq!(
        nothing,
        "phases[0].emptied: is for a dependency with a `cache`"
    );
}

/// Of two circuits that closed after 3 s and 30 s, 95 of 100 have not closed after 3 s.
#[test]
fn the_slower_of_two_circuits_is_the_95th_percentile() {
    let scenario = scenario(
        r#"
        instances = 2
        callers = { rate = 100 }
        dependency = { latency = { mean = "10ms" } }
        [[phases]]
        for = "20s"
        errors = 1
        [[phases]]
        for = "60s"
        "#,
    );
    let run = run(
        &scenario,
        &mut Ours::new("ours", Settings::default()).expect("valid"),
    );
    let trips = run.changes.iter().filter(|change| change.is_trip());
    let slowest = trips.map(|change| change.at).max().expect("two trips");
    let to_trip = Summary::new(&scenario, &run).to_trip.expect("two trips");
    assert_eq!((to_trip.circuits, to_trip.p95), (2, slowest));
    assert!(to_trip.median < slowest);
}

/// All that a `Step` can say is 0 for a run in which nothing comes.
#[test]
fn nothing_comes_and_nothing_happens() {
    let run = without_breaker(
        r#"
        callers = { rate = 1e-300 }
        dependency = { latency = { mean = "1ns" } }
        [[phases]]
        for = "1m"
        "#,
    );
    assert_eq!((run.total(), run.steps.len()), (Step::default(), 60));
}
