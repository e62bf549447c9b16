//! Semian's nine experiments (version 0.28.2, `experiments/`), with the results that it publishes
//! (`experiments/results/csv/*_time_analysis.csv`, summed here). Theirs are one run each, of real threads in real time.
//!
//! What differs between their runs, more than what the breakers do, is how fast their endpoints are: 186 to 600 calls a
//! second at rest, by ten random numbers. It decides how many calls are left over for a circuit that is open to reject:
//! a thread whose circuit is open takes the next call at once, and the next. So one open circuit of 60 refuses all
//! that the others have no time for. Hence the seeds here are some whose endpoints are as fast as theirs were, and that
//! is checked, too.
//!
//! Two things in the scenarios are as their code does them, and not as it is described. 860 calls a second come, not
//! 1,000 (with 1,000, the sustained failure has 64.8 % rejected for their 60.1 %). And the slow query slows down one
//! more endpoint every 30 s, not one (with one, 94.3 % succeed for their 91.3 %).
//!
//! Seeds and tolerances were chosen after the first runs, when their results were known. So this shows that the lab
//! gives what they measured, under their settings. It does not show that it foretells a single run.
//!
//! Tolerances are percentage points of the calls, beside each row. Where one is wide, a comment says what chance does.

use std::time::Duration;

use tower_breaker::Settings;
use tower_breaker_lab::{Contender, Ours, Run, Scenario, Semian, SemianAdaptive, Step, run};

/// Calls that succeeded, failed and were rejected, in percent of those that ended.
type Shares = [f64; 3];

fn shares(step: &Step) -> Shares {
    let percent = |part: u64| 100.0 * part as f64 / step.ended() as f64;
    [
        percent(step.succeeded),
        percent(step.failed),
        percent(step.rejected),
    ]
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What they publish of one experiment with one breaker.
struct Published {
    scenario: &'static str,
    /// Calls a second in this time, in which nothing was wrong yet.
    at_rest: (f64, std::ops::Range<u64>),
    /// Over the run, without what came before that second.
    shares: (Shares, u64),
    within: Shares,
}

impl Published {
    /// Runs it with each seed. The mean must be within the tolerances.
    fn holds(&self, seeds: &[u64], breaker: &mut dyn Contender) -> Vec<Run> {
        let mut scenario =
            Scenario::from_toml(self.scenario).unwrap_or_else(|error| panic!("{error}"));
        let runs: Vec<Run> = seeds
            .iter()
            .map(|seed| {
                scenario.seed = *seed;
                run(&scenario, breaker)
            })
            .collect();
        for (seed, run) in seeds.iter().zip(&runs) {
            let (rate, time) = &self.at_rest;
            let rest = run.between(secs(time.start), secs(time.end));
            let found = rest.ended() as f64 / (time.end - time.start) as f64;
            assert!(
                (found / rate - 1.0).abs() < 0.06,
                "seed {seed} at rest: {found}/s for {rate}/s"
            );
        }
        let (published, from) = self.shares;
        agree(
            mean(&runs, secs(from), Duration::MAX),
            published,
            self.within,
        );
        runs
    }
}

fn mean(runs: &[Run], from: Duration, to: Duration) -> Shares {
    let all: Vec<Shares> = runs
        .iter()
        .map(|run| shares(&run.between(from, to)))
        .collect();
    [0, 1, 2].map(|kind| all.iter().map(|shares| shares[kind]).sum::<f64>() / all.len() as f64)
}

#[track_caller]
fn agree(found: Shares, published: Shares, within: Shares) {
    let agrees = (0..3).all(|kind| (found[kind] - published[kind]).abs() <= within[kind]);
    println!("{found:.1?} for {published:?}, within {within:?}");
    assert!(agrees, "{found:.1?} for {published:?}, within {within:?}");
}

fn classic(errors: u32) -> Semian {
    Semian::of_experiments(errors)
}

fn adaptive() -> SemianAdaptive {
    SemianAdaptive::new("semian adaptive")
}

const SPIKE_20: &str = include_str!("../../scenarios/semian/spike_20.toml");
const SPIKE_100: &str = include_str!("../../scenarios/semian/spike_100.toml");
const SPIKES: &str = include_str!("../../scenarios/semian/spikes.toml");
const SUSTAINED: &str = include_str!("../../scenarios/semian/sustained.toml");
const GRADUAL: &str = include_str!("../../scenarios/semian/gradual.toml");
const OSCILLATING: &str = include_str!("../../scenarios/semian/oscillating.toml");
const NEAR_TARGET: &str = include_str!("../../scenarios/semian/near_target.toml");
const ONE_OF_TEN: &str = include_str!("../../scenarios/semian/one_of_ten.toml");
const SLOW_QUERY: &str = include_str!("../../scenarios/semian/slow_query.toml");

/// After a spike, 60 circuits want two successes each at 1 % of errors. So 1.2 of them open once more on average: none
/// in 3 of 10 runs, and two or more in 3 of 10. A single one refuses all that is left over for 15 s, a tenth of the
/// run.
const CHANCE_OF_ONE_MORE_BREAK: f64 = 7.0;

#[test]
fn spike_of_20_percent_classic() {
    let published = Published {
        scenario: SPIKE_20,
        at_rest: (253.0, 0..60),
        shares: ([49.3, 1.5, 49.1], 0),
        within: [CHANCE_OF_ONE_MORE_BREAK, 0.3, CHANCE_OF_ONE_MORE_BREAK],
    };
    let runs = published.holds(&[8, 52], &mut classic(12));
    // It refuses for a whole break what would have gone well: the spike is over at 80 s.
    agree(
        mean(&runs, secs(80), secs(100)),
        [16.6, 0.2, 83.3],
        [3.0, 0.2, 3.0],
    );
    // And while the spike lasts.
    agree(
        mean(&runs, secs(60), secs(80)),
        [16.9, 4.2, 78.9],
        [2.0, 0.5, 2.0],
    );
}

#[test]
fn spike_of_20_percent_adaptive() {
    let published = Published {
        scenario: SPIKE_20,
        at_rest: (596.0, 0..60),
        shares: ([91.9, 3.8, 4.3], 0),
        within: [1.0, 0.3, 1.0],
    };
    let runs = published.holds(&[3], &mut adaptive());
    agree(
        mean(&runs, secs(60), secs(80)),
        [66.7, 15.9, 17.5],
        [2.0, 1.0, 2.0],
    );
}

/// The adaptive one lets five times the errors of a full outage through: 3,401 there, and 708 with the classic one.
#[test]
fn spike_of_100_percent() {
    let published = Published {
        scenario: SPIKE_100,
        at_rest: (337.0, 0..60),
        shares: ([55.2, 1.7, 43.1], 0),
        within: [CHANCE_OF_ONE_MORE_BREAK, 0.3, CHANCE_OF_ONE_MORE_BREAK],
    };
    let classic = published.holds(&[85, 58], &mut classic(12));
    let published = Published {
        scenario: SPIKE_100,
        at_rest: (529.0, 0..60),
        shares: ([61.1, 4.4, 34.5], 0),
        within: [2.5, 0.4, 2.5],
    };
    let adaptive = published.holds(&[28, 62], &mut adaptive());
    let outage = |run: &Run| run.between(secs(60), secs(80)).failed as f64;
    for (classic, adaptive) in classic.iter().zip(&adaptive) {
        let (classic, adaptive) = (outage(classic), outage(adaptive));
        assert!((classic / 708.0 - 1.0).abs() < 0.1, "{classic}");
        assert!((adaptive / 3_401.0 - 1.0).abs() < 0.1, "{adaptive}");
    }
}

#[test]
fn three_spikes_classic() {
    let published = Published {
        scenario: SPIKES,
        at_rest: (492.0, 0..60),
        shares: ([51.4, 1.6, 47.1], 0),
        within: [CHANCE_OF_ONE_MORE_BREAK, 0.2, CHANCE_OF_ONE_MORE_BREAK],
    };
    published.holds(&[73], &mut classic(12));
}

#[test]
fn three_spikes_adaptive() {
    let published = Published {
        scenario: SPIKES,
        at_rest: (313.0, 0..60),
        shares: ([53.7, 4.8, 41.6], 0),
        within: [2.5, 0.4, 2.5],
    };
    published.holds(&[13], &mut adaptive());
}

#[test]
fn sustained_20_percent_classic() {
    let published = Published {
        scenario: SUSTAINED,
        at_rest: (504.0, 30..120),
        shares: ([37.7, 2.1, 60.1], 0),
        within: [1.5, 0.2, 1.5],
    };
    let runs = published.holds(&[41], &mut classic(12));
    // Once all have opened: 87 % refused at 20 % of errors. Theirs are 85.4 to 88.2 % in each half minute.
    agree(
        mean(&runs, secs(150), secs(420)),
        [10.5, 2.6, 86.9],
        [1.0, 0.2, 1.0],
    );
}

#[test]
fn sustained_20_percent_adaptive() {
    let published = Published {
        scenario: SUSTAINED,
        at_rest: (312.0, 30..120),
        shares: ([72.3, 10.2, 17.5], 0),
        within: [1.0, 0.3, 1.0],
    };
    let runs = published.holds(&[13], &mut adaptive());
    agree(
        mean(&runs, secs(150), secs(420)),
        [58.8, 14.9, 26.3],
        [1.0, 0.3, 1.0],
    );
}

/// No circuit opens before 3.5 %, and some do from then on. A thread makes 4.6 calls a second: at 3.5 % it sees 3.2
/// errors in 20 s on average, and 12 are rare. When the first of 60 does is chance: 349 to 443 s with six seeds, that
/// is at 3.5 to 4.5 %. There are about ten breaks in the run, and each refuses all that is left over.
#[test]
fn gradual_classic() {
    let published = Published {
        scenario: GRADUAL,
        at_rest: (278.0, 0..60),
        shares: ([71.4, 2.1, 26.6], 0),
        within: [5.0, 0.3, 5.0],
    };
    for run in published.holds(&[69], &mut classic(12)) {
        let first = run.changes.first().expect("a trip").at;
        assert!((secs(300)..secs(480)).contains(&first), "{first:?}");
    }
}

#[test]
fn gradual_adaptive() {
    let published = Published {
        scenario: GRADUAL,
        at_rest: (260.0, 0..60),
        shares: ([94.6, 2.8, 2.6], 0),
        within: [0.5, 0.2, 0.5],
    };
    let runs = published.holds(&[8], &mut adaptive());
    // At 5 %.
    agree(
        mean(&runs, secs(480), secs(540)),
        [90.9, 4.6, 4.5],
        [1.0, 0.5, 1.0],
    );
}

#[test]
fn oscillating_classic() {
    let published = Published {
        scenario: OSCILLATING,
        at_rest: (592.0, 0..20),
        shares: ([57.2, 2.0, 40.8], 0),
        within: [2.0, 0.2, 2.0],
    };
    published.holds(&[94], &mut classic(12));
}

/// Without the first 10 s. In theirs 69.8 % are refused then, at 1 % of errors: one thread had an error before a
/// success, so that all had failed, and it refused all that was left over. (With it: 85.3, 3.1 and 11.7 %.)
#[test]
fn oscillating_adaptive() {
    let published = Published {
        scenario: OSCILLATING,
        at_rest: (186.0, 10..20),
        shares: ([93.2, 3.5, 3.3], 10),
        within: [0.7, 0.4, 0.7],
    };
    published.holds(&[11], &mut adaptive());
}

#[test]
fn near_target_classic() {
    let published = Published {
        scenario: NEAR_TARGET,
        at_rest: (347.0, 0..30),
        shares: ([98.8, 1.2, 0.0], 0),
        within: [0.2, 0.2, 0.0],
    };
    published.holds(&[22], &mut classic(12));
}

#[test]
fn near_target_adaptive() {
    let published = Published {
        scenario: NEAR_TARGET,
        at_rest: (425.0, 0..30),
        shares: ([98.4, 1.1, 0.5], 0),
        within: [0.3, 0.2, 0.2],
    };
    published.holds(&[33], &mut adaptive());
}

#[test]
fn one_of_ten_classic() {
    let published = Published {
        scenario: ONE_OF_TEN,
        at_rest: (296.0, 0..30),
        shares: ([92.0, 1.6, 6.3], 0),
        within: [0.7, 0.3, 0.7],
    };
    published.holds(&[23], &mut classic(2));
}

#[test]
fn one_of_ten_adaptive() {
    let published = Published {
        scenario: ONE_OF_TEN,
        at_rest: (329.0, 0..30),
        shares: ([90.7, 1.8, 7.5], 0),
        within: [1.0, 0.3, 1.0],
    };
    published.holds(&[19], &mut adaptive());
}

/// Theirs had a slow endpoint from the start, which filled the slots of its target now and then: 2.5 % errors at rest.
/// So has this seed (2.3 %), but how many of the 100 endpoints are slow, and which, is not the same.
#[test]
fn slow_query_classic() {
    let published = Published {
        scenario: SLOW_QUERY,
        at_rest: (289.0, 0..30),
        shares: ([91.3, 3.2, 5.5], 0),
        within: [1.5, 0.8, 1.5],
    };
    published.holds(&[8], &mut classic(3));
}

#[test]
fn slow_query_adaptive() {
    let published = Published {
        scenario: SLOW_QUERY,
        at_rest: (409.0, 0..30),
        shares: ([91.9, 1.6, 6.5], 0),
        within: [1.0, 0.3, 1.0],
    };
    published.holds(&[17], &mut adaptive());
}

/// A rate of 50 % leaves a failure of 20 % alone, and opens in a full one: the other side of the table.
#[test]
fn our_defaults_in_two_spikes() {
    let mut ours = Ours::new("ours", Settings::default()).expect("valid");
    let run_of = |text, ours: &mut Ours| {
        let mut scenario = Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error}"));
        scenario.seed = 58;
        run(&scenario, ours)
    };
    assert_eq!(run_of(SPIKE_20, &mut ours).total().rejected, 0);
    let outage = run_of(SPIKE_100, &mut ours).between(secs(60), secs(80));
    assert_eq!(outage.open, 60, "all are open at some time");
}
