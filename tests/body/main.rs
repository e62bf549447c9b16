//! Outcomes that are known only at the end of a body (rule H5): what each end counts as, in every state;
//! bodies that lie; and that a body passes as it is.

#![cfg(feature = "body")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod support;

#[path = "support/misbehaving.rs"]
mod misbehaving;
#[path = "support/sockets.rs"]
mod sockets;
#[path = "support/visitors.rs"]
mod visitors;

#[path = "bodies/clients.rs"]
mod clients;
#[path = "bodies/costs.rs"]
mod costs;
#[path = "bodies/drops.rs"]
mod drops;
#[path = "bodies/lengths.rs"]
mod lengths;
#[path = "bodies/model.rs"]
mod model;
#[path = "bodies/panics.rs"]
mod panics;
#[path = "bodies/servers.rs"]
mod servers;
#[path = "bodies/slow.rs"]
mod slow;
#[path = "bodies/slow_clients.rs"]
mod slow_clients;
#[path = "bodies/stacks.rs"]
mod stacks;
#[path = "bodies/stage.rs"]
mod stage;
#[path = "bodies/states.rs"]
mod states;
#[path = "bodies/table.rs"]
mod table;
#[path = "bodies/upgrades.rs"]
mod upgrades;
