//! [`Apply`]: who applies a configuration, and on top of which.

use crate::circuit::by::By;

/// How a configuration is [applied](crate::registry::Registry::apply_as): who does it, why, and on top of which
/// version. All of it can be left out.
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
    pub(super) replacing: bool,
}

impl Apply {
    /// Applies by nobody in particular, whatever was applied before.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says who applies it, and why.
    pub fn by(by: By) -> Self {
        Self {
            by,
            ..Self::default()
        }
    }

    /// Applies only if the registry has this [version](crate::registry::Registry::version) of the configuration. So two
    /// people do not undo what the other has just done.
    pub fn expecting(mut self, version: u64) -> Self {
        self.expected = Some(version);
        self
    }
}

impl Apply {
    /// Makes circuits anew that cannot change so while they live, in place of refusing the whole configuration. That is
    /// so for another kind or size of window, for what else their memory is made for, and for tags.
    ///
    /// | goes on | begins anew |
    /// |---|---|
    /// | state, what is left of a break (wait duration), attempts, mode (rule E6) | window, failures in a row, ramp (slow start), probes of half-open |
    /// | its place in the registry: named or a stranger | totals, the last trip, the era (generation) |
    ///
    /// The [diff](crate::config::CircuitDiff::Replaced) says so, and listeners hear that a circuit was removed and
    /// another added.
    ///
    /// **Watch out:** code that holds the old circuit goes on with it, as after a
    /// [`remove`](crate::registry::Registry::remove). A layer that was made with it is such a holder. A [keyed
    /// layer](crate::keyed) is not, and goes on with the new one. Look the circuit up for each call, or do without this
    /// and restart:
    ///
    /// ```
    /// # use tower_breaker::{config::{Apply, Config}, registry::Registry};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let read = |file| Config::read(&mut serde_json::Deserializer::from_str(file));
    /// let registry = read(r#"{ "circuits": { "payments": { "count_window": 100 } } }"#)?.registry().build()?;
    /// # let newer = read(r#"{ "circuits": { "payments": { "count_window": 500 } } }"#)?;
    /// // Wrong: this one keeps its old window for as long as it is held.
    /// let payments = registry.try_get("payments")?;
    /// assert!(registry.apply(&newer).is_err());
    /// registry.apply_as(&newer, Apply::new().replacing())?;
    /// assert_eq!(payments.settings().count_window(), Some(100));
    ///
    /// // Right.
    /// registry.try_get("payments")?.try_acquire()?.success();
    /// # Ok(())
    /// # }
    /// ```
    pub fn replacing(mut self) -> Self {
        self.replacing = true;
        self
    }
}

impl From<By> for Apply {
    fn from(by: By) -> Self {
        Self::by(by)
    }
}
