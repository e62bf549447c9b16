//! Of a request whose body streams, the head can be kept.

use std::convert::Infallible;

use axum::body::Body;
use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use tower_breaker::{
    Circuit,
    degrade::fallback::{self, FallbackLayer},
};

/// As a server or a router would take it.
fn serve<S: Service<Request<Body>>>(_: S) {}

async fn ask(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::default())
}

async fn page(_: Request<()>) -> Result<Response<Body>, Infallible> {
    Ok(Response::default())
}

fn main() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    let layer =
        FallbackLayer::on_rejection(&circuit, fallback::service(service_fn(page))).keeping_head();
    serve(layer.layer(service_fn(ask)));
}
