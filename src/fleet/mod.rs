//! One circuit across instances.
//!
//! Fifty instances learn of an outage one by one, fifty times. If each has few calls, none ever learns. Here they share
//! what they see and what they have decided, through a [`Store`]: Redis, with the package `tower-breaker-redis`, or
//! memory in tests. No call ever waits for the store. Without it, each circuit is what it would be alone (rules N1 to
//! N9).

mod builder;
pub mod contract;
#[expect(clippy::module_inception, reason = "`Fleet` is what the room is of")]
mod fleet;
mod follow;
mod joining;
mod judge;
mod leading;
mod local;
mod member;
mod memory;
#[cfg(test)]
mod model;
mod pace;
mod pilot;
mod run;
mod said;
mod sane;
#[cfg(feature = "config")]
mod settings;
mod shard;
#[cfg(test)]
mod simulated;
mod status;
pub mod store;
mod table;
mod tracked;
pub mod wire;

pub use self::{
    builder::FleetBuilder,
    fleet::Fleet,
    memory::{Memory, Saved},
    status::FleetStatus,
    store::{Answer, Store, StoreError},
};
