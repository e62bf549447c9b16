//! Who makes room in a registry that is full.

use std::time::Duration;

use tower_breaker::{
    Circuit, CircuitBuilder, Mode, State,
    clock::ManualClock,
    registry::{CreateError, Registry},
};

const BREAK: Duration = Duration::from_secs(10);
const YOUNG_FOR: Duration = Duration::from_secs(60);

/// One place, whose circuit opens at the second failure in a row.
fn one_place(
    change: impl Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync + 'static,
) -> (Registry, ManualClock) {
    places(1, change)
}

fn places(
    most: u32,
    change: impl Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync + 'static,
) -> (Registry, ManualClock) {
    let clock = ManualClock::new();
    let time = clock.clone();
    let registry = Registry::builder()
        .defaults(move |circuit| {
            let circuit = circuit.consecutive_failures(2).open_for(BREAK);
            change(circuit.clock(time.clone()))
        })
        .max_circuits(most)
        .build()
        .expect("valid");
    (registry, clock)
}

fn fail(circuit: &Circuit) {
    circuit.try_acquire().expect("admitted").failure();
}

fn succeed(circuit: &Circuit) {
    circuit.try_acquire().expect("admitted").success();
}

/// Whether the circuit `first`, to which `happens`, leaves for a second one.
fn leaves(registry: &Registry, happens: impl FnOnce(&Circuit)) -> bool {
    happens(&registry.get_or_create("first").expect("made"));
    let before = registry.totals();
    let second = registry.get_or_create("second");
    let totals = registry.totals();
    assert_eq!(registry.len(), 1, "never more than there may be");
    match second {
        Ok(_) => {
            assert!(registry.get("first").is_none());
            assert_eq!(totals.evicted, before.evicted + 1);
            assert_eq!(totals.refused, before.refused);
            true
        }
        Err(error) => {
            assert_eq!(error, CreateError::Full { max_circuits: 1 });
            assert!(registry.get("first").is_some());
            assert_eq!(totals.evicted, before.evicted);
            assert_eq!(totals.refused, before.refused + 1);
            false
        }
    }
}

// I5
#[test]
fn a_circuit_that_is_as_it_was_built_makes_room() {
    let (registry, _) = one_place(|circuit| circuit);
    assert!(leaves(&registry, |_| {}));
}

// I5: a success ends a streak, and there is no window to keep it.
#[test]
fn a_healthy_circuit_without_a_window_makes_room() {
    let (registry, _) = one_place(|circuit| circuit);
    assert!(leaves(&registry, |first| {
        fail(first);
        succeed(first);
    }));
}

// I5
#[test]
fn a_circuit_that_has_something_to_lose_stays() {
    type Happens = fn(&Circuit);
    let happenings: [(&str, Happens); 7] = [
        ("a failure", fail),
        ("open", |first| {
            fail(first);
            fail(first);
        }),
        ("forced open", |first| {
            first.force_open();
        }),
        ("disabled", |first| {
            first.set_mode(Mode::Disabled);
        }),
        ("shadow", |first| {
            first.set_mode(Mode::Shadow);
        }),
        ("tripped", |first| first.trip(BREAK).expect("allowed")),
        ("reconfigured", |first| {
            let changed = first.reconfigure(|settings| settings.set_consecutive_failures(5));
            changed.expect("valid");
        }),
    ];
    for (what, happens) in happenings {
        let (registry, _) = one_place(|circuit| circuit);
        assert!(!leaves(&registry, happens), "{what}");
    }
}

// I5
#[test]
fn a_window_that_holds_anything_keeps_its_circuit() {
    let (registry, _) = one_place(|circuit| circuit.count_window(10));
    assert!(!leaves(&registry, succeed));
    let (registry, clock) = one_place(|circuit| circuit.time_window(BREAK));
    assert!(!leaves(&registry, succeed));
    clock.advance(BREAK * 2);
    assert!(leaves(&registry, |_| {}), "the window is empty again");
}

// I5
#[test]
fn a_circuit_that_somebody_holds_stays() {
    let (registry, _) = one_place(|circuit| circuit);
    let held = registry.get_or_create("first").expect("made");
    assert!(!leaves(&registry, |_| {}));
    let guard = held.try_acquire_owned().expect("closed");
    assert!(!leaves(&registry, |_| {}), "a call holds it");
    guard.success();
    assert!(leaves(&registry, |_| {}));
}

// I5: C2 remembers attempts until closed has lasted as long as the break.
#[test]
fn a_circuit_that_has_recovered_stays_for_as_long_as_its_break_is_remembered() {
    let (registry, clock) = one_place(|circuit| circuit);
    let recovers = |first: &Circuit| {
        fail(first);
        fail(first);
        clock.advance(BREAK);
        succeed(first);
        assert_eq!(first.state(), State::Closed);
        clock.advance(BREAK - Duration::from_nanos(1));
    };
    assert!(!leaves(&registry, recovers));
    clock.advance(Duration::from_nanos(1));
    assert!(leaves(&registry, |_| {}));
}

// I5, D6
#[test]
fn a_circuit_that_ramps_up_stays_until_it_has() {
    let (registry, clock) = one_place(|circuit| circuit.ramp(BREAK * 5, 0.1));
    let recovers = |first: &Circuit| {
        fail(first);
        fail(first);
        clock.advance(BREAK);
        succeed(first);
        clock.advance(BREAK * 5 - Duration::from_nanos(1));
    };
    assert!(!leaves(&registry, recovers));
    clock.advance(Duration::from_nanos(1));
    assert!(leaves(&registry, |_| {}));
}

// I5
#[test]
fn an_open_circuit_leaves_three_breaks_after_its_wait_if_nobody_asked() {
    let (registry, clock) = one_place(|circuit| circuit);
    let opens = |first: &Circuit| {
        fail(first);
        fail(first);
        clock.advance(BREAK * 4 - Duration::from_nanos(1));
    };
    assert!(!leaves(&registry, opens));
    clock.advance(Duration::from_nanos(1));
    assert!(leaves(&registry, |_| {}));
}

// I5
#[test]
fn an_open_circuit_that_is_asked_stays() {
    let (registry, clock) = one_place(|circuit| circuit.success_threshold(2));
    let probed = |first: &Circuit| {
        fail(first);
        fail(first);
        clock.advance(BREAK * 3);
        succeed(first);
        assert_eq!(first.state(), State::HalfOpen);
        clock.advance(BREAK * 100);
    };
    assert!(!leaves(&registry, probed));
}

// I5
#[test]
fn a_circuit_that_is_there_from_the_start_never_leaves() {
    let registry = Registry::builder()
        .circuit("named", |circuit| circuit.consecutive_failures(1))
        .max_circuits(1)
        .build()
        .expect("valid");
    let full = CreateError::Full { max_circuits: 1 };
    assert_eq!(registry.get_or_create("stranger").expect_err("full"), full);
    assert!(registry.get("named").is_some());
    assert_eq!(registry.totals().created, 1);
}

// I5
#[test]
fn a_flood_drives_out_only_itself() {
    let (registry, clock) = places(8, |circuit| circuit);
    for number in 0..4 {
        registry
            .get_or_create(&format!("old {number}"))
            .expect("made");
    }
    clock.advance(YOUNG_FOR);
    for number in 0..1_000 {
        registry
            .get_or_create(&format!("new {number}"))
            .expect("a young one leaves");
    }
    for number in 0..4 {
        assert!(registry.get(&format!("old {number}")).is_some(), "{number}");
    }
    assert_eq!(registry.len(), 8);
    assert_eq!(registry.totals().evicted, 1_000 - 4);
}

// I5: as long as they are the smaller half, they may take the place of an old one.
#[test]
fn new_ones_take_the_places_of_old_ones_up_to_one_half() {
    let (registry, clock) = places(8, |circuit| circuit);
    for number in 0..8 {
        registry
            .get_or_create(&format!("old {number}"))
            .expect("made");
    }
    clock.advance(YOUNG_FOR);
    for number in 0..100 {
        registry
            .get_or_create(&format!("new {number}"))
            .expect("made");
    }
    let old = (0..8).filter(|number| registry.get(&format!("old {number}")).is_some());
    assert_eq!(old.count(), 4);
}

// I5: a flood that fails is turned away once its places are full, and those that were there stay.
#[test]
fn a_flood_that_fails_finds_no_room_beyond_its_half() {
    let (registry, clock) = places(8, |circuit| circuit);
    for number in 0..8 {
        registry
            .get_or_create(&format!("old {number}"))
            .expect("made");
    }
    clock.advance(YOUNG_FOR);
    for number in 0..100 {
        if let Ok(circuit) = registry.get_or_create(&format!("new {number}")) {
            fail(&circuit);
        }
    }
    assert_eq!(registry.totals().refused, 96);
    let old = (0..8).filter(|number| registry.get(&format!("old {number}")).is_some());
    assert_eq!(old.count(), 4);
}

// I5
#[test]
fn a_result_that_comes_late_lands_in_the_circuit_that_admitted_its_call() {
    let (registry, _) = one_place(|circuit| circuit);
    let first = registry.get_or_create("name").expect("made");
    let guard = first.clone().try_acquire_owned().expect("closed");
    registry.remove("name").expect("there");
    let second = registry.get_or_create("name").expect("made");
    fail(&second);
    guard.failure();
    assert_eq!(first.snapshot().consecutive_failures, 1);
    assert_eq!(second.snapshot().consecutive_failures, 1);
}

// I5: one that is named is no stranger, also when it comes back.
#[test]
fn a_named_circuit_that_was_removed_comes_back_as_one_that_stays() {
    let registry = Registry::builder()
        .circuit("named", |circuit| circuit)
        .max_circuits(1)
        .build()
        .expect("valid");
    registry.remove("named").expect("there");
    registry.get_or_create("named").expect("made");
    registry.get_or_create("stranger").expect_err("full");
    assert!(registry.get("named").is_some());
}

// I5: built in shadow, it is as it was built.
#[test]
fn a_circuit_that_was_built_in_another_mode_makes_room_in_that_mode_only() {
    for mode in [Mode::Shadow, Mode::Disabled] {
        let (registry, _) = one_place(move |circuit| circuit.mode(mode));
        let first = |registry: &Registry| registry.get_or_create("first").expect("made");
        first(&registry).set_mode(Mode::Normal);
        assert!(!leaves(&registry, |_| {}), "{mode}");
        first(&registry).set_mode(mode);
        assert!(leaves(&registry, |_| {}), "{mode}");
    }
}
