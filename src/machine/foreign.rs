//! What a circuit says of calls and breaks that are its fleet's, by its own numbers (rules N3, N8).
#![allow(dead_code, reason = "without the feature `fleet` nobody says it")]

use std::time::Duration;

use super::{
    Cause, Core, WindowCounts,
    era::Era,
    numbers::{Numbers, WindowKind, nanos},
};

impl Core {
    /// Whether the calls of the fleet would trip this circuit (B1, B4, B7): what is in its window, and the failures in a
    /// row, which span so long.
    pub(crate) fn judge_foreign(
        &self,
        counts: &WindowCounts,
        streak: u64,
        streak_for: Duration,
    ) -> Option<Cause> {
        let numbers = self.tunable.read();
        self.judge(&numbers, counts)
            .or_else(|| numbers.judge_streak(streak, streak_for))
    }

    /// Whether these calls, of one instance, reach what trips this circuit, however few they are and however fast the
    /// failures have come.
    pub(crate) fn reaches_alone(&self, counts: &WindowCounts, streak: u64) -> bool {
        let numbers = Numbers {
            minimum_calls: 1,
            ..self.tunable.read()
        };
        self.judge(&numbers, counts).is_some()
            || numbers.judge_streak(streak, Duration::MAX).is_some()
    }

    fn judge(&self, numbers: &Numbers, counts: &WindowCounts) -> Option<Cause> {
        let has_window = !self.window.is_none();
        has_window.then(|| self.evaluate(numbers, counts)).flatten()
    }

    /// How long a break of the fleet is, which is its `attempt`-th in a row (C2).
    pub(crate) fn break_of(&self, attempt: u32, era: u64) -> Duration {
        let numbers = self.tunable.read();
        self.backoff.open_for(&numbers, attempt, Era::new(era))
    }

    /// The numbers that all instances of a fleet have in common, unless one is of another release, as one number. The
    /// seed of the jitter, names and closures differ by right.
    pub(crate) fn fingerprint(&self) -> u64 {
        let numbers = self.tunable.read();
        let window = match self.lead.as_ref().map(|lead| lead.window) {
            None | Some(WindowKind::None) => [0, 0],
            Some(WindowKind::Count(size)) => [1, u64::from(size)],
            Some(WindowKind::Time(span, _)) => [2, nanos(span)],
        };
        let agreement = [numbers.shared, numbers.shared_share, numbers.shared_flags];
        let deciding = &numbers.to_words()[..Numbers::DECIDING];
        let words = deciding.iter().chain(&agreement).chain(&window);
        words.fold(FIRST, |hash, word| hash_of(hash, *word))
    }
}

impl Numbers {
    /// B1: whether so many failures in a row trip, which span so long.
    fn judge_streak(&self, streak: u64, streak_for: Duration) -> Option<Cause> {
        let needed = self.consecutive_failures;
        let trips =
            needed > 0 && streak >= needed && nanos(streak_for) >= self.consecutive_failures_span;
        trips.then_some(Cause::ConsecutiveFailures(streak))
    }
}

/// FNV-1a, the same in every process and every release.
const FIRST: u64 = 0xcbf2_9ce4_8422_2325;

fn hash_of(hash: u64, word: u64) -> u64 {
    let bytes = word.to_le_bytes();
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
