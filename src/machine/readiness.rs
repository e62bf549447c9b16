//! What readiness asks of a circuit, before there is a call (rules A6, B9, G1, G2).

use std::time::Duration;

use super::{
    Core, Era, Nanos, Refusal, State, Ticket, Transition, WithTransition,
    admission::TimeOut,
    record::Verdict,
    retry::Attempt::{self, Done, Lost},
    totals::End,
    word::{StateMode, Word},
};
use crate::machine::sync::Ordering;

/// What a ramp or shedding has said about a call to come (B9, D6). It is asked once for each call, before the inner
/// service is (G1), and what it says holds until the call, in the same era.
///
/// `era (37) | how often shedding has begun (25) | passes (1) | asked (1)`: one word, because every call carries it.
/// The second number leaves out what began while a ramp held calls back. It wraps; a call that was asked 33 million
/// times ago in the same era is not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RampTurn(u64);

impl RampTurn {
    /// It was not asked, or nothing is held back.
    pub(crate) const NOT_YET: Self = Self(0);

    fn new(word: Word, shed_times: u64, passes: bool) -> Self {
        let times = shed_times & ((1 << TIMES_BITS) - 1);
        let when = word.era().number() << TIMES_BITS | times;
        Self(when << 2 | u64::from(passes) << 1 | 1)
    }
}

const TIMES_BITS: u32 = 25;

const _: () = assert!(Era::BITS + TIMES_BITS + 2 == u64::BITS);

/// The word as it stood when somebody looked, to be handed back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(Word);

impl Seen {
    /// Whether the circuit was closed and held nothing back.
    #[inline]
    pub(crate) fn admits_fast(self) -> bool {
        self.0.admits_fast()
    }
}

impl Core {
    /// Whether a call to come would be rejected now, and why, beginning with the word that was `seen`. Where a
    /// ramp goes on, it is asked for its `turn`, once. Changes nothing else.
    #[inline]
    pub(crate) fn refusal_before_call(
        &self,
        seen: Seen,
        turn: &mut RampTurn,
        now: impl Fn() -> u64,
    ) -> Option<Refusal> {
        if seen.admits_fast() {
            return None;
        }
        self.refusal_cold(seen.0, &now)
            .or_else(|| self.take_ramp_turn(turn, &now))
    }

    /// In shadow, nobody is turned away, and the call takes its turn itself.
    #[cold]
    fn take_ramp_turn(&self, turn: &mut RampTurn, now: impl Fn() -> u64) -> Option<Refusal> {
        let holds_back = |word: Word| word.state_mode() == StateMode::Closed && word.holds_back();
        if !holds_back(self.load()) {
            return None;
        }
        let now = now();
        let word = self.load();
        let held = self.held_back(word, now).filter(|_| holds_back(word))?;
        let [passes, turned_away] = [true, false].map(|passes| self.turn(word, passes));
        let lets_pass = match *turn {
            turn if turn == passes => true,
            // It is asked once, but a trickle is admitted whatever was said.
            turn if turn == turned_away => self.is_trickle(held, now),
            _ => self.passes(held, now),
        };
        *turn = if lets_pass { passes } else { turned_away };
        (*turn == turned_away).then_some(held.by)
    }

    fn turn(&self, word: Word, passes: bool) -> RampTurn {
        // Relaxed: a number of its own. Whoever has seen that shedding has begun again has seen it.
        RampTurn::new(word, self.shed_times.load(Ordering::Relaxed), passes)
    }

    /// Admits a call that was let pass already, while something is still held back; `None` for any other.
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
        let goes_on = word.state_mode() == StateMode::Closed && word.holds_back();
        let passes = goes_on && turn == self.turn(word, true);
        passes.then(|| Ticket::new(word).started_at(now))
    }

    /// Whether a call would be rejected now, and why, beginning with the word that was `seen`.
    /// Changes nothing (C5): what a call would do about timed-out probes is left to the call.
    #[inline]
    pub(crate) fn refusal(&self, seen: Seen, now: impl Fn() -> u64) -> Option<Refusal> {
        if seen.admits_fast() {
            return None;
        }
        self.refusal_cold(seen.0, now)
    }

    #[cold]
    pub(super) fn refusal_cold(&self, seen: Word, now: impl Fn() -> u64) -> Option<Refusal> {
        self.retry_from(seen, |word| match word.state_mode() {
            StateMode::ForcedOpen => {
                let remaining = self.forced_remaining(word, now());
                remaining.map(|left| (!left.is_zero()).then_some(Refusal::ForcedOpen(left)))
            }
            StateMode::Open => {
                let now = now();
                match self.break_remaining(word, now) {
                    Done(left) if left.is_zero() => {
                        self.held(word, now).map(|left| left.map(Refusal::Held))
                    }
                    remaining => remaining.map(|left| Some(Refusal::Open(left))),
                }
            }
            StateMode::HalfOpen => self.half_open_refusal(word, &now),
            // A ramp and shedding choose among calls; whether this one is taken is asked only when one is to come.
            _ => Done(None),
        })
    }

    /// Whether a call would be rejected now, and why. Where it would find the probes timed out, or the time over for
    /// which the circuit was forced open, they are (D4, E2, G7): whoever waits to be ready may be the only one to
    /// notice.
    pub(crate) fn refusal_or_time_out(
        &self,
        now: impl Fn() -> u64,
        mut tell: impl FnMut(Transition),
    ) -> Option<Refusal> {
        self.retry(|seen| {
            let refusal = self.refusal(Seen(seen), &now);
            let is_over = match refusal {
                Some(Refusal::HalfOpenFull(left)) => left.is_zero(),
                Some(_) => false,
                None => self.load().forced_for().is_some(),
            };
            if !is_over {
                return Done(refusal);
            }
            let now = now();
            match self.end(self.load(), now) {
                Done(Ok(Some(transition))) => tell(transition),
                // By a clock that goes back, it is not over.
                Done(Err(refusal)) => return Done(Some(refusal)),
                Done(Ok(None)) | Lost => {}
            }
            // What holds of the word that stands now?
            Lost
        })
    }

    /// Ends the era of `word` if its time is over and a call would find that; if that is yet to come, says why a call
    /// is rejected. `None` if nothing but a result ends that era.
    fn end(&self, word: Word, now: u64) -> Attempt<Result<Option<Transition>, Refusal>> {
        match word.state_mode() {
            StateMode::ForcedOpen => self
                .expire_forced(word, now)
                .map(|expired| expired.map(Some).map_err(Refusal::ForcedOpen)),
            StateMode::HalfOpen if self.may_time_out(word) => {
                self.time_out(word, now).map(|timed_out| match timed_out {
                    TimeOut::Ended(transition) => Ok(Some(transition)),
                    TimeOut::NotYet(refusal) => Err(refusal),
                })
            }
            _ => Done(Ok(None)),
        }
    }

    #[inline]
    pub(crate) fn seen(&self) -> Seen {
        Seen(self.load())
    }

    /// A6: readiness failed. The failure belongs to the era that was seen before readiness was asked for. Where a
    /// call would have been a probe, a probe is admitted and fails. Returns `true` if that probe has decided
    /// nothing, and so makes room for another.
    #[cold]
    pub(crate) fn fail_ready(
        &self,
        seen: Seen,
        now: u64,
        mut tell: impl FnMut(Transition),
    ) -> bool {
        let Some(ticket) = self.admit_failure(seen.0, now, &mut tell) else {
            return false;
        };
        self.count_end(End::Failed, false);
        let verdict = Verdict::Failure {
            slow: false,
            floor: Duration::ZERO,
        };
        let change = self.apply(&self.ended_call(ticket, now, None), verdict);
        change.into_iter().for_each(tell);
        change.is_none() && ticket.is_probe()
    }

    pub(super) fn admit_failure(
        &self,
        seen: Word,
        now: u64,
        tell: &mut impl FnMut(Transition),
    ) -> Option<Ticket> {
        self.retry(|word| {
            if word.era() != seen.era() {
                return Done(None);
            }
            if word.is_full() {
                return Done(None);
            }
            if word.state() == State::Closed {
                return Done(Some(Ticket::new(word)));
            }
            self.try_admit(word, now).map(|admission| {
                admission.transition.into_iter().for_each(&mut *tell);
                admission.answer.ok()
            })
        })
    }

    /// Why a call is rejected for which `found` was found when the word was `seen`. While the word stands,
    /// what was found holds and the clock is not read again. If the circuit admits by now, there is
    /// nothing left to wait for.
    #[inline]
    pub(crate) fn renew_refusal(
        &self,
        found: Refusal,
        seen: Seen,
        now: impl Fn() -> u64,
    ) -> WithTransition<Refusal> {
        let known = !matches!(found, Refusal::HalfOpenFull(_));
        if known && self.seen() == seen {
            return WithTransition::none(found);
        }
        self.renew_refusal_cold(found, now())
    }

    #[cold]
    pub(super) fn renew_refusal_cold(&self, found: Refusal, now: u64) -> WithTransition<Refusal> {
        let word = self.load();
        let timed_out = self
            .may_time_out(word)
            .then(|| self.time_out(word, now).done())
            .flatten();
        let renewed = timed_out.and_then(TimeOut::refusal);
        WithTransition {
            answer: renewed
                .or_else(|| self.refusal(self.seen(), || now))
                .unwrap_or(match found {
                    // It was turned away by its turn, whatever has become of that.
                    Refusal::Ramping | Refusal::Shedding => found,
                    _ => Refusal::Open(Nanos::ZERO),
                }),
            transition: timed_out.and_then(TimeOut::transition),
        }
    }
}
