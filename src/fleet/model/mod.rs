//! All that can happen between a few instances and their store, searched to its end (rules N4, N5, N7).
//!
//! `world` is what there is and `actions` what can happen in it, `properties` what must be so whatever happens; `search`
//! tries it all. The store and what instances make of its answers are the real ones, so what is shown here is shown of
//! them. What the circuit does with it is shown by `tests/machine/led.rs` and by loom.

mod actions;
mod properties;
mod relative;
mod search;
mod stub;
mod world;

use self::{
    properties::MARKS,
    search::{Found, Limits, search},
    world::{Scene, Size},
};

/// Searches a world to its end, or up to so many states. All that must be possible is asked for by name.
fn explore(name: &str, size: Size, limits: Limits, reached: &[&str]) -> Found {
    let scene = Scene::new(size);
    let found = search(&scene, limits);
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

/// To the end.
const ALL: Limits = Limits {
    states: 200_000_000,
    threads: 2,
};

fn complete(name: &str, size: Size, reached: &[&str]) {
    let found = explore(name, size, ALL, reached);
    assert!(!found.cut, "{name} is cut off");
}

/// A failover, three instances, or a loss: what takes more than one of these is smaller in all else.
const SMALL: Size = Size {
    taken: 1,
    break_ticks: 1,
    alone_ticks: 2,
    ..Size::of(2)
};

#[test]
#[ignore]
fn two() {
    complete("two", Size::of(2), &["recovery", "reopening"]);
}

#[test]
#[ignore]
fn two_small() {
    complete("two, small", SMALL, &["recovery", "reopening"]);
}

#[test]
#[ignore]
fn two_again() {
    let size = Size {
        eras: 3,
        grants: 3,
        ..SMALL
    };
    complete(
        "two, again",
        size,
        &["recovery", "reopening", "open again after a recovery"],
    );
}

#[test]
#[ignore]
fn two_one_loss() {
    let size = Size { losses: 1, ..SMALL };
    complete("two, one loss", size, &["recovery", "reopening"]);
}

#[test]
#[ignore]
fn two_failover() {
    let size = Size {
        failovers: 1,
        answers_fly: false,
        ..SMALL
    };
    complete(
        "two, a failover",
        size,
        &["recovery", "reopening", "a restore"],
    );
}

#[test]
#[ignore]
fn three() {
    let size = Size {
        instances: 3,
        answers_fly: false,
        ..SMALL
    };
    complete("three", size, &["recovery", "reopening"]);
}

/// Two successes close it, a seat for each: results are counted up.
#[test]
#[ignore]
fn two_successes() {
    let size = Size {
        losses: 1,
        probes: (2, 2),
        taken: 2,
        answers_fly: false,
        ..SMALL
    };
    complete("two successes, one loss", size, &["recovery", "reopening"]);
}
