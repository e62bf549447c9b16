//! How many circuits of a set may be open at once (rule G7).
//!
//! A circuit holds a place from its trip to its close. Places are counted in one word for the whole set,
//! so that there are never more than the cap allows: whoever wants to open claims a place before the swap
//! that opens, and gives it back if somebody else ends the era.
//!
//! Two calls that want to open the same circuit need one place between them, and the second must not
//! take the first one's claim for a cap that is reached. So claims are announced at their circuit. Who finds
//! no place and is not the last to have announced leaves it to the others: one of them has the place, or
//! will be the last. Nobody waits.

use std::sync::Arc;

use super::{Cause, Core, Transition, WHOLE, ending::Ended, transition::Length, word::Word};
use crate::sync::{AtomicU64, Ordering};

/// One set of circuits.
#[derive(Debug)]
pub(crate) struct Cap {
    /// In millionths.
    share: u64,
    /// `members (32) | places taken (32)`.
    word: AtomicU64,
}

const MEMBER: u64 = 1 << 32;
const PLACES: u64 = MEMBER - 1;

impl Cap {
    pub(crate) fn new(share: u64) -> Self {
        Self {
            share,
            word: AtomicU64::new(0),
        }
    }

    pub(crate) fn members(&self) -> u64 {
        self.word.load(Ordering::Acquire) / MEMBER
    }

    pub(crate) fn taken(&self) -> u64 {
        self.word.load(Ordering::Acquire) & PLACES
    }

    /// Takes a place, if the cap allows one more.
    ///
    /// Acquire: whoever finds the places taken also sees which claims of its own circuit were announced
    /// before they were. Pairs with the release of every change.
    fn try_take(&self) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let (members, taken) = (word / MEMBER, word & PLACES);
            if (taken + 1) * WHOLE > members * self.share {
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

    /// Takes a place whatever the cap says: a person decides.
    fn take(&self) {
        self.word.fetch_add(1, Ordering::AcqRel);
    }

    fn give_back(&self) {
        self.word.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The part of one circuit in its set.
#[derive(Debug)]
pub(super) struct Membership {
    cap: Arc<Cap>,
    /// Claims that have been announced and not settled.
    claims: AtomicU64,
}

impl Membership {
    pub(super) fn join(cap: Arc<Cap>, first: Word) -> Self {
        cap.word.fetch_add(MEMBER, Ordering::AcqRel);
        let membership = Self {
            cap,
            claims: AtomicU64::new(0),
        };
        if first.is_ejected() {
            membership.cap.take();
        }
        membership
    }

    /// The circuit is gone.
    pub(super) fn leave(&self, last: Word) {
        if last.is_ejected() {
            self.cap.give_back();
        }
        self.cap.word.fetch_sub(MEMBER, Ordering::AcqRel);
    }

    fn claim(&self) -> Claim<'_> {
        self.claims.fetch_add(1, Ordering::AcqRel);
        if self.cap.try_take() {
            return Claim::Held(Held {
                membership: self,
                kept: false,
            });
        }
        // Acquire and release: if another claim was settled, what it did to the circuit is seen.
        match self.claims.fetch_sub(1, Ordering::AcqRel) {
            1 => Claim::Refused,
            _ => Claim::LeftToAnother,
        }
    }
}

/// What came of asking for a place.
enum Claim<'a> {
    Held(Held<'a>),
    Refused,
    /// Another call is about to open the same circuit, or to be told that it may not.
    LeftToAnother,
}

/// A place, given back on drop unless the circuit has opened with it.
pub(super) struct Held<'a> {
    membership: &'a Membership,
    kept: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.membership.cap.give_back();
        }
        self.membership.claims.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Word {
    /// Whether calls are kept away, by more than a shadow.
    pub(super) fn is_ejected(self) -> bool {
        use super::word::Kind;
        matches!(self.kind(), Kind::Open | Kind::HalfOpen | Kind::ForcedOpen)
    }
}

impl Core {
    /// One try to open the closed circuit from exactly `word`, or to be vetoed; `None` if the word has
    /// changed meanwhile. Between tries a claim is kept in `held`.
    pub(super) fn try_trip<'a>(
        &'a self,
        word: Word,
        (cause, length): (Cause, Length),
        call: &Ended,
        held: &mut Option<Held<'a>>,
    ) -> Option<Option<Transition>> {
        let membership = self.membership.as_ref();
        if let Some(membership) = membership.filter(|_| held.is_none() && !word.is_shadow()) {
            match membership.claim() {
                Claim::Held(place) => *held = Some(place),
                Claim::Refused => return self.veto(word, call.now).map(Some),
                Claim::LeftToAnother => return Some(None),
            }
        }
        let opened = self.open(word, cause, length, &call.numbers, call.now)?;
        if let Some(place) = held {
            place.kept = !word.is_shadow();
        }
        Some(Some(opened))
    }

    /// Too many are open: this one stays closed, and begins anew.
    fn veto(&self, word: Word, now: u64) -> Option<Transition> {
        let next = word.closed_next(word.mode(), false);
        self.turn(word, next, Cause::TripVetoed, now)
    }

    /// What a person does needs no place, but takes one.
    pub(super) fn swap_by_hand(&self, word: Word, next: Word) -> bool {
        let Some(membership) = &self.membership else {
            return self.swap(word, next);
        };
        let enters = !word.is_ejected() && next.is_ejected();
        if enters {
            membership.cap.take();
        }
        let swapped = self.swap(word, next);
        if enters && !swapped {
            membership.cap.give_back();
        }
        swapped
    }

    /// After the swap that has closed the circuit: others may open now.
    pub(super) fn free_place(&self, word: Word, next: Word) {
        if let Some(membership) = &self.membership {
            if word.is_ejected() && !next.is_ejected() {
                membership.cap.give_back();
            }
        }
    }
}
