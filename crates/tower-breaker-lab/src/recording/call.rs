//! What is kept of a call: 16 bytes.

use std::time::Duration;

/// What became of a call, as far as the recording knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// The dependency did its work.
    Succeeded,
    /// The dependency failed.
    Failed,
    /// The dependency answered, and the answer says nothing about failures (rule A1), such as a 404.
    Answered,
    /// It says nothing about the dependency (rule A1), such as a 429.
    Ignored,
    /// Its caller had gone before there was an answer (rule A4).
    Abandoned,
    /// It was not made: a breaker had rejected it.
    Unknown,
}

/// A call of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// When it began, since the beginning of the recording.
    pub at: Duration,
    /// How long it took. Of an unknown call: nothing.
    pub took: Duration,
    /// What became of it.
    pub fate: Fate,
}

/// A call, as it is kept. The longest duration that is read has 55 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Nanoseconds since 1970.
    pub(super) at: u64,
    took_and_fate: u64,
}

impl Kept {
    pub(super) fn new(at: u64, took: u64, fate: Fate) -> Self {
        Self {
            at,
            took_and_fate: took << 3 | fate as u64,
        }
    }

    pub(super) fn took(self) -> u64 {
        self.took_and_fate >> 3
    }

    pub(super) fn ends(self) -> u64 {
        self.at.saturating_add(self.took())
    }

    pub(super) fn fate(self) -> Fate {
        match self.took_and_fate & 0b111 {
            0 => Fate::Succeeded,
            1 => Fate::Failed,
            2 => Fate::Answered,
            3 => Fate::Ignored,
            4 => Fate::Abandoned,
            _ => Fate::Unknown,
        }
    }

    pub(super) fn is_known(self) -> bool {
        self.fate() != Fate::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_16_bytes_and_is_found_again() {
        assert_eq!(size_of::<Kept>(), 16);
        let longest = 366 * 86_400 * 1_000_000_000;
        for fate in [
            Fate::Succeeded,
            Fate::Failed,
            Fate::Answered,
            Fate::Ignored,
            Fate::Abandoned,
            Fate::Unknown,
        ] {
            let kept = Kept::new(7, longest, fate);
            assert_eq!((kept.took(), kept.fate()), (longest, fate));
        }
    }
}
