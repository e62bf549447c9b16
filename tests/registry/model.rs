//! A registry does, step by step, what two plain maps and a list of circuits do, whatever happens to it: names by the
//! thousand, calls that end late, people who interfere, configurations, and too little room.
//!
//! `TOWER_BREAKER_CASES=5000 cargo test --release --all-features --test registry model::` looks deeper.

mod naive;
mod steps;
mod world;

use std::{cell::RefCell, collections::BTreeMap};

use proptest::test_runner::{Config as RunnerConfig, TestRunner};

use self::{
    steps::{conf, history},
    world::World,
};

/// What must have happened in some history, or this would show little.
const MUST_HAPPEN: [&str; 18] = [
    "made",
    "found",
    "evicted: like new",
    "evicted: forgotten",
    "refused: full",
    "removed",
    "made again",
    "rejected",
    "tripped",
    "recovered",
    "late: gone",
    "late: made again",
    "forced open",
    "released",
    "by hand",
    "applied",
    "apply refused: a window",
    "apply refused: no room",
];

// I1 to I5, I9, C4, E4, E5
#[test]
fn a_registry_does_what_a_naive_one_does() {
    let said = std::env::var("TOWER_BREAKER_CASES").ok();
    let mut runner = TestRunner::new(RunnerConfig {
        cases: said.map_or(60, |cases| cases.parse().expect("a number of cases")),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        ..RunnerConfig::default()
    });
    let tally = RefCell::new(BTreeMap::<_, u64>::new());
    let outcome = runner.run(&(conf(), history(1_000)), |(conf, history)| {
        let mut world = World::new(conf);
        history
            .into_iter()
            .for_each(|step| world.live_through(step));
        for (what, times) in world.tally {
            *tally.borrow_mut().entry(what).or_default() += times;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{:#?}", tally.borrow());
    for what in MUST_HAPPEN {
        assert!(tally.borrow().contains_key(what), "never happened: {what}");
    }
    assert!(tally.borrow()["made"] > 3_000, "keys by the thousand");
}
