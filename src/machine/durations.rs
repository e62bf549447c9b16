//! How long calls have taken, in buckets, since the circuit was built (rule F4).

use std::time::Duration;

use super::{Core, Nanos, stripes::Stripes};
use crate::machine::sync::{AtomicU64, Ordering};

/// The bounds of the buckets in which the [durations](Durations) of calls are counted, in seconds. A bound belongs to
/// the bucket that it ends.
pub const CALL_DURATION_BUCKETS: [f64; 7] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The same, in nanoseconds.
const BOUNDS: [u64; 7] = [
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// How long calls have taken since the circuit was built, in buckets; see
/// [`CircuitBuilder::durations`](crate::CircuitBuilder::durations).
///
/// Each admitted call counts once, when it ends.
///
/// * A successful, failed or ignored call counts with the time until its response, the time by which it is slow (rule
///   A3).
/// * An abandoned call counts with the time until it was dropped: it took at least that long.
/// * Two things have no duration. One is a failure of the inner service to become ready (rule A6). The other is what a
///   circuit is told in the course of another circuit's call (rules J5, J6).
///
/// Without those, there are as many calls in here as [have ended](crate::Totals::ended).
///
/// The numbers are exact when no call is in flight. They never go back, but each wraps at 2^64. A sum wraps after 584
/// years of calls. If a thousand calls are in flight all the time, that takes seven months.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durations {
    /// The calls of each bucket, and of no other. A call is in the first bucket whose bound in
    /// [`CALL_DURATION_BUCKETS`] is at least as long as the call took. The last bucket has the calls that took longer
    /// than any bound.
    pub buckets: [BucketTotals; 8],
}

/// The calls of one bucket of [`Durations`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketTotals {
    /// How many calls.
    pub calls: u64,
    /// How long they took together, in nanoseconds.
    pub nanos: u64,
}

impl Durations {
    /// The number of calls of all buckets.
    #[must_use]
    pub fn calls(&self) -> u64 {
        let calls = self.buckets.iter().map(|bucket| bucket.calls);
        calls.fold(0, u64::wrapping_add)
    }

    /// How long the calls of all buckets took together. At most 4,672 years: eight times 584.
    #[must_use]
    pub fn total(&self) -> Duration {
        let times = self.buckets.iter().map(|bucket| bucket.nanos);
        times.map(Duration::from_nanos).sum()
    }
}

/// The durations of one circuit, on stripes.
#[derive(Debug)]
pub(crate) struct DurationCounters {
    stripes: Stripes<Stripe>,
}

#[derive(Debug, Default)]
struct Stripe {
    buckets: [Bucket; 8],
}

#[derive(Debug, Default)]
struct Bucket {
    calls: AtomicU64,
    nanos: AtomicU64,
}

impl DurationCounters {
    pub(crate) fn new() -> Self {
        Self {
            stripes: Stripes::new(Stripe::default),
        }
    }

    /// Relaxed: as for totals, which these are.
    pub(crate) fn add(&self, took: Nanos) {
        let bucket = BOUNDS.partition_point(|bound| *bound < took.get());
        let bucket = &self.stripes.mine().buckets[bucket];
        bucket.calls.fetch_add(1, Ordering::Relaxed);
        bucket.nanos.fetch_add(took.get(), Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Durations {
        let mut read = Durations::default();
        for (number, total) in read.buckets.iter_mut().enumerate() {
            for stripe in self.stripes.iter() {
                let bucket = &stripe.buckets[number];
                let calls = bucket.calls.load(Ordering::Relaxed);
                total.calls = total.calls.wrapping_add(calls);
                let nanos = bucket.nanos.load(Ordering::Relaxed);
                total.nanos = total.nanos.wrapping_add(nanos);
            }
        }
        read
    }
}

impl Core {
    /// A call has ended that took so long, if it was timed.
    #[inline]
    pub(super) fn count_duration(&self, took: impl FnOnce() -> Option<Nanos>) {
        if let Some(durations) = &self.durations {
            took().into_iter().for_each(|took| durations.add(took));
        }
    }

    pub(crate) fn durations(&self) -> Option<Durations> {
        self.durations.as_ref().map(DurationCounters::read)
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::*;
    use crate::machine::stripes::Padded;

    // F4
    #[test]
    fn the_durations_of_a_thread_fill_one_pair_of_cache_lines() {
        assert_eq!(size_of::<Padded<Stripe>>(), 128);
    }

    // F4
    #[test]
    fn the_bounds_are_those_that_are_told() {
        let told = CALL_DURATION_BUCKETS.map(Duration::from_secs_f64);
        assert_eq!(told.map(|bound| bound.as_nanos()), BOUNDS.map(u128::from));
        let durations = DurationCounters::new();
        for bound in BOUNDS {
            durations.add(Nanos::new(bound));
            durations.add(Nanos::new(bound + 1));
        }
        durations.add(Nanos::ZERO);
        let read = durations.read();
        assert_eq!(
            read.buckets.map(|bucket| bucket.calls),
            [2, 2, 2, 2, 2, 2, 2, 1]
        );
        assert_eq!(read.calls(), 15);
        let sum = BOUNDS.iter().sum::<u64>() * 2 + 7;
        assert_eq!(read.total(), Duration::from_nanos(sum));
        assert_eq!(read.buckets[7].nanos, BOUNDS[6] + 1);
    }
}
