//! The one table of metrics: what they are called, what they count, and where that is read.

use super::series::{Reading, Seen, index};
use crate::{
    circuit::{followed::Why, parts::unused},
    machine::{Mode, Totals},
};

/// Takes the values of the labels after `circuit`, and a count.
pub(super) type Count<'a> = dyn FnMut(&[&'static str], u64) + 'a;

/// The same with what something is now.
pub(super) type Set<'a> = dyn FnMut(&[&'static str], f64) + 'a;

/// What a metric is, and where its value is read.
pub(super) enum Kind {
    Counter(fn(&Reading, &mut Count<'_>)),
    Gauge {
        read: fn(&Seen) -> f64,
        #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "text has none"))]
        /// What it is set to once the circuit has left.
        gone: f64,
    },
    /// Of a part of a circuit, if it has that or has had it.
    Gauges(fn(&Reading, &mut Set<'_>)),
    /// Of the durations.
    Histogram,
    /// Of all circuits, by their state.
    Circuits,
}

impl Kind {
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Histogram => "histogram",
            Self::Gauge { .. } | Self::Gauges(_) | Self::Circuits => "gauge",
        }
    }
}

/// In what it is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    Calls,
    Circuits,
    Instances,
    Times,
    Trips,
    Transitions,
    Settings,
    Seconds,
    /// From 0 to 1.
    Share,
    /// A number that stands for a word: it has no unit.
    Word,
}

pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) labels: &'static [&'static str],
    #[cfg_attr(
        not(any(test, feature = "metrics")),
        expect(dead_code, reason = "text has none")
    )]
    pub(super) unit: Unit,
    /// Without a full stop.
    pub(super) about: &'static str,
    pub(super) kind: Kind,
}

/// The label of the circuit's name, which all but one have.
pub(super) const CIRCUIT: &str = "circuit";

/// In the order in which they are shown.
pub(super) static METRICS: [Metric; 30] = [
    Metric {
        name: "circuit_breaker_calls_total",
        labels: &[CIRCUIT, "result"],
        unit: Unit::Calls,
        about: "Calls that have ended or were rejected, by result: \
                success, failure, ignored, rejected or abandoned",
        kind: Kind::Counter(|reading, count| {
            of_totals(reading, |totals| {
                count(&["success"], totals.successful);
                count(&["failure"], totals.failed);
                count(&["ignored"], totals.ignored);
                count(&["rejected"], totals.rejected);
                count(&["abandoned"], totals.abandoned);
            });
        }),
    },
    Metric {
        name: "circuit_breaker_rejections_total",
        labels: &[CIRCUIT, "reason"],
        unit: Unit::Calls,
        about: "Calls that were rejected, by reason: open, half_open_full, forced_open, ramping, shedding or \
                bulkhead_full",
        kind: Kind::Counter(|reading, count| {
            of_totals(reading, |totals| {
                let by = totals.rejected_by;
                count(&["open"], by.open);
                count(&["half_open_full"], by.half_open_full);
                count(&["forced_open"], by.forced_open);
                count(&["ramping"], by.ramping);
                count(&["shedding"], by.shedding);
                count(&["bulkhead_full"], by.bulkhead_full);
            });
        }),
    },
    Metric {
        name: "circuit_breaker_slow_calls_total",
        labels: &[CIRCUIT],
        unit: Unit::Calls,
        about: "Calls that were slow, whether they succeeded or failed",
        kind: Kind::Counter(|reading, count| {
            of_totals(reading, |totals| count(&[], totals.slow));
        }),
    },
    Metric {
        name: "circuit_breaker_stale_calls_total",
        labels: &[CIRCUIT],
        unit: Unit::Calls,
        about: "Calls that ended too late to decide anything, because the circuit had changed its state meanwhile",
        kind: Kind::Counter(|reading, count| {
            of_totals(reading, |totals| count(&[], totals.stale));
        }),
    },
    Metric {
        name: "circuit_breaker_shadowed_calls_total",
        labels: &[CIRCUIT],
        unit: Unit::Calls,
        about: "Calls that only shadow mode let pass",
        kind: Kind::Counter(|reading, count| {
            of_totals(reading, |totals| count(&[], totals.shadowed));
        }),
    },
    Metric {
        name: "circuit_breaker_vetoed_trips_total",
        labels: &[CIRCUIT],
        unit: Unit::Trips,
        about: "Trips that were held back, because too many circuits of the group were open",
        kind: Kind::Counter(|reading, count| {
            of_totals(reading, |totals| count(&[], totals.vetoed));
        }),
    },
    Metric {
        name: "circuit_breaker_transitions_total",
        labels: &[CIRCUIT, "from", "to", "cause"],
        unit: Unit::Transitions,
        about: "Transitions from one state to another, or from a state to itself, by cause",
        kind: Kind::Counter(|reading, count| {
            let transitions = reading.transitions.iter();
            transitions.for_each(|(step, transitions)| count(step, *transitions));
        }),
    },
    Metric {
        name: "circuit_breaker_timed_out_calls_total",
        labels: &[CIRCUIT, "limit"],
        unit: Unit::Calls,
        about: "Calls that reached a time limit, by which one: call, probe or caller",
        kind: Kind::Counter(|reading, count| {
            if let Some(timed_out) = reading.timed_out() {
                count(&["call"], timed_out.call);
                count(&["probe"], timed_out.probe);
                count(&["caller"], timed_out.caller);
            }
        }),
    },
    Metric {
        name: "circuit_breaker_fallbacks_total",
        labels: &[CIRCUIT, "kind", "cause", "result"],
        unit: Unit::Calls,
        about: "Calls for which a fallback was asked, by its kind, by cause, and by whether it answered or failed, too",
        kind: Kind::Counter(|reading, count| {
            let fallbacks = reading
                .parts()
                .into_iter()
                .flat_map(|parts| &parts.fallbacks);
            for total in fallbacks {
                let (kind, cause) = (total.kind.label(), total.cause.label());
                count(&[kind, cause, "answered"], total.answered);
                count(&[kind, cause, "failed"], total.failed);
            }
        }),
    },
    Metric {
        name: "circuit_breaker_hidden_failures_total",
        labels: &[CIRCUIT],
        unit: Unit::Calls,
        about: "Failures that the circuit did not see, because a fallback is inside the breaker: a mistake",
        kind: Kind::Counter(|reading, count| {
            let parts = reading.parts().into_iter();
            parts.for_each(|parts| count(&[], parts.hidden_failures));
        }),
    },
    Metric {
        name: "circuit_breaker_misplaced_calls_total",
        labels: &[CIRCUIT],
        unit: Unit::Calls,
        about: "Calls that met a queue's layer inside the breaker, where it sees no rejection: a mistake",
        kind: Kind::Counter(|reading, count| {
            let parts = reading.parts().into_iter();
            parts.for_each(|parts| count(&[], parts.misplaced_calls));
        }),
    },
    Metric {
        name: "circuit_breaker_retries_total",
        labels: &[CIRCUIT, "decision"],
        unit: Unit::Calls,
        about: "Failed calls that a policy for retries has looked at, by what it decided: retried, or why not",
        kind: Kind::Counter(|reading, count| {
            if let Some(retries) = reading.retries() {
                count(&["retried"], retries.retried);
                count(&["no_budget"], retries.no_budget);
                count(&["rejected"], retries.rejected);
                count(&["not_closed"], retries.not_closed);
                count(&["too_long"], retries.too_long);
                count(&["exhausted"], retries.exhausted);
                count(&["off"], retries.off);
            }
        }),
    },
    Metric {
        name: "circuit_breaker_queue_total",
        labels: &[CIRCUIT, "result"],
        unit: Unit::Calls,
        about: "Calls that a queue was given, by result: kept or refused, and later delivered or dead",
        kind: Kind::Counter(|reading, count| {
            if let Some(queue) = reading.parts().and_then(|parts| parts.queue) {
                count(&["kept"], queue.kept);
                count(&["refused"], queue.refused);
                count(&["delivered"], queue.delivered);
                count(&["dead"], queue.dead);
            }
        }),
    },
    Metric {
        name: "circuit_breaker_fleet_detached_total",
        labels: &[CIRCUIT, "why"],
        unit: Unit::Times,
        about: "How often the circuit lost its fleet and went on alone, by reason",
        kind: Kind::Counter(|reading, count| {
            let detached = reading.counted.detached.into_iter();
            detached.for_each(|totals| {
                let by_why = Why::ALL.into_iter().zip(totals);
                by_why.for_each(|(why, times)| count(&[why.label()], times));
            });
        }),
    },
    Metric {
        name: "circuit_breaker_state",
        labels: &[CIRCUIT],
        unit: Unit::Word,
        about: "The state: 0 closed, 1 open, 2 half-open",
        kind: Kind::Gauge {
            read: |seen| [0.0, 1.0, 2.0][index(seen.snapshot.state)],
            gone: 0.0,
        },
    },
    Metric {
        name: "circuit_breaker_mode",
        labels: &[CIRCUIT],
        unit: Unit::Word,
        about: "The mode: 0 normal, 1 forced open, 2 disabled, 3 shadow",
        kind: Kind::Gauge {
            read: |seen| match seen.snapshot.mode {
                Mode::Normal => 0.0,
                Mode::ForcedOpen => 1.0,
                Mode::Disabled => 2.0,
                Mode::Shadow => 3.0,
            },
            gone: 0.0,
        },
    },
    Metric {
        name: "circuit_breaker_failure_rate",
        labels: &[CIRCUIT],
        unit: Unit::Share,
        about: "The share of calls that failed in the window; while open or half-open, in the window at the trip; NaN \
                if there is none",
        kind: Kind::Gauge {
            read: |seen| or_nan(seen.snapshot.failure_rate()),
            gone: f64::NAN,
        },
    },
    Metric {
        name: "circuit_breaker_failure_rate_threshold",
        labels: &[CIRCUIT],
        unit: Unit::Share,
        about: "The share of failures at which the circuit opens; NaN if that is off",
        kind: Kind::Gauge {
            read: |seen| or_nan(seen.settings.failure_rate()),
            gone: f64::NAN,
        },
    },
    Metric {
        name: "circuit_breaker_slow_call_rate",
        labels: &[CIRCUIT],
        unit: Unit::Share,
        about: "The share of the same calls that were slow; NaN if there is none",
        kind: Kind::Gauge {
            read: |seen| or_nan(seen.snapshot.slow_call_rate()),
            gone: f64::NAN,
        },
    },
    Metric {
        name: "circuit_breaker_slow_call_rate_threshold",
        labels: &[CIRCUIT],
        unit: Unit::Share,
        about: "The share of slow calls at which the circuit opens; NaN if that is off",
        kind: Kind::Gauge {
            read: |seen| or_nan(seen.settings.slow_call_rate()),
            gone: f64::NAN,
        },
    },
    Metric {
        name: "circuit_breaker_shed_share",
        labels: &[CIRCUIT],
        unit: Unit::Share,
        about: "The share of calls that the circuit refuses while it is closed, because so many fail; 0 unless it \
                sheds",
        kind: Kind::Gauge {
            read: |seen| seen.snapshot.shed_share,
            gone: 0.0,
        },
    },
    Metric {
        name: "circuit_breaker_open_seconds",
        labels: &[CIRCUIT],
        unit: Unit::Seconds,
        about: "How long this outage has lasted, over all its breaks; 0 while the circuit is closed",
        kind: Kind::Gauge {
            read: |seen| {
                seen.snapshot
                    .outage
                    .map_or(0.0, |outage| outage.as_secs_f64())
            },
            gone: 0.0,
        },
    },
    Metric {
        name: "circuit_breaker_bulkhead_calls",
        labels: &[CIRCUIT, "what"],
        unit: Unit::Calls,
        about: "The bulkhead: its places (NaN while it is off), those that are taken, and calls that wait for a place",
        kind: Kind::Gauges(|reading, set| {
            if let Some(bulkhead) = reading.bulkhead() {
                set(&["places"], bulkhead.places.map_or(f64::NAN, float));
                set(&["taken"], float(bulkhead.taken));
                set(&["waiting"], float(bulkhead.waiting));
            }
        }),
    },
    Metric {
        name: "circuit_breaker_queue_entries",
        labels: &[CIRCUIT],
        unit: Unit::Calls,
        about: "Calls that are kept for later",
        kind: Kind::Gauges(|reading, set| {
            if let Some(queue) = reading.queue() {
                set(&[], float(queue.entries));
            }
        }),
    },
    Metric {
        name: "circuit_breaker_fleet_attached",
        labels: &[CIRCUIT],
        unit: Unit::Word,
        about: "1 while a shared circuit takes part in its fleet, 0 while it is alone; NaN if sharing is off, or the \
                circuit has left",
        kind: Kind::Gauges(|reading, set| {
            if let Some(fleet) = reading.fleet() {
                set(&[], fleet.attached.map_or(f64::NAN, word));
            }
        }),
    },
    Metric {
        name: "circuit_breaker_fleet_instances",
        labels: &[CIRCUIT, "what"],
        unit: Unit::Instances,
        about: "Instances of the fleet that have calls (contributing), and of these the ones that would open by \
                themselves (agreeing); 0 while the circuit is alone",
        kind: Kind::Gauges(|reading, set| {
            if let Some(fleet) = reading.fleet() {
                set(&["contributing"], float(fleet.contributors));
                set(&["agreeing"], float(fleet.agreeing));
            }
        }),
    },
    Metric {
        name: "circuit_breaker_fleet_mismatch",
        labels: &[CIRCUIT],
        unit: Unit::Word,
        about: "1 if this instance runs the circuit with other settings than its fleet, else 0",
        kind: Kind::Gauges(|reading, set| {
            if let Some(fleet) = reading.fleet() {
                set(&[], word(fleet.mismatch));
            }
        }),
    },
    Metric {
        name: "circuit_breaker_unused_settings",
        labels: &[CIRCUIT],
        unit: Unit::Settings,
        about: "How many settings have no effect, although there are calls: a bulkhead without a layer, retries \
                without a policy, shared without a fleet",
        kind: Kind::Gauge {
            read: |seen| float(unused(&seen.settings, &seen.snapshot).count() as u64),
            gone: 0.0,
        },
    },
    Metric {
        name: "circuit_breaker_call_duration_seconds",
        labels: &[CIRCUIT],
        unit: Unit::Seconds,
        about: "How long calls took until the response, or until they were dropped, if durations are turned on",
        kind: Kind::Histogram,
    },
    Metric {
        name: "circuit_breaker_circuits",
        labels: &["state"],
        unit: Unit::Circuits,
        about: "How many circuits there are, by state, those without a label of their own included",
        kind: Kind::Circuits,
    },
];

fn of_totals(reading: &Reading, show: impl FnMut(Totals)) {
    reading.counted.totals.into_iter().for_each(show);
}

#[expect(clippy::cast_precision_loss, reason = "not so many")]
fn float(number: u64) -> f64 {
    number as f64
}

fn word(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn or_nan(share: Option<f64>) -> f64 {
    share.unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::{env, fmt::Write as _, fs};

    use super::*;

    const PAGE: &str = "src/guide/telemetry.md";
    const BEGIN: &str = "<!-- metrics: begin -->\n";
    const END: &str = "<!-- metrics: end -->\n";

    fn unit(unit: Unit) -> &'static str {
        match unit {
            Unit::Calls => "calls",
            Unit::Circuits => "circuits",
            Unit::Instances => "instances",
            Unit::Times => "times",
            Unit::Trips => "trips",
            Unit::Transitions => "transitions",
            Unit::Settings => "settings",
            Unit::Seconds => "seconds",
            Unit::Share => "0 to 1",
            Unit::Word => "–",
        }
    }

    fn table() -> String {
        let mut table = "| name | kind | labels | unit | |\n|---|---|---|---|---|\n".to_owned();
        for metric in &METRICS {
            let Metric { name, about, .. } = metric;
            let (kind, unit) = (metric.kind.label(), unit(metric.unit));
            let labels: Vec<_> = metric
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            let labels = labels.join(", ");
            writeln!(table, "| `{name}` | {kind} | {labels} | {unit} | {about} |").expect("text");
        }
        table
    }

    // L4
    #[test]
    fn the_guide_has_the_table_of_metrics() {
        let page = fs::read_to_string(PAGE).expect("there");
        let (before, rest) = page.split_once(BEGIN).expect("begins somewhere");
        let (_, after) = rest.split_once(END).expect("ends somewhere");
        let said = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
        if env::var_os("BLESS").is_some() {
            return fs::write(PAGE, &said).expect("written");
        }
        assert_eq!(
            page, said,
            "write it by `BLESS=1 cargo test --features registry --lib telemetry`"
        );
    }

    // L4: as Prometheus wants them.
    #[test]
    fn counters_end_in_total_and_others_in_their_unit() {
        for metric in &METRICS {
            let is_counter = matches!(metric.kind, Kind::Counter(_));
            assert_eq!(
                metric.name.ends_with("_total"),
                is_counter,
                "{}",
                metric.name
            );
            let in_seconds = metric.unit == Unit::Seconds;
            assert_eq!(
                metric.name.ends_with("_seconds"),
                in_seconds,
                "{}",
                metric.name
            );
        }
    }
}
