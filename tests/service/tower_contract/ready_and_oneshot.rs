//! `ready` and `oneshot` of our own do what those of tower's `ServiceExt` do.

use std::{
    convert::Infallible,
    future::{Pending, pending},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use http::{Request, Response};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_breaker::{Circuit, CircuitBreaker, CircuitBreakerLayer};
use tower_test::mock;

fn layer() -> CircuitBreakerLayer {
    Circuit::builder("payments").build_layer().unwrap()
}

/// A service whose calls never end, and somebody who sees whether it is still there.
#[derive(Clone)]
struct Endless(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl Service<Request<()>> for Endless {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Pending<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        pending()
    }
}

// G1: whoever waits is woken, and is given the service.
#[test]
fn ready_waits_until_it_is() {
    let (inner, mut handle) = mock::pair::<Request<()>, Response<()>>();
    handle.allow(0);
    let mut service = layer().layer(inner);
    let mut ready = task::spawn(service.ready());
    assert_pending!(ready.poll());
    handle.allow(1);
    assert!(ready.is_woken());
    let service = assert_ready_ok!(ready.poll());
    drop(service.call(Request::new(())));
}

// G1: the call is made then, and not before.
#[test]
fn oneshot_waits_until_it_is() {
    let (inner, mut handle) = mock::pair::<Request<()>, Response<()>>();
    handle.allow(0);
    let mut call = task::spawn(layer().layer(inner).oneshot(Request::new(())));
    assert_pending!(call.poll());
    assert!(handle.next_request().now_or_never().is_none());
    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let called = handle.next_request().now_or_never().expect("called");
    let (_, answer) = called.expect("not dropped");
    answer.send_response(Response::new(()));
    assert_eq!(assert_ready_ok!(call.poll()).status(), 200);
}

#[test]
fn oneshot_drops_the_service_as_soon_as_the_call_is_made() {
    let alive = Arc::new(());
    let mut ours = task::spawn(
        layer()
            .layer(Endless(alive.clone()))
            .oneshot(Request::new(())),
    );
    assert_pending!(ours.poll());
    assert_eq!(Arc::strong_count(&alive), 1);
    let service = layer().layer(Endless(alive.clone()));
    let mut towers = task::spawn(ServiceExt::oneshot(service, Request::new(())));
    assert_pending!(towers.poll());
    assert_eq!(Arc::strong_count(&alive), 1);
}

// G1: they reject as a call does.
#[test]
fn a_rejection_is_the_answer() {
    let layer = layer();
    layer.circuit().force_open();
    let mut call = task::spawn(
        layer
            .layer(Endless(Arc::default()))
            .oneshot(Request::new(())),
    );
    assert_eq!(assert_ready_ok!(call.poll()).status(), 503);
}

#[test]
#[should_panic = "polled after completion"]
fn it_is_polled_to_its_end_and_no_further() {
    let answer = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
    let mut call = task::spawn(layer().layer(answer).oneshot(Request::new(())));
    assert_ready!(call.poll()).unwrap();
    let _ = call.poll();
}

/// As tower has it, of a service of any kind.
async fn asks_any<S: Service<Request<()>>>(mut service: S) -> Result<S::Response, S::Error> {
    service.ready().await?.call(Request::new(())).await
}

#[tokio::test]
async fn generic_code_goes_on_asking_by_tower() {
    let answer = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
    let service = layer().layer(answer);
    assert_eq!(asks_any(service).await.unwrap().status(), 200);
}

/// What the request is, is known from the call that comes later.
#[tokio::test]
async fn the_request_is_inferred_from_the_call() {
    type Inner = BoxCloneService<Request<String>, Response<()>, Infallible>;
    let answer = service_fn(async |_| Ok(Response::new(())));
    let inner: Inner = BoxCloneService::new(answer);
    let mut service = layer().layer(inner);
    let request = Request::new("who".into());
    let response = service.ready().await.unwrap().call(request).await;
    assert_eq!(response.unwrap().status(), 200);
}

/// They are sent between threads, and moved, if what they hold can be.
#[test]
fn auto_traits_are_those_of_what_they_hold() {
    fn is_send_and_unpin<T: Send + Unpin>(_: &T) {}
    fn is_unpin<T: Unpin>(_: &T) {}
    type Breaker = CircuitBreaker<Endless>;
    let mut service: Breaker = layer().layer(Endless(Arc::default()));
    is_send_and_unpin(&service.ready());
    is_send_and_unpin(&service.oneshot(Request::new(())));
    let kept_here = Rc::new(());
    let mut service = layer().layer(service_fn(move |_: Request<()>| {
        let _ = &kept_here;
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    }));
    is_unpin(&service.ready());
}
