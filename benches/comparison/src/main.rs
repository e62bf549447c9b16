//! Measures everyone, runs the scenarios, and writes the table and the chart.
//!
//! `comparison <directory> <what allocations wrote> [--quick]`; `run` calls it. It fails if anything
//! is missing from the results, or if tower-breaker did not do as promised.

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode};

use tower_breaker_comparison::{
    chart, contenders,
    measure::Effort,
    results::{self, Ledger, Line},
    scenarios::{self, Conduct},
    table,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [directory, ledger, rest @ ..] = arguments.as_slice() else {
        return Err("usage: comparison <directory> <ledger> [--quick]".into());
    };
    let effort = match rest {
        [] => Effort::FULL,
        [flag] if flag == "--quick" => Effort::QUICK,
        _ => return Err(format!("unknown arguments: {rest:?}").into()),
    };
    let rows = contenders::rows();
    let lines = results::gather(&rows, &Ledger::read(ledger.as_ref())?, effort);
    eprintln!("scenarios");
    let conducts = scenarios::run_all();
    write(directory.into(), &lines, &conducts)?;
    let faults = faults(&lines, &conducts);
    for fault in &faults {
        eprintln!("FAULT: {fault}");
    }
    Ok(ExitCode::from(u8::from(!faults.is_empty())))
}

fn write(directory: PathBuf, lines: &[Line], conducts: &[Conduct]) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(&directory)?;
    fs::write(
        directory.join("RESULTS.md"),
        table::document(lines, conducts)?,
    )?;
    fs::write(directory.join("chart.svg"), chart::draw(lines)?)?;
    Ok(())
}

/// What is missing, and what tower-breaker did not do as promised. No figure is judged.
fn faults(lines: &[Line], conducts: &[Conduct]) -> Vec<String> {
    let mut faults: Vec<String> = lines.iter().filter_map(unmeasured).collect();
    for contender in contenders::all() {
        let known = |name: &str| name.starts_with(contender.name);
        if !lines.iter().any(|line| known(line.contender)) {
            faults.push(format!("{} has no figures", contender.name));
        }
        if !conducts.iter().any(|conduct| known(conduct.contender)) {
            faults.push(format!("{} is in no scenario", contender.name));
        }
    }
    faults.extend(broken_promises(conducts));
    faults
}

fn unmeasured(line: &Line) -> Option<String> {
    let figures = line.paths.iter().flat_map(|path| {
        let [one, two] = path.cost;
        let allocated = path.allocated;
        [
            one.over,
            one.least,
            two.over,
            two.least,
            allocated.times,
            allocated.bytes,
        ]
    });
    let mut missing = figures.filter(|figure| !figure.is_finite());
    missing.next().map(|_| {
        format!(
            "{}, {}: a figure is missing",
            line.contender,
            line.form.name()
        )
    })
}

fn broken_promises(conducts: &[Conduct]) -> Vec<String> {
    let ours = conducts
        .iter()
        .filter(|conduct| conduct.contender == contenders::ours::NAME);
    ours.flat_map(|conduct| scenarios::ALL.iter().zip(&conduct.seen))
        .filter(|(scenario, seen)| scenario.promised != seen.words)
        .map(|(scenario, seen)| {
            let (name, promised) = (scenario.name, scenario.promised);
            format!(
                "{name}: promised was \"{promised}\", seen was \"{}\"",
                seen.words
            )
        })
        .collect()
}
