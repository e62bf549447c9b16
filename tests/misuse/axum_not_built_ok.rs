//! Layers, and what may have been wrong with a setting is told.

use axum::{Router, routing::get};
use tower_breaker::{Circuit, CircuitBreakerLayer, ConfigError};

fn main() -> Result<(), ConfigError> {
    let circuit = Circuit::builder("pay").build()?;
    let routes = || Router::<()>::new().route("/pay", get(async || "paid"));
    let _ = routes().layer(Circuit::builder("pay").build_layer()?);
    let _ = routes().layer(CircuitBreakerLayer::new(circuit));
    Ok(())
}
