//! A call is kept, and made later.

mod allow;
mod attempt;
mod collect;
pub mod contract;
mod dead;
mod drainer;
mod entry;
mod future;
mod held;
mod hold;
mod intake;
mod key;
mod later;
mod layers;
mod ledger;
mod memory;
mod outbox;
mod rate;
mod store;
mod verdict;

pub use self::{
    allow::CredentialHeader,
    dead::DeadLetter,
    drainer::{Drained, Drainer},
    entry::{Entry, IDEMPOTENCY_KEY},
    future::QueueFuture,
    hold::{Hold, HoldLayer},
    intake::Accepted,
    later::Later,
    layers::{DeferLayer, OutboxLayer},
    ledger::{Ledger, Room},
    memory::Memory,
    outbox::{Dead, Id, Lease, Leased, Outbox, Put, Take},
};
