//! What there is around a circuit besides its breaker, and what came of it (rule M9). How many calls hold a place;
//! which were cut off, answered in another way, repeated, or kept for later.
//!
//! The counters are beside the circuit, and there only once a part has joined it: a circuit that is just a breaker pays
//! a pointer. They are relaxed, because each says nothing of other memory.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::Duration;

#[cfg(any(test, feature = "degrade"))]
use super::call_event::FellBack;
#[cfg(feature = "retries")]
use super::retry_budget::RetryBudget;
use super::{
    bulkhead::Places,
    call_event::CallEvent,
    error::{LimitOf, Reason, Rejected, SECOND, TimedOut},
    event::PartNews,
    handle::Circuit,
};
#[cfg(feature = "registry")]
use super::{settings::Settings, snapshot::Snapshot};
use crate::machine::PackedCause;

/// What there is around a circuit besides its breaker, and what came of it so far. Shown by [`Snapshot::parts`].
///
/// Counters never go back. They are exact when no call is in flight. They count also if
/// [`totals`](crate::CircuitBuilder::totals) are off.
///
/// [`Snapshot::parts`]: crate::Snapshot::parts
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Parts {
    /// The bulkhead, if a layer or a caller has used one.
    pub bulkhead: Option<BulkheadNow>,
    /// Calls that have reached a limit.
    pub timed_out: TimedOutTotals,
    /// Answers that came from elsewhere, by kind and cause. Only pairs that there have been.
    pub fallbacks: Vec<FallbackTotal>,
    /// How many of these came from a fallback *inside* the breaker. The circuit took each for the dependency's own
    /// answer, so failures were hidden from it. If this is not zero, the layers are in the wrong order.
    pub hidden_failures: u64,
    /// How many calls went through a queue's layer ([`Defer`](FallbackKind::Defer) or [`Outbox`](FallbackKind::Outbox))
    /// *inside* the breaker. There it sees no rejection of this circuit, and keeps no call for it. If this is not zero,
    /// the layers are in the wrong order.
    pub misplaced_calls: u64,
    /// What became of failed calls that might have been repeated. `None` if there has been no policy for that.
    pub retries: Option<RetryTotals>,
    /// Calls that are kept for later. `None` if there is no queue.
    pub queue: Option<QueueNow>,
}

/// The places of a bulkhead (rule M2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadNow {
    /// How many calls may be in flight at once. `None` while the bulkhead is turned off.
    pub places: Option<u64>,
    /// How many calls hold a place. While the bulkhead has just become smaller, that may be more than there are places.
    pub taken: u64,
    /// How many calls wait for a place.
    pub waiting: u64,
    /// How many calls were rejected so far because it was full.
    pub rejected: u64,
}

/// Calls that have reached a limit, by [whose](LimitOf) it was. They were cut off, unless nobody could be told so. If
/// one call has several limits, the first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedOutTotals {
    /// Calls that reached the limit of every call (rule M5). They have failed.
    pub call: u64,
    /// Calls that reached the limit of probes (rule D9). They have failed.
    pub probe: u64,
    /// Calls that reached their caller's own limit (rule M5). They were abandoned.
    pub caller: u64,
}

/// What answered in place of the dependency (rule M1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackKind {
    /// A fixed value or response.
    Value,
    /// The last good answer.
    Cached,
    /// An explicit failure of the user's own.
    Fail,
    /// The dependency itself, after the call was held back.
    Hold,
    /// Nobody yet: the call is kept in memory, for later.
    Defer,
    /// Nobody yet: the call is kept durably, for later.
    Outbox,
    /// A service or a function of the user's own.
    Own,
}

/// Why another answer was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackCause {
    /// The call was rejected, for this reason.
    Rejected(Reason),
    /// The call took longer than it may.
    TimedOut,
    /// The call failed.
    Failed,
}

/// How many answers came from one kind of fallback, for one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FallbackTotal {
    /// What answered.
    pub kind: FallbackKind,
    /// Why it had to.
    pub cause: FallbackCause,
    /// How often it answered.
    pub answered: u64,
    /// How often it failed as well. Then both causes are told.
    pub failed: u64,
}

/// What a policy for retries decided of a call that could have been repeated (rule M8). A request that may not be made
/// twice is not among them: `tower::retry` asks no policy about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryDecision {
    /// The call is repeated.
    Retried,
    /// Too many calls are repeated already.
    NoBudget,
    /// The circuit rejected the call: nobody was asked, and there is nothing to repeat.
    Rejected,
    /// The circuit is not closed any more.
    NotClosed,
    /// The call would have to wait for too long.
    TooLong,
    /// The call was repeated as often as it may be.
    Exhausted,
    /// The circuit's setting [`retries`](crate::CircuitBuilder::retries) is off, so no call is repeated.
    Off,
}

/// How often a policy for retries made each [decision](RetryDecision).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryTotals {
    /// [`RetryDecision::Retried`].
    pub retried: u64,
    /// [`RetryDecision::NoBudget`].
    pub no_budget: u64,
    /// [`RetryDecision::Rejected`].
    pub rejected: u64,
    /// [`RetryDecision::NotClosed`].
    pub not_closed: u64,
    /// [`RetryDecision::TooLong`].
    pub too_long: u64,
    /// [`RetryDecision::Exhausted`].
    pub exhausted: u64,
    /// [`RetryDecision::Off`]. If retries are not off on purpose, they were forgotten in the circuit's settings.
    pub off: u64,
}

/// Calls that are kept for later (rule M6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueNow {
    /// How many there are, including those that are just being sent.
    pub entries: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// How long the oldest has been there.
    pub oldest: Option<Duration>,
    /// How many have been kept so far.
    pub kept: u64,
    /// How many could not be kept: the queue was full, the body was too long or of unknown length, or the store failed.
    pub refused: u64,
    /// How many have been delivered.
    pub delivered: u64,
    /// How many were given up.
    pub dead: u64,
}

impl FallbackKind {
    const ALL: [Self; 7] = [
        Self::Value,
        Self::Cached,
        Self::Fail,
        Self::Hold,
        Self::Defer,
        Self::Outbox,
        Self::Own,
    ];

    /// One word for machines, such as the label of a metric. It stays the same in every later release.
    /// [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Cached => "cached",
            Self::Fail => "fail",
            Self::Hold => "hold",
            Self::Defer => "defer",
            Self::Outbox => "outbox",
            Self::Own => "own",
        }
    }
}

impl FallbackCause {
    const ALL: [Self; 8] = [
        Self::Rejected(Reason::Open),
        Self::Rejected(Reason::HalfOpenFull),
        Self::Rejected(Reason::ForcedOpen),
        Self::Rejected(Reason::Ramping),
        Self::Rejected(Reason::Shedding),
        Self::Rejected(Reason::BulkheadFull),
        Self::TimedOut,
        Self::Failed,
    ];

    /// One word for machines, such as the label of a metric: for a rejection the label of its [`Reason`]. It stays the
    /// same in every later release. [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Rejected(reason) => reason.label(),
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
        }
    }
}

impl RetryDecision {
    /// One word for machines, such as the label of a metric. It stays the same in every later release.
    /// [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Retried => "retried",
            Self::NoBudget => "no_budget",
            Self::Rejected => "rejected",
            Self::NotClosed => "not_closed",
            Self::TooLong => "too_long",
            Self::Exhausted => "exhausted",
            Self::Off => "off",
        }
    }
}

/// The settings that nothing keeps to, although there are calls: a bulkhead whose layer is not around the breaker,
/// retries without a policy, and a shared circuit that is of no fleet. Of a circuit without totals, nothing is known.
#[cfg(feature = "registry")]
pub(crate) fn unused(
    settings: &Settings,
    snapshot: &Snapshot,
) -> impl Iterator<Item = &'static str> + use<> {
    let is_called = snapshot.totals.is_some_and(|totals| totals.ended() > 0);
    let has = |part: fn(&Parts) -> bool| snapshot.parts.as_ref().is_some_and(part);
    let bulkhead = settings.bulkhead().is_some() && !has(|parts| parts.bulkhead.is_some());
    let retries = settings.retries().is_some() && !has(|parts| parts.retries.is_some());
    let shared = settings.shared().is_some() && snapshot.fleet.is_none();
    let unused = [
        ("bulkhead", bulkhead),
        ("retries", retries),
        ("shared", shared),
    ];
    let unused = unused.into_iter().filter(move |(_, it)| *it && is_called);
    unused.map(|(setting, _)| setting)
}

/// What came of a part is counted, and told to those who hear of calls.
impl Circuit {
    /// Rejects a call for which there is no place. It is counted and told as any rejection is (F4, L2).
    #[cold]
    pub(crate) fn reject_as_full(&self) -> Rejected {
        self.parts().bulkhead_full();
        let (reason, remaining) = (Reason::BulkheadFull, self.core().spread_out(SECOND));
        let rejected = Rejected::new(self.shared_name(), reason, remaining, PackedCause::UNKNOWN);
        if self.are_calls_heard() {
            self.tell_rejected(&rejected);
        }
        self.tell_news(PartNews::BulkheadFull);
        rejected
    }

    /// A call was not kept for later. Whoever kept it has counted that.
    #[cfg(feature = "degrade")]
    #[cold]
    pub(crate) fn note_refused_by_queue(&self) {
        self.tell_news(PartNews::QueueRefused);
    }

    /// Unless it was told in the last minute.
    fn tell_news(&self, news: PartNews) {
        if self.parts().told[news as usize].is_due(|| self.now()) {
            self.observers().tell_part(self, news);
        }
    }

    /// A call has reached a limit. Told before its end is.
    #[cold]
    pub(crate) fn note_timed_out(&self, timed_out: &TimedOut) {
        self.parts().timed_out(timed_out.whose());
        if self.are_calls_heard() {
            self.tell_call(CallEvent::TimedOut(timed_out));
        }
    }

    /// Another answer was needed, and was there or failed as well.
    #[cfg(feature = "degrade")]
    #[cold]
    pub(crate) fn note_fallback(&self, fell_back: FellBack) {
        self.parts().fell_back(fell_back);
        if self.are_calls_heard() {
            self.tell_call(CallEvent::FellBack(fell_back));
        }
    }

    /// There was another answer in the course of a call of this circuit, which sees that in place of a failure.
    #[cfg(feature = "degrade")]
    #[cold]
    pub(crate) fn note_hidden(&self) {
        let is_first = self.parts().hidden();
        if cfg!(debug_assertions) && is_first {
            eprintln!(
                "tower-breaker: a fallback is inside the breaker of circuit `{}`, which does not see failures \
                 therefore: put the fallback's layer around the breaker's",
                self.name()
            );
        }
    }

    /// A call of this circuit has come to a queue that was to keep it if it was rejected.
    #[cfg(feature = "degrade")]
    #[cold]
    pub(crate) fn note_misplaced(&self) {
        let is_first = self.parts().misplaced();
        if cfg!(debug_assertions) && is_first {
            eprintln!(
                "tower-breaker: a queue's layer is inside the breaker of circuit `{}`, where it sees no rejection: \
                 put it around the breaker's",
                self.name()
            );
        }
    }

    /// A policy keeps to what is set of retries, also where it has nothing to decide.
    #[cfg(feature = "retries")]
    pub(crate) fn join_retries(&self) {
        self.parts().join_retries();
    }

    /// A policy has decided whether a call is repeated.
    #[cfg(feature = "retries")]
    #[cold]
    pub(crate) fn note_retry(&self, decision: RetryDecision) {
        self.parts().decided(decision);
        if self.are_calls_heard() {
            self.tell_call(CallEvent::Retried(decision));
        }
    }
}

/// A queue that is looked at, without waiting for it.
pub(crate) trait ShownQueue: Send + Sync {
    /// All there is to see. That may run the code of somebody's own store.
    fn look(&self) -> QueueNow;

    /// The same without the oldest, and without anybody else's code: for whoever holds a lock.
    fn counted(&self) -> QueueNow;
}

/// The counters of all parts of one circuit.
#[derive(Default)]
pub(crate) struct PartCounters {
    timed_out: [AtomicU64; LimitOf::ALL.len()],
    bulkhead_full: AtomicU64,
    /// Answered, and failed as well.
    fallbacks: [[[AtomicU64; 2]; FallbackCause::ALL.len()]; FallbackKind::ALL.len()],
    hidden_failures: AtomicU64,
    misplaced_calls: AtomicU64,
    retries: RetryCounters,
    /// When each of the [news](PartNews) was told last.
    told: [OnceAMinute; 2],
    #[cfg(feature = "retries")]
    pub(crate) retry_budget: RetryBudget,
    bulkhead: OnceLock<Box<Places>>,
    queue: OnceLock<Box<dyn ShownQueue>>,
}

#[derive(Default)]
struct RetryCounters {
    has_policy: AtomicBool,
    decided: [AtomicU64; 7],
}

/// Something that is done at most once a minute, by whoever comes first.
///
/// Relaxed: it is about nothing but itself.
#[derive(Default)]
struct OnceAMinute {
    /// When it was done last, in nanoseconds since before the clock began; 0 is never.
    last: AtomicU64,
}

impl OnceAMinute {
    const MINUTE: u64 = 60_000_000_000;

    fn is_due(&self, now: impl FnOnce() -> u64) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        let now = now().saturating_add(1);
        let is_due = last == 0 || now.saturating_sub(last) >= Self::MINUTE;
        let (order, now) = (Ordering::Relaxed, now.max(last));
        is_due && self.last.compare_exchange(last, now, order, order).is_ok()
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl PartCounters {
    fn timed_out(&self, whose: LimitOf) {
        add(&self.timed_out[whose as usize]);
    }

    fn bulkhead_full(&self) {
        add(&self.bulkhead_full);
    }

    /// How many calls were rejected because the bulkhead was full.
    pub(crate) fn rejected_as_full(&self) -> u64 {
        read(&self.bulkhead_full)
    }

    #[cfg(any(test, feature = "degrade"))]
    fn fell_back(&self, fell_back: FellBack) {
        let FellBack {
            kind,
            cause,
            answered,
        } = fell_back;
        let of_kind = &self.fallbacks[kind as usize];
        let at = FallbackCause::ALL.iter().position(|known| *known == cause);
        add(&of_kind[at.expect("all are listed")][usize::from(!answered)]);
    }

    /// Whether it was the first.
    #[cfg(feature = "degrade")]
    fn misplaced(&self) -> bool {
        self.misplaced_calls.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Whether it was the first.
    #[cfg(feature = "degrade")]
    fn hidden(&self) -> bool {
        self.hidden_failures.fetch_add(1, Ordering::Relaxed) == 0
    }

    #[cfg(any(test, feature = "retries"))]
    fn join_retries(&self) {
        self.retries.has_policy.store(true, Ordering::Relaxed);
    }

    #[cfg(any(test, feature = "retries"))]
    fn decided(&self, decision: RetryDecision) {
        add(&self.retries.decided[decision as usize]);
    }

    /// The places of the bulkhead, once somebody has asked for one.
    #[inline]
    pub(super) fn places(&self) -> Option<&Places> {
        self.bulkhead.get().map(|places| &**places)
    }

    pub(super) fn places_or_new(&self, new: impl FnOnce() -> Places) -> &Places {
        self.bulkhead.get_or_init(|| Box::new(new()))
    }

    /// From now on the circuit shows this queue. One whose queue is shown already shows that: false.
    #[cfg(feature = "degrade")]
    pub(crate) fn show_queue(&self, queue: Box<dyn ShownQueue>) -> bool {
        self.queue.set(queue).is_ok()
    }

    pub(crate) fn read(&self) -> Parts {
        Parts {
            queue: self.queue.get().map(|queue| queue.look()),
            ..self.counted()
        }
    }

    /// The same without the age of what is in the queue, and without anybody else's code: for whoever holds a lock.
    pub(crate) fn counted(&self) -> Parts {
        let [call, probe, caller] = LimitOf::ALL.map(|whose| read(&self.timed_out[whose as usize]));
        Parts {
            bulkhead: self.places().map(|places| BulkheadNow {
                rejected: self.rejected_as_full(),
                ..places.look()
            }),
            timed_out: TimedOutTotals {
                call,
                probe,
                caller,
            },
            fallbacks: self.read_fallbacks(),
            hidden_failures: read(&self.hidden_failures),
            misplaced_calls: read(&self.misplaced_calls),
            retries: self.retries.read(),
            queue: self.queue.get().map(|queue| queue.counted()),
        }
    }

    fn read_fallbacks(&self) -> Vec<FallbackTotal> {
        let totals = FallbackKind::ALL.into_iter().flat_map(|kind| {
            let of_kind = &self.fallbacks[kind as usize];
            FallbackCause::ALL
                .into_iter()
                .zip(of_kind)
                .map(move |(cause, [answered, failed])| FallbackTotal {
                    kind,
                    cause,
                    answered: read(answered),
                    failed: read(failed),
                })
        });
        totals
            .filter(|total| total.answered + total.failed > 0)
            .collect()
    }
}

impl RetryCounters {
    fn read(&self) -> Option<RetryTotals> {
        let [
            retried,
            no_budget,
            rejected,
            not_closed,
            too_long,
            exhausted,
            off,
        ] = self.decided.each_ref().map(read);
        self.has_policy
            .load(Ordering::Relaxed)
            .then_some(RetryTotals {
                retried,
                no_budget,
                rejected,
                not_closed,
                too_long,
                exhausted,
                off,
            })
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::*;

    // M9
    #[test]
    fn each_kind_and_cause_has_a_counter_of_its_own() {
        let counters = PartCounters::default();
        for (more, kind) in FallbackKind::ALL.into_iter().enumerate() {
            for cause in FallbackCause::ALL {
                let told = |answered| FellBack {
                    kind,
                    cause,
                    answered,
                };
                for _ in 0..=more {
                    counters.fell_back(told(true));
                }
                counters.fell_back(told(false));
            }
        }
        let totals = counters.read().fallbacks;
        let causes = FallbackCause::ALL.len();
        assert_eq!(totals.len(), FallbackKind::ALL.len() * causes);
        for (at, total) in totals.iter().enumerate() {
            assert_eq!(total.kind, FallbackKind::ALL[at / causes]);
            assert_eq!(total.cause, FallbackCause::ALL[at % causes]);
            assert_eq!(
                (total.answered, total.failed),
                ((at / causes + 1) as u64, 1)
            );
        }
    }

    // M9
    #[test]
    fn nothing_is_shown_of_parts_that_are_not_there() {
        assert_eq!(PartCounters::default().read(), Parts::default());
        let counters = PartCounters::default();
        counters.join_retries();
        counters.decided(RetryDecision::TooLong);
        let retries = counters.read().retries.expect("there is a policy");
        assert_eq!((retries.too_long, retries.retried), (1, 0));
    }
}
