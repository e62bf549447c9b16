//! Every key that a configuration may have: one table, from which they are read and told, and from which tests write
//! the JSON schema and the tables of the guide.
//!
//! To add a key of a circuit, add an entry to [`CIRCUIT`]: what it is, and how it is read. A new part of a
//! configuration is a line of [`PARTS`], a table of its own for its keys ([`Shape::Table`]), and an arm where the
//! parts are read. Then `BLESS=1 cargo test --features config --lib config` writes the schema and the guide anew.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    fleet::{BUDGET, DETACH_AFTER, INTERVAL, POLL},
    lint::Allowed,
    read::{Reader, join},
    tree::Node,
    values::{
        ABANDONED, JITTERS, MODES, abandoned, bulkhead, change, open_for, probes, ramp, retries,
        set, shared, shed, tags,
    },
};
use crate::{
    circuit::{
        builder::CircuitBuilder,
        handle,
        observe::KEPT_IN_A_REGISTRY,
        settings::{
            Agreement, MAX_CONSECUTIVE_FAILURES, MAX_INSTANCES, MAX_PLACES, MAX_PROBES,
            MAX_RETRIES, MAX_RETRIES_PER_SECOND, MAX_REVISION, RetryLimits, Settings,
        },
    },
    machine::{MAX_BUCKETS, MAX_SIZE, MAX_SPAN, MIN_SPAN, Mode},
    registry::DEFAULT_MAX_CIRCUITS,
    service::reject::DAY,
};

/// A key, what it may be, and what it is about.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "tests write the schema and the guide from it")
)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Its value has one of these.
    pub(super) shapes: &'static [Shape],
    pub(super) unsaid: Unsaid,
    /// One sentence. What `unsaid` cannot tell of the default is a second.
    pub(super) about: &'static str,
}

/// What a value looks like. Times are above zero.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "tests write the schema and the guide from it")
)]
pub(super) enum Shape {
    /// `"off"`.
    Off,
    /// A whole number, of at least so much and at most so much.
    Count(u32, u32),
    /// A whole number of at most so much.
    Whole(u64),
    /// Any number of at least so much.
    Number(f64),
    NumberTo(f64, f64),
    /// Above 0 and at most 1.
    Share,
    /// 0 as a share.
    NoShare,
    Time,
    /// No time at all.
    NoTime,
    TimeOf(Duration, Duration),
    Switch,
    Word(&'static [&'static str]),
    /// `"2 of 3"`.
    Probes,
    Text,
    /// The name of a circuit, perhaps with `*` in it.
    Name,
    /// Letters, digits, `_`, `.` and `-`, so many of them at least.
    Part(usize),
    /// Any keys, with texts.
    Texts,
    /// These keys and no others.
    Table(&'static [Key]),
    /// A list of tables with these keys.
    List(&'static [Key]),
    /// Tables with these keys by any word.
    Tables(&'static [Key]),
    /// A list of statuses.
    Statuses,
    /// The name of a header.
    HeaderName,
    /// What may be said of a circuit: [`CIRCUIT`], [`EXTENDS`] and [`ALLOW`].
    Circuit,
    /// The same by name.
    Circuits,
    /// The same by any word.
    Bases,
    /// A list of the same, each with [`NAMES`].
    Patterns,
    /// A list of names of lints.
    Lints,
}

/// What holds where a key is left out.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "tests write the schema and the guide from it")
)]
pub(super) enum Unsaid {
    /// It must not be left out.
    Required,
    /// As if there were nothing to say.
    Nothing,
    /// This, which a circuit has of which nothing is said.
    Is(fn(&Settings) -> Node),
}

use {
    Shape::{
        Bases, Circuit, Circuits, Count, HeaderName, Lints, List, Name, NoShare, NoTime, Number,
        NumberTo, Off, Part, Patterns, Probes, Share, Statuses, Switch, Table, Tables, Text, Texts,
        Time, TimeOf, Whole, Word,
    },
    Unsaid::{Is, Nothing, Required},
};

const fn key(
    name: &'static str,
    shapes: &'static [Shape],
    unsaid: Unsaid,
    about: &'static str,
) -> Key {
    Key {
        name,
        shapes,
        unsaid,
        about,
    }
}

/// What a configuration is made of.
pub(super) const PARTS: [Key; 10] = [
    key(
        "defaults",
        &[Circuit],
        Nothing,
        "Settings for every circuit.",
    ),
    key(
        "matching",
        &[Patterns],
        Nothing,
        "Settings for circuits whose name matches. If two blocks set the same key, the later one counts.",
    ),
    key(
        "circuits",
        &[Circuits],
        Nothing,
        "Circuits that are there from the start, by name.",
    ),
    key(
        "bases",
        &[Bases],
        Nothing,
        "Blocks that others extend, by name.",
    ),
    key(
        "caps",
        &[List(&CAP)],
        Nothing,
        "Groups of circuits. Of each, only a share may be open at once because of failures.",
    ),
    key(
        "layers",
        &[Tables(&LAYER)],
        Nothing,
        "What layers are built with, by the name of the layer.",
    ),
    key(
        "fleet",
        &[Table(&FLEET)],
        Nothing,
        "The fleet: the instances that share the circuits that are `shared`.",
    ),
    key(
        "max_circuits",
        &[Count(1, u32::MAX)],
        Is(|_| DEFAULT_MAX_CIRCUITS.into()),
        "How many circuits there may be; at least as many as there are `circuits`.",
    ),
    ALLOW,
    key(
        "$schema",
        &[Text],
        Nothing,
        "Where an editor finds the schema of a JSON file; nothing else looks at it.",
    ),
];

/// What may be said of a layer.
pub(super) const LAYER: [Key; 8] = [
    key(
        "key",
        &[Word(&KEY_WORDS), Table(&KEY)],
        Nothing,
        "Which circuit of the registry a request belongs to. Routes need the feature `axum`.",
    ),
    key(
        "known_keys_only",
        &[Switch],
        Is(|_| false.into()),
        "A request whose key has no circuit yet does not make one.",
    ),
    key(
        "failures",
        &[Statuses],
        Nothing,
        "Statuses that are failures, too.",
    ),
    key(
        "successes",
        &[Statuses],
        Nothing,
        "Statuses that are successes, too.",
    ),
    key(
        "ignored",
        &[Statuses],
        Nothing,
        "Statuses that are ignored, too.",
    ),
    key(
        "trip_now",
        &[Statuses],
        Nothing,
        "Statuses that open the circuit at once.",
    ),
    key(
        "client_errors_succeed",
        &[Switch],
        Is(|_| false.into()),
        "A 4xx counts as a success, except 408, 425 and 429. Without this, it enters no rate.",
    ),
    key(
        "retry_after",
        &[Table(&RETRY_AFTER)],
        Nothing,
        "A `Retry-After` of failures is honoured. Needs the feature `retry-after`.",
    ),
];

/// Into how many shards circuits can be spread.
pub(super) const MAX_SHARDS: u32 = 256;

pub(super) const SHORTEST_WAIT: Duration = Duration::from_millis(10);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// What may be said of the fleet.
pub(super) const FLEET: [Key; 8] = [
    key(
        "namespace",
        &[Part(1)],
        Required,
        "The name of your application: circuits are shared by the instances of one namespace.",
    ),
    key(
        "scope",
        &[Part(0)],
        Nothing,
        "The part of your system that fails together, such as a zone. Circuits are shared only by instances of one \
         scope.",
    ),
    key(
        "shards",
        &[Count(1, MAX_SHARDS)],
        Is(|_| Node::Integer(1)),
        "Over how many parts of the store the circuits are spread. It must be the same in all instances.",
    ),
    key(
        "interval",
        &[TimeOf(SHORTEST_WAIT, LONGEST_WAIT)],
        Is(|_| INTERVAL.into()),
        "How soon an instance reports news to the store.",
    ),
    key(
        "poll",
        &[TimeOf(SHORTEST_WAIT, LONGEST_WAIT)],
        Is(|_| POLL.into()),
        "How soon an instance sees a decision of others if the store gives no hint.",
    ),
    key(
        "detach_after",
        &[TimeOf(SHORTEST_WAIT, LONGEST_WAIT)],
        Is(|_| DETACH_AFTER.into()),
        "If the store does not answer for this long, each circuit goes on alone. It must be at least twice the \
         `poll` and four times the `interval`.",
    ),
    key(
        "budget",
        &[Count(1, u32::MAX)],
        Is(|_| BUDGET.into()),
        "About how many reports each shard of the store is to get in a second, from all instances together.",
    ),
    key(
        "label",
        &[Text],
        Nothing,
        "What this instance is called, for people: its host, or its pod.",
    ),
];

const KEY_WORDS: [&str; 5] = super::layers::KEYS;

/// A key that is in a header.
pub(super) const KEY: [Key; 1] = [key(
    "header",
    &[HeaderName],
    Required,
    "The name of the header.",
)];

/// How long a `Retry-After` may be.
pub(super) const RETRY_AFTER: [Key; 2] = [
    key(
        "minimum",
        &[Time],
        Nothing,
        "A shorter time counts as this one; at most the `maximum`.",
    ),
    key(
        "maximum",
        &[TimeOf(Duration::from_nanos(1), DAY)],
        Required,
        "A longer time counts as this one.",
    ),
];

/// What may be said of a cap.
pub(super) const CAP: [Key; 4] = [
    key(
        "names",
        &[Name],
        Nothing,
        "Only circuits of this name, in which `*` stands for any characters.",
    ),
    key(
        "tags",
        &[Texts],
        Nothing,
        "Only circuits that have these tags.",
    ),
    key(
        "at_most",
        &[Share],
        Required,
        "At most this share of the circuits may be open at once because of failures.",
    ),
    key(
        "at_least_one",
        &[Switch],
        Is(|_| false.into()),
        "At least one circuit may be open, however few there are.",
    ),
];

/// Beside the keys of a circuit, wherever those may stand.
pub(super) const EXTENDS: Key = key(
    "extends",
    &[Text],
    Nothing,
    "The name of one of the `bases`. Its keys hold, unless this block has the same key.",
);

/// The same, and at the top.
pub(super) const ALLOW: Key = key(
    "allow",
    &[Lints],
    Nothing,
    "Lints that are not reported: at the top for the whole file, in a block for its circuits.",
);

/// Beside the keys of a circuit in `matching`.
pub(super) const NAMES: Key = key(
    "names",
    &[Name],
    Required,
    "Which circuits are meant: a name, in which `*` stands for any characters.",
);

const MODE_WORDS: [&str; 4] = words(&MODES);
const JITTER_WORDS: [&str; 3] = words(&JITTERS);
const ABANDONED_WORDS: [&str; 3] = words(&ABANDONED);

/// What a key and its value do to a circuit's builder.
pub(super) type Change = Arc<dyn Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync>;

type Read = fn(&mut Reader, &str, &Node) -> Option<Change>;

/// What may be said of a circuit, and how it is read. Named like the builder's methods, which tell more of each.
pub(super) const CIRCUIT: [(Key, Read); 28] = [
    (
        key(
            "failure_rate",
            &[Share, Off],
            Is(|it| it.failure_rate().into()),
            "Opens when at least this share of the calls in the window has failed. If left out, it is off where there \
             are `consecutive_failures` and no window is named.",
        ),
        |r, p, n| {
            let share = r.unless_off(p, n, Reader::share);
            change(share, CircuitBuilder::failure_rate)
        },
    ),
    (
        key(
            "consecutive_failures",
            &[Count(1, MAX_CONSECUTIVE_FAILURES), Off],
            Is(|it| it.consecutive_failures().into()),
            "Opens at so many failures in a row.",
        ),
        |r, p, n| {
            let allowed = 1..=MAX_CONSECUTIVE_FAILURES;
            let failures = r.unless_off(p, n, |r, p, n| r.count(p, n, allowed));
            set(failures, Settings::set_consecutive_failures)
        },
    ),
    (
        key(
            "consecutive_failures_span",
            &[Time, Off],
            Is(|it| it.consecutive_failures_span().into()),
            "The failures in a row must span at least this time, from the first to the last. Only where there are \
             `consecutive_failures`.",
        ),
        |r, p, n| {
            let span = r.unless_off(p, n, Reader::duration);
            set(span, Settings::set_consecutive_failures_span)
        },
    ),
    (
        key(
            "slow_call_rate",
            &[Share, Off],
            Is(|it| it.slow_call_rate().into()),
            "Opens when at least this share of the calls in the window was slow. Only where there is a \
             `slow_call_duration`.",
        ),
        |r, p, n| {
            let share = r.unless_off(p, n, Reader::share);
            set(share, Settings::set_slow_call_rate)
        },
    ),
    (
        key(
            "slow_call_duration",
            &[Time, Off],
            Is(|it| it.slow_call_duration().into()),
            "A call is slow when it takes longer than this.",
        ),
        |r, p, n| {
            let duration = r.unless_off(p, n, Reader::duration);
            set(duration, Settings::set_slow_call_duration)
        },
    ),
    (
        key(
            "minimum_calls",
            &[Count(1, u32::MAX)],
            Is(|it| it.minimum_calls().into()),
            "Rates count only once the window holds so many calls; at most the size of a `count_window`. If that \
             is smaller than 20, its size is the default.",
        ),
        |r, p, n| change(r.count(p, n, 1..=u32::MAX), CircuitBuilder::minimum_calls),
    ),
    (
        key(
            "count_window",
            &[Count(1, MAX_SIZE), Off],
            Is(|it| it.count_window().into()),
            "Rates look back on so many calls. Off where there is a `time_window`, or where nothing needs a window.",
        ),
        |r, p, n| {
            let calls = r.unless_off(p, n, |r, p, n| r.count(p, n, 1..=MAX_SIZE));
            set(calls, Settings::set_count_window)
        },
    ),
    (
        key(
            "time_window",
            &[TimeOf(MIN_SPAN, MAX_SPAN), Off],
            Is(|it| it.time_window().into()),
            "Rates look back on the calls of so much time. Only where there is no `count_window`.",
        ),
        |r, p, n| {
            let span = r.unless_off(p, n, Reader::duration);
            set(span, Settings::set_time_window)
        },
    ),
    (
        key(
            "time_window_buckets",
            &[Count(1, MAX_BUCKETS), Off],
            Is(|_| buckets_of_a_time_window().into()),
            "How many buckets a time window has. It rolls by one bucket at a time. Only where there is a \
             `time_window`.",
        ),
        |r, p, n| {
            let buckets = r.unless_off(p, n, |r, p, n| r.count(p, n, 1..=MAX_BUCKETS));
            set(buckets, Settings::set_time_window_buckets)
        },
    ),
    (
        key(
            "open_for",
            &[Time, Table(&OPEN_FOR)],
            Is(|it| it.open_for().first().into()),
            "How long the circuit stays open before it lets a probe through.",
        ),
        |r, p, n| change(open_for(r, p, n), CircuitBuilder::open_for),
    ),
    (
        key(
            "jitter_seed",
            &[Whole(u64::MAX)],
            Nothing,
            "The seed of the jitter. Where it is left out, each circuit has one of its own.",
        ),
        |r, p, n| change(r.whole(p, n, 0..=u64::MAX), CircuitBuilder::jitter_seed),
    ),
    (
        key(
            "permits",
            &[Count(1, MAX_PROBES)],
            Is(|it| it.permits().into()),
            "How many probes may be in flight at once in half-open; at most the number of `probes`.",
        ),
        |r, p, n| change(r.count(p, n, 1..=MAX_PROBES), CircuitBuilder::permits),
    ),
    (
        key(
            "probes",
            &[Count(1, MAX_PROBES), Probes],
            Is(|it| probes_of(it.probes())),
            "`\"2 of 3\"` closes the circuit when two probes have succeeded, of at most three. `3` is `\"3 of 3\"`.",
        ),
        |r, p, n| {
            change(probes(r, p, n), |builder, (successes, of)| {
                builder.probes(successes, of)
            })
        },
    ),
    (
        key(
            "half_open_timeout",
            &[Time, Off],
            Is(|it| it.half_open_timeout().into()),
            "How long half-open waits for its probes before it reopens. If it is off, that is as long as the last \
             break, but at least 30 seconds.",
        ),
        |r, p, n| {
            let timeout = r.unless_off(p, n, Reader::duration);
            set(timeout, Settings::set_half_open_timeout)
        },
    ),
    (
        key(
            "probe_timeout",
            &[Time, Off],
            Is(|it| it.probe_timeout().into()),
            "How long a probe may take to answer.",
        ),
        |r, p, n| {
            let limit = r.unless_off(p, n, Reader::duration);
            set(limit, Settings::set_probe_timeout)
        },
    ),
    (
        key(
            "call_timeout",
            &[Time, Off],
            Is(|it| it.call_timeout().into()),
            "How long a call may take to answer.",
        ),
        |r, p, n| {
            let limit = r.unless_off(p, n, Reader::duration);
            set(limit, Settings::set_call_timeout)
        },
    ),
    (
        key(
            "bulkhead",
            &[Count(1, MAX_PLACES), Table(&BULKHEAD), Off],
            Is(|it| it.bulkhead().map(|(places, _)| places).into()),
            "How many calls there may be at once. A layer around the breaker keeps to it.",
        ),
        |r, p, n| set(r.unless_off(p, n, bulkhead), Settings::set_bulkhead),
    ),
    (
        key(
            "retries",
            &[Count(1, MAX_RETRIES), Table(&RETRIES), Off],
            Is(|it| it.retries().map(|limits| limits.at_most).into()),
            "How often a call may be repeated. A policy around the breaker keeps to it.",
        ),
        |r, p, n| set(r.unless_off(p, n, retries), Settings::set_retries),
    ),
    (
        key(
            "shared",
            &[Switch, Table(&SHARED), Off],
            Is(|it| {
                it.shared()
                    .map(|agreement| u64::from(agreement.instances))
                    .into()
            }),
            "Whether the circuit is shared with the other instances of the `fleet`, and when they open together.",
        ),
        |r, p, n| {
            set(
                r.unless_off(p, n, shared).map(Option::flatten),
                Settings::set_shared,
            )
        },
    ),
    (
        key(
            "ramp",
            &[Table(&RAMP), Off],
            Is(|it| it.ramp().map(|(over, _)| over).into()),
            "After half-open has closed, lets a share of the calls through that grows until it is all of them.",
        ),
        |r, p, n| set(r.unless_off(p, n, ramp), Settings::set_ramp),
    ),
    (
        key(
            "shed",
            &[Table(&SHED), Off],
            Is(|it| it.shed().map(|(multiplier, _)| multiplier).into()),
            "While a part of the calls fails, refuses a share of all calls. It grows with the failures in the window.",
        ),
        |r, p, n| set(r.unless_off(p, n, shed), Settings::set_shed),
    ),
    (
        key(
            "spread_retry_after",
            &[Share, Off],
            Is(|it| it.spread_retry_after().into()),
            "Tells rejected callers to come back up to this share later than they could.",
        ),
        |r, p, n| {
            let share = r.unless_off(p, n, Reader::share);
            set(share, Settings::set_spread_retry_after)
        },
    ),
    (
        key(
            "abandoned",
            &[Word(&ABANDONED_WORDS), Table(&ABANDONED_AFTER)],
            Is(|it| word_of(&ABANDONED, it.abandoned())),
            "What becomes of calls that are dropped before their outcome is known: nothing, a failure, or a failure if \
             they have been slow already.",
        ),
        |r, p, n| change(abandoned(r, p, n), CircuitBuilder::abandoned),
    ),
    (
        key(
            "mode",
            &[Word(&MODE_WORDS)],
            Is(|_| word_of(&MODES, Mode::default())),
            "The mode that the circuit begins in.",
        ),
        |r, p, n| change(r.word(p, n, &MODES), CircuitBuilder::mode),
    ),
    (
        key(
            "totals",
            &[Switch],
            Is(|it| it.totals().into()),
            "Whether the circuit counts its calls for its totals.",
        ),
        |r, p, n| change(r.switch(p, n), CircuitBuilder::totals),
    ),
    (
        key(
            "durations",
            &[Switch],
            Is(|it| it.durations().into()),
            "Whether the circuit counts how long its calls take, for the histogram of metrics. It reads the clock \
             twice a call then.",
        ),
        |r, p, n| change(r.switch(p, n), CircuitBuilder::durations),
    ),
    (
        key(
            "event_log",
            &[Count(0, u32::MAX)],
            Is(|it| it.event_log().unwrap_or(KEPT_IN_A_REGISTRY).into()),
            "How many of its last events the circuit keeps, to be looked at. Each takes about 300 bytes.",
        ),
        |r, p, n| change(r.count(p, n, 0..=u32::MAX), CircuitBuilder::event_log),
    ),
    (
        key(
            "tags",
            &[Texts],
            Nothing,
            "Words by which people sort circuits, such as tier and zone.",
        ),
        tags,
    ),
];

/// An open time that grows.
pub(super) const OPEN_FOR: [Key; 4] = [
    key("first", &[Time], Required, "The first break."),
    key(
        "factor",
        &[Number(1.0)],
        Is(|it| it.open_for().factor().into()),
        "By how much each break is longer than the one before it.",
    ),
    key(
        "max",
        &[Time],
        Nothing,
        "No break is longer; at least `first`, and only beside a `factor`. Where it is left out, there is no limit.",
    ),
    key(
        "jitter",
        &[Word(&JITTER_WORDS), Share],
        Is(|it| word_of(&JITTERS, it.open_for().get_jitter())),
        "How breaks vary at random. A share: up to so much longer or shorter. `\"equal\"`: down to half. `\"full\"`: \
         down to nothing.",
    ),
];

pub(super) const SHED: [Key; 2] = [
    key(
        "multiplier",
        &[NumberTo(1.0, 100.0)],
        Required,
        "It sheds once more than 1 - 1/multiplier of the calls fail: with 2, more than half.",
    ),
    key(
        "floor",
        &[Share],
        Required,
        "The share that is let through whatever fails; below 1.",
    ),
];

pub(super) const RAMP: [Key; 2] = [
    key(
        "over",
        &[Time],
        Required,
        "How long it takes until all calls are let through.",
    ),
    key(
        "from",
        &[Share],
        Required,
        "The share that is let through at first.",
    ),
];

pub(super) const BULKHEAD: [Key; 2] = [
    key(
        "places",
        &[Count(1, MAX_PLACES)],
        Required,
        "How many calls there may be at once.",
    ),
    key(
        "wait",
        &[Time, NoTime],
        Nothing,
        "How long a call waits for a place if all are taken. If left out, such a call is rejected at once.",
    ),
];

pub(super) const RETRIES: [Key; 4] = [
    key(
        "at_most",
        &[Count(1, MAX_RETRIES)],
        Required,
        "How often one call is repeated, at most.",
    ),
    key(
        "share",
        &[Share, NoShare],
        Is(|_| RetryLimits::new(1).share.into()),
        "How many retries there may be, as a share of the successful calls.",
    ),
    key(
        "per_second",
        &[Count(0, MAX_RETRIES_PER_SECOND)],
        Is(|_| RetryLimits::new(1).per_second.into()),
        "How many more retries there may be each second.",
    ),
    key(
        "max_wait",
        &[Time],
        Is(|_| RetryLimits::new(1).max_wait.into()),
        "How long a call may wait before it is repeated, all its waits together.",
    ),
];

pub(super) const SHARED: [Key; 5] = [
    key(
        "instances",
        &[Count(1, MAX_INSTANCES)],
        Is(|_| u64::from(Agreement::default().instances).into()),
        "At least so many instances have to see the failures themselves. With 1, a single one can open all.",
    ),
    key(
        "share",
        &[Share, NoShare],
        Is(|_| Agreement::default().share.into()),
        "And at least this share of the instances that have calls.",
    ),
    key(
        "trip_now",
        &[Switch],
        Is(|_| Agreement::default().trip_now.into()),
        "A result that trips at once in one instance opens all.",
    ),
    key(
        "stay_open_when_detached",
        &[Switch],
        Is(|_| Agreement::default().stay_open_when_detached.into()),
        "If the store has gone away, what the fleet has opened stays open until the store is back.",
    ),
    key(
        "revision",
        &[Whole(MAX_REVISION)],
        Is(|_| Agreement::default().revision.into()),
        "If settings differ between instances, as in a deploy, those of the greatest revision are the fleet's.",
    ),
];

pub(super) const ABANDONED_AFTER: [Key; 1] = [key(
    "failure_after",
    &[Time],
    Required,
    "A dropped call is a failure if it ran for so long.",
)];

/// The names of all keys of a table.
pub(super) fn names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

/// The names of all keys of a circuit.
pub(super) fn names_of_circuit() -> Vec<&'static str> {
    CIRCUIT.iter().map(|(key, _)| key.name).collect()
}

/// One key with its value.
#[derive(Clone)]
pub(super) struct Assignment {
    pub(super) key: &'static str,
    pub(super) path: String,
    pub(super) change: Change,
    /// Of the key `allow`, which changes nothing.
    pub(super) allow: Allowed,
}

impl Assignment {
    /// What a base from code does.
    pub(super) fn of_code(path: String, change: Change) -> Self {
        Self {
            key: EXTENDS.name,
            path,
            change,
            allow: Allowed::default(),
        }
    }

    /// What changes nothing, as it was told. That it is there is known.
    fn not_understood(path: String) -> Self {
        Self::allow(path, Allowed::default())
    }

    pub(super) fn allow(path: String, allow: Allowed) -> Self {
        Self {
            key: ALLOW.name,
            path,
            change: Arc::new(|builder| builder),
            allow,
        }
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Reads one key of a circuit. One that is not known has been told.
pub(super) fn read(reader: &mut Reader, path: &str, key: &str, node: &Node) -> Option<Assignment> {
    let (key, read) = CIRCUIT.iter().find(|(known, _)| known.name == key)?;
    let (key, path) = (key.name, join(path, key.name));
    let Some(change) = read(reader, &path, node) else {
        return Some(Assignment::not_understood(path));
    };
    let allow = Allowed::default();
    Some(Assignment {
        key,
        path,
        change,
        allow,
    })
}

// ---- defaults, as one would write them ----------------------------------------------------------

fn word_of<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> Node {
    let found = words.iter().find(|(_, known)| *known == value);
    found.map_or(Node::Nothing, |(word, _)| Node::Text((*word).to_owned()))
}

fn probes_of((successes, of): (u32, u32)) -> Node {
    Node::Text(format!("{successes} of {of}"))
}

/// They have no default where there is no time window.
fn buckets_of_a_time_window() -> Option<u32> {
    let builder = handle::Circuit::builder("*").time_window(MAX_SPAN);
    let checked = builder.check().ok()?;
    checked.settings().time_window_buckets()
}

macro_rules! node_from {
    ($($type:ty: $value:pat => $node:expr;)+) => {$(
        impl From<$type> for Node {
            fn from($value: $type) -> Self {
                $node
            }
        }
    )+};
}

node_from! {
    u32: number => Self::Integer(number.into());
    u64: number => Self::Integer(number.into());
    f64: number => Self::Float(number);
    bool: on => Self::Bool(on);
    Duration: time => Self::Text(humantime::format_duration(time).to_string());
}

impl<T: Into<Node>> From<Option<T>> for Node {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Text("off".to_owned()), T::into)
    }
}

/// The words without what they stand for.
const fn words<T: Copy, const N: usize>(of: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut at = 0;
    while at < N {
        words[at] = of[at].0;
        at += 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::names_of_circuit;
    use crate::circuit::settings::Settings;

    // I7: whoever adds a setting adds its key. A closure is no data; mode and tags are no settings.
    #[test]
    fn each_setting_that_is_data_has_a_key() {
        let settings = Settings::default().values();
        let mut expected: BTreeSet<_> = settings.iter().map(|(name, _)| *name).collect();
        assert!(expected.remove("trip_when"));
        expected.extend(["mode", "tags"]);
        assert_eq!(BTreeSet::from_iter(names_of_circuit()), expected);
    }
}
