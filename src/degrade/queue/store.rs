//! What [`Memory`](super::Memory) keeps, and in which order it is taken. Time is passed in.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    entry::Entry,
    ledger::Room,
    outbox::{Id, Lease, Leased, Put, Take},
};

/// Each step costs no more than a look into maps, however many entries there are.
#[derive(Debug, Default)]
pub(super) struct Store {
    entries: BTreeMap<Id, Kept>,
    /// The entries of each order key, the oldest first. Only the first of them, the *head*, may be taken.
    keys: HashMap<Arc<str>, VecDeque<Id>>,
    /// Heads that may be taken.
    ready: BTreeSet<Id>,
    /// Heads that may be taken from then on: they are leased, or wait for their next try.
    later: BTreeSet<(Instant, Id)>,
    last_id: u64,
    last_lease: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    since: Instant,
    attempts: u32,
    /// When it may be taken, if it is in `later`.
    not_before: Option<Instant>,
    /// The number of its lease.
    leased: Option<u64>,
    _room: Room,
}

/// What was removed, to be dropped where nobody waits.
#[must_use]
pub(super) struct Removed(Option<Kept>);

impl Removed {
    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

impl Store {
    /// With the room back if it is not kept.
    pub(super) fn put(&mut self, entry: Entry, room: Room, now: Instant) -> (Put, Option<Room>) {
        if self.is_closed {
            return (Put::Closed, Some(room));
        }
        self.last_id += 1;
        let id = Id(self.last_id);
        let of_key = self.keys.entry(entry.shared_order_key().clone());
        let of_key = of_key.or_default();
        of_key.push_back(id);
        if of_key.len() == 1 {
            self.ready.insert(id);
        }
        let kept = Kept {
            entry,
            since: now,
            attempts: 0,
            not_before: None,
            leased: None,
            _room: room.kept(),
        };
        self.entries.insert(id, kept);
        (Put::Kept(id), None)
    }

    pub(super) fn take(&mut self, lease: Duration, now: Instant) -> Take {
        self.wake(now);
        match self.ready.first() {
            Some(&id) => Take::One(self.lease(id, lease, now)),
            None => Take::Nothing(self.later.first().map(|(then, _)| *then - now)),
        }
    }

    pub(super) fn take_older_than(&mut self, age: Duration, lease: Duration, now: Instant) -> Take {
        self.wake(now);
        let later = self.later.iter().map(|(_, id)| *id);
        let free = |id: &Id| self.entries[id].leased.is_none();
        let oldest = self.ready.first().copied().into_iter();
        let oldest = oldest.chain(later.filter(free)).min();
        let Some(id) = oldest else {
            return Take::Nothing(None);
        };
        match (now - self.entries[&id].since).checked_sub(age) {
            Some(over) if !over.is_zero() => Take::One(self.lease(id, lease, now)),
            _ => {
                let left = age - (now - self.entries[&id].since);
                // Older than that, not as old.
                Take::Nothing(Some(left.saturating_add(Duration::from_nanos(1))))
            }
        }
    }

    pub(super) fn remove(&mut self, lease: Lease, now: Instant) -> Removed {
        self.wake(now);
        if !self.holds(lease) {
            return Removed(None);
        }
        self.unqueue(lease.id);
        let removed = self.entries.remove(&lease.id);
        if let Some(kept) = &removed {
            self.leave_key(kept.entry.order_key());
        }
        Removed(removed)
    }

    pub(super) fn give_back(
        &mut self,
        lease: Lease,
        attempts: Option<u32>,
        wait: Duration,
        now: Instant,
    ) -> bool {
        self.wake(now);
        if !self.holds(lease) {
            return false;
        }
        self.unqueue(lease.id);
        let Some(kept) = self.entries.get_mut(&lease.id) else {
            return false;
        };
        kept.leased = None;
        kept.attempts = attempts.unwrap_or(kept.attempts);
        self.queue(lease.id, after(now, wait), now);
        true
    }

    /// Takes nothing more, and returns what nobody has taken, the oldest first.
    pub(super) fn close(&mut self, now: Instant) -> Vec<Entry> {
        self.wake(now);
        self.is_closed = true;
        let ids: Vec<_> = self.entries.keys().copied().collect();
        let mut left = Vec::new();
        for id in ids {
            let kept = &self.entries[&id];
            if kept.leased.is_some() {
                continue;
            }
            self.unqueue(id);
            if let Some(kept) = self.entries.remove(&id) {
                left.push(kept.entry);
            }
        }
        self.keys.retain(|_, of_key| {
            of_key.retain(|id| self.entries.contains_key(id));
            !of_key.is_empty()
        });
        left
    }

    pub(super) fn oldest(&self, now: Instant) -> Option<Duration> {
        let (_, oldest) = self.entries.first_key_value()?;
        Some(now - oldest.since)
    }

    fn lease(&mut self, id: Id, lease: Duration, now: Instant) -> Leased {
        self.unqueue(id);
        self.queue(id, after(now, lease), now);
        self.last_lease += 1;
        let kept = self.entries.get_mut(&id).expect("heads are kept");
        kept.leased = Some(self.last_lease);
        Leased::new(
            Lease::new(id, self.last_lease),
            kept.entry.clone(),
            kept.attempts,
            now - kept.since,
        )
    }

    fn holds(&self, lease: Lease) -> bool {
        let kept = self.entries.get(&lease.id);
        kept.is_some_and(|kept| kept.leased == Some(lease.number))
    }

    /// What waited until now may be taken, also what somebody has taken and not given back.
    fn wake(&mut self, now: Instant) {
        while let Some(&(then, id)) = self.later.first() {
            if then > now {
                break;
            }
            self.unqueue(id);
            self.ready.insert(id);
            self.entries.get_mut(&id).expect("heads are kept").leased = None;
        }
    }

    /// Puts a head where it may be taken from `then` on.
    fn queue(&mut self, id: Id, then: Instant, now: Instant) {
        if then <= now {
            self.ready.insert(id);
            return;
        }
        self.later.insert((then, id));
        self.entries
            .get_mut(&id)
            .expect("heads are kept")
            .not_before = Some(then);
    }

    fn unqueue(&mut self, id: Id) {
        self.ready.remove(&id);
        let kept = self.entries.get_mut(&id);
        if let Some(then) = kept.and_then(|kept| kept.not_before.take()) {
            self.later.remove(&(then, id));
        }
    }

    /// The head of a key is gone: the next is.
    fn leave_key(&mut self, key: &str) {
        let Some(of_key) = self.keys.get_mut(key) else {
            return;
        };
        of_key.pop_front();
        match of_key.front() {
            Some(next) => {
                self.ready.insert(*next);
            }
            None => {
                self.keys.remove(key);
            }
        }
    }
}

/// So far away that nobody comes to it, if it cannot be said.
fn after(now: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now.checked_add(wait.min(YEAR)).unwrap_or(now)
}
