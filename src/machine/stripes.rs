//! Counters that many threads raise and few read: one cache line per busy thread.

use super::era::is_ahead;
use crate::machine::sync::{AtomicU64, Ordering, stripe_count, thread_number};

/// One of `T` for each thread that the machine runs at once, each on cache lines of its own.
#[derive(Debug)]
pub(crate) struct Stripes<T> {
    stripes: Box<[Padded<T>]>,
}

/// Two lines: the hardware fetches lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Stripes<T> {
    pub(crate) fn new(make: impl Fn() -> T) -> Self {
        Self {
            stripes: (0..stripe_count()).map(|_| Padded(make())).collect(),
        }
    }

    /// The calling thread's own.
    #[inline]
    pub(crate) fn mine(&self) -> &T {
        // The count is a power of two; `get` keeps the bound visible to the reader.
        &self.stripes[thread_number() & (self.stripes.len() - 1)].0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.stripes.iter().map(|stripe| &stripe.0)
    }
}

const COUNT_BITS: u32 = 40;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const TAG_MASK: u64 = u64::MAX >> COUNT_BITS;

/// A count that belongs to one era and starts anew in the next: `era (24 bits) | count (40 bits)`.
///
/// The tag wraps after 16.8 million eras. That is harmless because every era sweeps all cells when
/// it begins ([`EraCount::sweep`]), so a cell is never left behind by more than a few. The count
/// wraps after 10^12 calls in one era; it is only ever used for differences far smaller than that.
#[derive(Debug, Default)]
pub(crate) struct EraCount(AtomicU64);

impl EraCount {
    /// Adds one for `era` and returns the new count; `None` if the cell has gone on to a later era.
    ///
    /// Relaxed, here and below: a count publishes nothing but itself, and of one cell nobody ever sees
    /// less than what happened before. So a failure that happens after a success counts it.
    #[inline]
    pub(crate) fn add(&self, era: u64) -> Option<u64> {
        let tag = era & TAG_MASK;
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            let next = match age(current, tag) {
                Age::Same => current & !COUNT_MASK | (current + 1) & COUNT_MASK,
                Age::Older => tag << COUNT_BITS | 1,
                Age::Newer => return None,
            };
            match self
                .0
                .compare_exchange_weak(current, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Some(next & COUNT_MASK),
                Err(seen) => current = seen,
            }
        }
    }

    /// The count, as far as it belongs to `era`.
    pub(crate) fn get(&self, era: u64) -> u64 {
        let current = self.0.load(Ordering::Relaxed);
        match age(current, era & TAG_MASK) {
            Age::Same => current & COUNT_MASK,
            Age::Older | Age::Newer => 0,
        }
    }

    /// Moves an older cell to `era`, at zero.
    pub(crate) fn sweep(&self, era: u64) {
        let tag = era & TAG_MASK;
        let current = self.0.load(Ordering::Relaxed);
        if matches!(age(current, tag), Age::Older) {
            // A failed swap means that somebody else has moved it on.
            let _ = self.0.compare_exchange(
                current,
                tag << COUNT_BITS,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }
}

enum Age {
    Older,
    Same,
    Newer,
}

fn age(cell: u64, tag: u64) -> Age {
    match cell >> COUNT_BITS {
        of if of == tag => Age::Same,
        of if is_ahead(tag, of, TAG_MASK) => Age::Older,
        _ => Age::Newer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_belongs_to_its_era() {
        let cell = EraCount::default();
        assert_eq!(cell.add(5), Some(1));
        assert_eq!(cell.add(5), Some(2));
        assert_eq!(cell.get(4) + cell.get(6), 0);
        assert_eq!(cell.add(6), Some(1));
        assert_eq!(cell.add(5), None);
        assert_eq!((cell.get(5), cell.get(6)), (0, 1));
    }

    #[test]
    fn a_count_survives_the_wrap_of_its_tag() {
        let cell = EraCount::default();
        let last = TAG_MASK;
        cell.sweep(last / 2);
        cell.sweep(last - 1);
        assert_eq!(cell.add(last), Some(1));
        assert_eq!(cell.add(last + 1), Some(1));
        assert_eq!(cell.add(last), None);
    }

    #[test]
    fn sweeping_keeps_what_is_current() {
        let cell = EraCount::default();
        cell.add(3);
        cell.sweep(3);
        assert_eq!(cell.get(3), 1);
        cell.sweep(4);
        assert_eq!((cell.get(3), cell.get(4)), (0, 0));
    }

    // Threads are numbered as they come, and there are more of them than stripes.
    #[cfg(not(tower_breaker_loom))]
    #[test]
    fn every_thread_has_a_stripe() {
        let stripes = Stripes::new(EraCount::default);
        let threads = 2 * stripes.iter().count();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| stripes.mine().add(1));
            }
        });
        let counted: u64 = stripes.iter().map(|count| count.get(1)).sum();
        assert_eq!(counted, threads as u64);
    }
}
