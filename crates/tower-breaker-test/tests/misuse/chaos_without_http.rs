//! The default fault is an `http::Response`, and this service answers with a number.

use std::io;

use tower_breaker_test::chaos::{Chaos, ChaosLayer, When};
use tower_layer::Layer;
use tower_service::Service;

#[derive(Clone)]
struct Next;

impl Service<u32> for Next {
    type Response = u32;
    type Error = io::Error;
    type Future = std::future::Ready<Result<u32, io::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), io::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, number: u32) -> Self::Future {
        std::future::ready(Ok(number + 1))
    }
}

fn main() {
    let chaos = ChaosLayer::builder(1).fail(When::always()).build().unwrap();
    let mut next: Chaos<Next, _> = chaos.layer(Next);
    let _ = Service::call(&mut next, 1);
}
