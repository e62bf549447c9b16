//! The number of an era, and the few facts of an era that do not fit in the word.
//!
//! The facts are written *before* the swap that begins their era, by everyone who tries that swap. That
//! is safe because of what may be written:
//!
//! * There are two cells for each fact, chosen by the era's parity. Racers for era n + 1 write a
//!   cell that nobody reads while era n lasts.
//! * Cells only go up. A racer that was held up since an older era changes nothing.
//! * All racers for the same era write the same attempt. Instants differ, but none is later than the swap
//!   (see [`EraFacts`]).
//!
//! What is known only once the swap is won is written after it: that the circuit has closed, and that its attempts are
//! forgotten ([`EraFacts::note_closed`], [`EraFacts::forget_attempt`]). So is the cause of a trip, elsewhere
//! (`trip_cause`).

use super::{
    saved::SavedState,
    word::{BreakLength, Word},
};
use crate::machine::sync::{AtomicU64, Ordering};
use std::time::Duration;

/// The number of an era. It wraps inside its 37 bits, so eras have no order but [`is_later`](Self::is_later).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era(u64);

impl Era {
    pub(crate) const BITS: u32 = 37;
    pub(crate) const FIRST: Self = Self(0);
    const MASK: u64 = (1 << Self::BITS) - 1;

    pub(crate) const fn new(number: u64) -> Self {
        Self(number & Self::MASK)
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self::new(self.0.wrapping_add(1))
    }

    /// The one so many eras before this one.
    pub(crate) const fn before(self, eras: u64) -> Self {
        Self::new(self.0.wrapping_sub(eras))
    }

    /// Whether it began after `other`, also across the wrap.
    pub(crate) const fn is_later(self, other: Self) -> bool {
        is_ahead(self.0, other.0, Self::MASK)
    }

    /// The era in one cell with a value of the bits that it leaves. Later eras make larger cells, up to the wrap.
    pub(super) const fn beside(self, value: u64) -> u64 {
        self.0 << BESIDE_ERA | value
    }

    /// The era of such a cell; the value is what remains under [`BESIDE_MASK`].
    pub(super) const fn of_cell(cell: u64) -> Self {
        Self(cell >> BESIDE_ERA)
    }

    /// Which of two cells is that of the era.
    pub(super) fn parity(self) -> usize {
        usize::from(self.0 & 1 == 1)
    }
}

/// Whether a number is ahead of another of the same bits, which all are in `mask`: by at most half of all
/// numbers there are, for numbers wrap.
pub(super) const fn is_ahead(number: u64, other: u64, mask: u64) -> bool {
    let ahead = number.wrapping_sub(other) & mask;
    ahead != 0 && ahead <= mask / 2
}

/// The bits left for a value that shares a cell with an era.
const BESIDE_ERA: u32 = u64::BITS - Era::BITS;
pub(super) const BESIDE_MASK: u64 = (1 << BESIDE_ERA) - 1;

/// What is known of the eras, beside the word: since when, which attempt, how long half-open waits.
///
/// Times are right because of the order in which the clock and the word are read:
///
/// * **Who would end an era reads the clock before it loads the word** that its swap is made from. So the era still
///   stood after that reading, and no instant that a racer writes here is later than the swap that ends the era, not
///   even if the racer loses.
/// * **Who only looks reads the clock after the word** ([`Core::view`](super::Core::view),
///   [`Core::save`](super::Core::save)). So nothing that it sees begins after its reading, and no time in a state is
///   negative. With an older reading, what the window held in the era before could look like this one's.
///
/// Who adds a path that ends eras takes the time as a number, `now: u64`, or loads the word anew once the time is read.
/// Who adds one that looks takes a closure, and calls it within the loop.
#[derive(Debug)]
pub(crate) struct EraFacts {
    /// When the era began, in nanoseconds.
    since: [AtomicU64; 2],
    /// `era | opens in a row` of eras that are open or half-open.
    attempt: [AtomicU64; 2],
    /// `era | opens in a row before it` of the newest closed era that half-open has ended in, or
    /// [`FORGOTTEN`].
    carried: AtomicU64,
    /// `era | the break before it` of the newest half-open era.
    break_before: AtomicU64,
    /// `era | how long to wait for its probes` of the newest half-open era.
    half_open_timeout: AtomicU64,
    /// When a probe was last admitted, in nanoseconds.
    probed_at: AtomicU64,
    /// When the failures in a row began, in nanoseconds.
    first_failure_at: AtomicU64,
    /// When a probe last ended with an answer, in nanoseconds.
    answered_at: AtomicU64,
    /// How long probes have run that were abandoned, all together, in nanoseconds, and how much of that was
    /// before the last answer, or before half-open began.
    abandoned: [AtomicU64; 2],
    /// `era | how long it took` of the newest half-open era whose probe succeeded after its era.
    late_probe: AtomicU64,
    /// The newest era that a person, or half-open, has closed.
    closed: AtomicU64,
    /// E6: how long the break was that the first era is the rest of.
    first_break: BreakLength,
}

/// The most opens in a row that are counted.
#[expect(clippy::cast_possible_truncation, reason = "27 bits")]
pub(crate) const MAX_ATTEMPT: u32 = BESIDE_MASK as u32;

/// In place of the opens before a closed era: they do not count any more.
const FORGOTTEN: u64 = BESIDE_MASK;

/// However late a probe succeeded, half-open waits no longer than this for its sake (D4).
const LONGEST_LEARNT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Puts `entry` in the place of what is there, for as long as it `is_newer` than that. Release: pairs with the
/// acquire of whoever reads the cell.
fn supersede(cell: &AtomicU64, entry: u64, is_newer: impl Fn(u64) -> bool) {
    let mut current = cell.load(Ordering::Acquire);
    while is_newer(current) {
        match cell.compare_exchange_weak(current, entry, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return,
            Err(seen) => current = seen,
        }
    }
}

impl EraFacts {
    pub(crate) fn new(now: u64, first: &SavedState) -> Self {
        Self {
            since: [AtomicU64::new(now), AtomicU64::new(0)],
            // Of era 0.
            attempt: [AtomicU64::new(first.attempt.into()), AtomicU64::new(0)],
            carried: AtomicU64::new(FORGOTTEN),
            break_before: AtomicU64::new(0),
            half_open_timeout: AtomicU64::new(0),
            probed_at: AtomicU64::new(0),
            first_failure_at: AtomicU64::new(0),
            answered_at: AtomicU64::new(0),
            abandoned: [AtomicU64::new(0), AtomicU64::new(0)],
            late_probe: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            first_break: BreakLength::at_least(first.open_for.unwrap_or_default()),
        }
    }

    /// Notes that `next` is about to begin. Release: pairs with the acquire in [`Self::since`], so
    /// that whoever reads a later era's instant also sees that later era's predecessor in the word.
    pub(crate) fn start_era(&self, next: Word, now: u64) {
        self.since[next.era().parity()].fetch_max(now, Ordering::AcqRel);
    }

    /// When the era of `word` began. Right for as long as `word`'s era is still the current one.
    pub(crate) fn since(&self, word: Word) -> u64 {
        self.since[word.era().parity()].load(Ordering::Acquire)
    }

    /// Notes the attempt of the era after `word`'s, which is about to begin, and returns what holds. Two who
    /// open a circuit at the very instant at which its attempts are forgotten may differ: the larger holds.
    pub(crate) fn begin_attempt(&self, word: Word, attempt: u32) -> u32 {
        let attempt = u64::from(attempt).min(BESIDE_MASK);
        let era = word.era().next();
        let entry = era.beside(attempt);
        let cell = &self.attempt[era.parity()];
        let before = cell.fetch_max(entry, Ordering::AcqRel);
        (before.max(entry) & BESIDE_MASK) as u32
    }

    /// C2: notes, before half-open closes, how often in a row the circuit had opened. All who close the same
    /// era write the same.
    pub(crate) fn carry_attempt(&self, next: Word, attempt: u32) {
        let attempt = u64::from(attempt).min(FORGOTTEN - 1);
        let entry = next.era().beside(attempt);
        self.carried.fetch_max(entry, Ordering::AcqRel);
    }

    /// A person has closed the circuit: what came before does not count. After the swap, because half-open
    /// may be about to close, too.
    pub(crate) fn forget_attempt(&self, closed: Word) {
        let entry = closed.era().beside(FORGOTTEN);
        self.carried.fetch_max(entry, Ordering::AcqRel);
    }

    /// Opens in a row before the closed era of `word`, and the break before it, if that era came from
    /// half-open.
    pub(crate) fn carried_attempt(&self, word: Word) -> Option<(u32, BreakLength)> {
        let carried = self.carried.load(Ordering::Acquire);
        let before = self.break_before.load(Ordering::Acquire);
        let known = Era::of_cell(carried) == word.era() && carried & BESIDE_MASK != FORGOTTEN;
        (known && Era::of_cell(before) == word.era().before(1)).then(|| {
            (
                (carried & BESIDE_MASK) as u32,
                BreakLength::from_bits(before & BESIDE_MASK),
            )
        })
    }

    /// Notes how long the break was that the half-open era `next` is about to end.
    pub(crate) fn begin_half_open(&self, next: Word, open_for: BreakLength) {
        let entry = next.era().beside(open_for.bits());
        self.break_before.fetch_max(entry, Ordering::AcqRel);
        self.forget_abandoned();
    }

    /// How long the break before the half-open era of `word` was.
    pub(crate) fn break_before(&self, word: Word) -> BreakLength {
        let before = self.break_before.load(Ordering::Acquire);
        let known = Era::of_cell(before) == word.era();
        BreakLength::from_bits(if known { before & BESIDE_MASK } else { 0 })
    }

    /// How long the break of the open era of `word` is, counted from before the circuit was restored.
    pub(crate) fn whole_break(&self, word: Word) -> BreakLength {
        let (rest, first) = (word.open_for(), self.first_break);
        if word.era() == Era::FIRST && first.nanos() > rest.nanos() {
            first
        } else {
            rest
        }
    }

    /// Opens in a row up to and including the era of `word`, which is open or half-open.
    ///
    /// Once the era has wrapped (years; see the word) the cells stand still, and every open counts
    /// as the first: breaks no longer grow, nothing else changes.
    pub(crate) fn attempt(&self, word: Word) -> u32 {
        let entry = self.attempt[word.era().parity()].load(Ordering::Acquire);
        if Era::of_cell(entry) == word.era() {
            (entry & BESIDE_MASK) as u32
        } else {
            1
        }
    }

    /// Freezes how long the half-open era `next` waits for its probes. The first racer's word holds.
    pub(crate) fn freeze_half_open_timeout(&self, next: Word, half_open_timeout: Duration) {
        let entry = next
            .era()
            .beside(BreakLength::at_least(half_open_timeout).bits());
        supersede(&self.half_open_timeout, entry, |current| {
            next.era().is_later(Era::of_cell(current))
        });
    }

    /// How long the current half-open era waits for its probes.
    pub(crate) fn half_open_timeout(&self) -> BreakLength {
        BreakLength::from_bits(self.half_open_timeout.load(Ordering::Acquire) & BESIDE_MASK)
    }

    /// B1: the first of the failures in a row has come. Stamped before the swap that counts it.
    pub(crate) fn stamp_first_failure(&self, now: u64) {
        self.first_failure_at.fetch_max(now, Ordering::AcqRel);
    }

    /// When the failures in a row began.
    pub(crate) fn first_failure_at(&self) -> u64 {
        self.first_failure_at.load(Ordering::Acquire)
    }

    /// D4: a probe of the half-open era of `word` ended with an answer. Stamped before the swap that says so.
    pub(crate) fn stamp_answer(&self, now: u64) {
        self.answered_at.fetch_max(now, Ordering::AcqRel);
        self.forget_abandoned();
    }

    fn forget_abandoned(&self) {
        let [all, before] = &self.abandoned;
        before.fetch_max(all.load(Ordering::Acquire), Ordering::AcqRel);
    }

    /// D4: a probe was abandoned after so many nanoseconds.
    pub(crate) fn add_abandoned(&self, ran: u64) {
        self.abandoned[0].fetch_add(ran, Ordering::AcqRel);
    }

    /// D4: for how long probes have waited for an answer and were abandoned, since the last answer.
    pub(crate) fn waited_in_vain(&self) -> u64 {
        let [all, before] = &self.abandoned;
        let before = before.load(Ordering::Acquire);
        all.load(Ordering::Acquire).saturating_sub(before)
    }

    /// D4: when the half-open era of `word` last heard of an answer, or else when it began.
    pub(crate) fn last_answer(&self, word: Word) -> u64 {
        self.since(word)
            .max(self.answered_at.load(Ordering::Acquire))
    }

    /// D4: a probe of `era`, which is over, has succeeded all the same, after so many nanoseconds.
    pub(crate) fn learn_from_late_probe(&self, era: Era, took: u64) {
        let took = BreakLength::at_least(Duration::from_nanos(took));
        let entry = era.beside(took.bits());
        supersede(&self.late_probe, entry, |current| {
            let known = BreakLength::from_bits(current & BESIDE_MASK).nanos();
            let of = Era::of_cell(current);
            era.is_later(of) || era == of && took.nanos() > known
        });
    }

    /// D4: how long half-open has to wait, as far as late probes since the circuit was last closed have
    /// taught it: twice as long as the newest of them took.
    pub(crate) fn learnt_timeout(&self) -> Duration {
        let late_probe = self.late_probe.load(Ordering::Acquire);
        let closed = Era::new(self.closed.load(Ordering::Acquire));
        if !Era::of_cell(late_probe).is_later(closed) {
            return Duration::ZERO;
        }
        let took = BreakLength::from_bits(late_probe & BESIDE_MASK).duration();
        took.saturating_mul(2).min(LONGEST_LEARNT_TIMEOUT)
    }

    /// The circuit has closed: what late probes have taught is forgotten.
    pub(crate) fn note_closed(&self, closed: Word) {
        self.closed
            .fetch_max(closed.era().number(), Ordering::AcqRel);
    }

    /// D4: stamped before the swap that admits, so that no probe is ever in flight unstamped.
    pub(crate) fn stamp_probe(&self, now: u64) {
        self.probed_at.fetch_max(now, Ordering::AcqRel);
    }

    /// When the probes of the current half-open era time out.
    pub(crate) fn probes_deadline(&self) -> u64 {
        let probed_at = self.probed_at.load(Ordering::Acquire);
        probed_at.saturating_add(self.half_open_timeout().nanos())
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::super::Mode;
    use super::*;

    // D4, E5: of two who find different numbers, the first says how long the era waits.
    #[test]
    fn the_first_half_open_timeout_of_an_era_holds() {
        let facts = EraFacts::new(0, &SavedState::closed());
        let open = Word::first(Mode::Normal).open_next(Mode::Normal, BreakLength::FOREVER);
        for seconds in [5, 9] {
            facts.freeze_half_open_timeout(open, Duration::from_secs(seconds));
        }
        assert_eq!(facts.half_open_timeout().duration(), Duration::from_secs(5));
        let next = open.open_next(Mode::Normal, BreakLength::FOREVER);
        facts.freeze_half_open_timeout(next, Duration::from_secs(9));
        assert_eq!(facts.half_open_timeout().duration(), Duration::from_secs(9));
    }

    // D4
    #[test]
    fn of_the_late_probes_of_an_era_the_longest_teaches_and_of_eras_the_newest() {
        let facts = EraFacts::new(0, &SavedState::closed());
        let first = Word::first(Mode::Normal).open_next(Mode::Normal, BreakLength::FOREVER);
        let second = first.open_next(Mode::Normal, BreakLength::FOREVER);
        for (word, took, teaches) in [
            (first, 3, 3),
            (first, 5, 5),
            (first, 4, 5),
            (second, 1, 1),
            (first, 6, 1),
        ] {
            let nanos = u64::try_from(Duration::from_secs(took).as_nanos()).expect("short");
            facts.learn_from_late_probe(word.era(), nanos);
            assert_eq!(facts.learnt_timeout(), Duration::from_secs(2 * teaches));
        }
    }

    /// What a closed era carries that comes from half-open, after both acts.
    fn carried(acts: [fn(&EraFacts, Word); 2]) -> Option<u32> {
        let facts = EraFacts::new(0, &SavedState::closed());
        let half_open = Word::first(Mode::Normal).open_next(Mode::Normal, BreakLength::FOREVER);
        let closed = half_open.closed_next(Mode::Normal, false);
        facts.begin_half_open(half_open, BreakLength::FOREVER);
        acts.iter().for_each(|act| act(&facts, closed));
        facts.carried_attempt(closed).map(|(attempt, _)| attempt)
    }

    // C2, E2: half-open may be about to close, too, whoever comes first.
    #[test]
    fn what_a_person_has_closed_carries_no_attempt() {
        let carry = |facts: &EraFacts, closed| facts.carry_attempt(closed, 3);
        assert_eq!(carried([carry, carry]), Some(3));
        assert_eq!(carried([carry, EraFacts::forget_attempt]), None);
        assert_eq!(carried([EraFacts::forget_attempt, carry]), None);
    }

    // C2
    #[test]
    fn the_most_attempts_there_can_be_are_not_forgotten() {
        let carry = |facts: &EraFacts, closed| facts.carry_attempt(closed, MAX_ATTEMPT);
        assert_eq!(carried([carry, carry]), Some(MAX_ATTEMPT - 1));
    }
}
