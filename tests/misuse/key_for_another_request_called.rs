//! A host is found in a request of HTTP, and this service is asked with a number. Asked in the words of the README.

use std::io;

use tower::{ServiceBuilder, service_fn};
use tower_breaker::{Circuit, ConfigError, classify::ErrorsOnly, keyed::by, registry::Registry};

async fn next(number: u32) -> Result<u32, io::Error> {
    Ok(number + 1)
}

fn main() -> Result<(), ConfigError> {
    let registry = Registry::builder().build()?;
    let others = Circuit::builder("others").build_layer()?;
    let layer = others.classifier(ErrorsOnly).reject_as_error();
    let service = ServiceBuilder::new()
        .layer(layer.keyed_by(&registry, by::authority()))
        .service(service_fn(next));
    let _ = service.oneshot(1);
    Ok(())
}
