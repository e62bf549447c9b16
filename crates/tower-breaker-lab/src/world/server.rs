//! A target of calls: what it works on, and what waits for that.

use std::collections::VecDeque;

use super::agenda::Key;

#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) served: u32,
    pub(super) queue: VecDeque<Key>,
}

impl Server {
    pub(super) fn is_full(&self, slots: Option<u32>) -> bool {
        slots.is_some_and(|slots| self.served >= slots)
    }

    /// All that it has to do with.
    pub(super) fn load(&self) -> u64 {
        u64::from(self.served) + self.queue.len() as u64
    }
}
