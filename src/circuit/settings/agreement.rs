//! [`Agreement`]: when the instances of a fleet open together.

use std::fmt;

/// When the instances of a fleet open a circuit together (rule N3). The calls of all of them together must reach the
/// thresholds of the circuit, *and* enough of the instances must see it themselves. So one bad instance opens itself
/// and no other, however many of the calls it draws.
///
/// It does nothing by itself: the circuit has to [join a fleet](crate::CircuitBuilder::shared).
///
/// ```
/// use tower_breaker::{Agreement, Circuit};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("payments")
///     .shared(Agreement::of(3).share(0.2))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Agreement {
    /// At least this many instances have to see it themselves: 1 to 10,000. Default: 2. With 1, a single instance can
    /// open all.
    pub instances: u32,
    /// At least this share of the instances that have calls must see it, too. In `0..=1`. Default: 0.1.
    pub share: f64,
    /// Whether a result that [trips at once](crate::Outcome::TripNow) in one instance opens all. Default: no. Then that
    /// instance opens, and counts as one that sees it.
    pub trip_now: bool,
    /// Whether an open circuit waits for the store if that has gone away. Default: no. Then it goes on alone, as if it
    /// were not shared.
    pub stay_open_when_detached: bool,
    /// Says whose settings are the fleet's, if instances have different ones, as during a deploy: those with the
    /// greatest revision. The other instances are told that theirs differ. 0 to 2^52. Default: 0.
    pub revision: u64,
}

impl Agreement {
    /// At least this many instances, and the defaults for the rest.
    #[must_use]
    pub const fn of(instances: u32) -> Self {
        Self {
            instances,
            share: 0.1,
            trip_now: false,
            stay_open_when_detached: false,
            revision: 0,
        }
    }

    /// Sets [the share](Self::share).
    #[must_use]
    pub const fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Sets whether [one result can open all](Self::trip_now).
    #[must_use]
    pub const fn trip_now(mut self, trips: bool) -> Self {
        self.trip_now = trips;
        self
    }

    /// Sets whether it [waits for the store](Self::stay_open_when_detached).
    #[must_use]
    pub const fn stay_open_when_detached(mut self, stays: bool) -> Self {
        self.stay_open_when_detached = stays;
        self
    }

    /// Sets [the revision](Self::revision).
    #[must_use]
    pub const fn revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// The two switches in one number.
    pub(crate) const fn flags(&self) -> u64 {
        self.trip_now as u64 | (self.stay_open_when_detached as u64) << 1
    }

    /// With the switches that are in a number.
    pub(crate) const fn with_flags(self, flags: u64) -> Self {
        let stays = flags & 2 != 0;
        self.trip_now(flags & 1 != 0).stay_open_when_detached(stays)
    }
}

/// At least 2 instances, and 10 % of those with calls.
impl Default for Agreement {
    fn default() -> Self {
        Self::of(2)
    }
}

/// In few words, for a log.
impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at least {} instances, {:?} of them",
            self.instances, self.share
        )?;
        if self.trip_now {
            f.write_str(", one result trips all")?;
        }
        if self.stay_open_when_detached {
            f.write_str(", stays open without its store")?;
        }
        match self.revision {
            0 => Ok(()),
            revision => write!(f, ", revision {revision}"),
        }
    }
}
