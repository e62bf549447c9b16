//! Totals: what has become of all calls since the circuit was built (rule F4).

use super::{Refusal, stripes::Stripes};
use crate::machine::sync::{AtomicU64, Ordering};

/// What became of all calls since the circuit was built. Totals never go back.
///
/// Each admitted call ends once: as successful, failed, ignored or abandoned. Slow and stale are marks beside that. The
/// numbers are exact when no call is in flight. They wrap after 2^64 calls, which nobody will see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Admitted calls that succeeded.
    pub successful: u64,
    /// Admitted calls that failed, and failures of the inner service to become ready (rule A6).
    pub failed: u64,
    /// Admitted calls whose outcome was neutral.
    pub ignored: u64,
    /// Admitted calls that were dropped before their outcome was known, and did not count as failures.
    pub abandoned: u64,
    /// Of the successful and failed calls, those that were slow.
    pub slow: u64,
    /// Of the admitted calls, those whose era (elsewhere: generation) was over when they ended (rule C4).
    ///
    /// A call that decides nothing anyway is never stale: the circuit is disabled, or shadow mode let the call pass. If
    /// the trip of a call was left to another call, under an [`EjectionCap`](crate::EjectionCap), it is stale.
    pub stale: u64,
    /// Calls that were rejected: the sum of [`rejected_by`](Self::rejected_by).
    pub rejected: u64,
    /// Calls that were rejected, by reason.
    pub rejected_by: RejectedTotals,
    /// Of the admitted calls, those that would have been rejected if the circuit were not in shadow mode (rule E1).
    pub shadowed: u64,
    /// How often the circuit has opened: tripped, opened again by its probes, or opened by hand. In shadow mode: how
    /// often it would have.
    pub trips: u64,
    /// Trips that were vetoed, told or not, because too many circuits of the set were open (rule G7). A call makes at
    /// most one.
    pub vetoed: u64,
}

impl Totals {
    /// With so many rejections by a full bulkhead, which is none of the machine's.
    pub(crate) fn with_bulkhead_full(mut self, rejected: u64) -> Self {
        self.rejected_by.bulkhead_full = rejected;
        self.rejected = self.rejected_by.sum();
        self
    }

    /// All admitted calls that have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.successful + self.failed + self.ignored + self.abandoned
    }
}

/// How many calls were rejected, for each [`Reason`](crate::Reason) that a [`Rejected`](crate::Rejected) tells.
///
/// A rejected call counts once, when a call makes its `Rejected`. Readiness that was asked and not used does not count.
/// Nor does a call that only waits, or a driver. What shadow mode lets pass is in [`Totals::shadowed`].
///
/// ```
/// # use std::time::Duration;
/// # use tower_breaker::Circuit;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let circuit = Circuit::builder("payments").build()?;
/// circuit.trip(Duration::from_secs(5))?;
/// circuit.try_acquire().unwrap_err();
///
/// circuit.force_open();
/// circuit.try_acquire().unwrap_err();
///
/// let totals = circuit.snapshot().totals.expect("on by default");
/// assert_eq!(totals.rejected, 2);
/// assert_eq!((totals.rejected_by.open, totals.rejected_by.forced_open), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedTotals {
    /// The circuit was open: [`Reason::Open`](crate::Reason::Open).
    pub open: u64,
    /// Half-open had as many probes in flight as it admits:
    /// [`Reason::HalfOpenFull`](crate::Reason::HalfOpenFull).
    pub half_open_full: u64,
    /// The circuit was forced open: [`Reason::ForcedOpen`](crate::Reason::ForcedOpen).
    pub forced_open: u64,
    /// The ramp (slow start) did not take the call: [`Reason::Ramping`](crate::Reason::Ramping).
    pub ramping: u64,
    /// The call was not of the share that shedding lets through: [`Reason::Shedding`](crate::Reason::Shedding).
    pub shedding: u64,
    /// All places of the bulkhead were taken: [`Reason::BulkheadFull`](crate::Reason::BulkheadFull).
    pub bulkhead_full: u64,
}

impl RejectedTotals {
    fn sum(&self) -> u64 {
        // Wrapping, like each of them.
        [
            self.half_open_full,
            self.forced_open,
            self.ramping,
            self.shedding,
            self.bulkhead_full,
        ]
        .into_iter()
        .fold(self.open, u64::wrapping_add)
    }
}

/// How an admitted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Successful,
    Failed,
    Ignored,
    Abandoned,
}

impl End {
    /// Whether such a call is counted as slow, if it was.
    pub(super) fn can_be_slow(self) -> bool {
        matches!(self, Self::Successful | Self::Failed)
    }
}

/// The totals of one circuit, on stripes.
#[derive(Debug)]
pub(crate) struct TotalCounters {
    stripes: Stripes<Stripe>,
}

#[derive(Debug, Default)]
struct Stripe {
    successful: AtomicU64,
    failed: AtomicU64,
    ignored: AtomicU64,
    abandoned: AtomicU64,
    slow: AtomicU64,
    stale: AtomicU64,
    shadowed: AtomicU64,
    trips: AtomicU64,
    vetoed: AtomicU64,
    rejected: RejectedStripe,
}

#[derive(Debug, Default)]
struct RejectedStripe {
    open: AtomicU64,
    half_open_full: AtomicU64,
    forced_open: AtomicU64,
    ramping: AtomicU64,
    shedding: AtomicU64,
}

impl RejectedStripe {
    #[inline]
    fn of(&self, refusal: Refusal) -> &AtomicU64 {
        match refusal {
            Refusal::Open(_) | Refusal::Held(_) => &self.open,
            Refusal::HalfOpenFull(_) => &self.half_open_full,
            Refusal::ForcedOpen(_) => &self.forced_open,
            Refusal::Ramping => &self.ramping,
            Refusal::Shedding => &self.shedding,
        }
    }
}

fn add(counter: &AtomicU64) {
    // Relaxed: a total says nothing about other memory, and reading it at rest needs whatever
    // brought the threads to rest.
    counter.fetch_add(1, Ordering::Relaxed);
}

impl TotalCounters {
    pub(crate) fn new() -> Self {
        Self {
            stripes: Stripes::new(Stripe::default),
        }
    }

    #[inline]
    pub(crate) fn end(&self, end: End) {
        let stripe = self.stripes.mine();
        add(match end {
            End::Successful => &stripe.successful,
            End::Failed => &stripe.failed,
            End::Ignored => &stripe.ignored,
            End::Abandoned => &stripe.abandoned,
        });
    }

    pub(crate) fn slow(&self) {
        add(&self.stripes.mine().slow);
    }

    pub(crate) fn stale(&self) {
        add(&self.stripes.mine().stale);
    }

    #[inline]
    pub(crate) fn rejected(&self, refusal: Refusal) {
        add(self.stripes.mine().rejected.of(refusal));
    }

    pub(crate) fn shadowed(&self) {
        add(&self.stripes.mine().shadowed);
    }

    pub(crate) fn trip(&self) {
        add(&self.stripes.mine().trips);
    }

    pub(crate) fn vetoed(&self) {
        add(&self.stripes.mine().vetoed);
    }

    pub(crate) fn read(&self) -> Totals {
        let sum = |which: fn(&Stripe) -> &AtomicU64| {
            let load = |stripe| which(stripe).load(Ordering::Relaxed);
            self.stripes.iter().map(load).fold(0, u64::wrapping_add)
        };
        let rejected_by = RejectedTotals {
            open: sum(|stripe| &stripe.rejected.open),
            half_open_full: sum(|stripe| &stripe.rejected.half_open_full),
            forced_open: sum(|stripe| &stripe.rejected.forced_open),
            ramping: sum(|stripe| &stripe.rejected.ramping),
            shedding: sum(|stripe| &stripe.rejected.shedding),
            // Counted outside: see `Totals::with_bulkhead_full`.
            bulkhead_full: 0,
        };
        Totals {
            successful: sum(|stripe| &stripe.successful),
            failed: sum(|stripe| &stripe.failed),
            ignored: sum(|stripe| &stripe.ignored),
            abandoned: sum(|stripe| &stripe.abandoned),
            slow: sum(|stripe| &stripe.slow),
            stale: sum(|stripe| &stripe.stale),
            rejected: rejected_by.sum(),
            rejected_by,
            shadowed: sum(|stripe| &stripe.shadowed),
            trips: sum(|stripe| &stripe.trips),
            vetoed: sum(|stripe| &stripe.vetoed),
        }
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::*;
    use crate::machine::stripes::Padded;

    // F4: one more counter would double what a circuit keeps for each thread.
    #[test]
    fn the_totals_of_a_thread_fill_one_pair_of_cache_lines() {
        assert_eq!(size_of::<Padded<Stripe>>(), 128);
    }
}
