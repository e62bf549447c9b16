//! A length of time as calls carry it: one word, where a [`Duration`] takes two and has to be divided.

use std::time::Duration;

use super::nanos;

/// So many nanoseconds. An instant is a plain number: `now`, in nanoseconds of the circuit's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(u64);

impl Nanos {
    pub(crate) const ZERO: Self = Self(0);
    /// In place of what remains, where a person has to end it.
    pub(crate) const FOREVER: Self = Self(u64::MAX);

    #[inline]
    pub(crate) const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// What is longer than 584 years counts as that.
    pub(crate) fn of(duration: Duration) -> Self {
        Self(nanos(duration))
    }

    /// From one instant to a later one.
    #[inline]
    pub(crate) const fn between(start: u64, end: u64) -> Self {
        Self(end.saturating_sub(start))
    }

    #[inline]
    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}
