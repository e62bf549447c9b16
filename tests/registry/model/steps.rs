//! What happens to a registry.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use proptest::prelude::*;
use tower_breaker::{CircuitBuilder, Mode, Outcome, config::Config};

/// A configuration, as far as it is told apart here.
#[derive(Clone, Debug)]
pub(crate) struct Conf {
    pub(crate) max_circuits: u32,
    pub(crate) failures: u32,
    /// Of names that begin with `k1`.
    pub(crate) failures_of_some: u32,
    pub(crate) open_for: u64,
    pub(crate) window: bool,
    pub(crate) ramp: bool,
    named: BTreeSet<usize>,
}

pub(crate) const WINDOW: Duration = Duration::from_secs(8);

impl Conf {
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.named.iter().map(|key| name(*key)).collect()
    }

    fn text(&self) -> String {
        let Self {
            max_circuits,
            failures,
            failures_of_some,
            open_for,
            ..
        } = self;
        let mut text = format!(
            "max_circuits = {max_circuits}\n\
             [[matching]]\nnames = \"k1*\"\nconsecutive_failures = {failures_of_some}\n\
             [defaults]\nconsecutive_failures = {failures}\nopen_for = \"{open_for}s\"\n"
        );
        if self.window {
            text += "time_window = \"8s\"\nfailure_rate = 0.5\nminimum_calls = 5\n";
        }
        if self.ramp {
            text += "ramp = { over = \"9s\", from = \"50%\" }\n";
        }
        for name in self.names() {
            writeln!(text, "[circuits.{name}]").expect("a string");
        }
        text
    }

    pub(crate) fn read(&self) -> Config {
        let text = self.text();
        Config::read(toml::Deserializer::parse(&text).expect("TOML")).expect("makes sense")
    }

    /// The same, told to a builder.
    pub(crate) fn tell(&self, name: &str, builder: CircuitBuilder) -> CircuitBuilder {
        let some = name.starts_with("k1");
        let failures = if some {
            self.failures_of_some
        } else {
            self.failures
        };
        let mut builder = builder
            .consecutive_failures(failures)
            .open_for(Duration::from_secs(self.open_for));
        if self.window {
            builder = builder
                .time_window(WINDOW)
                .failure_rate(0.5)
                .minimum_calls(5);
        }
        if self.ramp {
            builder = builder.ramp(Duration::from_secs(9), 0.5);
        }
        builder
    }
}

pub(crate) fn name(key: usize) -> String {
    format!("k{key}")
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A call begins and goes on.
    Begin(usize),
    /// One of the calls that go on ends; `None`: its guard is dropped.
    End(usize, Option<Outcome>),
    /// So many calls, one after the other, each ending at once.
    Calls(usize, usize, Outcome),
    /// So many names that nobody has asked for before, with a call each.
    Flood(usize, Outcome),
    Find(usize),
    Remove(usize),
    Control(usize, Control),
    ResetAll,
    Pass(Duration),
    /// It has another window only where that is said.
    Apply(Conf, bool),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Control {
    Trip(Duration),
    ForceOpen,
    Release,
    Reset,
    SetMode(Mode),
    /// So many failures in a row.
    Reconfigure(u32),
}

/// One of a few that are known, or of thousands.
fn key() -> impl Strategy<Value = usize> {
    prop_oneof![5 => 0..10_usize, 2 => 10..4_000_usize]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Success),
        5 => Just(Outcome::Failure),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::TripNow),
    ]
}

fn control() -> impl Strategy<Value = Control> {
    prop_oneof![
        2 => (1..20_u64).prop_map(|secs| Control::Trip(Duration::from_secs(secs))),
        2 => Just(Control::ForceOpen),
        6 => Just(Control::Release),
        3 => Just(Control::Reset),
        1 => Just(Control::SetMode(Mode::Disabled)),
        4 => Just(Control::SetMode(Mode::Normal)),
        2 => (1..4_u32).prop_map(Control::Reconfigure),
    ]
}

/// Often to the very instant at which something ends.
fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        6 => (0..=10_u64).prop_map(Duration::from_secs),
        2 => (1..=4_u64).prop_map(|breaks| Duration::from_secs(5 * breaks) - Duration::from_nanos(1)),
        1 => Just(Duration::from_nanos(1)),
        2 => Just(Duration::from_secs(60)),
    ]
}

pub(crate) fn conf() -> impl Strategy<Value = Conf> {
    let named = prop::collection::btree_set(prop_oneof![0..12_usize, 10..4_000_usize], 0..4);
    let failures = || 1..4_u32;
    (
        4..20_u32,
        (failures(), failures()),
        prop_oneof![2 => Just(5_u64), 1 => Just(2)],
        any::<bool>(),
        any::<bool>(),
        named,
    )
        .prop_map(
            |(max_circuits, failures, open_for, window, ramp, named)| Conf {
                max_circuits,
                failures: failures.0,
                failures_of_some: failures.1,
                open_for,
                window,
                ramp,
                named,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => key().prop_map(Step::Begin),
        14 => (any::<usize>(), prop::option::weighted(0.9, outcome()))
            .prop_map(|(which, outcome)| Step::End(which, outcome)),
        12 => (key(), 1..4_usize, outcome())
            .prop_map(|(key, calls, outcome)| Step::Calls(key, calls, outcome)),
        3 => (1..12_usize, outcome()).prop_map(|(names, outcome)| Step::Flood(names, outcome)),
        3 => key().prop_map(Step::Find),
        5 => key().prop_map(Step::Remove),
        10 => (0..8_usize, control()).prop_map(|(key, control)| Step::Control(key, control)),
        1 => Just(Step::ResetAll),
        14 => time().prop_map(Step::Pass),
        3 => (conf(), prop::bool::weighted(0.2))
            .prop_map(|(conf, other_window)| Step::Apply(conf, other_window)),
    ]
}

pub(crate) fn history(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..longest)
}
