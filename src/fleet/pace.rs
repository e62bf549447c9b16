//! When an instance speaks, and a chance that spreads what many instances do (rule N2).

use std::time::Duration;

use crate::circuit::clock::CircuitClock;

/// How often a fleet speaks with its store, and for how long it waits for it.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) poll: Duration,
    pub(super) detach_after: Duration,
    pub(super) budget: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            poll: Duration::from_secs(1),
            detach_after: Duration::from_secs(3),
            budget: 10_000,
        }
    }
}
