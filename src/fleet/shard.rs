//! A shard of the store, and the circuits that are there (rules N2, N4, N7).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    fleet::{Common, lock},
    follow::Left,
    member::{Member, Part},
    pace::{Chance, Pace},
    pilot::{Ask, Reply},
    sane::{is_sane_decision, sane},
    store::StoreError,
    tracked::{Pass, Tracked, Wants},
    wire::{
        Changed, Decide, Done, Exchange, Exchanged, How, InstanceId, Key, Look, MOST_LOOKS, Odd,
        Place, Proposal, Told,
    },
};
use crate::{circuit::followed::Why, machine::nanos};

/// At most so many circuits are looked at in a turn, so that it holds up nobody for long: about 2 ms.
const MOST_IN_A_TURN: usize = 1_000;

/// After so many proposals in a row, reports are due.
const MOST_PROPOSALS: u32 = 20;

/// What all shards have in common.
pub(super) struct Surroundings {
    pub(super) common: Arc<Common>,
    pub(super) instance: InstanceId,
    /// Of its last report.
    pub(super) seq: u64,
    /// For when.
    pub(super) chance: Chance,
    /// For what is to be another number in each instance.
    pub(super) nonces: Chance,
    /// Seats of circuits that are gone, for those that are made anew under their names.
    pub(super) left: HashMap<Key, Left>,
}

pub(super) struct Shard {
    place: Place,
    circuits: Vec<Tracked>,
    by_key: HashMap<Key, usize>,
    under_way: Option<UnderWay>,
    /// When all circuits are looked at next.
    tick_at: u64,
    /// At how many of them, still.
    round: usize,
    /// How many have something to report.
    reporting: u64,
    /// Which was the last.
    from: usize,
    /// When the store is asked at the latest what has changed.
    poll_at: u64,
    /// When it was asked that last.
    polled: Option<u64>,
    /// The newest change that is known.
    seen: u64,
    /// When the store may be asked again that has failed.
    retry_at: u64,
    failures: u32,
    writes: Writes,
    /// When it was asked what it has answered last.
    heard: Option<u64>,
    /// Why it did not answer, if that was later.
    why: Why,
    part: Part,
    /// When somebody is to be looked at, before the next tick.
    soonest: u64,
    proposals: Vec<Key>,
    in_a_row: u32,
    looks: Vec<Key>,
}

struct UnderWay {
    asked: u64,
    what: What,
}

enum What {
    Exchange(Vec<Key>),
    /// The same, with reports.
    Reports(Vec<Key>),
    Decide(Key, Proposal),
}

/// Whether the store keeps what it is told. A replica, and one that is full, tells what it has and takes nothing. With
/// such a store no seat would ever be given, and led circuits would be held for ever. So once it has refused something,
/// it counts as one that does not answer, until it takes something or some time has passed.
///
/// What is only lost is no refusal, but for the third in a row, while it answers what it is asked in between.
#[derive(Default)]
struct Writes {
    refused_at: Option<u64>,
    lost: u32,
    /// It has answered since something was lost.
    answered: bool,
    /// How often it was tried again in vain.
    tries: u32,
}

impl Writes {
    fn failed(&mut self, why: Why, now: u64) {
        const LOST: u32 = 3;
        let again = u32::from(std::mem::take(&mut self.answered));
        self.lost = self.lost.saturating_add(again).max(1);
        let is_silent = matches!(why, Why::TimedOut | Why::NotReached);
        if !is_silent || self.lost >= LOST {
            self.refused_at.get_or_insert(now);
        }
    }

    /// Whether an answer counts. `wrote`: something was kept, of whomever.
    fn count(&mut self, wrote: bool, pace: &Pace, now: u64) -> bool {
        self.answered = true;
        if wrote {
            *self = Self::default();
        }
        let Some(at) = self.refused_at else {
            return true;
        };
        let over = now >= at.saturating_add(pace.patience(self.tries));
        if over {
            self.refused_at = None;
            self.tries = self.tries.saturating_add(1);
        }
        over
    }
}

impl What {
    /// An answer of this kind, for as many circuits, or the store makes no sense.
    fn check(&self, reply: Reply) -> Result<Reply, StoreError> {
        match (self, &reply) {
            (Self::Exchange(names) | Self::Reports(names), Reply::Exchanged(told))
                if told.circuits.len() == names.len() => {}
            (Self::Decide(..), Reply::Decided(told)) if is_sane_decision(told) => {}
            _ => {
                let text = "an answer to something else";
                return Err(StoreError::new(Why::Nonsense, text));
            }
        }
        Ok(reply)
    }
}

impl Surroundings {
    /// Another one speaks in its name.
    pub(super) fn renew(&mut self) {
        self.instance = InstanceId(self.nonces.next());
    }

    fn nonce(&mut self) -> u32 {
        // The upper half.
        u32::try_from(self.nonces.next() >> 32).unwrap_or(0)
    }
}

impl Shard {
    pub(super) fn new(fleet: Arc<str>, number: u32, now: u64) -> Self {
        Self {
            place: Place {
                fleet,
                shard: number,
            },
            circuits: Vec::new(),
            by_key: HashMap::new(),
            under_way: None,
            tick_at: now,
            round: 0,
            reporting: 0,
            from: 0,
            poll_at: now,
            polled: None,
            seen: 0,
            retry_at: 0,
            failures: 0,
            writes: Writes::default(),
            heard: None,
            why: Why::NotReached,
            part: Part::new(now),
            soonest: u64::MAX,
            proposals: Vec::new(),
            in_a_row: 0,
            looks: Vec::new(),
        }
    }

    pub(super) fn part(&self) -> Part {
        self.part
    }

    /// Whether there is anything to ask it. A fleet without circuits asks the first, to know whether it is there.
    pub(super) fn is_used(&self) -> bool {
        !self.circuits.is_empty() || self.place.shard == 0
    }

    /// The most instances that a circuit has.
    pub(super) fn contributors(&self) -> u64 {
        let contributors = self.circuits.iter().map(Tracked::contributors);
        contributors.max().unwrap_or(0)
    }

    // Who is there.

    /// Keeps those that are still there, and takes them off the list of those who have come.
    pub(super) fn keep(
        &mut self,
        come: &mut HashMap<Key, Arc<Member>>,
        around: &mut Surroundings,
        now: u64,
    ) {
        let mut at = 0;
        while let Some(circuit) = self.circuits.get(at) {
            let key = circuit.key();
            match come.get(key) {
                Some(same) if circuit.is(same) => {
                    come.remove(key);
                    at += 1;
                }
                _ => self.leave(at, around, now),
            }
        }
    }

    /// It is gone, or another one of its name takes its place.
    fn leave(&mut self, at: usize, around: &mut Surroundings, now: u64) {
        let mut left = self.circuits.swap_remove(at);
        self.by_key.remove(left.key());
        if let Some(moved) = self.circuits.get(at) {
            self.by_key.insert(moved.key().clone(), at);
        }
        left.leave(around, Why::Replaced, now);
        let key = left.key().clone();
        around.left.extend(left.left().map(|seats| (key, seats)));
    }

    pub(super) fn add(&mut self, member: Arc<Member>, around: &mut Surroundings, now: u64) {
        self.by_key.insert(member.key.clone(), self.circuits.len());
        let left = around.left.remove(&member.key);
        let tracked = Tracked::new((member, left), &around.common, &mut around.chance, now);
        self.circuits.push(tracked);
    }

    /// The circuit of which the store was asked, and has answered or failed, if it is still there.
    fn asked(&mut self, key: &Key) -> Option<&mut Tracked> {
        let circuit = self.find(key)?;
        circuit.takes_answer().then_some(circuit)
    }

    fn find(&mut self, key: &Key) -> Option<&mut Tracked> {
        let at = *self.by_key.get(key)?;
        self.circuits.get_mut(at)
    }

    /// The whole fleet is turned off here.
    pub(super) fn stop(&mut self, around: &mut Surroundings, now: u64) {
        self.heard = None;
        self.why = Why::Off;
        self.set_why(Why::Off, now);
        for circuit in &mut self.circuits {
            circuit.leave(around, Why::Off, now);
        }
    }

    /// Nobody asks any more.
    pub(super) fn end(&mut self, why: Why, now: u64) {
        for circuit in &mut self.circuits {
            circuit.end(why, now);
        }
    }

    // When.

    /// A look at the store is due then, at the latest.
    pub(super) fn look_at(&mut self, at: u64) {
        self.poll_at = self.poll_at.min(at);
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> u64 {
        if !self.is_used() {
            return u64::MAX;
        }
        if self.under_way.is_some() {
            return self.tick_at;
        }
        let said = self.soonest.min(self.poll_at).max(self.retry_at);
        said.min(self.tick_at)
    }

    /// Looks at its circuits: at all of them from time to time, and at those that have said that there is something to
    /// look at. Where they are many, it goes on in the next turn.
    pub(super) fn turn(&mut self, around: &mut Surroundings, now: u64) {
        if now >= self.tick_at {
            let pace = &around.common.pace;
            self.tick_at = now.saturating_add(pace.tick(&mut around.chance));
            self.round = pace.in_a_round(self.circuits.len());
            let reporting = self
                .circuits
                .iter()
                .filter(|circuit| circuit.is_reporting());
            self.reporting = u64::try_from(reporting.count()).unwrap_or(u64::MAX);
        }
        self.note_silence(around, now);
        self.clean_lists();
        self.soonest = u64::MAX;
        let pass = self.pass(now);
        let count = self.circuits.len();
        let mut looked = 0;
        self.round = self.round.min(count);
        while self.round > 0 && looked < MOST_IN_A_TURN {
            self.from = (self.from + 1) % count;
            self.examine(self.from, around, &pass);
            (self.round, looked) = (self.round - 1, looked + 1);
        }
        for at in 0..count {
            let circuit = &self.circuits[at];
            if looked < MOST_IN_A_TURN && circuit.is_due(now) {
                self.examine(at, around, &pass);
                looked += 1;
            }
            self.soonest = self.soonest.min(self.circuits[at].due_at());
        }
        if self.round > 0 || !(self.looks.is_empty() && self.proposals.is_empty()) {
            self.soonest = now;
        }
    }

    fn examine(&mut self, at: usize, around: &mut Surroundings, pass: &Pass) {
        let circuit = &mut self.circuits[at];
        match circuit.examine(around, pass) {
            Some(Wants::Exchange) => self.looks.push(circuit.key().clone()),
            Some(Wants::Decide) => self.proposals.push(circuit.key().clone()),
            None => {}
        }
    }

    /// Those that are gone, or have something else to say by now, are not taken off. That is made up for when they are
    /// more than the others.
    fn clean_lists(&mut self) {
        let listed = self.looks.len() + self.proposals.len();
        if listed > 2 * self.circuits.len() + MOST_LOOKS {
            self.looks.clear();
            self.proposals.clear();
            for circuit in &mut self.circuits {
                circuit.unlisted();
            }
        }
    }

    fn pass(&self, now: u64) -> Pass {
        Pass {
            now,
            confirmed: self.polled,
            why: self.why,
            reporting: self.reporting,
        }
    }

    /// It has not answered for so long that all are alone.
    fn note_silence(&mut self, around: &Surroundings, now: u64) {
        let detach_after = nanos(around.common.pace.detach_after);
        let over = |heard: u64| now >= heard.saturating_add(detach_after);
        if self.part.why.is_some() || self.heard.is_none_or(over) {
            self.set_why(self.why, now);
        }
    }

    fn set_why(&mut self, why: Why, now: u64) {
        let since = match self.part.why {
            Some(_) => self.part.since,
            None => now,
        };
        self.part = Part {
            why: Some(why),
            since,
        };
    }

    // What is said.

    /// What is to be said now: proposals first, but not for ever.
    pub(super) fn ask(&mut self, around: &mut Surroundings, now: u64) -> Option<Ask> {
        if self.under_way.is_some() || now < self.retry_at || !self.is_used() {
            return None;
        }
        let proposal = if self.in_a_row < MOST_PROPOSALS || self.looks.is_empty() {
            self.propose(around, now)
        } else {
            None
        };
        let (ask, what) = match proposal {
            Some(decide) => {
                self.in_a_row += 1;
                let (name, what) = (decide.name.clone(), decide.what.clone());
                (Ask::Decide(decide), What::Decide(name, what))
            }
            None => {
                self.in_a_row = 0;
                let (exchange, what) = self.exchange(around, now)?;
                (Ask::Exchange(exchange), what)
            }
        };
        self.under_way = Some(UnderWay { asked: now, what });
        Some(ask)
    }

    fn propose(&mut self, around: &mut Surroundings, now: u64) -> Option<Decide> {
        while let Some(name) = self.proposals.pop() {
            let circuit = self.find(&name);
            let proposed = circuit.and_then(|circuit| circuit.propose(now));
            if let Some((seen, what)) = proposed {
                return Some(Decide {
                    place: self.place.clone(),
                    instance: around.instance,
                    name,
                    seen,
                    nonce: around.nonce(),
                    what,
                });
            }
        }
        None
    }

    fn exchange(&mut self, around: &mut Surroundings, now: u64) -> Option<(Exchange, What)> {
        if self.looks.is_empty() && now < self.poll_at {
            return None;
        }
        let mut circuits = Vec::new();
        while circuits.len() < MOST_LOOKS {
            let Some(name) = self.looks.pop() else {
                break;
            };
            let circuit = self.find(&name);
            circuits.extend(circuit.and_then(|circuit| circuit.ask(&mut around.seq, now)));
        }
        let reports = circuits.iter().filter(|look: &&Look| look.report.is_some());
        let reports = u64::try_from(reports.count()).unwrap_or(0);
        around
            .common
            .counted
            .reports
            .fetch_add(reports, Ordering::Relaxed);
        let names = circuits.iter().map(|look| look.name.clone()).collect();
        let what = match reports {
            0 => What::Exchange(names),
            _ => What::Reports(names),
        };
        let exchange = Exchange {
            place: self.place.clone(),
            instance: around.instance,
            seen: self.seen,
            circuits,
        };
        Some((exchange, what))
    }

    // What is answered.

    pub(super) fn answered(
        &mut self,
        around: &mut Surroundings,
        reply: Result<Reply, StoreError>,
        now: u64,
    ) {
        let Some(UnderWay { asked, what }) = self.under_way.take() else {
            return;
        };
        let reply = reply.and_then(|reply| what.check(reply));
        if reply.is_ok() && !matches!(what, What::Exchange(_)) {
            self.writes.lost = 0;
        }
        match (what, reply) {
            (What::Exchange(names) | What::Reports(names), Ok(Reply::Exchanged(told))) => {
                let counted = |told: &Result<Told, Odd>| {
                    told.as_ref().is_ok_and(|told| told.how == How::Counted)
                };
                let wrote = told.circuits.iter().any(counted);
                let counts = self.writes.count(wrote, &around.common.pace, now);
                match counts {
                    true => self.exchanged(&names, told, around, (asked, now)),
                    false => self.exchanged_in_vain(&names, around, now),
                }
            }
            (What::Decide(name, proposal), Ok(Reply::Decided(told))) => {
                count(&around.common.counted.decisions);
                let wrote = matches!(told.done, Done::Yes | Done::Late);
                if self.writes.count(wrote, &around.common.pace, now) {
                    self.reached(asked, now);
                    if let Some(circuit) = self.asked(&name) {
                        circuit.decided(&proposal, &told, around, (asked, now));
                    }
                }
            }
            // It has something against this one.
            (What::Decide(name, _), Err(error)) if error.why == Why::Nonsense => {
                count(&around.common.counted.failures);
                *lock(&around.common.last_error) = Some(error);
                if let Some(circuit) = self.asked(&name) {
                    circuit.cannot_decide(around, now);
                }
            }
            (what, Err(error)) => self.failed(&what, error, around, now),
            // It was checked.
            (_, Ok(_)) => {}
        }
    }

    /// Nobody wants to know any more.
    pub(super) fn drop_answer(&mut self) {
        self.under_way = None;
    }

    /// The store tells what it has, and takes nothing.
    fn exchanged_in_vain(&mut self, names: &[Key], around: &Surroundings, now: u64) {
        count(&around.common.counted.exchanges);
        self.poll_at = now.saturating_add(self.poll_again(&around.common.pace));
        self.retry_at = self.poll_at;
        for name in names {
            if let Some(circuit) = self.asked(name) {
                circuit.examine_soon();
            }
        }
    }

    fn exchanged(
        &mut self,
        names: &[Key],
        told: Exchanged,
        around: &mut Surroundings,
        (asked, now): (u64, u64),
    ) {
        self.reached(asked, now);
        count(&around.common.counted.exchanges);
        self.polled = Some(asked);
        let again = self.poll_again(&around.common.pace);
        self.poll_at = now.saturating_add(again);
        self.changed(&told, names);
        for circuit in self.circuits.iter_mut().filter(|circuit| circuit.is_led()) {
            // Its hold is moved on.
            circuit.examine_soon();
        }
        for (name, told) in names.iter().zip(told.circuits) {
            if let Some(circuit) = self.asked(name) {
                circuit.heard(sane(told), around, (asked, now));
            }
        }
    }

    /// Who is led has to hear in time that it still is.
    fn poll_again(&self, pace: &Pace) -> u64 {
        let poll = nanos(pace.poll);
        match self.circuits.iter().any(Tracked::is_led) {
            true => poll.min(pace.led()),
            false => poll,
        }
    }

    /// Those of which something may have been decided. What was just asked for is in the answer.
    fn changed(&mut self, told: &Exchanged, asked: &[Key]) {
        let forgotten = told.newest < self.seen;
        self.seen = told.newest;
        match &told.changed {
            Changed::Names(names) if !forgotten && names.len() <= MOST_LOOKS => {
                for name in names.iter().filter(|name| !asked.contains(name)) {
                    if let Some(circuit) = self.find(name) {
                        circuit.may_have_changed();
                    }
                }
            }
            Changed::All | Changed::Names(_) => {
                for circuit in &mut self.circuits {
                    circuit.may_have_changed();
                }
            }
        }
    }

    fn reached(&mut self, asked: u64, now: u64) {
        self.failures = 0;
        self.heard = Some(asked);
        self.why = Why::NotReached;
        if self.part.why.is_some() {
            self.part = Part {
                why: None,
                since: now,
            };
        }
    }

    /// Nothing is sent again: the next turn says it anew.
    fn failed(&mut self, what: &What, error: StoreError, around: &mut Surroundings, now: u64) {
        self.failures = self.failures.saturating_add(1);
        let pace = &around.common.pace;
        let wait = pace.retry(self.failures, &mut around.chance);
        self.retry_at = now.saturating_add(wait);
        self.why = error.why;
        if !matches!(what, What::Exchange(_)) {
            self.writes.failed(error.why, now);
        }
        let counted = &around.common.counted;
        count(&counted.failures);
        if error.why == Why::Nonsense {
            count(&counted.refused);
        }
        *lock(&around.common.last_error) = Some(error);
        let names = match what {
            What::Exchange(names) | What::Reports(names) => &names[..],
            What::Decide(name, _) => std::slice::from_ref(name),
        };
        for name in names {
            if let Some(circuit) = self.asked(name) {
                circuit.examine_soon();
            }
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
