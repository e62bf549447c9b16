//! `breaker-lab run`: a scenario with some breakers.

use clap::Args;

use super::{
    Failure, Verdict,
    inputs::{Contenders, ScenarioFile, check_memory, no_outage},
    outputs::{self, Outputs},
    progress::Progress,
};
use crate::report::Report;

pub(super) const HELP: &str = "\
Conditions of --fail-if are written CONTENDER: FIELD OPERATOR VALUE.
  CONTENDER  the name of a breaker, or * for every one but `none`
  FIELD      succeeded, cached, failed, rejected, not_made, lost, spared (a share: 1% or 0.01),
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

    #[command(flatten)]
    outputs: Outputs,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let scenario = Some(arguments.scenario.path());
    arguments
        .outputs
        .check_inputs(scenario.into_iter().chain(arguments.contenders.path()))?;
    let (scenario, text) = arguments.scenario.read()?;
    let mut candidates = arguments.contenders.read()?;
    let length = (scenario.length(), scenario.step);
    outputs::check_many(&candidates, length, "`breaker-lab search`")?;
    check_memory(&candidates, scenario.circuits())?;
    arguments.outputs.check(&candidates, no_outage(&scenario))?;
    let mut progress = Progress::of(scenario.length());
    let report = Report::new(&scenario, &text, &mut candidates, &mut |name, now| {
        progress.is(name, now);
    });
    drop(progress);
    arguments.outputs.write(&report)?;
    Ok(arguments.outputs.verdict(&report))
}
