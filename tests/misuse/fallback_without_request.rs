//! The stand-in is asked for the request, of which the layer keeps nothing.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, Service, service_fn, util::BoxCloneService};
use tower_breaker::{
    Circuit,
    degrade::fallback::{self, FallbackLayer},
};

/// As a server or a router would take it.
fn serve<S: Service<Request<String>>>(_: S) {}

async fn ask(_: Request<String>) -> Result<Response<String>, Infallible> {
    Ok(Response::default())
}

fn main() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    let replica = BoxCloneService::new(service_fn(ask));
    let layer = FallbackLayer::on_rejection(&circuit, fallback::service(replica));
    serve(layer.layer(service_fn(ask)));
}
