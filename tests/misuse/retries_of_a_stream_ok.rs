//! What was collected can be sent as often as one likes.

use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, degrade::retries::Retries};

/// As a server or a router would take it.
fn serve<S: Service<Request<Full<bytes::Bytes>>>>(_: S) {}

fn main() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    let client = service_fn(async |_: Request<Full<bytes::Bytes>>| {
        Ok::<_, std::io::Error>(Response::new(Empty::<bytes::Bytes>::new()))
    });
    let service = ServiceBuilder::new()
        .retry(Retries::new(&circuit))
        .layer(CircuitBreakerLayer::new(circuit))
        .service(client);
    serve(service);
}
