//! `breaker-lab run`: a scenario with some breakers.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    Failure, Verdict,
    condition::Condition,
    inputs::{Contenders, ScenarioFile},
    output,
    progress::Progress,
};
use crate::report::Report;

/// Nobody reads a longer table, and each has a picture.
const MOST_IN_A_REPORT: usize = 100;

pub(super) const HELP: &str = "\
Conditions of --fail-if are written CONTENDER: FIELD OPERATOR VALUE.
  CONTENDER  the name of a breaker, or * for every one but `none`
  FIELD      succeeded, failed, rejected, not_made, lost, spared (a share: 1% or 0.01),
             to_trip, to_recover (a time: 500ms, 1m 30s; the 95th percentile of the circuits, and for ever if
             none has opened, or one has not closed),
             false_trips_a_day, probes (a number)
  OPERATOR   > >= < <=

Exit codes: 0 if all is fine, 1 if a condition of --fail-if holds, 2 if something that was given makes no sense,
or a file could not be read or written.";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    scenario: ScenarioFile,

    #[command(flatten)]
    contenders: Contenders,

    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,

    /// Write table, pictures, advice and all that it takes to run it again into one file of HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write the pictures into one file of SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Write all numbers and series as JSON. `-` is the standard output, which then has nothing else
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Exit with 1 if this holds, such as `payments: lost > 1%`. May be there several times
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let (scenario, text) = arguments.scenario.read()?;
    let mut candidates = arguments.contenders.read()?;
    if candidates.len() > MOST_IN_A_REPORT {
        let many = candidates.len();
        let text = format!(
            "{many} breakers are more than {MOST_IN_A_REPORT} in one report; `breaker-lab search` ranks them"
        );
        return Err(Failure::new(text));
    }
    for condition in &arguments.fail_if {
        condition.check(&candidates, scenario.outage().is_some())?;
    }
    let mut progress = Progress::of(scenario.length());
    let report = Report::new(&scenario, &text, &mut candidates, &mut |name, now| {
        progress.is(name, now);
    });
    drop(progress);
    write(arguments, &report)?;
    Ok(verdict(&arguments.fail_if, &report))
}

fn write(arguments: &Arguments, report: &Report) -> Result<(), Failure> {
    if let Some(path) = &arguments.html {
        output::write(path, &report.html())?;
    }
    if let Some(path) = &arguments.svg {
        output::write(path, &report.svg())?;
    }
    match &arguments.json {
        Some(path) if path == Path::new("-") => return output::print(&report.json()),
        Some(path) => output::write(path, &report.json())?,
        None => {}
    }
    let table = match arguments.markdown {
        true => report.markdown(),
        false => report.table(),
    };
    output::print(&format!("{table}{}", advice(report, arguments.markdown)))
}

fn advice(report: &Report, markdown: bool) -> String {
    let advice = report.advice();
    let line = |sentence: &String| match markdown {
        true => format!("- {}\n", crate::report::words::markdown(sentence)),
        false => format!("* {sentence}\n"),
    };
    let lines: String = advice.iter().map(line).collect();
    match lines.as_str() {
        "" => lines,
        _ => format!("\n{lines}"),
    }
}

fn verdict(conditions: &[Condition], report: &Report) -> Verdict {
    let holding: Vec<_> = conditions
        .iter()
        .flat_map(|condition| condition.holds(report))
        .collect();
    for line in &holding {
        output::tell(line);
    }
    match holding.is_empty() {
        true => Verdict::Fine,
        false => Verdict::ConditionHolds,
    }
}
