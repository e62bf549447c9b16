//! What is known of the calls that circuits see.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{circuit::snapshot::Snapshot, machine::State, machine::Totals, registry::Registry};

/// Of fewer calls, no share of failures is taken: one failure of ten is no 10 %.
const ENOUGH_FOR_A_SHARE: u64 = 100;

/// What is known of the calls of one circuit while all is well. What you leave out is not known, and no lint asks for
/// it.
///
/// ```
/// # use std::time::Duration;
/// # use tower_breaker::config::lint::Calls;
/// let calls = Calls::unknown()
///     .with_per_second(40.0)
///     .with_background_errors(0.05)
///     .with_caller_timeout(Duration::from_secs(2));
/// assert_eq!(calls.background_errors(), Some(0.05));
/// assert_eq!(calls.capacity(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calls {
    per_second: Option<f64>,
    background_errors: Option<f64>,
    caller_timeout: Option<Duration>,
    duration: Option<Duration>,
    capacity: Option<u32>,
}

impl Calls {
    /// Nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Sets how many calls a second succeed or fail, on average. Do not count ignored calls, which are in no window and
    /// no streak. With 0, nothing is reported that depends on it.
    ///
    /// # Panics
    ///
    /// If it is negative, or not finite.
    #[must_use]
    #[track_caller]
    pub fn with_per_second(self, calls: f64) -> Self {
        assert!(
            calls.is_finite() && calls >= 0.0,
            "calls a second must be a number of at least 0, but are {calls}"
        );
        Self {
            per_second: Some(calls),
            ..self
        }
    }

    /// Sets the share of calls that fail although nothing is wrong, in `0..=1`: 0.05 for 5 %.
    ///
    /// # Panics
    ///
    /// If it is not in `0..=1`.
    #[must_use]
    #[track_caller]
    pub fn with_background_errors(self, share: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&share),
            "the share of errors must be in 0..=1, but is {share}"
        );
        Self {
            background_errors: Some(share),
            ..self
        }
    }

    /// Sets how long callers wait before they give a call up. It is the time-out that is further out than the breaker,
    /// and drops its future.
    #[must_use]
    pub fn with_caller_timeout(self, timeout: Duration) -> Self {
        Self {
            caller_timeout: Some(timeout),
            ..self
        }
    }

    /// Sets how long most calls take while all is well, from admission to the head of the response: their median, or
    /// more.
    #[must_use]
    pub fn with_duration(self, duration: Duration) -> Self {
        Self {
            duration: Some(duration),
            ..self
        }
    }

    /// Sets how many calls the caller can have in flight at once, to this dependency and all others. It is the number
    /// of its threads, its connections, or the permits of a bulkhead.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn with_capacity(self, calls: u32) -> Self {
        assert!(calls > 0, "a capacity must be at least 1 call");
        Self {
            capacity: Some(calls),
            ..self
        }
    }

    /// Calls a second, if known.
    #[must_use]
    pub fn per_second(&self) -> Option<f64> {
        self.per_second
    }

    /// The share of calls that fail although nothing is wrong, if known.
    #[must_use]
    pub fn background_errors(&self) -> Option<f64> {
        self.background_errors
    }

    /// After how long callers give up, if known.
    #[must_use]
    pub fn caller_timeout(&self) -> Option<Duration> {
        self.caller_timeout
    }

    /// How long most calls take, if known.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// How many calls the caller can have in flight at once, if known.
    #[must_use]
    pub fn capacity(&self) -> Option<u32> {
        self.capacity
    }

    /// What is known here, and what `other` knows beside it.
    fn or(self, other: Self) -> Self {
        Self {
            per_second: self.per_second.or(other.per_second),
            background_errors: self.background_errors.or(other.background_errors),
            caller_timeout: self.caller_timeout.or(other.caller_timeout),
            duration: self.duration.or(other.duration),
            capacity: self.capacity.or(other.capacity),
        }
    }

    /// What the totals of a circuit say, and those that it had so long before.
    fn recorded(snapshot: &Snapshot, older: Option<&Snapshot>, elapsed: Duration) -> Option<Self> {
        let totals = snapshot.totals?;
        let begun = match older {
            Some(older) => older.totals?,
            None => Totals::default(),
        };
        let successful = totals.successful.checked_sub(begun.successful)?;
        let failed = totals.failed.checked_sub(begun.failed)?;
        // Had it not been open, these would have succeeded or failed.
        let rejected = totals.rejected.checked_sub(begun.rejected)?;
        let seconds = elapsed.as_secs_f64();
        let recorded = successful.saturating_add(failed);
        let all = recorded.saturating_add(rejected);
        let per_second = super::chances::float(all) / seconds;
        let was_quiet = totals.trips == begun.trips && snapshot.state == State::Closed;
        let enough = was_quiet && recorded >= ENOUGH_FOR_A_SHARE;
        let share = super::chances::float(failed) / super::chances::float(recorded.max(1));
        Some(Self {
            per_second: (older.is_some() && per_second.is_finite()).then_some(per_second),
            background_errors: enough.then_some(share),
            ..Self::default()
        })
    }
}

/// Whether there was a call, whatever has become of it.
fn had_calls(totals: &Totals) -> bool {
    totals.ended() > 0 || totals.rejected > 0
}

/// What is known of the calls of all circuits.
///
/// ```
/// # use std::time::Duration;
/// # use tower_breaker::{config::lint::{Calls, Traffic}, registry::Registry};
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let registry = Registry::builder().circuit("payments", |circuit| circuit).build()?;
/// let before = registry.snapshots();
/// // … an hour later …
/// # let payments = registry.get("payments").expect("there");
/// # for call in 0..7_200 {
/// #     let guard = payments.try_acquire().expect("closed");
/// #     if call % 20 == 0 { guard.failure() } else { guard.success() }
/// # }
/// let hour = Duration::from_secs(3_600);
/// let traffic = Traffic::between(&before, &registry.snapshots(), hour)
///     // What no circuit can know by itself.
///     .every_circuit(Calls::unknown().with_caller_timeout(Duration::from_secs(2)));
///
/// let payments = traffic.calls("payments");
/// assert_eq!((payments.per_second(), payments.background_errors()), (Some(2.0), Some(0.05)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    every: Calls,
    circuits: BTreeMap<String, Calls>,
    /// All circuits there are, if that is known.
    names: Option<BTreeSet<String>>,
    /// Those whose totals say that they never had a call.
    never_called: BTreeSet<String>,
    /// Whether the totals of others say that they had some.
    is_called: bool,
}

impl Traffic {
    /// Nothing is known: lints are reported from the file alone.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Takes what the circuits of a registry have seen since they were made: which there are, and the share of failures
    /// of those that have never opened. For calls a second, see [`between`](Self::between).
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        Self::between(&[], &registry.snapshots(), Duration::ZERO)
    }

    /// Takes what circuits have seen between two looks at them ([`Registry::snapshots`]), `elapsed` apart.
    ///
    /// * Which circuits there are, by the `newer` look, and which of them never had a call.
    /// * Calls a second, for circuits that were there at both looks. Rejected calls count.
    /// * The share of failures, for circuits that have not opened in between and have seen at least 100 calls. Failures
    ///   of an outage are not background errors. For new circuits, it is the share since they were made.
    ///
    /// Circuits without [totals](crate::CircuitBuilder::totals) tell nothing but their names.
    #[must_use]
    pub fn between(older: &[Snapshot], newer: &[Snapshot], elapsed: Duration) -> Self {
        let before: BTreeMap<_, _> = older.iter().map(|it| (it.name.as_str(), it)).collect();
        let mut traffic = Self::unknown().names(newer.iter().map(|it| it.name.as_str()));
        for snapshot in newer {
            let name = snapshot.name.as_str();
            let calls = Calls::recorded(snapshot, before.get(name).copied(), elapsed);
            traffic = traffic.circuit(name, calls.unwrap_or_default());
            match snapshot.totals.map(|totals| had_calls(&totals)) {
                Some(true) => traffic.is_called = true,
                Some(false) => drop(traffic.never_called.insert(name.to_owned())),
                None => {}
            }
        }
        traffic
    }

    /// Sets what holds for every circuit of which nothing else is known.
    #[must_use]
    pub fn every_circuit(self, calls: Calls) -> Self {
        Self {
            every: calls.or(self.every),
            ..self
        }
    }

    /// Sets what is known of one circuit. It goes before what was known of it, and before what holds for [every
    /// circuit](Self::every_circuit).
    #[must_use]
    pub fn circuit(mut self, name: impl Into<String>, calls: Calls) -> Self {
        let known = self.circuits.entry(name.into()).or_default();
        *known = calls.or(*known);
        self
    }

    /// Adds names of circuits that there are, beside those of the file. Once some are given, a pattern that matches
    /// none of them is reported, and so is a cap that is for none. Can be given several times. Circuits of which [calls
    /// are known](Self::circuit) are among them.
    #[must_use]
    pub fn names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let known = self.names.get_or_insert_with(BTreeSet::new);
        known.extend(names.into_iter().map(N::into));
        self
    }

    /// What is known of the calls of the circuit of this name.
    #[must_use]
    pub fn calls(&self, name: &str) -> Calls {
        let own = self.circuits.get(name).copied().unwrap_or_default();
        own.or(self.every)
    }

    pub(super) fn of_every(&self) -> Calls {
        self.every
    }

    pub(super) fn has_names(&self) -> bool {
        self.names.is_some() || !self.circuits.is_empty()
    }

    /// Whether a circuit never had a call, although others had.
    pub(super) fn is_never_called(&self, name: &str) -> bool {
        self.is_called && self.never_called.contains(name)
    }

    /// All names that were given, in whatever way.
    pub(super) fn all_names(&self) -> BTreeSet<&str> {
        let named = self.names.iter().flatten();
        let all = named.chain(self.circuits.keys());
        all.map(String::as_str).collect()
    }
}
