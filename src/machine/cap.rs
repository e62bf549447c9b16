//! How many circuits of a set may be open at once (rule G7).
//!
//! A circuit that opens takes a *place*, and there are never more of them than the cap allows: they are
//! counted in one word, and whoever wants to open takes one before the swap that opens. From there on the
//! place is always somewhere: in somebody's hand, as a [`Place`], which is given back on drop, or put down in
//! the circuit's own slot.
//!
//! In a slot a place is a *lease*: it says until when the circuit needs it. An open circuit needs it until its
//! break is over. Then it stays where it is only until somebody else's trip finds the set full: that one looks
//! through all slots, of all members, and takes the place whose break has been over for longest. A circuit
//! that became half-open before holds a lease without an end, so nobody takes that.
//!
//! Each lease is changed by one compare-and-swap, from exactly what was read, so a place is moved once,
//! whoever races. Nobody waits.
//!
//! A place is in a hand for as long as it takes to swap a word. So a trip may be vetoed though there is a place
//! again an instant later: where at that very moment another circuit closes, a person ends the era of one that
//! is about to open or opens it by hand, or several probes of one that has lost its place fail at once.

use super::{
    WHOLE,
    slots::{Slot, Slots},
};
use crate::machine::sync::{AtomicU64, Ordering};
// What no decision is torn by: a limit that is read as one word, and a count to look at. Models need not explore them.
use std::sync::atomic::AtomicU64 as PlainU64;

/// One set of circuits.
#[derive(Debug)]
pub(crate) struct Cap {
    /// The [`Limit`].
    limit: PlainU64,
    /// How many trips were vetoed.
    vetoed: PlainU64,
    /// `members (32) | places taken (32)`.
    word: AtomicU64,
    slots: Slots,
}

const MEMBER: u64 = 1 << 32;
const PLACES: u64 = MEMBER - 1;

/// What a slot holds: when the lease ends, in nanoseconds of the time that all members share, or [`NONE`], or
/// [`ENDLESS`] and the era that needs it. No two eras that follow each other hold the same.
pub(super) const NONE: u64 = 0;
pub(super) const ENDLESS: u64 = 1 << 63;

fn is_over(lease: u64, now: u64) -> bool {
    lease != NONE && lease < ENDLESS && lease <= now
}

/// How many of a set may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// In millionths.
    pub(crate) share: u64,
    /// The least number of places in a set that is not empty.
    pub(crate) least: u64,
}

impl Limit {
    /// All of them.
    #[cfg(feature = "registry")]
    pub(crate) const NONE: Self = Self {
        share: WHOLE,
        least: 0,
    };

    const fn to_word(self) -> u64 {
        self.least << 32 | self.share
    }

    const fn from_word(word: u64) -> Self {
        Self {
            share: word & PLACES,
            least: word >> 32,
        }
    }

    /// How many of so many circuits may be open. The share was rounded to millionths, so what is missing by
    /// no more than that is there: a third of three is one.
    fn places(self, members: u64) -> u64 {
        let share = (members * self.share + members.div_ceil(2)) / WHOLE;
        share.max(self.least.min(members))
    }
}

impl Cap {
    /// A set in which the share may be open, in millionths, but at least so many, if there is a member.
    pub(crate) fn new(share: u64, least: u64) -> Self {
        Self {
            limit: PlainU64::new(Limit { share, least }.to_word()),
            vetoed: PlainU64::new(0),
            word: AtomicU64::new(0),
            slots: Slots::new(),
        }
    }

    pub(crate) fn limit(&self) -> Limit {
        Limit::from_word(self.limit.load(Ordering::Relaxed))
    }

    /// From the next trip on. Those that are open stay so, however many they are.
    #[cfg(feature = "registry")]
    pub(crate) fn set_limit(&self, limit: Limit) {
        self.limit.store(limit.to_word(), Ordering::Relaxed);
    }

    pub(crate) fn vetoed(&self) -> u64 {
        self.vetoed.load(Ordering::Relaxed)
    }

    pub(super) fn count_veto(&self) {
        self.vetoed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn members(&self) -> u64 {
        self.word.load(Ordering::Acquire) / MEMBER
    }

    pub(crate) fn taken(&self) -> u64 {
        self.word.load(Ordering::Acquire) & PLACES
    }

    pub(super) fn join(&self) -> Slot {
        self.word.fetch_add(MEMBER, Ordering::AcqRel);
        self.slots.get()
    }

    /// The circuit is gone. First its place, or a full house would look too full for an instant; and last its
    /// slot, which must be empty for the next.
    pub(super) fn leave(&self, slot: &Slot) {
        let lease = slot.cell().load(Ordering::Acquire);
        // If the swap fails, somebody else has taken it over, and it is empty.
        if lease != NONE && self.change(slot.cell(), lease, NONE) {
            drop(self.in_hand());
        }
        self.word.fetch_sub(MEMBER, Ordering::AcqRel);
        self.slots.give_back(slot);
    }

    /// Takes a place, if the cap allows one more at `now`, or if a break that is over holds one.
    pub(super) fn try_take(&self, now: u64) -> Option<Place<'_>> {
        loop {
            if self.count_one() {
                return Some(self.in_hand());
            }
            // Given back before it is counted again: there may be more than the cap allows.
            drop(self.take_over(now)?);
        }
    }

    /// Takes a place whatever the cap says: a person decides.
    pub(super) fn take(&self) -> Place<'_> {
        self.word.fetch_add(1, Ordering::AcqRel);
        self.in_hand()
    }

    fn count_one(&self) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if (word & PLACES) >= self.limit().places(word / MEMBER) {
                return false;
            }
            match self.word.compare_exchange_weak(
                word,
                word + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
    }

    /// The place of the circuit whose break has been over for longest.
    fn take_over(&self, now: u64) -> Option<Place<'_>> {
        loop {
            let leases = self.slots.iter();
            let leases = leases.map(|cell| (cell.load(Ordering::Acquire), cell));
            let over = leases.filter(|(lease, _)| is_over(*lease, now));
            let (lease, cell) = over.min_by_key(|(lease, _)| *lease)?;
            if self.change(cell, lease, NONE) {
                return Some(self.in_hand());
            }
        }
    }

    /// Changes a lease from exactly what was read.
    pub(super) fn change(&self, cell: &AtomicU64, lease: u64, next: u64) -> bool {
        cell.compare_exchange(lease, next, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// For who has just counted one, or emptied a slot.
    pub(super) fn in_hand(&self) -> Place<'_> {
        Place(self)
    }
}

/// A place in hand. Given back on drop.
#[must_use = "it is given back on drop"]
pub(super) struct Place<'a>(&'a Cap);

impl Place<'_> {
    /// It is a slot's now.
    pub(super) fn put_down(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.word.fetch_sub(1, Ordering::AcqRel);
    }
}
