//! What there is to say of a recording: what it is, and what was found while it was read.

use std::time::Duration;

use super::{
    Report,
    subject::{Facts, Of, Subject},
    words,
};
use crate::{
    recording::{Recording, ReplayOptions},
    summary::share,
};

impl Report {
    /// What there is to say of the recording, in sentences: how much it is, where its outage is, and what was found
    /// while it was [read](crate::Notes). Of a scenario there is none.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.subject.notes()
    }
}

/// The same without a report.
pub(crate) fn of_recording(
    name: &str,
    recording: &Recording,
    options: &ReplayOptions,
) -> Vec<String> {
    Subject::recording(name, "", recording, options).notes()
}

impl Subject {
    fn notes(&self) -> Vec<String> {
        let Of::Recording(facts) = &self.of else {
            return Vec::new();
        };
        let mut notes = vec![self.extent(facts), outage(self.frame.outage, self.length)];
        notes.extend(self.takes_long(facts));
        notes.extend(found(facts));
        notes
    }

    fn extent(&self, facts: &Facts) -> String {
        format!(
            "{}: {} in {}, from {} on.",
            words::name(&self.name),
            many(facts.calls, "call", "calls").unwrap_or_default(),
            words::time(self.length),
            humantime::format_rfc3339_seconds(facts.begins)
        )
    }
}

/// With fewer calls, a long one is no surprise.
const MANY: u64 = 20;

impl Subject {
    /// Microseconds that are read as seconds make a recording of hours from a log of minutes. Nothing else shows that.
    fn takes_long(&self, facts: &Facts) -> Option<String> {
        let took = self.calls.took;
        let is_odd = facts.calls >= MANY && took > self.length / 2;
        is_odd.then(|| {
            format!(
                "A call takes {} on average, more than half of the recording: is the unit of durations right?",
                words::time(took)
            )
        })
    }
}

fn outage(outage: Option<(Duration, Duration)>, length: Duration) -> String {
    match outage {
        Some((from, to)) => format!(
            "The outage is from {} to {}.",
            words::time(from),
            words::time(to.min(length))
        ),
        None => "There is no outage in it: each trip is a false one.".to_owned(),
    }
}

fn found(facts: &Facts) -> impl Iterator<Item = String> {
    let notes = facts.notes;
    let unknown = words::percent(share(facts.unknown, facts.calls));
    let sentences = [
        (
            many(facts.unknown, "call had", "calls had"),
            format!("been rejected ({unknown} of all): nobody knows how they would have ended"),
        ),
        (
            many(notes.backwards, "line is", "lines are"),
            "older than lines before, and sorted: a clock went back, or several machines wrote them"
                .to_owned(),
        ),
        (
            many(notes.skipped, "line is", "lines are"),
            "left out for making no sense".to_owned(),
        ),
        (
            many(notes.events, "line tells", "lines tell"),
            "of circuits, and not of calls".to_owned(),
        ),
        (
            many(notes.of_others, "line is", "lines are"),
            "of other circuits, and left out".to_owned(),
        ),
    ];
    let cut_off = notes
        .truncated_last_line
        .then(|| "The last line is cut off, and left out.".to_owned());
    let counted = sentences
        .into_iter()
        .filter_map(|(many, what)| Some(format!("{} {what}.", many?)));
    counted.chain(cut_off)
}

/// None if there is none.
fn many(count: u64, one: &str, several: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{} {several}", words::count(count))),
    }
}
