//! The kit: circuits that begin in a state, what is recorded of them, and what assertions say when they fail.

mod assertions;
mod chaos;
mod circuits;
mod recorder;
#[cfg(feature = "server")]
mod server;
mod support;
