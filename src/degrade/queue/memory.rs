//! [`Memory`]: an outbox that is gone with the process.

use std::{
    convert::Infallible,
    future::{Future, ready},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    entry::Entry,
    ledger::{Ledger, Room},
    outbox::{Lease, Outbox, Put, Take},
    store::{Removed, Store},
};

/// An outbox in memory: **not durable**. When the process ends, what is in it is lost, except what is [handed
/// back](Self::close).
///
/// A clone is another handle to the same one. It takes its time from tokio, so that tests can pause it.
///
/// Bounds: 1,000 entries and 16 MiB, unless [others](Self::bounded) are set. The [`Drainer`](super::Drainer) says how
/// old entries may become.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Nobody else's code runs under it, and nothing that was kept is dropped under it.
    store: Mutex<Store>,
    changed: Notify,
    ledger: Arc<Ledger>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// Makes an outbox with the usual bounds: 1,000 entries and 16 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(1_000, 16 << 20)
    }

    /// Makes an outbox of at most so many entries, which together take at most so many bytes. Each takes what is in it,
    /// and 256 bytes.
    #[must_use]
    pub fn bounded(entries: u32, bytes: u64) -> Self {
        Self(Arc::new(Shared {
            store: Mutex::default(),
            changed: Notify::new(),
            ledger: Ledger::new(entries, bytes),
        }))
    }

    /// Closes the outbox, and hands back what is in it, the oldest first. It accepts nothing more. What a drainer has
    /// just taken is not among that: the drainer hands it back when it ends.
    #[must_use = "what is dropped is lost"]
    pub fn close(&self) -> Vec<Entry> {
        let left = self.store().close(Instant::now());
        self.0.changed.notify_waiters();
        left
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, lease: Lease) -> bool {
        let removed: Removed = self.store().remove(lease, Instant::now());
        self.0.changed.notify_waiters();
        removed.is_some()
    }

    fn back(&self, lease: Lease, attempts: Option<u32>, wait: Duration) -> bool {
        let was_leased = self
            .store()
            .give_back(lease, attempts, wait, Instant::now());
        self.0.changed.notify_waiters();
        was_leased
    }
}

impl Outbox for Memory {
    type Error = Infallible;

    const DURABLE: bool = false;

    fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    async fn put(&self, entry: Entry, room: Room) -> Result<Put, Infallible> {
        let (put, _room) = self.store().put(entry, room, Instant::now());
        self.0.changed.notify_waiters();
        Ok(put)
    }

    async fn take(&self, lease: Duration) -> Result<Take, Infallible> {
        Ok(self.store().take(lease, Instant::now()))
    }

    async fn take_older_than(&self, age: Duration, lease: Duration) -> Result<Take, Infallible> {
        Ok(self.store().take_older_than(age, lease, Instant::now()))
    }

    fn done(&self, lease: Lease) -> impl Future<Output = Result<bool, Infallible>> + Send {
        ready(Ok(self.remove(lease)))
    }

    async fn give_back(
        &self,
        lease: Lease,
        attempts: u32,
        wait: Duration,
    ) -> Result<bool, Infallible> {
        Ok(self.back(lease, Some(attempts), wait))
    }

    fn abandon(&self, lease: Lease) {
        self.back(lease, None, Duration::ZERO);
    }

    async fn hand_back(&self) -> Vec<Entry> {
        self.close()
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.0.changed.notified()
    }

    fn oldest(&self) -> Option<Duration> {
        self.store().oldest(Instant::now())
    }
}
