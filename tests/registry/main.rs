//! Circuits by name (rules I1 to I6).
#![cfg(feature = "registry")]

#[path = "../support/collisions.rs"]
mod collisions;
#[cfg(feature = "config")]
#[path = "../support/explore.rs"]
mod explore;

mod caps;
mod crowd;
mod events;
mod memory;
#[cfg(feature = "config")]
mod model;
mod names;
mod races;
mod strangers;

use tower_breaker::registry::RegistryBuilder;

/// One failure opens each circuit.
fn brittle(builder: RegistryBuilder) -> RegistryBuilder {
    builder.defaults(|circuit| circuit.consecutive_failures(1))
}
