//! [`Name`]: what a circuit is called.

use std::{borrow::Cow, fmt, ops::Deref, sync::Arc};

/// The name of a circuit. Every rejection carries a copy, so copying one allocates nothing, and where
/// the name is a literal, as most are, it does not even count references.
#[derive(Clone)]
pub(crate) enum Name {
    Literal(&'static str),
    Shared(Arc<str>),
}

impl From<Cow<'static, str>> for Name {
    fn from(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => Self::Literal(name),
            Cow::Owned(name) => Self::Shared(name.into()),
        }
    }
}

impl From<Name> for Cow<'static, str> {
    fn from(name: Name) -> Self {
        match name {
            Name::Literal(name) => Self::Borrowed(name),
            Name::Shared(name) => Self::Owned(name.as_ref().to_owned()),
        }
    }
}

impl Deref for Name {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            Self::Literal(name) => name,
            Self::Shared(name) => name,
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
