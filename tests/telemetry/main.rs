//! What operators see (rules L4 to L7).
#![cfg(any(feature = "metrics", feature = "tracing"))]

mod dashboard;
