//! It goes right around the breaker.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{BulkheadLayer, Circuit, CircuitBreakerLayer};

/// As a server or a router would take it.
fn serve<S: Service<Request<()>>>(_: S) {}

fn main() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
    let service = ServiceBuilder::new()
        .layer(BulkheadLayer::new())
        .layer(CircuitBreakerLayer::new(circuit))
        .service(inner);
    serve(service);
}
