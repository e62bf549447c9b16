//! [`Tags`]: what a circuit is told to belong to.

use std::{fmt, sync::Arc};

use super::name::Name;

/// The tags of a circuit: words by which people sort circuits, such as `service`, `tier` or `zone`, and their
/// values. Set by [`CircuitBuilder::tag`](crate::CircuitBuilder::tag).
///
/// Each key is there once. The tags of a circuit do not change after it is built.
///
/// ```
/// use tower_breaker::Circuit;
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("search-eu")
///     .tag("tier", "search")
///     .tag("zone", "eu")
///     .build()?;
/// assert_eq!(circuit.tags().get("tier"), Some("search"));
/// assert_eq!(circuit.tags().get("owner"), None);
/// assert_eq!(circuit.tags().to_string(), "tier=search, zone=eu");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(
    /// Shared, because each event carries them. `None` if there are none.
    Option<Arc<Vec<(Name, Name)>>>,
);

impl Tags {
    /// The value of a tag, if the circuit has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.all().iter().find(|(known, _)| known == key)?;
        Some(value.as_str())
    }

    /// All tags with their values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.all().iter();
        all.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn all(&self) -> &[(Name, Name)] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// A key that is there already gets the new value.
    pub(crate) fn set(&mut self, key: Name, value: Name) {
        let all = Arc::make_mut(self.0.get_or_insert_default());
        match all.binary_search_by(|(known, _)| known.as_str().cmp(&key)) {
            Ok(at) => all[at].1 = value,
            Err(at) => all.insert(at, (key, value)),
        }
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (key, value)) in self.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_one_of_its_own() {
        let mut tags = Tags::default();
        assert!(tags.is_empty());
        tags.set("zone".into(), "eu".into());
        let before = tags.clone();
        tags.set("zone".into(), "us".into());
        assert_eq!(
            [before, tags].map(|it| it.to_string()),
            ["zone=eu", "zone=us"]
        );
    }

    #[test]
    fn a_tag_that_is_set_again_has_the_new_value() {
        let mut tags = Tags::default();
        tags.set("zone".into(), "eu".into());
        tags.set("tier".into(), "search".into());
        tags.set("zone".into(), "us".into());
        assert_eq!(tags.to_string(), "tier=search, zone=us");
    }
}
