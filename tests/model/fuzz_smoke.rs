//! What the fuzz targets of `tests/fuzz` drive, on random bytes and without a fuzzer, so that it is
//! built and run with every other test. `.ci/fuzz` looks deeper.

mod builder;
mod bytes;
#[cfg(feature = "grpc")]
mod headers;
mod laws;
mod machine;

use proptest::prelude::*;

use crate::explore::explore;

/// Any bytes, fewer than `length`.
fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..length)
}

// B8
#[test]
fn the_builder_refuses_nonsense_by_name_and_what_it_accepts_works() {
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
    explore(6_000, bytes(300), &all, |bytes| {
        let refused = builder::drive(&bytes);
        vec![(refused.unwrap_or("accepted".to_owned()), 1)]
    });
}

// A7, H4
#[cfg(feature = "grpc")]
#[test]
fn whatever_a_peer_says_is_read_within_its_limits() {
    let all = ["read", "honoured", "pushed back", "a code"];
    explore(20_000, bytes(40), &all, |bytes| {
        let told = headers::drive(&bytes).into_iter();
        told.map(|what| (what, 1)).collect()
    });
}

// A1 to A5, A7, B1 to B7, B9, C1 to C5, D1 to D6, E1, E2, E4, E5, F4
#[test]
fn the_machine_does_what_its_reference_does() {
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
    explore(500, bytes(1_500), &all, |bytes| {
        Vec::from_iter(machine::drive(&bytes))
    });
}
