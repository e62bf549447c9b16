//! In HTTP servers, over real sockets: under axum, and under hyper alone.

#[path = "../support/sockets.rs"]
mod sockets;
#[path = "../support/storm.rs"]
mod storm;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/visitors.rs"]
mod visitors;

mod axum_server;
mod hyper_server;
