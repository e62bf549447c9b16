//! [`Ledger`]: how much room there is, and what became of all that was kept. [`Room`]: a part of it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::circuit::{
    handle::Circuit,
    parts::{QueueNow, ShownQueue},
};

use super::outbox::Outbox;

/// From now on the circuit shows this queue, unless it shows one already.
pub(super) fn show<O: Outbox>(circuit: &Circuit, outbox: &O) {
    let (outbox, ledger) = (outbox.clone(), outbox.ledger().clone());
    let shown = Shown { outbox, ledger };
    let _: bool = circuit.parts().show_queue(Box::new(shown));
}

/// What a circuit shows of its queue.
struct Shown<O> {
    outbox: O,
    ledger: Arc<Ledger>,
}

impl<O: Outbox> ShownQueue for Shown<O> {
    fn look(&self) -> QueueNow {
        self.ledger.look(self.outbox.oldest())
    }

    fn counted(&self) -> QueueNow {
        self.ledger.look(None)
    }
}

/// How much an outbox may hold, how much it holds, and what became of it so far. Each outbox has one.
///
/// Room is [taken](Self::reserve) before the body of a request is read, and goes with the [`Room`].
#[derive(Debug)]
pub struct Ledger {
    entries: u32,
    bytes: u64,
    used: Mutex<Used>,
    pub(super) totals: QueueTotals,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    /// With the requests that have room, but are not kept yet.
    all: u64,
    all_bytes: u64,
    /// Those that are kept.
    kept: u64,
    kept_bytes: u64,
}

/// What became of what was kept. Relaxed, because each says nothing of other memory.
#[derive(Debug, Default)]
pub(super) struct QueueTotals {
    pub(super) kept: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) dead: AtomicU64,
}

impl Ledger {
    /// Makes a ledger for an outbox of at most so many entries, which together take at most so many bytes.
    #[must_use]
    pub fn new(entries: u32, bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            entries,
            bytes,
            used: Mutex::default(),
            totals: QueueTotals::default(),
        })
    }

    /// Takes room for one entry of so many bytes, if there is any.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Room> {
        let mut used = self.used();
        let (entries, all) = (used.all + 1, used.all_bytes.checked_add(bytes)?);
        if entries > self.entries.into() || all > self.bytes {
            return None;
        }
        used.all = entries;
        used.all_bytes = all;
        drop(used);
        Some(self.room(bytes))
    }

    /// The room of an entry that was kept before, whether there is any: for an outbox that finds it when it is opened.
    pub fn found(self: &Arc<Self>, bytes: u64) -> Room {
        let mut used = self.used();
        used.all += 1;
        used.all_bytes = used.all_bytes.saturating_add(bytes);
        drop(used);
        self.room(bytes).with_entry()
    }

    fn room(self: &Arc<Self>, bytes: u64) -> Room {
        Room {
            ledger: self.clone(),
            bytes,
            is_kept: false,
        }
    }

    /// What there is to see of it.
    pub(super) fn look(&self, oldest: Option<Duration>) -> QueueNow {
        let used = *self.used();
        let read = |total: &AtomicU64| total.load(Ordering::Relaxed);
        QueueNow {
            entries: used.kept,
            bytes: used.kept_bytes,
            oldest,
            kept: read(&self.totals.kept),
            refused: read(&self.totals.refused),
            delivered: read(&self.totals.delivered),
            dead: read(&self.totals.dead),
        }
    }

    /// How many entries are kept.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.used().kept
    }

    /// How many bytes these take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.used().kept_bytes
    }

    /// How many entries and bytes there is room for, at most.
    #[must_use]
    pub fn bounds(&self) -> (u32, u64) {
        (self.entries, self.bytes)
    }

    /// Nobody else's code runs under it, so a panic leaves nothing behind.
    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds one to a total.
pub(super) fn count(total: &AtomicU64) {
    total.fetch_add(1, Ordering::Relaxed);
}

/// Room for one entry in an outbox. It is free again when this is dropped, so an outbox keeps it with the entry.
#[must_use = "what is dropped is free again"]
#[derive(Debug)]
pub struct Room {
    ledger: Arc<Ledger>,
    bytes: u64,
    is_kept: bool,
}

impl Room {
    /// How many bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is not needed is given back.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.ledger.used().all_bytes -= less;
        self.bytes -= less;
    }

    /// It has an entry now, which counts: what an outbox says of room that it keeps. So what is kept counts also if its
    /// caller goes away before the answer.
    pub fn kept(self) -> Self {
        if !self.is_kept {
            count(&self.ledger.totals.kept);
        }
        self.with_entry()
    }

    fn with_entry(mut self) -> Self {
        if !self.is_kept {
            let mut used = self.ledger.used();
            used.kept += 1;
            used.kept_bytes = used.kept_bytes.saturating_add(self.bytes);
        }
        self.is_kept = true;
        self
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut used = self.ledger.used();
        used.all -= 1;
        used.all_bytes = used.all_bytes.saturating_sub(self.bytes);
        if self.is_kept {
            used.kept -= 1;
            used.kept_bytes = used.kept_bytes.saturating_sub(self.bytes);
        }
    }
}
