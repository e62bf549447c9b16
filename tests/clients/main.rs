//! Around HTTP clients, over real sockets: hyper's and reqwest's.

#[path = "../support/misbehaving.rs"]
mod misbehaving;
#[path = "../support/mod.rs"]
mod support;

mod hyper_client;
#[cfg(all(feature = "reqwest", feature = "retry-after"))]
mod reqwest_client;
