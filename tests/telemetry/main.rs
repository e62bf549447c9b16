//! What operators see (rules L4 to L7).
#![cfg(any(feature = "metrics", feature = "tracing"))]

#[cfg(feature = "tracing")]
#[path = "../support/collector.rs"]
mod collector;
mod dashboard;
#[cfg(feature = "tracing")]
mod spans;
