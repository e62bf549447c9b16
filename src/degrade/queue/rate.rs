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
        const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.next = Some(Instant::now() + self.interval.min(FAR));
    }
}
