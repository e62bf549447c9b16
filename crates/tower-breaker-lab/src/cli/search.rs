//! `breaker-lab search`: a grid of settings, the best first.

use clap::Args;

use super::{
    Failure, Verdict,
    inputs::{Contenders, ScenarioFile, check_memory, no_outage},
    output,
    progress::Progress,
    ranking::Ranking,
};
use crate::{settings::Candidate, summary::Summary, world::run_with_progress};

pub(super) const HELP: &str = "\
--by is a sum of fields, each with a weight if you like: `failed + 2 * lost`. The lowest is best; say `-spared` to have
the most. Fields: succeeded, cached, failed, rejected, not_made, lost, spared (shares, from 0 to 1), to_trip,
to_recover (seconds, the 95th percentile of the circuits), false_trips_a_day, probes.

Exit codes: 0 if all is fine, 2 if something that was given makes no sense.";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    scenario: ScenarioFile,

    #[command(flatten)]
    contenders: Contenders,

    #[command(flatten)]
    ranking: Ranking,

    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

pub(super) fn search(arguments: &Arguments) -> Result<Verdict, Failure> {
    let (scenario, _) = arguments.scenario.read()?;
    let mut candidates = arguments.contenders.read()?;
    check_memory(&candidates, scenario.circuits())?;
    let why = no_outage(&scenario);
    let mut progress = Progress::of_many(scenario.length(), candidates.len() + 1);
    let summary = |candidate: &mut Candidate| {
        let name = candidate.name().to_owned();
        let run = run_with_progress(&scenario, candidate.contender(), &mut |now| {
            progress.is(&name, now);
        });
        progress.next_one();
        Ok(Summary::new(&scenario, &run))
    };
    let (ranking, markdown) = (&arguments.ranking, arguments.markdown);
    let ranked = ranking.rank(&mut candidates, why, markdown, summary)?;
    drop(progress);
    output::print(&ranked)?;
    Ok(Verdict::Fine)
}
