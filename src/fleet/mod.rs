//! One circuit across instances.
//!
//! With fifty instances each learns of an outage alone, fifty times; and where each has few calls, none ever learns.
//! Here they share what they see and what they have decided, through a [`Store`]: Redis, say, with the package
//! `tower-breaker-redis`, or memory in tests. No call ever waits for the store, and without it each circuit is what
//! it would be alone (rules N1 to N9).

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
