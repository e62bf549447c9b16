//! What the tests against a real server have in common. The server, the instances and the upstream are those of the
//! example.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod proxy;
#[path = "../../examples/fleet/redis.rs"]
pub(crate) mod redis;
pub(crate) mod server;
#[path = "../../examples/fleet/upstream.rs"]
pub(crate) mod upstream;
