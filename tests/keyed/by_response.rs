//! Responses that say which circuit they are about (rule J6).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use tower::{Layer, Service, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, State, registry::Registry};

use crate::calling::{Answer, a_500_is, by_key, call, failures, own_circuit, registry, request};

/// The request's key is the shard that answers. With 599 it fails.
async fn shard(request: Request<u16>) -> Answer {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(*request.body()).unwrap();
    if let Some(shard) = request.headers().get("key") {
        response.headers_mut().insert("shard", shard.clone());
    }
    Ok(response)
}

fn named(response: &Response<()>) -> Option<&str> {
    response.headers().get("shard")?.to_str().ok()
}

fn store(
    store: Circuit,
    shards: &Registry,
) -> impl Service<Request<u16>, Response = Response<()>, Error = Infallible> {
    let layer = CircuitBreakerLayer::new(store).key_from_response(shards, named);
    layer.layer(service_fn(shard))
}

#[test]
fn a_failure_opens_the_circuit_that_the_response_names_and_no_other() {
    let shards = registry(1);
    let other = shards.get_or_create("other").unwrap();
    let own = own_circuit();
    let mut store = store(own.clone(), &shards);
    assert_eq!(call(&mut store, "seven", 500), 500);
    assert_eq!(shards.try_get("seven").unwrap().state(), State::Open);
    assert_eq!(own.state(), State::Closed);
    assert_eq!(other.state(), State::Closed);
    let totals = own.snapshot().totals.unwrap();
    assert_eq!((totals.failed, totals.ignored), (0, 1));
}

#[test]
fn a_success_counts_for_both() {
    let shards = registry(1);
    let own = own_circuit();
    assert_eq!(call(&mut store(own.clone(), &shards), "seven", 200), 200);
    let seven = shards.try_get("seven").unwrap();
    assert_eq!(seven.snapshot().totals.unwrap().successful, 1);
    assert_eq!(own.snapshot().totals.unwrap().successful, 1);
}

#[test]
fn what_names_nothing_and_what_finds_no_room_counts_as_ever() {
    let shards = Registry::builder().max_circuits(1).build().unwrap();
    let _held = shards.get_or_create("held").unwrap();
    for key in ["", "without room"] {
        let own = own_circuit();
        assert_eq!(call(&mut store(own.clone(), &shards), key, 500), 500);
        assert_eq!(own.state(), State::Open, "{key}");
    }
    assert_eq!(shards.len(), 1);
}

#[test]
fn a_call_through_the_circuit_that_its_response_names_counts_once() {
    let shards = registry(2);
    let layer = CircuitBreakerLayer::new(own_circuit()).key_from_response(&shards, named);
    let mut service = layer.keyed_by(&shards, by_key()).layer(service_fn(shard));
    assert_eq!(call(&mut service, "seven", 500), 500);
    let seven = shards.try_get("seven").unwrap();
    let totals = seven.snapshot().totals.unwrap();
    assert_eq!((totals.failed, totals.ignored), (1, 0));
    assert_eq!(seven.state(), State::Closed);
    assert_eq!(call(&mut service, "seven", 500), 500);
    assert_eq!(call(&mut service, "seven", 200), 503);
    assert_eq!(call(&mut service, "eight", 200), 200);
}

#[test]
fn an_open_circuit_that_is_named_again_is_not_touched() {
    let shards = registry(1);
    let mut store = store(own_circuit(), &shards);
    for _ in 0..3 {
        assert_eq!(call(&mut store, "seven", 500), 500);
    }
    let totals = shards.try_get("seven").unwrap().snapshot().totals.unwrap();
    assert_eq!((totals.failed, totals.rejected), (1, 0));
}

#[test]
fn an_error_is_about_the_circuit_of_the_call() {
    let shards = registry(1);
    let own = own_circuit();
    let layer = CircuitBreakerLayer::new(own.clone()).key_from_response(&shards, named);
    let mut service = layer.layer(service_fn(async |_: Request<u16>| {
        Err::<Response<()>, _>("cut off")
    }));
    let call = tower::ServiceExt::oneshot(&mut service, request("seven", 200));
    assert_eq!(
        futures_util::FutureExt::now_or_never(call).unwrap().err(),
        Some("cut off")
    );
    assert_eq!(own.state(), State::Open);
    assert!(shards.is_empty());
}

// J6: or a store whose shard asks to be left alone, or trips at once, would be closed to all others.
#[test]
fn a_failure_of_any_kind_counts_for_the_circuit_that_the_response_names() {
    for failure in failures() {
        let (shards, own) = (registry(1), own_circuit());
        let layer = CircuitBreakerLayer::new(own.clone()).classifier(a_500_is(failure));
        let layer = layer.key_from_response(&shards, named);
        assert_eq!(call(&mut layer.layer(service_fn(shard)), "seven", 500), 500);
        assert_eq!(own.state(), State::Closed, "{failure:?}");
        let seven = shards.try_get("seven").unwrap();
        assert_eq!(seven.state(), State::Open, "{failure:?}");
    }
}

#[test]
fn a_response_that_counts_for_nothing_makes_no_circuit() {
    let shards = registry(1);
    let mut store = store(own_circuit(), &shards);
    for status in [404, 429] {
        assert_eq!(call(&mut store, "seven", status), status);
    }
    assert!(shards.is_empty());
}
