//! The circuit decides, step by step, what a reference decides that is too plain to be wrong:
//! whatever the configuration, whatever the history, after thousands of steps.
//!
//! `TOWER_BREAKER_CASES=20000 cargo test --release --test model histories::` looks deeper.

use proptest::prelude::*;

use crate::{
    config::{
        Config, any_config, nervous_config, patient_config, shedding_config, watchful_config,
    },
    explore,
    history::{Step, busy, eventful},
    pair::live_through,
};

fn explore(cases: u32, lives: impl Strategy<Value = (Config, Vec<Step>)>, must_happen: &[&str]) {
    explore::explore(cases, lives, must_happen, |(config, history)| {
        Vec::from_iter(live_through(&config, &history))
    });
}

// A1 to A5, A7, B1 to B7, B9, C1 to C5, D1 to D6, E1, E2, E4, E5, F4
#[test]
fn any_circuit_does_what_its_reference_does() {
    let must_happen = [
        "consecutive failures",
        "failure rate",
        "trip now",
        "manual",
        "probe failed",
        "probes timed out",
        "probes abandoned",
        "wait over",
        "recovered",
        "force expired",
        "rejected: open",
        "rejected: half-open full",
        "rejected: forced open",
        "rejected: ramping",
        "changed",
        "refused",
        "stale",
        "shadowed",
        "slow",
        "abandoned",
        "heard",
    ];
    explore(80, (any_config(), eventful(2_000)), &must_happen);
}

// B2, B3, B4
#[test]
fn windows_are_exact_after_thousands_of_calls() {
    explore(
        40,
        (patient_config(), busy(600)),
        &["slow", "failed", "heard"],
    );
}

// A3, B3 to B5, B7
#[test]
fn rates_and_policies_trip_when_they_should() {
    let must_happen = ["failure rate", "slow-call rate", "custom policy", "heard"];
    explore(60, (watchful_config(), eventful(1_500)), &must_happen);
}

// B9, C3, D6, E1, E4, E5, F4
#[test]
fn a_share_is_shed_as_the_window_says() {
    let must_happen = [
        "shed began",
        "shed ended",
        "rejected: shedding",
        "rejected: ramping",
        "consecutive failures",
        "shadowed",
        "changed",
        "heard",
    ];
    explore(80, (shedding_config(), eventful(2_000)), &must_happen);
}

// C1, C4, D1 to D6, E1
#[test]
fn half_open_keeps_its_accounts_for_ever() {
    let must_happen = [
        "probe failed",
        "probes timed out",
        "probes abandoned",
        "recovered",
        "stale",
        "heard",
    ];
    explore(60, (nervous_config(), eventful(2_000)), &must_happen);
}
