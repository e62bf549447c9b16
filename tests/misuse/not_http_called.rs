//! Classifier and rejection are for `http::Response`, and this service answers with a number. Asked in the words of
//! the README.

use std::io;

use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer};

async fn next(number: u32) -> Result<u32, io::Error> {
    Ok(number + 1)
}

async fn by_ready(layer: CircuitBreakerLayer) {
    let mut service = ServiceBuilder::new().layer(layer).service(service_fn(next));
    let _ = service.ready().await.unwrap().call(1).await;
}

async fn by_oneshot(layer: CircuitBreakerLayer) {
    let service = ServiceBuilder::new().layer(layer).service(service_fn(next));
    let _ = service.oneshot(1).await;
}

fn main() {
    let layer = Circuit::builder("numbers").build_layer().unwrap();
    let _ = (by_ready(layer.clone()), by_oneshot(layer));
}
