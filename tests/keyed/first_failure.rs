//! A key earns its circuit by a failure (rule J5).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use http::Response;
use tower::{Layer, service_fn};
use tower_breaker::{CircuitBreakerLayer, Mode, State};

use crate::calling::{
    Answer, a_500_is, begin, by_key, call, failures, obey, own_circuit, registry,
};

#[test]
fn a_key_that_only_succeeds_has_no_circuit() {
    let registry = registry(2);
    let layer = registry.layer_by(by_key()).create_on_first_failure();
    let mut service = layer.layer(service_fn(obey));
    for number in 0..10_000 {
        assert_eq!(call(&mut service, &format!("key {number}"), 200), 200);
    }
    assert_eq!(registry.len(), 0);
    assert_eq!(registry.totals().created, 0);
    let own = layer.circuit().snapshot().totals.unwrap();
    assert_eq!(own.successful, 10_000);
}

#[test]
fn the_first_failure_makes_the_circuit_and_counts_for_it() {
    let registry = registry(2);
    let layer = registry.layer_by(by_key()).create_on_first_failure();
    let mut service = layer.layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 500), 500);
    let a = registry.try_get("a").unwrap();
    assert_eq!(a.snapshot().totals.unwrap().failed, 1);
    assert_eq!(call(&mut service, "a", 500), 500);
    assert_eq!(a.state(), State::Open);
    assert_eq!(call(&mut service, "a", 200), 503);
    assert_eq!(call(&mut service, "b", 200), 200);
    assert_eq!(a.snapshot().totals.unwrap().failed, 2);
}

#[test]
fn a_circuit_that_is_there_counts_all_calls_of_its_key() {
    let registry = registry(2);
    let a = registry.get_or_create("a").unwrap();
    let layer = registry.layer_by(by_key()).create_on_first_failure();
    let mut service = layer.layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 200), 200);
    assert_eq!(call(&mut service, "a", 500), 500);
    let totals = a.snapshot().totals.unwrap();
    assert_eq!((totals.successful, totals.failed), (1, 1));
}

#[test]
fn a_failure_without_a_key_makes_no_circuit_and_counts_for_the_layer() {
    let registry = registry(1);
    let layer = CircuitBreakerLayer::new(own_circuit()).keyed_by(&registry, by_key());
    let layer = layer.create_on_first_failure();
    let mut service = layer.layer(service_fn(obey));
    assert_eq!(call(&mut service, "", 500), 500);
    assert_eq!(call(&mut service, "", 200), 503);
    assert!(registry.is_empty());
}

#[test]
fn what_the_layer_said_before_it_holds() {
    let registry = registry(1);
    let layer = CircuitBreakerLayer::new(own_circuit())
        .reject_with(|_| {
            let mut response = Response::new(());
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            response
        })
        .keyed_by(&registry, by_key())
        .create_on_first_failure();
    let mut service = layer.layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 500), 500);
    // The failure that made the circuit has opened the layer's own, too.
    assert_eq!(call(&mut service, "a", 200), 418);
    assert_eq!(call(&mut service, "b", 200), 418);
    assert_eq!(layer.circuit().mode(), Mode::Normal);
}

#[test]
fn calls_that_were_under_way_before_the_circuit_count_for_it_when_they_fail() {
    let registry = registry(3);
    let layer = registry.layer_by(by_key()).create_on_first_failure();
    let answers: Vec<_> = (0..2)
        .map(|_| {
            let mut service = layer.layer(service_fn(async |_| -> Answer {
                tokio::task::yield_now().await;
                let mut response = Response::new(());
                *response.status_mut() = http::StatusCode::BAD_GATEWAY;
                Ok(response)
            }));
            begin(&mut service, "a", 0)
        })
        .collect();
    for answer in answers {
        tokio_test::block_on(answer).unwrap();
    }
    let a = registry.try_get("a").unwrap();
    assert_eq!(a.snapshot().totals.unwrap().failed, 2);
}

// J5
#[test]
fn a_failure_of_any_kind_makes_the_circuit_and_counts_for_it() {
    for failure in failures() {
        let registry = registry(1);
        let layer = CircuitBreakerLayer::new(own_circuit()).classifier(a_500_is(failure));
        let layer = layer
            .keyed_by(&registry, by_key())
            .create_on_first_failure();
        assert_eq!(call(&mut layer.layer(service_fn(obey)), "a", 500), 500);
        let a = registry.try_get("a").expect("made");
        assert_eq!(a.state(), State::Open, "{failure:?}");
    }
}

// J5
#[test]
fn a_failure_counts_once_where_the_key_is_the_name_of_the_layers_own_circuit() {
    let registry = registry(2);
    let own = registry.get_or_create("others").unwrap();
    let layer = CircuitBreakerLayer::new(own.clone()).keyed_by(&registry, by_key());
    let mut service = layer.create_on_first_failure().layer(service_fn(obey));
    assert_eq!(call(&mut service, "others", 500), 500);
    assert_eq!(own.snapshot().totals.unwrap().failed, 1);
    assert_eq!(own.state(), State::Closed);
}

// J1, J5: neither undoes the other in silence.
#[test]
fn where_only_known_keys_have_circuits_a_failure_makes_none() {
    let registry = registry(2);
    let known = registry.get_or_create("known").unwrap();
    let layer = || registry.layer_by(by_key());
    let making = layer().create_on_first_failure();
    for (said, layer) in [
        (
            "before",
            layer().known_keys_only().create_on_first_failure(),
        ),
        ("after", making.clone().known_keys_only()),
        (
            "after, and more later",
            making.clone().known_keys_only().overflow_to(own_circuit()),
        ),
    ] {
        let mut service = layer.layer(service_fn(obey));
        assert_eq!(call(&mut service, "a", 500), 500);
        assert_eq!(call(&mut service, "known", 200), 200);
        assert_eq!(
            (registry.len(), registry.totals().created),
            (1, 1),
            "{said}"
        );
        let own = layer.circuit().snapshot().totals.unwrap();
        assert!(own.failed > 0, "{said}");
    }
    assert_eq!(known.snapshot().totals.unwrap().successful, 3);
    // It was said of another.
    let mut service = making.layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 500), 500);
    assert_eq!(registry.len(), 2);
}
