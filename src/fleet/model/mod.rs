//! All that can happen between a few instances and their store, searched to its end (rules N4, N5, N7).
//!
//! `world` is what there is and `actions` what can happen in it, `properties` what must be so whatever happens;
//! `search` tries it all. The store and what instances make of its answers are the real ones, so what is shown here is
//! shown of them. What the circuit does with it is shown by `tests/machine/led.rs` and by loom.

mod actions;
mod properties;
mod relative;
mod search;
mod stub;
mod world;

use std::thread;

use self::{
    properties::MARKS,
    search::{Found, Limits, search},
    world::{Scene, Size},
};

/// Two instances. That a fleet opens, asks for seats, closes or opens again is all in it, with a lease that ends and
/// another one.
const TWO: Size = Size::of(2);

/// What has more of something has less of all else: shorter times, and one probe of an instance.
const SMALL: Size = Size {
    taken: 1,
    break_ticks: 1,
    alone_ticks: 2,
    ..TWO
};

const LOSS: Size = Size { losses: 1, ..SMALL };

const FAILOVER: Size = Size {
    failovers: 1,
    answers_fly: false,
    ..SMALL
};

const THREE: Size = Size {
    instances: 3,
    answers_fly: false,
    ..SMALL
};

/// A second outage: what is left of the first one is there, too.
const AGAIN: Size = Size { eras: 4, ..SMALL };

/// Three successes close it, with a seat for each: results are counted up.
const SUCCESSES: Size = Size {
    losses: 1,
    probes: (3, 3),
    taken: 2,
    answers_fly: false,
    ..SMALL
};

const ENDS: [&str; 2] = ["recovery", "reopening"];

/// Searches a world, and asks for what must be possible by name.
fn explore(name: &str, size: Size, states: usize, reached: &[&str]) -> Found {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let found = search(&Scene::new(size), Limits { states, threads });
    println!("{name}: {found}");
    if let Some(broken) = &found.broken {
        panic!("{name}: {found}\n{broken}");
    }
    for mark in reached {
        let bit = MARKS.iter().position(|it| it == mark);
        let bit = bit.expect("a mark of this name");
        assert!(found.marks >> bit & 1 == 1, "{name}: never reached: {mark}");
    }
    found
}

/// To its end.
fn complete(name: &str, size: Size, reached: &[&str]) {
    const MORE_THAN_THERE_ARE: usize = 100_000_000;
    let found = explore(name, size, MORE_THAN_THERE_ARE, reached);
    assert!(!found.cut, "{name} is cut off");
}

/// To its end, if that was asked for, as `.ci/fleet` does. Otherwise the first of all that can happen, as much as there
/// is time for in every run of the tests, without optimization.
fn to_the_end(name: &str, size: Size, reached: &[&str]) {
    const STATES: usize = 15_000;
    if std::env::var_os("TOWER_BREAKER_WHOLE_WORLDS").is_some() {
        return complete(name, size, reached);
    }
    let found = explore(name, size, STATES, &[]);
    assert!(
        found.cut,
        "{name} is small enough to be searched to its end"
    );
}

// N4, N5, N7
#[test]
fn one_lease_to_its_end() {
    let size = Size { grants: 1, ..SMALL };
    complete("two instances, one lease", size, &ENDS);
}

// N5
#[test]
fn results_of_one_instance_to_their_end() {
    let size = Size {
        instances: 1,
        ..SUCCESSES
    };
    complete(
        "one instance, three successes, a loss",
        size,
        &["reopening"],
    );
}

// N4, N5, N7
#[test]
fn two_instances_to_the_end() {
    to_the_end("two instances", TWO, &ENDS);
}

// N4, N5, N7
#[test]
fn three_instances_to_the_end() {
    to_the_end("three instances", THREE, &ENDS);
}

// N4, N5, N7
#[test]
fn a_loss_to_the_end() {
    to_the_end("two instances, a loss", LOSS, &ENDS);
}

// N4, N5
#[test]
fn a_failover_to_the_end() {
    let reached = ["recovery", "reopening", "a restore"];
    to_the_end("two instances, a failover", FAILOVER, &reached);
}

// N4, N5, N7
#[test]
fn two_outages_to_the_end() {
    let reached = ["recovery", "reopening", "open again after a recovery"];
    to_the_end("two instances, two outages", AGAIN, &reached);
}

// N5
#[test]
fn three_successes_and_a_loss_to_the_end() {
    to_the_end(
        "two instances, three successes, a loss",
        SUCCESSES,
        &["reopening"],
    );
}
