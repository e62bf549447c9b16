//! [`EjectionCap`]: of a set of circuits, only a share may be open at once.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use super::{
    clock::CircuitClock,
    settings::{self, ConfigError, millionths},
};
#[cfg(feature = "config")]
use crate::machine::Core;
#[cfg(feature = "registry")]
use crate::machine::Limit;
use crate::machine::{Cap, Joining};

/// Keeps the last endpoints in rotation: of a set of circuits, at most a share may be open at once (rule G7). Clones
/// are the same set.
///
/// When all the endpoints of a service fail, the fault is hardly theirs. To eject them all leaves nobody to answer. So
/// a trip beyond the cap is *vetoed*: the circuit stays closed, and its window is cleared. A transition from closed to
/// closed tells it, with [`Cause::TripVetoed`](crate::Cause::TripVetoed) and what would have tripped.
///
/// One veto of an outage is told. Those that follow change nothing, and are only counted, in
/// [`Totals::vetoed`](crate::Totals::vetoed). So the next failure opens the circuit as soon as there is a place. The
/// outage is over when the circuit changes for another reason. It is also over when no trip has been vetoed for as long
/// as the break would have been.
///
/// ```
/// use tower_breaker::{Cause, Circuit, EjectionCap, State};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let cap = EjectionCap::new(0.5)?;
/// let endpoint = |name: &'static str| {
///     Circuit::builder(name)
///         .consecutive_failures(1)
///         .ejection_cap(&cap)
///         .build()
/// };
/// let (a, b) = (endpoint("a")?, endpoint("b")?);
///
/// a.try_acquire().expect("closed").failure();
/// assert_eq!(a.state(), State::Open);
///
/// // One of two is ejected: the other has to stay, whatever comes of it.
/// b.try_acquire().expect("closed").failure();
/// assert_eq!(b.state(), State::Closed);
/// assert_eq!((cap.ejected(), cap.members()), (1, 2));
/// # Ok(())
/// # }
/// ```
///
/// A circuit is a member for as long as it lives. (A registry, feature `registry`, can choose the
/// members.) It takes a place when it trips:
///
/// * It holds its place until its wait is over. If no call comes then, another member's trip may take over the place.
///   The place whose wait was over first is taken first.
/// * If a call comes first, the circuit becomes half-open, and keeps its place until it closes.
/// * If its place was taken over, it probes without one. To open again it needs another. If there is none, it closes,
///   and that is a veto, too.
///
/// What a person does ([`trip`](crate::Circuit::trip), [`force_open`](crate::Circuit::force_open)) is never vetoed, but
/// takes a place. A circuit that opens in shadow mode takes none.
///
/// The share is a limit, not a target. Under a cap of one half, one of three circuits may be open, and of one circuit,
/// none. [`at_least_one`](Self::at_least_one) is for small sets. The share is rounded to millionths, and so is its
/// product with the size of the set: under a cap of `1.0 / 3.0`, one of three circuits may be open.
///
/// No trip waits for another thread, or for a lock. A trip that finds the set full looks through all members. So each
/// failing call of a circuit that is kept in rotation costs some nanoseconds for each of them.
///
/// **Watch out**: whether a wait is over is judged by the clock of the circuit that asks for a place. So all members
/// need the same [clock](crate::clock), be it tokio's or one of your own.
///
/// ```
/// # use tower_breaker::{Circuit, EjectionCap, clock::ManualClock};
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let cap = EjectionCap::new(0.5)?;
/// let endpoint = || Circuit::builder("endpoint").ejection_cap(&cap);
///
/// // Wrong: two clocks that know nothing of each other.
/// endpoint().clock(ManualClock::new()).build()?;
/// endpoint().clock(ManualClock::new()).build()?;
///
/// // Right: clones of one.
/// let clock = ManualClock::new();
/// endpoint().clock(clock.clone()).build()?;
/// endpoint().clock(clock.clone()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[doc(alias = "max_ejection_percent")]
pub struct EjectionCap {
    cap: Arc<Cap>,
    epoch: Instant,
}

impl EjectionCap {
    /// An empty set, of which at most this share may be open: above 0 and at most 1, rounded to millionths.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for any other share (rule B8).
    pub fn new(share: f64) -> Result<Self, ConfigError> {
        Self::with_least(share, 0)
    }

    /// Like [`new`](Self::new), but at least one member may be open, however few there are.
    ///
    /// So a share that suits a large set lets one open in a small set, too. Under `at_least_one(0.1)`, one of ten may
    /// be open, one of three, and the only one of one.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    #[doc(alias = "always_eject_one_host")]
    pub fn at_least_one(share: f64) -> Result<Self, ConfigError> {
        Self::with_least(share, 1)
    }

    fn with_least(share: f64, least: u64) -> Result<Self, ConfigError> {
        let share = millionths("ejection_cap", share)?;
        Ok(Self {
            cap: Arc::new(Cap::new(share, least)),
            epoch: Instant::now(),
        })
    }

    /// The share of the set that may be open: above 0 and at most 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        settings::share(self.cap.limit().share)
    }

    /// How many circuits there are in the set.
    #[must_use]
    pub fn members(&self) -> u64 {
        self.cap.members()
    }

    /// How many places are taken by circuits that are open, half-open or forced open. Circuits that are so only in
    /// shadow mode take none.
    ///
    /// An open circuit whose wait is over counts until another member's trip takes over its place. From then on it does
    /// not count, also while it is half-open, until it opens again. A circuit that is about to open counts already.
    #[must_use]
    pub fn ejected(&self) -> u64 {
        self.cap.taken()
    }

    /// How many trips were vetoed since the set was made, including those that were not told.
    #[must_use]
    pub fn vetoed(&self) -> u64 {
        self.cap.vetoed()
    }

    /// A set of which all may be open.
    #[cfg(feature = "registry")]
    pub(crate) fn without_limit() -> Self {
        Self {
            cap: Arc::new(Cap::new(Limit::NONE.share, Limit::NONE.least)),
            epoch: Instant::now(),
        }
    }

    #[cfg(feature = "registry")]
    pub(crate) fn limit(&self) -> Limit {
        self.cap.limit()
    }

    /// From the next trip on (rule K1).
    #[cfg(feature = "registry")]
    pub(crate) fn set_limit(&self, limit: Limit) {
        self.cap.set_limit(limit);
    }

    /// Whether it is the same set.
    #[cfg(feature = "config")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cap, &other.cap)
    }

    #[cfg(feature = "config")]
    pub(crate) fn has(&self, core: &Core) -> bool {
        core.is_member_of(&self.cap)
    }

    pub(crate) fn joined_by(&self, clock: &CircuitClock) -> Joining {
        Joining {
            cap: self.cap.clone(),
            zero: clock.zero(self.epoch),
        }
    }
}

impl fmt::Debug for EjectionCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EjectionCap")
            .field("share", &self.share())
            .field("members", &self.members())
            .field("ejected", &self.ejected())
            .finish_non_exhaustive()
    }
}
