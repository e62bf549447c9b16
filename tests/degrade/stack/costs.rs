//! What a call costs that needs none of it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response};
use tower::{Layer, Service};
use tower_breaker::{
    Circuit,
    degrade::{StackLayer, fallback::value},
};

#[derive(Clone)]
struct Client;

impl Service<Request<()>> for Client {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

fn call<S: Service<Request<()>, Response = Response<()>, Error = Infallible>>(service: &mut S) {
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let answer = service.call(Request::new(())).now_or_never();
    let Ok(_) = answer.expect("at once");
}

fn allocations(path: impl FnOnce()) -> u64 {
    allocation_counter::measure(path).count_total
}

// M9, F3: a layer is applied for each connection, and a service called for each request.
#[test]
fn a_call_that_needs_no_part_allocates_nothing() {
    let circuit = Circuit::builder("reviews")
        .call_timeout(Duration::from_millis(800))
        .build()
        .unwrap();
    let stack = StackLayer::of(&circuit).on_failure(value(Response::new(())));
    let mut service = stack.layer(Client);
    call(&mut service);
    assert_eq!(allocations(|| call(&mut service)), 0);
    assert_eq!(allocations(|| drop(stack.layer(Client))), 0);
    assert_eq!(allocations(|| drop(service.clone())), 0);
    assert!(circuit.snapshot().parts.is_none(), "nothing was used");
}

// M9, M2: a place that is free is taken without one, too.
#[test]
fn a_place_allocates_nothing() {
    let circuit = Circuit::builder("reviews")
        .bulkhead(1, Duration::ZERO)
        .build()
        .unwrap();
    let mut service = StackLayer::of(&circuit).layer(Client);
    call(&mut service);
    assert_eq!(allocations(|| call(&mut service)), 0);
}
