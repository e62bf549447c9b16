//! [`Rate`]: no two in less than an interval.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

#[derive(Debug)]
pub(super) struct Rate {
    interval: Duration,
    next: Option<Instant>,
}

impl Rate {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            next: None,
        }
    }

    /// Waits until the next may go. Whoever then goes [says so](Self::gone).
    pub(super) async fn wait(&self) {
        if let Some(next) = self.next {
            sleep_until(next).await;
        }
    }

    pub(super) fn gone(&mut self) {
        self.next = Instant::now().checked_add(self.interval);
    }
}
