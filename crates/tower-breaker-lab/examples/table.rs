//! What each breaker did to its users in Semian's nine experiments, while a dependency was slow, and in eleven outages of
//! all kinds, as tables in Markdown:
//!
//! ```sh
//! cargo run --release -p tower-breaker-lab --example table            # with three seeds
//! cargo run --release -p tower-breaker-lab --example table -- 1 2 3 4 # with these
//! cargo run --release -p tower-breaker-lab --example table -- --shared # one process, so that threads share circuits
//! ```

use std::{env, error::Error, time::Duration};

use tower_breaker::{Circuit, Settings};
use tower_breaker_lab::{
    Contender, NoBreaker, Ours, Run, Scenario, Semian, SemianAdaptive, Shed, Step, Target,
    Throttle, peers, run,
};

/// Each with the errors that open Semian's classic breaker there.
const EXPERIMENTS: [(&str, u32); 9] = [
    (include_str!("../scenarios/semian/spike_20.toml"), 12),
    (include_str!("../scenarios/semian/spike_100.toml"), 12),
    (include_str!("../scenarios/semian/spikes.toml"), 12),
    (include_str!("../scenarios/semian/sustained.toml"), 12),
    (include_str!("../scenarios/semian/gradual.toml"), 12),
    (include_str!("../scenarios/semian/oscillating.toml"), 12),
    (include_str!("../scenarios/semian/near_target.toml"), 12),
    (include_str!("../scenarios/semian/one_of_ten.toml"), 2),
    (include_str!("../scenarios/semian/slow_query.toml"), 3),
];

const SLOW: &str = include_str!("../scenarios/slow_dependency.toml");

/// Of one circuit each. Calls begin to fail after a minute or less.
const OUTAGES: [&str; 11] = [
    include_str!("../scenarios/outages/partial_60.toml"),
    include_str!("../scenarios/outages/partial_80.toml"),
    include_str!("../scenarios/outages/total.toml"),
    include_str!("../scenarios/outages/overload_refusing_15.toml"),
    include_str!("../scenarios/outages/overload_refusing_3.toml"),
    include_str!("../scenarios/outages/overload_queueing_15.toml"),
    include_str!("../scenarios/outages/overload_queueing_3.toml"),
    include_str!("../scenarios/brooker/collapse.toml"),
    include_str!("../scenarios/metastable/retry.toml"),
    include_str!("../scenarios/outages/slow_10.toml"),
    include_str!("../scenarios/outages/hanging_20.toml"),
];

/// Semian's threshold of twelve errors is for the 14 calls a second of one of its threads. Here are a hundred.
const ERRORS: u32 = 84;

/// Those that share a circuit see as many times the errors, so that Semian's threshold is as many times higher.
const THREADS: u32 = 60;

/// Their endpoints answer about 330 calls a second at rest, as Semian's did in the middle of its runs.
const SEEDS: [u64; 3] = [13, 58, 85];

fn main() -> Result<(), Box<dyn Error>> {
    let (options, seeds): (Vec<_>, Vec<_>) = env::args()
        .skip(1)
        .partition(|argument| argument == "--shared");
    let given: Result<Vec<u64>, _> = seeds.iter().map(|seed| seed.parse()).collect();
    let given = given?;
    let seeds = if given.is_empty() { &SEEDS } else { &*given };
    let mut rows = Vec::new();
    for (text, errors) in EXPERIMENTS {
        let scenario = Scenario::from_toml(text)?;
        rows.push(match options.is_empty() {
            true => Row::new(scenario, errors, seeds)?,
            false => Row::new(shared(scenario), errors * THREADS, seeds)?,
        });
    }
    rows.push(Row::new(Scenario::from_toml(SLOW)?, 12 * THREADS, seeds)?);
    let text = "Success / error / rejected, in percent of the calls that were made.";
    table(text, &rows, of_made);
    table("Successes a second.", &rows, successes);
    let text =
        "Quick success / slow success / error / rejected / not made, in percent of all calls.";
    table(text, &rows[EXPERIMENTS.len()..], of_all);
    outages(seeds)
}

/// A row for each breaker, a column for each outage.
fn outages(seeds: &[u64]) -> Result<(), Box<dyn Error>> {
    let scenarios: Result<Vec<_>, _> = OUTAGES
        .iter()
        .map(|text| Scenario::from_toml(text))
        .collect();
    let scenarios = scenarios?;
    let mut rows = Vec::new();
    for mut contender in against_outages()? {
        let cells = scenarios
            .iter()
            .map(|scenario| Outage::new(scenario, seeds, &mut *contender));
        let cells: Vec<_> = cells.collect();
        rows.push((contender.name().to_owned(), cells));
    }
    let without = rows[0].1.clone();
    let measures: [(&str, fn(&Outage, &Outage) -> f64); 3] = [
        (
            "Calls that succeeded in the outage, in percent of those that came.",
            |it, _| it.during,
        ),
        (
            "The same in the rest of the run, when what was wrong is over.",
            |it, _| it.after,
        ),
        (
            "Calls that the dependency was spared in the outage, in percent of those without a breaker.",
            |it, none| 100.0 * (1.0 - it.admitted / none.admitted),
        ),
    ];
    for (text, measure) in measures {
        println!("{text}\n");
        let names: Vec<_> = scenarios.iter().map(|it| &*it.name).collect();
        println!(
            "| | {} |\n|---|{}",
            names.join(" | "),
            "--:|".repeat(names.len())
        );
        for (name, cells) in &rows {
            let cells = cells.iter().zip(&without);
            let cells: Vec<_> = cells
                .map(|(it, none)| format!("{:.1}", measure(it, none)))
                .collect();
            println!("| {name} | {} |", cells.join(" | "));
        }
        println!();
    }
    Ok(())
}

/// One breaker in one outage, on average over the seeds.
#[derive(Clone, Debug, Default)]
struct Outage {
    /// In percent of the calls that came.
    during: f64,
    after: f64,
    admitted: f64,
}

impl Outage {
    fn new(scenario: &Scenario, seeds: &[u64], contender: &mut dyn Contender) -> Self {
        let begins = scenario.phases[0].lasts;
        let ends = begins + scenario.phases[1].lasts;
        let percent = |run: &Run, from, to| {
            let step = run.between(from, to);
            100.0 * step.succeeded as f64 / step.offered as f64
        };
        let mut sum = Self::default();
        for seed in seeds {
            let mut scenario = scenario.clone();
            scenario.seed = *seed;
            let run = run(&scenario, contender);
            let part = 1.0 / seeds.len() as f64;
            sum.during += part * percent(&run, begins, ends);
            sum.after += part * percent(&run, ends, Duration::MAX);
            sum.admitted += part * run.between(begins, ends).admitted as f64;
        }
        sum
    }
}

fn against_outages() -> Result<Vec<Box<dyn Contender>>, Box<dyn Error>> {
    let mut all = contenders(ERRORS)?;
    let ten_seconds = Duration::from_secs(10);
    all.push(Box::new(Throttle::new(
        "throttle K=2, 10 s",
        2.0,
        ten_seconds,
    )));
    all.push(Box::new(Throttle::new(
        "throttle K=1.25, 10 s",
        1.25,
        ten_seconds,
    )));
    for k in [2.0, 1.5, 1.25, 1.1] {
        all.push(Box::new(Shed::new(format!("shed K={k}"), k)));
    }
    for k in [2.0, 1.25] {
        all.push(Box::new(
            Shed::new(format!("shed K={k}, 10 s"), k).time_window(ten_seconds),
        ));
    }
    let slow = Duration::from_millis(500);
    all.push(Box::new(
        Shed::new("shed K=1.25, slow calls", 1.25).slow_call_duration(slow),
    ));
    all.push(Box::new(Target::new("target 10 %", 0.1)));
    all.push(Box::new(Target::new("target 50 %", 0.5)));
    Ok(all)
}

/// One process in place of as many as there are threads. Each target has one circuit then.
fn shared(mut scenario: Scenario) -> Scenario {
    (scenario.instances, scenario.callers.workers) = (1, Some(THREADS));
    scenario
}

/// One scenario with each breaker.
struct Row {
    scenario: Scenario,
    /// Of each breaker, its name and what was counted with each seed.
    cells: Vec<(String, Vec<Step>)>,
}

impl Row {
    fn new(scenario: Scenario, errors: u32, seeds: &[u64]) -> Result<Self, Box<dyn Error>> {
        let mut cells = Vec::new();
        for mut contender in contenders(errors)? {
            let with = |seed: &u64| {
                let mut scenario = scenario.clone();
                scenario.seed = *seed;
                run(&scenario, &mut *contender).total()
            };
            let steps = seeds.iter().map(with).collect();
            cells.push((contender.name().to_owned(), steps));
        }
        Ok(Self { scenario, cells })
    }
}

fn contenders(errors: u32) -> Result<Vec<Box<dyn Contender>>, Box<dyn Error>> {
    let slow = Circuit::builder("slow")
        .failure_rate(0.5)
        .slow_call_rate(0.5)
        .slow_call_duration(Duration::from_secs(2))
        .build()?;
    let mut all: Vec<Box<dyn Contender>> = vec![
        Box::new(NoBreaker::new()),
        Box::new(Semian::of_experiments(errors)),
        Box::new(SemianAdaptive::new("semian adaptive")),
    ];
    for peer in peers() {
        all.push(Box::new(peer));
    }
    all.push(Box::new(Ours::new("ours", Settings::default())?));
    all.push(Box::new(Ours::new("ours, slow calls", slow.settings())?));
    let two_minutes = Duration::from_secs(120);
    all.push(Box::new(Throttle::new("throttle K=2", 2.0, two_minutes)));
    Ok(all)
}

fn table(text: &str, rows: &[Row], cell: fn(&Row, &[Step]) -> String) {
    println!("{text}\n");
    for row in &rows[..1] {
        print!("| |");
        for (name, _) in &row.cells {
            print!(" {name} |");
        }
        println!("\n|---|{}", "---|".repeat(row.cells.len()));
    }
    for row in rows {
        print!("| {} |", row.scenario.name);
        for (_, steps) in &row.cells {
            print!(" {} |", cell(row, steps));
        }
        println!();
    }
    println!();
}

fn of_made(_: &Row, steps: &[Step]) -> String {
    let parts: [fn(&Step) -> u64; 3] = [|it| it.succeeded, |it| it.failed, |it| it.rejected];
    percents(steps, &parts, Step::ended)
}

fn successes(row: &Row, steps: &[Step]) -> String {
    let all: u64 = steps.iter().map(|step| step.succeeded).sum();
    let secs = row.scenario.length().as_secs_f64() * steps.len() as f64;
    format!("{:.0}", all as f64 / secs)
}

fn of_all(_: &Row, steps: &[Step]) -> String {
    let parts: [fn(&Step) -> u64; 5] = [
        |it| it.succeeded - it.slow,
        |it| it.slow,
        |it| it.failed,
        |it| it.rejected,
        |it| it.not_made,
    ];
    percents(steps, &parts, |it| it.ended() + it.not_made)
}

/// On average over the seeds.
fn percents(steps: &[Step], parts: &[fn(&Step) -> u64], whole: fn(&Step) -> u64) -> String {
    let percent = |part: &fn(&Step) -> u64| {
        let shares = steps
            .iter()
            .map(|step| 100.0 * part(step) as f64 / whole(step).max(1) as f64);
        format!("{:.1}", shares.sum::<f64>() / steps.len() as f64)
    };
    let all: Vec<String> = parts.iter().map(percent).collect();
    all.join(" / ")
}
