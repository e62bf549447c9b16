//! A closure that does not say what it classifies.

use http::{Request, Response};
use tower::{ServiceBuilder, service_fn};
use tower_breaker::{Circuit, ConfigError, Outcome};

async fn page(_: Request<String>) -> Result<Response<String>, std::io::Error> {
    Ok(Response::default())
}

fn main() -> Result<(), ConfigError> {
    let layer = Circuit::builder("pages")
        .build_layer()?
        .classifier(|result| match result {
            Ok(response) if response.status().is_success() => Outcome::Success,
            _ => Outcome::Failure,
        });
    let service = ServiceBuilder::new().layer(layer).service(service_fn(page));
    let _ = service.oneshot(Request::default());
    Ok(())
}
