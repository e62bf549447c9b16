//! [`Recorded`]: of the durations, which are counted in buckets, what a recorder was told one by one (rule L4).

use std::time::Duration;

use crate::machine::{BucketTotals, CALL_DURATION_BUCKETS, Durations};

/// So many calls, each of which took so long on average, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Calls {
    pub(super) calls: u64,
    pub(super) nanos: u64,
}

/// What a recorder was told, in buckets.
#[derive(Debug, Default)]
pub(super) struct Recorded(Durations);

impl Recorded {
    /// What is new in each bucket. From now on it was told.
    pub(super) fn take_new(&mut self, all: &Durations) -> Vec<Calls> {
        let buckets = self.0.buckets.iter_mut().zip(&all.buckets).zip(bounds());
        let new = buckets.map(|((told, all), bounds)| take_new(told, all, bounds));
        new.filter(|new| new.calls > 0).collect()
    }
}

/// What is told is kept as it was told. So the sum is right in the long run: what an average leaves out is in the next.
fn take_new(told: &mut BucketTotals, all: &BucketTotals, bounds: (u64, u64)) -> Calls {
    let calls = all.calls.saturating_sub(told.calls);
    // Of a call that is just ending, it may be counted already, and not yet how long it took.
    let nanos = all.nanos.saturating_sub(told.nanos).checked_div(calls);
    let nanos = nanos.unwrap_or_default().clamp(bounds.0, bounds.1);
    told.calls += calls;
    told.nanos = told.nanos.saturating_add(nanos.saturating_mul(calls));
    Calls { calls, nanos }
}

/// The shortest and the longest time in each bucket, in nanoseconds.
fn bounds() -> [(u64, u64); 8] {
    let nanos = |seconds| Duration::from_secs_f64(seconds).as_nanos();
    let longest =
        CALL_DURATION_BUCKETS.map(|bound| u64::try_from(nanos(bound)).unwrap_or(u64::MAX));
    let mut bounds = [(0, u64::MAX); 8];
    for (at, longest) in longest.into_iter().enumerate() {
        bounds[at].1 = longest;
        bounds[at + 1].0 = longest + 1;
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(at: usize, calls: u64, nanos: u64) -> Durations {
        let mut all = Durations::default();
        all.buckets[at] = BucketTotals { calls, nanos };
        all
    }

    // L4
    #[test]
    fn each_call_is_told_once_in_its_bucket_and_the_sum_is_right_in_the_long_run() {
        let mut recorded = Recorded::default();
        let mut told = (0, 0);
        for (calls, nanos) in [
            (3, 40_000_001),
            (3, 40_000_001),
            (4, 60_000_000),
            (10, 200_000_009),
        ] {
            for new in recorded.take_new(&all(1, calls, nanos)) {
                assert!(new.nanos > 10_000_000 && new.nanos <= 50_000_000, "{new:?}");
                told = (told.0 + new.calls, told.1 + new.calls * new.nanos);
            }
            assert_eq!(told.0, calls);
            assert!(nanos - told.1 < calls, "told {told:?} of {nanos}");
        }
    }

    // L4: a bound belongs to the bucket that it ends, and so do averages of it.
    #[test]
    fn a_call_of_which_the_time_is_not_known_yet_stays_in_its_bucket() {
        let mut recorded = Recorded::default();
        let calls = |calls, nanos| vec![Calls { calls, nanos }];
        assert_eq!(recorded.take_new(&all(1, 1, 0)), calls(1, 10_000_001));
        // That was too little. The next makes up for it.
        assert_eq!(
            recorded.take_new(&all(1, 2, 60_000_000)),
            calls(1, 49_999_999)
        );
        assert_eq!(recorded.take_new(&all(7, 1, 0)), calls(1, 10_000_000_001));
        assert_eq!(
            recorded.take_new(&all(0, 5, 50_000_000)),
            calls(5, 10_000_000)
        );
        assert_eq!(recorded.take_new(&all(0, 5, 50_000_000)), []);
    }
}
