//! All of a report as data.

use std::time::Duration;

use serde::Serialize;

use super::{
    Entry, Report,
    subject::{Facts, Of},
};
use crate::{
    measure::{Change, Run, Step},
    summary::{Summary, Times, share},
};

/// Times are in seconds, and shares from 0 to 1.
#[derive(Serialize)]
struct All<'a> {
    /// Of this package.
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<SubjectData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<RecordingData<'a>>,
    breakers: Vec<Breaker<'a>>,
    advice: Vec<String>,
}

#[derive(Serialize)]
struct SubjectData<'a> {
    name: &'a str,
    seed: u64,
    length: f64,
    /// When it begins and ends.
    outage: Option<(f64, f64)>,
    text: &'a str,
}

#[derive(Serialize)]
struct RecordingData<'a> {
    #[serde(flatten)]
    subject: SubjectData<'a>,
    /// When the first call began.
    begins: String,
    calls: u64,
    /// Of these calls, those of which nobody knows how they would have ended.
    unknown: u64,
    /// Lines.
    backwards: u64,
    skipped: u64,
    events: u64,
    of_others: u64,
    truncated_last_line: bool,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Breaker<'a> {
    name: &'a str,
    settings: &'a str,
    succeeded: f64,
    failed: f64,
    rejected: f64,
    lost: f64,
    spared: f64,
    to_trip: Option<TimesData>,
    to_recover: Option<TimesData>,
    not_closed: u64,
    false_trips: u64,
    false_trips_a_day: f64,
    probes: u64,
    circuits: u64,
    total: Counts,
    step: f64,
    steps: Series,
    /// On average over the circuits, at the end of each step. Left out if none ever sheds.
    #[serde(skip_serializing_if = "Option::is_none")]
    shed_share: Option<Vec<f64>>,
    changes: Vec<ChangeData>,
    changes_not_kept: u64,
    drawn: u64,
    drawn_rejected: u64,
}

#[derive(Serialize)]
struct TimesData {
    median: f64,
    p95: f64,
    circuits: u64,
}

#[derive(Serialize)]
struct ChangeData {
    at: f64,
    circuit: u64,
    from: &'static str,
    to: &'static str,
    healthy: bool,
}

/// Defines the counts of a step, as one and as a series of each, so that none is in one and not in the other.
macro_rules! counts {
    ($($count:ident),+) => {
        #[derive(Serialize)]
        struct Counts {
            $($count: u64,)+
            /// Where there is a cache.
            #[serde(skip_serializing_if = "Option::is_none")]
            cached: Option<u64>,
        }

        #[derive(Serialize)]
        struct Series {
            $($count: Vec<u64>,)+
            #[serde(skip_serializing_if = "Option::is_none")]
            cached: Option<Vec<u64>>,
        }

        impl Counts {
            fn of(step: &Step, has_cache: bool) -> Self {
                Self {
                    $($count: step.$count,)+
                    cached: has_cache.then_some(step.cached),
                }
            }
        }

        impl Series {
            fn of(steps: &[Step], has_cache: bool) -> Self {
                let series = |count: fn(&Step) -> u64| steps.iter().map(count).collect();
                Self {
                    $($count: series(|step| step.$count),)+
                    cached: has_cache.then(|| series(|step| step.cached)),
                }
            }
        }
    };
}

counts!(
    offered, succeeded, slow, failed, rejected, not_made, lost, admitted, probes, timed_out,
    retries, load, open, half_open
);

impl Report {
    /// All numbers, the series of each step and each change of a circuit, as JSON. Times are in seconds, and shares
    /// from 0 to 1.
    ///
    /// # Panics
    ///
    /// Never: there is nothing in it that JSON could not say.
    #[must_use]
    pub fn json(&self) -> String {
        let (scenario, recording) = match &self.subject.of {
            Of::Scenario(_) => (Some(self.subject_data()), None),
            Of::Recording(facts) => (None, Some(self.recording_data(facts))),
        };
        let has_cache = match &self.subject.of {
            Of::Scenario(scenario) => scenario.dependency.cache.is_some(),
            Of::Recording(_) => false,
        };
        let all = All {
            version: env!("CARGO_PKG_VERSION"),
            scenario,
            recording,
            breakers: self
                .entries
                .iter()
                .map(|entry| breaker(entry, self.none(), has_cache))
                .collect(),
            advice: self.advice(),
        };
        let mut json = serde_json::to_string(&all).expect("strings, numbers and lists of them");
        json.push('\n');
        json
    }

    fn subject_data(&self) -> SubjectData<'_> {
        let outage = self.subject.frame.outage;
        SubjectData {
            name: &self.subject.name,
            seed: self.subject.seed,
            length: self.subject.length.as_secs_f64(),
            outage: outage.map(|(from, to)| (from.as_secs_f64(), to.as_secs_f64())),
            text: &self.subject.text,
        }
    }

    fn recording_data(&self, facts: &Facts) -> RecordingData<'_> {
        let notes = facts.notes;
        RecordingData {
            subject: self.subject_data(),
            begins: humantime::format_rfc3339_nanos(facts.begins).to_string(),
            calls: facts.calls,
            unknown: facts.unknown,
            backwards: notes.backwards,
            skipped: notes.skipped,
            events: notes.events,
            of_others: notes.of_others,
            truncated_last_line: notes.truncated_last_line,
            notes: self.notes(),
        }
    }
}

fn breaker<'a>(entry: &'a Entry, none: &Summary, has_cache: bool) -> Breaker<'a> {
    let Entry { run, summary, .. } = entry;
    Breaker {
        name: &summary.breaker,
        settings: &entry.about,
        succeeded: summary.succeeded(),
        failed: summary.failed(),
        rejected: summary.rejected(),
        lost: summary.lost(),
        spared: summary.spared(none),
        to_trip: summary.to_trip.map(times),
        to_recover: summary.to_recover.map(times),
        not_closed: summary.not_closed,
        false_trips: summary.false_trips,
        false_trips_a_day: summary.false_trips_a_day,
        probes: summary.total.probes,
        circuits: run.circuits,
        total: Counts::of(&summary.total, has_cache),
        step: run.step.as_secs_f64(),
        steps: Series::of(&run.steps, has_cache),
        shed_share: shed_share(run),
        changes: changes(run),
        changes_not_kept: run.changes_not_kept,
        drawn: entry.drawn,
        drawn_rejected: entry.drawn_rejected,
    }
}

fn shed_share(run: &Run) -> Option<Vec<f64>> {
    let sheds = run.steps.iter().any(|step| step.shed > 0);
    let share = |step: &Step| share(step.shed, run.circuits * 1_000_000);
    sheds.then(|| run.steps.iter().map(share).collect())
}

fn times(times: Times) -> TimesData {
    TimesData {
        median: times.median.as_secs_f64(),
        p95: times.p95.as_secs_f64(),
        circuits: times.circuits,
    }
}

fn changes(run: &Run) -> Vec<ChangeData> {
    let data = |change: &Change| ChangeData {
        at: Duration::as_secs_f64(&change.at),
        circuit: change.circuit,
        from: change.from.label(),
        to: change.to.label(),
        healthy: change.healthy,
    };
    run.changes.iter().map(data).collect()
}
