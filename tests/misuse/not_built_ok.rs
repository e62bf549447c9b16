//! Built, it is.

use tower_breaker::{Circuit, CircuitBreakerLayer};

fn main() {
    let _ = CircuitBreakerLayer::new(Circuit::builder("pages").build().unwrap());
}
