//! Then the layer says so.

use std::future::ready;

use tower::{Layer, Service, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, classify::ErrorsOnly};

/// As a server or a router would take it.
fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let circuit = Circuit::builder("numbers").build().unwrap();
    let inner = service_fn(|number: u32| ready(Ok::<u32, std::io::Error>(number)));
    let service = CircuitBreakerLayer::new(circuit)
        .classifier(ErrorsOnly)
        .fallback(|_, _| ready(Ok::<u32, std::io::Error>(0)))
        .without_time_out_answer()
        .layer(inner);
    serve(service);
}
