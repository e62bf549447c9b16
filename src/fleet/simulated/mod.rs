//! A minute of a fleet's life, many times over. It has real circuits, and the real thing that speaks for them, on
//! clocks that do not agree. One store is behind links that lose, delay and repeat. And everything happens that can
//! happen to any of them. What is promised is looked at all the time (rules N2 to N7).
//!
//! `TOWER_BREAKER_HISTORIES=5000 cargo test --release --lib --features fleet fleet::simulated` looks deeper.

mod clock;
mod history;
mod instance;
mod link;
mod promises;
mod world;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestError, TestRng, TestRunner},
};
use std::collections::BTreeMap;

use self::{
    history::histories,
    world::{live, tell},
};

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

/// So many things are to come about.
const REACHED: usize = 14;

/// How many histories are looked at, and how many instances they have at most.
fn how_many() -> (u32, usize) {
    let said = std::env::var("TOWER_BREAKER_HISTORIES").ok();
    match said.map(|said| said.parse().expect("a number")) {
        Some(cases) => (cases, 50),
        None => (100, 12),
    }
}

/// The same histories every time, unless others are asked for: what one change is told must be what it has done.
fn runner(config: Config) -> TestRunner {
    match std::env::var_os("TOWER_BREAKER_OTHER_HISTORIES") {
        Some(_) => TestRunner::new(config),
        None => {
            let algorithm = config.rng_algorithm;
            TestRunner::new_with_rng(config, TestRng::deterministic_rng(algorithm))
        }
    }
}

// N2 to N7
#[test]
fn whatever_happens_promises_are_kept() {
    let (cases, most) = how_many();
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let histories = histories(most);
    let test = |history| {
        let lived = live(&history);
        lived.map(drop).map_err(TestCaseError::fail)
    };
    match runner(config).run(&histories, test) {
        Ok(()) => {}
        Err(TestError::Fail(broken, history)) => {
            panic!("{}\n{broken}\n{history:#?}", tell(&history));
        }
        Err(error) => panic!("{error}"),
    }
}

/// Or the test above says little: everything that there is has to come about.
#[test]
fn histories_bring_about_everything() {
    let mut reached = BTreeMap::<&str, u64>::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let history = histories(5).new_tree(&mut runner).expect("a history");
        let lived = live(&history.current()).unwrap_or_else(|broken| panic!("{broken}"));
        for (what, times) in lived {
            *reached.entry(what).or_default() += times;
        }
    }
    assert_eq!(reached.len(), REACHED, "{reached:?}");
    assert!(reached.values().all(|times| *times >= 5), "{reached:?}");
}
