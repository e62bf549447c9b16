//! A rejection of one's own brings its body along.

use std::{convert::Infallible, future::ready};

use http::Response;
use tower::{Layer, Service, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer};

#[expect(dead_code)]
struct Page(&'static str);

/// As a server or a router would take it.
fn serve<S: Service<()>>(_: S) {}

fn main() {
    let circuit = Circuit::builder("pages").build().unwrap();
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(Response::new(Page("the page")))));
    let service = CircuitBreakerLayer::new(circuit)
        .reject_with(|_| Response::new(Page("sorry")))
        .time_out_with(|_| Response::new(Page("late")))
        .layer(inner);
    serve(service);
}
