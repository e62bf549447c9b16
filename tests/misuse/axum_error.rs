//! On a server of axum, no layer may fail: there is nobody to take the error.

use axum::{Router, routing::get};
use tower_breaker::{Circuit, ConfigError};

fn main() -> Result<(), ConfigError> {
    let layer = Circuit::builder("pay").build_layer()?.reject_as_error();
    let _: Router = Router::new().route("/pay", get(async || "paid")).layer(layer);
    Ok(())
}
