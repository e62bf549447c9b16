//! [`Forgotten`]: when answers to a target were forgotten, so that what was asked for before is not kept after.

use std::sync::atomic::{AtomicU64, Ordering};

use super::key::Key;

/// Targets that share a place are forgotten together, as far as answers on their way are concerned.
const PLACES: usize = 256;

/// Numbers for what was forgotten, in their order.
///
/// All of it is relaxed. Who forgets takes the lock of the target after its number is there; who keeps has taken that
/// lock before it looks. So either what was kept is taken out, or the number is seen. A number that is read too late
/// when an answer is asked for only means that it is not kept.
pub(super) struct Forgotten {
    last: AtomicU64,
    all: AtomicU64,
    by_place: Box<[AtomicU64]>,
}

impl Forgotten {
    pub(super) fn new() -> Self {
        Self {
            last: AtomicU64::new(0),
            all: AtomicU64::new(0),
            by_place: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The last number that there is.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, target: Key) {
        self.place(target).fetch_max(self.next(), Ordering::Relaxed);
    }

    pub(super) fn add_all(&self) {
        self.all.fetch_max(self.next(), Ordering::Relaxed);
    }

    /// Whether answers to that target were forgotten after this number was the last.
    pub(super) fn is_after(&self, last: u64, target: Key) -> bool {
        let forgotten = self.place(target).load(Ordering::Relaxed);
        forgotten.max(self.all.load(Ordering::Relaxed)) > last
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn place(&self, target: Key) -> &AtomicU64 {
        &self.by_place[target.place(PLACES)]
    }
}
