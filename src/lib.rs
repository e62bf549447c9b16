//! A lock-free circuit breaker for Tower services.

mod builder;
mod circuit;
pub mod classify;
pub mod clock;
mod error;
mod future;
mod guard;
mod handle;
mod layer;
pub mod observe;
pub mod reject;
mod service;
mod snapshot;
mod sync;

pub use self::{
    builder::CircuitBuilder,
    circuit::{
        Abandoned, Cause, ConfigError, Counts, Jitter, Mode, OpenFor, Outcome, ProbeCounts, State,
        Totals, Transition,
    },
    classify::Classify,
    error::{CircuitError, ControlError, Reason, Rejected},
    future::ResponseFuture,
    guard::Guard,
    handle::Circuit,
    layer::CircuitBreakerLayer,
    reject::Reject,
    service::CircuitBreaker,
    snapshot::Snapshot,
};
