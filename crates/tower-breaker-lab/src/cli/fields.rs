//! The numbers of a run that conditions and rankings speak of.

use crate::summary::{Summary, share};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Share,
    Time,
    Number,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    /// Whether it says nothing in a scenario without an outage.
    pub(super) of_outage: bool,
    /// Of a run, and of the one without a breaker. Shares are from 0 to 1, times in seconds.
    pub(super) value: fn(&Summary, &Summary) -> f64,
}

pub(super) const FIELDS: [Field; 11] = [
    field("succeeded", Unit::Share, |run, _| run.succeeded()),
    field("cached", Unit::Share, |run, _| run.cached()),
    field("failed", Unit::Share, |run, _| run.failed()),
    field("rejected", Unit::Share, |run, _| run.rejected()),
    field("not_made", Unit::Share, |run, _| {
        share(run.total.not_made, run.total.offered)
    }),
    field("lost", Unit::Share, |run, _| run.lost()),
    field("spared", Unit::Share, Summary::spared),
    Field {
        of_outage: true,
        ..field("to_trip", Unit::Time, |run, _| to_trip(run))
    },
    Field {
        of_outage: true,
        ..field("to_recover", Unit::Time, |run, _| to_recover(run))
    },
    field("false_trips_a_day", Unit::Number, |run, _| {
        run.false_trips_a_day
    }),
    field("probes", Unit::Number, |run, _| run.total.probes as f64),
];

const fn field(name: &'static str, unit: Unit, value: fn(&Summary, &Summary) -> f64) -> Field {
    Field {
        name,
        unit,
        of_outage: false,
        value,
    }
}

/// What has not happened takes for ever.
fn to_trip(run: &Summary) -> f64 {
    run.to_trip
        .map_or(f64::INFINITY, |times| times.p95.as_secs_f64())
}

/// Nothing if no circuit had to; for ever if one has not.
fn to_recover(run: &Summary) -> f64 {
    match run.to_recover {
        _ if run.not_closed > 0 => f64::INFINITY,
        Some(times) => times.p95.as_secs_f64(),
        None => 0.0,
    }
}

pub(super) fn find(name: &str) -> Option<Field> {
    FIELDS.into_iter().find(|field| field.name == name)
}

/// As errors name them.
pub(super) fn names() -> String {
    FIELDS.map(|field| field.name).join(", ")
}
