//! The client of reqwest 0.13: it needs the feature `reqwest`.

use reqwest::{Client, Method, Request};
use tower::ServiceBuilder;
use tower_breaker::{Circuit, ConfigError};

fn main() -> Result<(), ConfigError> {
    let layer = Circuit::builder("api").build_layer()?;
    let client = ServiceBuilder::new().layer(layer).service(Client::new());
    let request = Request::new(Method::GET, "http://localhost".parse().unwrap());
    drop(client.oneshot(request));
    Ok(())
}
