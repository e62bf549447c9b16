//! What the tests against a real server have in common. The server, the instances and the upstream are those of the
//! example.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod asked;
#[path = "../../examples/fleet/handle.rs"]
pub(crate) mod handle;
#[path = "../../examples/fleet/instance.rs"]
pub(crate) mod instance;
pub(crate) mod instances;
pub(crate) mod members;
pub(crate) mod proxy;
#[path = "../../examples/fleet/redis.rs"]
pub(crate) mod redis;
pub(crate) mod server;
#[path = "../../examples/fleet/upstream.rs"]
pub(crate) mod upstream;
