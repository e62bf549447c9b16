//! What there is to say of runs, in sentences with the numbers. A sentence is left out where it would say nothing.

mod outage;
mod quiet;
mod recording;
mod settings;

use std::time::Duration;

use super::{Entry, Report, subject::Subject, words};
use crate::{measure::Step, summary::share};

/// Each looks at one run, and may have something to say.
const ALL: [fn(&Look<'_>) -> Option<String>; 16] = [
    outage::never_opened,
    settings::sheds,
    outage::opened_though_it_sheds,
    outage::refused_the_good,
    outage::lost,
    outage::found_no_worker,
    outage::spared,
    outage::kept_out,
    outage::has_not_closed,
    outage::worker_time,
    quiet::in_a_row,
    quiet::false_trips,
    settings::not_acted_on,
    quiet::not_kept,
    recording::drawn,
    recording::drawn_rejected,
];

impl Report {
    /// What there is to say of the runs, in sentences with the numbers: of one breaker after the other.
    ///
    /// They rest on what was counted, on the [`formulas`](crate::formulas), and on the
    /// [lints](tower_breaker::config::lint) of `tower-breaker`, with what is known of the calls.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        let of_entry = |entry| {
            let look = Look::new(self, entry);
            let said = ALL.iter().filter_map(|say| say(&look)).collect::<Vec<_>>();
            said.into_iter()
                .chain(settings::lints(&look))
                .collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(of_entry).collect()
    }
}

/// A run, and what it is compared with.
struct Look<'a> {
    name: String,
    entry: &'a Entry,
    none: &'a Entry,
    subject: &'a Subject,
    outage: Option<Outage>,
}

/// What was counted during the outage.
struct Outage {
    begins: Duration,
    ends: Duration,
    with: Step,
    without: Step,
}

impl<'a> Look<'a> {
    fn new(report: &'a Report, entry: &'a Entry) -> Self {
        let outage = report.subject.frame.outage.map(|(begins, ends)| Outage {
            begins,
            ends,
            with: entry.run.between(begins, ends),
            without: report.none.run.between(begins, ends),
        });
        Self {
            name: words::name(&entry.run.breaker),
            entry,
            none: &report.none,
            subject: &report.subject,
            outage,
        }
    }

    /// Calls a second for each circuit, on a quiet day.
    fn rate(&self) -> f64 {
        let length = self.subject.length.as_secs_f64();
        let counted = self.none.summary.total.offered as f64 / length;
        let rate = self.subject.calls.rate.unwrap_or(counted);
        rate * (1.0 - self.cached()) / self.entry.run.circuits as f64
    }

    /// The share of calls of which no circuit hears, on a quiet day.
    fn cached(&self) -> f64 {
        let begins = self
            .outage
            .as_ref()
            .map_or(Duration::MAX, |outage| outage.begins);
        let quiet = self.none.run.between(Duration::ZERO, begins);
        share(quiet.cached, quiet.offered)
    }

    /// `at 100 calls/s`, and for whom if there are several.
    fn at_rate(&self) -> String {
        let each = if self.entry.run.circuits > 1 {
            " for each circuit"
        } else {
            ""
        };
        format!("at {} calls/s{each}", words::number(self.rate()))
    }

    /// How long a call may hang, if anything ends it.
    fn limit(&self) -> Option<Duration> {
        let calls = &self.subject.calls;
        let own = self
            .entry
            .settings
            .as_ref()
            .and_then(|settings| settings.call_timeout());
        [calls.timeout, calls.gives_up, own]
            .into_iter()
            .flatten()
            .min()
    }

    fn hangs(&self) -> bool {
        self.subject.calls.hang
    }
}
