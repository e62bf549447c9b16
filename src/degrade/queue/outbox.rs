//! [`Outbox`]: where requests are kept for later.

use std::{error::Error, fmt, future::Future, sync::Arc, time::Duration};

use http::StatusCode;

use super::{
    entry::Entry,
    ledger::{Ledger, Room},
};

/// Where requests are kept for later: [`Memory`](super::Memory), or an outbox of your own that is durable.
///
/// Layers [put](Self::put) entries in. A [`Drainer`](super::Drainer) [takes](Self::take) them for a time, the *lease*,
/// and then says what became of them. If it does not, because it is gone, the lease ends, and another drainer takes the
/// entry.
///
/// A clone is another handle to the same outbox.
///
/// Every outbox has to keep these rules. [`contract::check`](super::contract::check) checks them:
///
/// * Entries of the same [order key](Entry::order_key) are taken in the order in which they were put. While one of them
///   has a lease, or waits for its next try, those behind it are not taken.
/// * An entry is taken by one at a time. A lease that has ended changes nothing any more: `done`, `bury` and
///   `give_back` return `false`.
/// * The [`Room`] of an entry is [kept](Room::kept) with it, and dropped with it.
/// * Each method can be dropped while it waits. Then it has done all of its work, or nothing.
pub trait Outbox: Clone + Send + Sync + 'static {
    /// What may go wrong with the store itself.
    type Error: Error + Send + Sync + 'static;

    /// Whether what was put outlives the process. If not, [`OutboxLayer`](super::OutboxLayer) does not compile with it.
    const DURABLE: bool;

    /// Its bounds and counters.
    fn ledger(&self) -> &Arc<Ledger>;

    /// Keeps an entry. When this returns [`Put::Kept`], the caller is answered with a 202. So if the outbox is durable,
    /// the entry must be stored durably by then.
    fn put(
        &self,
        entry: Entry,
        room: Room,
    ) -> impl Future<Output = Result<Put, Self::Error>> + Send;

    /// Takes the entry whose turn came first, for the time of `lease`. The turn of an entry comes when it is put, and
    /// again when the wait after its last try is over. So what fails again and again comes after what has not failed.
    fn take(&self, lease: Duration) -> impl Future<Output = Result<Take, Self::Error>> + Send;

    /// Takes the oldest entry that is older than `age`, also if it waits for its next try.
    fn take_older_than(
        &self,
        age: Duration,
        lease: Duration,
    ) -> impl Future<Output = Result<Take, Self::Error>> + Send;

    /// Removes an entry that was delivered. Returns false if the lease was over.
    fn done(&self, lease: Lease) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Removes an entry that is given up. An outbox may keep it elsewhere. Returns false if the lease was over.
    fn bury(
        &self,
        lease: Lease,
        why: Dead,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        let _ = why;
        self.done(lease)
    }

    /// Gives back an entry that was not delivered. It has been tried `attempts` times so far, and may be taken again
    /// after `wait`. Without a wait, it has its turn as before. Returns false if the lease was over.
    fn give_back(
        &self,
        lease: Lease,
        attempts: u32,
        wait: Duration,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Gives back an entry whose drainer is gone. Nobody waits for this. By default it does nothing, and the lease ends
    /// by its time.
    fn abandon(&self, lease: Lease) {
        let _ = lease;
    }

    /// Is called when the drainer has ended. An outbox that is not durable keeps nothing from now on ([`Put::Closed`]).
    /// It returns what it has, the oldest first, except what others have taken. A durable one goes on, and returns
    /// nothing: the default.
    fn hand_back(&self) -> impl Future<Output = Vec<Entry>> + Send {
        async { Vec::new() }
    }

    /// Waits until something may have been put, given back or removed since this was called, so that there may be
    /// something to take. By default it ends after a second, for outboxes that do not know. A look is no change: a
    /// drainer looks whenever there is a change.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(Duration::from_secs(1))
    }

    /// For how long the oldest entry has been there, if that is known without waiting.
    fn oldest(&self) -> Option<Duration> {
        None
    }
}

/// The number of an entry. Those that were put later have greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

/// Proof that somebody has taken an entry. No two leases are the same, not even of the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Lease {
    /// Which entry.
    pub id: Id,
    /// Which of its leases.
    pub number: u64,
}

impl Lease {
    /// For an outbox that makes one.
    #[must_use]
    pub fn new(id: Id, number: u64) -> Self {
        Self { id, number }
    }
}

/// What became of an entry that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Put {
    /// It is kept.
    Kept(Id),
    /// It is not kept: the outbox accepts nothing any more.
    Closed,
}

/// What there is to take.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub enum Take {
    /// An entry, for the time of its lease.
    One(Leased),
    /// Nothing at the moment. If nothing [changes](Outbox::changed), there may be something after this time.
    Nothing(Option<Duration>),
}

/// An entry that somebody has taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Leased {
    /// The lease, by which the entry is done or given back.
    pub lease: Lease,
    /// The request.
    pub entry: Entry,
    /// How often the entry was tried so far.
    pub attempts: u32,
    /// How long the entry has been there.
    pub age: Duration,
}

impl Leased {
    /// For an outbox that makes one.
    #[must_use]
    pub fn new(lease: Lease, entry: Entry, attempts: u32, age: Duration) -> Self {
        Self {
            lease,
            entry,
            attempts,
            age,
        }
    }
}

/// Why an entry is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dead {
    /// It was tried as often as it may be.
    TooManyAttempts,
    /// It has been there for too long.
    TooOld,
    /// The dependency has answered, and does not want it: the status is of the caller's errors.
    Answered(StatusCode),
}

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyAttempts => f.write_str("it was tried too often"),
            Self::TooOld => f.write_str("it was kept for too long"),
            Self::Answered(status) => write!(f, "the answer was {status}"),
        }
    }
}
