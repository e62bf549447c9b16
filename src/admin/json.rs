//! What is shown of circuits, as JSON: functions of what there is to see, without a word of HTTP in them.
//!
//! Times are RFC 3339 in UTC with milliseconds, durations are seconds, shares are in `0..=1`, words for machines are
//! the [labels](crate::observe#labels), and what there is none of is `null`.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::{
    circuit::{
        by::By,
        event::{Event, What},
        followed::{FleetNews, FleetNow, Heard, Sharing, Why},
        handle::Circuit,
        parts::{BulkheadNow, FallbackTotal, QueueNow, RetryTotals, unused},
        settings::{Settings, SettingsChange},
        snapshot::{RatesOf, Snapshot},
        tags::Tags,
    },
    config::written,
    machine::{Cause, Mode, ProbeCounts, Threshold, Totals, Transition, WindowCounts},
    registry::Registry,
};

/// A circuit as it is now.
pub(crate) fn circuit_now(circuit: &Circuit, registry: &Registry) -> Value {
    let named = registry.is_named(circuit.name());
    self::circuit(circuit, &circuit.snapshot(), named)
}

/// A circuit as it was seen, and whether it is one that never leaves its registry by itself.
pub(crate) fn circuit(circuit: &Circuit, seen: &Snapshot, named: bool) -> Value {
    // The version first: a change between the two makes it too old for what is shown, and never too new.
    let version = circuit.settings_version();
    let settings = circuit.settings();
    let mut shown = object(json!({
        "name": seen.name.as_str(),
        "tags": tags(circuit.tags()),
        "named": named,
        "line": seen.to_string(),
        "settings_version": version,
        "totals": seen.totals.as_ref().map(totals),
        "parts": parts(seen, &settings),
        "fleet": seen.fleet.as_ref().map(fleet),
    }));
    shown.append(&mut state(seen));
    shown.append(&mut rates(seen, &settings));
    Value::Object(shown)
}

fn state(seen: &Snapshot) -> Map<String, Value> {
    object(json!({
        "state": seen.state.label(),
        "mode": seen.mode.label(),
        "era": seen.era,
        "in_state_seconds": seconds(seen.time_in_state),
        "outage_seconds": seen.outage.map(seconds),
        "remaining_seconds": seen.remaining.map(seconds),
        "attempt": seen.attempt,
        "by": seen.by.as_ref().and_then(by),
        "cause": seen.trip().map(|trip| match trip.began {
            Some(began) => cause(began.cause, &began),
            None => cause(trip.cause, &trip),
        }),
        "again": seen.opened_again().map(|trip| cause(trip.cause, &trip)),
        "ramp_share": seen.ramp_share,
        "shed_share": seen.shed_share,
        "probes": seen.probes.as_ref().map(probes),
    }))
}

/// What decides, and what it is held against.
fn rates(seen: &Snapshot, settings: &Settings) -> Map<String, Value> {
    let rates_of = match seen.rates_of() {
        RatesOf::Now => "now",
        RatesOf::Trip => "trip",
    };
    object(json!({
        "failure_rate": seen.failure_rate(),
        "failure_rate_threshold": settings.failure_rate(),
        "slow_call_rate": seen.slow_call_rate(),
        "slow_call_rate_threshold": settings.slow_call_rate(),
        "rates_of": rates_of,
        "window": seen.rate_counts().map(counts),
        "minimum_calls": settings.minimum_calls(),
        "consecutive_failures": seen.consecutive_failures,
        "consecutive_failures_threshold": settings.consecutive_failures(),
    }))
}

fn cause(cause: Cause, text: &dyn fmt::Display) -> Value {
    json!({ "label": cause.label(), "text": text.to_string() })
}

fn counts(counts: WindowCounts) -> Value {
    json!({ "calls": counts.calls, "failures": counts.failed, "slow": counts.slow })
}

fn probes(probes: &ProbeCounts) -> Value {
    json!({
        "in_flight": probes.in_flight,
        "permits": probes.permits,
        "successes_needed": probes.successes_needed,
        "failures_allowed": probes.failures_allowed,
    })
}

fn totals(totals: &Totals) -> Value {
    let by = totals.rejected_by;
    json!({
        "success": totals.successful,
        "failure": totals.failed,
        "ignored": totals.ignored,
        "abandoned": totals.abandoned,
        "rejected": totals.rejected,
        "slow": totals.slow,
        "stale": totals.stale,
        "shadowed": totals.shadowed,
        "trips": totals.trips,
        "vetoed": totals.vetoed,
        "rejected_by": {
            "open": by.open,
            "half_open_full": by.half_open_full,
            "forced_open": by.forced_open,
            "ramping": by.ramping,
            "shedding": by.shedding,
            "bulkhead_full": by.bulkhead_full,
        },
    })
}

/// What is around the breaker: `null` where nothing is, and nothing should be.
fn parts(seen: &Snapshot, settings: &Settings) -> Option<Value> {
    let limit = settings.call_timeout();
    let unused: Vec<_> = unused(settings, seen).collect();
    if seen.parts.is_none() && limit.is_none() && unused.is_empty() {
        return None;
    }
    let parts = seen.parts.clone().unwrap_or_default();
    let timed_out = parts.timed_out;
    Some(json!({
        "call_timeout_seconds": limit.map(seconds),
        "timed_out": {
            "call": timed_out.call,
            "probe": timed_out.probe,
            "caller": timed_out.caller,
        },
        "bulkhead": parts.bulkhead.as_ref().map(bulkhead),
        "fallbacks": parts.fallbacks.iter().map(fallback).collect::<Vec<_>>(),
        "hidden_failures": parts.hidden_failures,
        "misplaced_calls": parts.misplaced_calls,
        "retries": parts.retries.as_ref().map(retries),
        "queue": parts.queue.as_ref().map(queue),
        "unused": unused,
    }))
}

fn bulkhead(bulkhead: &BulkheadNow) -> Value {
    json!({
        "places": bulkhead.places,
        "taken": bulkhead.taken,
        "waiting": bulkhead.waiting,
        "rejected": bulkhead.rejected,
    })
}

fn fallback(total: &FallbackTotal) -> Value {
    json!({
        "kind": total.kind.label(),
        "cause": total.cause.label(),
        "answered": total.answered,
        "failed": total.failed,
    })
}

fn retries(retries: &RetryTotals) -> Value {
    json!({
        "retried": retries.retried,
        "no_budget": retries.no_budget,
        "rejected": retries.rejected,
        "not_closed": retries.not_closed,
        "too_long": retries.too_long,
        "exhausted": retries.exhausted,
        "off": retries.off,
    })
}

fn queue(queue: &QueueNow) -> Value {
    json!({
        "entries": queue.entries,
        "bytes": queue.bytes,
        "oldest_seconds": queue.oldest.map(seconds),
        "kept": queue.kept,
        "refused": queue.refused,
        "delivered": queue.delivered,
        "dead": queue.dead,
    })
}

/// How its fleet stands, as this instance last heard: `null` where it is not shared.
fn fleet(fleet: &FleetNow) -> Value {
    let (attached, since, why) = match fleet.sharing {
        Sharing::Attached { since } => (true, since, None),
        Sharing::Detached { since, why } => (false, since, Some(why)),
    };
    json!({
        "attached": attached,
        "since_seconds": seconds(since),
        "why": why.map(Why::label),
        "stamp": { "era": fleet.stamp.0, "nonce": fleet.stamp.1 },
        "state": fleet.state.label(),
        "forced": fleet.forced,
        "cause": fleet.cause.as_deref(),
        "who": fleet.who.as_deref(),
        "attempt": fleet.attempt,
        "contributors": fleet.contributors,
        "agreeing": fleet.agreeing,
        "window": counts(fleet.window),
        "consecutive_failures": fleet.consecutive_failures,
        "seats": fleet.seats,
        "mismatch": fleet.mismatch,
        "refused": fleet.refused,
    })
}

/// How many instances have heard what a person did, and why it is so on this one only, if it is.
pub(crate) fn heard(heard: Heard) -> (Value, Value) {
    match heard {
        Heard::By(instances) => (instances.into(), Value::Null),
        Heard::OnlyHere(why) => (Value::Null, why.label().into()),
        // The store cannot count them.
        Heard::NotShared | Heard::Unknown => (Value::Null, Value::Null),
    }
}

fn tags(tags: &Tags) -> Value {
    let tags = tags
        .iter()
        .map(|(key, value)| (key.to_owned(), value.into()));
    Value::Object(tags.collect())
}

/// By key, as a configuration says them. What is on can be sent back so.
pub(crate) fn settings(settings: &Settings) -> Value {
    // Only a map with keys that are no text cannot be JSON.
    serde_json::to_value(written(settings)).unwrap_or_default()
}

/// Something that happened.
pub(crate) fn event(event: &Event) -> Value {
    let mut shown = object(json!({
        "id": event.id,
        "at": time(event.at),
        "circuit": event.circuit.as_str(),
        "tags": tags(&event.tags),
        "era": event.era,
        "kind": event.label(),
        "by": by(&event.by),
        "text": event.to_string(),
    }));
    match &event.what {
        What::Transition(told) => {
            shown.append(&mut transition(told));
            let next_probe = event.next_probe().map(time);
            shown.insert("next_probe".to_owned(), next_probe.into());
        }
        What::Settings(change) => shown.append(&mut settings_change(change)),
        What::Fleet(FleetNews::Detached(why)) => {
            shown.insert("why".to_owned(), why.label().into());
        }
        What::Part(_) | What::Fleet(_) | What::Added | What::Removed | What::Evicted => {}
    }
    Value::Object(shown)
}

fn transition(told: &Transition) -> Map<String, Value> {
    let threshold = told.threshold.map(|threshold| match threshold {
        Threshold::Failures(failures) => json!(failures),
        Threshold::Rate(rate) => json!(rate),
    });
    object(json!({
        "from": told.from.label(),
        "to": told.to.label(),
        "mode_before": told.mode_before.label(),
        "mode": told.mode.label(),
        "cause": told.cause.label(),
        "calls": told.counts.map(|counts| counts.calls),
        "failures": told.counts.map(|counts| counts.failed),
        "slow": told.counts.map(|counts| counts.slow),
        "threshold": threshold,
        "attempt": told.attempt,
        "open_for_seconds": told.open_for.map(seconds),
        "vetoed": told.vetoed.map(Cause::label),
    }))
}

fn settings_change(change: &SettingsChange) -> Map<String, Value> {
    let changes = change.changes();
    let changes = changes
        .iter()
        .map(|it| json!({ "setting": it.name(), "before": it.before(), "after": it.after() }));
    object(json!({
        "changes": changes.collect::<Vec<_>>(),
        "version": change.version(),
        "configuration": change.configuration(),
    }))
}

/// `null` if nobody has said who and why.
fn by(by: &By) -> Option<Value> {
    let told = || json!({ "who": by.get_who(), "why": by.get_why() });
    (!by.is_unknown()).then(told)
}

/// A circuit in the words of a health check.
pub(crate) fn health(seen: &Snapshot, now: SystemTime) -> Value {
    let totals = seen.totals.unwrap_or_default();
    let ends = seen.remaining.and_then(|it| now.checked_add(it)).map(time);
    let (next_probe, released) = match seen.mode {
        // Since when it is over is not known: the answer of a moment ago would say another time.
        Mode::ForcedOpen => (None, ends.filter(|_| !seen.is_released())),
        // Whose call it is that is let through, its fleet decides.
        _ if seen.is_led() && seen.remaining == Some(Duration::ZERO) => (None, None),

        Mode::Normal | Mode::Disabled | Mode::Shadow => (ends, None),
    };
    json!({
        "state": seen.state.label(),
        "mode": seen.mode.label(),
        "error_rate": error_rate(seen.rate_counts()),
        "total_calls": totals.ended() + totals.rejected,
        "rejected_calls": totals.rejected,
        "since": now.checked_sub(seen.time_in_state).map(time),
        "cause": seen.trip().map(|trip| match trip.began {
            Some(began) => began.to_string(),
            None => trip.to_string(),
        }),
        "again": seen.opened_again().map(|trip| trip.to_string()),
        "next_probe": next_probe,
        "released": released,
    })
}

/// In percent. Cut off after a tenth, so that only what has failed always reads as 100 %.
fn error_rate(counts: Option<WindowCounts>) -> String {
    let counts = counts.unwrap_or_default();
    let share = u128::from(counts.failed) * 1_000 / u128::from(counts.calls.max(1));
    format!("{}.{}%", share / 10, share % 10)
}

/// RFC 3339 has no time before the epoch here, and none after the year 9999: a clock that is so wrong reads as either.
pub(crate) fn time(at: SystemTime) -> String {
    const LAST: Duration = Duration::from_millis(253_402_300_799_999);
    let at = at.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST);
    humantime::format_rfc3339_millis(at).to_string()
}

/// To microseconds.
#[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

/// Of a literal that is one.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::State;

    fn shown(fleet: Option<FleetNow>) -> Value {
        let circuit = Circuit::builder("a").build().expect("valid");
        let mut seen = circuit.snapshot();
        seen.fleet = fleet;
        self::circuit(&circuit, &seen, true)["fleet"].take()
    }

    // N7
    #[test]
    fn the_fleet_of_a_circuit_is_shown() {
        assert_eq!(shown(None), Value::Null);
        let attached = FleetNow {
            stamp: (12, 34),
            state: State::HalfOpen,
            cause: Some("failure_rate".into()),
            who: Some("ops".into()),
            attempt: 2,
            window: WindowCounts {
                calls: 120,
                failed: 62,
                slow: 5,
            },
            consecutive_failures: 9,
            contributors: 48,
            agreeing: 3,
            seats: 1,
            mismatch: true,
            refused: 4,
            ..FleetNow::attached()
        };
        let expected = json!({
            "attached": true,
            "since_seconds": 7.0,
            "why": null,
            "stamp": { "era": 12, "nonce": 34 },
            "state": "half_open",
            "forced": false,
            "cause": "failure_rate",
            "who": "ops",
            "attempt": 2,
            "contributors": 48,
            "agreeing": 3,
            "window": { "calls": 120, "failures": 62, "slow": 5 },
            "consecutive_failures": 9,
            "seats": 1,
            "mismatch": true,
            "refused": 4,
        });
        assert_eq!(shown(Some(attached)), expected);
        let since = Duration::from_millis(1_500);
        let detached = shown(Some(FleetNow {
            sharing: Sharing::Detached {
                since,
                why: Why::ReadOnly,
            },
            forced: true,
            ..FleetNow::attached()
        }));
        assert_eq!(
            (&detached["attached"], &detached["why"]),
            (&json!(false), &json!("read_only"))
        );
        assert_eq!(detached["since_seconds"], json!(1.5));
        assert_eq!(
            (&detached["forced"], &detached["cause"]),
            (&json!(true), &Value::Null)
        );
    }

    // L8, N5
    #[test]
    fn health_promises_no_probe_that_the_fleet_has_to_grant() {
        let circuit = Circuit::builder("a").build().expect("valid");
        let next_probe = |state, remaining| {
            let mut seen = circuit.snapshot();
            (seen.state, seen.remaining) = (State::Open, Some(remaining));
            seen.fleet = Some(FleetNow {
                state,
                ..FleetNow::attached()
            });
            health(&seen, UNIX_EPOCH)["next_probe"].take()
        };
        let second = Duration::from_secs(1);
        assert_eq!(next_probe(State::Open, second), "1970-01-01T00:00:01.000Z");
        assert_eq!(next_probe(State::Open, Duration::ZERO), Value::Null);
        // Open alone: the next call is one.
        assert_eq!(
            next_probe(State::Closed, Duration::ZERO),
            "1970-01-01T00:00:00.000Z"
        );
    }

    // L1, N7
    #[test]
    fn an_event_says_why_a_circuit_is_alone() {
        let circuit = Circuit::builder("a").build().expect("valid");
        let told = |news| {
            let event = Event::new(&circuit, What::Fleet(news), By::unknown());
            let mut event = super::event(&event);
            (
                event["kind"].take(),
                event["why"].take(),
                event["text"].take(),
            )
        };
        assert_eq!(
            told(FleetNews::Detached(Why::TimedOut)),
            (
                json!("fleet_detached"),
                json!("timed_out"),
                json!(
                    "circuit `a` is alone, not shared with its fleet: the store does not answer in time"
                ),
            ),
        );
        for (news, kind) in [
            (FleetNews::Attached, "fleet_attached"),
            (FleetNews::Mismatch, "fleet_mismatch"),
            (FleetNews::Refused, "fleet_refused"),
        ] {
            let (told, why, _) = told(news);
            assert_eq!((told, why), (json!(kind), Value::Null));
        }
    }

    #[test]
    fn a_clock_that_is_wrong_has_a_time_too() {
        for (at, told) in [
            (
                UNIX_EPOCH + Duration::from_millis(1_234),
                "1970-01-01T00:00:01.234Z",
            ),
            (
                UNIX_EPOCH - Duration::from_secs(1),
                "1970-01-01T00:00:00.000Z",
            ),
            (
                UNIX_EPOCH + Duration::from_secs(1 << 40),
                "9999-12-31T23:59:59.999Z",
            ),
        ] {
            assert_eq!(time(at), told);
        }
    }

    #[test]
    fn only_what_has_always_failed_reads_as_100_percent() {
        let rate = |failed, calls| {
            error_rate(Some(WindowCounts {
                failed,
                calls,
                ..WindowCounts::default()
            }))
        };
        assert_eq!(rate(1, 8), "12.5%");
        assert_eq!(rate(9_999, 10_000), "99.9%");
        assert_eq!(rate(u64::MAX, u64::MAX), "100.0%");
        assert_eq!(
            (rate(0, 0), error_rate(None)),
            ("0.0%".into(), "0.0%".into())
        );
    }
}
