//! What a file says of the fleet: the instances that share circuits, and how often they speak with their store.

use std::time::Duration;

use super::{
    keys::{FLEET, LONGEST_WAIT, MAX_SHARDS, SHORTEST_WAIT, names},
    problem::Problem,
    read::{Reader, join, range},
    tree::Node,
};

/// How long a namespace and a scope may be.
pub(super) const LONGEST_PART: usize = 64;

/// What holds where nothing is said.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
pub(super) const POLL: Duration = Duration::from_secs(1);
pub(super) const DETACH_AFTER: Duration = Duration::from_secs(3);
pub(super) const BUDGET: u32 = 10_000;

/// The settings of a fleet in a configuration. From [`Config::fleet`](super::Config::fleet). With the feature `fleet`,
/// pass them to `Fleet::of`.
///
/// A fleet reads them when it is built. A newer configuration changes live circuits, but no fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetSettings {
    /// The name of your application. The instances of one namespace share circuits.
    pub namespace: String,
    /// What fails together, such as a zone. Empty: everything.
    pub scope: String,
    /// Over how many parts of the store the circuits are spread. It must be the same in all instances.
    pub shards: Option<u32>,
    /// How soon news is reported.
    pub interval: Option<Duration>,
    /// How soon a change is seen without a hint.
    pub poll: Option<Duration>,
    /// After how long without an answer each circuit is alone.
    pub detach_after: Option<Duration>,
    /// How many reports a second the store shall get from all instances together.
    pub budget: Option<u32>,
    /// What this instance is called, for people.
    pub label: Option<String>,
}

pub(super) fn read(reader: &mut Reader, path: &str, node: &Node) -> Option<FleetSettings> {
    let entries = reader.table_of(path, node, &names(&FLEET));
    let mut fleet = FleetSettings {
        namespace: String::new(),
        scope: String::new(),
        shards: None,
        interval: None,
        poll: None,
        detach_after: None,
        budget: None,
        label: None,
    };
    for (key, value) in &entries {
        let path = join(path, key);
        match *key {
            "namespace" => fleet.namespace = part(reader, &path, value, 1).unwrap_or_default(),
            "scope" => fleet.scope = part(reader, &path, value, 0).unwrap_or_default(),
            "shards" => fleet.shards = count(reader, &path, value, MAX_SHARDS),
            "interval" => fleet.interval = time(reader, &path, value),
            "poll" => fleet.poll = time(reader, &path, value),
            "detach_after" => fleet.detach_after = time(reader, &path, value),
            "budget" => fleet.budget = count(reader, &path, value, u32::MAX),
            _ => fleet.label = reader.text(&path, value).map(str::to_owned),
        }
    }
    check_waits(reader, path, &fleet);
    let is_named = entries.iter().any(|(key, _)| *key == "namespace");
    if !is_named && matches!(node, Node::Map(_)) {
        let missing = Problem::missing(path, "namespace", "the name of your application");
        reader.problems.push(missing);
    }
    is_named.then_some(fleet)
}

/// A part of the keys of a store, of at least so many characters.
fn part(reader: &mut Reader, path: &str, node: &Node, least: usize) -> Option<String> {
    let text = reader.text(path, node)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let fits = (least..=LONGEST_PART).contains(&text.len()) && text.bytes().all(is_plain);
    if !fits {
        let allowed = format!(
            "{least} to {LONGEST_PART} of the letters a to z and A to Z, digits, `_`, `.` and `-`"
        );
        reader.problems.push(Problem::new(path, node, allowed));
    }
    fits.then(|| text.to_owned())
}

fn count(reader: &mut Reader, path: &str, node: &Node, most: u32) -> Option<u32> {
    let allowed = 1..=most;
    let count = reader.count(path, node, allowed.clone())?;
    if allowed.contains(&count) {
        return Some(count);
    }
    let allowed = match most {
        u32::MAX => "at least 1".to_owned(),
        _ => range(&allowed),
    };
    reader.problems.push(Problem::new(path, node, allowed));
    None
}

fn time(reader: &mut Reader, path: &str, node: &Node) -> Option<Duration> {
    let time = reader.duration(path, node)?;
    let fits = (SHORTEST_WAIT..=LONGEST_WAIT).contains(&time);
    if !fits {
        let problem = Problem::new(path, node, "10 ms to an hour");
        reader.problems.push(problem);
    }
    fits.then_some(time)
}

/// One answer that is lost is not to leave every circuit alone.
fn check_waits(reader: &mut Reader, path: &str, fleet: &FleetSettings) {
    let detach_after = fleet.detach_after.unwrap_or(DETACH_AFTER);
    for (key, said, unsaid, times, word) in [
        ("poll", fleet.poll, POLL, 2, "twice"),
        ("interval", fleet.interval, INTERVAL, 4, "four times"),
    ] {
        let time = said.unwrap_or(unsaid);
        if detach_after >= time * times {
            continue;
        }
        let problem = match (fleet.detach_after, said) {
            // The one that is there.
            (None, Some(time)) => {
                let allowed =
                    format!("at most 1/{times} of `detach_after`, which is {DETACH_AFTER:?}");
                Problem::new(&join(path, key), format!("{time:?}"), allowed)
            }
            _ => {
                let allowed = format!("at least {word} `{key}`");
                Problem::new(
                    &join(path, "detach_after"),
                    format!("{detach_after:?}"),
                    allowed,
                )
            }
        };
        reader.problems.push(problem);
        return;
    }
}
