//! `ErrorsOnly` judges anything, and an error rejects for anything.

use std::io;

use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, classify::ErrorsOnly};

async fn next(number: u32) -> Result<u32, io::Error> {
    Ok(number + 1)
}

async fn by_ready(layer: CircuitBreakerLayer) {
    let layer = layer.classifier(ErrorsOnly).reject_as_error();
    let mut service = ServiceBuilder::new().layer(layer).service(service_fn(next));
    let _ = service.ready().await.unwrap().call(1).await;
}

async fn by_oneshot(layer: CircuitBreakerLayer) {
    let layer = layer.classifier(ErrorsOnly).reject_as_error();
    let service = ServiceBuilder::new().layer(layer).service(service_fn(next));
    let _ = service.oneshot(1).await;
}

fn main() {
    let layer = Circuit::builder("numbers").build_layer().unwrap();
    let _ = (by_ready(layer.clone()), by_oneshot(layer));
}
