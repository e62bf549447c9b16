//! The default rejection needs an empty body, and this one has none. Asked in the words of the README.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer};

struct Page(&'static str);

async fn page(_: Request<String>) -> Result<Response<Page>, Infallible> {
    Ok(Response::new(Page("the page")))
}

async fn by_ready(layer: CircuitBreakerLayer) {
    let mut service = ServiceBuilder::new().layer(layer).service(service_fn(page));
    let _ = service.ready().await.unwrap().call(Request::default()).await;
}

async fn by_oneshot(layer: CircuitBreakerLayer) {
    let service = ServiceBuilder::new().layer(layer).service(service_fn(page));
    let _ = service.oneshot(Request::default()).await;
}

fn main() {
    let layer = Circuit::builder("pages").build_layer().unwrap();
    let _ = (by_ready(layer.clone()), by_oneshot(layer));
}
