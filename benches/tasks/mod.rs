//! Work for benches: what a circuit is asked to do, so many times.
//!
//! Every bench takes what it needs of it.
#![allow(dead_code, reason = "shared by benches that use different parts")]

#[cfg(feature = "body")]
pub(crate) mod bodies;
pub(crate) mod circuits;
pub(crate) mod floors;
#[cfg(feature = "registry")]
pub(crate) mod keyed;
pub(crate) mod services;
#[cfg(feature = "metrics")]
pub(crate) mod telemetry;

use std::sync::Arc;

/// Runs an operation so many times. Made anew for each thread that measures.
pub(crate) type Work = Box<dyn FnMut(u64) + Send>;

/// Makes the work of one thread.
pub(crate) type Maker = Arc<dyn Fn() -> Work + Send + Sync>;

/// On cache lines of its own: what the works of two threads count for themselves must not lie beside each other.
#[repr(align(128))]
struct Apart<T>(T);

/// Does `operation` so many times.
pub(crate) fn repeat(operation: impl FnMut() + Send + 'static) -> Work {
    let mut operation = Apart(operation);
    Box::new(move |times| {
        let Apart(operation) = &mut operation;
        (0..times).for_each(|_| operation());
    })
}

pub(crate) fn maker(make: impl Fn() -> Work + Send + Sync + 'static) -> Maker {
    Arc::new(make)
}
