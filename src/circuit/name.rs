//! [`Name`]: what a circuit is called.

use std::{
    borrow::{Borrow, Cow},
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

/// The name of a circuit.
///
/// It is made of a literal, a `String`, an `Arc<str>` or a `Cow<'static, str>`, and is otherwise a
/// `str`. Every rejection carries a copy, so copying one allocates nothing, and where the name is a
/// literal, as most are, it does not even count references.
///
/// ```
/// use tower_breaker::{Circuit, Name};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let payments = Circuit::builder("payments").build()?;
/// let host = "db1.internal:5432";
/// let database = Circuit::builder(format!("database at {host}")).build()?;
///
/// let name: Name = database.snapshot().name;
/// assert_eq!(name, "database at db1.internal:5432");
/// assert!(name.starts_with("database"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Name(Inner);

#[derive(Clone)]
enum Inner {
    Literal(&'static str),
    Shared(Arc<str>),
}

impl Name {
    /// The name.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Inner::Literal(name) => name,
            Inner::Shared(name) => name,
        }
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self(Inner::Literal(name))
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self(Inner::Shared(name.into()))
    }
}

impl From<Arc<str>> for Name {
    fn from(name: Arc<str>) -> Self {
        Self(Inner::Shared(name))
    }
}

impl From<Cow<'static, str>> for Name {
    fn from(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => name.into(),
            Cow::Owned(name) => name.into(),
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// As a `str` hashes, so that a map by name can be asked with one.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_name_is_what_it_says_whatever_it_is_made_of() {
        let shared: Arc<str> = "payments".into();
        let names: [Name; 5] = [
            "payments".into(),
            String::from("payments").into(),
            shared.into(),
            Cow::Borrowed("payments").into(),
            Cow::<'static, str>::Owned("payments".to_owned()).into(),
        ];
        let by_name = HashMap::from([(names[0].clone(), 1)]);
        for name in names {
            assert_eq!(name, "payments");
            assert_eq!(name, *"payments");
            assert_eq!(name, Name::from("payments"));
            assert_ne!(name, Name::from("database"));
            assert!(name != "database" && name != *"database");
            assert_eq!(format!("{name:>9} {name:?}"), " payments \"payments\"");
            assert_eq!(by_name.get(&name), by_name.get("payments"));
            assert_eq!((name.len(), name.as_ref()), (8, "payments"));
        }
        assert_eq!(by_name.get("payments"), Some(&1));
    }
}
