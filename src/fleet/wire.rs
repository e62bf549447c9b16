//! What an instance and a store say to each other: plain data. Times are milliseconds.
//!
//! A store needs no more than this. What each thing means is said once, by
//! `contract::check` and by rules N2 to N8 of the contract.

use std::{fmt, sync::Arc};

/// The greatest number of an era (generation) that is believed. At one era a millisecond, it takes 278 years to get
/// there.
pub const LAST_ERA: u64 = 1 << 43;

/// The greatest instant or length that is believed, in milliseconds: 142,000 years.
pub const LAST_MILLIS: u64 = 1 << 52;

/// The greatest count that is believed: what a number of Lua can hold exactly, and room to add 512 of them.
pub const LAST_COUNT: u64 = 1 << 44;

/// At most so many circuits are in one [`Exchange`].
pub const MOST_LOOKS: usize = 100;

/// At most so many bytes tell why a fleet opened.
pub const CAUSE_BYTES: usize = 120;

/// At most so many bytes tell who did it.
pub const WHO_BYTES: usize = 64;

/// A line of text of at most `N` bytes, without control characters. What is longer is cut between characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const N: usize>(Arc<str>);

impl<const N: usize> Text<N> {
    /// The text, cut at `N` bytes. Control characters become spaces.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let end = (0..=N.min(text.len()))
            .rev()
            .find(|&end| text.is_char_boundary(end));
        let kept = &text[..end.unwrap_or(0)];
        if !kept.contains(char::is_control) {
            return Self(kept.into());
        }
        // A control character may take two bytes; a space never takes more.
        Self(kept.replace(char::is_control, " ").into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::of("")
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of a circuit, as a store may use it in a key: `[A-Za-z0-9_.-]`, all else as `%XX`, at most 100 bytes. A
/// longer one becomes its first 60 bytes, then `~` and a hash of the whole.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    const LONGEST: usize = 100;
    const KEPT: usize = 60;

    /// The key of a circuit's name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let escaped: String = name.bytes().map(Escaped).map(|it| it.to_string()).collect();
        if escaped.len() <= Self::LONGEST {
            return Self(escaped.into());
        }
        let kept = &escaped[..Self::KEPT];
        Self(format!("{kept}~{:016x}", fnv(name.as_bytes())).into())
    }

    /// What a store has as a key, or `None` if it is none of ours.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let plain = |byte: u8| is_plain(byte) || matches!(byte, b'%' | b'~');
        let fits = text.len() <= Self::LONGEST && text.bytes().all(plain);
        fits.then(|| Self(text.into()))
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

struct Escaped(u8);

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) {
            return write!(f, "{}", char::from(self.0));
        }
        write!(f, "%{:02X}", self.0)
    }
}

/// FNV-1a, 64 bits: the same in every release, and of every instance.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Says which of two decisions is the later one: by the era, or by chance if two were made at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp {
    /// How many decisions there were, at most [`LAST_ERA`].
    pub era: u64,
    /// 32 random bits of whoever proposed it. Without them two decisions could bear the same era, after a store has
    /// forgotten one of them.
    pub nonce: u32,
}

/// What belongs together in a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The version of the schema, the namespace and the scope: `tb1:shop:eu-west-1a`. The scope may be empty.
    pub fleet: Arc<str>,
    /// Which shard, from 0.
    pub shard: u32,
}

impl Place {
    /// What each key of this place begins with, and the name of its channel: `{tb1:shop:eu-west-1a:0}`.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("{{{}:{}}}", self.fleet, self.shard)
    }
}

/// An instance: 64 random bits, made at its start. It is never a host's name or a process's number, because two can
/// have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub u64);

/// What an instance has to say and wants to know of some circuits of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// Where.
    pub place: Place,
    /// Who.
    pub instance: InstanceId,
    /// The newest change that the instance knows, as the store numbers them. 0: none.
    pub seen: u64,
    /// At most [`MOST_LOOKS`].
    pub circuits: Vec<Look>,
}

/// A look at one circuit, and what the instance sees there itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// Which circuit.
    pub name: Key,
    /// The latest decision that the instance knows.
    pub stamp: Stamp,
    /// None: it has nothing to say.
    pub report: Option<Report>,
}

/// What an instance sees of a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    /// Counts the reports of this instance about this circuit, from 1. By it, a copy that comes late is recognised.
    pub seq: u64,
    /// How long the register counts, at least. The first of a window decides for all.
    pub keep_for: u64,
    /// A fingerprint of the settings that matter.
    pub settings: u64,
    /// Whose settings are those of the fleet: the greatest.
    pub revision: u64,
    /// What its window holds now.
    pub register: Register,
}

/// What the window of an instance holds: all of it, not what has come to it. So saying it twice changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register {
    /// Calls, with the failed and the slow ones. Each at most [`LAST_COUNT`].
    pub calls: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Of these, slow.
    pub slow: u64,
    /// Failures in a row, up to now.
    pub streak: u64,
    /// Whether a call has succeeded since the last report that was answered.
    pub ok: bool,
    /// Whether this instance would open by itself, or is open alone.
    pub bad: bool,
}

/// The answer to an [`Exchange`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exchanged {
    /// The time of the store.
    pub now: u64,
    /// The number of the newest change.
    pub newest: u64,
    /// What has changed since the one that was seen.
    pub changed: Changed,
    /// As many as were asked for, in that order.
    pub circuits: Vec<Result<Told, Odd>>,
}

/// Which circuits of a shard have changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// More than the store remembers; each could have.
    All,
    /// These; at most [`MOST_LOOKS`].
    Names(Vec<Key>),
}

/// What is in the store cannot be read, or what was said was refused. Nothing was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Odd {
    /// What is wrong, for people.
    pub text: Text<CAUSE_BYTES>,
}

/// How one circuit of the fleet stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    /// What became of the look.
    pub how: How,
    /// How the fleet has decided.
    pub standing: Standing,
    /// What all instances see together.
    pub window: Sums,
    /// The `seq` of the last report of this instance that counts. 0: none.
    pub my_seq: u64,
    /// The fingerprint of the fleet's settings. 0: nobody has said.
    pub settings: u64,
    /// And their revision.
    pub revision: u64,
    /// The seats that this instance has, if any.
    pub lease: Option<Lease>,
}

/// What became of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// The report counts.
    Counted,
    /// There was none.
    Looked,
    /// The stamp is older than the fleet's, or the fleet is not closed: the report does not count.
    Late,
    /// The stamp is newer than the fleet's: the store has forgotten. What is in it may be given back by
    /// [`Proposal::Restore`].
    Behind,
}

/// How the fleet has decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Which decision it is.
    pub stamp: Stamp,
    /// What was decided.
    pub state: Stored,
    /// Whether a person did.
    pub mode: StoredMode,
    /// The number of the break (wait duration) in a row, from 1. 0: none yet.
    pub attempt: u32,
    /// If closed: for how long, if it ever was open.
    pub closed_for: Option<u64>,
    /// How long the last break was.
    pub length: u64,
    /// Why, in a few words.
    pub cause: Text<CAUSE_BYTES>,
    /// Which person or program, if one did.
    pub who: Text<WHO_BYTES>,
}

/// The state of a fleet's circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stored {
    /// Calls are admitted.
    Closed {
        /// By a person: what the windows of instances hold is cleared, too.
        reset: bool,
    },
    /// A break, or what is left of it. 0: it is over, and nobody has asked for a seat yet.
    Open {
        /// How much is left, by the store's clock: never more than the length.
        left: u64,
    },
    /// Probes, with the numbers of whoever asked first. Each at most 63.
    HalfOpen {
        /// So many at a time, in all instances.
        permits: u32,
        /// So many successes close it, from here.
        need: u32,
        /// So many failures more do not open it.
        spare: u32,
        /// So many seats are left to be given.
        budget: u32,
    },
}

impl Default for Stored {
    fn default() -> Self {
        Self::Closed { reset: false }
    }
}

/// Whether a person has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StoredMode {
    /// No.
    #[default]
    Normal,
    /// Forced open.
    Forced {
        /// How much longer. None: until it is released.
        left: Option<u64>,
    },
}

/// The sums over all instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sums {
    /// Calls in the windows.
    pub calls: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Of these, slow.
    pub slow: u64,
    /// Failures in a row: since anybody's last success.
    pub streak: u64,
    /// For how long the streak has not been 0.
    pub streak_for: u64,
    /// How many instances have calls.
    pub contributors: u64,
    /// How many of them see it themselves.
    pub agreeing: u64,
}

/// Seats for probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// How many, at most 63.
    pub seats: u32,
    /// For how long, from when the store answered. An instance counts it from when it *asked*.
    pub left: u64,
}

/// One decision that is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decide {
    /// Where.
    pub place: Place,
    /// Who.
    pub instance: InstanceId,
    /// Which circuit.
    pub name: Key,
    /// The latest decision that the instance knows: only that one can be followed by this.
    pub seen: Stamp,
    /// The nonce of the decision, if it is made.
    pub nonce: u32,
    /// What.
    pub what: Proposal,
}

/// What can be decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proposal {
    /// The fleet opens.
    Open {
        /// For so long.
        length: u64,
        /// The how many-th break in a row; at most one more than the fleet's.
        attempt: u32,
        /// Why.
        cause: Text<CAUSE_BYTES>,
    },
    /// Seats for probes are wanted: a call waits.
    Lease {
        /// How many probes at a time there may be, if this instance is the first to ask. 1..=63, as the next two.
        permits: u32,
        /// How many successes close it.
        need: u32,
        /// Of how many probes.
        of: u32,
        /// How long a seat is kept.
        life: u64,
        /// How many are wanted.
        want: u32,
    },
    /// What became of probes in this half-open time, in all: saying it twice changes nothing.
    Results {
        /// So many succeeded.
        ok: u32,
        /// So many failed.
        failed: u32,
        /// So many seats were not used, and are given back.
        unused: u32,
        /// How long the next break is, if this opens it.
        length: u64,
    },
    /// A person forces it open.
    Force {
        /// For so long. None: until it is released.
        at_most: Option<u64>,
        /// Who.
        who: Text<WHO_BYTES>,
    },
    /// A person ends that: closed and cleared.
    Release {
        /// Who.
        who: Text<WHO_BYTES>,
    },
    /// A person closes and clears it, whatever it is.
    Reset {
        /// Who.
        who: Text<WHO_BYTES>,
    },
    /// What the store has forgotten.
    Restore(Standing),
}

/// The answer to a [`Decide`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decided {
    /// What became of it.
    pub done: Done,
    /// The time of the store.
    pub now: u64,
    /// How the fleet stands after it.
    pub standing: Standing,
    /// The seats that this instance has, if any.
    pub lease: Option<Lease>,
    /// How many instances were told of it at once, if the store can count them.
    pub heard: Option<u64>,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Done {
    /// It holds.
    Yes,
    /// It does not fit: not closed, not over yet, no lease.
    No,
    /// The fleet has decided since.
    Late,
    /// The store has forgotten what the instance knows.
    Behind,
    /// No seat is left.
    Full {
        /// In so many milliseconds one may be.
        next: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::{Key, Place, Text};

    // N8: nothing that a name holds can leave its key.
    #[test]
    fn a_name_is_escaped_and_bounded() {
        assert_eq!(Key::of("pay.ments_1-a").as_str(), "pay.ments_1-a");
        assert_eq!(Key::of("a b{c}:%").as_str(), "a%20b%7Bc%7D%3A%25");
        let (long, other) = ("x".repeat(101), format!("{}y", "x".repeat(100)));
        assert_eq!(Key::of(&long).as_str().len(), 60 + 1 + 16);
        assert_ne!(Key::of(&long), Key::of(&other));
        assert_eq!(Key::of(&"x".repeat(100)).as_str().len(), 100);
        assert!(Key::read("a%20b~").is_some());
        assert!(Key::read("a b").is_none() && Key::read(&long).is_none());
    }

    // N8
    #[test]
    fn a_text_is_one_short_line() {
        assert_eq!(Text::<5>::of("abc\r\nef").as_str(), "abc  ");
        assert_eq!(Text::<4>::of("abcä").as_str(), "abc");
        assert_eq!(Text::<5>::of("abcä").as_str(), "abcä");
    }

    #[test]
    fn a_place_has_a_tag() {
        let place = Place {
            fleet: "tb1:shop:".into(),
            shard: 3,
        };
        assert_eq!(place.tag(), "{tb1:shop::3}");
    }
}
