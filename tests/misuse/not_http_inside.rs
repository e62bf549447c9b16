//! The same, inside of another layer: the compiler is asked by `check_service`.

use std::{io, time::Duration};

use tower::{Service, ServiceBuilder, service_fn, timeout::Timeout, util::BoxService};
use tower_breaker::{Circuit, CircuitBreakerLayer, types};

async fn next(number: u32) -> Result<u32, io::Error> {
    Ok(number + 1)
}

fn in_a_timeout(layer: CircuitBreakerLayer) {
    let breaker = ServiceBuilder::new().layer(layer).service(service_fn(next));
    types::check_service::<u32>(&breaker);
    let _ = Timeout::new(breaker, Duration::from_secs(1));
}

fn in_a_box(layer: CircuitBreakerLayer) {
    let service = ServiceBuilder::new().layer(layer).service(service_fn(next));
    let _: BoxService<u32, u32, io::Error> = BoxService::new(service);
}

fn returned(layer: CircuitBreakerLayer) -> impl Service<u32> {
    ServiceBuilder::new().layer(layer).service(service_fn(next))
}

fn main() {
    let layer = Circuit::builder("numbers").build_layer().unwrap();
    in_a_timeout(layer.clone());
    in_a_box(layer.clone());
    let _ = returned(layer);
}
