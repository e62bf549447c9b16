//! What nobody wrote by hand, with no fuzzer. `tests/fuzz` drives the same, and looks deeper. So does
//! `TOWER_BREAKER_CASES=100000 cargo test --release --all-features --test admin fuzzed::`.

#[path = "../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
mod drive;
#[path = "../config/fuzzed/files.rs"]
mod files;

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

// L9
#[test]
fn whatever_is_asked_is_done_or_told_why_not() {
    let said = std::env::var("TOWER_BREAKER_CASES").ok();
    let config = Config {
        cases: said.map_or(3_000, |cases| cases.parse().expect("a number of cases")),
        failure_persistence: None,
        max_shrink_time: 20_000,
        ..Config::default()
    };
    let told = RefCell::new(BTreeMap::new());
    let bytes = prop::collection::vec(any::<u8>(), 0..150);
    let outcome = TestRunner::new(config).run(&bytes, |bytes| {
        *told.borrow_mut().entry(drive::drive(&bytes)).or_insert(0) += 1;
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let told = told.into_inner();
    println!("{told:#?}");
    for what in drive::OUTCOMES {
        assert!(told.contains_key(what), "never happened: {what}");
    }
}
