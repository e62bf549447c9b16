//! A target of calls: what it works on, and what waits for that.

use std::collections::VecDeque;

use super::agenda::Key;

#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) served: u32,
    /// Some of them may have left: who takes the next asks whether it is still there.
    pub(super) queue: VecDeque<Key>,
    /// How many of them have not left.
    pub(super) waiting: u32,
}

impl Server {
    pub(super) fn is_full(&self, slots: Option<u32>) -> bool {
        slots.is_some_and(|slots| self.served >= slots)
    }

    /// All that it has to do with.
    pub(super) fn load(&self) -> u64 {
        u64::from(self.served) + u64::from(self.waiting)
    }
}
