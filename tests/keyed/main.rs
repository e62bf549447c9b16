//! One layer, one circuit for each key (rules J1 to J7).
#![cfg(feature = "registry")]

#[path = "../support/collisions.rs"]
mod collisions;
#[path = "../support/said.rs"]
mod said;
#[path = "../support/sockets.rs"]
mod sockets;

mod bulkhead;
mod by_response;
mod calling;
mod calls;
mod first_failure;
mod keys;
#[cfg(feature = "config")]
mod live;
mod memory;
mod races;
#[cfg(any(feature = "axum", feature = "reqwest"))]
mod servers;
mod without_key;
