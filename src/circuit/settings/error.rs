//! [`ConfigError`]: what is said of a setting that makes no sense (rule B8).

use std::{error::Error, fmt, fmt::Debug};

use crate::circuit::name::Name;

/// A setting that makes no sense. It is refused when the circuit is built or reconfigured (rule B8).
///
/// It names the circuit, the field, the value and what is allowed. If another setting is to blame, it names that too.
///
/// ```
/// use tower_breaker::Circuit;
///
/// let error = Circuit::builder("payments").probes(2, 3).permits(4).build().unwrap_err();
/// assert_eq!((error.circuit(), error.field(), error.value()), (Some("payments"), "permits", "4"));
/// assert_eq!(error.because_of(), Some("probes"));
/// assert_eq!(
///     error.to_string(),
///     "circuit `payments`: `permits` is 4, but must be 1 to 3, the number of `probes`",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    whose: Option<Whose>,
    field: &'static str,
    value: String,
    allowed: String,
    because_of: Option<&'static str>,
}

/// What a setting was said for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    Circuit(Name),
    #[cfg(feature = "registry")]
    Defaults,
    #[cfg(feature = "registry")]
    Pattern(Name),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Circuit(name) => write!(f, "circuit `{name}`"),
            #[cfg(feature = "registry")]
            Self::Defaults => f.write_str("the defaults"),
            #[cfg(feature = "registry")]
            Self::Pattern(names) => write!(f, "the pattern `{names}`"),
        }
    }
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, value: impl Debug, allowed: impl Into<String>) -> Self {
        Self {
            whose: None,
            field,
            value: format!("{value:?}"),
            allowed: allowed.into(),
            because_of: None,
        }
    }

    /// An error, unless `valid`.
    pub(crate) fn unless(
        valid: bool,
        field: &'static str,
        value: &dyn Debug,
        allowed: &str,
    ) -> Result<(), Self> {
        if valid {
            Ok(())
        } else {
            Err(Self::new(field, value, allowed))
        }
    }

    /// The same, because of another setting, which the text of what is allowed names.
    pub(crate) fn blaming(self, setting: &'static str) -> Self {
        debug_assert!(
            self.allowed.contains(setting),
            "{self} because of {setting}"
        );
        Self {
            because_of: Some(setting),
            ..self
        }
    }

    /// The same, of this circuit.
    pub(crate) fn of(self, circuit: &Name) -> Self {
        Self {
            whose: Some(Whose::Circuit(circuit.clone())),
            ..self
        }
    }

    /// The same, of what a registry says for all.
    #[cfg(feature = "registry")]
    pub(crate) fn of_defaults(self) -> Self {
        Self {
            whose: Some(Whose::Defaults),
            ..self
        }
    }

    /// The same, of what a registry says for all whose name matches.
    #[cfg(feature = "registry")]
    pub(crate) fn of_pattern(self, names: &str) -> Self {
        Self {
            whose: Some(Whose::Pattern(names.to_owned().into())),
            ..self
        }
    }

    /// The name of the circuit. `None` if the setting is of no circuit yet, such as the share of an
    /// [`EjectionCap`](crate::EjectionCap) or the defaults of a registry. Also `None` if it is the name that makes no
    /// sense.
    #[must_use]
    pub fn circuit(&self) -> Option<&str> {
        match self.whose.as_ref()? {
            Whose::Circuit(name) => Some(name),
            #[cfg(feature = "registry")]
            Whose::Defaults | Whose::Pattern(_) => None,
        }
    }

    /// The name of the setting: the builder's method, or `name` for the circuit's name.
    ///
    /// If a setting has several parts, it says which:
    ///
    /// * `open_for.factor`, `open_for.max`, `open_for.jitter`; for the first time it is `open_for`
    /// * `probes.of`, `probes.successes`
    /// * `ramp.from`; for the time it is `ramp`
    ///
    /// If it is not a setting of a circuit, it is one of these:
    ///
    /// * of the set under a cap, `ejection_cap`; of a registry, `max_circuits`; of control over HTTP, `origin`
    /// * `retry_after.minimum`, `retry_after.maximum`
    /// * of a cache, `entries`, `body_limit`, `keep_for`, `stale_if_error`, `clock` or `also`
    /// * of a fleet, `namespace`, `scope`, `shards`, `interval`, `poll`, `detach_after`, `budget` or `clock`
    #[must_use]
    pub fn field(&self) -> &str {
        self.field
    }

    /// The value that was refused.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What would have been accepted.
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed
    }

    /// Another setting to look at: without it, the value would be allowed. `None` if there is no such setting.
    ///
    /// If a live circuit is [reconfigured](crate::Circuit::reconfigure), the [`field`](Self::field) is the one of the
    /// two that was changed.
    #[must_use]
    pub fn because_of(&self) -> Option<&str> {
        self.because_of
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            whose,
            field,
            value,
            allowed,
            because_of: _,
        } = self;
        if let Some(whose) = whose {
            write!(f, "{whose}: ")?;
        }
        write!(f, "`{field}` is {value}, but must be {allowed}")
    }
}

impl Error for ConfigError {}

/// Why [`reconfigure_expecting`](crate::Circuit::reconfigure_expecting) did not change the settings of a live circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReconfigureError {
    /// The change makes no sense, or cannot be made while the circuit lives.
    Refused(ConfigError),
    /// Somebody has changed the settings since the [version](crate::Circuit::settings_version) that was expected.
    OtherVersion {
        /// The one that was looked at.
        expected: u64,
        /// The one that is there.
        found: u64,
    },
}

impl From<ConfigError> for ReconfigureError {
    fn from(refused: ConfigError) -> Self {
        Self::Refused(refused)
    }
}

impl fmt::Display for ReconfigureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => fmt::Display::fmt(refused, f),
            Self::OtherVersion { expected, found } => write!(
                f,
                "version {expected} of the settings was expected, but there is version {found}"
            ),
        }
    }
}

/// That of a setting is told in place of this one: its message is the same.
impl Error for ReconfigureError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_no_circuit_names_none() {
        let error = ConfigError::new("ejection_cap", 1.5, "a share");
        assert_eq!((error.circuit(), error.because_of()), (None, None));
        let said = "`ejection_cap` is 1.5, but must be a share";
        assert_eq!(error.to_string(), said);
    }
}
