//! A keyed layer whose registry is changed while it lives (rules J2 and I9).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use tower::{Layer, service_fn};
use tower_breaker::{
    State,
    config::{Apply, Config},
};

use crate::calling::{by_key, call, obey};

fn config(text: &str) -> Config {
    Config::read(toml::Deserializer::parse(text).unwrap()).unwrap()
}

#[test]
fn calls_go_through_the_circuit_that_has_taken_the_place_of_another() {
    let registry = config("circuits.a.count_window = 50")
        .registry()
        .build()
        .unwrap();
    let mut service = registry.layer_by(by_key()).layer(service_fn(obey));
    let old = registry.try_get("a").unwrap();
    assert_eq!(call(&mut service, "a", 200), 200);

    let other = config("circuits.a.count_window = 60");
    registry.apply_as(&other, Apply::new().replacing()).unwrap();
    assert_eq!(call(&mut service, "a", 200), 200);
    let new = registry.try_get("a").unwrap();
    assert_eq!(new.snapshot().totals.unwrap().successful, 1);
    assert_eq!(old.snapshot().totals.unwrap().successful, 1);
}

#[test]
fn calls_have_the_settings_that_were_applied() {
    let registry = config("circuits.a.consecutive_failures = 50")
        .registry()
        .build()
        .unwrap();
    let mut service = registry.layer_by(by_key()).layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 500), 500);
    registry
        .apply(&config("circuits.a.consecutive_failures = 2"))
        .unwrap();
    assert_eq!(call(&mut service, "a", 500), 500);
    assert_eq!(registry.try_get("a").unwrap().state(), State::Open);
    assert_eq!(call(&mut service, "a", 200), 503);
}
