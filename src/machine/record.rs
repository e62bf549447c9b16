//! What the end of a call does (rules A1 to A5, A7, C4).

use std::{cell::Cell, time::Duration};

use super::{
    AbandonedPolicy, Answer, Cause, Core, Nanos, Outcome, Ticket, Transition,
    numbers::Numbers,
    totals::{End, TotalCounters},
    transition::Length,
    window::Mark,
};
use crate::machine::sync::Ordering;

impl Core {
    /// Records what an admitted call came to.
    #[cfg(test)]
    pub(crate) fn record(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        now: impl Fn() -> u64,
    ) -> Option<Transition> {
        if self.record_fast(ticket, outcome, &now) {
            return None;
        }
        self.record_any(ticket, outcome, now)
    }

    /// Records a success of a closed circuit that has nothing to forget and times no calls. Returns whether
    /// it was that. If not, nothing was recorded, and [`Core::record_any`] records it.
    #[inline(always)]
    pub(crate) fn record_fast(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        now: impl FnOnce() -> u64,
    ) -> bool {
        let success = matches!(outcome, Outcome::Success);
        success && ticket.is_untimed() && self.record_success(ticket, now)
    }

    /// Records any outcome of any call.
    #[inline]
    pub(crate) fn record_any(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        now: impl Fn() -> u64,
    ) -> Option<Transition> {
        self.record_at(ticket, outcome, Self::now_for(ticket, now), None)
    }

    /// Records a call that `took` so long, whatever the time between its admission and `now` (A3).
    pub(crate) fn record_that_took(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        took: Nanos,
        now: u64,
    ) -> Option<Transition> {
        self.record_at(ticket, outcome, now, Some(took))
    }

    /// The time of the end; 0 where nobody needs it.
    fn now_for(ticket: Ticket, now: impl Fn() -> u64) -> u64 {
        if ticket.is_bypass() && ticket.is_untimed() {
            return 0;
        }
        now()
    }

    /// The usual case: a fast success of a closed circuit with nothing to forget. Returns whether it
    /// was that.
    #[inline(always)]
    fn record_success(&self, ticket: Ticket, now: impl FnOnce() -> u64) -> bool {
        // Equal: the same era, closed, no failures in a row, no ramp. A half-open word never equals a ticket:
        // it always needs another success. Tickets that bypass the circuit have an identity that no word ever has.
        if self.load().bits() != ticket.identity {
            return false;
        }
        let era = ticket.era().number();
        self.window.record_not_failed(era, now);
        if self.counts_every_success {
            self.count_success(era);
        }
        true
    }

    /// Counts a success where every one of them is counted.
    #[inline]
    fn count_success(&self, era: u64) {
        self.window.record_not_slow(era);
        if let Some(totals) = &self.totals {
            totals.end(End::Successful);
        }
    }

    #[inline(always)]
    fn record_at(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        now: u64,
        took: Option<Nanos>,
    ) -> Option<Transition> {
        // Zero of a call that was not timed, which is judged by all of the numbers, too.
        let took_so_long = took.map_or(now.saturating_sub(ticket.started), Nanos::get);
        // Relaxed: a hint of the numbers, which spares most calls the reading of all of them.
        let fast = took_so_long < self.judged_from.load(Ordering::Relaxed);
        if outcome == Outcome::Success && fast && self.record_success(ticket, || now) {
            return None;
        }
        let call = self.ended_call(ticket, now, took);
        let verdict = call.verdict(outcome);
        self.count_end(verdict.end(), call.is_slow());
        self.apply(&call, verdict)
    }

    /// The numbers are read once, so that one version judges the whole call (E5).
    pub(super) fn ended_call(&self, ticket: Ticket, now: u64, took: Option<Nanos>) -> EndedCall {
        EndedCall {
            ticket,
            now,
            took,
            numbers: self.tunable.read_deciding(),
            vetoed: Cell::new(false),
            stale: Cell::new(false),
        }
    }

    /// The call was dropped before its outcome was known (A4). One that has had an answer is not slow, whatever else
    /// it is.
    pub(crate) fn abandon(
        &self,
        ticket: Ticket,
        answer: Answer,
        now: impl Fn() -> u64,
    ) -> Option<Transition> {
        let call = self.ended_call(ticket, Self::now_for(ticket, now), None);
        self.apply_abandoned(&call, answer)
    }

    /// The same, of a call whose dependency `took` only so long of the time that it has run (A3).
    pub(crate) fn abandon_that_took(
        &self,
        ticket: Ticket,
        answer: Answer,
        took: Nanos,
        now: u64,
    ) -> Option<Transition> {
        let call = self.ended_call(ticket, now, Some(took));
        self.apply_abandoned(&call, answer)
    }

    fn apply_abandoned(&self, call: &EndedCall, answer: Answer) -> Option<Transition> {
        let (verdict, end, slow) = self.judge_abandoned(call, answer);
        self.count_end(end, slow);
        self.apply(call, verdict)
    }

    /// A4: with whether it is slow.
    pub(super) fn judge_abandoned(&self, call: &EndedCall, answer: Answer) -> (Verdict, End, bool) {
        let answered = answer == Answer::Response;
        let failed = match call.numbers.abandoned {
            AbandonedPolicy::Ignore => false,
            AbandonedPolicy::Failure => true,
            AbandonedPolicy::FailureIfSlow => !answered && self.is_overdue(call),
            AbandonedPolicy::FailureAfter(limit) => !answered && call.has_taken(Nanos::of(limit)),
        };
        let slow = failed && !answered && call.is_slow();
        let verdict = match failed {
            true => Verdict::Failure {
                slow,
                floor: Duration::ZERO,
            },
            false if answered => Verdict::Ignored,
            false => Verdict::Abandoned,
        };
        let end = if failed { End::Failed } else { End::Abandoned };
        (verdict, end, slow)
    }

    /// Whether a call without an answer has run for so long that it counts as a slow failure.
    fn is_overdue(&self, call: &EndedCall) -> bool {
        if call.numbers.slow_call_duration != 0 {
            return call.is_slow();
        }
        // The half-open timeout is that of the newest half-open era. A probe of an older one is stale, and
        // whether it was late is nobody's business any more.
        let half_open_timeout = self.facts.half_open_timeout().nanos();
        call.ticket.is_probe()
            && call.is_slower_than(half_open_timeout)
            && self.load().era() == call.ticket.era()
    }

    pub(super) fn count_end(&self, end: End, slow: bool) {
        let Some(totals) = &self.totals else {
            return;
        };
        totals.end(end);
        if slow && end.can_be_slow() {
            totals.slow();
        }
    }

    pub(super) fn total(&self, count: impl FnOnce(&TotalCounters)) {
        if let Some(totals) = &self.totals {
            count(totals);
        }
    }

    /// What a verdict does to the era that admitted the call; to any other, nothing (C4).
    pub(super) fn apply(&self, call: &EndedCall, verdict: Verdict) -> Option<Transition> {
        if call.ticket.is_bypass() {
            return None;
        }
        let word = self.load();
        if word.era() != call.ticket.era() {
            self.note_stale(call, verdict);
            return None;
        }
        if call.ticket.is_probe() {
            return self.apply_probe(call, verdict);
        }
        let turned = match verdict {
            Verdict::Ignored | Verdict::InnerRejection | Verdict::Abandoned => None,
            Verdict::Trip { open_for } => {
                self.trip_or_be_stale(call, Cause::TripNow, Length::of_trip(open_for))
            }
            Verdict::Success { slow } => {
                self.clear_consecutive_failures(call.ticket);
                let mark = Mark {
                    failed: false,
                    slow,
                };
                self.apply_to_window(call, mark, Duration::ZERO)
            }
            Verdict::Failure { slow, floor } => {
                let mark = Mark { failed: true, slow };
                self.apply_to_window(call, mark, floor)
                    .or_else(|| self.count_consecutive_failure(call, floor))
            }
        };
        let may_begin = call.numbers.sheds() && verdict.is_marked();
        match may_begin || word.may_be_shedding() {
            true => turned.or_else(|| self.look_at_shed(call, verdict, may_begin)),
            false => turned,
        }
        .map(|turned| turned.held_against(&call.numbers))
    }

    /// C4: nothing comes of it.
    pub(super) fn mark_stale(&self, call: &EndedCall) {
        call.stale.set(true);
        self.total(TotalCounters::stale);
    }

    /// The era that admitted the call is over (C4). A probe of it can still show how long an answer takes (D4).
    pub(super) fn note_stale(&self, call: &EndedCall, verdict: Verdict) {
        self.mark_stale(call);
        if call.ticket.is_probe() && call.proves_recovery(verdict) {
            self.facts
                .learn_from_late_probe(call.ticket.era(), call.ran());
        }
    }
}

/// A call that has ended, and the numbers it is judged by.
pub(super) struct EndedCall {
    pub(super) ticket: Ticket,
    pub(super) now: u64,
    /// How long it took as far as slowness goes, where that is less than it has run (A3).
    took: Option<Nanos>,
    pub(super) numbers: Numbers,
    /// Its trip was vetoed, and the veto begins no era (G7).
    pub(super) vetoed: Cell<bool>,
    /// Its era was over (C4).
    pub(super) stale: Cell<bool>,
}

impl EndedCall {
    pub(super) fn verdict(&self, outcome: Outcome) -> Verdict {
        let outcome = match outcome {
            // A2: proof of life.
            Outcome::Answered if self.ticket.is_probe() => Outcome::Success,
            outcome => outcome,
        };
        Verdict::of(outcome, self.is_slow())
    }

    /// How long it took as far as slowness goes (A3), if it was timed.
    pub(super) fn timed(&self) -> Option<Nanos> {
        self.took.or(self.ticket.ran(self.now))
    }

    pub(super) fn is_slow(&self) -> bool {
        self.is_slower_than(self.numbers.slow_call_duration)
    }

    /// Zero is no limit.
    fn is_slower_than(&self, limit: u64) -> bool {
        match self.took {
            None => self.ticket.is_slow(limit, self.now),
            Some(took) => limit != 0 && took.get() > limit,
        }
    }

    /// Whether it took at least `time`.
    fn has_taken(&self, time: Nanos) -> bool {
        match self.took {
            None => self.ticket.has_run(time, self.now),
            Some(took) => took >= time,
        }
    }

    /// How much of the time that it has run was its dependency's (A3), in nanoseconds.
    pub(super) fn dependency_time(&self) -> u64 {
        self.took
            .map_or(self.ran(), |took| took.get().min(self.ran()))
    }

    /// How long the call has run, in nanoseconds, if it was timed.
    pub(super) fn ran(&self) -> u64 {
        self.ticket.ran(self.now).map_or(0, Nanos::get)
    }
}

/// An outcome, with its speed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Success {
        slow: bool,
    },
    Failure {
        slow: bool,
        /// How long a break is at least that comes of it (A7).
        floor: Duration,
    },
    Ignored,
    /// Ignored, and no answer: a circuit further in has rejected the call.
    InnerRejection,
    /// Dropped before anything came, and not a failure for that.
    Abandoned,
    Trip {
        open_for: Option<Duration>,
    },
}

impl Verdict {
    /// Whether it is a failure, or slow.
    fn is_marked(self) -> bool {
        matches!(self, Self::Failure { .. } | Self::Success { slow: true })
    }

    /// Whether its call enters the window (A2).
    pub(super) fn is_recorded(self) -> bool {
        matches!(self, Self::Failure { .. } | Self::Success { .. })
    }

    pub(super) fn of(outcome: Outcome, slow: bool) -> Self {
        match outcome {
            // The second is settled before it comes here, see `Answer::settle`.
            Outcome::Success | Outcome::RequiresEos => Self::Success { slow },
            Outcome::Failure => Self::Failure {
                slow,
                floor: Duration::ZERO,
            },
            Outcome::FailureRetryAfter(floor) => Self::Failure { slow, floor },
            Outcome::Answered | Outcome::Ignored => Self::Ignored,
            Outcome::InnerRejection => Self::InnerRejection,
            Outcome::TripNow => Self::Trip { open_for: None },
            Outcome::TripFor(time) => Self::Trip {
                open_for: Some(time),
            },
        }
    }

    /// Whether something came back, whatever it says.
    pub(super) fn is_answer(self) -> bool {
        !matches!(self, Self::Abandoned | Self::InnerRejection)
    }

    pub(super) fn end(self) -> End {
        match self {
            Self::Success { .. } => End::Successful,
            Self::Failure { .. } | Self::Trip { .. } => End::Failed,
            Self::Ignored | Self::InnerRejection => End::Ignored,
            Self::Abandoned => End::Abandoned,
        }
    }
}
