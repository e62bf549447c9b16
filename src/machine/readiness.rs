//! What readiness asks of a circuit, before there is a call (rules A6, G1, G2).

use super::{
    Core, Refusal, State, Ticket, Transition, WHOLE,
    record::Verdict,
    totals::End,
    word::{StateMode, Word},
};

/// What a ramp has said about a call to come (D6). It is asked once for each call, before the inner service is
/// (G1), and what it says holds until the call, in the same era.
///
/// `era | passes (1) | asked (1)`: one word, because every call carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RampTurn(u64);

impl RampTurn {
    /// It was not asked, or there is no ramp.
    pub(crate) const NOT_YET: Self = Self(0);

    fn new(word: Word, passes: bool) -> Self {
        Self(word.era() << 2 | u64::from(passes) << 1 | 1)
    }
}

impl Core {
    /// Whether a closed circuit that holds nothing back was `seen`.
    #[inline]
    #[expect(clippy::unused_self, reason = "the word is this circuit's")]
    pub(crate) fn admits_fast(&self, seen: u64) -> bool {
        Word::from_bits(seen).admits_fast()
    }

    /// Whether a call to come would be rejected now, and why, beginning with the word that was `seen`. Where a
    /// ramp goes on, it is asked for its `turn`, once. Changes nothing else.
    #[inline]
    pub(crate) fn refusal_before_call(
        &self,
        seen: u64,
        turn: &mut RampTurn,
        now: impl Fn() -> u64,
    ) -> Option<Refusal> {
        let word = Word::from_bits(seen);
        if word.admits_fast() {
            return None;
        }
        self.refusal_cold(word, &now)
            .or_else(|| self.take_ramp_turn(turn, &now))
    }

    /// In shadow, nobody is turned away, and the call takes its turn itself.
    #[cold]
    fn take_ramp_turn(&self, turn: &mut RampTurn, now: impl Fn() -> u64) -> Option<Refusal> {
        let is_ramping = |word: Word| word.state_mode() == StateMode::Closed && word.is_ramping();
        if !is_ramping(self.load()) {
            return None;
        }
        let now = now();
        let word = self.load();
        let share = self.ramp_share(word, now);
        if !is_ramping(word) || share >= WHOLE {
            return None;
        }
        let (passes, turned_away) = (RampTurn::new(word, true), RampTurn::new(word, false));
        let lets_pass = match *turn {
            turn if turn == passes => true,
            // It is asked once, but a trickle is admitted whatever was said.
            turn if turn == turned_away => self.is_trickle(now),
            _ => self.passes_ramp(share, now),
        };
        *turn = if lets_pass { passes } else { turned_away };
        (*turn == turned_away).then_some(Refusal::Ramping)
    }

    /// Admits a call that the ramp lets pass already, while that ramp goes on; `None` for any other.
    pub(crate) fn admit_in_turn(
        &self,
        turn: RampTurn,
        now: impl FnOnce() -> u64,
    ) -> Option<Ticket> {
        if turn == RampTurn::NOT_YET {
            return None;
        }
        let now = now();
        let word = self.load();
        let goes_on = word.state_mode() == StateMode::Closed && word.is_ramping();
        let passes = goes_on && turn == RampTurn::new(word, true);
        passes.then(|| Ticket::new(word).started_at(now))
    }

    /// Whether a call would be rejected now, and why, beginning with the word that was `seen`.
    /// Changes nothing (C5): what a call would do about timed-out probes is left to the call.
    #[inline]
    pub(crate) fn refusal(&self, seen: u64, now: impl Fn() -> u64) -> Option<Refusal> {
        let word = Word::from_bits(seen);
        if word.admits_fast() {
            return None;
        }
        self.refusal_cold(word, now)
    }

    #[cold]
    pub(super) fn refusal_cold(&self, seen: Word, now: impl Fn() -> u64) -> Option<Refusal> {
        let mut word = seen;
        loop {
            let remaining = match word.state_mode() {
                StateMode::ForcedOpen => return Some(Refusal::ForcedOpen),
                StateMode::Open => self.break_remaining(word, now()).map(Refusal::Open),
                StateMode::HalfOpen if word.probes().admit().is_none() => self
                    .probes_remaining(word, now())
                    .map(Refusal::HalfOpenFull),
                // A ramp chooses among calls; whether it takes this one is asked only when one is to come.
                _ => return None,
            };
            match remaining {
                Some(Refusal::Open(0)) => return None,
                Some(refusal) => return Some(refusal),
                None => word = self.load(),
            }
        }
    }

    /// Whether a call would be rejected now, and why. Where it would find the probes timed out, they are
    /// (D4, G7): whoever waits to be ready may be the only one to notice.
    pub(crate) fn refusal_or_time_out(
        &self,
        now: impl Fn() -> u64,
        mut tell: impl FnMut(Transition),
    ) -> Option<Refusal> {
        loop {
            let seen = self.load();
            let refusal = self.refusal(seen.bits(), &now);
            if refusal != Some(Refusal::HalfOpenFull(0)) {
                return refusal;
            }
            let now = now();
            let word = self.load();
            if word.is_shadow() || !word.is_full() {
                continue;
            }
            let mut change = None;
            let found = self.time_out(word, now, &mut change);
            change.into_iter().for_each(&mut tell);
            // By a clock that goes back, they have not.
            if let Some(Refusal::HalfOpenFull(_)) = found {
                return found;
            }
        }
    }

    /// The word as it stands, to be handed back later.
    #[inline]
    pub(crate) fn seen(&self) -> u64 {
        self.load().bits()
    }

    /// A6: readiness failed. The failure belongs to the era that was seen before readiness was
    /// asked for; where a call would have been a probe, a probe is admitted and fails. Returns whether that
    /// probe has decided nothing, and makes room for another.
    #[cold]
    pub(crate) fn fail_ready(&self, seen: u64, now: u64, mut tell: impl FnMut(Transition)) -> bool {
        let seen = Word::from_bits(seen);
        let Some(ticket) = self.admit_failure(seen, now, &mut tell) else {
            return false;
        };
        self.count_end(End::Failed, false);
        let verdict = Verdict::Failure {
            slow: false,
            floor: 0,
        };
        let change = self.apply(&self.ended_call(ticket, now), verdict);
        change.into_iter().for_each(tell);
        change.is_none() && ticket.is_probe()
    }

    pub(super) fn admit_failure(
        &self,
        seen: Word,
        now: u64,
        tell: &mut impl FnMut(Transition),
    ) -> Option<Ticket> {
        loop {
            let word = self.load();
            if word.era() != seen.era() {
                return None;
            }
            if word.is_full() || word.state_mode() == StateMode::ForcedOpen {
                return None;
            }
            if word.state() == State::Closed {
                return Some(Ticket::new(word));
            }
            let mut change = None;
            let admission = self.try_admit(word, now, &mut change);
            change.into_iter().for_each(&mut *tell);
            if let Some(admission) = admission {
                return admission.ok();
            }
        }
    }

    /// Why a call is rejected for which `noted` was found when the word was `seen`. While the word stands,
    /// what was found holds and the clock is not read again. If the circuit admits by now, there is
    /// nothing left to wait for.
    pub(crate) fn renew_refusal(
        &self,
        noted: Refusal,
        seen: u64,
        now: impl Fn() -> u64,
        change: &mut Option<Transition>,
    ) -> Refusal {
        let known = !matches!(noted, Refusal::HalfOpenFull(_));
        if known && self.load().bits() == seen {
            return noted;
        }
        let now = now();
        let word = self.load();
        let timed_out = word
            .is_full()
            .then(|| self.time_out(word, now, change))
            .flatten();
        timed_out
            .or_else(|| self.refusal(self.seen(), || now))
            .unwrap_or(match noted {
                // It was turned away by its turn, whatever has become of the ramp.
                Refusal::Ramping => noted,
                _ => Refusal::Open(0),
            })
    }
}
