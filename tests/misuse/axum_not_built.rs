//! A builder is no layer: `build_layer()` makes one of it, and a circuit is none either.

use axum::{Router, routing::get};
use tower::{ServiceBuilder, service_fn};
use tower_breaker::{Circuit, ConfigError};

fn main() -> Result<(), ConfigError> {
    let circuit = Circuit::builder("pay").build()?;
    let routes = || Router::<()>::new().route("/pay", get(async || "paid"));
    let _ = routes().layer(Circuit::builder("pay"));
    let _ = routes().layer(Circuit::builder("pay").build_layer());
    let _ = routes().layer(circuit.clone());
    let _ = ServiceBuilder::new()
        .layer(circuit)
        .service(service_fn(async |(): ()| Ok::<_, ConfigError>(())));
    Ok(())
}
