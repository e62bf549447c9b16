//! How many circuits of a set may be open at once (rule G7).
//!
//! A circuit holds a place from its trip to its close. Places are counted in one word for the whole set,
//! so that there are never more than the cap allows: whoever wants to open takes a place before the swap
//! that opens, and gives it back if somebody else ends the era.
//!
//! Of several calls that want to open the same circuit, one undertakes it, and takes the one place it needs;
//! the others leave it to that one, for whoever undertakes it goes on until the era is over, opened, vetoed
//! or ended by a person. Nobody waits.
//!
//! A place is taken for as long as it takes to swap a word. So where a person ends the era of a circuit that
//! is about to open, or opens it by hand at that very moment, another circuit's trip may be vetoed though
//! there is a place again an instant later.

use std::sync::Arc;

use super::{
    Cause, Core, Transition, WHOLE,
    ending::Ended,
    transition::Length,
    word::{BESIDE_ERA, Word},
};
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

    pub(crate) fn share(&self) -> u64 {
        self.share
    }

    pub(crate) fn members(&self) -> u64 {
        self.word.load(Ordering::Acquire) / MEMBER
    }

    pub(crate) fn taken(&self) -> u64 {
        self.word.load(Ordering::Acquire) & PLACES
    }

    /// Takes a place, if the cap allows one more.
    fn try_take(&self) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if (word & PLACES) >= self.places(word / MEMBER) {
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

    /// How many of so many circuits may be open. The share was rounded to millionths, so what is missing by
    /// no more than that is there: a third of three is one.
    fn places(&self, members: u64) -> u64 {
        (members * self.share + members.div_ceil(2)) / WHOLE
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
    /// `era | 1` of the last one that a call has undertaken to open; 0 before the first.
    undertaken: AtomicU64,
}

const UNDERTAKEN: u64 = 1;

impl Membership {
    pub(super) fn join(cap: Arc<Cap>, first: Word) -> Self {
        cap.word.fetch_add(MEMBER, Ordering::AcqRel);
        if first.is_ejected() {
            cap.take();
        }
        Self {
            cap,
            undertaken: AtomicU64::new(0),
        }
    }

    /// The circuit is gone. First its place, or a full house would look too full for an instant.
    pub(super) fn leave(&self, last: Word) {
        if last.is_ejected() {
            self.cap.give_back();
        }
        self.cap.word.fetch_sub(MEMBER, Ordering::AcqRel);
    }

    /// To one call of each era, true: it is for that call to end the era. `current` tells the era that stands.
    ///
    /// Acquire: pairs with the release of whoever undertook the last one. That was a call of an era that had
    /// begun, so if `era` still stands after the look at the last one, the last one is an older one, however
    /// much older: eras wrap.
    fn undertake(&self, era: u64, current: impl Fn() -> u64) -> bool {
        let this = era << BESIDE_ERA | UNDERTAKEN;
        let mut last = self.undertaken.load(Ordering::Acquire);
        while last != this && current() == era {
            match self.undertaken.compare_exchange_weak(
                last,
                this,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(seen) => last = seen,
            }
        }
        false
    }
}

/// What the call that has undertaken to open a circuit has in hand. A place is given back on drop, unless
/// the circuit has opened with it.
pub(super) struct Undertaking<'a> {
    cap: &'a Cap,
    has_place: bool,
}

impl Undertaking<'_> {
    /// Whether it has a place, by now.
    fn take_place(&mut self) -> bool {
        self.has_place = self.has_place || self.cap.try_take();
        self.has_place
    }
}

impl Drop for Undertaking<'_> {
    fn drop(&mut self) {
        if self.has_place {
            self.cap.give_back();
        }
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
    pub(crate) fn is_member_of(&self, cap: &Arc<Cap>) -> bool {
        let membership = self.membership.as_ref();
        membership.is_some_and(|membership| Arc::ptr_eq(&membership.cap, cap))
    }

    pub(super) fn is_member(&self) -> bool {
        self.membership.is_some()
    }

    /// One try to open the closed circuit from exactly `word`, or to be vetoed; `None` if the word has
    /// changed meanwhile. Then the caller must try again, until the era is over: others have left it to it.
    pub(super) fn try_trip<'a>(
        &'a self,
        word: Word,
        (cause, length): (Cause, Length),
        call: &Ended,
        undertaking: &mut Option<Undertaking<'a>>,
    ) -> Option<Option<Transition>> {
        let open = || self.open(word, cause, length, &call.numbers, call.now);
        let Some(membership) = self.membership.as_ref().filter(|_| !word.is_shadow()) else {
            return open().map(Some);
        };
        if undertaking.is_none() && !membership.undertake(word.era(), || self.load().era()) {
            return Some(None);
        }
        let undertaking = undertaking.get_or_insert(Undertaking {
            cap: &membership.cap,
            has_place: false,
        });
        if !undertaking.take_place() {
            return self.veto(word, cause, call.now).map(Some);
        }
        let opened = open()?;
        // It is the circuit's now.
        undertaking.has_place = false;
        Some(Some(opened))
    }

    /// Too many are open: this one stays closed, and begins anew; so does its ramp, if there is one.
    fn veto(&self, word: Word, cause: Cause, now: u64) -> Option<Transition> {
        let next = word.closed_next(word.mode(), word.is_ramping());
        let turned = self.turn(word, next, Cause::TripVetoed, now)?;
        Some(Transition {
            vetoed: Some(cause),
            ..turned
        })
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

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::super::Mode;
    use super::*;

    // G7: or two calls of this era would each take a place, and one might be another circuit's.
    #[test]
    fn a_call_of_an_older_era_undertakes_nothing_and_undoes_nothing() {
        let cap = Arc::new(Cap::new(WHOLE));
        let membership = Membership::join(cap, Word::first(Mode::Normal));
        let undertakes = |era| membership.undertake(era, || 5);
        assert_eq!([5, 5, 4, 5].map(undertakes), [true, false, false, false]);
    }
}
