//! [`Counted`]: what circuits count, and sums of it (rule L4).

use crate::{
    circuit::handle::Circuit,
    machine::{BucketTotals, Durations, RejectedTotals, Totals},
};

/// What one circuit has counted, or several together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// `None` if none of them counts.
    pub(super) totals: Option<Totals>,
    /// `None` if none of them counts those.
    pub(super) durations: Option<Durations>,
}

impl Counted {
    pub(super) fn of(circuit: &Circuit) -> Self {
        Self {
            totals: circuit.totals(),
            durations: circuit.core().durations(),
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        let totals = [self.totals, more.totals];
        self.totals = totals.into_iter().flatten().reduce(plus);
        let durations = [self.durations, more.durations];
        self.durations = durations.into_iter().flatten().reduce(longer);
    }
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
            bulkhead_full: one.rejected_by.bulkhead_full.wrapping_add(bulkhead_full),
        },
        shadowed: one.shadowed.wrapping_add(shadowed),
        trips: one.trips.wrapping_add(trips),
        vetoed: one.vetoed.wrapping_add(vetoed),
    }
}
