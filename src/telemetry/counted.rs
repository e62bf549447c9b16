//! [`Counted`]: what circuits count, and sums of it (rule L4).

use crate::{
    circuit::{
        followed::DetachedTotals,
        handle::Circuit,
        parts::{
            BulkheadNow, FallbackTotal, PartCounters, Parts, QueueNow, RetryTotals, TimedOutTotals,
        },
    },
    machine::{BucketTotals, Durations, RejectedTotals, Totals},
};

/// What one circuit has counted, or several together.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// `None` if none of them counts.
    pub(super) totals: Option<Totals>,
    /// `None` if none of them counts those.
    pub(super) durations: Option<Durations>,
    /// `None` if none of them has anything around it.
    pub(super) parts: Option<Parts>,
    /// `None` if none of them is of a fleet.
    pub(super) detached: Option<DetachedTotals>,
}

impl Counted {
    pub(super) fn of(circuit: &Circuit) -> Self {
        Self {
            totals: circuit.totals(),
            durations: circuit.core().durations(),
            // Under a lock, so not what is somebody else's to say.
            parts: circuit.parts_if_any().map(PartCounters::counted),
            detached: circuit.detached_totals(),
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        let totals = [self.totals, more.totals];
        self.totals = totals.into_iter().flatten().reduce(plus);
        let durations = [self.durations, more.durations];
        self.durations = durations.into_iter().flatten().reduce(longer);
        let parts = [self.parts.take(), more.parts.clone()];
        self.parts = parts.into_iter().flatten().reduce(plus_parts);
        self.detached = either(self.detached, more.detached, plus_detached);
    }
}

/// Named one by one, so that none that is new is forgotten.
fn plus_parts(one: Parts, other: Parts) -> Parts {
    let Parts {
        bulkhead,
        timed_out:
            TimedOutTotals {
                call,
                probe,
                caller,
            },
        fallbacks,
        hidden_failures,
        misplaced_calls,
        retries,
        queue,
    } = other;
    Parts {
        bulkhead: either(one.bulkhead, bulkhead, plus_bulkhead),
        timed_out: TimedOutTotals {
            call: one.timed_out.call.wrapping_add(call),
            probe: one.timed_out.probe.wrapping_add(probe),
            caller: one.timed_out.caller.wrapping_add(caller),
        },
        fallbacks: plus_fallbacks(one.fallbacks, fallbacks),
        hidden_failures: one.hidden_failures.wrapping_add(hidden_failures),
        misplaced_calls: one.misplaced_calls.wrapping_add(misplaced_calls),
        retries: either(one.retries, retries, plus_retries),
        queue: either(one.queue, queue, plus_queue),
    }
}

fn either<T>(one: Option<T>, other: Option<T>, plus: fn(T, T) -> T) -> Option<T> {
    [one, other].into_iter().flatten().reduce(plus)
}

fn plus_bulkhead(one: BulkheadNow, other: BulkheadNow) -> BulkheadNow {
    let BulkheadNow {
        places,
        taken,
        waiting,
        rejected,
    } = other;
    BulkheadNow {
        places: either(one.places, places, u64::saturating_add),
        taken: one.taken.wrapping_add(taken),
        waiting: one.waiting.wrapping_add(waiting),
        rejected: one.rejected.wrapping_add(rejected),
    }
}

fn plus_fallbacks(mut one: Vec<FallbackTotal>, other: Vec<FallbackTotal>) -> Vec<FallbackTotal> {
    for more in other {
        let is_same = |it: &&mut FallbackTotal| (it.kind, it.cause) == (more.kind, more.cause);
        match one.iter_mut().find(is_same) {
            Some(same) => {
                same.answered = same.answered.wrapping_add(more.answered);
                same.failed = same.failed.wrapping_add(more.failed);
            }
            None => one.push(more),
        }
    }
    one
}

fn plus_retries(one: RetryTotals, other: RetryTotals) -> RetryTotals {
    let RetryTotals {
        retried,
        no_budget,
        rejected,
        not_closed,
        too_long,
        exhausted,
        off,
    } = other;
    RetryTotals {
        retried: one.retried.wrapping_add(retried),
        no_budget: one.no_budget.wrapping_add(no_budget),
        rejected: one.rejected.wrapping_add(rejected),
        not_closed: one.not_closed.wrapping_add(not_closed),
        too_long: one.too_long.wrapping_add(too_long),
        exhausted: one.exhausted.wrapping_add(exhausted),
        off: one.off.wrapping_add(off),
    }
}

fn plus_queue(one: QueueNow, other: QueueNow) -> QueueNow {
    let QueueNow {
        entries,
        bytes,
        oldest,
        kept,
        refused,
        delivered,
        dead,
    } = other;
    QueueNow {
        entries: one.entries.wrapping_add(entries),
        bytes: one.bytes.wrapping_add(bytes),
        oldest: one.oldest.max(oldest),
        kept: one.kept.wrapping_add(kept),
        refused: one.refused.wrapping_add(refused),
        delivered: one.delivered.wrapping_add(delivered),
        dead: one.dead.wrapping_add(dead),
    }
}

fn plus_detached(mut one: DetachedTotals, other: DetachedTotals) -> DetachedTotals {
    for (one, more) in one.iter_mut().zip(other) {
        *one = one.wrapping_add(more);
    }
    one
}

fn longer(mut one: Durations, other: Durations) -> Durations {
    for (one, BucketTotals { calls, nanos }) in one.buckets.iter_mut().zip(other.buckets) {
        one.calls = one.calls.wrapping_add(calls);
        one.nanos = one.nanos.wrapping_add(nanos);
    }
    one
}

/// Named one by one, so that none that is new is forgotten.
fn plus(one: Totals, other: Totals) -> Totals {
    let Totals {
        successful,
        failed,
        ignored,
        abandoned,
        slow,
        stale,
        rejected,
        rejected_by,
        shadowed,
        trips,
        vetoed,
    } = other;
    let RejectedTotals {
        open,
        half_open_full,
        forced_open,
        ramping,
        shedding,
        bulkhead_full,
    } = rejected_by;
    Totals {
        successful: one.successful.wrapping_add(successful),
        failed: one.failed.wrapping_add(failed),
        ignored: one.ignored.wrapping_add(ignored),
        abandoned: one.abandoned.wrapping_add(abandoned),
        slow: one.slow.wrapping_add(slow),
        stale: one.stale.wrapping_add(stale),
        rejected: one.rejected.wrapping_add(rejected),
        rejected_by: RejectedTotals {
            open: one.rejected_by.open.wrapping_add(open),
            half_open_full: one.rejected_by.half_open_full.wrapping_add(half_open_full),
            forced_open: one.rejected_by.forced_open.wrapping_add(forced_open),
            ramping: one.rejected_by.ramping.wrapping_add(ramping),
            shedding: one.rejected_by.shedding.wrapping_add(shedding),
            bulkhead_full: one.rejected_by.bulkhead_full.wrapping_add(bulkhead_full),
        },
        shadowed: one.shadowed.wrapping_add(shadowed),
        trips: one.trips.wrapping_add(trips),
        vetoed: one.vetoed.wrapping_add(vetoed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::circuit::parts::{FallbackCause, FallbackKind};

    const fn fallback(kind: FallbackKind, answered: u64, failed: u64) -> FallbackTotal {
        FallbackTotal {
            kind,
            cause: FallbackCause::Failed,
            answered,
            failed,
        }
    }

    /// Each number is another one, so that none is taken for another.
    fn parts(from: u64) -> Parts {
        Parts {
            bulkhead: Some(BulkheadNow {
                places: Some(from),
                taken: from + 1,
                waiting: from + 2,
                rejected: from + 3,
            }),
            timed_out: TimedOutTotals {
                call: from + 4,
                probe: from + 5,
                caller: from + 6,
            },
            fallbacks: vec![fallback(FallbackKind::Value, from + 7, from + 8)],
            hidden_failures: from + 9,
            misplaced_calls: from + 23,
            retries: Some(RetryTotals {
                retried: from + 10,
                no_budget: from + 11,
                rejected: from + 12,
                not_closed: from + 13,
                too_long: from + 14,
                exhausted: from + 15,
                off: from + 22,
            }),
            queue: Some(QueueNow {
                entries: from + 16,
                bytes: from + 17,
                oldest: Some(Duration::from_secs(from)),
                kept: from + 18,
                refused: from + 19,
                delivered: from + 20,
                dead: from + 21,
            }),
        }
    }

    // M9, L4
    #[test]
    fn parts_are_added_number_by_number() {
        let twice = |text: String| {
            let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit());
            let numbers = text.split([' ', ',', '(', ')', '{', '}']);
            let numbers = numbers.filter(|part| !part.is_empty() && is_number(part));
            numbers
                .map(|it| it.parse::<u64>().expect("a number"))
                .collect::<Vec<_>>()
        };
        let sum = plus_parts(parts(100), parts(1_000));
        let numbers = twice(format!("{sum:?}"));
        let expected: Vec<_> = twice(format!("{:?}", parts(100)));
        // The oldest is the older of both: it is printed as `1000s`, and is no number here.
        assert_eq!(numbers.len(), 24);
        for (sum, one) in numbers.into_iter().zip(expected) {
            assert_eq!(sum, one + one + 900);
        }
        assert_eq!(
            sum.queue.expect("some").oldest,
            Some(Duration::from_secs(1_000))
        );
    }

    // M9, L4
    #[test]
    fn what_only_one_has_is_kept() {
        let none = Parts::default();
        assert_eq!(plus_parts(parts(7), none.clone()), parts(7));
        assert_eq!(plus_parts(none, parts(7)), parts(7));
        let cached = Parts {
            fallbacks: vec![fallback(FallbackKind::Cached, 1, 2)],
            ..Parts::default()
        };
        let both = plus_parts(parts(1), cached);
        assert_eq!(both.fallbacks.len(), 2);
        assert_eq!(both.fallbacks[1], fallback(FallbackKind::Cached, 1, 2));
    }
}
