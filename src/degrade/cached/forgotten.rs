//! [`Forgotten`]: when answers to a target were forgotten, so that what was asked for before is not kept after.

use std::sync::atomic::{AtomicU64, Ordering};

use super::key::Key;

/// Targets that share a place are forgotten together, as far as answers on their way are concerned.
const PLACES: usize = 256;

/// Numbers for what was forgotten, in their order.
///
/// All of it is relaxed. Who forgets adds a number, and then takes out the root, under the lock of its shard. Who keeps
/// gets the root under that lock, and then looks at the numbers. If the root was taken out before, the number is seen.
/// If it is taken out after, nobody comes any more to what is kept under it. A number that is read too late when an
/// answer is asked for only means that it is not kept.
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
