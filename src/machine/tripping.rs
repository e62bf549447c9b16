//! When a closed circuit trips (rules B1, B4 to B7).

use std::time::Duration;

use super::{
    Cause, Core, Threshold, Ticket, Transition, WindowCounts,
    numbers::{Numbers, reaches},
    record::EndedCall,
    retry::Attempt::Done,
    transition::Length,
    types::of_millionths,
    window::Mark,
    word::MAX_CONSECUTIVE_FAILURES,
};
use crate::util::panic::catch_panic;

impl Core {
    /// B4, B7.
    pub(super) fn apply_to_window(
        &self,
        call: &EndedCall,
        mark: Mark,
        floor: Duration,
    ) -> Option<Transition> {
        let era = call.ticket.era().number();
        if mark.is_none() {
            self.window.record_unmarked(era, || call.now);
            return None;
        }
        if self.window.is_none() {
            return None;
        }
        let counts = self.window.record_marked(era, call.now, mark);
        let cause = self.evaluate(&call.numbers, &counts)?;
        let turned = self.trip_from(call, cause, Length::AtLeast(floor))?;
        Some(Transition {
            counts: Some(counts),
            ..turned
        })
    }

    #[inline(always)]
    pub(super) fn evaluate(&self, numbers: &Numbers, counts: &WindowCounts) -> Option<Cause> {
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
        if numbers.slow_call_rate > 0 && reaches(slow, calls, numbers.slow_call_rate) {
            return Some(Cause::SlowCallRate { slow, calls });
        }
        let policy = self.policy.as_ref()?;
        // B7: a panicking policy does not trip and harms nobody.
        let trips = catch_panic(|| policy(counts)).unwrap_or(false);
        trips.then_some(Cause::CustomPolicy(*counts))
    }

    /// B1: a success.
    pub(super) fn clear_consecutive_failures(&self, ticket: Ticket) {
        self.retry(|word| {
            if word.era() != ticket.era() || word.consecutive_failures() == 0 {
                return Done(());
            }
            self.swap(word, word.with_consecutive_failures(0))
        });
    }

    /// B1: whether the failures in a row span as much time as they have to, with this one.
    fn spans(&self, call: &EndedCall) -> bool {
        let span = call.numbers.consecutive_failures_span;
        span == 0 || call.now.saturating_sub(self.facts.first_failure_at()) >= span
    }

    /// B1: a failure. The n-th in a row is never written down; it is the trip.
    pub(super) fn count_consecutive_failure(
        &self,
        call: &EndedCall,
        floor: Duration,
    ) -> Option<Transition> {
        let threshold = call.numbers.consecutive_failures;
        if threshold == 0 {
            return None;
        }
        self.retry(|word| {
            if word.era() != call.ticket.era() {
                self.mark_stale(call);
                return Done(None);
            }
            let failures = word.consecutive_failures() + 1;
            if failures == 1 {
                self.facts.stamp_first_failure(call.now);
            }
            if failures < threshold || !self.spans(call) {
                let counted = failures.min(MAX_CONSECUTIVE_FAILURES);
                let counted = self.swap(word, word.with_consecutive_failures(counted));
                return counted.map(|()| None);
            }
            let cause = Cause::ConsecutiveFailures(failures);
            let length = Length::AtLeast(floor);
            if self.is_member() {
                // Even if a success comes meanwhile: another failure may have seen the trip claimed, and returned.
                return Done(self.trip_or_be_stale(call, cause, length));
            }
            let opened = self.open_freely(word, (cause, length), &call.numbers, call.now);
            opened.map(Some)
        })
    }
}

impl Transition {
    /// B6: with the setting that its cause, or what was vetoed, was held against. B9: or with the share that is shed.
    pub(super) fn held_against(self, numbers: &Numbers) -> Self {
        let threshold = match self.vetoed.unwrap_or(self.cause) {
            Cause::ConsecutiveFailures(_) => {
                Some(Threshold::Failures(numbers.consecutive_failures))
            }
            Cause::FailureRate { .. } => Some(Threshold::rate(numbers.failure_rate)),
            Cause::SlowCallRate { .. } => Some(Threshold::rate(numbers.slow_call_rate)),
            _ => None,
        };
        let shed_share = match self.cause {
            Cause::ShedBegan(counts) => of_millionths(numbers.shed_share(&counts, true)),
            _ => 0.0,
        };
        Self {
            threshold,
            shed_share,
            ..self
        }
    }
}
