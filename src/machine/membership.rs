//! The part of one circuit in its set (rule G7): its place, who opens it, and which vetoes are told.
//!
//! **The place follows the word.** Whoever changes the word so that the circuit needs its place for longer, or
//! not any more, then *settles*: looks at slot and word, makes the slot say what the word says, and looks
//! again, until they agree. Whoever is late finds the work done. A place that comes out of a slot stays in the
//! hand until the word has been looked at once more, so that one that is needed after all is put back.
//!
//! **One call opens.** Of several calls that want to open the same circuit, one claims the trip and takes the one
//! place it needs. It retries until the era is over (opened, vetoed, or ended by a person), or until its veto has
//! been counted. The others return.
//!
//! **One veto is told** of those that come without a pause: it begins an era, and those that follow in that
//! era are only counted. Once no trip has been vetoed for as long as its break would have been, the next veto
//! is told again.

use std::sync::Arc;

use super::{
    Cause, Core, Era, State, Transition,
    cap::{Cap, ENDLESS, NONE, Place},
    era::BESIDE_MASK,
    numbers::Numbers,
    record::EndedCall,
    retry::Attempt::{self, Done, Lost},
    slots::Slot,
    totals::TotalCounters,
    transition::Length,
    word::{BreakLength, StateMode, Word},
};
use crate::machine::sync::{AtomicU64, Ordering, fence, yield_now};

/// The set that a circuit is to join, and the time of that set when the circuit's own begins, in nanoseconds.
pub(crate) struct Joining {
    pub(crate) cap: Arc<Cap>,
    pub(crate) zero: u64,
}

#[derive(Debug)]
pub(super) struct Membership {
    cap: Arc<Cap>,
    slot: Slot,
    /// The time of the set when the circuit's own began.
    zero: u64,
    /// `era | marks` of the last one that a call has claimed to end; 0 before the first.
    trip_claim: AtomicU64,
    /// When a trip was last vetoed, by the circuit's own time.
    vetoed_at: AtomicU64,
}

/// A call is about to open the circuit.
const BUSY: u64 = 1;
/// The era began with a veto that was told.
const VETOED: u64 = 2;
/// The next one does, if whoever is busy gets to it.
const TELLING: u64 = 4;

impl Membership {
    pub(super) fn join(joining: Joining, first: Word, now: u64) -> Self {
        let this = Self::without_place(joining);
        if first.is_ejected() {
            this.cap.take().put_down();
            let lease = lease_of(first, this.zero.saturating_add(now));
            this.slot.cell().store(lease, Ordering::Release);
        }
        this
    }

    fn without_place(joining: Joining) -> Self {
        let Joining { cap, zero } = joining;
        let slot = cap.join();
        Self {
            slot,
            zero,
            cap,
            trip_claim: AtomicU64::new(0),
            vetoed_at: AtomicU64::new(0),
        }
    }

    pub(super) fn leave(&self) {
        self.cap.leave(&self.slot);
    }

    /// What is in the slot. An addition of nothing, and not a load: whoever changes the slot after this has
    /// read it so, and sees in the word what the one who looks here saw in it.
    fn look(&self) -> u64 {
        self.slot.cell().fetch_add(0, Ordering::AcqRel)
    }

    /// What the slot of a circuit with a place holds.
    fn lease(&self, core: &Core, word: Word) -> Attempt<u64> {
        let since = self.zero.saturating_add(core.facts.since(word));
        core.read_in_era(word, lease_of(word, since))
    }

    /// Makes the slot say what the word says, with the place in hand, if there is one and none in the slot.
    fn settle<'a>(&'a self, core: &Core, mut hand: Option<Place<'a>>) {
        loop {
            // First the slot: if it was changed by somebody who knew a newer word, that word is seen below.
            let lease = self.look();
            let word = core.load();
            let due = match () {
                () if !word.is_ejected() => NONE,
                // It had none, or another circuit has taken it over.
                () if lease == NONE && hand.is_none() => NONE,
                () => match self.lease(core, word) {
                    Done(lease) => lease,
                    Lost => continue,
                },
            };
            if due == lease {
                return;
            }
            if !self.cap.change(self.slot.cell(), lease, due) {
                continue;
            }
            if lease == NONE {
                hand.take().into_iter().for_each(Place::put_down);
            }
            if due == NONE {
                hand = Some(self.cap.in_hand());
            }
        }
    }

    /// A person has opened the circuit, with the era that began, or has made it count: a place whatever the
    /// cap says, if it has none.
    fn hold_by_hand(&self, core: &Core, era: Era) {
        let needs = self.look() == NONE && core.load().era() == era;
        self.settle(core, needs.then(|| self.cap.take()));
    }

    /// The circuit may have been opened by somebody who did not see that it is a member: a place whatever the cap says,
    /// if it needs one and has none.
    #[cold]
    fn hold_if_open(&self, core: &Core) {
        let mut word = core.load();
        while word.is_ejected() {
            self.hold_by_hand(core, word.era());
            let seen = std::mem::replace(&mut word, core.load());
            if word.era() == seen.era() {
                return;
            }
        }
    }

    /// Whether the half-open circuit has a place to reopen with, by now: its own, or else another.
    fn has_place(&self, core: &Core, word: Word, now: u64) -> bool {
        self.settle(core, None);
        if self.look() == ENDLESS | word.era().number() {
            return true;
        }
        let place = self.take(now);
        let taken = place.is_some();
        self.settle(core, place);
        taken
    }

    /// A place in hand for a circuit that is about to be opened from `word`: the one that it has, or another. In the
    /// slot, one whose break is over could be taken over meanwhile.
    fn take_own(&self, word: Word, now: u64) -> Option<Place<'_>> {
        let lease = self.look();
        let has = word.is_ejected() && lease != NONE;
        if has && self.cap.change(self.slot.cell(), lease, NONE) {
            return Some(self.cap.in_hand());
        }
        self.take(now)
    }

    /// Whether a call is about to end `era`, or has just begun it, and may still have a place in hand.
    fn is_claimed(&self, era: Era) -> bool {
        let last = self.trip_claim.load(Ordering::Acquire);
        [era, era.before(1)].contains(&Era::of_cell(last)) && last & BUSY != 0
    }

    fn take(&self, now: u64) -> Option<Place<'_>> {
        self.cap.try_take(self.zero.saturating_add(now))
    }

    /// To one call of each era at a time: it is for that call to end the era. `current` tells the era that
    /// stands.
    ///
    /// Acquire: pairs with the release of whoever claimed the last one. That was a call of an era that had
    /// begun, so if `era` still stands after the look at the last one, the last one is an older one, however
    /// much older: eras wrap.
    fn claim_trip(&self, era: Era, current: impl Fn() -> Era) -> Option<TripClaim<'_>> {
        let mut last = self.trip_claim.load(Ordering::Acquire);
        loop {
            let this = after(last, era)?;
            if current() != era {
                return None;
            }
            match self.trip_claim.compare_exchange_weak(
                last,
                this,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(TripClaim::new(self, this)),
                Err(seen) => last = seen,
            }
        }
    }

    /// Before the swap that ends `era` with a veto, so that calls of the next one know.
    fn announce_veto(&self, era: Era, current: impl Fn() -> Era) {
        let mut last = self.trip_claim.load(Ordering::Acquire);
        while current() == era {
            let marks = if Era::of_cell(last) == era {
                last & BESIDE_MASK
            } else {
                0
            };
            let this = era.beside(marks | BUSY | TELLING);
            match self.trip_claim.compare_exchange_weak(
                last,
                this,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return,
                Err(seen) => last = seen,
            }
        }
    }

    /// The swap was lost.
    fn withdraw_veto(&self, era: Era) {
        let last = self.trip_claim.load(Ordering::Acquire);
        if Era::of_cell(last) == era {
            self.mark(last, last & !TELLING);
        }
    }

    fn mark(&self, last: u64, this: u64) {
        // If the swap fails, another era is claimed by now, and this one is over.
        let _ = self
            .trip_claim
            .compare_exchange(last, this, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// What the slot holds in the era of `word`, which began at `since` by the time of the set, if it has a place.
fn lease_of(word: Word, since: u64) -> u64 {
    let end = match word.ends_after() {
        Some(length) => since.saturating_add(length.nanos()),
        None => ENDLESS,
    };
    if end < ENDLESS {
        end
    } else {
        ENDLESS | word.era().number()
    }
}

/// What the call writes down that is to end `era`; `None` if another is busy with it.
fn after(last: u64, era: Era) -> Option<u64> {
    let before = Era::of_cell(last);
    let this = era.beside(BUSY);
    if before == era {
        return (last & BUSY == 0).then_some(this | last & BESIDE_MASK);
    }
    let told = last & TELLING != 0 && before.next() == era;
    Some(if told { this | VETOED } else { this })
}

/// What the call that has claimed a trip has in hand.
pub(super) struct TripClaim<'a> {
    membership: &'a Membership,
    this: u64,
    place: Option<Place<'a>>,
    told: Option<bool>,
}

impl<'a> TripClaim<'a> {
    fn new(membership: &'a Membership, this: u64) -> Self {
        Self {
            membership,
            this,
            place: None,
            told: None,
        }
    }

    /// Whether it has a place, by now.
    fn take_place(&mut self, now: u64) -> bool {
        if self.place.is_none() {
            self.place = self.membership.take(now);
        }
        self.place.is_some()
    }

    /// Whether its veto is to be told: the first since the circuit last changed for another reason, or since
    /// none has come for as long as the break would have been. Decided once, for it is noted.
    fn is_told(&mut self, now: u64, open_for: impl FnOnce() -> BreakLength) -> bool {
        let Self {
            membership, this, ..
        } = *self;
        *self.told.get_or_insert_with(|| {
            let last = membership.vetoed_at.fetch_max(now, Ordering::AcqRel);
            this & VETOED == 0 || now.saturating_sub(last) >= open_for().nanos()
        })
    }

    /// Another call of this era may open the circuit, as soon as there is a place.
    fn release(&self) {
        self.membership.mark(self.this, self.this & !BUSY);
    }
}

impl Core {
    pub(crate) fn is_member(&self) -> bool {
        self.membership.get().is_some()
    }

    fn membership_of(&self, word: Word) -> Option<&Membership> {
        self.membership.get().filter(|_| !word.is_shadow())
    }

    /// The circuit becomes a member of a set while it lives, unless it is one of any set already. Returns whether it
    /// is a member of this one. If it is open, it takes a place, whatever the cap says.
    #[cfg(any(feature = "config", all(test, tower_breaker_loom)))]
    pub(crate) fn join(&self, joining: Joining) -> bool {
        let cap = joining.cap.clone();
        let membership = Membership::without_place(joining);
        if let Err(refused) = self.membership.set(membership) {
            refused.leave();
            return self.is_member_of(&cap);
        }
        // Pairs with the fence of `place_if_joined`: either whoever opens the circuit sees that it is a member, or this
        // sees that it is open.
        fence(Ordering::SeqCst);
        self.membership
            .get()
            .iter()
            .for_each(|membership| membership.hold_if_open(self));
        true
    }

    #[cfg(any(feature = "config", all(test, tower_breaker_loom)))]
    pub(crate) fn is_member_of(&self, cap: &Arc<Cap>) -> bool {
        let membership = self.membership.get();
        membership.is_some_and(|membership| Arc::ptr_eq(&membership.cap, cap))
    }

    /// Opens as a circuit that is no member, from exactly `word`.
    #[inline]
    pub(super) fn open_freely(
        &self,
        word: Word,
        (cause, length): (Cause, Length),
        numbers: &Numbers,
        now: u64,
    ) -> Attempt<Transition> {
        let opened = self.open(word, cause, length, numbers, now);
        // It may have become one meanwhile.
        if let (Done(_), Some(membership)) = (&opened, self.membership.get()) {
            membership.hold_if_open(self);
        }
        opened
    }

    /// After a swap by somebody who saw no member.
    #[inline]
    fn place_if_joined(&self) {
        fence(Ordering::SeqCst);
        if let Some(membership) = self.membership.get() {
            membership.hold_if_open(self);
            membership.settle(self, None);
        }
    }

    /// One attempt to open the closed circuit from exactly `word`, or to be vetoed. If it is lost, the caller must
    /// try again, until the era is over: other calls have returned because this one has claimed the trip.
    pub(super) fn try_trip<'a>(
        &'a self,
        word: Word,
        (cause, length): (Cause, Length),
        call: &EndedCall,
        claim: &mut Option<TripClaim<'a>>,
    ) -> Attempt<Option<Transition>> {
        let open = || self.open(word, cause, length, &call.numbers, call.now);
        let Some(membership) = self.membership_of(word) else {
            let opened = self.open_freely(word, (cause, length), &call.numbers, call.now);
            return opened.map(Some);
        };
        if call.vetoed.get() {
            return Done(None);
        }
        if claim.is_none() {
            *claim = membership.claim_trip(word.era(), || self.load().era());
        }
        let Some(claim) = claim else {
            return Done(None);
        };
        if claim.take_place(call.now) {
            return open().map(|opened| {
                membership.settle(self, claim.place.take());
                Some(opened)
            });
        }
        let open_for = || {
            let attempt = self.next_attempt(word, State::Open, call.now);
            self.open_for(word, length, &call.numbers, attempt)
        };
        if claim.is_told(call.now, open_for) {
            let veto = self.veto(membership, word, cause, call.now, word.is_ramping());
            return veto.map(Some);
        }
        claim.release();
        call.vetoed.set(true);
        membership.cap.count_veto();
        self.total(TotalCounters::vetoed);
        Done(None)
    }

    /// Opens the half-open circuit again, from exactly `word`. If another has taken its place over, and there
    /// is none left, it closes instead.
    pub(super) fn reopen(
        &self,
        word: Word,
        cause: Cause,
        length: Length,
        numbers: &Numbers,
        now: u64,
    ) -> Attempt<Transition> {
        match self.membership_of(word) {
            Some(membership) if !membership.has_place(self, word, now) => {
                membership.vetoed_at.fetch_max(now, Ordering::AcqRel);
                self.veto(membership, word, cause, now, numbers.ramp > 0)
            }
            _ => self.open_freely(word, (cause, length), numbers, now),
        }
    }

    /// One attempt to open as `next`, from exactly `word`, because the fleet has opened; or to be vetoed. If it is
    /// lost, the place that was taken for it is in `hand`, for the next attempt.
    ///
    /// It claims no trip, for it could not return if another has. So it may take a place while a call that is about to
    /// open the circuit has one in hand, too; and if that was the last, it lets that call go first. It is the task of
    /// the fleet that waits, for a few instructions of that call, and not for ever.
    pub(super) fn open_as_told<'a>(
        &'a self,
        word: Word,
        next: Word,
        (hand, patience): (&mut Option<Place<'a>>, &mut u32),
        now: u64,
    ) -> Attempt<Transition> {
        let Some(membership) = self.membership_of(word) else {
            let opened = self.transition(word, next, Cause::Shared, now);
            // It may have become one meanwhile.
            if let (Done(_), Some(membership)) = (&opened, self.membership.get()) {
                membership.hold_if_open(self);
            }
            return opened;
        };
        *hand = hand.take().or_else(|| membership.take_own(word, now));
        if hand.is_none() && *patience > 0 && membership.is_claimed(word.era()) {
            *patience -= 1;
            yield_now();
            return Lost;
        }
        if hand.is_none() {
            membership.vetoed_at.fetch_max(now, Ordering::AcqRel);
            let ramping = match word.state() {
                State::Closed => word.is_ramping(),
                State::Open | State::HalfOpen => self.tunable.read().ramp > 0,
            };
            return self.veto(membership, word, Cause::Shared, now, ramping);
        }
        self.transition(word, next, Cause::Shared, now)
    }

    /// A place that is still in hand is the slot's, if the circuit needs it there, or nobody's.
    pub(super) fn put_back(&self, hand: Option<Place<'_>>) {
        if let Some(membership) = self.membership.get().filter(|_| hand.is_some()) {
            membership.settle(self, hand);
        }
    }

    /// Too many are open: this one is closed, and begins anew.
    fn veto(
        &self,
        membership: &Membership,
        word: Word,
        cause: Cause,
        now: u64,
        ramping: bool,
    ) -> Attempt<Transition> {
        let next = word.closed_next(word.mode(), ramping);
        membership.announce_veto(word.era(), || self.load().era());
        let Done(closed) = self.transition(word, next, Cause::TripVetoed, now) else {
            membership.withdraw_veto(word.era());
            return Lost;
        };
        membership.cap.count_veto();
        self.total(TotalCounters::vetoed);
        Done(Transition {
            vetoed: Some(cause),
            ..closed
        })
    }

    /// After the swap from `word` to `next`. Where a call opens the closed circuit, it has the place in hand.
    pub(super) fn place_follows(&self, word: Word, next: Word, cause: Cause) {
        let Some(membership) = self.membership.get() else {
            return self.place_if_joined();
        };
        let by_hand = cause == Cause::Manual || next.state_mode() == StateMode::ForcedOpen;
        if by_hand && next.is_ejected() {
            membership.hold_by_hand(self, next.era());
        } else if word.is_ejected() {
            membership.settle(self, None);
        }
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::super::{CoreParts, Mode, Numbers, WHOLE};
    use super::*;

    fn membership() -> Membership {
        let cap = Arc::new(Cap::new(WHOLE, 0));
        Membership::join(Joining { cap, zero: 1 }, Word::first(Mode::Normal), 0)
    }

    // G7: or two calls of this era would each take a place, and one might be another circuit's.
    #[test]
    fn a_call_of_an_older_era_claims_nothing_and_undoes_nothing() {
        let membership = membership();
        let claims = |era| {
            let claim = membership.claim_trip(Era::new(era), || Era::new(5));
            claim.is_some()
        };
        assert_eq!([5, 5, 4, 5].map(claims), [true, false, false, false]);
    }

    // G7: what a veto has told is known in the era that it began, across the wrap, too, and in no other.
    #[test]
    fn a_veto_is_known_in_the_next_era_and_in_no_other() {
        for era in [0, 7, (1 << 37) - 1].map(Era::new) {
            let telling = era.beside(BUSY | TELLING);
            let later = |eras| Era::new(era.number() + eras);
            let known = |eras| after(telling, later(eras)).map(|this| this & VETOED != 0);
            let known = [0, 1, 2, 1 << 36, (1 << 37) - 1].map(known);
            assert_eq!(
                known,
                [None, Some(true), Some(false), Some(false), Some(false)]
            );
        }
    }

    #[test]
    fn a_swap_that_is_lost_is_no_veto() {
        let membership = membership();
        assert!(membership.claim_trip(Era::new(3), || Era::new(3)).is_some());
        membership.announce_veto(Era::new(3), || Era::new(3));
        membership.withdraw_veto(Era::new(3));
        let next = membership
            .claim_trip(Era::new(4), || Era::new(4))
            .expect("nobody else does");
        assert_eq!(next.this & VETOED, 0);
    }

    // G7: also in the era that it is about to begin, until it gives the trip up.
    #[test]
    fn a_trip_is_claimed_until_it_is_given_up() {
        let membership = membership();
        let claimed = || [4, 5, 6, 7].map(|era| membership.is_claimed(Era::new(era)));
        let claim = membership.claim_trip(Era::new(5), || Era::new(5));
        assert_eq!(claimed(), [false, true, true, false]);
        claim.expect("nobody else does").release();
        assert_eq!(claimed(), [false; 4]);
    }

    // G7: what is known of the era stays known, and nothing of an older one comes with it.
    #[test]
    fn a_veto_that_is_announced_leaves_the_other_marks() {
        let era = Era::new(5);
        for (last, marks) in [
            (era.beside(BUSY | VETOED), BUSY | VETOED),
            (era.before(1).beside(BUSY | VETOED), BUSY),
        ] {
            let membership = membership();
            membership.trip_claim.store(last, Ordering::Release);
            let noted = || membership.trip_claim.load(Ordering::Acquire);
            membership.announce_veto(era, || era);
            assert_eq!(noted(), era.beside(marks | TELLING));
            membership.withdraw_veto(era);
            assert_eq!(noted(), era.beside(marks));
        }
    }

    /// The only one of its set, of which one may be open.
    fn member() -> Core {
        let cap = Arc::new(Cap::new(0, 1));
        let parts = CoreParts {
            cap: Some(Joining { cap, zero: 1 }),
            shared: true,
            ..CoreParts::none()
        };
        Core::new(Numbers::default().into(), parts, 0)
    }

    // G7: for a while.
    #[test]
    fn a_shared_open_lets_a_call_go_first_that_may_have_the_last_place() {
        let core = member();
        let membership = core.membership.get().expect("a member");
        let claim = membership.claim_trip(Era::FIRST, || Era::FIRST);
        let mut claim = claim.expect("nobody else does");
        assert!(claim.take_place(0));
        let word = core.load();
        let next = word.open_next(Mode::Normal, BreakLength::FOREVER);
        let (mut hand, mut patience) = (None, 2);
        let attempts = [(); 3].map(|()| {
            let attempt = core.open_as_told(word, next, (&mut hand, &mut patience), 0);
            (matches!(attempt, Done(_)), patience)
        });
        assert_eq!(attempts, [(false, 1), (false, 0), (true, 0)]);
        assert_eq!(core.state(), State::Closed);
    }
}
