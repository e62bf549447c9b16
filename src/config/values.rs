//! How values with a shape of their own are read, and what they do to a circuit's builder.

use std::{sync::Arc, time::Duration};

use super::{
    keys::{ABANDONED_AFTER, BULKHEAD, Change, Key, OPEN_FOR, RAMP, RETRIES, SHARED, SHED, names},
    problem::Problem,
    read::{DURATION, Reader, SHARE, is_above, is_all_digits, join, range},
    tree::Node,
};
use crate::{
    circuit::{
        builder::CircuitBuilder,
        settings::{
            Agreement, Jitter, MAX_INSTANCES, MAX_PLACES, MAX_PROBES, MAX_RETRIES,
            MAX_RETRIES_PER_SECOND, MAX_REVISION, OpenFor, RetryLimits, Settings,
        },
    },
    machine::{AbandonedPolicy, Mode},
};

pub(super) fn change<T: Clone + Send + Sync + 'static, U>(
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
pub(super) fn set<T: Clone + Send + Sync + 'static>(
    value: Option<Option<T>>,
    set: fn(&mut Settings, Option<T>) -> &mut Settings,
) -> Option<Change> {
    change(value, move |mut builder: CircuitBuilder, value| {
        set(builder.settings_mut(), value);
        builder
    })
}

pub(super) const MODES: [(&str, Mode); 4] = [
    (Mode::Normal.label(), Mode::Normal),
    (Mode::Shadow.label(), Mode::Shadow),
    (Mode::Disabled.label(), Mode::Disabled),
    (Mode::ForcedOpen.label(), Mode::ForcedOpen),
];

pub(super) const JITTERS: [(&str, Jitter); 3] = [
    ("none", Jitter::None),
    ("full", Jitter::Full),
    ("equal", Jitter::Equal),
];

pub(super) const ABANDONED: [(&str, AbandonedPolicy); 3] = [
    ("ignore", AbandonedPolicy::Ignore),
    ("failure", AbandonedPolicy::Failure),
    ("failure_if_slow", AbandonedPolicy::FailureIfSlow),
];

/// `"30s"`, or a table for one that grows.
pub(super) fn open_for(reader: &mut Reader, path: &str, node: &Node) -> Option<OpenFor> {
    if !matches!(node, Node::Map(_)) {
        return reader.duration(path, node).map(OpenFor::constant);
    }
    let (mut first, mut factor, mut max, mut jitter) = (None, Some(1.0), Some(Duration::MAX), None);
    let (mut is_there, mut has_factor, mut has_max) = (false, false, false);
    for (key, value) in reader.table_of(path, node, &names(&OPEN_FOR)) {
        let path = join(path, key);
        match key {
            "first" => (first, is_there) = (reader.duration(&path, value), true),
            "factor" => (factor, has_factor) = (reader.number(&path, value), true),
            "max" => (max, has_max) = (reader.duration(&path, value), true),
            _ => jitter = read_jitter(reader, &path, value),
        }
    }
    if !is_there {
        missing(reader, path, "first", DURATION);
    }
    if has_max && !has_factor {
        let allowed = "a number above 1, because there is a `max`";
        missing(reader, path, "factor", allowed);
        return None;
    }
    let growing = OpenFor::exponential(first?, factor?, max?);
    Some(growing.jitter(jitter.unwrap_or_default()))
}

/// `"full"`, `"equal"`, or a share.
fn read_jitter(reader: &mut Reader, path: &str, node: &Node) -> Option<Jitter> {
    match node {
        Node::Text(text) if !text.ends_with('%') => reader.word(path, node, &JITTERS),
        _ => reader.share(path, node).map(Jitter::Fraction),
    }
}

/// `3`, or `"2 of 3"`.
pub(super) fn probes(reader: &mut Reader, path: &str, node: &Node) -> Option<(u32, u32)> {
    let numbers: Option<(u64, u64)> = match node {
        Node::Text(text) => text
            .split_once(" of ")
            .and_then(|(successes, of)| Some((part_of_probes(successes)?, part_of_probes(of)?))),
        Node::Integer(all) => u64::try_from(*all).ok().map(|all| (all, all)),
        _ => None,
    };
    if is_above(node, u32::MAX.into()) {
        return reader.refuse(path, node, &range(&(1..=MAX_PROBES)));
    }
    let Some((successes, of)) = numbers else {
        return reader.refuse(path, node, "a number such as 3, or \"2 of 3\"");
    };
    let (Ok(successes), Ok(of)) = (successes.try_into(), of.try_into()) else {
        return reader.refuse(path, node, &range(&(1..=MAX_PROBES)));
    };
    Some((successes, of))
}

/// A number that is too large for any is no less one.
fn part_of_probes(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = text.parse().ok();
    number.or_else(|| is_all_digits(text).then_some(u64::MAX))
}

/// `{ over = "10s", from = "10%" }`.
pub(super) fn ramp(reader: &mut Reader, path: &str, node: &Node) -> Option<(Duration, f64)> {
    let keys = (&RAMP, "{ over = \"10s\", from = \"10%\" }");
    let over = (Reader::duration as Reads<_>, DURATION);
    both(reader, (path, node), keys, over, (Reader::share, SHARE))
}

/// `{ multiplier = 1.5, floor = "10%" }`.
pub(super) fn shed(reader: &mut Reader, path: &str, node: &Node) -> Option<(f64, f64)> {
    let keys = (&SHED, "{ multiplier = 1.5, floor = \"10%\" }");
    let multiplier = (Reader::number as Reads<_>, "a number such as 1.5");
    both(
        reader,
        (path, node),
        keys,
        multiplier,
        (Reader::share, SHARE),
    )
}

type Reads<T> = fn(&mut Reader, &str, &Node) -> Option<T>;

/// A table of two keys that have to be there, and what each may be; both are read, whatever the first is.
fn both<T, U>(
    reader: &mut Reader,
    (path, node): (&str, &Node),
    (keys, example): (&[Key; 2], &str),
    first: (Reads<T>, &str),
    second: (Reads<U>, &str),
) -> Option<(T, U)> {
    if !matches!(node, Node::Map(_)) {
        let allowed = format!("a table such as {example}");
        reader.problems.push(Problem::new(path, node, allowed));
        return None;
    }
    let entries = reader.table_of(path, node, &names(keys));
    let value = |key: &Key| {
        let found = entries.iter().find(|(known, _)| *known == key.name);
        found.map(|(_, value)| *value)
    };
    let (one, other) = (value(&keys[0]), value(&keys[1]));
    let one = required(reader, path, keys[0].name, one, first);
    let other = required(reader, path, keys[1].name, other, second);
    Some((one?, other?))
}

fn required<T>(
    reader: &mut Reader,
    path: &str,
    key: &str,
    value: Option<&Node>,
    (read, allowed): (Reads<T>, &str),
) -> Option<T> {
    if value.is_none() {
        missing(reader, path, key, allowed);
    }
    value.and_then(|value| read(reader, &join(path, key), value))
}

/// `20`, or `{ places = 20, wait = "50ms" }`.
pub(super) fn bulkhead(reader: &mut Reader, path: &str, node: &Node) -> Option<(u32, Duration)> {
    let allowed = 1..=MAX_PLACES;
    if !matches!(node, Node::Map(_)) {
        return Some((reader.count(path, node, allowed)?, Duration::ZERO));
    }
    let entries = reader.table_of(path, node, &names(&BULKHEAD));
    let (mut places, mut wait) = (None, Some(Duration::ZERO));
    for (key, value) in &entries {
        let path_of_key = join(path, key);
        match *key {
            "places" => places = Some(reader.count(&path_of_key, value, allowed.clone())),
            _ => wait = reader.duration(&path_of_key, value),
        }
    }
    if places.is_none() {
        missing(reader, path, "places", "a whole number of at least 1");
    }
    Some((places??, wait?))
}

/// `2`, or `{ at_most = 2, share = "10%" }`.
pub(super) fn retries(reader: &mut Reader, path: &str, node: &Node) -> Option<RetryLimits> {
    if !matches!(node, Node::Map(_)) {
        return Some(RetryLimits::new(reader.count(
            path,
            node,
            1..=MAX_RETRIES,
        )?));
    }
    let entries = reader.table_of(path, node, &names(&RETRIES));
    let mut limits = RetryLimits::new(1);
    for (key, value) in &entries {
        let path = join(path, key);
        match *key {
            "at_most" => keep(
                &mut limits.at_most,
                reader.count(&path, value, 1..=MAX_RETRIES),
            ),
            "share" => keep(&mut limits.share, reader.share(&path, value)),
            "per_second" => keep(
                &mut limits.per_second,
                reader.count(&path, value, 0..=MAX_RETRIES_PER_SECOND),
            ),
            _ => keep(&mut limits.max_wait, reader.duration(&path, value)),
        }
    }
    if !entries.iter().any(|(key, _)| *key == "at_most") {
        missing(reader, path, "at_most", "a whole number of at least 1");
        return None;
    }
    Some(limits)
}

/// `true`, or `{ instances = 3, share = "20%" }`. `false` is off.
pub(super) fn shared(reader: &mut Reader, path: &str, node: &Node) -> Option<Option<Agreement>> {
    let mut agreement = Agreement::default();
    if !matches!(node, Node::Map(_)) {
        let is_shared = reader.switch(path, node)?;
        return Some(is_shared.then_some(agreement));
    }
    for (key, value) in reader.table_of(path, node, &names(&SHARED)) {
        let path = join(path, key);
        match key {
            "instances" => keep(
                &mut agreement.instances,
                reader.count(&path, value, 1..=MAX_INSTANCES),
            ),
            "share" => keep(&mut agreement.share, reader.share(&path, value)),
            "trip_now" => keep(&mut agreement.trip_now, reader.switch(&path, value)),
            "revision" => keep(
                &mut agreement.revision,
                reader.whole(&path, value, 0..=MAX_REVISION),
            ),
            _ => keep(
                &mut agreement.stay_open_when_detached,
                reader.switch(&path, value),
            ),
        }
    }
    Some(Some(agreement))
}

/// Where there is no value, that has been told: the default stands in for it, so that the rest is checked all the same.
fn keep<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn missing(reader: &mut Reader, path: &str, key: &str, allowed: &str) {
    reader.problems.push(Problem::missing(path, key, allowed));
}

/// `"ignore"`, `"failure"`, `"failure_if_slow"`, or `{ failure_after = "2s" }`.
pub(super) fn abandoned(reader: &mut Reader, path: &str, node: &Node) -> Option<AbandonedPolicy> {
    if !matches!(node, Node::Map(_)) {
        return reader.word(path, node, &ABANDONED);
    }
    let entries = reader.table_of(path, node, &names(&ABANDONED_AFTER));
    let Some((key, value)) = entries.first() else {
        missing(reader, path, "failure_after", DURATION);
        return None;
    };
    let after = reader.duration(&join(path, key), value);
    after.map(AbandonedPolicy::FailureAfter)
}

/// A table of texts.
pub(super) fn tags(reader: &mut Reader, path: &str, node: &Node) -> Option<Change> {
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
