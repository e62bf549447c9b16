//! What a log and a trace get (rule L7).

mod current;
mod log;
mod own;
mod servers;

use tower_breaker::{Circuit, CircuitBuilder, Outcome, circuit_breaker_span};
use tracing::{Level, Span};

/// One failure opens it.
fn brittle(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    named("payments", configure)
}

fn named(name: &'static str, configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let builder = Circuit::builder(name).consecutive_failures(1);
    configure(builder).build().expect("valid")
}

/// A span that declares what is set of it.
fn request() -> Span {
    circuit_breaker_span!(Level::INFO, "request")
}

fn call(circuit: &Circuit, outcome: Outcome) {
    circuit.try_acquire().expect("admitted").finish(outcome);
}
