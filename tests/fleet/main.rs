//! One circuit for a fleet (rules N1 to N9).
#![cfg(feature = "fleet")]

mod detached;
#[path = "support.rs"]
mod fleet_support;
mod path;
mod person;
mod probes;
#[cfg(all(feature = "registry", feature = "config"))]
mod registry;
#[path = "../support/mod.rs"]
mod support;
mod task;

mod agreement;
mod between;
mod chaos;
mod contract;
mod decisions;
mod pace;
mod seats;
mod stored;
mod table;
mod window;
mod wrong;
