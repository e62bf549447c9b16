//! How many retries an instance may make.

use crate::{chance::whole, scenario::Retries};

/// Each call earns a part of a retry, and each retry costs a whole one.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// In millionths of a retry, so that sums are exact. None without a limit.
    held: Option<u64>,
    earned: u64,
    most: u64,
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
        }
    }

    pub(super) fn call(&mut self) {
        if let Some(held) = &mut self.held {
            *held = (*held + self.earned).min(self.most);
        }
    }

    /// Whether there is one left. It is gone then.
    pub(super) fn retry(&mut self) -> bool {
        let Some(held) = &mut self.held else {
            return true;
        };
        let left = held.checked_sub(WHOLE);
        *held = left.unwrap_or(*held);
        left.is_some()
    }
}
