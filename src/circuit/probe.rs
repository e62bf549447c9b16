//! What the result of a probe does (rules D2 to D5).

use super::{
    Cause, Core, Transition,
    ending::{Ended, Verdict},
    totals::TotalCounters,
    transition::Length,
    word::{Decision, Word},
};

impl Core {
    /// The deciding result and the transition it causes are one swap.
    pub(super) fn apply_probe(&self, call: &Ended, verdict: Verdict) -> Option<Transition> {
        loop {
            let word = self.load();
            if word.era() != call.permit.era() {
                self.total(TotalCounters::stale);
                return None;
            }
            match decide(word, verdict, call.numbers.slow_rate > 0) {
                Decision::Undecided(probes) => {
                    if self.swap(word, word.with_probes(probes)) {
                        return None;
                    }
                }
                Decision::Close => {
                    let ramping = call.numbers.ramp > 0;
                    let next = word.closed_next(word.mode(), ramping);
                    let closed = self.turn(word, next, Cause::Recovered, call.now);
                    if closed.is_some() {
                        return closed;
                    }
                }
                Decision::Reopen => {
                    let (cause, length) = reopening(verdict);
                    let opened = self.open(word, cause, length, &call.numbers, call.now);
                    if opened.is_some() {
                        return opened;
                    }
                }
            }
        }
    }
}

/// D3: where slow calls are watched by a rate, a slow probe is a failed probe.
fn decide(word: Word, verdict: Verdict, slow_is_watched: bool) -> Decision {
    let probes = word.probes();
    match verdict {
        Verdict::Success { slow: true } if slow_is_watched => probes.fail(),
        Verdict::Success { .. } => probes.succeed(),
        Verdict::Failure { .. } => probes.fail(),
        Verdict::Ignored => Decision::Undecided(probes.give_back()),
        Verdict::Trip { .. } => Decision::Reopen,
    }
}

fn reopening(verdict: Verdict) -> (Cause, Length) {
    match verdict {
        Verdict::Trip { open_for } => (Cause::TripNow, Length::of_trip(open_for)),
        Verdict::Failure { floor, .. } => (Cause::ProbeFailed, Length::Policy(floor)),
        Verdict::Success { .. } | Verdict::Ignored => (Cause::ProbeFailed, Length::Policy(0)),
    }
}
