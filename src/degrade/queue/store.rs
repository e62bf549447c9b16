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
    /// When the turn of each head is, or was.
    turns: BTreeSet<(Instant, Id)>,
    last_id: u64,
    last_lease: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    since: Instant,
    attempts: u32,
    /// As it is in `turns`, if it is a head: when it was put, when its wait is over, or when its lease ends.
    turn: Instant,
    /// The number of its lease, until its turn.
    leased: Option<u64>,
    _room: Room,
}

impl Kept {
    fn is_leased(&self, now: Instant) -> bool {
        self.leased.is_some() && now < self.turn
    }
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
            self.turns.insert((now, id));
        }
        let kept = Kept {
            entry,
            since: now,
            attempts: 0,
            turn: now,
            leased: None,
            _room: room.kept(),
        };
        self.entries.insert(id, kept);
        (Put::Kept(id), None)
    }

    pub(super) fn take(&mut self, lease: Duration, now: Instant) -> Take {
        match self.turns.first() {
            Some(&(turn, id)) if turn <= now => Take::One(self.lease(id, lease, now)),
            Some((turn, _)) => Take::Nothing(Some(*turn - now)),
            None => Take::Nothing(None),
        }
    }

    pub(super) fn take_older_than(&mut self, age: Duration, lease: Duration, now: Instant) -> Take {
        // The first that nobody has: it is behind no more than are leased, and those of their keys.
        let is_free = |(id, kept): &(&Id, &Kept)| {
            !kept.is_leased(now) && self.turns.contains(&(kept.turn, **id))
        };
        let Some((&id, oldest)) = self.entries.iter().find(is_free) else {
            return Take::Nothing(None);
        };
        let age_now = now - oldest.since;
        if age_now > age {
            return Take::One(self.lease(id, lease, now));
        }
        // Older than that, not as old.
        let left = (age - age_now).saturating_add(Duration::from_nanos(1));
        Take::Nothing(Some(left))
    }

    pub(super) fn remove(&mut self, lease: Lease, now: Instant) -> Removed {
        if !self.holds(lease, now) {
            return Removed(None);
        }
        let removed = self.entries.remove(&lease.id);
        if let Some(kept) = &removed {
            self.turns.remove(&(kept.turn, lease.id));
            self.leave_key(kept.entry.order_key());
        }
        Removed(removed)
    }

    /// Without a wait, it has its turn as if nobody had taken it.
    pub(super) fn give_back(
        &mut self,
        lease: Lease,
        attempts: Option<u32>,
        wait: Duration,
        now: Instant,
    ) -> bool {
        if !self.holds(lease, now) {
            return false;
        }
        let Some(kept) = self.entries.get_mut(&lease.id) else {
            return false;
        };
        kept.leased = None;
        kept.attempts = attempts.unwrap_or(kept.attempts);
        let turn = match wait.is_zero() {
            true => kept.since,
            false => after(now, wait),
        };
        self.move_turn(lease.id, turn);
        true
    }

    /// Takes nothing more, and returns what nobody has taken, the oldest first.
    pub(super) fn close(&mut self, now: Instant) -> Vec<Entry> {
        self.is_closed = true;
        let (leased, left) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|(_, kept)| kept.is_leased(now));
        self.entries = leased;
        self.turns.retain(|(_, id)| self.entries.contains_key(id));
        self.keys.retain(|_, of_key| {
            of_key.retain(|id| self.entries.contains_key(id));
            !of_key.is_empty()
        });
        let left: BTreeMap<Id, Kept> = left;
        left.into_values().map(|kept| kept.entry).collect()
    }

    pub(super) fn oldest(&self, now: Instant) -> Option<Duration> {
        let (_, oldest) = self.entries.first_key_value()?;
        Some(now - oldest.since)
    }

    fn lease(&mut self, id: Id, lease: Duration, now: Instant) -> Leased {
        self.last_lease += 1;
        self.move_turn(id, after(now, lease));
        let kept = self.entries.get_mut(&id).expect("heads are kept");
        kept.leased = Some(self.last_lease);
        Leased::new(
            Lease::new(id, self.last_lease),
            kept.entry.clone(),
            kept.attempts,
            now - kept.since,
        )
    }

    fn holds(&self, lease: Lease, now: Instant) -> bool {
        let kept = self.entries.get(&lease.id);
        kept.is_some_and(|kept| kept.leased == Some(lease.number) && kept.is_leased(now))
    }

    fn move_turn(&mut self, id: Id, turn: Instant) {
        let kept = self.entries.get_mut(&id).expect("heads are kept");
        self.turns.remove(&(kept.turn, id));
        self.turns.insert((turn, id));
        kept.turn = turn;
    }

    /// The head of a key is gone: the next is.
    fn leave_key(&mut self, key: &str) {
        let Some(of_key) = self.keys.get_mut(key) else {
            return;
        };
        of_key.pop_front();
        match of_key.front() {
            Some(next) => {
                self.turns.insert((self.entries[next].turn, *next));
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
