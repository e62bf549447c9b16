//! A call is kept, and made later.

mod allow;
pub mod contract;
mod entry;
mod key;
mod ledger;
mod memory;
mod outbox;
mod store;

pub use self::{
    allow::CredentialHeader,
    entry::{Entry, IDEMPOTENCY_KEY},
    ledger::{Ledger, Room},
    memory::Memory,
    outbox::{Dead, Id, Lease, Leased, Outbox, Put, Take},
};
