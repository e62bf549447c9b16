//! [`ConfigReader`]: reads a configuration with what code adds to it.

use std::{collections::BTreeMap, ffi::OsString, fmt, sync::Arc};

use serde::{Deserialize, Deserializer};

use super::{
    Config,
    env::Overlay,
    keys::Change,
    problem::{Problems, ReadError},
    read::Reader,
    tree::Node,
};
use crate::circuit::builder::CircuitBuilder;

/// Reads configurations, with variables of the environment and with bases from code. Made by [`Config::reader`].
#[derive(Clone, Default)]
#[must_use = "a reader does nothing until it reads"]
pub struct ConfigReader {
    variables: Vec<(OsString, OsString)>,
    bases: BTreeMap<String, Change>,
}

impl Config {
    /// Begins to read a configuration that needs more than the file: variables, and bases from code.
    ///
    /// ```
    /// use tower_breaker::config::Config;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = r#"{ "circuits": { "payments": { "extends": "ten-failures", "open_for": "5s" } } }"#;
    /// let config = Config::reader()
    ///     // What is no data has a name, and the file says which circuits get it.
    ///     .base("ten-failures", |circuit| circuit.trip_when(|counts| counts.failed >= 10))
    ///     .env(std::env::vars_os())
    ///     .read(&mut serde_json::Deserializer::from_str(file))?;
    /// # let _ = config;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reader() -> ConfigReader {
        ConfigReader::default()
    }
}

impl ConfigReader {
    /// Adds a base that cannot be data: a closure, a clock, a listener. A block of the file that `extends` it gets it
    /// before the block's own keys. Of two with the same name, the later holds. A base of the file with that name is
    /// refused.
    ///
    /// The closure runs whenever such a circuit is made or looked at.
    pub fn base(
        mut self,
        name: impl Into<String>,
        change: impl Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync + 'static,
    ) -> Self {
        self.bases.insert(name.into(), Arc::new(change));
        self
    }

    /// Lets these variables replace keys of the file, as [`Config::read_with_env`] does. Usually [`std::env::vars_os`].
    pub fn env(
        mut self,
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        let variables = variables.into_iter();
        self.variables
            .extend(variables.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// [`ReadError::Format`] if it is not well formed, and [`ReadError::Problems`] with all that makes no sense in it.
    pub fn read<'de, D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Config, ReadError<D::Error>> {
        let mut tree = Node::deserialize(deserializer).map_err(ReadError::Format)?;
        self.read_tree(&mut tree).map_err(ReadError::Problems)
    }

    pub(super) fn read_tree(self, tree: &mut Node) -> Result<Config, Problems> {
        let mut overlay = Overlay::lay(tree, self.variables);
        let mut reader = Reader {
            problems: std::mem::take(&mut overlay.problems),
            bases: self.bases,
        };
        let config = Config::from_tree(tree, &mut reader);
        overlay.name_variables(&mut reader.problems);
        Problems::or(reader.problems, config)
    }
}

impl fmt::Debug for ConfigReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigReader")
            .field("bases", &self.bases.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
