//! [`Apply`]: who applies a configuration, and on top of which.

use crate::circuit::by::By;

/// How a configuration is [applied](crate::registry::Registry::apply_as): who does it, why, and on top of which version
/// of the configuration. All of it can be left out.
///
/// ```
/// use tower_breaker::{By, config::{Apply, ApplyError, Config}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let read = |file| Config::read(&mut serde_json::Deserializer::from_str(file));
/// let registry = read(r#"{ "circuits": { "payments": {} } }"#)?.registry().build()?;
/// let newer = read(r#"{ "circuits": { "payments": { "minimum_calls": 40 } } }"#)?;
///
/// // Somebody looks at what would change, and means exactly that.
/// let planned = registry.plan(&newer)?;
/// let by = By::who("ops@example.org").because("INC-123");
/// registry.apply_as(&newer, Apply::by(by).expecting(planned.based_on()))?;
/// assert_eq!(registry.version(), 1);
///
/// // Somebody else has looked, too, and comes too late.
/// let late = registry.apply_as(&newer, Apply::new().expecting(planned.based_on()));
/// assert_eq!(late, Err(ApplyError::OtherVersion { expected: 0, found: 1 }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it does nothing until it is given to `Registry::apply_as`"]
pub struct Apply {
    pub(super) by: By,
    pub(super) expected: Option<u64>,
}

impl Apply {
    /// By nobody in particular, whatever was applied before.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says who applies it, and why.
    pub fn by(by: By) -> Self {
        Self { by, expected: None }
    }

    /// Only if the registry has this [version](crate::registry::Registry::version) of the configuration, so that two
    /// people do not undo what the other has just done.
    pub fn expecting(mut self, version: u64) -> Self {
        self.expected = Some(version);
        self
    }
}

impl From<By> for Apply {
    fn from(by: By) -> Self {
        Self::by(by)
    }
}
