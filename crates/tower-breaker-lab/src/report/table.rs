//! The table of a report, as text and as Markdown.

use super::{Report, words};
use crate::summary::{Summary, Times, share};

struct Column {
    title: &'static str,
    /// Of a run, and of the one without a breaker.
    cell: fn(&Summary, &Summary) -> String,
}

const COLUMNS: [Column; 12] = [
    column("breaker", |run, _| words::name(&run.breaker)),
    column("succeeded", |run, _| words::percent(run.succeeded())),
    column(CACHED, |run, _| words::percent(run.cached())),
    column("failed", |run, _| words::percent(run.failed())),
    column("rejected", |run, _| words::percent(run.rejected())),
    column(NOT_MADE, |run, _| {
        words::percent(share(run.total.not_made, run.total.offered))
    }),
    column("lost", |run, _| words::percent(run.lost())),
    column("load spared", |run, none| words::percent(run.spared(none))),
    column("to trip", |run, _| times(run.to_trip, "never")),
    column("to recover", |run, _| to_recover(run)),
    column("false trips/day", |run, _| {
        words::number(run.false_trips_a_day)
    }),
    column("probes", |run, _| words::count(run.total.probes)),
];

const CACHED: &str = "cached";
const NOT_MADE: &str = "not made";

/// A column that is there only if a run has something to tell in it.
struct Optional {
    title: &'static str,
    is_told: fn(&Summary) -> bool,
    legend: &'static str,
}

const OPTIONAL: [Optional; 2] = [
    Optional {
        title: CACHED,
        is_told: |run| run.total.cached > 0,
        legend: "cached: answered by the cache. They have succeeded.",
    },
    Optional {
        title: NOT_MADE,
        is_told: |run| run.total.not_made > 0,
        legend: "not made: waited too long for a free worker, of all that came. They are in no other share.",
    },
];

/// What the columns mean.
const LEGEND: [&str; 4] = [
    "Shares are of the calls that ended.",
    "lost: rejected, and would have succeeded.",
    "load spared: calls that the dependency did not get, of those it gets without a breaker.",
    "to trip, to recover: from the beginning and the end of the outage, median (95th percentile) of the circuits.",
];

const fn column(title: &'static str, cell: fn(&Summary, &Summary) -> String) -> Column {
    Column { title, cell }
}

/// What is shown of some runs.
pub(crate) struct Table {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) legend: Vec<&'static str>,
}

impl Report {
    /// The table as text.
    #[must_use]
    pub fn table(&self) -> String {
        self.rows().text()
    }

    /// The table as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        self.rows().markdown()
    }

    pub(super) fn rows(&self) -> Table {
        let summaries: Vec<_> = self.entries().iter().map(|entry| &entry.summary).collect();
        Table::of(&summaries, self.none())
    }
}

impl Table {
    /// A row for each summary.
    pub(crate) fn of(summaries: &[&Summary], none: &Summary) -> Self {
        let is_told = |optional: &&Optional| summaries.iter().any(|run| (optional.is_told)(run));
        let (told, untold): (Vec<_>, Vec<_>) = OPTIONAL.iter().partition(is_told);
        let is_there = |column: &&Column| untold.iter().all(|other| other.title != column.title);
        let columns: Vec<_> = COLUMNS.iter().filter(is_there).collect();
        let row = |summary: &&Summary| {
            columns
                .iter()
                .map(|column| (column.cell)(summary, none))
                .collect()
        };
        Self {
            header: columns
                .iter()
                .map(|column| column.title.to_owned())
                .collect(),
            rows: summaries.iter().map(row).collect(),
            legend: LEGEND
                .into_iter()
                .chain(told.iter().map(|optional| optional.legend))
                .collect(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let all: Vec<_> = std::iter::once(&self.header).chain(&self.rows).collect();
        let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max();
        let widths = (0..self.header.len()).map(|column| width(column).unwrap_or(0));
        let widths: Vec<_> = widths.collect();
        let lines: Vec<_> = all.iter().map(|row| line(row, &widths)).collect();
        format!("{}\n\n{}\n", lines.join("\n"), self.legend.join("\n"))
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|---", self.header.join(" | "));
        text.push_str(&"|--:".repeat(self.header.len() - 1));
        text.push_str("|\n");
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(|cell| words::markdown(cell)).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        // A line each.
        format!("{text}\n{}\n", self.legend.join("  \n"))
    }
}

/// The first column to the left, and numbers to the right.
fn line(row: &[String], widths: &[usize]) -> String {
    let mut cells = row.iter().zip(widths);
    let first = cells.next();
    let mut text = first.map_or(String::new(), |(cell, width)| format!("{cell:<width$}"));
    for (cell, width) in cells {
        text.push_str(&format!("  {cell:>width$}"));
    }
    text
}

fn times(times: Option<Times>, never: &str) -> String {
    let Some(Times { median, p95, .. }) = times else {
        return never.to_owned();
    };
    let (median, p95) = (words::time(median), words::time(p95));
    if median == p95 {
        median
    } else {
        format!("{median} ({p95})")
    }
}

/// Circuits that had not closed at the end are told, since they are in no time.
fn to_recover(summary: &Summary) -> String {
    match (summary.to_recover, summary.not_closed) {
        (None, 0) => "–".to_owned(),
        (None, _) => "not yet".to_owned(),
        (some, 0) => times(some, ""),
        (some, open) => format!("{}, {} not yet", times(some, ""), words::count(open)),
    }
}
