//! [`Table`]: what a store does, as a pure function (rules N2, N4, N5, N8).
//!
//! [`Memory`](super::Memory) is a lock around it, and the scripts of `tower-breaker-redis` are held against it, answer
//! by answer. So what is shown with a table holds for Redis. Where a letter stands beside a field, it is the one of
//! Redis.

mod decide;
pub(super) mod lease;
pub(super) mod log;
pub(super) mod record;
pub(super) mod register;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::{
    log::Log,
    record::{Record, State},
    register::Window,
};
use super::wire::{
    Decide, Decided, Exchange, Exchanged, How, InstanceId, Key, Lease, Look, Odd, Report, Stamp,
    Sums, Told,
};

/// One shard of a store. It is told the time, in milliseconds of the store's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Table {
    pub(super) log: Log,
    pub(super) circuits: BTreeMap<Key, Entry>,
}

/// One circuit of a shard: two keys in Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// Of each instance, while closed.
    pub(super) registers: BTreeMap<InstanceId, register::Kept>,
    /// Of each instance, while half-open.
    pub(super) leases: BTreeMap<InstanceId, lease::Kept>,
}

impl Table {
    /// As [`Store::exchange`](super::Store::exchange).
    pub(super) fn exchange(&mut self, now: u64, ask: &Exchange) -> Exchanged {
        let (newest, changed) = (self.log.newest(), self.log.since(ask.seen));
        let look = |look| self.look(now, ask.instance, look);
        Exchanged {
            now,
            newest,
            changed,
            circuits: ask.circuits.iter().map(look).collect(),
        }
    }

    fn look(&mut self, now: u64, me: InstanceId, look: &Look) -> Result<Told, Odd> {
        look.check()?;
        self.with(&look.name, |entry, log| {
            entry.read(now, &look.name, log)?;
            let how = entry.hear(now, me, look);
            Ok(entry.told(now, me, how))
        })
    }

    /// As [`Store::decide`](super::Store::decide). It does not know who heard of it.
    pub(super) fn decide(&mut self, now: u64, ask: &Decide) -> Result<Decided, Odd> {
        ask.check()?;
        self.with(&ask.name, |entry, log| entry.decide(now, ask, log))
    }

    /// Makes a record unreadable, as somebody else who writes into the store could.
    pub(super) fn garble(&mut self, name: &Key) {
        self.circuits.entry(name.clone()).or_default().record.odd = true;
    }

    /// A look at what is not there leaves nothing there.
    fn with<T>(&mut self, name: &Key, what: impl FnOnce(&mut Entry, &mut Log) -> T) -> T {
        if let Some(entry) = self.circuits.get_mut(name) {
            return what(entry, &mut self.log);
        }
        let mut entry = Entry::default();
        let told = what(&mut entry, &mut self.log);
        if entry != Entry::default() {
            self.circuits.insert(name.clone(), entry);
        }
        told
    }
}

impl Entry {
    /// What comes before anything else: can it be read, and is a forced mode over?
    fn read(&mut self, now: u64, name: &Key, log: &mut Log) -> Result<(), Odd> {
        self.record.readable()?;
        self.record.shorten(now);
        if self.record.forced_is_over(now) {
            // Whoever comes by writes the same. It is not the nonce itself: the word that forced it may come twice, and
            // follow itself on the other side of a split.
            self.turn(now, name, log, State::Closed, !self.record.stamp.nonce);
            self.record.force_expired(now);
        }
        Ok(())
    }

    /// The next decision. What instances said of the one before is gone.
    fn turn(&mut self, now: u64, name: &Key, log: &mut Log, to: State, nonce: u32) {
        let era = self.record.stamp.era + 1;
        self.record.stamp = Stamp { era, nonce };
        self.record.state = to;
        self.record.window = None;
        self.registers.clear();
        self.leases.clear();
        log.note(now, name);
    }

    fn hear(&mut self, now: u64, me: InstanceId, look: &Look) -> How {
        let record = &self.record;
        if look.stamp > record.stamp {
            return How::Behind;
        }
        if look.stamp < record.stamp {
            return How::Late;
        }
        match &look.report {
            None => How::Looked,
            Some(_) if record.forced || record.state != State::Closed => How::Late,
            Some(report) => {
                self.count(now, me, report);
                How::Counted
            }
        }
    }

    /// Counts a report, unless it is a copy that comes late.
    fn count(&mut self, now: u64, me: InstanceId, report: &Report) {
        let old = self.registers.get(&me);
        if old.is_some_and(|old| old.seq >= report.seq) {
            return;
        }
        let begin = || Window::begin(report.keep_for);
        let mut window = self.record.window.unwrap_or_else(begin);
        window.roll(now);
        let new = register::Kept::new(&window, report);
        window.replace(now, old, &new, report.register.ok);
        self.record.window = Some(window);
        self.record.agree(report.settings, report.revision);
        self.registers.insert(me, new);
        self.sweep(&window);
    }

    /// Forgets instances that are gone, if these are many.
    fn sweep(&mut self, window: &Window) {
        const AT_ONCE: usize = 200;
        let counted = window.current.contributors + window.previous.contributors;
        if self.registers.len() as u64 <= 2 * counted + 16 {
            return;
        }
        let gone = self.registers.iter().filter(|it| !window.may_count(it.1));
        let gone: Vec<_> = gone.map(|it| *it.0).take(AT_ONCE).collect();
        for instance in gone {
            self.registers.remove(&instance);
        }
    }

    fn told(&self, now: u64, me: InstanceId, how: How) -> Told {
        let record = &self.record;
        let window = record.window.as_ref();
        Told {
            how,
            standing: record.standing(now),
            window: window.map_or(Sums::default(), |window| window.sums(now)),
            my_seq: self.registers.get(&me).map_or(0, |mine| mine.seq),
            settings: record.settings,
            revision: record.revision,
            lease: self.lease_of(now, me),
        }
    }

    fn lease_of(&self, now: u64, me: InstanceId) -> Option<Lease> {
        self.leases.get(&me)?.told(now)
    }
}
