//! [`Forgotten`]: when answers to a target, or to one who asks it, were forgotten, so that what was asked for before is
//! not kept after.

use std::sync::atomic::{AtomicU64, Ordering};

use super::key::Key;

/// Those that share a place are forgotten together, as far as answers on their way are concerned.
const PLACES: usize = 256;

/// Numbers for what was forgotten, in their order.
///
/// All of it is relaxed. Who forgets adds a number, and then takes out the root, under the lock of its shard. Who keeps
/// gets the root under that lock, and then looks at the numbers. If the root was taken out before, the number is seen.
/// If it is taken out after, nobody comes any more to what is kept under it. A number that is read too late when an
/// answer is asked for only means that it is not kept. For one who asks, both do it under the lock for who keeps.
pub(super) struct Forgotten {
    last: AtomicU64,
    all: AtomicU64,
    targets: Places,
    askers: Places,
}

struct Places(Box<[AtomicU64]>);

impl Places {
    fn new() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }

    fn of(&self, key: Key) -> &AtomicU64 {
        &self.0[key.place(PLACES)]
    }
}

impl Forgotten {
    pub(super) fn new() -> Self {
        Self {
            last: AtomicU64::new(0),
            all: AtomicU64::new(0),
            targets: Places::new(),
            askers: Places::new(),
        }
    }

    /// The last number that there is.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    pub(super) fn add_target(&self, target: Key) {
        let place = self.targets.of(target);
        place.fetch_max(self.next(), Ordering::Relaxed);
    }

    pub(super) fn add_asker(&self, asker: Key) {
        let place = self.askers.of(asker);
        place.fetch_max(self.next(), Ordering::Relaxed);
    }

    pub(super) fn add_all(&self) {
        self.all.fetch_max(self.next(), Ordering::Relaxed);
    }

    /// Whether answers to that target, or to him who asks it, were forgotten after this number was the last.
    pub(super) fn is_after(&self, last: u64, target: Key, asker: Key) -> bool {
        let numbers = [&self.all, self.targets.of(target), self.askers.of(asker)];
        let mut numbers = numbers.into_iter();
        numbers.any(|number| number.load(Ordering::Relaxed) > last)
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}
