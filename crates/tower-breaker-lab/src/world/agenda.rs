//! What is going to happen, the earliest first. What is for the same instant happens in the order in which it was put.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::Duration,
};

use super::attempt::Caller;

/// An attempt, by its place and its number. A place is used again; a number is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: usize,
    pub(super) number: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A call of an open loop comes, if this is still the next arrival: a phase may have moved it.
    Arrives(u64),
    /// This client calls.
    Calls(u32),
    /// A caller tries once more.
    Again(Caller),
    /// The dependency is through with an attempt.
    Answers(Key),
    /// An attempt has been in the queue for too long.
    QueuedTooLong(Key),
    /// An attempt has taken as long as it may.
    TakesTooLong(Key),
    /// Who has waited longest for a worker may have one now.
    WorkerIsFree,
    /// Who has waited longest for a worker may have waited for too long.
    OutOfPatience,
    /// The phase with this number begins.
    Phase(usize),
    /// A step is over.
    Step,
    /// All breakers think.
    Think,
}

#[derive(Debug)]
struct Entry {
    at: Duration,
    order: u64,
    event: Event,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    order: u64,
}

impl Agenda {
    pub(super) fn put(&mut self, at: Duration, event: Event) {
        let order = self.order;
        self.order += 1;
        self.entries.push(Reverse(Entry { at, order, event }));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Calls that wait for their next try.
    pub(super) fn wait_to_try_again(&self) -> usize {
        let waits = |entry: &&Reverse<Entry>| matches!(entry.0.event, Event::Again(_));
        self.entries.iter().filter(waits).count()
    }

    /// The next that happens before `end`.
    pub(super) fn next(&mut self, end: Duration) -> Option<(Duration, Event)> {
        if self.entries.peek()?.0.at >= end {
            return None;
        }
        self.entries
            .pop()
            .map(|Reverse(entry)| (entry.at, entry.event))
    }
}
