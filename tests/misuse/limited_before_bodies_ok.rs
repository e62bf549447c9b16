//! Bodies first.

use tower_breaker::{Circuit, CircuitBreakerLayer, deadline::Extension};

fn main() {
    let layer = CircuitBreakerLayer::new(Circuit::builder("reviews").build().unwrap())
        .observe_bodies()
        .shortened_by(Extension);
    let _ = layer;
}
