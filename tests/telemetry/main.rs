//! What operators see (rules L4 to L7, M9).
#![cfg(any(feature = "metrics", feature = "tracing"))]

#[cfg(feature = "tracing")]
#[path = "../support/collector.rs"]
mod collector;
#[cfg(feature = "metrics")]
#[path = "../support/collisions.rs"]
mod collisions;

#[cfg(feature = "metrics")]
mod counters;
mod dashboard;
#[cfg(feature = "metrics")]
mod durations;
#[cfg(feature = "metrics")]
mod exposition;
#[cfg(all(feature = "fleet", feature = "metrics", feature = "tracing"))]
mod fleet;
#[cfg(feature = "metrics")]
mod gauges;
#[cfg(feature = "metrics")]
mod labels;
#[cfg(all(feature = "metrics", feature = "retries"))]
mod parts;
#[cfg(all(
    feature = "admin",
    feature = "body",
    feature = "metrics",
    feature = "tracing"
))]
mod printed;
#[cfg(feature = "metrics")]
mod recorders;
#[cfg(feature = "metrics")]
mod scrape;
#[cfg(feature = "tracing")]
#[path = "../support/sockets.rs"]
mod sockets;
#[cfg(feature = "tracing")]
mod spans;
