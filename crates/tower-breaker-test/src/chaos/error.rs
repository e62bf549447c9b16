//! [`ChaosError`]: what is said of a setting that makes no sense.

use std::{error::Error, fmt};

/// A setting of a [`ChaosBuilder`](super::ChaosBuilder) that makes no sense. It names the field, the value and what is
/// allowed.
///
/// ```
/// use tower_breaker_test::chaos::{ChaosLayer, When};
///
/// let error = ChaosLayer::builder(7).fail(When::share(1.5)).build().unwrap_err();
/// assert_eq!(error.to_string(), "`share` is 1.5, but must be in 0..=1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChaosError {
    field: &'static str,
    value: String,
    allowed: &'static str,
}

impl ChaosError {
    pub(super) fn new(field: &'static str, value: String, allowed: &'static str) -> Self {
        Self {
            field,
            value,
            allowed,
        }
    }

    /// The name of the setting: `share`, `calls` or `during` of a [`When`](super::When), or `delay`.
    #[must_use]
    pub fn field(&self) -> &str {
        self.field
    }

    /// What it was set to.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What it may be set to.
    #[must_use]
    pub fn allowed(&self) -> &str {
        self.allowed
    }
}

impl fmt::Display for ChaosError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            value,
            allowed,
        } = self;
        write!(f, "`{field}` is {value}, but must be {allowed}")
    }
}

impl Error for ChaosError {}
