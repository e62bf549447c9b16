//! A real server, real processes, and faults that are real: see `tests/README.md`.
//!
//! Time is real here, because processes have no other. No test sleeps for a while and takes it that something has
//! happened by then: each looks until it is so, and fails if it is not within twenty seconds.
//!
//! All of it needs a `redis-server`, in `PATH` or where `.ci/redis --tools` puts it; without one it fails.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod acl;
mod chaos;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod faults;
mod harness;
mod processes;
mod proxy;
#[cfg(feature = "tls")]
mod tls;

#[path = "../support/mod.rs"]
mod support;
