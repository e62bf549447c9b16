//! Services, bare and with a circuit around them.

use std::{
    convert::Infallible,
    future::{Future, Ready, poll_fn, ready},
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::Response;
use tower::{Layer, Service};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, classify::ErrorsOnly, reject::RejectAsError,
};

use super::{Maker, maker, repeat};

/// Ready at once, with nothing to do.
#[derive(Clone)]
pub(crate) struct Bare;

impl Service<()> for Bare {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

pub(crate) fn call<S: Service<()>>(service: &mut S) {
    let mut context = Context::from_waker(Waker::noop());
    let _ = black_box(service.poll_ready(&mut context).is_ready());
    let _ = black_box(pin!(service.call(())).poll(&mut context).is_ready());
}

pub(crate) fn calls<S>(service: S) -> Maker
where
    S: Service<()> + Clone + Send + Sync + 'static,
{
    maker(move || {
        let mut service = service.clone();
        repeat(move || call(&mut service))
    })
}

/// Like [`calls`], awaited in an async function, which keeps the future among its own variables.
pub(crate) fn awaited_calls<S>(service: S) -> Maker
where
    S: Service<()> + Clone + Send + Sync + 'static,
{
    maker(move || {
        let mut service = service.clone();
        repeat(move || {
            let mut context = Context::from_waker(Waker::noop());
            let _ = black_box(pin!(awaited(&mut service)).poll(&mut context).is_ready());
        })
    })
}

async fn awaited<S: Service<()>>(service: &mut S) -> bool {
    let ready = poll_fn(|context| service.poll_ready(context)).await;
    black_box(ready.is_ok()) && service.call(()).await.is_ok()
}

/// Like [`calls`], through a clone for each.
pub(crate) fn calls_of_clones<S>(service: S) -> Maker
where
    S: Service<()> + Clone + Send + Sync + 'static,
{
    maker(move || {
        let service = service.clone();
        repeat(move || call(&mut service.clone()))
    })
}

/// A bare call and the one `Arc` clone that a protected call may cost.
pub(crate) fn bare_call_and_arc() -> Maker {
    let shared = Arc::new(0u64);
    maker(move || {
        let shared = shared.clone();
        repeat(move || {
            let held = black_box(shared.clone());
            call(&mut Bare);
            drop(held);
        })
    })
}

/// A service with `circuit` around it.
pub(crate) fn protected(circuit: Circuit) -> CircuitBreaker<Bare, ErrorsOnly> {
    CircuitBreakerLayer::new(circuit)
        .classifier(ErrorsOnly)
        .layer(Bare)
}

/// The same, with rejections as errors.
pub(crate) fn refusing(circuit: Circuit) -> CircuitBreaker<Bare, ErrorsOnly, RejectAsError> {
    CircuitBreakerLayer::new(circuit)
        .classifier(ErrorsOnly)
        .reject_as_error()
        .layer(Bare)
}

/// A bare call and nothing else.
pub(crate) fn bare_calls() -> Maker {
    calls(Bare)
}
