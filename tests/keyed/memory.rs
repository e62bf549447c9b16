//! What a layer takes beside its registry, by the figures that its docs state (rule J4).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use tower::{Layer, service_fn};
use tower_breaker::registry::Registry;

use crate::calling::{by_key, call, obey};

const DOCS: &str = include_str!("../../src/keyed/mod.rs");

/// The number before some words of the docs.
#[track_caller]
fn stated(before: &str) -> i64 {
    let text = DOCS.replace("\n//! ", " ");
    let (text, _) = text.split_once(before).expect("stated");
    let digits = text.rsplit(' ').next().expect("a word");
    digits.replace(',', "").parse().expect("a number")
}

fn key(number: u64) -> String {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{random:0>32x}")
}

// J4
#[test]
fn a_layer_takes_as_much_for_each_circuit_as_its_docs_say() {
    const CIRCUITS: u64 = 1_000;
    let registry = Registry::builder().max_circuits(2_000).build().unwrap();
    let names: Vec<_> = (0..CIRCUITS).map(key).collect();
    for name in &names {
        registry.get_or_create(name).unwrap();
    }
    let mut service = registry.layer_by(by_key()).layer(service_fn(obey));
    let took = allocation_counter::measure(|| {
        for name in &names {
            assert_eq!(call(&mut service, name, 200), 200);
        }
    });
    let took = took.bytes_current / CIRCUITS as i64;
    let stated = stated(" bytes for each circuit");
    println!("{took} of {stated} bytes");
    assert!(took <= stated, "{took} bytes, and {stated} are stated");
    assert!(
        took * 2 >= stated,
        "{took} bytes are less than half of {stated}"
    );
}

// J4, I5
#[test]
fn a_flood_of_keys_makes_neither_layer_nor_registry_larger() {
    // Those that succeed make room for one another; those that fail stay, and there is no room.
    for answer in [200, 500] {
        let (few, many) = (
            peak_of_a_flood(2_000, answer),
            peak_of_a_flood(40_000, answer),
        );
        println!("{answer}: {few} and {many} bytes");
        assert!(many < few + few / 4, "{few} bytes for few, {many} for many");
    }
}

fn peak_of_a_flood(keys: u64, answer: u16) -> u64 {
    let builder = Registry::builder().defaults(|circuit| circuit.consecutive_failures(1));
    let registry = builder.max_circuits(64).build().unwrap();
    let peak = allocation_counter::measure(|| {
        let mut service = registry.layer_by(by_key()).layer(service_fn(obey));
        for number in 0..keys {
            call(&mut service, &key(number), answer);
        }
    });
    let totals = registry.totals();
    match answer {
        200 => assert_eq!((totals.created, totals.evicted), (keys, keys - 64)),
        _ => assert_eq!((totals.created, totals.refused), (64, keys - 64)),
    }
    peak.bytes_max
}
