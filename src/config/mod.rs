//! Settings of circuits as data: read from any format that serde reads, checked as a whole, and built into a
//! [registry](crate::registry). Needs the feature `config`.
//!
//! ```
//! use tower_breaker::{State, config::Config};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = r#"{
//!     "defaults": { "failure_rate": "50%", "minimum_calls": 20, "open_for": "10s" },
//!     "matching": [{ "names": "search-*", "failure_rate": "30%", "tags": { "tier": "search" } }],
//!     "circuits": { "payments": { "consecutive_failures": 3, "probes": "2 of 3", "permits": 3 } }
//! }"#;
//!
//! let config = Config::read(&mut serde_json::Deserializer::from_str(file))?;
//! let registry = config.registry().build()?;
//! assert_eq!(registry.circuit("payments")?.state(), State::Closed);
//! # Ok(())
//! # }
//! ```
//!
//! There is no format of our own, and none comes with the feature: bring `toml`, `serde_json`, a YAML crate, or a
//! loader such as `figment`. The same in TOML:
//!
//! ```toml
//! [defaults]
//! failure_rate = "50%"
//! minimum_calls = 20
//! open_for = "10s"
//!
//! [[matching]]
//! names = "search-*"
//! failure_rate = "30%"
//! tags = { tier = "search" }
//!
//! [circuits.payments]
//! consecutive_failures = 3
//! probes = "2 of 3"
//! permits = 3
//! ```
//!
//! # What there may be
//!
//! | key | |
//! |---|---|
//! | `defaults` | what holds for every circuit |
//! | `matching` | a list: what holds for names that match `names`, in which `*` stands for any characters |
//! | `circuits` | circuits that are there from the start, by name |
//! | `bases` | blocks to be extended, by name |
//! | `max_circuits` | [how many there may be](crate::registry::RegistryBuilder::max_circuits) |
//!
//! Where two say the same, the later of this list holds: `defaults`; `matching`, one after the other; `circuits`; the
//! [environment](Config::read_with_env). In each block, a base that it `extends` comes before what it says itself.
//!
//! # What a circuit may be told
//!
//! The keys of a block are those of the [builder](crate::CircuitBuilder), which tells what they mean, their ranges and
//! their defaults. Closures and clocks are no data: add them [to the registry](Config::registry).
//!
//! | key | value |
//! |---|---|
//! | `consecutive_failures`, `minimum_calls`, `permits`, `count_window`, `time_window_buckets`, `jitter_seed` | a whole number |
//! | `failure_rate`, `slow_call_rate`, `spread_retry_after` | a share: `0.5` or `"50%"` |
//! | `consecutive_failures_span`, `slow_call_duration`, `time_window`, `half_open_timeout`, `probe_timeout` | a time: `"30s"`, `"250ms"`, `"1m 30s"` |
//! | `open_for` | a time, or `{ first = "1s", factor = 2, max = "1m", jitter = "20%" }`; `jitter` may be `"full"` or `"equal"` |
//! | `probes` | `3`, or `"2 of 3"` |
//! | `ramp` | `{ over = "10s", from = "10%" }` |
//! | `abandoned` | `"ignore"`, `"failure"`, `"failure_if_slow"`, or `{ failure_after = "2s" }` |
//! | `mode` | `"normal"`, `"shadow"`, `"disabled"`, `"forced_open"` |
//! | `totals` | `true` or `false` |
//! | `tags` | a table of texts |
//! | `extends` | the name of one of the `bases` |
//!
//! # What is wrong
//!
//! All of it is told at once, each with its place, what is there and what could be:
//!
//! ```
//! # use tower_breaker::config::Config;
//! let file = r#"{
//!     "defaults": { "failure_rte": 0.5 },
//!     "circuits": { "payments": { "failure_rate": 1.5, "permits": 3 } }
//! }"#;
//! let error = Config::read(&mut serde_json::Deserializer::from_str(file)).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "defaults.failure_rte: `failure_rte` is not known; did you mean `failure_rate`?\n\
//!      circuits.payments.failure_rate: 1.5, but must be a share above 0 and at most 1\n\
//!      circuits.payments.permits: 3, but must be 1 to 1, the number of `probes`",
//! );
//! ```

mod block;
mod env;
mod keys;
mod problem;
mod read;
mod tree;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};

pub use self::problem::{Problem, Problems, ReadError};
use self::{
    block::{Block, apply, check},
    keys::Assignment,
    read::{Reader, join},
    tree::Node,
};
use crate::{
    circuit::handle::Circuit,
    registry::{Registry, RegistryBuilder},
};

/// A configuration that makes sense. See [the module](self).
#[derive(Clone, Debug)]
pub struct Config {
    defaults: Arc<[Assignment]>,
    matching: Vec<(String, Arc<[Assignment]>)>,
    circuits: Vec<(String, Arc<[Assignment]>)>,
    max_circuits: Option<usize>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// [`ReadError::Format`] if it is not well formed, and [`ReadError::Problems`] with all that makes no sense in it.
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, ReadError<D::Error>> {
        Self::read_with_env(deserializer, [])
    }

    /// Reads a configuration, and lays variables over it: usually [`std::env::vars`].
    ///
    /// A variable is called `TOWER_BREAKER__PAYMENTS__FAILURE_RATE`: the name of a circuit in `circuits`, in capitals
    /// and with `_` for whatever is neither a letter nor a digit, or `DEFAULTS`; then a key whose value is no table.
    /// `TOWER_BREAKER__MAX_CIRCUITS` is the third kind. What does not begin with `TOWER_BREAKER__` is somebody else's.
    ///
    /// ```
    /// # use tower_breaker::config::Config;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = r#"{ "circuits": { "payments-eu": { "consecutive_failures": 3 } } }"#;
    /// let variables = [("TOWER_BREAKER__PAYMENTS_EU__CONSECUTIVE_FAILURES".to_owned(), "1".to_owned())];
    /// let config = Config::read_with_env(&mut serde_json::Deserializer::from_str(file), variables)?;
    ///
    /// let payments = config.registry().build()?.circuit("payments-eu")?;
    /// payments.try_acquire()?.failure();
    /// assert!(payments.try_acquire().is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and for a variable that names nothing.
    pub fn read_with_env<'de, D: Deserializer<'de>>(
        deserializer: D,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ReadError<D::Error>> {
        let mut tree = Node::deserialize(deserializer).map_err(ReadError::Format)?;
        let problems = env::overlay(&mut tree, variables);
        Self::from_tree(&tree, Reader { problems }).map_err(ReadError::Problems)
    }

    fn from_tree(tree: &Node, mut reader: Reader) -> Result<Self, Problems> {
        let blocks = Blocks::read(&mut reader, tree);
        let config = blocks.flatten(&mut reader);
        config.check(&mut reader);
        Problems::or(reader.problems, config)
    }

    /// A registry of what is said here, to be built, or to be told more first: listeners, caps, clocks.
    ///
    /// What is added with [`defaults`](RegistryBuilder::defaults) and the like comes after what is said here.
    pub fn registry(&self) -> RegistryBuilder {
        let rule = |all: &Arc<[Assignment]>| {
            let all = all.clone();
            move |builder| apply(&all, builder)
        };
        let mut registry = Registry::builder().defaults(rule(&self.defaults));
        for (names, all) in &self.matching {
            registry = registry.matching(names, rule(all));
        }
        for (name, all) in &self.circuits {
            registry = registry.circuit(name, rule(all));
        }
        match self.max_circuits {
            Some(most) => registry.max_circuits(most),
            None => registry,
        }
    }

    /// Each part with what comes before it, so that what makes no sense together is told at its place.
    fn check(&self, reader: &mut Reader) {
        let bare = Circuit::builder("*");
        check(reader, "defaults", self.defaults.to_vec(), &bare);
        for (number, (names, own)) in self.matching.iter().enumerate() {
            let all = [&self.defaults[..], own].concat();
            check(
                reader,
                &format!("matching.{number}"),
                all,
                &Circuit::builder(names.clone()),
            );
        }
        for (name, own) in &self.circuits {
            let patterns = self
                .matching
                .iter()
                .filter(|(names, _)| matches(names, name));
            let mut all = self.defaults.to_vec();
            patterns.for_each(|(_, more)| all.extend_from_slice(more));
            all.extend_from_slice(own);
            check(
                reader,
                &join("circuits", name),
                all,
                &Circuit::builder(name.clone()),
            );
        }
    }
}

fn matches(names: &str, name: &str) -> bool {
    crate::registry::matches(names, name)
}

/// The parts of a configuration as they were read.
#[derive(Default)]
struct Blocks {
    defaults: Block,
    bases: BTreeMap<String, Block>,
    matching: Vec<(String, Block)>,
    circuits: Vec<(String, Block)>,
    max_circuits: Option<usize>,
}

impl Blocks {
    fn read(reader: &mut Reader, tree: &Node) -> Self {
        let mut blocks = Self::default();
        let known = ["defaults", "matching", "circuits", "bases", "max_circuits"];
        for (key, node) in reader.table_of("", tree, &known) {
            match key {
                "defaults" => blocks.defaults = Block::read(reader, key, node, &[]),
                "matching" => blocks.matching = read_matching(reader, node),
                "circuits" => blocks.circuits = read_named(reader, key, node).collect(),
                "bases" => blocks.bases = read_named(reader, key, node).collect(),
                _ => {
                    let most = reader.count(key, node);
                    blocks.max_circuits = most.and_then(|most| most.try_into().ok());
                }
            }
        }
        blocks
    }

    fn flatten(self, reader: &mut Reader) -> Config {
        let bases = &self.bases;
        let mut flat = |block: &Block| block.flatten(reader, bases).into();
        // Those that nothing extends, too: what is wrong with them is wrong.
        bases
            .values()
            .for_each(|base| drop::<Arc<[Assignment]>>(flat(base)));
        Config {
            defaults: flat(&self.defaults),
            matching: self
                .matching
                .into_iter()
                .map(|(names, block)| (names, flat(&block)))
                .collect(),
            circuits: self
                .circuits
                .into_iter()
                .map(|(name, block)| (name, flat(&block)))
                .collect(),
            max_circuits: self.max_circuits,
        }
    }
}

fn read_named(
    reader: &mut Reader,
    path: &str,
    node: &Node,
) -> impl Iterator<Item = (String, Block)> + use<> {
    let entries = reader.table(path, node);
    let blocks: Vec<_> = entries
        .into_iter()
        .map(|(name, node)| {
            (
                name.to_owned(),
                Block::read(reader, &join(path, name), node, &[]),
            )
        })
        .collect();
    blocks.into_iter()
}

fn read_matching(reader: &mut Reader, node: &Node) -> Vec<(String, Block)> {
    let Node::List(list) = node else {
        reader
            .problems
            .push(Problem::new("matching", node, "a list of tables"));
        return Vec::new();
    };
    let mut matching = Vec::new();
    for (number, node) in list.iter().enumerate() {
        let path = format!("matching.{number}");
        let block = Block::read(reader, &path, node, &["names"]);
        let names = match node {
            Node::Map(map) => map.iter().find(|(key, _)| key == "names"),
            _ => continue,
        };
        let path = join(&path, "names");
        match names {
            Some((_, names)) => {
                let names = reader.text(&path, names).map(str::to_owned);
                matching.extend(names.map(|names| (names, block)));
            }
            None => {
                let allowed = "a name, in which `*` stands for any characters";
                reader
                    .problems
                    .push(Problem::new(&path, "not there", allowed));
            }
        }
    }
    matching
}

/// As [`Config::read`], for whoever has it within something larger. All that is wrong is in the one message.
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer).map_err(|error| match error {
            ReadError::Format(error) => error,
            ReadError::Problems(problems) => D::Error::custom(problems),
        })
    }
}
