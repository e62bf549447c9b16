//! What the result of a probe does (rules D2 to D5, D9).

use std::time::Duration;

use super::{
    Cause, Core, LIMITED, Transition,
    record::{EndedCall, Verdict},
    retry::Attempt::Done,
    transition::Length,
    word::{Decision, Word},
};
use crate::machine::sync::Ordering;

impl Core {
    /// How long a call may take (M5), and a probe (D9), as far as that is limited.
    pub(crate) fn timeouts(&self) -> (Option<Duration>, Option<Duration>) {
        let numbers = self.tunable.read();
        let limit = |nanos| (nanos > 0).then(|| Duration::from_nanos(nanos));
        (limit(numbers.call_timeout), limit(numbers.probe_timeout))
    }

    /// M5: whether calls that are no probes may be limited.
    #[inline]
    pub(crate) fn limits_calls(&self) -> bool {
        // Relaxed: a number of its own.
        self.spread_retry_after.load(Ordering::Relaxed) & LIMITED != 0
    }

    /// D2: the probes' results decide, or the fleet does.
    pub(super) fn apply_probe(&self, call: &EndedCall, verdict: Verdict) -> Option<Transition> {
        match &self.lead {
            None => self.apply_decision(call, verdict, |word| self.decide(word, verdict, call)),
            Some(lead) => self.apply_led_probe(lead, call, verdict),
        }
    }

    /// The deciding result and the transition it causes are one swap.
    #[inline]
    pub(super) fn apply_decision(
        &self,
        call: &EndedCall,
        verdict: Verdict,
        decide: impl Fn(Word) -> Decision,
    ) -> Option<Transition> {
        if verdict == Verdict::Abandoned {
            self.facts.add_abandoned(call.dependency_time());
        }
        self.retry(|word| {
            if word.era() != call.ticket.era() {
                self.note_stale(call, verdict);
                return Done(None);
            }
            if verdict.is_answer() {
                self.facts.stamp_answer(call.now);
            }
            match decide(word) {
                Decision::Undecided(probes) => {
                    let noted = self.swap(word, word.with_probes(probes));
                    noted.map(|()| None)
                }
                Decision::Close => {
                    let ramping = call.numbers.ramp > 0;
                    let next = word.closed_next(word.mode(), ramping);
                    let closed = self.transition(word, next, Cause::Recovered, call.now);
                    closed.map(Some)
                }
                Decision::Reopen => {
                    let (cause, length) = reopening(verdict);
                    let opened = self.reopen(word, cause, length, &call.numbers, call.now);
                    opened.map(Some)
                }
            }
        })
    }

    pub(super) fn decide(&self, word: Word, verdict: Verdict, call: &EndedCall) -> Decision {
        let probes = word.probes();
        match verdict {
            Verdict::Success { .. } if !call.proves_recovery(verdict) => probes.fail(),
            Verdict::Success { .. } => probes.succeed(),
            Verdict::Failure { .. } => probes.fail(),
            Verdict::Abandoned if self.nobody_answers(word, call) => Decision::Reopen,
            Verdict::Ignored | Verdict::InnerRejection | Verdict::Abandoned => {
                Decision::Undecided(probes.give_back())
            }
            Verdict::Trip { .. } => Decision::Reopen,
        }
    }

    /// D4: whether half-open has had no answer for as long as it waits for its probes, though probes have waited
    /// that long, all together. An hour without calls says nothing.
    fn nobody_answers(&self, word: Word, call: &EndedCall) -> bool {
        let half_open_timeout = self.facts.half_open_timeout().nanos();
        let silence = call.now.saturating_sub(self.facts.last_answer(word));
        silence >= half_open_timeout && self.facts.waited_in_vain() >= half_open_timeout
    }
}

impl EndedCall {
    /// D3: where slow calls are watched by a rate, a slow probe is a failed probe.
    pub(super) fn proves_recovery(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Success { slow } => !slow || self.numbers.slow_call_rate == 0,
            Verdict::Failure { .. }
            | Verdict::Ignored
            | Verdict::InnerRejection
            | Verdict::Abandoned
            | Verdict::Trip { .. } => false,
        }
    }
}

fn reopening(verdict: Verdict) -> (Cause, Length) {
    match verdict {
        Verdict::Trip { open_for } => (Cause::TripNow, Length::of_trip(open_for)),
        Verdict::Failure { floor, .. } => (Cause::ProbeFailed, Length::AtLeast(floor)),
        Verdict::Abandoned => (Cause::ProbesAbandoned, Length::AtLeast(Duration::ZERO)),
        Verdict::Success { .. } | Verdict::Ignored | Verdict::InnerRejection => {
            (Cause::ProbeFailed, Length::AtLeast(Duration::ZERO))
        }
    }
}
