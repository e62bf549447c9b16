//! Answers of one's own bring their bodies along: to a rejection, and to a call that takes too long.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer};

#[expect(dead_code)]
struct Page(&'static str);

async fn page(_: Request<String>) -> Result<Response<Page>, Infallible> {
    Ok(Response::new(Page("the page")))
}

async fn by_ready(layer: CircuitBreakerLayer) {
    let layer = layer
        .reject_with(|_| Response::new(Page("sorry")))
        .time_out_with(|_| Response::new(Page("too late")));
    let mut service = ServiceBuilder::new().layer(layer).service(service_fn(page));
    let _ = service.ready().await.unwrap().call(Request::default()).await;
}

async fn by_oneshot(layer: CircuitBreakerLayer) {
    let layer = layer
        .reject_with(|_| Response::new(Page("sorry")))
        .time_out_with(|_| Response::new(Page("too late")));
    let service = ServiceBuilder::new().layer(layer).service(service_fn(page));
    let _ = service.oneshot(Request::default()).await;
}

fn main() {
    let layer = Circuit::builder("pages").build_layer().unwrap();
    let _ = (by_ready(layer.clone()), by_oneshot(layer));
}
