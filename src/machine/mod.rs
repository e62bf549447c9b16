//! The core: what a circuit decides, in numbers and atomics alone.
//!
//! It knows no clock (time arrives as nanoseconds, from a closure that is called only where the
//! time matters), no requests and no listeners. Every operation returns the [`Transition`] it caused,
//! if any; telling others about it is somebody else's work.
//!
//! Every decision is one compare-and-swap of the [`Word`], made from exactly the word it was
//! computed from. A swap that fails means that another thread got on; `retry` has the one loop around it.
//!
//! Who is in which file; those with *Core* are blocks of [`Core`]'s methods:
//!
//! * A call: `readiness` (*Core*, before it), `admission` (*Core*), `ticket` (which an admitted call holds), `record`
//!   (*Core*, after it), `heard` (*Core*, after it, if somebody hears of it).
//! * What that decides: `tripping` (*Core*, when a closed circuit trips), `probe` (*Core*, half-open), `transition`
//!   (*Core*, how one era ends and the next begins), `shed` (*Core*, a share of the calls), `backoff` (for how long),
//!   `trip_cause` (why, for rejections).
//! * What is known: `word` (state, mode, era and counters in 64 bits), `era` (its number, and what does not fit in
//!   there), `window` (of `count_window` or `time_window`), `totals`, `durations`, and `stripes` for all that is
//!   counted by many threads.
//! * Settings: `numbers` (those that can be changed), `tunable` (how they are).
//! * A fleet: `led` (*Core*, what it has decided), `foreign` (*Core*, what it asks).
//! * Others: `control` (*Core*, a person), `driven` (*Core*, a driver), `view` (*Core*, a reader), `saved` (a later
//!   process), `membership` (*Core*, the other circuits of a set) with `cap` and `slots`.
//! * `types` has the public words; `nanos` lengths of time; `sync` the atomics, of `std` or of loom.

mod admission;
mod backoff;
mod cap;
mod control;
mod count_window;
mod driven;
mod durations;
mod era;
mod foreign;
mod heard;
mod led;
#[cfg(all(test, tower_breaker_loom))]
pub(crate) mod loom_tests;
mod membership;
mod nanos;
mod numbers;
mod probe;
mod readiness;
mod record;
mod retry;
mod saved;
mod shed;
mod slots;
mod stripes;
pub(crate) mod sync;
mod ticket;
mod time_window;
mod totals;
mod transition;
mod trip_cause;
mod tripping;
mod tunable;
mod types;
mod view;
mod window;
mod word;

use std::sync::Arc;

#[cfg(feature = "registry")]
pub(crate) use self::cap::Limit;
pub(crate) use self::led::Look;
#[cfg(feature = "fleet")]
pub(crate) use self::led::{Alone, Led, OpenShared, Tally};
use self::{
    backoff::Backoff, control::hints, durations::DurationCounters, era::EraFacts, led::Lead,
    membership::Membership, retry::Attempt, totals::TotalCounters, trip_cause::TripCause,
    tunable::Tunable, window::Window, word::Word,
};
pub(crate) use self::{
    backoff::{DEFAULT_OPEN_FOR, JitterKind, OfAttempt},
    cap::Cap,
    count_window::MAX_SIZE,
    era::{Era, MAX_ATTEMPT},
    heard::HeardEnd,
    membership::Joining,
    nanos::Nanos,
    numbers::{Numbers, Plan, WindowKind, nanos},
    readiness::{RampTurn, Seen},
    shed::Shed,
    ticket::Ticket,
    time_window::{MAX_BUCKETS, MAX_SPAN, MIN_SPAN},
    totals::End,
    trip_cause::PackedCause,
    types::Answer,
    view::View,
    word::{MAX_CONSECUTIVE_FAILURES, MAX_PROBES, MAX_SHARED_PROBES},
};
pub use self::{
    durations::{BucketTotals, CALL_DURATION_BUCKETS, Durations},
    saved::SavedState,
    totals::{RejectedTotals, Totals},
    types::{
        AbandonedPolicy, Cause, Mode, Outcome, ProbeCounts, State, Threshold, Transition,
        WindowCounts,
    },
};
use crate::machine::sync::{AtomicU64, Once, Ordering};

/// A custom policy (B7).
pub(crate) type Policy = Arc<dyn Fn(&WindowCounts) -> bool + Send + Sync>;

/// The state of one circuit.
pub(crate) struct Core {
    word: AtomicU64,
    /// [`Numbers::judged_from`](numbers::Numbers::judged_from), so that a call learns with one load whether it is
    /// timed, and a success whether it may be slow. [`HEARD_CALLS`], if somebody hears of calls, or their durations are
    /// counted.
    judged_from: AtomicU64,
    /// [`Numbers::spread_retry_after`](numbers::Numbers::spread_retry_after), so that a rejection learns with one load
    /// that there is none; with [`HEARD`], if somebody hears of it. [`LIMITED`], if calls may take so long and no
    /// longer: that is for a call that is pending, and rejections leave it out.
    spread_retry_after: AtomicU64,
    window: Window,
    /// Whether each success is counted: in the totals, or past the log of slow calls.
    counts_every_success: bool,
    totals: Option<TotalCounters>,
    durations: Option<DurationCounters>,
    tunable: Tunable,
    facts: EraFacts,
    trip_cause: TripCause,
    ramp_turn: AtomicU64,
    /// How many rejections have been spread.
    retry_turn: AtomicU64,
    /// When a ramp last admitted a call, in nanoseconds.
    ramp_admitted: AtomicU64,
    /// Since when calls have found nothing to shed, in nanoseconds; [`u64::MAX`] while there is something.
    calm_since: AtomicU64,
    /// How often shedding has begun where nothing was held back: what was said to a call before is of another time.
    shed_times: AtomicU64,
    backoff: Backoff,
    policy: Option<Policy>,
    /// Written once: when the circuit is built, or later.
    membership: Once<Membership>,
    /// What its fleet says of it; only of a circuit that was built to be shared.
    lead: Option<Box<Lead>>,
}

/// Why a call is not admitted (C3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Until the break is over.
    Open(Nanos),
    /// The break is over, but its fleet leads the circuit, and this instance has no seat: until it is on its own again,
    /// unless a seat comes before. A rejection says a second all the same (C1).
    Held(Nanos),
    /// Until the probes time out. A rejection says a second all the same: they may be back at any moment (C3).
    HalfOpenFull(Nanos),
    /// Until forced open is over; [`Nanos::FOREVER`] if a person has to end it.
    ForcedOpen(Nanos),
    Ramping,
    /// B9: it is not of the share that is let through.
    Shedding,
}

impl Refusal {
    /// How long it is worth waiting, at most; `None` until something changes. Of who is held, for a second: it says
    /// anew that there is a call to come (N5).
    pub(crate) fn lasts(self) -> Option<Nanos> {
        match self {
            Self::ForcedOpen(Nanos::FOREVER) | Self::Ramping | Self::Shedding => None,
            Self::Open(left) | Self::HalfOpenFull(left) | Self::ForcedOpen(left) => Some(left),
            Self::Held(left) => Some(left.min(SECOND)),
        }
    }

    pub(crate) fn is_held(self) -> bool {
        matches!(self, Self::Held(_))
    }
}

const SECOND: Nanos = Nanos::new(1_000_000_000);

/// An answer, and the transition that was made on the way to it, for the caller to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WithTransition<T> {
    pub(crate) answer: T,
    pub(crate) transition: Option<Transition>,
}

impl<T> WithTransition<T> {
    #[inline]
    fn none(answer: T) -> Self {
        Self {
            answer,
            transition: None,
        }
    }

    #[inline]
    fn map<U>(self, map: impl FnOnce(T) -> U) -> WithTransition<U> {
        WithTransition {
            answer: map(self.answer),
            transition: self.transition,
        }
    }
}

/// Whether a call is admitted.
pub(crate) type Admission = WithTransition<Result<Ticket, Refusal>>;

/// In place of the time from which a call is judged by all of the numbers: somebody hears of calls, or their durations
/// are counted, and each is judged so that takes any time at all. No number is as small.
const HEARD_CALLS: u64 = 1;

/// Beside a share: somebody hears of rejections.
const HEARD: u64 = 1 << 62;

/// Beside a share: calls are limited (M5). The highest bit, which is shifted out in one step.
const LIMITED: u64 = 1 << 63;

/// All of a share, in millionths.
pub(crate) const WHOLE: u64 = 1_000_000;

impl Core {
    /// A circuit that begins at `now`.
    pub(crate) fn new(plan: Plan, parts: CoreParts, now: u64) -> Self {
        let Plan {
            window,
            numbers,
            open_for,
        } = plan;
        let track_slow = numbers.slow_call_duration > 0;
        let first = Word::restored(&parts.first);
        let (judged_from, spread) = hints(&numbers, false, parts.durations);
        Self {
            word: AtomicU64::new(first.bits()),
            judged_from: AtomicU64::new(judged_from),
            spread_retry_after: AtomicU64::new(spread),
            counts_every_success: parts.totals || track_slow,
            window: Window::new(window, track_slow),
            totals: parts.totals.then(TotalCounters::new),
            durations: parts.durations.then(DurationCounters::new),
            tunable: Tunable::new(numbers),
            facts: EraFacts::new(now, &parts.first),
            trip_cause: TripCause::new(),
            ramp_turn: AtomicU64::new(0),
            retry_turn: AtomicU64::new(0),
            ramp_admitted: AtomicU64::new(0),
            calm_since: AtomicU64::new(u64::MAX),
            shed_times: AtomicU64::new(0),
            backoff: Backoff {
                function: open_for,
                seed: parts.seed,
            },
            policy: parts.policy,
            membership: parts
                .cap
                .map(|cap| Membership::join(cap, first, now))
                .map_or_else(Once::new, Once::from),
            lead: parts.shared.then(|| Box::new(Lead::new(window))),
        }
    }

    /// Acquire: pairs with the release of every swap; whoever sees a word sees all that was
    /// written before it, the facts of its era above all.
    #[inline]
    fn load(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// The one swap. Release publishes the facts of the new era with the word.
    #[inline]
    fn swap(&self, old: Word, new: Word) -> Attempt<()> {
        let (old, new) = (old.bits(), new.bits());
        let swapped = self
            .word
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
        swapped.map_or(Attempt::Lost, |_| Attempt::Done(()))
    }

    pub(crate) fn state(&self) -> State {
        self.load().state()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.load().mode()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(membership) = self.membership.get() {
            membership.leave();
        }
    }
}

/// What a circuit is built from beside its settings.
pub(crate) struct CoreParts {
    /// What it begins as.
    pub(crate) first: SavedState,
    pub(crate) totals: bool,
    pub(crate) durations: bool,
    pub(crate) seed: u64,
    pub(crate) policy: Option<Policy>,
    pub(crate) cap: Option<Joining>,
    /// Whether a fleet may lead it.
    pub(crate) shared: bool,
}

#[cfg(test)]
impl CoreParts {
    /// Of a closed circuit that has none of them. A test says beside it which it needs.
    fn none() -> Self {
        Self {
            first: SavedState::closed(),
            totals: false,
            durations: false,
            seed: 0,
            policy: None,
            cap: None,
            shared: false,
        }
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::time::Duration;

    use super::{count_window::ERA_BITS, *};

    fn core(plan: Plan) -> Core {
        Core::new(plan, CoreParts::none(), 0)
    }

    fn record(core: &Core, outcome: Outcome, now: u64) -> Option<Transition> {
        let ticket = core.admit_any(now).answer.expect("admitted");
        core.record(ticket, outcome, || now)
    }

    // F6: the head of a count window tells eras apart by their last bits.
    #[test]
    fn a_count_window_trips_after_an_outage_of_a_million_eras() {
        let core = core(Plan {
            window: WindowKind::Count(4),
            numbers: Numbers {
                failure_rate: 500_000,
                minimum_calls: 1,
                open_first: 1,
                ..Numbers::default()
            },
            open_for: None,
        });
        let mut now = 0;
        while core.load().era().number() <= 1 << (ERA_BITS - 1) {
            now += 1;
            record(&core, Outcome::Failure, now);
        }
        let closed = record(&core, Outcome::Success, now + 1);
        assert_eq!(closed.map(|closed| closed.to), Some(State::Closed));
        assert!(record(&core, Outcome::Failure, now + 1).is_some());
    }

    // F6: in which era a call last claimed a trip is remembered; eras that end in other ways are not.
    #[test]
    fn a_member_of_a_set_trips_however_many_eras_after_its_last_trip() {
        let numbers = Numbers {
            consecutive_failures: 1,
            ..Numbers::default()
        };
        let parts = CoreParts {
            cap: Some(Joining {
                cap: Arc::new(Cap::new(WHOLE, 0)),
                zero: 1,
            }),
            ..CoreParts::none()
        };
        let core = Core::new(numbers.into(), parts, 0);
        for eras in [1, (1 << 36) - 1, 1 << 36, (1 << 36) + 1, (1 << 37) - 2] {
            assert!(record(&core, Outcome::Failure, 0).is_some());
            core.reset(0);
            let later = core.load().bits().wrapping_add(Era::new(eras).beside(0));
            core.word.store(later, Ordering::Release);
        }
    }

    // F6: each era uses up bucket ids.
    #[test]
    fn a_time_window_trips_after_many_eras() {
        let core = core(Plan {
            window: WindowKind::Time(Duration::from_secs(24 * 60 * 60), 100),
            numbers: Numbers {
                failure_rate: 500_000,
                minimum_calls: 1,
                ..Numbers::default()
            },
            open_for: None,
        });
        // Between half of all ids and all of them, at 101 an era.
        for _ in 0..900_000 {
            core.reset(0);
        }
        assert!(record(&core, Outcome::Failure, 0).is_some());
    }
}
