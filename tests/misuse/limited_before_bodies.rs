//! Deadlines would be lost: bodies are observed in place of what was there.

use tower_breaker::{Circuit, CircuitBreakerLayer, deadline::Extension};

fn main() {
    let layer = CircuitBreakerLayer::new(Circuit::builder("reviews").build().unwrap())
        .shortened_by(Extension)
        .observe_bodies();
    let _ = layer;
}
