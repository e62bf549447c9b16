//! Faults, each at every point where it can happen: code that panics, futures that are dropped,
//! probes that never come back or come back late, clocks that lie, and clones that race through it
//! all. What must hold is always the same: every admitted call ends once, no permit is lost, nothing
//! is decided by a call of an earlier era, and the circuit recovers.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

#[path = "faults/clocks.rs"]
mod clocks;
#[path = "faults/clones.rs"]
mod clones;
#[path = "faults/drops.rs"]
mod drops;
#[path = "faults/lost.rs"]
mod lost;
#[path = "faults/panics.rs"]
mod panics;
#[path = "faults/teardown.rs"]
mod teardown;
#[path = "faults/windows.rs"]
mod windows;
