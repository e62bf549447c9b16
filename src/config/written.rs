//! Settings as a configuration says them: what is shown to a person can be sent back.

use serde::{Serialize, Serializer};

use super::{
    tree::Node,
    values::{ABANDONED, JITTERS},
};
use crate::{
    circuit::settings::{Jitter, OpenFor, Settings, Value},
    machine::AbandonedPolicy,
};

/// Settings by key, each as a configuration may have it. What only code can say, which is a closure, is told in words
/// that no configuration takes.
pub(crate) fn written(settings: &Settings) -> impl Serialize + use<> {
    let values = settings.values();
    let said = values
        .iter()
        .filter_map(|(key, value)| Some(((*key).to_owned(), node(key, value)?)));
    Node::Map(said.collect())
}

/// There is no word for it.
const OFF_IF_LEFT_OUT: [&str; 4] = ["event_log", "jitter_seed", "minimum_calls", "trip_when"];

fn node(key: &str, value: &Value) -> Option<Node> {
    Some(match value {
        Value::Off if OFF_IF_LEFT_OUT.contains(&key) => return None,
        // A switch, which is not printed where it is off.
        Value::Off if key == "durations" => false.into(),
        Value::Off => text("off"),
        Value::Number(number) => (*number).into(),
        Value::Share(share) => (*share).into(),
        Value::Time(time) => (*time).into(),
        Value::Switch(on) => (*on).into(),
        Value::Probes(successes, of) => Node::Text(format!("{successes} of {of}")),
        Value::Ramp(over, from) => table([("over", (*over).into()), ("from", (*from).into())]),
        Value::Shed(multiplier, floor) => table([
            ("multiplier", (*multiplier).into()),
            ("floor", (*floor).into()),
        ]),
        Value::Bulkhead(places, wait) => {
            table([("places", (*places).into()), ("wait", (*wait).into())])
        }
        Value::Retries(limits) => table([
            ("at_most", limits.at_most.into()),
            ("share", limits.share.into()),
            ("per_second", limits.per_second.into()),
            ("max_wait", limits.max_wait.into()),
        ]),
        Value::Shared(agreement) => table([
            ("instances", u64::from(agreement.instances).into()),
            ("share", agreement.share.into()),
            ("trip_now", agreement.trip_now.into()),
            (
                "stay_open_when_detached",
                agreement.stay_open_when_detached.into(),
            ),
            ("revision", agreement.revision.into()),
        ]),
        Value::Abandoned(AbandonedPolicy::FailureAfter(time)) => {
            table([("failure_after", (*time).into())])
        }
        Value::Abandoned(policy) => word(&ABANDONED, *policy),
        Value::OpenFor(open_for) if !open_for.is_function() => node_of_open_for(open_for),
        Value::OpenFor(_) | Value::Policy(_) => Node::Text(value.to_string()),
    })
}

/// `"30s"`, or a table for one that grows.
fn node_of_open_for(open_for: &OpenFor) -> Node {
    let first = open_for.first().into();
    if *open_for == OpenFor::constant(open_for.first()) {
        return first;
    }
    let max = (open_for.max() < std::time::Duration::MAX).then(|| open_for.max().into());
    let jitter = match open_for.get_jitter() {
        Jitter::Fraction(share) => share.into(),
        jitter => word(&JITTERS, jitter),
    };
    let always = [
        ("first", first),
        ("factor", open_for.factor().into()),
        ("jitter", jitter),
    ];
    table(always.into_iter().chain(max.map(|max| ("max", max))))
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: T) -> Node {
    let found = words.iter().find(|(_, known)| *known == value);
    found.map_or(Node::Nothing, |(word, _)| text(word))
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

fn table(entries: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    let owned = |(key, value): (&str, Node)| (key.to_owned(), value);
    Node::Map(entries.into_iter().map(owned).collect())
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => match u64::try_from(*value) {
                Ok(value) => serializer.serialize_u64(value),
                Err(_) => serializer.serialize_i128(*value),
            },
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        circuit::{handle::Circuit, settings::Agreement},
        config::Config,
    };

    /// What becomes of settings that are written and read again.
    fn back_again(settings: &Settings) -> Settings {
        let json = serde_json::to_value(written(settings)).expect("JSON");
        let file = serde_json::json!({ "circuits": { "it": json } });
        let config = Config::read(file).unwrap_or_else(|problems| panic!("{problems}"));
        let registry = config.registry().build().expect("valid");
        registry.get("it").expect("it").settings()
    }

    fn settings_of(change: impl FnOnce(&mut Settings) -> &mut Settings) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        let circuit = Circuit::builder("it").settings(&settings).build();
        circuit.expect("valid").settings()
    }

    // I7: what is written can be read, whatever the settings are.
    #[test]
    fn settings_that_are_written_are_read_as_the_same() {
        let second = Duration::from_secs(1);
        let growing = || OpenFor::exponential(second, 1.5, second * 60);
        for settings in [
            settings_of(|it| it),
            settings_of(|it| {
                it.set_count_window(None)
                    .set_time_window(second * 60)
                    .set_failure_rate(0.123_456)
                    .set_slow_call_rate(0.5)
                    .set_slow_call_duration(second / 3)
                    .set_open_for(growing().jitter(Jitter::Fraction(0.2)))
                    .set_jitter_seed(u64::MAX)
                    .set_ramp((second * 10, 0.1))
                    .set_shed((1.001, 0.05))
                    .set_spread_retry_after(0.3)
                    .set_probes((2, 3))
                    .set_permits(2)
                    .set_abandoned(AbandonedPolicy::FailureAfter(second))
            }),
            settings_of(|it| {
                it.set_failure_rate(None)
                    .set_count_window(None)
                    .set_minimum_calls(None)
                    .set_consecutive_failures(3)
                    .set_consecutive_failures_span(second)
                    .set_half_open_timeout(second * 7)
                    .set_probe_timeout(second / 4)
                    .set_open_for(growing().jitter(Jitter::Full))
                    .set_abandoned(AbandonedPolicy::Ignore)
                    .set_totals(false)
                    .set_durations(true)
            }),
            settings_of(|it| it.set_shared(Agreement::default())),
            settings_of(|it| {
                let agreement = Agreement::of(3).share(0.0).revision(1 << 52);
                it.set_shared(agreement.trip_now(true).stay_open_when_detached(true))
            }),
            settings_of(|it| {
                let open_for = OpenFor::exponential(second, 1.0, Duration::MAX);
                it.set_open_for(open_for.jitter(Jitter::Equal))
            }),
        ] {
            assert_eq!(back_again(&settings), settings);
        }
    }

    // I7: or defaults that say something else would hold where it is sent back.
    #[test]
    fn what_is_off_is_said() {
        let json = serde_json::to_value(written(&settings_of(|it| it))).expect("JSON");
        for key in [
            "consecutive_failures",
            "half_open_timeout",
            "ramp",
            "shared",
        ] {
            assert_eq!(json[key], "off", "{key}");
        }
        assert_eq!(json["durations"], false);
        assert_eq!(json.get("event_log"), None);
    }

    // I7
    #[test]
    fn a_break_that_grows_without_an_end_has_no_max() {
        let second = Duration::from_secs(1);
        let max_of = |max| {
            let open_for = OpenFor::exponential(second, 2.0, max);
            let settings = settings_of(|it| it.set_open_for(open_for));
            let json = serde_json::to_value(written(&settings)).expect("JSON");
            json["open_for"].get("max").cloned()
        };
        assert_eq!(max_of(Duration::MAX), None);
        assert_eq!(max_of(second * 60), Some("1m".into()));
    }

    #[test]
    fn a_closure_is_told_in_words() {
        let open_for = OpenFor::from_fn(|_| Duration::from_secs(1));
        let settings = settings_of(|it| it.set_open_for(open_for));
        let json = serde_json::to_value(written(&settings)).expect("JSON");
        assert_eq!(json["open_for"], "a function of the attempt");
        assert_eq!(json.get("trip_when"), None);
    }
}
