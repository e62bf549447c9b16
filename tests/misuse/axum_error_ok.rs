//! The default, a 503, is an answer. So is that of `reject_with`.

use axum::{Router, response::IntoResponse, routing::get};
use tower_breaker::{Circuit, ConfigError};

fn main() -> Result<(), ConfigError> {
    let layer = Circuit::builder("pay").build_layer()?;
    let _: Router = Router::new().route("/pay", get(async || "paid")).layer(layer.clone());
    let layer = layer.reject_with(|_| (http::StatusCode::SERVICE_UNAVAILABLE, "sorry").into_response());
    let _: Router = Router::new().route("/pay", get(async || "paid")).layer(layer);
    Ok(())
}
