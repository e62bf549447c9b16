//! A circuit that makes room, against those who look it up.

use super::*;

/// A registry with one place, in which is the circuit `a`, as new.
fn full() -> (Registry, Log) {
    let (registry, log) = listened_to(brittle().max_circuits(1));
    registry.get_or_create("a").expect("made");
    (registry, log)
}

// I5
#[test]
fn a_circuit_that_was_found_stays_and_loses_no_result() {
    model("eviction: against a call", || {
        let (registry, _) = full();
        let (calling, making) = (registry.clone(), registry.clone());
        let called = Arc::new(Mutex::new(false));
        let found = called.clone();
        race!(
            move || {
                if let Some(circuit) = calling.get("a") {
                    fail(&circuit);
                    *found.lock().expect("not poisoned") = true;
                }
            },
            move || drop(making.get_or_create("b")),
        );
        let called = *called.lock().expect("not poisoned");
        // One that is as new may have left, also after it was called: so the call is what must not be lost.
        match registry.get("a") {
            Some(circuit) if called => assert_eq!(circuit.state(), State::Open),
            Some(_) => {}
            None => assert!(!called, "its failure is lost"),
        }
        assert_eq!(registry.len(), 1);
    });
}

// I1, I5
#[test]
fn a_circuit_that_is_held_stays_the_one_of_its_name() {
    model("eviction: against one who holds it", || {
        let (registry, log) = full();
        let (holding, making) = (registry.clone(), registry.clone());
        race!(
            move || {
                if let Some(held) = holding.get("a") {
                    held.force_open();
                    let again = holding.get_or_create("a").expect("it is held");
                    assert_eq!(
                        again.identity(),
                        held.identity(),
                        "there is one of its name"
                    );
                    held.release();
                }
            },
            move || drop(making.get_or_create("b")),
        );
        let gone = registry.get("a").is_none();
        let expected: &[_] = if gone {
            &["added", "evicted", "added"]
        } else {
            &["added"]
        };
        assert_eq!(told(&log), expected);
        assert_eq!(registry.len(), 1);
    });
}

// I4, I5
#[test]
fn two_that_need_a_place_take_it_from_one_after_the_other() {
    model("eviction: two need the place", || {
        let (registry, log) = full();
        let (one, other) = (registry.clone(), registry.clone());
        race!(move || drop(one.get_or_create("b")), move || drop(
            other.get_or_create("c")
        ),);
        let totals = registry.totals();
        assert_eq!(registry.len(), 1, "never more than there may be");
        assert_eq!(totals.created, 1 + totals.evicted);
        let told = told(&log);
        let count = |what| told.iter().filter(|it| **it == what).count() as u64;
        assert_eq!(
            (count("added"), count("evicted")),
            (totals.created, totals.evicted)
        );
    });
}
