//! The same, right.

use std::{io, time::Duration};

use tower::{Service, ServiceBuilder, service_fn, timeout::Timeout, util::BoxService};
use tower_breaker::{Circuit, CircuitBreakerLayer, CircuitError, classify::ErrorsOnly, reject::RejectAsError, types};

type Layer = CircuitBreakerLayer<ErrorsOnly, RejectAsError>;

async fn next(number: u32) -> Result<u32, io::Error> {
    Ok(number + 1)
}

fn in_a_timeout(layer: Layer) {
    let breaker = ServiceBuilder::new().layer(layer).service(service_fn(next));
    types::check_service::<u32>(&breaker);
    let _ = Timeout::new(breaker, Duration::from_secs(1));
}

fn in_a_box(layer: Layer) {
    let service = ServiceBuilder::new().layer(layer).service(service_fn(next));
    let _: BoxService<u32, u32, CircuitError<io::Error>> = BoxService::new(service);
}

fn returned(layer: Layer) -> impl Service<u32> {
    ServiceBuilder::new().layer(layer).service(service_fn(next))
}

fn main() {
    let layer = Circuit::builder("numbers").build_layer().unwrap();
    let layer = layer.classifier(ErrorsOnly).reject_as_error();
    in_a_timeout(layer.clone());
    in_a_box(layer.clone());
    let _ = returned(layer);
}
