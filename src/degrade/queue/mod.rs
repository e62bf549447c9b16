//! A call is kept, and made later.

mod allow;
mod attempt;
pub mod contract;
mod dead;
mod drainer;
mod entry;
mod held;
mod key;
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
    ledger::{Ledger, Room},
    memory::Memory,
    outbox::{Dead, Id, Lease, Leased, Outbox, Put, Take},
};
