//! What a configuration would change.

use std::fmt;

use crate::{
    circuit::{
        settings::{ChangedSetting, ConfigError},
        tags::Tags,
    },
    machine::Mode,
    registry::CapChange,
};

/// What a configuration changes in a live registry, or would change. From
/// [`Registry::plan`](crate::registry::Registry::plan) and [`apply`](crate::registry::Registry::apply).
///
/// It prints one circuit per line. A circuit that stays as it is has no line, with two exceptions: the configuration
/// named it once, or says something that holds only when a circuit is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    pub(super) circuits: Vec<CircuitDiff>,
    pub(super) caps: Vec<CapDiff>,
    pub(super) max_circuits: Option<(u32, u32)>,
    pub(super) based_on: u64,
}

/// What a configuration changes about one circuit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CircuitDiff {
    /// The circuit is named in the configuration, and not there yet: it is made.
    Added {
        /// Its name.
        name: String,
    },
    /// The circuit's settings change.
    Changed {
        /// Its name.
        name: String,
        /// Each setting that changes, with the old and the new value.
        changes: Vec<ChangedSetting>,
    },
    /// A live circuit cannot be changed so (rule E5), and another takes its place, as was [asked
    /// for](crate::config::Apply::replacing). State, attempts and mode go on. Its window, failures in a row and totals
    /// are empty. Code that holds the old one goes on with that.
    Replaced {
        /// Its name.
        name: String,
        /// What cannot be changed.
        error: ConfigError,
        /// Each setting that differs, with the old and the new value.
        changes: Vec<ChangedSetting>,
    },
    /// A live circuit cannot be changed so (rule E5), so nothing changes at all.
    Refused {
        /// Its name.
        name: String,
        /// What it is about.
        error: ConfigError,
        /// Whether it would be made anew where that is [asked for](crate::config::Apply::replacing).
        replaceable: bool,
    },
    /// The circuit is there, and keeps what it was made with although the configuration says something else. The new
    /// value holds once it is made anew: after a restart, or for tags with
    /// [`Apply::replacing`](crate::config::Apply::replacing). This is told with each configuration, beside what
    /// changes. A mode is told only if the configuration has another than when the circuit was made, not if a person
    /// has changed it.
    Kept {
        /// Its name.
        name: String,
        /// Its mode, and the one that the configuration says, where they differ.
        mode: Option<(Mode, Mode)>,
        /// Its tags, and those that the configuration says, where they differ.
        tags: Option<(Tags, Tags)>,
        /// Which circuits the cap is for that it would be a member of with the tags that the configuration says, if
        /// it is none with its own (rule K1).
        cap: Option<String>,
    },
    /// The circuit is no longer named. It stays as it is, until it is named again or
    /// [removed](crate::registry::Registry::remove). That is told with each configuration.
    Left {
        /// Its name.
        name: String,
    },
}

/// What a configuration changes about one of its caps (rule K1). Limits are in words: `at most 50 % and at least one`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapDiff {
    /// The cap is new. The circuits that it is for become members, also those that are there.
    Added {
        /// Which circuits it is for, in words.
        group: String,
        /// How many of them may be open.
        limit: String,
    },
    /// The cap is for the same circuits, and has another limit, from the next trip on.
    Changed {
        /// Which circuits it is for, in words.
        group: String,
        /// How many of them could be open.
        before: String,
        /// How many of them may be open.
        after: String,
    },
    /// The cap is gone. Nothing limits those that were its members.
    Removed {
        /// Which circuits it was for, in words.
        group: String,
    },
}

impl From<CapChange> for CapDiff {
    fn from(change: CapChange) -> Self {
        let group = change.group;
        match (change.before, change.after) {
            (None, Some(limit)) => Self::Added { group, limit },
            (Some(before), Some(after)) => Self::Changed {
                group,
                before,
                after,
            },
            (_, None) => Self::Removed { group },
        }
    }
}

impl fmt::Display for CapDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { group, limit } => write!(f, "cap of {group}: is made, {limit}"),
            Self::Changed {
                group,
                before,
                after,
            } => write!(f, "cap of {group}: {before} -> {after}"),
            Self::Removed { group } => write!(f, "cap of {group}: is no more"),
        }
    }
}

impl Diff {
    /// What changes about circuits, sorted by name.
    pub fn circuits(&self) -> impl Iterator<Item = &CircuitDiff> {
        self.circuits.iter()
    }

    /// What changes about caps: first those that are gone, then the others in their order.
    pub fn caps(&self) -> impl Iterator<Item = &CapDiff> {
        self.caps.iter()
    }

    /// How many circuits there may be, before and after, if that changes.
    #[must_use]
    pub fn max_circuits(&self) -> Option<(u32, u32)> {
        self.max_circuits
    }

    /// The [version](crate::registry::Registry::version) of the configuration that it was compared with.
    #[must_use]
    pub fn based_on(&self) -> u64 {
        self.based_on
    }

    /// The version that the registry has once it is applied: the next one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.based_on + 1
    }

    /// Whether the configuration is refused: something cannot change, so nothing does.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let refused = |diff: &CircuitDiff| matches!(diff, CircuitDiff::Refused { .. });
        self.circuits.iter().any(refused)
    }

    /// Whether nothing changes. Circuits that [stay as they are](CircuitDiff::Left) do not count, nor does what
    /// circuits [keep](CircuitDiff::Kept).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let stays = |diff: &CircuitDiff| {
            matches!(diff, CircuitDiff::Left { .. } | CircuitDiff::Kept { .. })
        };
        self.circuits.iter().all(stays) && self.caps.is_empty() && self.max_circuits.is_none()
    }
}

impl Diff {
    /// What changes, each in a line. A name may have line breaks in it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.circuits.iter().map(ToString::to_string).collect();
        lines.extend(self.caps.iter().map(ToString::to_string));
        lines.extend(
            self.max_circuits
                .map(|(old, new)| format!("max_circuits: {old} -> {new}")),
        );
        lines
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl CircuitDiff {
    /// The circuit's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Added { name }
            | Self::Changed { name, .. }
            | Self::Replaced { name, .. }
            | Self::Refused { name, .. }
            | Self::Kept { name, .. }
            | Self::Left { name } => name,
        }
    }
}

impl fmt::Display for CircuitDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { name } => write!(f, "{name}: is made"),
            Self::Changed { name, changes } => write!(f, "{name}: {}", list(changes)),
            Self::Replaced {
                name,
                error,
                changes,
            } => {
                write!(
                    f,
                    "{name}: is made anew with its state and an empty window, since `{}` cannot change",
                    error.field()
                )?;
                match changes[..] {
                    [] => Ok(()),
                    _ => write!(f, ": {}", list(changes)),
                }
            }
            Self::Refused {
                error, replaceable, ..
            } => {
                write!(f, "cannot change: {error}")?;
                match replaceable {
                    true => f.write_str("; `Apply::replacing` has it made anew"),
                    false => Ok(()),
                }
            }
            Self::Kept {
                name,
                mode,
                tags,
                cap,
            } => {
                let mode = mode.map(|(own, said)| kept("mode", &own, &said));
                let tags = tags.as_ref().map(|(own, said)| {
                    let [own, said] = [own, said].map(tags_in_words);
                    kept("tags", &own, &said)
                });
                let both: Vec<_> = mode.into_iter().chain(tags).collect();
                let both = both.join(" and its ");
                write!(f, "{name}: keeps its {both}, from when it was made")?;
                match cap {
                    Some(group) => write!(f, "; it is no member of the cap of {group}"),
                    None => Ok(()),
                }
            }
            Self::Left { name } => write!(f, "{name}: is named no more, and stays as it is"),
        }
    }
}

fn kept(key: &str, own: &dyn fmt::Display, said: &dyn fmt::Display) -> String {
    format!("`{key}` ({own}; the configuration says {said})")
}

fn tags_in_words(tags: &Tags) -> String {
    if tags.is_empty() {
        "none".to_owned()
    } else {
        tags.to_string()
    }
}

fn list(changes: &[ChangedSetting]) -> String {
    let all: Vec<_> = changes.iter().map(ToString::to_string).collect();
    all.join(", ")
}
