//! The few facts of an era that do not fit in the word.
//!
//! They are written *before* the swap that begins their era, by everyone who tries that swap. That
//! is safe because of what may be written:
//!
//! * There are two cells for each fact, chosen by the era's parity. Racers for era n + 1 write a
//!   cell that nobody reads while era n lasts.
//! * Cells only go up. A racer that was held up since an older era changes nothing.
//! * All racers for the same era write the same attempt. Instants differ, but each was read before
//!   its racer saw the old era still standing, so none is later than the swap that ended it.

use super::word::{BESIDE_ERA, Break, Word, is_later};
use crate::sync::{AtomicU64, Ordering};
use std::time::Duration;

const BESIDE_MASK: u64 = (1 << BESIDE_ERA) - 1;

#[derive(Debug)]
pub(crate) struct EraFacts {
    /// When the era began, in nanoseconds.
    since: [AtomicU64; 2],
    /// `era | opens in a row` of eras that are open or half-open.
    attempt: [AtomicU64; 2],
    /// `era | how long to wait for its probes` of the newest half-open era.
    patience: AtomicU64,
    /// When a probe was last admitted, in nanoseconds.
    probed_at: AtomicU64,
}

fn parity(word: Word) -> usize {
    usize::from(word.era() & 1 == 1)
}

impl EraFacts {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            since: [AtomicU64::new(now), AtomicU64::new(0)],
            // A circuit can be built open, by force: that is its first attempt, in era 0.
            attempt: [AtomicU64::new(1), AtomicU64::new(0)],
            patience: AtomicU64::new(0),
            probed_at: AtomicU64::new(0),
        }
    }

    /// Notes that `next` is about to begin. Release: pairs with the acquire in [`Self::since`], so
    /// that whoever reads a later era's instant also sees that later era's predecessor in the word.
    pub(crate) fn begin(&self, next: Word, now: u64) {
        self.since[parity(next)].fetch_max(now, Ordering::AcqRel);
    }

    /// When the era of `word` began. Right for as long as `word`'s era is still the current one.
    pub(crate) fn since(&self, word: Word) -> u64 {
        self.since[parity(word)].load(Ordering::Acquire)
    }

    /// Notes the attempt of an era about to begin.
    pub(crate) fn begin_attempt(&self, next: Word, attempt: u32) {
        let attempt = u64::from(attempt).min(BESIDE_MASK);
        let entry = next.era() << BESIDE_ERA | attempt;
        self.attempt[parity(next)].fetch_max(entry, Ordering::AcqRel);
    }

    /// Opens in a row up to and including the era of `word`, which is open or half-open.
    ///
    /// Once the era has wrapped (years; see the word) the cells stand still, and every open counts
    /// as the first: breaks no longer grow, nothing else changes.
    pub(crate) fn attempt(&self, word: Word) -> u32 {
        let entry = self.attempt[parity(word)].load(Ordering::Acquire);
        if entry >> BESIDE_ERA == word.era() {
            (entry & BESIDE_MASK) as u32
        } else {
            1
        }
    }

    /// Freezes how long the half-open era `next` waits for its probes. The first racer's word holds.
    pub(crate) fn begin_patience(&self, next: Word, patience: Duration) {
        let entry = next.era() << BESIDE_ERA | Break::at_least(patience).bits();
        let mut current = self.patience.load(Ordering::Acquire);
        while is_later(next.era(), current >> BESIDE_ERA) {
            match self.patience.compare_exchange_weak(
                current,
                entry,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return,
                Err(seen) => current = seen,
            }
        }
    }

    /// How long the current half-open era waits for its probes.
    pub(crate) fn patience(&self) -> Break {
        Break::from_bits(self.patience.load(Ordering::Acquire) & BESIDE_MASK)
    }

    /// D4: stamped before the swap that admits, so that no probe is ever in flight unstamped.
    pub(crate) fn stamp_probe(&self, now: u64) {
        self.probed_at.fetch_max(now, Ordering::AcqRel);
    }

    /// When the probes of the current half-open era time out.
    pub(crate) fn probes_deadline(&self) -> u64 {
        let probed_at = self.probed_at.load(Ordering::Acquire);
        probed_at.saturating_add(self.patience().nanos())
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::super::Mode;
    use super::*;

    // D4, E5: of two who find different numbers, the first says how long the era waits.
    #[test]
    fn the_first_patience_of_an_era_holds() {
        let facts = EraFacts::new(0);
        let open = Word::first(Mode::Normal).open_next(Mode::Normal, Break::FOREVER);
        for seconds in [5, 9] {
            facts.begin_patience(open, Duration::from_secs(seconds));
        }
        assert_eq!(facts.patience().duration(), Duration::from_secs(5));
        let next = open.open_next(Mode::Normal, Break::FOREVER);
        facts.begin_patience(next, Duration::from_secs(9));
        assert_eq!(facts.patience().duration(), Duration::from_secs(9));
    }
}
