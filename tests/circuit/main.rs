//! What people hold: a circuit that is listened to and looked at, driven, and met again by a call on its way.

#[path = "../support/no_runtime.rs"]
mod no_runtime;
#[path = "../support/sockets.rs"]
mod sockets;
#[path = "../support/mod.rs"]
mod support;

mod bulkhead;
mod calls_heard;
#[cfg(feature = "coarse-clock")]
mod coarse_clock;
mod driver;
mod events;
mod nested;
mod observing;
mod plain_threads;
mod trips;
