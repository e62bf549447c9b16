//! The body of a request that has just come in can be sent on once.

use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, degrade::retries::Retries};

/// As a server or a router would take it.
fn serve<S: Service<Request<Incoming>>>(_: S) {}

fn main() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    let client = service_fn(async |_: Request<Incoming>| {
        Ok::<_, std::io::Error>(Response::new(Empty::<bytes::Bytes>::new()))
    });
    let service = ServiceBuilder::new()
        .retry(Retries::new(&circuit))
        .layer(CircuitBreakerLayer::new(circuit))
        .service(client);
    serve(service);
}
