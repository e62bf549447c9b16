//! Settings of circuits as data. They are read from any self-describing format that serde reads (TOML, JSON, YAML),
//! checked as a whole, and built into a [registry](crate::registry). Needs the feature `config`.
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
//! assert_eq!(registry.try_get("payments")?.state(), State::Closed);
//! # Ok(())
//! # }
//! ```
//!
//! There is no format of our own, and none comes with the feature: bring `toml`, `serde_json`, a YAML crate, or a
//! loader such as `figment`. The same file in TOML is read with `toml::from_str::<Config>(&text)?`. To get each problem
//! by itself, read it with `Config::read(toml::Deserializer::parse(&text)?)?`:
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
//! | `caps` | a list: [of a group of circuits](crate::registry::GroupCap), only a share may be open at once |
//! | `layers` | [settings of layers](Config::layer), which they read when they are built, by name |
//! | `fleet` | [with whom](Config::fleet) `shared` circuits are shared |
//! | `max_circuits` | [how many there may be](crate::registry::RegistryBuilder::max_circuits) |
//! | `allow` | a list of [lints](lint) that are not reported for anything in the file |
//! | `$schema` | where an editor finds the [schema](SCHEMA) of a JSON file |
//!
//! If two blocks set the same key, the later of this list holds: `defaults`; `matching`, one after the other;
//! `circuits`. In each block, a base that it `extends` comes before the block's own keys. A variable of the
//! [environment](Config::read_with_env) takes the place of a key where that stands. Different keys add up: if the
//! defaults have a `failure_rate`, and a circuit adds `consecutive_failures`, both trip it. To turn off what was set
//! before, say `"off"`. (The crate's own defaults do not add up: beside `consecutive_failures`, a rate holds only if
//! somebody has written it, or a window.)
//!
//! The keys of a block are those of the [builder](crate::CircuitBuilder). (For `success_threshold`, say `probes = 3`.)
//! [The guide](crate::guide::configuration) has a whole file in three formats, the order in which things hold, and
//! every key with its default and its range. [`SCHEMA`] is the same for editors.
//!
//! A cap is for the circuits whose name matches its `names` and that have its `tags`. Without either, it is for all:
//!
//! ```toml
//! [[caps]]
//! tags = { tier = "search" }
//! at_most = "50%"
//! at_least_one = true        # however few there are
//! ```
//!
//! Closures and clocks are not data. Name them [for the reader](ConfigReader::base), or add them [to the
//! registry](Config::registry).
//!
//! # What is valid, and was hardly meant
//!
//! [`Config::lints`] reports a window that can never fill, a circuit that trips on the failures of any quiet day, and
//! [more of that kind](lint), with numbers. The key `allow` silences them. In a block, it does so for the circuits that
//! the block is for.
//!
//! # While it runs
//!
//! [`Registry::apply`] puts a newer configuration in the place of the older one, as a whole or not at all. It keeps the
//! state of every circuit. [`Registry::plan`] says beforehand what that would change. Each applied configuration is one
//! [version](Registry::version). [`Registry::apply_as`] says who applies it and why, and can expect the version that it
//! was planned for. Read the newer file as the first one: with the same variables, and the same bases.
//!
//! **Watch out:** not all of it reaches live circuits. Another window is refused, unless circuits are [made
//! anew](Apply::replacing). `mode` and `tags` are for circuits that are made from now on. So a live circuit joins no
//! cap by new tags. [The guide](crate::guide::configuration#while-it-runs) has a table.
//!
//! # What is wrong
//!
//! All problems are reported at once, each with its place, what is there and what could be. (Entries of a list are
//! counted from 0.) [`Problem::locate`] gives line and column. Two patterns that contradict each other are found later:
//! when the first circuit that both match is made.
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

mod apply;
mod block;
#[cfg(feature = "admin")]
mod by_hand;
mod caps;
mod diff;
mod env;
mod fleet;
mod keys;
mod layers;
pub mod lint;
mod live;
mod locate;
#[cfg(test)]
mod page;
mod parts;
mod problem;
pub(crate) mod read;
mod reading;
#[cfg(test)]
mod schema;
pub(crate) mod tree;
mod values;
#[cfg(feature = "admin")]
mod written;

use std::{collections::BTreeMap, ffi::OsString, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};

pub use self::{
    apply::Apply,
    diff::{CapDiff, CircuitDiff, Diff},
    fleet::FleetSettings,
    layers::LayerSettings,
    live::ApplyError,
    problem::{Problem, Problems, ReadError},
    reading::ConfigReader,
};
use self::{
    block::{Block, apply, check, check_alone},
    keys::{Assignment, NAMES, PARTS, names},
    lint::Allowed,
    read::{Reader, join},
    tree::Node,
};
#[cfg(feature = "admin")]
pub(crate) use self::{by_hand::SaidSettings, written::written};
use crate::{
    circuit::handle::Circuit,
    registry::{DEFAULT_MAX_CIRCUITS, GroupCap, Registry, RegistryBuilder, Source},
    util::size::size,
};

/// A configuration that makes sense. See [the module](self).
#[derive(Clone, Debug)]
pub struct Config {
    defaults: Arc<[Assignment]>,
    matching: Vec<(String, Arc<[Assignment]>)>,
    circuits: Vec<(String, Arc<[Assignment]>)>,
    caps: Vec<GroupCap>,
    layers: BTreeMap<String, LayerSettings>,
    fleet: Option<FleetSettings>,
    max_circuits: Option<u32>,
    allow: Allowed,
}

/// The JSON schema of a configuration (draft 2020-12), by which editors complete and check. It is
/// `src/config/tower-breaker.schema.json` of this crate.
///
/// It knows every key, its range, its default and what it is about. What it refuses, [`Config::read`] refuses. Some
/// problems are found only by reading: settings that make no sense together, bases that are missing or extend
/// themselves, keys that are there twice.
///
/// ```no_run
/// std::fs::write("tower-breaker.schema.json", tower_breaker::config::SCHEMA)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub const SCHEMA: &str = include_str!("tower-breaker.schema.json");

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// [`ReadError::Format`] if it is not well formed, and [`ReadError::Problems`] with all that makes no sense in it.
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, ReadError<D::Error>> {
        Self::read_with_env(deserializer, std::iter::empty::<(OsString, OsString)>())
    }

    /// Reads a configuration, and lets variables, usually [`std::env::vars_os`], replace keys of it.
    ///
    /// A variable is called `TOWER_BREAKER__PAYMENTS__FAILURE_RATE`. The part in the middle is the name of a circuit in
    /// `circuits`, or `DEFAULTS`, or `FLEET`. A name is written in capitals, with `_` for whatever is neither a letter
    /// nor a digit. The last part is a key whose value is no table. `TOWER_BREAKER__MAX_CIRCUITS` is one more.
    ///
    /// Other variables are ignored, except those that nearly begin like ours. `TOWER_BREAKER_PAYMENTS__FAILURE_RATE`,
    /// with one underscore too few, is refused.
    ///
    /// A variable takes the place of one key of the file, where that key stands. So `matching` and `circuits` still
    /// hold over a variable for `DEFAULTS`.
    ///
    /// ```
    /// # use tower_breaker::config::Config;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = r#"{ "circuits": { "payments-eu": { "consecutive_failures": 3 } } }"#;
    /// let variables = [("TOWER_BREAKER__PAYMENTS_EU__CONSECUTIVE_FAILURES".to_owned(), "1".to_owned())];
    /// let config = Config::read_with_env(&mut serde_json::Deserializer::from_str(file), variables)?;
    ///
    /// let payments = config.registry().build()?.try_get("payments-eu")?;
    /// payments.try_acquire()?.failure();
    /// assert!(payments.try_acquire().is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read), and for a variable that names nothing.
    pub fn read_with_env<'de, D: Deserializer<'de>>(
        deserializer: D,
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Result<Self, ReadError<D::Error>> {
        Self::reader().env(variables).read(deserializer)
    }

    fn from_tree(tree: &Node, reader: &mut Reader) -> Self {
        let blocks = Blocks::read(reader, tree);
        blocks.check_bases(reader);
        let config = blocks.flatten(reader);
        config.check(reader);
        config
    }

    /// Begins to build a registry by this configuration. Build it as it is, or add listeners, caps and clocks first.
    ///
    /// What you add comes after what the file says in the same part: `defaults` after its defaults, but before its
    /// `matching` and `circuits`. To hold over those, add it for the [`circuit`](RegistryBuilder::circuit).
    pub fn registry(&self) -> RegistryBuilder {
        let rule = |all: &Arc<[Assignment]>| {
            let all = all.clone();
            move |builder| apply(&all, builder)
        };
        let registry = Registry::builder().from(Source::Config);
        let mut registry = registry.defaults(rule(&self.defaults));
        for (names, all) in &self.matching {
            registry = registry.matching(names, rule(all));
        }
        for (name, all) in &self.circuits {
            registry = registry.circuit(name, rule(all));
        }
        for cap in &self.caps {
            registry = registry.cap(cap.clone());
        }
        let registry = registry.from(Source::Code);
        match self.max_circuits {
            Some(most) => registry.max_circuits(most),
            None => registry,
        }
    }

    /// The settings of the layer of this name in `layers`, if there are any.
    ///
    /// ```
    /// use tower_breaker::{Circuit, config::Config};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = r#"{
    ///     "defaults": { "time_window": "1m" },
    ///     "layers": { "api": { "key": "authority", "failures": [429] } }
    /// }"#;
    /// let config = Config::read(&mut serde_json::Deserializer::from_str(file))?;
    /// let registry = config.registry().build()?;
    ///
    /// let api = config.layer("api").ok_or("no layer `api`")?;
    /// let others = Circuit::builder("other hosts").build_layer()?.classifier(api.classifier());
    /// let layer = api.keyed(others, &registry).ok_or("no key of the layer `api`")?;
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn layer(&self, name: &str) -> Option<&LayerSettings> {
        self.layers.get(name)
    }

    /// The settings of the fleet with which circuits are shared, in `fleet`, if there are any.
    ///
    /// ```
    /// use tower_breaker::config::Config;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = r#"{
    ///     "fleet": { "namespace": "shop" },
    ///     "circuits": { "reviews": { "failure_rate": "50%", "shared": true } }
    /// }"#;
    /// // What differs between instances comes from the environment.
    /// let variables = [("TOWER_BREAKER__FLEET__SCOPE", "eu-west-1a")];
    /// let config = Config::read_with_env(&mut serde_json::Deserializer::from_str(file), variables)?;
    ///
    /// let settings = config.fleet().ok_or("no `fleet`")?;
    /// assert_eq!((&*settings.namespace, &*settings.scope), ("shop", "eu-west-1a"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With the feature `fleet`, go on with `Fleet::of(settings)`, and `config.registry().fleet(&fleet)`.
    #[must_use]
    pub fn fleet(&self) -> Option<&FleetSettings> {
        self.fleet.as_ref()
    }

    /// Each part with what comes before it, so that what makes no sense together is told at its place.
    fn check(&self, reader: &mut Reader) {
        let most = self.max_circuits.unwrap_or(DEFAULT_MAX_CIRCUITS);
        if size(most) < self.circuits.len().max(1) {
            let allowed = format!("at least {}, the number of `circuits`", self.circuits.len());
            let allowed = if self.circuits.is_empty() {
                "at least 1".to_owned()
            } else {
                allowed
            };
            reader
                .problems
                .push(Problem::new("max_circuits", most, allowed));
        }
        check(
            reader,
            "defaults",
            self.defaults.to_vec(),
            Circuit::builder("*"),
        );
        // As the registry checks them: a pattern is also a name, which others match, too.
        for (number, (names, own)) in self.matching.iter().enumerate() {
            let all = self.said_for(names);
            let bare = Circuit::builder(names.clone());
            check(reader, &format!("matching.{number}"), all, bare);
            // What a later one says instead.
            check_alone(reader, own);
        }
        for (name, _) in &self.circuits {
            let bare = Circuit::builder(name.clone());
            check(reader, &join("circuits", name), self.said_for(name), bare);
        }
    }

    /// All that holds for a name.
    fn said_for(&self, name: &str) -> Vec<Assignment> {
        let patterns = self.matching.iter().filter(|(it, _)| matches(it, name));
        let named = self.circuits.iter().filter(|(it, _)| it == name);
        let own = patterns.chain(named).flat_map(|(_, own)| own.iter());
        self.defaults.iter().chain(own).cloned().collect()
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
    caps: Vec<GroupCap>,
    layers: BTreeMap<String, LayerSettings>,
    fleet: Option<FleetSettings>,
    max_circuits: Option<u32>,
    allow: Allowed,
}

impl Blocks {
    fn read(reader: &mut Reader, tree: &Node) -> Self {
        let mut blocks = Self::default();
        for (key, node) in reader.table_of("", tree, &names(&PARTS)) {
            match key {
                "defaults" => blocks.defaults = Block::read(reader, key, node, &[]),
                "matching" => blocks.matching = read_matching(reader, node),
                "circuits" => blocks.circuits = read_named(reader, key, node).collect(),
                "caps" => blocks.caps = caps::read(reader, key, node),
                "layers" => {
                    for (name, node) in reader.table(key, node) {
                        let layer = layers::read(reader, &join(key, name), node);
                        blocks.layers.insert(name.to_owned(), layer);
                    }
                }
                "fleet" => blocks.fleet = fleet::read(reader, key, node),
                "bases" => blocks.bases = read_named(reader, key, node).collect(),
                "allow" => blocks.allow = Allowed::read(reader, key, node),
                "max_circuits" => {
                    blocks.max_circuits = reader.count(key, node, 1..=u32::MAX);
                }
                // `$schema`, which is the editor's.
                _ => drop(reader.text(&join("", key), node)),
            }
        }
        blocks
    }

    /// What makes no sense whoever extends it, also if nobody does.
    fn check_bases(&self, reader: &mut Reader) {
        for (name, base) in &self.bases {
            check_alone(reader, &base.own);
            if reader.bases.contains_key(name) {
                let path = join("bases", name);
                let problem =
                    Problem::new(&path, "there", "left out: code has a base of that name");
                reader.problems.push(problem);
            }
        }
    }

    fn flatten(self, reader: &mut Reader) -> Config {
        let bases = &self.bases;
        let mut flat = |block: &Block| block.flatten(reader, bases).into();
        // Those that nothing extends, too: a circle is one.
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
            caps: self.caps,
            layers: self.layers,
            fleet: self.fleet,
            max_circuits: self.max_circuits,
            allow: self.allow,
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
        let block = Block::read(reader, &path, node, &[NAMES.name]);
        let names = match node {
            Node::Map(map) => map.iter().find(|(key, _)| key == NAMES.name),
            _ => continue,
        };
        match names {
            Some((_, names)) => {
                let path = join(&path, NAMES.name);
                let names = reader.text(&path, names).map(str::to_owned);
                matching.extend(names.map(|names| (names, block)));
            }
            None => {
                let allowed = "a name, in which `*` stands for any characters";
                reader
                    .problems
                    .push(Problem::missing(&path, NAMES.name, allowed));
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
