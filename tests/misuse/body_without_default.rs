//! The default rejection needs an empty body, and this one has none.

use std::{convert::Infallible, future::ready};

use http::Response;
use tower::{Layer, Service, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer};

struct Page(&'static str);

/// As a server or a router would take it.
fn serve<S: Service<()>>(_: S) {}

fn main() {
    let circuit = Circuit::builder("pages").build().unwrap();
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(Response::new(Page("the page")))));
    let service = CircuitBreakerLayer::new(circuit).layer(inner);
    serve(service);
}
