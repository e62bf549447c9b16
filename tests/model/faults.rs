//! Faults, each at every point where it can happen: code that panics, futures that are dropped,
//! probes that never come back or come back late, clocks that lie, and clones that race through it
//! all. What must hold is always the same: every admitted call ends once, no permit is lost, nothing
//! is decided by a call of an earlier era, and the circuit recovers.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod clocks;
mod clones;
mod drops;
mod lost;
mod panics;
mod teardown;
mod windows;
