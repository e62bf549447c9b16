//! Nobody gets another's answer, whatever peers write into their headers (rules M3, M4). `tests/fuzz` drives the same,
//! and looks deeper. So does
//! `TOWER_BREAKER_CASES=1000000 cargo test --release --all-features --test degrade cached::hostile::`.

#[path = "../../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
mod drive;

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::stage;

// M3, M4
#[test]
fn nobody_gets_anothers_answer() {
    let said = std::env::var("TOWER_BREAKER_CASES").ok();
    let config = Config {
        cases: said.map_or(4_000, |cases| cases.parse().expect("a number of cases")),
        failure_persistence: None,
        max_shrink_time: 20_000,
        ..Config::default()
    };
    let told = RefCell::new(BTreeMap::new());
    let bytes = prop::collection::vec(any::<u8>(), 0..250);
    let outcome = TestRunner::new(config).run(&bytes, |bytes| {
        for what in drive::drive(&bytes) {
            *told.borrow_mut().entry(what).or_insert(0) += 1;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let told = told.into_inner();
    println!("{told:#?}");
    for what in drive::OUTCOMES {
        assert!(told.contains_key(what), "never happened: {what}");
    }
}
