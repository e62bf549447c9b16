//! Clocks that do not quite agree.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::circuit::clock::Clock;

const MILLION: i128 = 1_000_000;

/// The clock of an instance: it began at any time, and is somewhat fast or slow.
#[derive(Clone, Debug)]
pub(super) struct Drifting {
    began: u64,
    /// So many millionths too fast.
    drift: i64,
    reads: Arc<AtomicU64>,
}

impl Drifting {
    pub(super) fn new(began: u64, drift: i64) -> Self {
        Self {
            began,
            drift,
            reads: Arc::new(AtomicU64::new(began)),
        }
    }

    /// It is so late in truth, in nanoseconds.
    pub(super) fn set(&self, now: u64) {
        let passed = i128::from(now) * (MILLION + i128::from(self.drift)) / MILLION;
        let passed = u64::try_from(passed).expect("a time");
        self.reads.store(self.began + passed, Ordering::Relaxed);
    }

    /// How long it takes in truth until this clock has gone on by so much.
    pub(super) fn truly(&self, nanos: u64) -> u64 {
        let truly = i128::from(nanos) * MILLION / (MILLION + i128::from(self.drift));
        u64::try_from(truly).expect("a time") + 1
    }
}

impl Clock for Drifting {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.reads.load(Ordering::Relaxed))
    }
}
