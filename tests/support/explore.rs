//! Random cases, and what has to have happened in some of them: a test in which nothing happens shows nothing.

use std::{cell::RefCell, collections::BTreeMap, ops::RangeInclusive};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestRunner},
};

/// How often each thing of interest happened.
pub(crate) type Tally = BTreeMap<String, u64>;

/// Rounds until all has happened. What is rare and does happen is then not missed by chance.
const ROUNDS: RangeInclusive<u32> = 1..=10;

/// Lets `live` live through `cases` random cases, or as many as the environment says. What it tells has to be all of
/// `must_happen` in the end; as long as something is missing there is another round, and there are ten at most.
#[track_caller]
pub(crate) fn explore<Any: Strategy, What: ToString>(
    cases: u32,
    any: Any,
    must_happen: &[&str],
    live: impl Fn(Any::Value) -> Vec<(What, u64)>,
) -> Tally {
    let tally = RefCell::new(Tally::new());
    for round in ROUNDS {
        let outcome = runner(cases).run(&any, |case| {
            for (what, times) in live(case) {
                *tally.borrow_mut().entry(what.to_string()).or_default() += times;
            }
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
        println!("round {round}: {:#?}", tally.borrow());
        if missing(&tally.borrow(), must_happen).is_empty() {
            break;
        }
    }
    let tally = tally.into_inner();
    let missing = missing(&tally, must_happen);
    assert!(missing.is_empty(), "never happened: {missing:?}");
    tally
}

fn missing<'a>(tally: &Tally, must_happen: &[&'a str]) -> Vec<&'a str> {
    let never = must_happen
        .iter()
        .filter(|&&what| !tally.contains_key(what));
    never.copied().collect()
}

fn runner(cases: u32) -> TestRunner {
    let said = std::env::var("TOWER_BREAKER_CASES").ok();
    TestRunner::new(Config {
        cases: said.map_or(cases, |cases| cases.parse().expect("a number of cases")),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        ..Config::default()
    })
}
