//! The workers of the instances, and the calls that wait for one.

use std::{collections::VecDeque, time::Duration};

/// A call that waits for a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    pub(super) call: u64,
    pub(super) client: Option<u32>,
    pub(super) since: Duration,
}

#[derive(Debug)]
pub(super) struct Workers {
    /// Instances with a free worker, one entry for each. None without a limit.
    free: Option<VecDeque<u32>>,
    line: VecDeque<Waits>,
}

impl Workers {
    pub(super) fn new(instances: u32, each: Option<u32>) -> Self {
        // One of each instance, then the next of each: calls go to all of them in turn.
        let of_all = |each| (0..each).flat_map(|_| 0..instances).collect();
        Self {
            free: each.map(of_all),
            line: VecDeque::new(),
        }
    }

    pub(super) fn is_limited(&self) -> bool {
        self.free.is_some()
    }

    /// The instance of a worker that was free.
    pub(super) fn take(&mut self) -> Option<u32> {
        self.free.as_mut()?.pop_front()
    }

    pub(super) fn is_free_again(&mut self, instance: u32) {
        if let Some(free) = &mut self.free {
            free.push_back(instance);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Who has waited longest, if that was since then or before.
    pub(super) fn waits_since(&mut self, since: Duration) -> Option<Waits> {
        match self.line.front()?.since <= since {
            true => self.line.pop_front(),
            false => None,
        }
    }

    pub(super) fn wait(&mut self, call: Waits) {
        self.line.push_back(call);
    }

    /// Who has waited longest.
    pub(super) fn next(&mut self) -> Option<Waits> {
        self.line.pop_front()
    }

    /// There was no worker after all.
    pub(super) fn wait_first(&mut self, call: Waits) {
        self.line.push_front(call);
    }
}
