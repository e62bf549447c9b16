//! The scripts, and how they are spoken to: with the modules of the package, which nobody else can see.

#[allow(dead_code, unreachable_pub, reason = "the package shows it")]
#[path = "../../src/keys.rs"]
mod keys;
#[allow(dead_code, reason = "the store uses the rest")]
#[path = "../../src/script.rs"]
mod script;
#[allow(dead_code, reason = "the example uses the rest")]
#[path = "../../examples/fleet/redis.rs"]
mod server;
#[path = "../../src/wire.rs"]
mod wire;

mod answers;
mod clock;
mod contract;
mod hostile;
mod twin;
