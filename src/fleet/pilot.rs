//! What there is to say to the store, and when (rules N2, N4, N7). Nothing here waits, and the time is passed in.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use super::{
    fleet::{Common, lock},
    member::{Member, Part},
    pace::{Chance, hint_wait},
    shard::{Shard, Surroundings},
    store::StoreError,
    wire::{Decide, Decided, Exchange, Exchanged, InstanceId, Key, fnv},
};
use crate::circuit::followed::Why;

/// What a shard of the store is asked.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Exchange(Exchange),
    Decide(Decide),
}

/// What it has answered.
#[derive(Debug)]
pub(super) enum Reply {
    Exchanged(Exchanged),
    Decided(Decided),
}

/// So long after the list of the circuits was taken over it may be again, for each circuit on it: 10 µs, some hundred
/// times as long as it takes.
const LIST_TAKES: u64 = 10_000;

/// One instance of a fleet: all its circuits, and what it says of them.
pub(super) struct Pilot {
    around: Surroundings,
    shards: Vec<Shard>,
    /// Of the list of members that was taken over last.
    version: Option<u64>,
    /// When the next one may be, so that it takes little of the time however many come and go.
    take_over_at: u64,
    was_paused: bool,
}

impl Pilot {
    /// `seed`: of everything that is left to chance. No two instances may have the same.
    pub(super) fn new(common: Arc<Common>, seed: u64, now: u64) -> Self {
        let mut nonces = Chance::new(seed);
        let new = InstanceId(nonces.next());
        let (instance, seq) = lock(&common.me).unwrap_or((new, 0));
        let chance = Chance::new(common.seed.unwrap_or_else(|| nonces.next()));
        let shard = |number| Shard::new(common.place.clone(), number, now);
        Self {
            shards: (0..common.shards).map(shard).collect(),
            around: Surroundings {
                common,
                instance,
                seq,
                chance,
                nonces,
                left: HashMap::new(),
            },
            version: None,
            take_over_at: 0,
            was_paused: false,
        }
    }

    /// Looks at the circuits, as far as it is time to.
    pub(super) fn turn(&mut self, now: u64) {
        self.take_over(now);
        if self.pauses(now) {
            return;
        }
        for shard in &mut self.shards {
            shard.turn(&mut self.around, now);
        }
        self.show();
    }

    /// What is to be said to this shard now. Until it is answered, nothing else is.
    pub(super) fn ask(&mut self, shard: usize, now: u64) -> Option<Ask> {
        if self.was_paused {
            return None;
        }
        self.shards.get_mut(shard)?.ask(&mut self.around, now)
    }

    /// What has come of that.
    pub(super) fn answered(&mut self, shard: usize, reply: Result<Reply, StoreError>, now: u64) {
        let paused = self.pauses(now);
        match self.shards.get_mut(shard) {
            Some(shard) if paused => shard.drop_answer(),
            Some(shard) => shard.answered(&mut self.around, reply, now),
            None => {}
        }
        self.show();
    }

    /// The store hints that something may have changed.
    pub(super) fn hinted(&mut self, now: u64) {
        self.around
            .common
            .counted
            .hints
            .fetch_add(1, Ordering::Relaxed);
        for shard in &mut self.shards {
            let wait = hint_wait(shard.contributors(), &mut self.around.chance);
            shard.look_at(now.saturating_add(wait));
        }
    }

    /// When there is something to do, unless something happens before.
    pub(super) fn next(&self) -> u64 {
        if self.was_paused {
            return u64::MAX;
        }
        let next = self.shards.iter().map(Shard::next);
        let next = next.min().unwrap_or(u64::MAX);
        match self.version == Some(self.around.common.members.version()) {
            true => next,
            false => next.min(self.take_over_at),
        }
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Nobody speaks with the store any more. Holds lapse by themselves.
    pub(super) fn end(&mut self, now: u64) {
        for shard in &mut self.shards {
            shard.end(Why::NotRunning, now);
        }
        *lock(&self.around.common.me) = Some((self.around.instance, self.around.seq));
        *lock(&self.around.common.part) = Part {
            why: Some(Why::NotRunning),
            since: now,
        };
    }

    /// Whether it is turned off. Then each circuit is alone.
    fn pauses(&mut self, now: u64) -> bool {
        let paused = self.around.common.paused.load(Ordering::Acquire);
        if paused && !self.was_paused {
            for shard in &mut self.shards {
                shard.stop(&mut self.around, now);
            }
        }
        self.was_paused = paused;
        if paused {
            self.show();
        }
        paused
    }

    /// Takes over who has come and who has gone.
    fn take_over(&mut self, now: u64) {
        let version = self.around.common.members.version();
        if self.version == Some(version) || now < self.take_over_at {
            return;
        }
        self.version = Some(version);
        let mut come: HashMap<Key, Arc<Member>> = HashMap::new();
        let list = self.around.common.members.list();
        let some = u64::try_from(list.len()).unwrap_or(u64::MAX);
        self.take_over_at = now.saturating_add(some.saturating_mul(LIST_TAKES));
        for member in list {
            come.insert(member.key.clone(), member);
        }
        for shard in &mut self.shards {
            shard.keep(&mut come, &mut self.around, now);
        }
        self.around.left.retain(|_, left| left.matters(now));
        for (key, member) in come {
            let shard = self.shard_of(&key);
            self.shards[shard].add(member, &mut self.around, now);
        }
    }

    /// The same in all instances.
    fn shard_of(&self, key: &Key) -> usize {
        let shards = u64::try_from(self.shards.len()).unwrap_or(1);
        let shard = fnv(key.as_str().as_bytes()) % shards.max(1);
        usize::try_from(shard).unwrap_or(0)
    }

    /// For the fleet's status: the shard that is worst off.
    fn show(&self) {
        let used = |shard: &&Shard| shard.is_used();
        let mut parts = self.shards.iter().filter(used).map(Shard::part);
        let Some(first) = parts.next() else {
            return;
        };
        *lock(&self.around.common.part) = parts.fold(first, worst);
    }
}

fn worst(one: Part, other: Part) -> Part {
    match (one.why, other.why) {
        (Some(_), None) => one,
        // Not for longer than both.
        (None, None) if one.since > other.since => one,
        (Some(_), Some(_)) if one.since < other.since => one,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Part, Pilot, Why, worst};
    use crate::fleet::fleet::Fleet;

    // N9: instances of all versions ask the same shard for a circuit.
    #[test]
    fn where_a_circuit_is_never_changes() {
        let fleet = Fleet::builder("shop").shards(4).build().expect("a fleet");
        let pilot = Pilot::new(fleet.common().clone(), 7, 0);
        assert_eq!(pilot.shards(), 4);
        let names = ["payments", "orders", "search", "mail"];
        let shards = names.map(|name| pilot.shard_of(&Key::of(name)));
        assert_eq!(shards, [2, 0, 1, 2]);
    }

    // N7: a fleet takes part if all of its shards do, and for as long as all of them have.
    #[test]
    fn the_shard_that_is_worst_off_is_shown() {
        let up = |since| Part { why: None, since };
        let down = |since| Part {
            why: Some(Why::Full),
            since,
        };
        for (one, other, expected) in [
            (up(1), up(2), up(2)),
            (up(1), down(2), down(2)),
            (up(2), down(1), down(1)),
            (down(1), down(2), down(1)),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let found = worst(one, other);
                assert_eq!((found.why, found.since), (expected.why, expected.since));
            }
        }
    }
}
