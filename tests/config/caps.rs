//! Caps in a configuration, and what happens to them while circuits live.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use tower_breaker::{
    Circuit, EjectionCap, Mode, State,
    config::{Apply, CapDiff, Config},
    registry::Registry,
};

use super::{read, wrong};

fn config(text: &str) -> Config {
    read(text).expect("makes sense")
}

fn registry(text: &str) -> Registry {
    config(text).registry().build().expect("valid")
}

/// Circuits that one failure opens, and these caps.
fn with(caps: &str) -> String {
    format!(
        "defaults.consecutive_failures = 1\n\
         [[matching]]\nnames = \"search-*\"\ntags = {{ tier = \"search\" }}\n{caps}"
    )
}

const HALF: &str = "[[caps]]\ntags = { tier = \"search\" }\nat_most = \"50%\"\n";

fn search(registry: &Registry, shards: usize) -> Vec<Circuit> {
    let name = |shard| format!("search-{shard}");
    let circuits = (1..=shards).map(|shard| registry.get_or_create(&name(shard)));
    circuits.collect::<Result<_, _>>().expect("made")
}

fn fail_all(circuits: &[Circuit]) {
    for circuit in circuits {
        if let Ok(guard) = circuit.try_acquire() {
            guard.failure();
        }
    }
}

fn open(circuits: &[Circuit]) -> usize {
    let is_open = |circuit: &&Circuit| circuit.state() == State::Open;
    circuits.iter().filter(is_open).count()
}

fn statuses(registry: &Registry) -> Vec<String> {
    registry.caps().iter().map(ToString::to_string).collect()
}

fn apply(registry: &Registry, caps: &str) -> String {
    let diff = registry.apply(&config(&with(caps)));
    diff.expect("it can").to_string()
}

// K1
#[test]
fn a_cap_is_read_from_a_file() {
    let registry = registry(&with(&format!(
        "[[caps]]\nat_most = 0.9\n[[caps]]\nnames = \"*-eu\"\nat_most = \"10%\"\nat_least_one = true\n{HALF}"
    )));
    let shards = search(&registry, 4);
    registry.get_or_create("mail-eu").expect("made");
    fail_all(&shards);
    assert_eq!(
        statuses(&registry),
        [
            "all circuits: 0 of 0 open, at most 90 %, 0 trips vetoed",
            "*-eu: 0 of 1 open, at most 10 % and at least one, 0 trips vetoed",
            "tier=search: 2 of 4 open, at most 50 %, 2 trips vetoed",
        ],
    );
}

// K1, I8
#[test]
fn what_is_wrong_with_a_cap_is_told_with_its_place() {
    let text = "
        [[caps]]
        at_mst = 0.5
        [[caps]]
        at_most = \"150%\"
        at_least_one = 1
        [[caps]]
        at_most = 0.5
        names = 7
        tags = { tier = 3 }
        [[caps]]
        at_most = 0.5
        names = \"a-*\"
        [[caps]]
        at_most = 0.6
        names = \"a-*\"
    ";
    assert_eq!(
        wrong(text),
        [
            "caps.0.at_mst: `at_mst` is not known; did you mean `at_most`?",
            "caps.0.at_most: not there, but must be a share such as 0.5 or \"50%\"",
            "caps.1.at_least_one: 1, but must be true or false",
            "caps.1.at_most: 1.5, but must be a share above 0 and at most 1",
            "caps.2.names: 7, but must be a text",
            "caps.2.tags.tier: 3, but must be a text",
            "caps.4: a cap of the same circuits, but must be of other circuits than those before it",
        ],
    );
    assert_eq!(wrong("caps = 3"), ["caps: 3, but must be a list of tables"]);
    assert_eq!(wrong("caps = [3]"), ["caps.0: 3, but must be a table"]);
}

// I8: as the schema says, and as of any other pattern.
#[test]
fn the_names_of_a_cap_can_be_read_and_are_not_too_long() {
    let long = "x".repeat(257);
    for (names, told) in [
        ("", "\"\", but must be a name that can be read"),
        (" ", "\" \", but must be a name that can be read"),
        (
            &long,
            "one of 257 bytes, but must be at most 256 bytes long",
        ),
    ] {
        let text = format!("[[caps]]\nat_most = 0.5\nnames = \"{names}\"");
        assert_eq!(wrong(&text), [format!("caps.0.names: {told}")]);
    }
}

// K1, I9
#[test]
fn a_limit_changes_from_the_next_trip_on() {
    let registry = registry(&with(HALF));
    let shards = search(&registry, 4);
    fail_all(&shards);
    assert_eq!(open(&shards), 2);
    let more = HALF.replace("50%", "75%");
    let planned = registry.plan(&config(&with(&more))).expect("it can");
    assert_eq!(
        planned.to_string(),
        "cap of tier=search: at most 50 % -> at most 75 %"
    );
    fail_all(&shards);
    assert_eq!(open(&shards), 2, "a plan changes nothing");
    assert_eq!(apply(&registry, &more), planned.to_string());
    fail_all(&shards);
    assert_eq!(open(&shards), 3);

    // Less: those that are open stay so, and the next trip is vetoed.
    let less = HALF.replace("50%", "25%") + "at_least_one = true";
    assert_eq!(
        apply(&registry, &less),
        "cap of tier=search: at most 75 % -> at most 25 % and at least one",
    );
    fail_all(&shards);
    assert_eq!(open(&shards), 3);
    shards[0].reset();
    shards[1].reset();
    fail_all(&shards);
    assert_eq!(open(&shards), 1);
    assert_eq!(apply(&registry, &less), "");
}

// K1, I9
#[test]
fn circuits_that_live_join_a_new_cap_and_one_that_is_open_takes_a_place() {
    let registry = registry(&with(""));
    let shards = search(&registry, 4);
    fail_all(&shards[..1]);
    shards[1].set_mode(Mode::Shadow);
    fail_all(&shards[1..2]);
    let diff = registry.apply(&config(&with(HALF))).expect("it can");
    assert_eq!(
        diff.to_string(),
        "cap of tier=search: is made, at most 50 %"
    );
    assert!(matches!(diff.caps().next(), Some(CapDiff::Added { .. })));
    assert!(!diff.is_empty());
    assert_eq!(
        statuses(&registry),
        ["tier=search: 1 of 4 open, at most 50 %, 0 trips vetoed"],
    );
    fail_all(&shards[2..]);
    assert_eq!(open(&shards[2..]), 1, "the other place");
    // It has its place like any other: back with the reset.
    shards[0].reset();
    fail_all(&shards[2..]);
    assert_eq!(open(&shards[2..]), 2);
}

// K1, I9
#[test]
fn a_cap_that_is_no_more_limits_nobody_and_may_come_back() {
    let registry = registry(&with(HALF));
    let shards = search(&registry, 4);
    fail_all(&shards);
    assert_eq!(apply(&registry, ""), "cap of tier=search: is no more");
    assert!(registry.caps().is_empty());
    fail_all(&shards);
    assert_eq!(open(&shards), 4);
    // Another configuration in between changes nothing about that.
    apply(&registry, "");
    assert_eq!(
        apply(&registry, HALF),
        "cap of tier=search: is made, at most 50 %"
    );
    assert_eq!(registry.caps()[0].members, 4);
    registry.reset_all();
    fail_all(&shards);
    assert_eq!(open(&shards), 2);
}

// K1, I9
#[test]
fn a_circuit_has_one_cap_for_as_long_as_it_lives() {
    let registry = registry(&with(HALF));
    let shards = search(&registry, 1);
    let other = with("[[caps]]\nnames = \"search-*\"\nat_most = 0.3");
    let refused = registry.apply(&config(&other)).expect_err("another cap");
    assert_eq!(
        refused.to_string(),
        "cannot change: circuit `search-1`: `cap` is another than its own, but must be the one that it has \
         for as long as it lives; `Apply::replacing` has it made anew",
    );
    assert_eq!(registry.caps()[0].at_most, 0.5);
    let made_anew = registry.apply_as(&config(&other), Apply::new().replacing());
    assert_eq!(
        made_anew.expect("it can").to_string(),
        "search-1: is made anew with its state and an empty window, since `cap` cannot change\n\
         cap of tier=search: is no more\n\
         cap of search-*: is made, at most 30 %",
    );
    drop(shards);
    assert_eq!(
        statuses(&registry),
        ["search-*: 0 of 1 open, at most 30 %, 0 trips vetoed"],
    );
}

// K1, I9
#[test]
fn caps_of_code_stay_and_hold_over_those_of_a_file() {
    let builder = config(&with(HALF)).registry();
    let code = tower_breaker::registry::GroupCap::at_most(1.0).names("search-1");
    let registry = builder.cap(code).build().expect("valid");
    search(&registry, 2);
    apply(&registry, &HALF.replace("50%", "75%"));
    search(&registry, 3);
    assert_eq!(
        statuses(&registry),
        [
            "tier=search: 0 of 2 open, at most 75 %, 0 trips vetoed",
            "search-1: 0 of 1 open, at most 100 %, 0 trips vetoed",
        ],
    );
}

// K1, I9
#[test]
fn the_cap_that_a_circuit_has_of_code_holds_over_those_of_a_file_that_come_later() {
    let own = EjectionCap::new(1.0).expect("valid");
    let members = own.clone();
    let builder = config(&with("")).registry();
    let builder = builder.circuit("search-1", move |it| it.ejection_cap(&members));
    let registry = builder.build().expect("valid");
    search(&registry, 2);
    apply(&registry, HALF);
    assert_eq!(
        statuses(&registry),
        ["tier=search: 0 of 1 open, at most 50 %, 0 trips vetoed"],
    );
    assert_eq!(own.members(), 1);
}

// K1, I9: what is undone limits nobody, and can be applied later.
#[test]
fn caps_are_undone_with_the_rest() {
    let (asked, fails) = (AtomicU64::new(0), Arc::new(AtomicBool::new(true)));
    let failing = fails.clone();
    // A rule that makes nonsense of `zoo` once all before it have joined.
    let builder = config(&with("")).registry().circuit("zoo", move |circuit| {
        let late = asked.fetch_add(1, Ordering::Relaxed) > 2;
        circuit.permits(if late && failing.load(Ordering::Relaxed) {
            0
        } else {
            1
        })
    });
    let registry = builder.build().expect("valid");
    let shards = search(&registry, 2);
    registry
        .apply(&config(&with(HALF)))
        .expect_err("zoo makes no sense");
    assert!(registry.caps().is_empty());
    fail_all(&shards);
    assert_eq!(open(&shards), 2, "no limit");
    fails.store(false, Ordering::Relaxed);
    apply(&registry, HALF);
    assert_eq!(
        statuses(&registry),
        ["tier=search: 2 of 2 open, at most 50 %, 0 trips vetoed"],
    );
}

// K1, I9: whatever races, in the end all are members, and each that is open has its place.
#[test]
fn caps_come_and_go_while_circuits_trip() {
    for round in 0..150 {
        let registry = registry(&with(""));
        let shards = search(&registry, 4);
        let begun = AtomicU64::new(0);
        thread::scope(|scope| {
            for thread in 0..2 {
                let (shards, begun, registry) = (&shards, &begun, &registry);
                scope.spawn(move || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    for turn in 0..20 {
                        let shard = &shards[(turn + thread) % shards.len()];
                        match (turn + round) % 5 {
                            0 => shard.reset(),
                            1 => drop(shard.force_open()),
                            2 => drop(shard.release()),
                            _ => fail_all(std::slice::from_ref(shard)),
                        }
                    }
                    registry.get_or_create("search-late").expect("made");
                });
            }
            while begun.load(Ordering::Relaxed) < 2 {
                thread::yield_now();
            }
            apply(&registry, HALF);
            apply(&registry, "");
            apply(&registry, &HALF.replace("50%", "25%"));
        });
        let cap = registry.caps().remove(0);
        let is_held = |circuit: &&Circuit| circuit.state() != State::Closed;
        let held = shards.iter().filter(is_held).count();
        assert_eq!((cap.members, cap.ejected), (5, held as u64), "{cap}");
        registry.reset_all();
        assert_eq!(registry.caps()[0].ejected, 0);
    }
}
