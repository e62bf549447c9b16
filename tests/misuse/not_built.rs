//! A builder is no circuit.

use tower_breaker::{Circuit, CircuitBreakerLayer};

fn main() {
    let _ = CircuitBreakerLayer::new(Circuit::builder("pages"));
}
