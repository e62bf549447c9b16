//! `breaker-lab replay`: a recording of real calls with some breakers.

use std::{ffi::OsString, time::Duration};

use clap::Args;

use super::{
    Failure, Verdict,
    expression::Expression,
    inputs::{Contenders, check_memory},
    output,
    outputs::{self, Outputs},
    progress::Progress,
    ranking::Ranking,
    recording_file::{RecordingFile, time},
};
use crate::{
    recording::{self, Outage, Recording, ReplayError, ReplayOptions},
    report::{Report, notes, words},
    settings::Candidate,
    summary::Summary,
};

pub(super) const HELP: &str = "\
Calls come when they came, take as long as they took, and end as they ended. What a spared dependency would have done
better is not shown; write a scenario for that, and `run` it.

--by ranks, as `breaker-lab search` does: `failed + 2 * lost`. Conditions of --fail-if are as of `breaker-lab run`.

Exit codes: 0 if all is fine, 1 if a condition of --fail-if holds, 2 if something that was given makes no sense,
or a file could not be read or written.";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    recording: RecordingFile,

    #[command(flatten)]
    contenders: Contenders,

    /// Instances of the calling service. Each has a circuit of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    instances: u32,

    /// When the outage was, since the beginning: `1m..2m 45s`, or `none`. Default: the longest stretch in which more
    /// than 20 % failed
    #[arg(long, value_name = "FROM..TO", value_parser = outage)]
    outage: Option<Outage>,

    /// What takes longer is a slow success. Default: nothing is slow
    #[arg(long, value_name = "TIME", value_parser = time)]
    slow_after: Option<Duration>,

    /// What is counted together
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1s")]
    step: Duration,

    /// The same seed gives the same output, byte by byte
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    outputs: Outputs,

    /// Rank them by this, the lowest first, and print no more than that
    #[arg(
        long,
        value_name = "EXPRESSION",
        allow_hyphen_values = true,
        conflicts_with_all = ["html", "svg", "json", "fail_if"]
    )]
    by: Option<Expression>,

    /// How many are shown with --by
    #[arg(long, value_name = "N", default_value_t = 20, requires = "by")]
    top: usize,
}

fn outage(text: &str) -> Result<Outage, String> {
    if text.trim() == "none" {
        return Ok(Outage::None);
    }
    let between = |text: &str| {
        let (from, to) = text.split_once("..")?;
        let read = |time: &str| humantime::parse_duration(time.trim()).ok();
        Some((read(from)?, read(to)?)).filter(|(from, to)| from < to)
    };
    let between = between(text).map(|(from, to)| Outage::Between(from, to));
    between.ok_or_else(|| "must be FROM..TO, such as `1m..2m 45s`, or `none`".to_owned())
}

/// `given` is the whole command, for the report.
pub(super) fn replay(arguments: &Arguments, given: &[OsString]) -> Result<Verdict, Failure> {
    let recording = arguments.recording.path();
    arguments
        .outputs
        .check_inputs(recording.into_iter().chain(arguments.contenders.path()))?;
    let mut candidates = arguments.contenders.read()?;
    let options = arguments.options();
    check_memory(&candidates, u64::from(arguments.instances))?;
    let recording = arguments.recording.read(arguments.seed)?;
    arguments.check_outage(&recording)?;
    let no_outage = recording.frame(&options).outage.is_none();
    let no_outage = no_outage.then_some("there is no outage in the recording");
    let name = arguments.recording.name();
    let refused = |error: ReplayError| Failure::new(error.to_string());
    if let Some(by) = &arguments.by {
        let mut progress = Progress::of(count(candidates.len() + 1));
        let frame = recording.frame(&options);
        let mut over = 0;
        let summary = |candidate: &mut Candidate| {
            progress.is(candidate.name(), count(over));
            over += 1;
            let replayed = recording::replay(&recording, &options, candidate.contender());
            Ok(Summary::of(&frame, &replayed.map_err(refused)?.run))
        };
        let markdown = arguments.outputs.markdown;
        let ranking = Ranking::new(by.clone(), arguments.top);
        let ranked = ranking.rank(&mut candidates, no_outage, markdown, summary)?;
        drop(progress);
        let notes = notes::of_recording(&name, &recording, &options);
        output::print(&format!("{ranked}{}", outputs::list(&notes, markdown)))?;
        return Ok(Verdict::Fine);
    }
    let length = (recording.length(), options.step);
    outputs::check_many(&candidates, length, "--by")?;
    arguments.outputs.check(&candidates, no_outage)?;
    let mut progress = Progress::of(count(candidates.len() + 1));
    let (text, candidates) = (again(given), &mut candidates[..]);
    let report = Report::of_recording(
        &name,
        &text,
        &recording,
        &options,
        candidates,
        &mut |name, over| progress.is(name, count(over)),
    );
    drop(progress);
    let report = report.map_err(refused)?;
    arguments.outputs.write(&report)?;
    Ok(arguments.outputs.verdict(&report))
}

/// Progress is of runs here, and not of time.
fn count(runs: usize) -> Duration {
    Duration::from_secs(runs as u64)
}

impl Arguments {
    fn options(&self) -> ReplayOptions {
        let options = ReplayOptions::new()
            .instances(self.instances)
            .outage(self.outage.unwrap_or_default())
            .step(self.step)
            .seed(self.seed);
        match self.slow_after {
            Some(time) => options.slow_after(time),
            None => options,
        }
    }

    fn check_outage(&self, recording: &Recording) -> Result<(), Failure> {
        match self.outage {
            Some(Outage::Between(from, _)) if from >= recording.length() => {
                let text = format!(
                    "--outage: begins after the end of the recording, which is {} long",
                    words::time(recording.length())
                );
                Err(Failure::new(text))
            }
            _ => Ok(()),
        }
    }
}

/// The command as it may be given to a shell once more.
fn again(given: &[OsString]) -> String {
    let word = |word: &OsString| {
        let word = word.to_string_lossy();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:%".contains(c);
        match !word.is_empty() && word.chars().all(is_plain) {
            true => word.into_owned(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    };
    let words = given.iter().skip(1).map(word);
    let words: Vec<_> = std::iter::once("breaker-lab".to_owned())
        .chain(words)
        .collect();
    words.join(" ")
}
