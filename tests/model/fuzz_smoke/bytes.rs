//! Bytes as a source of decisions. When they have run out, everything is the first choice.

use std::time::Duration;

#[derive(Clone)]
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn are_left(&self) -> bool {
        !self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn number(&mut self, bytes: usize) -> u64 {
        (0..bytes).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// A number from 0, below `sides`.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        let bytes = if sides > 256 { 4 } else { 1 };
        self.number(bytes) % sides
    }

    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::from(self.byte()) % length
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// Something, or the first choice: nothing.
    pub(crate) fn maybe<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| some(self))
    }

    // ---- without bounds ------------------------------------------------------------------------

    /// Any number: small ones, limits and their neighbours more often than others.
    pub(crate) fn any_number(&mut self, limits: &[u64]) -> u64 {
        match self.byte() % 8 {
            0..=4 => self.below(12),
            5 => self
                .pick(limits)
                .wrapping_add(self.below(3))
                .wrapping_sub(1),
            6 => self.number(2),
            _ => self.number(8),
        }
    }

    /// Any `f64`, with the usual shares and the unusual values more often than others.
    pub(crate) fn any_share(&mut self) -> f64 {
        let odd = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            f64::MIN_POSITIVE,
            f64::EPSILON,
            1.0 + f64::EPSILON,
            4.9e-7,
            5e-7,
        ];
        match self.byte() % 8 {
            0..=5 => f64::from(self.byte()) / 255.0,
            6 => self.pick(&odd),
            _ => f64::from_bits(self.number(8)),
        }
    }

    pub(crate) fn any_duration(&mut self) -> Duration {
        let limits = [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_millis(1),
            Duration::from_secs(30),
            Duration::from_secs(24 * 60 * 60),
            Duration::from_nanos(u64::MAX),
            Duration::MAX,
        ];
        match self.byte() % 12 {
            0 => self.pick(&limits),
            1 => self.pick(&limits).saturating_sub(Duration::from_nanos(1)),
            2 => self.pick(&limits).saturating_add(Duration::from_nanos(1)),
            3 => Duration::ZERO,
            4 => Duration::from_nanos(self.number(8)),
            5 => Duration::from_secs(self.number(8)),
            _ => Duration::from_millis(self.number(2)),
        }
    }
}
