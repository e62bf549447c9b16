//! Every key of a circuit: one table, from which they are read and told.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    problem::Problem,
    read::{Reader, join},
    tree::Node,
};
use crate::{
    circuit::{
        builder::CircuitBuilder,
        settings::{Jitter, OpenFor, Settings},
    },
    machine::{AbandonedPolicy, Mode},
};

/// What a key and its value do to a circuit's builder.
type Change = Arc<dyn Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync>;

/// One key with its value.
#[derive(Clone)]
pub(super) struct Assignment {
    pub(super) key: &'static str,
    pub(super) path: String,
    pub(super) change: Change,
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

type Read = fn(&mut Reader, &str, &Node) -> Option<Change>;

/// A key of a circuit: its name and how it is read. Named like the builder's methods, which tell what they mean, their
/// ranges and their defaults.
const KEYS: [(&str, Read); 21] = [
    ("abandoned", |r, p, n| {
        change(abandoned(r, p, n), CircuitBuilder::abandoned)
    }),
    ("consecutive_failures", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::count),
            Settings::set_consecutive_failures,
        )
    }),
    ("consecutive_failures_span", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::duration),
            Settings::set_consecutive_failures_span,
        )
    }),
    ("count_window", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::small_count),
            Settings::set_count_window,
        )
    }),
    ("failure_rate", |r, p, n| {
        let share = r.unless_off(p, n, Reader::share);
        change(share, CircuitBuilder::failure_rate)
    }),
    ("half_open_timeout", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::duration),
            Settings::set_half_open_timeout,
        )
    }),
    ("jitter_seed", |r, p, n| {
        change(r.count(p, n), CircuitBuilder::jitter_seed)
    }),
    ("minimum_calls", |r, p, n| {
        change(r.count(p, n), CircuitBuilder::minimum_calls)
    }),
    ("mode", |r, p, n| {
        change(r.word(p, n, &MODES), CircuitBuilder::mode)
    }),
    ("open_for", |r, p, n| {
        change(open_for(r, p, n), CircuitBuilder::open_for)
    }),
    ("permits", |r, p, n| {
        change(r.count(p, n), CircuitBuilder::permits)
    }),
    ("probe_timeout", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::duration),
            Settings::set_probe_timeout,
        )
    }),
    ("probes", |r, p, n| {
        change(probes(r, p, n), |builder, (successes, of)| {
            builder.probes(successes, of)
        })
    }),
    ("ramp", |r, p, n| {
        set(r.unless_off(p, n, ramp), Settings::set_ramp)
    }),
    ("slow_call_duration", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::duration),
            Settings::set_slow_call_duration,
        )
    }),
    ("slow_call_rate", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::share),
            Settings::set_slow_call_rate,
        )
    }),
    ("spread_retry_after", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::share),
            Settings::set_spread_retry_after,
        )
    }),
    ("tags", tags),
    ("time_window", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::duration),
            Settings::set_time_window,
        )
    }),
    ("time_window_buckets", |r, p, n| {
        set(
            r.unless_off(p, n, Reader::small_count),
            Settings::set_time_window_buckets,
        )
    }),
    ("totals", |r, p, n| {
        change(r.switch(p, n), CircuitBuilder::totals)
    }),
];

/// The names of all keys.
pub(super) fn names() -> [&'static str; KEYS.len()] {
    KEYS.map(|(name, _)| name)
}

/// Reads one key of a circuit. One that is not known has been told.
pub(super) fn read(reader: &mut Reader, path: &str, key: &str, node: &Node) -> Option<Assignment> {
    let (key, read) = KEYS.iter().find(|(name, _)| *name == key)?;
    let path = join(path, key);
    let change = read(reader, &path, node)?;
    Some(Assignment { key, path, change })
}

fn change<T: Clone + Send + Sync + 'static, U>(
    value: Option<T>,
    set: impl Fn(CircuitBuilder, T) -> U + Send + Sync + 'static,
) -> Option<Change>
where
    U: Into<CircuitBuilder>,
{
    let value = value?;
    Some(Arc::new(move |builder| set(builder, value.clone()).into()))
}

/// The same for what can be off.
fn set<T: Clone + Send + Sync + 'static>(
    value: Option<Option<T>>,
    set: fn(&mut Settings, Option<T>) -> &mut Settings,
) -> Option<Change> {
    change(value, move |mut builder: CircuitBuilder, value| {
        set(builder.settings_mut(), value);
        builder
    })
}

const MODES: [(&str, Mode); 4] = [
    (Mode::Normal.label(), Mode::Normal),
    (Mode::Shadow.label(), Mode::Shadow),
    (Mode::Disabled.label(), Mode::Disabled),
    (Mode::ForcedOpen.label(), Mode::ForcedOpen),
];

/// `"30s"`, or a table for one that grows.
fn open_for(reader: &mut Reader, path: &str, node: &Node) -> Option<OpenFor> {
    if !matches!(node, Node::Map(_)) {
        return reader.duration(path, node).map(OpenFor::constant);
    }
    let (mut first, mut factor, mut max, mut jitter) = (None, Some(1.0), Some(Duration::MAX), None);
    let (mut is_there, mut has_factor, mut has_max) = (false, false, false);
    for (key, value) in reader.table_of(path, node, &["first", "factor", "max", "jitter"]) {
        let path = join(path, key);
        match key {
            "first" => (first, is_there) = (reader.duration(&path, value), true),
            "factor" => (factor, has_factor) = (reader.number(&path, value), true),
            "max" => (max, has_max) = (reader.duration(&path, value), true),
            _ => jitter = read_jitter(reader, &path, value),
        }
    }
    if !is_there {
        missing(reader, &join(path, "first"), super::read::DURATION);
    }
    if has_max && !has_factor {
        let allowed = "a number above 1, because there is a `max`";
        missing(reader, &join(path, "factor"), allowed);
        return None;
    }
    let growing = OpenFor::exponential(first?, factor?, max?);
    Some(growing.jitter(jitter.unwrap_or_default()))
}

/// `"full"`, `"equal"`, or a share.
fn read_jitter(reader: &mut Reader, path: &str, node: &Node) -> Option<Jitter> {
    match node {
        Node::Text(text) if !text.ends_with('%') => reader.word(
            path,
            node,
            &[
                ("none", Jitter::None),
                ("full", Jitter::Full),
                ("equal", Jitter::Equal),
            ],
        ),
        _ => reader.share(path, node).map(Jitter::Fraction),
    }
}

/// `3`, or `"2 of 3"`.
fn probes(reader: &mut Reader, path: &str, node: &Node) -> Option<(u64, u64)> {
    let numbers = match node {
        Node::Text(text) => text.split_once(" of ").and_then(|(successes, of)| {
            Some((successes.trim().parse().ok()?, of.trim().parse().ok()?))
        }),
        Node::Integer(all) => u64::try_from(*all).ok().map(|all| (all, all)),
        _ => None,
    };
    if numbers.is_none() {
        let allowed = "a number such as 3, or \"2 of 3\"";
        reader.problems.push(Problem::new(path, node, allowed));
    }
    numbers
}

/// `{ over = "10s", from = "10%" }`.
fn ramp(reader: &mut Reader, path: &str, node: &Node) -> Option<(Duration, f64)> {
    if !matches!(node, Node::Map(_)) {
        let allowed = "a table such as { over = \"10s\", from = \"10%\" }";
        reader.problems.push(Problem::new(path, node, allowed));
        return None;
    }
    let (mut over, mut from) = (None, None);
    let entries = reader.table_of(path, node, &["over", "from"]);
    for key in ["over", "from"] {
        let path = join(path, key);
        match (key, entries.iter().find(|(known, _)| *known == key)) {
            ("over", Some((_, value))) => over = reader.duration(&path, value),
            (_, Some((_, value))) => from = reader.share(&path, value),
            ("over", None) => missing(reader, &path, super::read::DURATION),
            (_, None) => missing(reader, &path, super::read::SHARE),
        }
    }
    Some((over?, from?))
}

fn missing(reader: &mut Reader, path: &str, allowed: &str) {
    reader
        .problems
        .push(Problem::new(path, "not there", allowed));
}

/// `"ignore"`, `"failure"`, `"failure_if_slow"`, or `{ failure_after = "2s" }`.
fn abandoned(reader: &mut Reader, path: &str, node: &Node) -> Option<AbandonedPolicy> {
    if !matches!(node, Node::Map(_)) {
        let words = [
            ("ignore", AbandonedPolicy::Ignore),
            ("failure", AbandonedPolicy::Failure),
            ("failure_if_slow", AbandonedPolicy::FailureIfSlow),
        ];
        return reader.word(path, node, &words);
    }
    let path_of_time = join(path, "failure_after");
    let entries = reader.table_of(path, node, &["failure_after"]);
    let Some((_, value)) = entries.first() else {
        missing(reader, &path_of_time, super::read::DURATION);
        return None;
    };
    let after = reader.duration(&path_of_time, value);
    after.map(AbandonedPolicy::FailureAfter)
}

/// A table of texts.
fn tags(reader: &mut Reader, path: &str, node: &Node) -> Option<Change> {
    let mut tags = Vec::new();
    for (key, value) in reader.table(path, node) {
        if let Some(value) = reader.text(&join(path, key), value) {
            tags.push((key.to_owned(), value.to_owned()));
        }
    }
    Some(Arc::new(move |builder| {
        let tag = |builder: CircuitBuilder, (key, value): &(String, String)| {
            builder.tag(key.clone(), value.clone())
        };
        tags.iter().fold(builder, tag)
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::names;
    use crate::circuit::settings::Settings;

    // I7: whoever adds a setting adds its key. A closure is no data; mode and tags are no settings.
    #[test]
    fn each_setting_that_is_data_has_a_key() {
        let settings = Settings::default().values();
        let mut expected: BTreeSet<_> = settings.iter().map(|(name, _)| *name).collect();
        assert!(expected.remove("trip_when"));
        expected.extend(["mode", "tags"]);
        assert_eq!(BTreeSet::from(names()), expected);
    }
}
