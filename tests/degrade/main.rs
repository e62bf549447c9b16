//! What callers get when a dependency has no answer (rules M1 to M9).
#![cfg(feature = "degrade")]

#[cfg(feature = "cached")]
#[path = "../support/explore.rs"]
mod explore;
#[path = "../support/said.rs"]
mod said;
#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "cached")]
mod cached;
mod drainer;
mod fallback;
mod hold;
mod isolation;
mod queue;
mod queue_contract;
mod queue_hostile;
mod queue_model;
mod queue_whole;
#[cfg(feature = "retries")]
mod retries;
#[path = "../support/sockets.rs"]
mod sockets;
mod stack;
#[cfg(feature = "retries")]
mod storm;
#[cfg(all(feature = "cached", feature = "retries"))]
mod traps;
#[cfg(all(feature = "cached", feature = "retries"))]
mod whole;
