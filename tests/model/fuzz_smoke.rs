//! What the fuzz targets of `tests/fuzz` drive, on random bytes and without a fuzzer, so that it is
//! built and run with every other test. `.ci/fuzz` looks deeper.

mod builder;
mod bytes;
#[cfg(feature = "grpc")]
mod headers;
mod laws;
mod machine;

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

/// Runs `drive` on so many random inputs; gives how often it told of each thing.
fn on_random_bytes<T: IntoIterator<Item = (String, u64)>>(
    cases: u32,
    length: usize,
    drive: impl Fn(&[u8]) -> T,
) -> BTreeMap<String, u64> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_time: 20_000,
        ..Config::default()
    };
    let told = RefCell::new(BTreeMap::new());
    let bytes = prop::collection::vec(any::<u8>(), 0..length);
    let outcome = TestRunner::new(config).run(&bytes, |bytes| {
        for (what, number) in drive(&bytes) {
            *told.borrow_mut().entry(what).or_default() += number;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    told.into_inner()
}

fn assert_told(told: &BTreeMap<String, u64>, all: &[&str]) {
    println!("{told:#?}");
    for what in all {
        assert!(told.contains_key(*what), "never happened: {what}");
    }
}

// B8
#[test]
fn the_builder_refuses_nonsense_by_name_and_what_it_accepts_works() {
    let told = on_random_bytes(6_000, 300, |bytes| {
        let refused = builder::drive(bytes);
        [(refused.unwrap_or("accepted".to_owned()), 1)]
    });
    let all = [
        "accepted",
        "consecutive_failures",
        "failure_rate",
        "slow_call_rate",
        "slow_call_duration",
        "minimum_calls",
        "count_window",
        "time_window",
        "time_window_buckets",
        "open_for",
        "open_for.factor",
        "open_for.max",
        "open_for.jitter",
        "success_threshold",
        "probes.of",
        "probes.successes",
        "permits",
        "half_open_timeout",
        "probe_timeout",
        "call_timeout",
        "bulkhead.places",
        "retries.at_most",
        "retries.share",
        "retries.per_second",
        "retries.max_wait",
        "ramp",
        "ramp.from",
        "shed.multiplier",
        "shed.floor",
    ];
    assert_told(&told, &all);
}

// A7, H4
#[cfg(feature = "grpc")]
#[test]
fn whatever_a_peer_says_is_read_within_its_limits() {
    let told = on_random_bytes(20_000, 40, |bytes| {
        let told = headers::drive(bytes).into_iter();
        told.map(|what| (what.to_owned(), 1))
    });
    assert_told(&told, &["read", "honoured", "pushed back", "a code"]);
}

// A1 to A5, A7, B1 to B7, B9, C1 to C5, D1 to D6, E1, E2, E4, E5, F4
#[test]
fn the_machine_does_what_its_reference_does() {
    let told = on_random_bytes(500, 1_500, |bytes| {
        let happened = machine::drive(bytes).into_iter();
        happened.map(|(what, number)| (what.to_owned(), number))
    });
    let all = [
        "consecutive failures",
        "failure rate",
        "trip now",
        "manual",
        "probe failed",
        "wait over",
        "recovered",
        "rejected: open",
        "rejected: half-open full",
        "rejected: forced open",
        "rejected: shedding",
        "shed began",
        "changed",
        "refused",
        "stale",
        "shadowed",
    ];
    assert_told(&told, &all);
}
