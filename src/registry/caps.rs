//! Caps: of a group of circuits, only a share may be open at once (rule K1). The group is all circuits, or those of a
//! tag or a pattern.
//!
//! Each cap of a registry is an [`EjectionCap`] whose members the registry chooses. A circuit joins when it is made, or
//! when a configuration that is applied brings the cap. It leaves when it is gone. A circuit is a member of one set for
//! as long as it lives. So the set of a cap that is no more is kept, without a limit.

use std::fmt;

use super::pattern::Pattern;
use super::rules::Source;
use crate::{
    circuit::{
        ejection::EjectionCap,
        name::Name,
        settings::{ConfigError, millionths, share},
        tags::Tags,
    },
    machine::Limit,
};

/// Of a group of circuits, only a share may be open by failure at once. It is an [`EjectionCap`](crate::EjectionCap)
/// whose members a registry chooses, and is given to [`RegistryBuilder::cap`](super::RegistryBuilder::cap).
///
/// ```
/// use tower_breaker::{State, registry::{GroupCap, Registry}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder()
///     .defaults(|circuit| circuit.consecutive_failures(1))
///     .matching("search-*", |circuit| circuit.tag("tier", "search"))
///     .cap(GroupCap::at_most(0.5).tag("tier", "search").at_least_one())
///     .build()?;
///
/// let shards = ["search-1", "search-2"].map(|name| registry.get_or_create(name));
/// for shard in &shards {
///     shard.as_ref().expect("made").try_acquire()?.failure();
/// }
/// let states = shards.map(|shard| shard.expect("made").state());
/// assert_eq!(states, [State::Open, State::Closed]);
///
/// let cap = &registry.caps()[0];
/// assert_eq!(cap.to_string(), "tier=search: 1 of 2 open, at most 50 % and at least one, 1 trip vetoed");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it does nothing until it is given to a registry"]
pub struct GroupCap {
    pub(super) group: Group,
    share: f64,
    at_least_one: bool,
}

impl GroupCap {
    /// Lets at most this share of all circuits of the registry be open. Above 0 and at most 1, rounded to millionths.
    pub fn at_most(share: f64) -> Self {
        Self {
            group: Group::default(),
            share,
            at_least_one: false,
        }
    }

    /// Limits the group to circuits whose name matches. `*` stands for any characters, or for none.
    pub fn names(mut self, pattern: &str) -> Self {
        self.group.names = Some(pattern.into());
        self
    }

    /// Limits the group to circuits that have this tag. If called again, to those that have all of the tags.
    pub fn tag(mut self, key: impl Into<Name>, value: impl Into<Name>) -> Self {
        self.group.tags.set(key.into(), value.into());
        self
    }

    /// Lets at least one of the group be open, however few there are. See
    /// [`EjectionCap::at_least_one`](crate::EjectionCap::at_least_one).
    pub fn at_least_one(mut self) -> Self {
        self.at_least_one = true;
        self
    }

    pub(crate) fn limit(&self) -> Result<Limit, ConfigError> {
        Ok(Limit {
            share: millionths("at_most", self.share)?,
            least: u64::from(self.at_least_one),
        })
    }

    /// Whether it is for a circuit of this name and with these tags.
    #[cfg(feature = "config")]
    pub(crate) fn is_for(&self, name: &str, tags: &Tags) -> bool {
        self.group.has(name, tags)
    }

    /// Which circuits it is for, in words.
    #[cfg(feature = "config")]
    pub(crate) fn group_in_words(&self) -> String {
        self.group.to_string()
    }

    /// Whether it is of the same circuits.
    #[cfg(feature = "config")]
    pub(crate) fn is_of_same_group(&self, other: &Self) -> bool {
        self.group == other.group
    }
}

/// Which circuits a cap is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    names: Option<Box<str>>,
    tags: Tags,
}

impl Group {
    pub(super) fn has(&self, name: &str, tags: &Tags) -> bool {
        let names = self.names.as_deref();
        names.is_none_or(|names| Pattern::new(names).matches(name))
            && self
                .tags
                .iter()
                .all(|(key, value)| tags.get(key) == Some(value))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names {
            None if self.tags.is_empty() => f.write_str("all circuits"),
            None => self.tags.fmt(f),
            Some(names) if self.tags.is_empty() => f.write_str(names),
            Some(names) => write!(f, "{names} with {}", self.tags),
        }
    }
}

/// A cap of a registry, with its set.
#[derive(Clone)]
pub(super) struct Cap {
    pub(super) source: Source,
    pub(super) said: GroupCap,
    pub(super) set: EjectionCap,
}

impl Cap {
    pub(super) fn new(source: Source, said: GroupCap) -> Self {
        Self {
            source,
            said,
            set: EjectionCap::without_limit(),
        }
    }

    pub(super) fn status(&self) -> CapStatus {
        let limit = self.set.limit();
        CapStatus {
            group: self.said.group.to_string(),
            at_most: share(limit.share),
            at_least_one: limit.least > 0,
            members: self.set.members(),
            ejected: self.set.ejected(),
            vetoed: self.set.vetoed(),
        }
    }
}

/// How a cap stands. From [`Registry::caps`](super::Registry::caps).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CapStatus {
    /// Which circuits the cap is for, in words: `tier=search`, `search-*`, `search-* with zone=eu`, `all circuits`.
    pub group: String,
    /// The share of them that may be open, in `0..=1`.
    pub at_most: f64,
    /// Whether one of them may be open however few there are.
    pub at_least_one: bool,
    /// How many circuits the cap is for now.
    pub members: u64,
    /// How many of them are open, half-open or forced open; see
    /// [`EjectionCap::ejected`](crate::EjectionCap::ejected).
    pub ejected: u64,
    /// How many trips the cap has vetoed since the registry was built, or since a configuration brought the cap. Each
    /// is counted in the circuit's [`Totals::vetoed`](crate::Totals::vetoed), too. The first of an outage is told to
    /// listeners ([`Cause::TripVetoed`](crate::Cause::TripVetoed)).
    pub vetoed: u64,
}

impl fmt::Display for CapStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            members,
            ejected,
            vetoed,
            ..
        } = self;
        let limit = InWords {
            share: self.at_most,
            at_least_one: self.at_least_one,
        };
        let trips = if *vetoed == 1 { "trip" } else { "trips" };
        write!(
            f,
            "{group}: {ejected} of {members} open, {limit}, {vetoed} {trips} vetoed"
        )
    }
}

struct InWords {
    share: f64,
    at_least_one: bool,
}

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A share is of millionths: four digits of a per cent.
        let percent = (self.share * 1e6).round() / 1e4;
        write!(f, "at most {percent} %")?;
        f.write_str(if self.at_least_one {
            " and at least one"
        } else {
            ""
        })
    }
}

/// What a configuration changes of a cap.
#[cfg(feature = "config")]
pub(crate) struct CapChange {
    pub(crate) group: String,
    /// In words.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

#[cfg(feature = "config")]
impl CapChange {
    /// `None` if nothing changes.
    pub(super) fn of(before: Option<&Cap>, after: Option<&Cap>) -> Option<Self> {
        let limit = |cap: Option<&Cap>| cap.and_then(|cap| cap.said.limit().ok()).map(in_words);
        let group = after.or(before)?.said.group.to_string();
        let (before, after) = (limit(before), limit(after));
        (before != after).then_some(Self {
            group,
            before,
            after,
        })
    }
}

/// `at most 50 % and at least one`.
#[cfg(feature = "config")]
fn in_words(limit: Limit) -> String {
    let words = InWords {
        share: share(limit.share),
        at_least_one: limit.least > 0,
    };
    words.to_string()
}
