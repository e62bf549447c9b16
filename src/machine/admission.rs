//! Who is admitted, and who is not (rules B9, C1, C3, D1, D4, D6).

use super::{
    Admission, Cause, Core, Era, HEARD, LIMITED, Mode, Nanos, Refusal, Ticket, Transition, WHOLE,
    WithTransition,
    retry::Attempt::{self, Done, Lost},
    totals::TotalCounters,
    word::{BreakLength, Probes, StateMode, Word},
};
use crate::machine::sync::Ordering;

impl Core {
    /// Admits a call to a closed circuit that holds nothing back; `None` for any other, and where calls are heard,
    /// which [`Core::admit_any`] decides.
    #[inline]
    pub(crate) fn admit_fast(&self, now: impl FnOnce() -> u64) -> Option<Ticket> {
        let word = self.load();
        if !word.admits_fast() {
            return None;
        }
        let ticket = Ticket::new(word);
        // Relaxed: a number of its own; calls that race with its change may be timed or not.
        if self.judged_from.load(Ordering::Relaxed) == 0 {
            return Some(ticket);
        }
        let ticket = ticket.started_at(now());
        (!self.hears_calls()).then_some(ticket)
    }

    /// What can be decided without the time: a disabled circuit that watches no durations admits, one
    /// that is forced open until a person releases it does not.
    #[inline]
    pub(crate) fn admit_without_clock(&self) -> Option<Result<Ticket, Refusal>> {
        let word = self.load();
        match word.state_mode() {
            // Relaxed: as in `admit_fast`.
            StateMode::Disabled if self.judged_from.load(Ordering::Relaxed) == 0 => {
                Some(Ok(Ticket::bypass(word.era(), StateMode::Disabled)))
            }
            StateMode::ForcedOpen if word.forced_for().is_none() => {
                Some(Err(Refusal::ForcedOpen(Nanos::FOREVER)))
            }
            _ => None,
        }
    }

    /// The usual answer of an open circuit, which changes nothing; `None` where there is more to
    /// decide, which is left to [`Core::admit_any`].
    #[inline]
    pub(crate) fn refuse_open(&self, now: u64) -> Option<Refusal> {
        let word = self.load();
        if word.state_mode() != StateMode::Open {
            return None;
        }
        let remaining = self.break_remaining(word, now).done()?;
        (!remaining.is_zero()).then_some(Refusal::Open(remaining))
    }

    /// Admits a call in any state, or says why not. Whoever is admitted must see the ticket to its end.
    ///
    /// The word is loaded after the clock was read, here and wherever an era can end: see
    /// [`EraFacts`](super::era::EraFacts).
    pub(crate) fn admit_any(&self, now: u64) -> Admission {
        self.retry(|word| {
            let admission = self.try_admit(word, now);
            admission.map(|WithTransition { answer, transition }| {
                let answer = match answer {
                    Ok(ticket) => Ok(ticket),
                    Err(refusal) => self.pass_in_shadow(word, transition.as_ref(), refusal),
                };
                WithTransition {
                    answer: answer.map(|ticket| ticket.started_at(now)),
                    transition,
                }
            })
        })
    }

    /// E1: shadow lets the call pass, in the era of `word`, or in the one that it has found to be over it. It decides
    /// nothing.
    fn pass_in_shadow(
        &self,
        word: Word,
        found: Option<&Transition>,
        refusal: Refusal,
    ) -> Result<Ticket, Refusal> {
        if word.mode() != Mode::Shadow {
            return Err(refusal);
        }
        self.total(TotalCounters::shadowed);
        let (era, state) = match found {
            Some(turned) => (Era::new(turned.era), turned.to),
            None => (word.era(), word.state()),
        };
        Ok(Ticket::bypass(era, StateMode::of(state, Mode::Shadow)))
    }

    /// Counts a call that is turned away. What is refused is not counted by itself: readiness may only ask, a
    /// driver waits, and shadow lets pass.
    #[inline]
    pub(crate) fn count_rejection(&self, refusal: Refusal) {
        self.total(|totals| totals.rejected(refusal));
    }

    /// One attempt, from one word.
    pub(super) fn try_admit(&self, word: Word, now: u64) -> Attempt<Admission> {
        match word.state_mode() {
            StateMode::Disabled => {
                let ticket = Ticket::bypass(word.era(), StateMode::Disabled);
                Done(WithTransition::none(Ok(ticket)))
            }
            StateMode::Closed | StateMode::ClosedShadow => {
                self.admit_closed(word, now).map(WithTransition::none)
            }
            StateMode::ForcedOpen => self.admit_forced(word, now),
            StateMode::Open | StateMode::OpenShadow => self.admit_open(word, now),
            StateMode::HalfOpen | StateMode::HalfOpenShadow => self.admit_probe(word, now),
        }
    }

    /// D6: the admitted share of a ramp grows with the time since closing. B9: what the window says is shed.
    fn admit_closed(&self, word: Word, now: u64) -> Attempt<Result<Ticket, Refusal>> {
        let ticket = Ticket::new(word);
        if word.is_ramping() && self.ramp_share(word, now) >= WHOLE {
            // The ramp is over: once somebody has said so, nobody looks at the clock for it again.
            let ramped_up = word.ramped_up();
            let ended = self.swap(word, ramped_up);
            return match ramped_up.holds_back() {
                true => Lost,
                false => ended.map(|()| Ok(ticket)),
            };
        }
        let refusal = self
            .held_back(word, now)
            .filter(|held| !self.passes(*held, now));
        Done(refusal.map_or(Ok(ticket), |held| Err(held.by)))
    }

    /// What a closed circuit holds back, by the one of ramp and shedding that admits less; `None` if it admits all. For
    /// a call that comes: B9, there is no calm while calls are refused.
    #[inline]
    pub(super) fn held_back(&self, word: Word, now: u64) -> Option<HeldBack> {
        if !word.holds_back() {
            return None;
        }
        let ramp = self.ramp_share(word, now);
        let unshed = WHOLE - self.shed_share(word, now);
        if unshed < WHOLE {
            self.note_no_calm();
        }
        let (admitted, by) = match ramp <= unshed {
            true => (ramp, Refusal::Ramping),
            false => (unshed, Refusal::Shedding),
        };
        (admitted < WHOLE).then_some(HeldBack { admitted, by })
    }

    /// B9, D6: whether this call is of the share that is admitted.
    pub(super) fn passes(&self, held: HeldBack, now: u64) -> bool {
        // Relaxed: the turns only have to differ.
        let turn = self.ramp_turn.fetch_add(1, Ordering::Relaxed);
        if spread(turn) < held.admitted {
            self.ramp_admitted.fetch_max(now, Ordering::Relaxed);
            return true;
        }
        self.is_trickle(held, now)
    }

    /// D6: whether this call is admitted because the ramp has admitted nobody for a while: one call is no stampede.
    /// Of several that come then, one is.
    ///
    /// Relaxed: an instant of its own, and the swap gives it to one.
    pub(super) fn is_trickle(&self, held: HeldBack, now: u64) -> bool {
        let last = self.ramp_admitted.load(Ordering::Relaxed);
        held.by == Refusal::Ramping
            && now.saturating_sub(last) >= TRICKLE
            && self
                .ramp_admitted
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Whether a rejection is no usual one: those tell the same time, and nobody hears of them.
    #[inline]
    pub(super) fn spreads_or_is_heard(&self) -> bool {
        // Relaxed: a number of its own.
        self.spread_retry_after.load(Ordering::Relaxed) & !LIMITED != 0
    }

    /// C3: the time that a rejection tells: longer by up to the share that the circuit spreads it by.
    pub(crate) fn spread_out(&self, remaining: Nanos) -> Nanos {
        // Relaxed: a number of its own.
        let share = self.spread_retry_after.load(Ordering::Relaxed) & !(HEARD | LIMITED);
        if share == 0 {
            return remaining;
        }
        // Relaxed: the turns only have to differ.
        let turn = self.retry_turn.fetch_add(1, Ordering::Relaxed);
        let remaining = remaining.get();
        let more = u128::from(remaining) * u128::from(share * spread(turn));
        let more = more / u128::from(WHOLE * WHOLE);
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        Nanos::new(remaining.saturating_add(more))
    }

    /// The share of calls that a ramp admits, in millionths.
    pub(super) fn ramp_share(&self, word: Word, now: u64) -> u64 {
        if !word.is_ramping() {
            return WHOLE;
        }
        let numbers = self.tunable.read();
        let elapsed = now.saturating_sub(self.facts.since(word));
        if elapsed >= numbers.ramp {
            return WHOLE;
        }
        let grown = u128::from(WHOLE - numbers.ramp_from) * u128::from(elapsed);
        let grown = grown / u128::from(numbers.ramp);
        numbers.ramp_from + u64::try_from(grown).unwrap_or(WHOLE)
    }

    /// C1: at exactly the end of the break, the call becomes the first probe, in the swap that ends
    /// it; unless the fleet holds it.
    fn admit_open(&self, word: Word, now: u64) -> Attempt<Admission> {
        let Done(remaining) = self.break_remaining(word, now) else {
            return Lost;
        };
        if !remaining.is_zero() {
            return Done(WithTransition::none(Err(Refusal::Open(remaining))));
        }
        match self.held(word, now) {
            Done(None) => {}
            Done(Some(left)) => return Done(WithTransition::none(Err(Refusal::Held(left)))),
            Lost => return Lost,
        }
        let numbers = self.tunable.read();
        let probes = Probes::new(numbers.permits, numbers.successes, numbers.of);
        // Never `None`: there is at least one permit and one probe.
        let probes = probes.admit().unwrap_or(probes);
        let next = word.half_open_next(word.mode(), probes);
        let open_for = self.facts.whole_break(word);
        let half_open_timeout = numbers.half_open_timeout_after(open_for);
        self.facts
            .freeze_half_open_timeout(next, half_open_timeout.max(self.facts.learnt_timeout()));
        self.facts.begin_half_open(next, open_for);
        self.facts.stamp_probe(now);
        let transition = self.transition(word, next, Cause::WaitOver, now);
        transition.map(|transition| WithTransition {
            answer: Ok(Ticket::new(next)),
            transition: Some(transition),
        })
    }

    /// D1, D4, N5.
    fn admit_probe(&self, word: Word, now: u64) -> Attempt<Admission> {
        let room = word.probes().admit().filter(|_| self.is_leased(word, now));
        if let Some(probes) = room {
            self.facts.stamp_probe(now);
            let admitted = self.swap(word, word.with_probes(probes));
            return admitted.map(|()| WithTransition::none(Ok(Ticket::new(word))));
        }
        self.time_out(word, now).map(|timed_out| WithTransition {
            answer: match timed_out.refusal() {
                Some(refusal) => Err(refusal),
                // G7: it was vetoed and has closed, and this is the first call of that era.
                None => Ok(Ticket::new(word.closed_next(word.mode(), false))),
            },
            transition: timed_out.transition(),
        })
    }

    /// D4: for a circuit that is half-open and full, or led. If the probes have timed out, or have no lease while
    /// nobody else has the say, it opens again; or closes, if that is vetoed (G7).
    ///
    /// The word counts probes and cannot tell one from another. Between the look at the deadline and the swap, one
    /// probe may give its permit back and another may take it. Then the new one is timed out, too: a break too many,
    /// as after any lost probe, and never one too few.
    pub(super) fn time_out(&self, word: Word, now: u64) -> Attempt<TimeOut> {
        match self.half_open_refusal(word, || now) {
            Done(Some(Refusal::HalfOpenFull(Nanos::ZERO))) => {}
            Done(Some(refusal)) => return Done(TimeOut::NotYet(refusal)),
            // There is room by now.
            Done(None) | Lost => return Lost,
        }
        let (cause, length) = (Cause::ProbesTimedOut, self.led_floor(word));
        let ended = self.reopen(word, cause, length, &self.tunable.read(), now);
        ended.map(TimeOut::Ended)
    }

    /// E2: at exactly the end of forced open, the call is the first of the era after it.
    fn admit_forced(&self, word: Word, now: u64) -> Attempt<Admission> {
        let closed = word.released_next();
        self.expire_forced(word, now).map(|expired| match expired {
            Err(remaining) => WithTransition::none(Err(Refusal::ForcedOpen(remaining))),
            Ok(transition) => WithTransition {
                answer: Ok(match closed.state_mode() {
                    StateMode::Disabled => Ticket::bypass(closed.era(), StateMode::Disabled),
                    _ => Ticket::new(closed),
                }),
                transition: Some(transition),
            },
        })
    }

    /// E2: for a circuit that is forced open. Once its time is over, it closes, cleared, in the mode before. If not,
    /// says how much remains.
    pub(super) fn expire_forced(&self, word: Word, now: u64) -> Attempt<Result<Transition, Nanos>> {
        let Done(remaining) = self.forced_remaining(word, now) else {
            return Lost;
        };
        if !remaining.is_zero() {
            return Done(Err(remaining));
        }
        let expired = self.transition(word, word.released_next(), Cause::ForceExpired, now);
        expired.map(Ok)
    }

    /// Until the break of `word` is over.
    #[inline]
    pub(super) fn break_remaining(&self, word: Word, now: u64) -> Attempt<Nanos> {
        self.length_remaining(word, word.open_for(), now)
    }

    /// Until `word` is forced open no more; [`Nanos::FOREVER`] if a person has to end it.
    pub(super) fn forced_remaining(&self, word: Word, now: u64) -> Attempt<Nanos> {
        match word.forced_for() {
            Some(at_most) => self.length_remaining(word, at_most, now),
            None => Done(Nanos::FOREVER),
        }
    }

    /// What remains of the era of `word`, if it has this length.
    #[inline]
    fn length_remaining(&self, word: Word, length: BreakLength, now: u64) -> Attempt<Nanos> {
        let since = self.facts.since(word);
        let deadline = since.saturating_add(length.nanos());
        self.read_in_era(word, Nanos::between(now, deadline))
    }

    /// Until the probes of `word` time out.
    pub(super) fn probes_remaining(&self, word: Word, now: u64) -> Attempt<Nanos> {
        let deadline = self.facts.probes_deadline();
        self.read_in_era(word, Nanos::between(now, deadline))
    }
}

/// What comes of a look at the time limit of probes (D4).
#[derive(Clone, Copy)]
pub(super) enum TimeOut {
    /// They have not: why a call is rejected.
    NotYet(Refusal),
    /// They have timed out: open again, or closed, if that was vetoed (G7).
    Ended(Transition),
}

impl TimeOut {
    /// Why a call is rejected after it; `None` if the circuit has closed.
    pub(super) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::NotYet(refusal) => Some(refusal),
            Self::Ended(transition) => {
                let open_for = transition.open_for.map(Nanos::of);
                open_for.map(Refusal::Open)
            }
        }
    }

    pub(super) fn transition(self) -> Option<Transition> {
        match self {
            Self::NotYet(_) => None,
            Self::Ended(transition) => Some(transition),
        }
    }
}

/// A share of the calls that a closed circuit admits, in millionths, and why the others are turned away.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldBack {
    pub(super) admitted: u64,
    pub(super) by: Refusal,
}

/// Calls that come no closer than this, in nanoseconds, are no stampede: a tenth of a second.
const TRICKLE: u64 = 100_000_000;

/// The `turn`-th of a sequence that fills 0..1,000,000 evenly: multiples of the golden ratio.
fn spread(turn: u64) -> u64 {
    let fraction = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u64::try_from((u128::from(fraction) * u128::from(WHOLE)) >> 64).unwrap_or(0)
}
