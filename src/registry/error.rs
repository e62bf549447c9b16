//! What goes wrong with names.

use std::{error::Error, fmt};

use crate::circuit::settings::ConfigError;

/// The registry has no circuit of this name.
///
/// ```
/// use tower_breaker::registry::Registry;
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let registry = Registry::builder().build()?;
/// let unknown = registry.try_get("payments").unwrap_err();
/// assert_eq!(unknown.to_string(), "there is no circuit `payments` in the registry");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCircuit {
    name: String,
}

impl UnknownCircuit {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// The name that was asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for UnknownCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no circuit `{}` in the registry", self.name)
    }
}

impl Error for UnknownCircuit {}

/// A circuit that could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// The registry is full, and none of the circuits that it looked at can leave.
    Full {
        /// [`max_circuits`](super::RegistryBuilder::max_circuits).
        max_circuits: u32,
    },
    /// The settings for this name make no sense, or the name is empty, blank or longer than 256 bytes.
    Config(ConfigError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { max_circuits } => {
                write!(
                    f,
                    "the registry has {max_circuits} circuits, and may have no more"
                )
            }
            Self::Config(error) => error.fmt(f),
        }
    }
}

/// That of a setting is told in place of the circuit's: its message is the same.
impl Error for CreateError {}

impl From<ConfigError> for CreateError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
