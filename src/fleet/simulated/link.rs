//! What is between an instance and its store, and the store.

use super::{
    super::{
        pilot::{Ask, Reply},
        store::{StoreError, Why},
        table::{Entry, Table},
        wire::{Decide, Exchange, How, Key, Odd, Told},
    },
    MILLI,
    promises::Promises,
};

/// An instance's links, to its store and to what it calls: which fault they have, until when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    pub(super) cut_until: u64,
    /// Whether it says so.
    pub(super) says_so: bool,
    pub(super) lossy_until: u64,
    /// Of a hundred.
    pub(super) lost: u64,
    pub(super) takes: u64,
    /// What it calls fails until then.
    pub(super) bad_until: u64,
    /// Which of two stores it has.
    pub(super) side: usize,
    /// How long it is from one call to the next.
    pub(super) between: u64,
}

/// How much a store remembers of what it was: for a failover.
const SAVES: usize = 8;

/// The store's time begins here, in milliseconds.
const BEGINNING: i64 = 1 << 41;

#[derive(Clone, Default)]
pub(super) struct Side {
    pub(super) table: Table,
    /// How it was before each of the last things that it was told.
    saves: Vec<Table>,
    /// How far its clock has jumped, in milliseconds.
    pub(super) jumped: i64,
}

impl Side {
    pub(super) fn millis(&self, now: u64) -> u64 {
        let millis = i64::try_from(now / MILLI).expect("a time");
        u64::try_from(BEGINNING + millis + self.jumped).expect("a time")
    }

    pub(super) fn entry(&self) -> Entry {
        let entry = self.table.circuits.get(&Key::of("it"));
        entry.cloned().unwrap_or_default()
    }

    pub(super) fn wipe(&mut self) {
        self.save();
        self.table = Table::default();
    }

    /// What a replica has that takes over. Whether anything is forgotten.
    pub(super) fn roll_back(&mut self, last: usize) -> bool {
        let at = self.saves.len().saturating_sub(last);
        let is_some = at < self.saves.len();
        if is_some {
            self.table = self.saves.remove(at);
            self.saves.truncate(at);
        }
        is_some
    }

    fn save(&mut self) {
        if self.saves.len() == SAVES {
            self.saves.remove(0);
        }
        self.saves.push(self.table.clone());
    }

    /// Answers. Returns whether it hints at something, too.
    pub(super) fn answer(
        &mut self,
        now: u64,
        ask: &Ask,
        promises: &mut Promises,
    ) -> (Result<Reply, StoreError>, bool) {
        let before = self.table.log.newest();
        let (reply, seats) = match ask {
            Ask::Exchange(ask) => (Ok(self.exchange(now, ask, promises)), false),
            Ask::Decide(ask) => self.decide(now, ask, promises),
        };
        (reply, seats || self.table.log.newest() != before)
    }

    fn exchange(&mut self, now: u64, ask: &Exchange, promises: &mut Promises) -> Reply {
        let before = self.entry();
        let told = self.table.exchange(self.millis(now), ask);
        let after = self.entry();
        promises.turned(&before, &after);
        promises.one_decision(&after);
        promises.counted(now, &after);
        let behind =
            |told: &Result<Told, Odd>| told.as_ref().is_ok_and(|told| told.how == How::Behind);
        if told.circuits.iter().any(behind) {
            promises.reach("behind");
        }
        Reply::Exchanged(told)
    }

    fn decide(
        &mut self,
        now: u64,
        ask: &Decide,
        promises: &mut Promises,
    ) -> (Result<Reply, StoreError>, bool) {
        self.save();
        let (before, millis) = (self.entry(), self.millis(now));
        let told = self.table.decide(millis, ask);
        let after = self.entry();
        promises.decided((now, millis), ask, (&before, &after), &told);
        let told = told.map_err(|odd| StoreError::new(Why::Nonsense, odd.text.as_str()));
        (told.map(Reply::Decided), before != after)
    }
}
