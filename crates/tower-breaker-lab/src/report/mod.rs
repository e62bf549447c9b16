//! What runs have come to: a table, pictures, advice, and all of it as data.

mod advice;
mod html;
mod json;
pub(crate) mod notes;
mod subject;
mod svg;
mod table;
pub(crate) mod words;

use std::time::Duration;

use tower_breaker::Settings;

use self::subject::{Of, Subject};
pub(crate) use self::table::Table;
use crate::{
    measure::Run,
    recording::{Recording, ReplayError, ReplayOptions, Replayed, replay},
    scenario::Scenario,
    settings::Candidate,
    summary::{Frame, Summary},
    world::run_with_progress,
};

/// What one breaker has made of the scenario or the recording.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its settings as text, or what it is.
    pub about: String,
    /// Its settings, if it is this crate's own circuit.
    pub settings: Option<Settings>,
    /// All that happened.
    pub run: Run,
    /// The same in a few numbers.
    pub summary: Summary,
    /// [Calls that were let through](Replayed::drawn) though a recording does not know how they would have ended.
    /// Of a scenario: 0.
    pub drawn: u64,
    /// [Calls that were rejected](Replayed::drawn_rejected) of which it does not know that. Of a scenario: 0.
    pub drawn_rejected: u64,
}

/// What several breakers have made of one scenario, or of one recording.
///
/// ```
/// use tower_breaker_lab::{Candidate, Report, Scenario};
///
/// let text = r#"
///     callers = { rate = 50 }
///     dependency = { latency = { mean = "10ms" } }
///     phases = [{ for = "20s" }, { for = "20s", errors = "100%" }, { for = "60s" }]
/// "#;
/// let scenario = Scenario::from_toml(text)?;
/// let mut candidates = [Candidate::built_in("none")?, Candidate::built_in("defaults")?];
/// let report = Report::new(&scenario, text, &mut candidates, &mut |_, _| {});
/// assert_eq!(report.entries()[1].summary.false_trips, 0);
/// assert!(report.html().starts_with("<!DOCTYPE html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    subject: Subject,
    none: Entry,
    entries: Vec<Entry>,
}

impl Report {
    /// Runs the scenario with each candidate, one after the other, and once more without a breaker if that is not among
    /// them: the load that is spared can only be told beside it.
    ///
    /// `text` is the scenario as it was written, for the report. `progress` is told who runs, and how far the simulated
    /// time is.
    pub fn new(
        scenario: &Scenario,
        text: &str,
        candidates: &mut [Candidate],
        progress: &mut dyn FnMut(&str, Duration),
    ) -> Self {
        let subject = Subject::scenario(scenario, text);
        let mut run = |candidate: &mut Candidate| {
            let name = candidate.name().to_owned();
            let run = run_with_progress(scenario, candidate.contender(), &mut |now| {
                progress(&name, now);
            });
            Entry::new(&subject.frame, candidate, run)
        };
        let entries: Vec<_> = candidates.iter_mut().map(&mut run).collect();
        let none = none_of(candidates, &entries).unwrap_or_else(|| run(&mut Candidate::none()));
        Self {
            subject,
            none,
            entries,
        }
    }

    /// Replays a recording with each candidate, one after the other, and once more without a breaker if that is not
    /// among them.
    ///
    /// `name` is what the report calls the recording, and `text` what it takes to replay it again. `progress` is told
    /// who comes next, and how many are over.
    ///
    /// ```
    /// use tower_breaker_lab::{
    ///     AccessLog, Candidate, Format, Reading, Recording, ReplayOptions, Report,
    /// };
    ///
    /// let log = b"a - - [28/Nov/2026:06:00:00 +0000] \"GET /\" 200 1 0.5";
    /// let format = Format::AccessLog(AccessLog::nginx());
    /// let recording = Recording::read(&log[..], &format, &Reading::new())?;
    /// let mut candidates = [Candidate::built_in("defaults")?];
    /// let options = ReplayOptions::new();
    /// let report =
    ///     Report::of_recording("log", "", &recording, &options, &mut candidates, &mut |_, _| {})?;
    /// assert_eq!(report.entries()[0].summary.total.succeeded, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the options make no sense for this recording, as [`replay`] has them.
    pub fn of_recording(
        name: &str,
        text: &str,
        recording: &Recording,
        options: &ReplayOptions,
        candidates: &mut [Candidate],
        progress: &mut dyn FnMut(&str, usize),
    ) -> Result<Self, ReplayError> {
        let mut entries = Vec::new();
        let frame = recording.frame(options);
        let mut run = |candidate: &mut Candidate, over: usize| {
            progress(candidate.name(), over);
            let replayed = replay(recording, options, candidate.contender())?;
            Ok(Entry::replayed(&frame, candidate, replayed))
        };
        for candidate in candidates.iter_mut() {
            entries.push(run(candidate, entries.len())?);
        }
        let none = match none_of(candidates, &entries) {
            Some(none) => none,
            None => run(&mut Candidate::none(), entries.len())?,
        };
        Ok(Self {
            subject: Subject::recording(name, text, recording, options),
            none,
            entries,
        })
    }

    /// One for each candidate, in the order in which they were given.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What happened without a breaker.
    #[must_use]
    pub fn none(&self) -> &Summary {
        &self.none.summary
    }

    /// The scenario that was run. None if it was a recording.
    #[must_use]
    pub fn scenario(&self) -> Option<&Scenario> {
        match &self.subject.of {
            Of::Scenario(scenario) => Some(scenario),
            Of::Recording(_) => None,
        }
    }
}

/// What happened without a breaker, if that is among them.
fn none_of(candidates: &[Candidate], entries: &[Entry]) -> Option<Entry> {
    let none = candidates.iter().position(Candidate::is_none)?;
    entries.get(none).cloned()
}

impl Entry {
    fn new(frame: &Frame, candidate: &Candidate, run: Run) -> Self {
        Self {
            about: candidate.about().to_owned(),
            settings: candidate.settings().cloned(),
            summary: Summary::of(frame, &run),
            run,
            drawn: 0,
            drawn_rejected: 0,
        }
    }

    fn replayed(frame: &Frame, candidate: &Candidate, replayed: Replayed) -> Self {
        Self {
            drawn: replayed.drawn,
            drawn_rejected: replayed.drawn_rejected,
            ..Self::new(frame, candidate, replayed.run)
        }
    }
}
