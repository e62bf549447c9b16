//! The time window: the calls recorded in the last T, in B rolling buckets (rule B3).
//!
//! A cell is one word, `bucket id | count`, so that a bucket and its count are never apart. The id
//! is the number of the bucket since the circuit was built plus (B + 1) for each era: a new era puts
//! every older bucket out of reach by arithmetic, and nothing has to be cleared. A bucket expires
//! the same way, whether or not anything is recorded after it.
//!
//! Calls that did not fail are counted on stripes of each thread's own; failures and slow calls in
//! one row that all threads share. A failure adds itself and then sums everything, with a
//! sequentially consistent fence between the two: of two failures that race, in whatever buckets,
//! at least one counts the other. With acquire and release alone, each could miss the other.

use std::time::Duration;

use super::stripes::{Padded, Stripes};
use super::types::WindowCounts;
use super::window::Mark;
use crate::machine::sync::{AtomicU64, Ordering, WORDS_PER_LINE_PAIR, fence};

/// The longest window: a day.
pub(crate) const MAX_SPAN: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest window: a millisecond.
pub(crate) const MIN_SPAN: Duration = Duration::from_millis(1);
/// The largest number of buckets.
pub(crate) const MAX_BUCKETS: u32 = 100;

/// Every so many eras, cells that have been left behind are dragged along. A window would have to be
/// left alone for 260,000 eras before an id could be mistaken.
const SWEEP_EVERY: u64 = 256;

/// The calls recorded in the last while.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    layout: BucketLayout,
    not_failed: Stripes<Row>,
    failed: Row,
    /// Only where slow calls are watched.
    slow: Option<Row>,
}

impl TimeWindow {
    pub(crate) fn new(span: Duration, buckets: u32, track_slow: bool) -> Self {
        let layout = BucketLayout::new(span, buckets);
        Self {
            layout,
            not_failed: Stripes::new(|| Row::new(buckets)),
            failed: Row::new(buckets),
            slow: track_slow.then(|| Row::new(buckets)),
        }
    }

    /// Begins `era`. It is empty by arithmetic; but eras use up ids, and a cell that is left behind by
    /// half of all ids would look as if it were ahead.
    pub(crate) fn start_era(&self, era: u64, now: u64) {
        if era % SWEEP_EVERY != 0 {
            return;
        }
        let id = self.layout.id(era, now);
        for row in self
            .not_failed
            .iter()
            .chain([&self.failed])
            .chain(&self.slow)
        {
            row.sweep(self.layout, id);
        }
    }

    /// Records a call that neither failed nor was slow.
    #[inline(never)]
    pub(crate) fn record_unmarked(&self, era: u64, now: u64) {
        let id = self.layout.id(era, now);
        self.not_failed.mine().add(self.layout, id);
    }

    /// Records a call that failed or was slow, and returns the window with it.
    pub(crate) fn record_marked(&self, era: u64, now: u64, mark: Mark) -> WindowCounts {
        let id = self.layout.id(era, now);
        if mark.failed {
            self.failed.add(self.layout, id);
        } else {
            self.not_failed.mine().add(self.layout, id);
        }
        if let (true, Some(row)) = (mark.slow, &self.slow) {
            row.add(self.layout, id);
        }
        // Pairs with itself in another thread: of two that have both added, the one whose fence is
        // later sees what the other added.
        fence(Ordering::SeqCst);
        self.sum(id)
    }

    pub(crate) fn watches_slow(&self) -> bool {
        self.slow.is_some()
    }

    /// What is in the window at `now`.
    pub(crate) fn counts(&self, era: u64, now: u64) -> WindowCounts {
        self.sum(self.layout.id(era, now))
    }

    /// Sums at the newest bucket anybody has reached, which need not be the caller's own: a call
    /// that read the clock earlier must not miss what was recorded since.
    fn sum(&self, id: u64) -> WindowCounts {
        let id = self.newest(id);
        let failed = self.failed.sum(self.layout, id);
        let not_failed: u64 = self
            .not_failed
            .iter()
            .map(|row| row.sum(self.layout, id))
            .sum();
        WindowCounts {
            calls: not_failed + failed,
            failed,
            slow: self.slow.as_ref().map_or(0, |row| row.sum(self.layout, id)),
        }
    }

    fn newest(&self, id: u64) -> u64 {
        self.not_failed
            .iter()
            .chain([&self.failed])
            .chain(&self.slow)
            .fold(id, |newest, row| row.newest(self.layout, newest))
    }
}

/// How time and eras become bucket ids, and how ids and counts share a word.
#[derive(Clone, Copy, Debug)]
struct BucketLayout {
    width: Divisor,
    buckets: u64,
    /// Bits of the count. A bucket of w nanoseconds has room for w / 8 calls or more, which is more
    /// than one row can take in that time; all other bits are the id's, so that all the buckets there
    /// are, up to the end of time, are less than half of the ids: a clock may jump across all of them
    /// and still be seen to be ahead. Should the clock stand still meanwhile, a full count stays full.
    count_bits: u32,
}

/// Nanoseconds in a bucket, to divide by: a multiplication and a shift, because a division costs as
/// much as all the rest.
///
/// With l the bits of the width minus one, and m = 2^(63 + l) / width, rounded up, the quotient of
/// n < 2^63 is n · m / 2^(63 + l): the rounding adds less than width · n / 2^(63 + l) < 1 to the
/// dividend, which does not reach the next multiple of the width.
#[derive(Clone, Copy, Debug)]
struct Divisor {
    multiplier: u64,
    shift: u32,
}

impl Divisor {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "m < 2^64, as width > 2^(l - 1)"
    )]
    fn new(width: u64) -> Self {
        let shift = 63 + (u64::BITS - (width - 1).leading_zeros());
        Self {
            multiplier: (1u128 << shift).div_ceil(u128::from(width)) as u64,
            shift,
        }
    }

    /// After 292 years, time stands still.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "no more than the dividend")]
    fn divide(self, nanos: u64) -> u64 {
        let dividend = nanos.min(u64::MAX >> 1);
        let product = u128::from(dividend) * u128::from(self.multiplier);
        (product >> self.shift) as u64
    }
}

/// How old a bucket is, seen from another.
enum Age {
    Within,
    Expired,
    /// Ahead by less than a window.
    Newer,
    /// Ahead by a window or more: a later era, or a clock reading older than the window.
    Beyond,
}

impl BucketLayout {
    #[expect(clippy::cast_possible_truncation, reason = "at most a day")]
    fn new(span: Duration, buckets: u32) -> Self {
        let width = (span.as_nanos() as u64).div_ceil(u64::from(buckets));
        Self {
            width: Divisor::new(width),
            buckets: u64::from(buckets),
            count_bits: (width.ilog2() - 2).max(12),
        }
    }

    fn id_mask(self) -> u64 {
        u64::MAX >> self.count_bits
    }

    fn count_mask(self) -> u64 {
        (1 << self.count_bits) - 1
    }

    /// One more than the number of buckets for each era: then even a clock reading that is one
    /// bucket late cannot reach into the era before.
    fn id(self, era: u64, now: u64) -> u64 {
        let bucket = self.width.divide(now) + self.buckets; // an empty cell's id 0 is never current
        bucket.wrapping_add(era.wrapping_mul(self.buckets + 1)) & self.id_mask()
    }

    fn age(self, cell: u64, id: u64) -> Age {
        let behind = id.wrapping_sub(cell >> self.count_bits) & self.id_mask();
        if behind < self.buckets {
            return Age::Within;
        }
        let ahead = behind.wrapping_neg() & self.id_mask();
        match ahead {
            _ if ahead < self.buckets => Age::Newer,
            _ if ahead <= self.id_mask() / 2 => Age::Beyond,
            _ => Age::Expired,
        }
    }
}

/// One count for each bucket, and a few to spare: a power of two, so that the bits of an id say which
/// is its cell; and whole cache lines, so that no two rows share one.
#[derive(Debug)]
struct Row {
    lines: Box<[Padded<[AtomicU64; WORDS_PER_LINE_PAIR]>]>,
}

impl Row {
    fn new(buckets: u32) -> Self {
        let lines = (buckets as usize)
            .div_ceil(WORDS_PER_LINE_PAIR)
            .next_power_of_two();
        let line = || Padded(std::array::from_fn(|_| AtomicU64::new(0)));
        Self {
            lines: std::iter::repeat_with(line).take(lines).collect(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    fn cell(&self, id: u64) -> &AtomicU64 {
        let index = id as usize;
        let line = (index / WORDS_PER_LINE_PAIR) & (self.lines.len() - 1);
        &self.lines[line].0[index % WORDS_PER_LINE_PAIR]
    }

    fn cells(&self) -> impl Iterator<Item = &AtomicU64> {
        self.lines.iter().flat_map(|line| &line.0)
    }

    /// Relaxed, here and below: a cell publishes nothing but itself, and of one cell nobody ever sees
    /// less than what happened before. So a failure that happens after a call counts it; two failures
    /// that race need the fence.
    fn add(&self, layout: BucketLayout, id: u64) {
        let cell = self.cell(id);
        let mut current = cell.load(Ordering::Relaxed);
        loop {
            let next = match layout.age(current, id) {
                Age::Within if current & layout.count_mask() == layout.count_mask() => return,
                Age::Within => current + 1,
                Age::Expired => id << layout.count_bits | 1,
                // The bucket is gone from every window that can still be asked for.
                Age::Newer | Age::Beyond => return,
            };
            match cell.compare_exchange_weak(current, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => current = seen,
            }
        }
    }

    /// Makes expired cells as if they had expired just now.
    fn sweep(&self, layout: BucketLayout, id: u64) {
        let just_expired = id.wrapping_sub(layout.buckets) & layout.id_mask();
        for cell in self.cells() {
            let current = cell.load(Ordering::Relaxed);
            if matches!(layout.age(current, id), Age::Expired) {
                // A failed swap means that somebody has just used it.
                let _ = cell.compare_exchange(
                    current,
                    just_expired << layout.count_bits,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
        }
    }

    fn sum(&self, layout: BucketLayout, id: u64) -> u64 {
        let count = |cell: &AtomicU64| {
            let cell = cell.load(Ordering::Relaxed);
            match layout.age(cell, id) {
                Age::Within => cell & layout.count_mask(),
                Age::Expired | Age::Newer | Age::Beyond => 0,
            }
        };
        self.cells().map(count).sum()
    }

    /// The newest of `id` and the buckets of its era that are ahead of it.
    fn newest(&self, layout: BucketLayout, id: u64) -> u64 {
        self.cells().fold(id, |newest, cell| {
            let cell = cell.load(Ordering::Relaxed);
            match layout.age(cell, newest) {
                Age::Newer => cell >> layout.count_bits,
                Age::Within | Age::Expired | Age::Beyond => newest,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_millis(10);
    const BUCKETS: u32 = 10;
    const WIDTH: u64 = 1_000_000;

    struct Naive {
        buckets: u32,
        calls: Vec<(u64, bool, bool)>,
    }

    impl Naive {
        fn counts(&self, now: u64) -> WindowCounts {
            let bucket = now / WIDTH;
            let within =
                |call: &&(u64, bool, bool)| bucket - call.0 / WIDTH < u64::from(self.buckets);
            let count = |which: &dyn Fn(&(u64, bool, bool)) -> bool| {
                self.calls
                    .iter()
                    .filter(within)
                    .filter(|call| which(call))
                    .count() as u64
            };
            WindowCounts {
                calls: count(&|_| true),
                failed: count(&|call| call.1),
                slow: count(&|call| call.2),
            }
        }
    }

    fn record(window: &TimeWindow, era: u64, now: u64, failed: bool, slow: bool) {
        if failed || slow {
            let published = window.record_marked(era, now, Mark { failed, slow });
            assert_eq!(published, window.counts(era, now));
        } else {
            window.record_unmarked(era, now);
        }
    }

    fn calls() -> impl Strategy<Value = Vec<(u64, bool, bool)>> {
        let pause = prop_oneof![
            4 => 0..WIDTH / 8,
            2 => 0..3 * WIDTH,
            1 => 0..40 * WIDTH,
            1 => Just(WIDTH),
        ];
        prop::collection::vec((pause, any::<bool>(), any::<bool>()), 1..600)
    }

    proptest! {
        // B3
        #[test]
        fn the_window_is_what_was_recorded_in_the_last_buckets(
            start: u32, buckets in 1..=MAX_BUCKETS, calls in calls(),
        ) {
            let span = Duration::from_nanos(WIDTH) * buckets;
            let window = TimeWindow::new(span, buckets, true);
            let mut naive = Naive { buckets, calls: Vec::new() };
            let mut now = u64::from(start);
            for (pause, failed, slow) in calls {
                now += pause;
                prop_assert_eq!(window.counts(0, now), naive.counts(now), "before, at {}", now);
                record(&window, 0, now, failed, slow);
                naive.calls.push((now, failed, slow));
                prop_assert_eq!(window.counts(0, now), naive.counts(now), "after, at {}", now);
            }
        }

        // B3
        #[test]
        fn a_multiplication_divides(
            width in 1..u64::MAX >> 16, quotient: u64, nanos: u64, off in 0..3u64,
        ) {
            let divisor = Divisor::new(width);
            let edge = (quotient % ((u64::MAX >> 1) / width + 1) * width + off).saturating_sub(1);
            for nanos in [nanos >> 1, edge.min(u64::MAX >> 1), u64::MAX >> 1] {
                prop_assert_eq!(divisor.divide(nanos), nanos / width, "{} / {}", nanos, width);
            }
        }

        // D5, C4
        #[test]
        fn a_new_era_is_empty_and_the_old_one_dead(now in 0..1u64 << 40, eras in 1..200u64) {
            let window = TimeWindow::new(SPAN, BUCKETS, true);
            for era in 0..eras {
                prop_assert_eq!(window.counts(era, now), WindowCounts::default());
                window.record_marked(era, now, Mark::BOTH);
                window.record_marked(era.saturating_sub(1), now, Mark::BOTH);
                let seen = window.counts(era, now).failed;
                prop_assert_eq!(seen, if era == 0 { 2 } else { 1 });
            }
        }
    }

    #[test]
    fn an_idle_window_empties_itself() {
        let window = TimeWindow::new(SPAN, BUCKETS, false);
        window.record_marked(0, 5 * WIDTH, Mark::FAILED);
        assert_eq!(window.counts(0, 14 * WIDTH).failed, 1);
        assert_eq!(window.counts(0, 15 * WIDTH), WindowCounts::default());
    }

    #[test]
    fn a_late_clock_reading_sees_what_is_newer() {
        let window = TimeWindow::new(SPAN, BUCKETS, false);
        window.record_marked(0, 5 * WIDTH, Mark::FAILED);
        let late = window.record_marked(0, 4 * WIDTH, Mark::FAILED);
        assert_eq!(late.failed, 2);
    }

    // C4: the last bucket of an era and the first of the next are further apart than a window.
    #[test]
    fn a_late_clock_reading_cannot_reach_into_the_era_before() {
        let window = TimeWindow::new(SPAN, BUCKETS, false);
        window.record_marked(0, 5 * WIDTH, Mark::FAILED);
        assert_eq!(window.counts(1, 4 * WIDTH), WindowCounts::default());
    }

    // C4
    #[test]
    fn a_call_of_an_old_era_sees_nothing_of_the_next() {
        let window = TimeWindow::new(SPAN, BUCKETS, false);
        window.record_marked(1, 5 * WIDTH, Mark::FAILED);
        window.record_marked(1, 5 * WIDTH, Mark::FAILED);
        assert_eq!(window.record_marked(0, 6 * WIDTH, Mark::FAILED).failed, 1);
    }

    // C4: with one bucket, all eras share one cell.
    #[test]
    fn a_call_of_an_old_era_takes_nothing_from_the_next() {
        let window = TimeWindow::new(SPAN, 1, false);
        window.record_marked(1, 0, Mark::FAILED);
        window.record_marked(0, 0, Mark::FAILED);
        assert_eq!(window.counts(1, 0).failed, 1);
    }

    #[test]
    fn after_292_years_time_stands_still() {
        let divisor = Divisor::new(3);
        assert_eq!(divisor.divide(u64::MAX), divisor.divide(u64::MAX >> 1));
    }

    #[test]
    fn a_full_bucket_stays_full_while_the_clock_stands_still() {
        let window = TimeWindow::new(MIN_SPAN, MAX_BUCKETS, false);
        for call in 1..=10_000u64 {
            let failed = window.record_marked(0, 0, Mark::FAILED).failed;
            assert_eq!(failed, call.min(4_095));
        }
    }

    #[test]
    fn the_ends_of_time_are_safe() {
        let window = TimeWindow::new(MAX_SPAN, MAX_BUCKETS, true);
        for now in [0, 1, u64::MAX - 1, u64::MAX] {
            assert!(window.record_marked(0, now, Mark::BOTH).failed >= 1);
        }
    }

    // F6: or a cell that nobody has used would look as if it were ahead.
    #[test]
    fn a_cell_that_is_swept_now_and_then_is_never_mistaken() {
        let layout = BucketLayout::new(SPAN, BUCKETS);
        let quarter = (layout.id_mask() + 1) / 4;
        let id = |quarters: u64| 20 + quarters * quarter;
        for swept in 1..=2 {
            let row = Row::new(BUCKETS);
            row.add(layout, id(0));
            (1..=swept).for_each(|quarters| row.sweep(layout, id(quarters)));
            row.add(layout, id(swept + 1));
            assert_eq!(row.sum(layout, id(swept + 1)), 1, "swept {swept} times");
        }
    }
}
