//! `breaker-lab search`: a grid of settings, the best first.

use clap::Args;

use super::{
    Failure, Verdict,
    expression::Expression,
    inputs::{Contenders, ScenarioFile},
    output,
    progress::Progress,
};
use crate::{
    report::{Table, words},
    scenario::Scenario,
    settings::Candidate,
    summary::Summary,
    world::run_with_progress,
};

pub(super) const HELP: &str = "\
--by is a sum of fields, each with a weight if you like: `failed + 2 * lost`. The lowest is best; say `-spared` to have
the most. Fields: succeeded, failed, rejected, not_made, lost, spared (shares, from 0 to 1), to_trip, to_recover
(seconds, the 95th percentile of the circuits), false_trips_a_day, probes.

Exit codes: 0 if all is fine, 2 if something that was given makes no sense.";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    scenario: ScenarioFile,

    #[command(flatten)]
    contenders: Contenders,

    /// By what they are ranked, the lowest first
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    by: Expression,

    /// How many are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,

    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

pub(super) fn search(arguments: &Arguments) -> Result<Verdict, Failure> {
    let (scenario, _) = arguments.scenario.read()?;
    let mut candidates = arguments.contenders.read()?;
    if let (Some(field), None) = (arguments.by.of_outage(), scenario.outage()) {
        let text = format!("--by: {field} says nothing here: no phase is an outage");
        return Err(Failure::new(text));
    }
    let (none, summaries) = summaries(&scenario, &mut candidates);
    let ranked = ranked(&arguments.by, &none, summaries);
    let shown: Vec<_> = ranked.iter().take(arguments.top).collect();
    let rows: Vec<_> = shown.iter().map(|(_, summary)| summary).collect();
    let table = Table::of(&rows, &none);
    let table = match arguments.markdown {
        true => table.markdown(),
        false => table.text(),
    };
    let best = shown.first().map_or(String::new(), |(value, best)| {
        let (name, value) = (words::name(&best.breaker), words::number(*value));
        let many = words::count(ranked.len() as u64);
        format!("\n{name} is the best of {many}, with {value}.\n")
    });
    output::print(&format!("{table}{best}"))?;
    Ok(Verdict::Fine)
}

/// Only these are kept: the series of ten thousand runs would fill the memory.
fn summaries(scenario: &Scenario, candidates: &mut [Candidate]) -> (Summary, Vec<Summary>) {
    let mut progress = Progress::of_many(scenario.length(), candidates.len() + 1);
    let mut none = Candidate::none();
    let mut summary = |candidate: &mut Candidate| {
        let name = candidate.name().to_owned();
        let run = run_with_progress(scenario, candidate.contender(), &mut |now| {
            progress.is(&name, now);
        });
        progress.next_one();
        Summary::new(scenario, &run)
    };
    (
        summary(&mut none),
        candidates.iter_mut().map(summary).collect(),
    )
}

/// Of those that are equally good, the first one first.
fn ranked(by: &Expression, none: &Summary, summaries: Vec<Summary>) -> Vec<(f64, Summary)> {
    let value = |summary: Summary| (by.value(&summary, none), summary);
    let mut ranked: Vec<_> = summaries.into_iter().map(value).collect();
    ranked.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    ranked
}
