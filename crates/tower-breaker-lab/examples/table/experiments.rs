//! Semian's nine experiments, and a dependency that is slow.

use std::{error::Error, time::Duration};

use tower_breaker_lab::{Scenario, Step, run};

use super::breakers;

/// Each with the errors that open Semian's classic breaker there.
pub(crate) const EXPERIMENTS: [(&str, u32); 9] = [
    (include_str!("../../scenarios/semian/spike_20.toml"), 12),
    (include_str!("../../scenarios/semian/spike_100.toml"), 12),
    (include_str!("../../scenarios/semian/spikes.toml"), 12),
    (include_str!("../../scenarios/semian/sustained.toml"), 12),
    (include_str!("../../scenarios/semian/gradual.toml"), 12),
    (include_str!("../../scenarios/semian/oscillating.toml"), 12),
    (include_str!("../../scenarios/semian/near_target.toml"), 12),
    (include_str!("../../scenarios/semian/one_of_ten.toml"), 2),
    (include_str!("../../scenarios/semian/slow_query.toml"), 3),
];

pub(crate) const SLOW: &str = include_str!("../../scenarios/slow_dependency.toml");
const SLOW_AFTER: Duration = Duration::from_secs(2);

/// Those that share a circuit see as many times the errors, so that Semian's threshold is as many times higher.
pub(crate) const THREADS: u32 = 60;

pub(crate) fn print(seeds: &[u64], is_shared: bool) -> Result<(), Box<dyn Error>> {
    let mut rows = Vec::new();
    for (text, errors) in EXPERIMENTS {
        let scenario = Scenario::from_toml(text)?;
        rows.push(match is_shared {
            true => Row::new(shared(scenario), errors * THREADS, seeds)?,
            false => Row::new(scenario, errors, seeds)?,
        });
    }
    rows.push(Row::new(Scenario::from_toml(SLOW)?, 12 * THREADS, seeds)?);
    let text = "Success / error / rejected, in percent of the calls that were made.";
    table(text, &rows, of_made);
    table("Successes a second.", &rows, successes);
    let text =
        "Quick success / slow success / error / rejected / not made, in percent of all calls.";
    table(text, &rows[EXPERIMENTS.len()..], of_all);
    Ok(())
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
        for mut contender in breakers(errors, SLOW_AFTER)? {
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
