//! What operators see of circuits: numbers for a dashboard, and traces.
//!
//! | | needs the feature | what it is |
//! |---|---|---|
//! | [`attributes`] | – | the names of what is said of a circuit in traces, and in numbers for OpenTelemetry |
//!
//! Nothing in here is asked by a call that nobody listens to.

pub mod attributes;
