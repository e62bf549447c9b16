//! A number that each call looks at, beside the word, and whether calls are heard.

use crate::machine::sync::{AtomicU64, Ordering};

/// A number of 63 bits, where zero is off, and a flag above it: somebody hears of each call. So both take one load,
/// and where neither is set, one comparison with zero.
#[derive(Debug)]
pub(super) struct Hint(AtomicU64);

/// What a [`Hint`] held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hinted(u64);

const HEARD: u64 = 1 << 63;

impl Hint {
    /// The largest number that it holds. Larger ones become this.
    pub(super) const MOST: u64 = HEARD - 1;

    pub(super) fn new(number: u64) -> Self {
        Self(AtomicU64::new(number.min(Self::MOST)))
    }

    /// Relaxed: a number of its own; calls that race with its change may be timed, or heard, or not.
    #[inline]
    pub(super) fn read(&self) -> Hinted {
        Hinted(self.0.load(Ordering::Relaxed))
    }

    /// Replaces the number, and leaves the flag as it is.
    pub(super) fn set(&self, number: u64) {
        let number = number.min(Self::MOST);
        self.change(|bits| bits & HEARD | number);
    }

    /// Sets the flag, and leaves the number as it is.
    pub(super) fn hear(&self, heard: bool) {
        self.change(|bits| bits & !HEARD | if heard { HEARD } else { 0 });
    }

    fn change(&self, change: impl Fn(u64) -> u64) {
        let mut old = self.0.load(Ordering::Relaxed);
        while let Err(seen) =
            self.0
                .compare_exchange_weak(old, change(old), Ordering::Relaxed, Ordering::Relaxed)
        {
            old = seen;
        }
    }
}

impl Hinted {
    /// Neither a number nor a flag.
    #[inline]
    pub(super) fn is_off(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(super) fn is_heard(self) -> bool {
        self.0 & HEARD != 0
    }

    #[inline]
    pub(super) fn number(self) -> u64 {
        self.0 & Hint::MOST
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::*;

    // L2, E5
    #[test]
    fn the_flag_and_the_number_leave_each_other_alone() {
        let hint = Hint::new(u64::MAX);
        assert_eq!(hint.read().number(), Hint::MOST);
        assert!(!hint.read().is_heard(), "a number is no flag");
        hint.hear(true);
        hint.set(u64::MAX);
        assert!(hint.read().is_heard());
        assert_eq!(hint.read().number(), Hint::MOST);
        hint.set(7);
        hint.hear(false);
        assert_eq!((hint.read().number(), hint.read().is_heard()), (7, false));
        hint.set(0);
        assert!(hint.read().is_off());
    }
}
