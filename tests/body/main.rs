//! Outcomes that are known only at the end of a body (rule H5): what each end counts as, in every state;
//! bodies that lie; and that a body passes as it is.

#![cfg(feature = "body")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/misbehaving.rs"]
mod misbehaving;
#[path = "../support/sockets.rs"]
mod sockets;
#[path = "../support/visitors.rs"]
mod visitors;

mod client_bodies;
mod clients;
mod costs;
mod drained;
mod drops;
mod lengths;
mod model;
mod panics;
mod placed;
mod servers;
mod slow;
mod slow_clients;
mod stacks;
mod stage;
mod states;
mod table;
mod upgrades;
mod wrapped;
