//! The names of attributes of a circuit: on spans, in events of `tracing`, and in numbers for OpenTelemetry.
//!
//! **These names are unstable.** OpenTelemetry has no convention for circuit breakers yet. Once it has one, they will
//! follow it, in a release that says so. So use the constants, and do not write the names out.
//!
//! | constant | name | what it says |
//! |---|---|---|
//! | [`NAME`] | `circuit_breaker.name` | the circuit's name |
//! | [`STATE`] | `circuit_breaker.state` | its state as the call began, or after a transition |
//! | [`OUTCOME`] | `circuit_breaker.outcome` | `success`, `failure`, `ignored`, `rejected` or `abandoned` |
//! | [`CAUSE`] | `circuit_breaker.cause` | why the circuit is open, or made a transition |
//! | [`REJECTED_REASON`] | `circuit_breaker.rejected_reason` | why the call was rejected |
//! | [`PROBE`] | `circuit_breaker.probe` | `true` if the call was a probe |
//! | [`ERA`] | `circuit_breaker.era` | the era (generation): how many transitions there have been |
//! | [`TIMED_OUT`] | `circuit_breaker.timed_out` | whose limit has cut the call off: `call`, `probe` or `caller` |
//! | [`FALLBACK`] | `circuit_breaker.fallback` | what was to answer in place of the dependency, such as `cached` |
//! | [`FALLBACK_FAILED`] | `circuit_breaker.fallback_failed` | `true` if that has failed as well |
//! | [`RETRY`] | `circuit_breaker.retry` | what was decided last of a call that might have been repeated |
//!
//! The values are [labels](crate::observe#labels), where there are any.

/// The circuit's name.
pub const NAME: &str = "circuit_breaker.name";
/// The state, by its [label](crate::State::label).
pub const STATE: &str = "circuit_breaker.state";
/// What became of the call: `success`, `failure`, `ignored`, `rejected` or `abandoned`.
pub const OUTCOME: &str = "circuit_breaker.outcome";
/// Why the circuit has opened, or made a transition: the [label](crate::Cause::label) of the cause.
pub const CAUSE: &str = "circuit_breaker.cause";
/// Why the call was rejected: the [label](crate::Reason::label) of the reason.
pub const REJECTED_REASON: &str = "circuit_breaker.rejected_reason";
/// Whether the call was a probe.
pub const PROBE: &str = "circuit_breaker.probe";
/// The era: how many transitions there have been.
pub const ERA: &str = "circuit_breaker.era";
/// Whose limit has cut the call off: its [label](crate::LimitOf::label).
pub const TIMED_OUT: &str = "circuit_breaker.timed_out";
/// What was to answer in place of the dependency: the [label](crate::observe::FallbackKind::label) of its kind.
pub const FALLBACK: &str = "circuit_breaker.fallback";
/// Whether what was to answer in place of the dependency has failed as well.
pub const FALLBACK_FAILED: &str = "circuit_breaker.fallback_failed";
/// What was decided last about a call that might have been repeated: the [label](crate::observe::RetryDecision::label)
/// of the decision.
pub const RETRY: &str = "circuit_breaker.retry";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    // L7
    #[test]
    fn the_table_of_the_page_says_what_the_constants_say() {
        let page = fs::read_to_string("src/telemetry/attributes.rs").expect("there");
        for (constant, name) in [
            ("NAME", NAME),
            ("STATE", STATE),
            ("OUTCOME", OUTCOME),
            ("CAUSE", CAUSE),
            ("REJECTED_REASON", REJECTED_REASON),
            ("PROBE", PROBE),
            ("ERA", ERA),
            ("TIMED_OUT", TIMED_OUT),
            ("FALLBACK", FALLBACK),
            ("FALLBACK_FAILED", FALLBACK_FAILED),
            ("RETRY", RETRY),
        ] {
            let row = format!("//! | [`{constant}`] | `{name}` |");
            assert!(page.contains(&row), "{row}");
        }
    }
}
