//! Circuits by name (rules I1 to I6).
#![cfg(feature = "registry")]

mod events;
mod names;
mod races;
mod strangers;

use tower_breaker::registry::RegistryBuilder;

/// One failure opens each circuit.
fn brittle(builder: RegistryBuilder) -> RegistryBuilder {
    builder.defaults(|circuit| circuit.consecutive_failures(1))
}
