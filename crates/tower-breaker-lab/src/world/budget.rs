//! How many retries an instance may make.

use crate::{
    chance::whole,
    scenario::{Retries, Share},
};

/// Each call earns a part of a retry, and each retry costs a whole one.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// In millionths of a retry, so that sums are exact. None without a limit.
    held: Option<u64>,
    earned: u64,
    most: u64,
    /// As a share of the calls. None without a limit.
    most_failed: Option<f64>,
    calls: u64,
    /// Tries.
    failed: u64,
}

const WHOLE: u64 = 1_000_000;

impl Budget {
    pub(super) fn new(retries: Option<&Retries>) -> Self {
        let share = retries.and_then(|retries| retries.budget);
        let most = retries.map_or(0, |retries| u64::from(retries.burst)) * WHOLE;
        Self {
            held: share.map(|_| most),
            earned: share.map_or(0, |share| {
                u64::from(whole((share.get() * WHOLE as f64).round()))
            }),
            most,
            most_failed: retries.and_then(|it| it.most_failed).map(Share::get),
            calls: 0,
            failed: 0,
        }
    }

    pub(super) fn call(&mut self) {
        self.calls += 1;
        if let Some(held) = &mut self.held {
            *held = (*held + self.earned).min(self.most);
        }
    }

    /// A try, be it the first or not.
    pub(super) fn failed(&mut self) {
        self.failed += 1;
    }

    /// Whether there is one left. It is gone then.
    pub(super) fn retry(&mut self) -> bool {
        let most = self.most_failed.unwrap_or(f64::INFINITY);
        if self.failed as f64 > most * self.calls as f64 {
            return false;
        }
        let Some(held) = &mut self.held else {
            return true;
        };
        let left = held.checked_sub(WHOLE);
        *held = left.unwrap_or(*held);
        left.is_some()
    }
}
