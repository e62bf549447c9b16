//! The test of what every outbox has to do finds each outbox that does not do it.

use std::{
    convert::Infallible,
    future::{Future, pending},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use tower_breaker::degrade::queue::{
    Dead, Entry, Lease, Ledger, Memory, Outbox, Put, Room, Take, contract,
};

use crate::support::{message_of, secs};

/// What an outbox does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// What it gives away, it gives to the next as well.
    TakenTwice,
    /// What it has never given away was tried once.
    Tried,
    /// What is given up stays.
    BuriesNothing,
    /// It forgets how often an entry was tried.
    ForgetsAttempts,
    /// Whoever has taken an entry has it.
    NoLeaseEnds,
    /// It looks for nothing that is old.
    NothingIsOld,
    TellsNoChange,
    TellsChangesThatAreNone,
    HandsNothingBack,
}

/// An outbox that is right but for one thing.
#[derive(Clone)]
struct Wrong(Memory, Fault);

impl Outbox for Wrong {
    type Error = Infallible;

    const DURABLE: bool = false;

    fn ledger(&self) -> &Arc<Ledger> {
        self.0.ledger()
    }

    async fn put(&self, entry: Entry, room: Room) -> Result<Put, Infallible> {
        self.0.put(entry, room).await
    }

    async fn take(&self, lease: Duration) -> Result<Take, Infallible> {
        let lease = match self.1 {
            Fault::NoLeaseEnds => secs(1_000_000),
            _ => lease,
        };
        let mut taken = self.0.take(lease).await?;
        if let Take::One(leased) = &mut taken {
            match self.1 {
                Fault::TakenTwice => self.0.abandon(leased.lease),
                Fault::Tried => leased.attempts += 1,
                _ => {}
            }
        }
        Ok(taken)
    }

    async fn take_older_than(&self, age: Duration, lease: Duration) -> Result<Take, Infallible> {
        match self.1 {
            Fault::NothingIsOld => Ok(Take::Nothing(None)),
            _ => self.0.take_older_than(age, lease).await,
        }
    }

    async fn done(&self, lease: Lease) -> Result<bool, Infallible> {
        self.0.done(lease).await
    }

    async fn bury(&self, lease: Lease, why: Dead) -> Result<bool, Infallible> {
        match self.1 {
            Fault::BuriesNothing => Ok(true),
            _ => self.0.bury(lease, why).await,
        }
    }

    async fn give_back(
        &self,
        lease: Lease,
        attempts: u32,
        wait: Duration,
    ) -> Result<bool, Infallible> {
        let attempts = match self.1 {
            Fault::ForgetsAttempts => 0,
            _ => attempts,
        };
        self.0.give_back(lease, attempts, wait).await
    }

    fn abandon(&self, lease: Lease) {
        self.0.abandon(lease);
    }

    async fn hand_back(&self) -> Vec<Entry> {
        match self.1 {
            Fault::HandsNothingBack => Vec::new(),
            _ => self.0.hand_back().await,
        }
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        // From now on, and not from when it is polled.
        let (changed, fault) = (self.0.changed(), self.1);
        async move {
            match fault {
                Fault::TellsNoChange => pending().await,
                Fault::TellsChangesThatAreNone => {}
                _ => changed.await,
            }
        }
    }
}

/// What is said of an outbox with this fault.
async fn complaint(fault: Fault) -> String {
    let check = contract::check(async || Wrong(Memory::bounded(10, 10 << 10), fault));
    let checked = AssertUnwindSafe(check).catch_unwind().await;
    message_of(&*checked.expect_err("it is found"))
}

// M6, M7
#[tokio::test(start_paused = true)]
async fn each_fault_of_an_outbox_is_found() {
    for (fault, said) in [
        (Fault::TakenTwice, "it is taken already"),
        (Fault::Tried, "nobody has tried it"),
        (Fault::BuriesNothing, "`a3` can be taken"),
        (Fault::ForgetsAttempts, "as it was given back"),
        (Fault::NoLeaseEnds, "`one` can be taken"),
        (Fault::NothingIsOld, "it says when it will be"),
        (Fault::TellsNoChange, "something was put"),
        (Fault::TellsChangesThatAreNone, "would never rest"),
        (Fault::HandsNothingBack, "what nobody has taken, in order"),
    ] {
        let complaint = complaint(fault).await;
        assert!(complaint.contains(said), "{fault:?}: {complaint}");
    }
}
