//! The count window: the last N recorded calls, exactly, for ever (rule B2).
//!
//! Writing down every call would make busy threads fight over one cache line. So only the calls
//! that matter are written down. A [`MarkLog`] keeps the *marked* calls (there is one for failures
//! and one for slow calls), each with its position: how many calls of the era were recorded up to
//! it. All other calls only raise a count on a stripe of the thread's own. How many marked calls are
//! among the last N is then a search for positions in a sorted list.
//!
//! When N unmarked calls have gone by since the last mark, nothing that a success could push out
//! is left: the log is *clean*, and until its next mark it does not count. A success that finds both
//! logs clean writes nothing at all.
//!
//! # How a mark is written
//!
//! The head is one word with the newest mark in it. To add a mark: archive the newest one in the
//! ring, read the stripes, and swap the head for one with the new mark. What was archived follows
//! from the head alone, so everyone who archives it writes the same, and nobody waits for anybody.
//!
//! ```text
//!  63          43   42    41          22 21               2    1       0
//! ┌──────────────┬───────┬──────────────┬──────────────────┬─────────┬──────┐
//! │ era (21)     │ clean │ marks (20)   │ position (20)    │ wrapped │ full │  head
//! └──────────────┴───────┴──────────────┴──────────────────┴─────────┴──────┘
//! ┌─────────────────┬─────────────────────────────────────────────────┐
//! │ era (24)        │ position (40)                                   │  ring entry
//! └─────────────────┴─────────────────────────────────────────────────┘
//! ```
//!
//! * **era** of the head wraps after two million eras. Every era enters the window as it begins,
//!   whatever its state, so a head is never more than a few eras old.
//! * **marks** in this era, modulo 2^20. It is larger than the ring, and *wrapped* remembers that the
//!   ring is full once it was.
//! * **position** of the newest mark, modulo 2^20. Two neighbouring marks are at most a few windows
//!   apart, because a log that is clean stops counting, and a window has at most 2^16 calls.
//! * **full**: the era has seen a whole window of calls.
//!
//! A head that was loaded is taken for standing if it has the same bits later. It could have them
//! again after exactly 2^20 marks and as many calls, all while one thread sleeps in the middle of
//! recording; that thread would then judge by a window long gone, once.

use std::fmt;

use super::era::is_ahead;
use super::stripes::{EraCount, Stripes};
use super::types::WindowCounts;
use super::window::Mark;
use crate::machine::sync::{AtomicU64, Ordering};

/// The largest window.
pub(crate) const MAX_SIZE: u32 = 65_536;

/// The last N calls: what was slow, what failed, and how many calls lie between.
#[derive(Debug)]
pub(crate) struct CountWindow {
    failures: MarkLog,
    /// Only where slow calls are watched; else a slow call is like any other.
    slow: Option<MarkLog>,
}

impl CountWindow {
    pub(crate) fn new(size: u32, track_slow: bool) -> Self {
        let size = u64::from(size);
        Self {
            failures: MarkLog::new(size),
            slow: track_slow.then(|| MarkLog::new(size)),
        }
    }

    /// Begins `era` with an empty window. Whoever comes first does it; doing it twice does nothing.
    pub(crate) fn start_era(&self, era: u64) {
        self.failures.start_era(era);
        if let Some(slow) = &self.slow {
            slow.start_era(era);
        }
    }

    /// Writes a call that did not fail past the log of failures.
    #[inline]
    pub(crate) fn record_not_failed(&self, era: u64) {
        self.failures.record_unmarked(era);
    }

    /// Writes a call that was not slow past the log of slow calls.
    #[inline]
    pub(crate) fn record_not_slow(&self, era: u64) {
        if let Some(slow) = &self.slow {
            slow.record_unmarked(era);
        }
    }

    /// Records a call that neither failed nor was slow.
    #[cfg(test)]
    pub(crate) fn record_unmarked(&self, era: u64) {
        self.record_not_failed(era);
        self.record_not_slow(era);
    }

    /// Records a call that failed or was slow, and returns the window as it was published: this
    /// call included, in one step with it.
    pub(crate) fn record_marked(&self, era: u64, mark: Mark) -> WindowCounts {
        let failed = self.failures.record(era, mark.failed);
        let log = self.slow.as_ref();
        Self::together(failed, log.map(|log| log.record(era, mark.slow)))
    }

    pub(crate) fn watches_slow(&self) -> bool {
        self.slow.is_some()
    }

    /// What is in the window now.
    pub(crate) fn counts(&self, era: u64) -> WindowCounts {
        let slow = self.slow.as_ref().map(|log| log.tally(era));
        Self::together(self.failures.tally(era), slow)
    }

    fn together(failed: Tally, slow: Option<Tally>) -> WindowCounts {
        let slow = slow.unwrap_or_default();
        WindowCounts {
            calls: failed.calls.max(slow.calls),
            failed: failed.marked,
            slow: slow.marked,
        }
    }
}

/// What one log says of the window: how many calls it holds, and how many of them are marked.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    marked: u64,
    calls: u64,
}

/// The marked calls of the current era, newest last, with their positions.
struct MarkLog {
    window: u64,
    /// How often a stripe looks whether the log has come clean, in calls.
    clean_check_interval: u64,
    /// Calls that are not in the log, counted while it is not clean.
    unmarked: Stripes<EraCount>,
    head: AtomicU64,
    /// A power of two, at least as many as the window has calls.
    ring: Box<[AtomicU64]>,
}

impl MarkLog {
    fn new(window: u64) -> Self {
        let capacity = window.next_power_of_two();
        Self {
            window,
            clean_check_interval: (window / 4).max(1),
            unmarked: Stripes::new(EraCount::default),
            head: AtomicU64::new(Head::empty(0).0),
            ring: (0..capacity).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn load(&self) -> Head {
        // Acquire: pairs with the release of the swap in `replace`; whoever sees a head sees every
        // entry archived before it and at least the calls that its position was computed from.
        Head(self.head.load(Ordering::Acquire))
    }

    fn replace(&self, old: Head, new: Head) -> bool {
        self.head
            .compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    fn start_era(&self, era: u64) {
        let mut head = self.load();
        while head.is_before(era) && !self.replace(head, Head::empty(era)) {
            head = self.load();
        }
        for unmarked in self.unmarked.iter() {
            unmarked.sweep(era);
        }
    }

    /// Calls of `era` that are not in the log.
    fn unmarked(&self, era: u64) -> u64 {
        self.unmarked.iter().map(|unmarked| unmarked.get(era)).sum()
    }

    /// Records a call, and tells what the window holds with it.
    fn record(&self, era: u64, mark: bool) -> Tally {
        if mark {
            return self.mark(era);
        }
        self.record_unmarked(era);
        self.tally(era)
    }

    /// Records a call that is not marked.
    #[inline]
    fn record_unmarked(&self, era: u64) {
        if !self.is_clean(era) {
            self.count(era);
        }
    }

    #[inline(never)]
    fn count(&self, era: u64) {
        if let Some(count) = self.unmarked.mine().add(era) {
            if count % self.clean_check_interval == 0 {
                self.try_clean(era);
            }
        }
    }

    #[inline]
    fn is_clean(&self, era: u64) -> bool {
        // Relaxed: nothing is read on the strength of it, and a success that happens after a mark does
        // not see an older head.
        Head(self.head.load(Ordering::Relaxed)).is_clean_in(era)
    }

    /// Marks the log clean if a whole window of unmarked calls lies after its newest mark.
    fn try_clean(&self, era: u64) {
        let head = self.load();
        if !head.is_of(era) || head.is_clean_in(era) {
            return;
        }
        if head.calls_since_newest(self.unmarked(era)) >= self.window {
            // A failed swap means that a mark came in, and the log is not clean.
            self.replace(head, head.cleaned());
        }
    }

    /// Adds a mark and returns what the window held the moment it was added.
    fn mark(&self, era: u64) -> Tally {
        loop {
            let head = self.load();
            if head.is_before(era) {
                self.start_era(era);
                continue;
            }
            if !head.is_of(era) {
                return Tally::default();
            }
            let Some(newest) = self.archive_newest(head) else {
                continue;
            };
            // The place of this call is read between the load of the head and its swap, at each try. A call that
            // was held up is not judged at the place it once had.
            let unmarked = self.unmarked(era);
            let since = head.calls_since_newest(unmarked) + 1;
            let full = head.is_full() || head.calls(unmarked) + 1 >= self.window;
            let new = head.with_mark(since, full, self.ring.len() as u64);
            let tally = Tally {
                marked: 1 + self.marked_within(head, newest, since),
                calls: self.calls(full, head.calls(unmarked) + 1),
            };
            if self.replace(head, new) {
                return tally;
            }
        }
    }

    /// What the window holds now.
    fn tally(&self, era: u64) -> Tally {
        loop {
            let head = self.load();
            if !head.is_of(era) {
                return Tally::default();
            }
            let Some(newest) = self.archive_newest(head) else {
                continue;
            };
            let unmarked = self.unmarked(era);
            let tally = Tally {
                marked: self.marked_within(head, newest, head.calls_since_newest(unmarked)),
                calls: self.calls(head.is_full(), head.calls(unmarked)),
            };
            // Unchanged: then no entry that was looked at has been written over meanwhile.
            if self.load() == head {
                return tally;
            }
        }
    }

    fn calls(&self, full: bool, calls: u64) -> u64 {
        if full {
            self.window
        } else {
            calls.min(self.window)
        }
    }

    /// Copies the newest mark from the head into the ring and returns its position; `None` if that is
    /// to be tried again. The position is zero where the era has no mark yet.
    fn archive_newest(&self, head: Head) -> Option<u64> {
        if !head.has_marks() {
            return Some(0);
        }
        let position = self.newest_position(head);
        let entry = Entry::new(head.era(), position);
        let slot = self.slot(head.marks().wrapping_sub(1) & MARKS_MASK);
        let archived = slot.load(Ordering::Acquire);
        // The slot was read first, and the head is looked at only now. If the slot had held the entry of a later
        // round, the head would have moved on, and this look would see it: the acquire above pairs with the release
        // below. So if the head still stands, the slot held this very entry or an older one, and the swap cannot
        // undo a later one. The era in an entry tells entries apart that are otherwise the same.
        if self.load() != head {
            return None;
        }
        if archived == entry.0 {
            return Some(position);
        }
        // A failed swap means that somebody has archived it first. Or a straggler has archived the newest mark of
        // an era that is over; then this one goes in at the next try.
        match slot.compare_exchange(archived, entry.0, Ordering::Release, Ordering::Relaxed) {
            Err(seen) if seen != entry.0 => None,
            _ => Some(position),
        }
    }

    /// The full position of the newest mark: the one before it, and the step the head tells.
    fn newest_position(&self, head: Head) -> u64 {
        let before = head.marks().wrapping_sub(2) & MARKS_MASK;
        if head.marks() == 1 && !head.has_wrapped() {
            return head.position();
        }
        let before = self.entry(before).position();
        before + (head.position().wrapping_sub(before) & POSITION_MASK)
    }

    /// How many marks, the newest among them, are in a window that ends `since` calls after the
    /// newest: a search for the oldest, backwards through sorted positions.
    fn marked_within(&self, head: Head, newest: u64, since: u64) -> u64 {
        let end = newest + since;
        let known = if head.has_wrapped() {
            self.ring.len() as u64
        } else {
            head.marks()
        };
        let (mut inside, mut beyond) = (0, known.min(self.window) + 1);
        while beyond - inside > 1 {
            let middle = u64::midpoint(inside, beyond);
            let index = head.marks().wrapping_sub(middle) & MARKS_MASK;
            let position = if middle == 1 {
                newest
            } else {
                self.entry(index).position()
            };
            if end.wrapping_sub(position) & Entry::POSITION_MASK < self.window {
                inside = middle;
            } else {
                beyond = middle;
            }
        }
        inside
    }

    fn slot(&self, index: u64) -> &AtomicU64 {
        let mask = self.ring.len() - 1;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "masked below the ring's length"
        )]
        &self.ring[index as usize & mask]
    }

    /// Acquire: pairs with the release in `archive_newest`. A look at the head after it sees at least the head
    /// from which this entry was archived.
    fn entry(&self, index: u64) -> Entry {
        Entry(self.slot(index).load(Ordering::Acquire))
    }
}

impl fmt::Debug for MarkLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.load();
        f.debug_struct("MarkLog")
            .field("window", &self.window)
            .field("era", &head.era())
            .field("marks", &head.marks())
            .field("clean", &(head.0 & CLEAN != 0))
            .finish_non_exhaustive()
    }
}

const FULL: u64 = 1;
const WRAPPED: u64 = 2;
const POSITION_SHIFT: u32 = 2;
const POSITION_BITS: u32 = 20;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;
const MARKS_SHIFT: u32 = POSITION_SHIFT + POSITION_BITS;
const MARKS_BITS: u32 = 20;
const MARKS_MASK: u64 = (1 << MARKS_BITS) - 1;
/// Next to the era: what every success asks, whether both are as they should be, is one compare.
const CLEAN_SHIFT: u32 = MARKS_SHIFT + MARKS_BITS;
const CLEAN: u64 = 1 << CLEAN_SHIFT;
const ERA_SHIFT: u32 = CLEAN_SHIFT + 1;
const ERA_MASK: u64 = u64::MAX >> ERA_SHIFT;
/// The bits of an era that the head of a log has room for.
#[cfg(test)]
pub(super) const ERA_BITS: u32 = u64::BITS - ERA_SHIFT;

/// A copy of a log's head.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head(u64);

impl Head {
    const fn empty(era: u64) -> Self {
        Self((era & ERA_MASK) << ERA_SHIFT)
    }

    const fn era(self) -> u64 {
        self.0 >> ERA_SHIFT
    }

    const fn is_of(self, era: u64) -> bool {
        self.era() == era & ERA_MASK
    }

    const fn is_before(self, era: u64) -> bool {
        is_ahead(era, self.era(), ERA_MASK)
    }

    const fn is_clean_in(self, era: u64) -> bool {
        // The era's bits cancel out, and of the rest only the flag is left.
        (self.0 ^ era << ERA_SHIFT) >> CLEAN_SHIFT == 1
    }

    const fn is_full(self) -> bool {
        self.0 & FULL != 0
    }

    const fn has_wrapped(self) -> bool {
        self.0 & WRAPPED != 0
    }

    const fn marks(self) -> u64 {
        self.0 >> MARKS_SHIFT & MARKS_MASK
    }

    const fn has_marks(self) -> bool {
        self.marks() != 0 || self.has_wrapped()
    }

    const fn position(self) -> u64 {
        self.0 >> POSITION_SHIFT & POSITION_MASK
    }

    /// All calls of the era, given those that are not in the log. Right until the log is full;
    /// from then on nobody asks.
    const fn calls(self, unmarked: u64) -> u64 {
        unmarked + self.marks()
    }

    /// Calls recorded after the newest mark; all of them where there is none.
    const fn calls_since_newest(self, unmarked: u64) -> u64 {
        if self.has_marks() {
            self.calls(unmarked).wrapping_sub(self.position()) & POSITION_MASK
        } else {
            unmarked
        }
    }

    const fn cleaned(self) -> Self {
        Self(self.0 | CLEAN | FULL)
    }

    /// With one more mark, `since` calls after the newest.
    const fn with_mark(self, since: u64, full: bool, capacity: u64) -> Self {
        let marks = self.marks() + 1;
        let wrapped = self.has_wrapped() || marks >= capacity;
        let position = (self.position() + since) & POSITION_MASK;
        Self(
            self.era() << ERA_SHIFT
                | (marks & MARKS_MASK) << MARKS_SHIFT
                | position << POSITION_SHIFT
                | if wrapped { WRAPPED } else { 0 }
                | if full { FULL } else { 0 },
        )
    }
}

/// An archived mark.
#[derive(Clone, Copy)]
struct Entry(u64);

impl Entry {
    const POSITION_BITS: u32 = 40;
    const POSITION_MASK: u64 = (1 << Self::POSITION_BITS) - 1;

    const fn new(era: u64, position: u64) -> Self {
        Self(era << Self::POSITION_BITS | position & Self::POSITION_MASK)
    }

    const fn position(self) -> u64 {
        self.0 & Self::POSITION_MASK
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// So plain that it is obviously right.
    struct Naive(VecDeque<(bool, bool)>, usize);

    impl Naive {
        fn record(&mut self, failed: bool, slow: bool) -> WindowCounts {
            self.0.push_back((failed, slow));
            if self.0.len() > self.1 {
                self.0.pop_front();
            }
            WindowCounts {
                calls: self.0.len() as u64,
                failed: self.0.iter().filter(|call| call.0).count() as u64,
                slow: self.0.iter().filter(|call| call.1).count() as u64,
            }
        }
    }

    fn record(window: &CountWindow, era: u64, failed: bool, slow: bool) {
        if failed || slow {
            let published = window.record_marked(era, Mark { failed, slow });
            assert_eq!(published, window.counts(era));
        } else {
            window.record_unmarked(era);
        }
    }

    /// Runs of one kind of call, so that clean stretches and bursts both come up.
    fn runs() -> impl Strategy<Value = Vec<(usize, bool, bool)>> {
        let run = (
            1..80usize,
            prop::bool::weighted(0.3),
            prop::bool::weighted(0.2),
        );
        prop::collection::vec(run, 1..120)
    }

    proptest! {
        // B2
        #[test]
        fn the_window_is_the_last_n_calls_for_ever(size in 1..60u32, runs in runs()) {
            let window = CountWindow::new(size, true);
            let mut naive = Naive(VecDeque::new(), size as usize);
            for (length, failed, slow) in runs {
                for _ in 0..length {
                    record(&window, 0, failed, slow);
                    prop_assert_eq!(window.counts(0), naive.record(failed, slow));
                }
            }
        }

        // D5, C4
        #[test]
        fn a_new_era_is_empty_and_the_old_one_dead(size in 1..20u32, eras in 1..40u64) {
            let window = CountWindow::new(size, true);
            for era in 0..eras {
                window.start_era(era);
                prop_assert_eq!(window.counts(era), WindowCounts::default());
                let mut naive = Naive(VecDeque::new(), size as usize);
                for call in 0..30 {
                    let (failed, slow) = (call % 3 == era % 3, call % 5 == era % 5);
                    record(&window, era, failed, slow);
                    if era > 0 {
                        window.record_marked(era - 1, Mark::BOTH);
                        window.record_unmarked(era - 1);
                    }
                    prop_assert_eq!(window.counts(era), naive.record(failed, slow));
                }
            }
        }
    }

    #[test]
    fn a_slow_success_is_plain_where_slow_calls_are_not_watched() {
        let window = CountWindow::new(2, false);
        window.record_marked(0, Mark::FAILED);
        for _ in 0..2 {
            window.record_marked(0, Mark::SLOW);
        }
        let counts = window.counts(0);
        assert_eq!((counts.calls, counts.failed, counts.slow), (2, 0, 0));
    }

    #[test]
    fn a_clean_window_counts_nothing_and_stays_exact() {
        let window = CountWindow::new(8, false);
        for _ in 0..100 {
            window.record_unmarked(0);
        }
        let counted = window.failures.unmarked(0);
        assert!(counted < 20, "{counted}: a clean window still writes");
        let published = window.record_marked(0, Mark::FAILED);
        assert_eq!((published.calls, published.failed), (8, 1));
    }

    #[test]
    fn the_largest_window_survives_the_wrap_of_every_field() {
        let size = MAX_SIZE;
        let window = CountWindow::new(size, false);
        // More marks than 2^20, so that the count of marks and the position both wrap.
        for call in 0..5_000_000u64 {
            if call % 3 == 0 {
                let published = window.record_marked(0, Mark::FAILED);
                let expected = (call + 1).min(u64::from(size)).div_ceil(3);
                assert!(
                    published.failed.abs_diff(expected) <= 1,
                    "{call}: {published:?}"
                );
            } else {
                window.record_unmarked(0);
            }
        }
    }

    // F6: one log is clean while the other is busy for more calls than its position can count.
    #[test]
    fn a_failure_stays_gone_however_many_slow_calls_come() {
        let window = CountWindow::new(4, true);
        window.record_marked(0, Mark::FAILED);
        for call in 0..=1u64 << POSITION_BITS {
            window.record_marked(
                0,
                Mark {
                    failed: false,
                    slow: call % 4 == 0,
                },
            );
        }
        assert_eq!(window.counts(0).failed, 0);
        assert_eq!(window.record_marked(0, Mark::FAILED).failed, 1);
    }

    // D5: a thread that was held up may enter an era several eras later.
    #[test]
    fn eras_may_be_skipped() {
        let window = CountWindow::new(4, false);
        window.record_marked(0, Mark::FAILED);
        window.start_era(3);
        assert_eq!(window.counts(3), WindowCounts::default());
        assert_eq!(window.record_marked(3, Mark::FAILED).failed, 1);
        assert_eq!(window.record_marked(7, Mark::FAILED).failed, 1);
    }

    // D5, C4: a thread may be held up between counting a call and looking whether the log is clean.
    #[test]
    fn a_look_from_an_old_era_does_not_clean_a_new_one() {
        let log = MarkLog::new(4);
        log.start_era(1);
        log.record_unmarked(1);
        log.mark(1);
        log.try_clean(0);
        assert_eq!(log.tally(1).marked, 1);
        assert!(!log.is_clean(1));
    }

    #[test]
    fn a_clean_log_is_left_alone_in_every_era() {
        for era in [0, 1, 5, ERA_MASK / 2] {
            let log = MarkLog::new(8);
            log.start_era(era);
            log.mark(era);
            assert!(!log.is_clean(era));
            (0..32).for_each(|_| log.record_unmarked(era));
            assert!(log.is_clean(era) && !log.is_clean(era + 1));
            let counted = log.unmarked(era);
            (0..32).for_each(|_| log.record_unmarked(era));
            assert_eq!(log.unmarked(era), counted, "era {era}");
        }
    }

    // F6: the marks of an era are counted in fewer bits than an era can have marks.
    #[test]
    fn a_full_window_stays_full_however_many_failures_come() {
        let window = CountWindow::new(4, false);
        for _ in 0..3 + (1 << MARKS_BITS) {
            window.record_marked(0, Mark::FAILED);
        }
        assert_eq!((window.counts(0).calls, window.counts(0).failed), (4, 4));
    }

    #[test]
    fn sparse_failures_never_come_back_to_life() {
        let window = CountWindow::new(4, false);
        for _ in 0..400_000 {
            for _ in 0..4 {
                window.record_unmarked(0);
            }
            assert_eq!(window.record_marked(0, Mark::FAILED).failed, 1);
        }
    }
}
