//! When a closed circuit trips (rules B1, B4, B5, B7).

use super::{
    Cause, Core, Permit, Transition, WindowCounts,
    config::{Numbers, reaches},
    ending::Ended,
    totals::TotalCounters,
    transition::Length,
    word::MAX_STREAK,
};
use crate::util::panic::harmless;

impl Core {
    /// B4, B7.
    pub(super) fn apply_to_window(
        &self,
        call: &Ended,
        failed: bool,
        slow: bool,
        floor: u64,
    ) -> Option<Transition> {
        let era = call.permit.era();
        if !failed && !slow {
            self.window.record_plain(era, || call.now);
            return None;
        }
        if self.window.is_none() {
            return None;
        }
        let counts = self.window.record_marked(era, call.now, failed, slow);
        let cause = self.judge(&call.numbers, &counts)?;
        self.trip_from(call, cause, Length::Policy(floor))
    }

    fn judge(&self, numbers: &Numbers, counts: &WindowCounts) -> Option<Cause> {
        let WindowCounts {
            calls,
            failed,
            slow,
        } = *counts;
        if calls < numbers.minimum_calls {
            return None;
        }
        if numbers.failure_rate > 0 && reaches(failed, calls, numbers.failure_rate) {
            return Some(Cause::FailureRate { failed, calls });
        }
        if numbers.slow_rate > 0 && reaches(slow, calls, numbers.slow_rate) {
            return Some(Cause::SlowCallRate { slow, calls });
        }
        let policy = self.policy.as_ref()?;
        // B7: a panicking policy does not trip and harms nobody.
        let trips = harmless(|| policy(counts)).unwrap_or(false);
        trips.then_some(Cause::CustomPolicy(*counts))
    }

    /// B1: a success.
    pub(super) fn end_streak(&self, permit: Permit) {
        let mut word = self.load();
        while word.era() == permit.era() && word.streak() > 0 {
            if self.swap(word, word.with_streak(0)) {
                return;
            }
            word = self.load();
        }
    }

    /// B1: whether the failures in a row span as much time as they have to, with this one.
    fn spans(&self, call: &Ended) -> bool {
        let span = call.numbers.streak_span;
        span == 0 || call.now.saturating_sub(self.facts.streak_began()) >= span
    }

    /// B1: a failure. The n-th in a row is never written down; it is the trip.
    pub(super) fn extend_streak(&self, call: &Ended, floor: u64) -> Option<Transition> {
        let threshold = call.numbers.consecutive;
        if threshold == 0 {
            return None;
        }
        loop {
            let word = self.load();
            if word.era() != call.permit.era() {
                self.total(TotalCounters::stale);
                return None;
            }
            let streak = word.streak() + 1;
            if streak == 1 {
                self.facts.stamp_streak(call.now);
            }
            if streak >= threshold && self.spans(call) {
                let (cause, length) = (Cause::ConsecutiveFailures(streak), Length::Policy(floor));
                if self.is_member() {
                    // Even if a success ends the streak meanwhile: others may have left it to this call.
                    return self.trip_or_be_stale(call, cause, length);
                }
                let opened = self.open(word, cause, length, &call.numbers, call.now);
                if opened.is_some() {
                    return opened;
                }
            } else if self.swap(word, word.with_streak(streak.min(MAX_STREAK))) {
                return None;
            }
        }
    }
}
