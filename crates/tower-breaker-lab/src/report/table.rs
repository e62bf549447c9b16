//! The table of a report, as text and as Markdown.

use super::{Report, words};
use crate::summary::{Summary, Times};

/// The columns, in order.
pub(super) const COLUMNS: [&str; 10] = [
    "breaker",
    "succeeded",
    "failed",
    "rejected",
    "lost",
    "load spared",
    "to trip",
    "to recover",
    "false trips a day",
    "probes",
];

/// What the columns mean.
pub(super) const LEGEND: [&str; 4] = [
    "Shares are of the calls that ended.",
    "lost: rejected, and would have succeeded.",
    "load spared: calls that the dependency did not get, of those it gets without a breaker.",
    "to trip, to recover: from the beginning and the end of the outage, median (95th percentile) of the circuits.",
];

impl Report {
    /// The table as text.
    #[must_use]
    pub fn table(&self) -> String {
        table(self.summaries(), self.none())
    }

    /// The table as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown(self.summaries(), self.none())
    }

    /// One for each breaker, a cell for each of [`COLUMNS`].
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        self.summaries()
            .map(|summary| row(summary, self.none()))
            .collect()
    }

    fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.entries().iter().map(|entry| &entry.summary)
    }
}

/// As text, with a row for each summary.
pub(crate) fn table<'a>(summaries: impl Iterator<Item = &'a Summary>, none: &Summary) -> String {
    let header: Vec<_> = COLUMNS.map(str::to_owned).into();
    let rows = summaries.map(|summary| row(summary, none));
    let all: Vec<_> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..COLUMNS.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let lines: Vec<_> = all.iter().map(|row| line(row, &widths)).collect();
    format!("{}\n\n{}\n", lines.join("\n"), LEGEND.join("\n"))
}

/// As Markdown, with a row for each summary.
pub(crate) fn markdown<'a>(summaries: impl Iterator<Item = &'a Summary>, none: &Summary) -> String {
    let mut text = format!("| {} |\n|---", COLUMNS.join(" | "));
    text.push_str(&"|--:".repeat(COLUMNS.len() - 1));
    text.push_str("|\n");
    for summary in summaries {
        let cells: Vec<_> = row(summary, none)
            .iter()
            .map(|cell| words::markdown(cell))
            .collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    format!("{text}\n{}\n", LEGEND.join("\n"))
}

/// The first column to the left, and numbers to the right.
fn line(row: &[String], widths: &[usize]) -> String {
    let mut cells = row.iter().zip(widths);
    let mut text = cells
        .next()
        .map_or(String::new(), |(cell, width)| format!("{cell:<width$}"));
    for (cell, width) in cells {
        text.push_str(&format!("  {cell:>width$}"));
    }
    text
}

fn row(summary: &Summary, none: &Summary) -> Vec<String> {
    vec![
        words::name(&summary.breaker),
        words::percent(summary.succeeded()),
        words::percent(summary.failed()),
        words::percent(summary.rejected()),
        words::percent(summary.lost()),
        words::percent(summary.spared(none)),
        times(summary.to_trip, "never"),
        to_recover(summary),
        words::number(summary.false_trips_a_day),
        words::count(summary.total.probes),
    ]
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
