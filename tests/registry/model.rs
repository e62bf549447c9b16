//! A registry does, step by step, what two plain maps and a list of circuits do, whatever happens to it: names by the
//! thousand, calls that end late, people who interfere, configurations, and too little room.
//!
//! `TOWER_BREAKER_CASES=5000 cargo test --release --all-features --test registry model::` looks deeper.

mod naive;
mod steps;
mod world;

use self::{
    steps::{conf, history},
    world::World,
};
use crate::explore::explore;

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
    let lives = (conf(), history(1_000));
    let tally = explore(60, lives, &MUST_HAPPEN, |(conf, history)| {
        let mut world = World::new(conf);
        history
            .into_iter()
            .for_each(|step| world.live_through(step));
        Vec::from_iter(world.tally)
    });
    assert!(tally["made"] > 3_000, "keys by the thousand");
}
