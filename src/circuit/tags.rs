//! [`Tags`]: what a circuit is told to belong to.

use std::fmt;

use super::name::Name;

/// The tags of a circuit: words by which people sort circuits, such as `service`, `tier` or `zone`, and their
/// values. Set by [`CircuitBuilder::tag`](crate::CircuitBuilder::tag).
///
/// Each key is there once. They stay as the circuit was built.
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
pub struct Tags(Vec<(Name, Name)>);

impl Tags {
    /// The value of a tag, if the circuit has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == key)?;
        Some(value.as_str())
    }

    /// All tags with their values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key that is there already gets the new value.
    pub(crate) fn set(&mut self, key: Name, value: Name) {
        match self
            .0
            .binary_search_by(|(known, _)| known.as_str().cmp(&key))
        {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key, value)),
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
    fn a_tag_that_is_set_again_has_the_new_value() {
        let mut tags = Tags::default();
        tags.set("zone".into(), "eu".into());
        tags.set("tier".into(), "search".into());
        tags.set("zone".into(), "us".into());
        assert_eq!(tags.to_string(), "tier=search, zone=us");
    }
}
