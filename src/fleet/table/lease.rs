//! Who has which seats (rule N5).

use std::collections::BTreeMap;

use super::{
    super::wire::{InstanceId, Lease},
    record::later,
};

/// What an instance has of a half-open time, and what became of it. All but the first two only grow: a copy that comes
/// late changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::fleet) struct Kept {
    /// When its seats are over. 0: it has none.
    pub(in crate::fleet) ends: u64,
    /// For how long it was given them.
    pub(in crate::fleet) life: u64,
    /// So many seats it was given.
    pub(in crate::fleet) given: u32,
    /// Of these: the probe succeeded.
    pub(in crate::fleet) ok: u32,
    /// It failed.
    pub(in crate::fleet) failed: u32,
    /// The seat came back.
    pub(in crate::fleet) back: u32,
}

impl Kept {
    /// Seats of which nobody knows what becomes of them.
    pub(in crate::fleet) fn seats(&self) -> u32 {
        self.given - self.ok - self.failed - self.back
    }

    pub(super) fn is_over(&self, now: u64) -> bool {
        self.ends <= now
    }

    /// Its seats, while they last: whoever has none has no time left either.
    pub(super) fn told(&self, now: u64) -> Option<Lease> {
        let (seats, left) = (self.seats(), self.ends.saturating_sub(now));
        (left > 0).then_some(Lease { seats, left })
    }

    /// Takes back what is left. How many.
    fn expire(&mut self) -> u32 {
        let seats = self.seats();
        self.back += seats;
        self.ends = 0;
        seats
    }

    pub(super) fn give(&mut self, seats: u32, now: u64, life: u64) {
        self.given += seats;
        (self.ends, self.life) = (later(now, life), life);
    }

    /// What became of seats, in all; never more than there were. What is new of it.
    pub(super) fn end(&mut self, ok: u32, failed: u32, unused: u32) -> News {
        let old = *self;
        self.ok += ok.saturating_sub(self.ok).min(self.seats());
        self.failed += failed.saturating_sub(self.failed).min(self.seats());
        self.back += unused.saturating_sub(self.back).min(self.seats());
        if self.seats() == 0 {
            self.ends = 0;
        }
        News {
            ok: self.ok - old.ok,
            failed: self.failed - old.failed,
            back: self.back - old.back,
        }
    }
}

/// What is new in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) ok: u32,
    pub(super) failed: u32,
    pub(super) back: u32,
}

impl News {
    pub(super) fn is_none(self) -> bool {
        self.ok == 0 && self.failed == 0 && self.back == 0
    }
}

/// Takes back the seats whose time is over. How many. If the clock has gone back, nobody has them for longer from now
/// on than they were given for; whoever asks knows its own by their end.
pub(super) fn expire(leases: &mut BTreeMap<InstanceId, Kept>, now: u64, asks: InstanceId) -> u32 {
    let mut taken = 0;
    for (instance, lease) in leases {
        if lease.is_over(now) {
            taken += lease.expire();
        } else if *instance != asks {
            lease.ends = lease.ends.min(later(now, lease.life));
        }
    }
    taken
}

/// How many seats are out.
pub(super) fn held(leases: &BTreeMap<InstanceId, Kept>) -> u32 {
    leases.values().map(Kept::seats).sum()
}

/// In how long the first of them is over.
pub(super) fn next(leases: &BTreeMap<InstanceId, Kept>, now: u64) -> u64 {
    let held = leases.values().filter(|it| it.seats() > 0);
    let next = held.map(|it| it.ends.saturating_sub(now)).min();
    next.unwrap_or(0)
}
