//! A host is found in a request of HTTP, and this service is asked with a number.

use std::future::ready;

use tower::{Layer, Service, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, classify::ErrorsOnly, keyed::by, registry::Registry};

/// As a server or a router would take it.
fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let registry = Registry::builder().build().unwrap();
    let inner = service_fn(|number: u32| ready(Ok::<u32, std::io::Error>(number)));
    let service = CircuitBreakerLayer::new(Circuit::builder("others").build().unwrap())
        .classifier(ErrorsOnly)
        .reject_as_error()
        .keyed_by(&registry, by::authority())
        .layer(inner);
    serve(service);
}
