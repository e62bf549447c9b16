//! What runs have come to: a table, pictures, advice, and all of it as data.

mod advice;
mod html;
mod json;
mod svg;
mod table;
pub(crate) mod words;

use std::time::Duration;

use tower_breaker::Settings;

pub(crate) use self::table::Table;
use crate::{
    measure::Run, scenario::Scenario, settings::Candidate, summary::Summary,
    world::run_with_progress,
};

/// What one breaker has made of the scenario.
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
}

/// What several breakers have made of one scenario.
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
    scenario: Scenario,
    text: String,
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
        let (mut entries, mut none) = (Vec::new(), None);
        for candidate in candidates {
            let entry = Entry::new(scenario, candidate, progress);
            none = none.or_else(|| candidate.is_none().then(|| entry.clone()));
            entries.push(entry);
        }
        let none = none.unwrap_or_else(|| Entry::new(scenario, &mut Candidate::none(), progress));
        Self {
            scenario: scenario.clone(),
            text: text.to_owned(),
            none,
            entries,
        }
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

    /// The scenario that was run.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }
}

impl Entry {
    fn new(
        scenario: &Scenario,
        candidate: &mut Candidate,
        progress: &mut dyn FnMut(&str, Duration),
    ) -> Self {
        let name = candidate.name().to_owned();
        let run = run_with_progress(scenario, candidate.contender(), &mut |now| {
            progress(&name, now);
        });
        Self {
            about: candidate.about().to_owned(),
            settings: candidate.settings().cloned(),
            summary: Summary::new(scenario, &run),
            run,
        }
    }
}
