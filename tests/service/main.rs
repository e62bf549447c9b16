//! The breaker as a Tower service, with inner services made for the test: readiness, clones, drops and panics,
//! what counts as a failure, what a rejection becomes, what a call costs, and what neighbours make of it.
//!
//! `costs` counts allocations, by thread, so it may share a process with the rest.

#[cfg(feature = "retry-after")]
#[path = "../support/misbehaving.rs"]
mod misbehaving;
#[path = "../support/sockets.rs"]
mod sockets;
#[path = "../support/mod.rs"]
mod support;

mod bulkhead;
mod call_timeout;
mod classifiers;
mod costs;
mod drops_and_panics;
mod neighbours;
mod probe_timeout;
mod readiness;
mod rejections;
#[cfg(feature = "retry-after")]
mod retry_after;
mod tower_contract;
