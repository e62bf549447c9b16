//! A call through a circuit, for the rest of the crate: how it is admitted, rejected, recorded and abandoned, and who
//! is told of what comes of it. What decides is the [`machine`](crate::machine).

use super::{
    by::By,
    error::{Reason, Rejected},
    handle::Circuit,
    nesting,
};
use crate::machine::{Answer, Look, Nanos, Outcome, RampTurn, Refusal, Seen, Ticket, Transition};

impl Circuit {
    /// Admits a call, or says why not. The ticket of one that is part of another call of this circuit is spent
    /// already (D8).
    #[inline]
    pub(crate) fn admit(&self) -> Result<Ticket, Refusal> {
        match self.admit_fast() {
            Some(ticket) => Ok(ticket),
            None => self.admit_any(),
        }
    }

    /// Like [`admit`](Self::admit), of a call that a ramp or shedding may have said something about.
    #[inline]
    pub(crate) fn admit_in_turn(&self, turn: &mut RampTurn) -> Result<Ticket, Refusal> {
        match self.admit_fast() {
            Some(ticket) => Ok(ticket),
            None => self.admit_any_in_turn(turn),
        }
    }

    /// Admits a call that is under no other, to a closed circuit that holds nothing back.
    #[inline]
    pub(super) fn admit_fast(&self) -> Option<Ticket> {
        if nesting::is_any() {
            return None;
        }
        self.core().admit_fast(|| self.now())
    }

    #[cold]
    pub(super) fn admit_any_in_turn(&self, turn: &mut RampTurn) -> Result<Ticket, Refusal> {
        let turn = std::mem::replace(turn, RampTurn::NOT_YET);
        if nesting::is_any() && nesting::is_called(self.identity()) {
            return Ok(Ticket::default());
        }
        match self.core().admit_in_turn(turn, || self.now()) {
            Some(ticket) => self.admitted(Ok(ticket)),
            None => self.admit_any(),
        }
    }

    #[cold]
    pub(super) fn admit_any(&self) -> Result<Ticket, Refusal> {
        let admission = self.decide();
        self.admitted(admission)
    }

    /// Tells of a call that was admitted, if anybody hears of it.
    #[inline]
    fn admitted<R>(&self, admission: Result<Ticket, R>) -> Result<Ticket, R> {
        if let (Ok(ticket), true) = (&admission, self.are_calls_heard()) {
            self.tell_admitted(*ticket);
        }
        admission
    }

    #[inline]
    fn decide(&self) -> Result<Ticket, Refusal> {
        if nesting::is_any() {
            if nesting::is_called(self.identity()) {
                return Ok(Ticket::default());
            }
            if let Some(ticket) = self.core().admit_fast(|| self.now()) {
                return Ok(ticket);
            }
        }
        // Step by step, because most rejections change nothing: no transition is moved for them.
        if let Some(answer) = self.core().admit_without_clock() {
            return answer;
        }
        let now = self.now_inlined();
        if let Some(refusal) = self.core().refuse_open(now) {
            return Err(refusal);
        }
        let admission = self.core().admit_any(now);
        if let Some(transition) = &admission.transition {
            self.tell(transition);
        } else if admission.answer.is_ok_and(Ticket::is_probe) {
            self.wake_if_rejecting();
        }
        admission.answer
    }

    /// Whether a call to come would be rejected now. A ramp is asked for its `turn`, once. One that is part of
    /// another is not rejected, and the ramp is not asked about it (D8).
    #[inline]
    pub(crate) fn refusal_before_call(&self, seen: Seen, turn: &mut RampTurn) -> Option<Refusal> {
        if seen.admits_fast() || self.is_called_or_asked() {
            return None;
        }
        self.core().refusal_before_call(seen, turn, || self.now())
    }

    /// Whether what is asked now is part of a call of this circuit, or of its readiness (D8).
    #[inline]
    pub(crate) fn is_called_or_asked(&self) -> bool {
        nesting::is_any() && nesting::is_called_or_asked(self.identity())
    }

    /// Whether a call would be rejected now.
    #[inline]
    pub(crate) fn would_refuse(&self) -> bool {
        self.is_rejecting() && !self.is_called_or_asked()
    }

    /// Whether a call that is no part of another would be rejected now.
    #[inline]
    pub(crate) fn is_rejecting(&self) -> bool {
        let core = self.core();
        core.refusal(core.seen(), || self.now()).is_some()
    }

    /// Why a call would be rejected now. Probes that have timed out are found to have.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        if self.is_called_or_asked() {
            return None;
        }
        let tell = |transition| self.tell(&transition);
        self.core().refusal_or_time_out(|| self.now(), tell)
    }

    /// The same, for a call that waits until it is admitted. It looks more than once.
    pub(crate) fn refusal_of_waiting(&self, look: Look) -> Option<Refusal> {
        self.refusal()
            .inspect(|refusal| self.want_if_held(*refusal, look))
    }

    /// Admits a probe for a driver, or says how long to wait; `None` until something changes (D7).
    pub(crate) fn admit_driven(&self) -> Result<Ticket, Option<Nanos>> {
        let admission = self.core().admit_driven(self.now());
        self.tell_if_any(&admission.transition);
        if admission.answer.is_ok() {
            self.wake_if_rejecting();
        }
        self.admitted(admission.answer).map_err(|refusal| {
            let refusal = refusal.inspect(|refusal| self.want_if_held(*refusal, Look::Again));
            refusal.and_then(Refusal::lasts)
        })
    }

    /// For how much longer a driver's probe may run; `None` if its era is over.
    pub(crate) fn driven_remaining(&self, ticket: Ticket) -> Option<Nanos> {
        let remaining = self.core().driven_remaining(ticket, self.now());
        self.tell_if_any(&remaining.transition);
        remaining.answer
    }

    /// Rejects a call that readiness had already found to be refused, by what it `found` there if that still holds.
    #[inline]
    pub(crate) fn reject_after_readiness(&self, found: Refusal, seen: Seen) -> Rejected {
        let refusal = self.core().renew_refusal(found, seen, || self.now());
        if let Some(transition) = &refusal.transition {
            self.tell(transition);
        }
        self.rejected(refusal.answer)
    }

    /// Rejects a call. All rejections come through here, once each, so here they are counted (F4).
    #[inline]
    pub(crate) fn rejected(&self, refusal: Refusal) -> Rejected {
        self.core().count_rejection(refusal);
        match self.core().usual_rejection(refusal) {
            Some((remaining, cause)) => {
                Rejected::new(self.shared_name(), Reason::Open, remaining, cause)
            }
            None => self.rejected_in_full(refusal),
        }
    }

    /// The same, out of the way of a call that is admitted.
    #[inline(never)]
    pub(crate) fn rejected_cold(&self, refusal: Refusal) -> Rejected {
        self.rejected(refusal)
    }

    /// A rejection of any kind, with all that there is to tell.
    #[inline(never)]
    pub(super) fn rejected_in_full(&self, refusal: Refusal) -> Rejected {
        self.want_if_held(refusal, Look::First);
        let (reason, remaining) = Reason::of(refusal);
        let remaining = self.core().spread_out(remaining);
        let cause = self.core().cause_of_rejection(refusal);
        let rejected = Rejected::new(self.shared_name(), reason, remaining, cause);
        if self.are_calls_heard() {
            self.tell_rejected(&rejected);
        }
        rejected
    }

    /// Counts what was seen of the dependency in the course of another circuit's call. A circuit that would reject
    /// does not look.
    #[cfg(feature = "registry")]
    #[cold]
    pub(crate) fn count(&self, outcome: Outcome) {
        // A part of another call of this circuit counts with that one (D8).
        if let Some(ticket) = self.admit().ok().and_then(|mut ticket| ticket.take()) {
            // How long the other call takes is not known here.
            self.record_any(ticket.untimed(), outcome, Answer::Response);
        }
    }

    #[inline(always)]
    pub(crate) fn record(&self, ticket: Ticket, outcome: Outcome, answer: Answer) {
        if !self.core().record_fast(ticket, outcome, || self.now()) {
            self.record_any(ticket, outcome, answer);
        }
    }

    #[inline(never)]
    pub(super) fn record_any(&self, ticket: Ticket, outcome: Outcome, answer: Answer) {
        let outcome = answer.settle(outcome);
        if self.are_calls_heard() {
            return self.record_and_tell(ticket, outcome, None);
        }
        let transition = self.core().record_any(ticket, outcome, || self.now());
        self.tell_end(ticket, &transition);
    }

    /// Records a call that `took` so long, which is less than it has run.
    pub(crate) fn record_that_took(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        answer: Answer,
        took: Nanos,
    ) {
        let outcome = answer.settle(outcome);
        if self.are_calls_heard() {
            return self.record_and_tell(ticket, outcome, Some(took));
        }
        let transition = self
            .core()
            .record_that_took(ticket, outcome, took, self.now());
        self.tell_end(ticket, &transition);
    }

    /// Abandons a call that `took` so long, which is less than it has run.
    pub(crate) fn abandon_that_took(&self, ticket: Ticket, answer: Answer, took: Nanos) {
        if self.are_calls_heard() {
            return self.abandon_and_tell(ticket, answer, Some(took));
        }
        let transition = self
            .core()
            .abandon_that_took(ticket, answer, took, self.now());
        self.tell_end(ticket, &transition);
    }

    pub(crate) fn abandon(&self, ticket: Ticket, answer: Answer) {
        if self.are_calls_heard() {
            return self.abandon_and_tell(ticket, answer, None);
        }
        let transition = self.core().abandon(ticket, answer, || self.now());
        self.tell_end(ticket, &transition);
    }

    /// A call under a guard ends without an outcome (rules A4, A5).
    #[cold]
    pub(crate) fn give_up(&self, ticket: Ticket) {
        if std::thread::panicking() {
            self.record_any(ticket, Outcome::Failure, Answer::None);
        } else {
            self.abandon(ticket, Answer::None);
        }
    }

    /// N5: of a call that is held, or waits to be made, the fleet is told, so that it may ask for a seat.
    fn want_if_held(&self, refusal: Refusal, look: Look) {
        if refusal.is_held() && self.core().want(look) {
            self.stir();
        }
    }

    /// A call has ended. A probe that decides nothing makes room for another.
    pub(super) fn tell_end(&self, ticket: Ticket, transition: &Option<Transition>) {
        if !self.tell_if_any(transition) && ticket.is_probe() {
            self.probe_ended();
        }
    }

    /// Its result may be news for the fleet, too (N5).
    #[cold]
    fn probe_ended(&self) {
        self.observers().wake_ready_waiters();
        self.stir();
    }

    pub(crate) fn fail_ready(&self, seen: Seen) {
        if self.is_called_or_asked() {
            return;
        }
        let tell = |transition| self.tell(&transition);
        if self.core().fail_ready(seen, self.now(), tell) {
            self.probe_ended();
            // It may have been the last that half-open admits (G1).
            self.wake_if_rejecting();
        }
        if self.are_calls_heard() {
            self.tell_not_ready();
        }
    }

    /// A probe was admitted. If it has filled half-open, others are rejected.
    #[cold]
    pub(super) fn wake_if_rejecting(&self) {
        self.observers().wake_if_rejecting(self);
    }

    pub(super) fn tell_if_any(&self, transition: &Option<Transition>) -> bool {
        if let Some(transition) = transition {
            self.tell(transition);
        }
        transition.is_some()
    }

    /// Tells what the circuit has done by itself.
    pub(super) fn tell(&self, transition: &Transition) {
        self.tell_by(transition, None);
    }

    #[cold]
    pub(super) fn tell_by(&self, transition: &Transition, by: Option<&By>) {
        self.observers().tell(self, transition, by);
    }
}
