//! What is told of a change of settings (rule E5).

use std::fmt;

use super::{Settings, values::Value};
use crate::circuit::{
    by::{By, Origin},
    name::Name,
};

/// What a live circuit was [reconfigured](crate::Circuit::reconfigure) from and to.
///
/// Listeners are told of it: [`CircuitBuilder::on_settings_change`](crate::CircuitBuilder::on_settings_change). It
/// prints as a line for a log:
///
/// ```
/// # use std::time::Duration;
/// # use tower_breaker::Circuit;
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("payments").probe_timeout(Duration::from_millis(250)).build()?;
/// let change = circuit.reconfigure(|settings| {
///     let twice = settings.minimum_calls().map(|calls| calls * 2);
///     settings.set_minimum_calls(twice).set_probe_timeout(None)
/// })?;
/// assert_eq!(
///     change.to_string(),
///     "circuit `payments`: `minimum_calls` 20 -> 40, `probe_timeout` 250ms -> off",
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SettingsChange {
    circuit: Name,
    old: Settings,
    new: Settings,
    version: u64,
    origin: Origin,
}

impl SettingsChange {
    pub(crate) fn new(
        circuit: Name,
        (old, new): (Settings, Settings),
        version: u64,
        origin: Origin,
    ) -> Self {
        Self {
            circuit,
            old,
            new,
            version,
            origin,
        }
    }

    /// The name of the circuit.
    #[must_use]
    pub fn circuit(&self) -> &str {
        &self.circuit
    }

    /// The settings that held before.
    #[must_use]
    pub fn before(&self) -> &Settings {
        &self.old
    }

    /// The settings that hold since.
    #[must_use]
    pub fn after(&self) -> &Settings {
        &self.new
    }

    /// How many changes this circuit has had, this one included: 1 at the first. Listeners may be told of changes out
    /// of order; by this number they know which is newer.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Who made the change, and why, if that was told.
    #[must_use]
    pub fn by(&self) -> &By {
        &self.origin.by
    }

    /// The version of the configuration that these settings come from, if one was applied to the circuit's registry.
    /// `None` if this circuit was changed by hand.
    #[must_use]
    pub fn configuration(&self) -> Option<u64> {
        self.origin.configuration
    }

    /// Each setting that has changed.
    #[must_use]
    pub fn changes(&self) -> Vec<ChangedSetting> {
        self.old.changes_to(&self.new)
    }

    /// Whether nothing has changed. Listeners are not told of such a change, and it does not count as a version.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.old == self.new
    }
}

impl fmt::Display for SettingsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "circuit `{}`: ", self.circuit)?;
        self.fmt_changes(f)
    }
}

impl SettingsChange {
    /// Without the circuit's name.
    pub(crate) fn fmt_changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no setting has changed");
        }
        let mut comma = "";
        for change in self.changes() {
            write!(f, "{comma}{change}")?;
            comma = ", ";
        }
        fmt::Display::fmt(&self.origin, f)
    }
}

/// A setting that has changed: its name, and both values in few words, such as `250ms` and `off`.
///
/// For values to compute with, ask the [`Settings`] by its getters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedSetting {
    name: &'static str,
    old: String,
    new: String,
}

impl ChangedSetting {
    pub(super) fn new(name: &'static str, old: &Value, new: &Value) -> Self {
        Self {
            name,
            old: old.to_string(),
            new: new.to_string(),
        }
    }

    /// The name of the setting: the builder's method.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The value before.
    #[must_use]
    pub fn before(&self) -> &str {
        &self.old
    }

    /// The value after.
    #[must_use]
    pub fn after(&self) -> &str {
        &self.new
    }
}

impl fmt::Display for ChangedSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, old, new } = self;
        write!(f, "`{name}` {old} -> {new}")
    }
}
