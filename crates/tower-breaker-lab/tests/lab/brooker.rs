//! Marc Brooker's simulators (`simulator_example`: `retry_sim`, `simple_collapse_sim`, `cache_sim`). The numbers are
//! from runs of his code with fixed seeds.

use std::time::Duration;

use tower_breaker::Settings;
use tower_breaker_lab::{Contender, Latency, NoBreaker, Ours, Run, Scenario, Share, run};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What a call may do after a failure.
#[derive(Clone, Copy, Debug)]
enum Retries {
    None,
    Three,
    /// Three, as far as a bucket allows: 0.1 for each call, 5 at most.
    Bucket,
    /// Three, while no more tries have failed than 10 % of the calls.
    Breaker,
}

/// The share of calls that succeed, and tries for each call.
fn found(errors: f64, retries: Retries) -> (f64, f64) {
    let text = include_str!("../../scenarios/brooker/retries.toml");
    let mut scenario = Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"));
    scenario.dependency.errors = Share::new(errors).expect("a share");
    let of_scenario = scenario.callers.retries.as_mut().expect("retries");
    match retries {
        Retries::None => scenario.callers.retries = None,
        Retries::Three => {}
        // His bucket has no limit of tries for one call. More than four are hardly ever paid for.
        Retries::Bucket => of_scenario.budget = Share::new(0.1),
        Retries::Breaker => of_scenario.most_failed = Share::new(0.1),
    }
    let total = run(&scenario, &mut NoBreaker::new()).total();
    let ended = (total.succeeded + total.failed) as f64;
    let tries = total.admitted as f64 / total.offered as f64;
    (total.succeeded as f64 / ended, tries)
}

/// His breaker decides of retries alone, and never of a first try: so it is a setting of the callers.
#[test]
fn retries_do_what_his_do() {
    let kinds = [
        Retries::None,
        Retries::Three,
        Retries::Bucket,
        Retries::Breaker,
    ];
    let table = [
        (0.05, [0.953, 1.000, 1.000, 0.994], [1.00, 1.05, 1.05, 1.05]),
        (0.10, [0.903, 1.000, 0.990, 0.928], [1.00, 1.11, 1.10, 1.03]),
        (0.20, [0.805, 0.998, 0.896, 0.802], [1.00, 1.24, 1.12, 1.00]),
        (0.30, [0.702, 0.991, 0.780, 0.699], [1.00, 1.42, 1.12, 1.00]),
        (0.50, [0.505, 0.937, 0.565, 0.500], [1.00, 1.88, 1.12, 1.00]),
        (0.75, [0.251, 0.679, 0.278, 0.252], [1.00, 2.75, 1.12, 1.00]),
    ];
    for (errors, shares, tries) in table {
        for (retries, his) in kinds.into_iter().zip(shares.into_iter().zip(tries)) {
            let ours = found(errors, retries);
            println!("{errors} {retries:?}: {ours:.3?}, his {his:?}");
            // 20,000 calls: chance moves a share by up to 0.007 (two deviations), his and ours.
            assert!(
                (ours.0 - his.0).abs() < 0.012 && (ours.1 - his.1).abs() < 0.02,
                "{errors} {retries:?}: {ours:.3?}, his {his:?}"
            );
        }
    }
}

fn collapse() -> Scenario {
    let text = include_str!("../../scenarios/brooker/collapse.toml");
    Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
}

fn succeeded(run: &Run, from: u64, to: u64) -> u64 {
    run.between(secs(from), secs(to)).succeeded
}

const SEEDS: std::ops::Range<u64> = 1..6;

#[test]
fn without_backoff_nothing_succeeds_after_the_spike() {
    for seed in SEEDS {
        let mut scenario = collapse();
        scenario.seed = seed;
        let run = run(&scenario, &mut NoBreaker::new());
        assert!(succeeded(&run, 5, 20) > 450, "seed {seed}");
        assert_eq!(succeeded(&run, 35, 80), 0, "seed {seed}");
        let last = run.between(secs(70), secs(80));
        // His last second has 1,828 calls under way and 122 timeouts: 40 calls, each tried three times.
        assert!((1500..2200).contains(&last.load), "{last:?}");
        assert!((1100..1300).contains(&last.timed_out), "{last:?}");
    }
}

#[test]
fn with_backoff_and_jitter_it_recovers() {
    for seed in SEEDS {
        let mut scenario = collapse();
        scenario.seed = seed;
        let retries = scenario.callers.retries.as_mut().expect("retries");
        // His first wait is already doubled once.
        (retries.wait, retries.factor, retries.jitter) = (secs(20), 2.0, true);
        let run = run(&scenario, &mut NoBreaker::new());
        // What the spike has left over succeeds at last, too, beside the 40 that come.
        let each_second = succeeded(&run, 35, 80) as f64 / 45.0;
        assert!(
            (37.0..48.0).contains(&each_second),
            "seed {seed}: {each_second}"
        );
        let later = succeeded(&run, 65, 80) as f64 / 15.0;
        assert!((35.0..45.0).contains(&later), "seed {seed}: {later}");
    }
}

/// The first second after the spike from which on five seconds have nearly as many successes as calls.
fn recovers_at(run: &Run) -> Option<u64> {
    (31..75).find(|from| {
        let rest = run.between(secs(*from), secs(80));
        rest.succeeded * 100 >= rest.offered * 90 && succeeded(run, *from, from + 5) >= 5 * 33
    })
}

/// No backoff, and all other settings as they are by default.
#[test]
fn with_a_circuit_and_without_backoff_it_recovers() {
    println!(
        "break, probes: recovers at, calls without success from 20 s to 80 s (mean of {SEEDS:?})"
    );
    for (open_for, latest) in [(1, 40), (5, 47), (30, 72)] {
        for probes in [1, 5] {
            let mut settings = Settings::default();
            settings
                .set_open_for(secs(open_for))
                .set_permits(probes)
                .set_probes((probes, probes));
            let mut ours = Ours::new("ours", settings).expect("valid");
            let (mut at, mut without) = (Vec::new(), 0);
            for seed in SEEDS {
                let mut scenario = collapse();
                scenario.seed = seed;
                let run = run(&scenario, &mut ours);
                let after = run.between(secs(20), secs(80));
                without += after.failed + after.rejected;
                at.push(recovers_at(&run));
            }
            println!("{open_for:>2} s, {probes}: {at:?}, {}", without / 5);
            assert!(
                at.iter().all(|at| at.is_some_and(|at| at <= latest)),
                "{open_for} s, {probes}: {at:?}"
            );
        }
    }
}

/// With a backend that can do so many calls a second: what is cached from 10 s to 20 s, and in the last ten seconds.
fn cached(backend: u32, breaker: &mut dyn Contender) -> [f64; 2] {
    let text = include_str!("../../scenarios/brooker/cache.toml");
    let mut scenario = Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"));
    scenario.dependency.latency = Latency::fixed(secs(1) / backend);
    let run = run(&scenario, breaker);
    [(10, 20), (50, 60)].map(|(from, to)| {
        let step = run.between(secs(from), secs(to));
        step.cached as f64 / step.offered as f64
    })
}

/// His are means of three runs, which are up to 0.012 away from them.
#[test]
fn an_emptied_cache_fills_as_his_does() {
    let table = [
        (5, [0.655, 0.780]),
        (10, [0.709, 0.820]),
        (20, [0.762, 0.857]),
        (100, [0.852, 0.857]),
    ];
    for (backend, his) in table {
        let ours = cached(backend, &mut NoBreaker::new());
        println!("{backend}: {ours:.3?}, his {his:?}");
        let is_near = |(ours, his): (&f64, &f64)| (ours - his).abs() < 0.03;
        assert!(
            ours.iter().zip(&his).all(is_near),
            "{backend}: {ours:.3?}, his {his:?}"
        );
    }
}

/// His backend refuses what it cannot do, and needs no help. While a circuit is open, nothing fills the cache.
#[test]
fn a_circuit_with_long_breaks_keeps_his_cache_empty() {
    let with_breaks = |open_for| {
        let mut settings = Settings::default();
        settings.set_open_for(open_for);
        cached(100, &mut Ours::new("ours", settings).expect("valid"))
    };
    let (short, long) = (with_breaks(secs(1)), with_breaks(secs(30)));
    println!("1 s {short:.3?}, 30 s {long:.3?}");
    assert!(short[0] < 0.75 && short[1] > 0.85, "{short:.3?}");
    assert!(long[0] < 0.4 && long[1] < 0.6, "{long:.3?}");
}
