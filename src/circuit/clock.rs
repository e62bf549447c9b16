//! What a clock is, one that a test moves, and the clock of a circuit. What there is to say of them to users is
//! in [`clock`](crate::clock).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{machine::nanos, util::panic::catch_panic};

/// A clock that never goes back and never panics.
///
/// If a clock does go back, nothing panics and no circuit is stuck, but what is counted by time is wrong until the
/// clock is where it was. A break may last longer, a call look faster, and a time window hold too much or too little.
///
/// If a clock panics, the circuit takes the time at which it was built for that reading. A clock that panics when a
/// circuit is built is refused (rule B8).
///
/// **Watch out:** a registry reads the clocks of its circuits while it makes and removes some. A clock that asks that
/// registry for anything waits for itself.
pub trait Clock: Send + Sync + 'static {
    /// The time since some fixed instant of the clock's own.
    fn now(&self) -> Duration;

    /// The wall clock, which [events](crate::observe::Event) tell: a time for people. Nothing is decided by it. If it
    /// panics, the time is the Unix epoch.
    ///
    /// Default: the system's wall clock. That of a [`ManualClock`] begins at the Unix epoch.
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that a test moves by hand. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock forward. It stops at its end, after 584 years.
    pub fn advance(&self, by: Duration) {
        let moved = |now: u64| Some(now.saturating_add(nanos(by)));
        // Never an error: the closure always has an answer.
        let _ = self
            .nanos
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Acquire))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.now()
    }
}

/// The clock of one circuit, in nanoseconds since the circuit was built.
#[derive(Clone)]
pub(crate) enum CircuitClock {
    Tokio(Instant),
    Custom(Arc<dyn Clock>, Duration),
}

impl CircuitClock {
    pub(crate) fn tokio() -> Self {
        let system = || std::time::Instant::now().into();
        Self::Tokio(catch_panic(Instant::now).unwrap_or_else(system))
    }

    /// `None` if the clock panics.
    pub(crate) fn custom(clock: Arc<dyn Clock>) -> Option<Self> {
        let origin = catch_panic(|| clock.now())?;
        Some(Self::Custom(clock, origin))
    }

    /// The nanosecond at which the circuit's own time begins, by a time that all clocks of the same kind
    /// share.
    pub(crate) fn zero(&self, epoch: Instant) -> u64 {
        // 36 years. An instant can be earlier than the epoch: a clock that is paused was paused before.
        const EPOCH: u64 = 1 << 60;
        match self {
            Self::Tokio(origin) => {
                let after = origin.saturating_duration_since(epoch);
                let before = epoch.saturating_duration_since(*origin);
                let epoch = EPOCH.saturating_add(nanos(after));
                epoch.saturating_sub(nanos(before))
            }
            Self::Custom(_, origin) => nanos(*origin).saturating_add(1),
        }
    }

    /// The wall clock.
    pub(crate) fn wall(&self) -> SystemTime {
        match self {
            Self::Tokio(_) => SystemTime::now(),
            Self::Custom(clock, _) => {
                catch_panic(|| clock.wall()).unwrap_or(SystemTime::UNIX_EPOCH)
            }
        }
    }

    /// Now. Whether it is to be read before the circuit's word or after is told at `EraFacts` in `machine/era.rs`.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        // Recording reads the clock while somebody else's panic unwinds, and at the end of threads. It must
        // not add a panic of its own.
        let since_built = match self {
            Self::Tokio(origin) => {
                let now = catch_panic(Instant::now).unwrap_or(*origin);
                now.saturating_duration_since(*origin)
            }
            Self::Custom(clock, origin) => {
                let now = catch_panic(|| clock.now()).unwrap_or(*origin);
                now.saturating_sub(*origin)
            }
        };
        // The last nanosecond of time is kept free: tickets use it for "not timed".
        nanos(since_built).min(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_nanosecond_is_never_reached() {
        let clock = ManualClock::new();
        let source = CircuitClock::custom(Arc::new(clock.clone())).expect("a time");
        clock.advance(Duration::MAX);
        assert_eq!(source.now(), u64::MAX - 1);
    }
}
