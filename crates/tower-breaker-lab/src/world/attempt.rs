//! One try of one call. Its caller and the dependency look at it, and each may be done with it before the other.

use std::time::Duration;

use crate::breaker::Ticket;

/// Who made a call, and how often it was tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// The number of the call: all its chances come from it.
    pub(super) call: u64,
    pub(super) instance: u32,
    pub(super) target: u32,
    /// 1 for the first try.
    pub(super) tries: u32,
    /// Which client it is, in a closed loop.
    pub(super) client: Option<u32>,
    /// When the call came.
    pub(super) since: Duration,
}

/// Where the dependency has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In its queue.
    Waits,
    /// In a slot.
    IsServed,
    /// In a slot, and no answer will come.
    Hangs,
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) number: u64,
    pub(super) caller: Caller,
    /// None once the caller waits no longer.
    pub(super) ticket: Option<Ticket>,
    pub(super) place: Place,
    /// Whether the caller's limit around the breaker is the shortest: what takes as long is dropped, and does not fail.
    pub(super) is_abandoned: bool,
    /// Whether its answer is a failure.
    pub(super) fails: bool,
}
