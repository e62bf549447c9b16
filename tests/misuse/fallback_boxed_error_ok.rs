//! A boxed error is looked into if the layer says that it is one.

use http::{Request, Response};
use tower::{BoxError, Layer, Service, service_fn};
use tower_breaker::{
    Circuit,
    degrade::fallback::{self, FallbackLayer},
};

/// As a server or a router would take it.
fn serve<S: Service<Request<String>>>(_: S) {}

async fn ask(_: Request<String>) -> Result<Response<String>, BoxError> {
    Ok(Response::default())
}

fn main() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    let layer =
        FallbackLayer::on_rejection(&circuit, fallback::value(Response::default())).boxed_errors();
    serve(layer.layer(service_fn(ask)));
}
