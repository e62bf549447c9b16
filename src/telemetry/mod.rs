//! What operators see of circuits: numbers for a dashboard, and traces.
//!
//! | | needs the feature | what it is |
//! |---|---|---|
//! | [`attributes`] | – | the names of what is said of a circuit in traces, and in numbers for OpenTelemetry |
//! | `log_transitions` | `tracing`; for a registry, `registry`, too | transitions as events |
//!
//! Nothing in here is asked by a call that nobody listens to.

pub mod attributes;
#[cfg(feature = "tracing")]
mod spans;

#[cfg(all(feature = "registry", feature = "tracing"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "registry", feature = "tracing"))))]
pub use self::spans::log_transitions;
