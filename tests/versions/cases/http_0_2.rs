//! Requests and responses of http 0.2.

use http02::{Request, Response};
use tower::{ServiceBuilder, service_fn};
use tower_breaker::{Circuit, ConfigError};

async fn page(_: Request<String>) -> Result<Response<String>, std::io::Error> {
    Ok(Response::default())
}

fn main() -> Result<(), ConfigError> {
    let layer = Circuit::builder("pages").build_layer()?;
    let service = ServiceBuilder::new().layer(layer).service(service_fn(page));
    drop(service.oneshot(Request::default()));
    Ok(())
}
