//! A guard, a builder, a layer or an answer that nobody keeps does nothing.

#![deny(unused_must_use)]

use std::{convert::Infallible, future::ready};

use http::Response;
use tower::{Layer, Service, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer};

fn main() {
    Circuit::builder("pages");
    let circuit = Circuit::builder("pages").build().unwrap();
    circuit.try_acquire().unwrap();
    CircuitBreakerLayer::new(circuit.clone());

    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(Response::new(()))));
    let layer = CircuitBreakerLayer::new(circuit);
    let mut service = layer.layer(inner);
    layer.layer(inner);
    service.call(());
}
