//! Labels: how many names there are in a scrape.

use tower_breaker::{
    registry::Registry,
    telemetry::{Exposition, Labels},
};

use super::scrape::{Exported, Scrape, fail, registry, succeed};

// L6
#[test]
fn labels_are_bounded_and_circuits_that_are_named_come_first() {
    let builder = Registry::builder().circuit("y", |circuit| circuit);
    let builder = builder.circuit("z", |circuit| circuit);
    let registry = builder.build().expect("valid");
    for name in ["a", "b", "c"] {
        registry.get_or_create(name).expect("made");
    }
    let exported = Exported::with(&registry, |builder| builder.max_labels(3));
    let text = Exposition::new(&registry).max_labels(3).render();
    for scrape in [exported.scrape(), Scrape::read(&text)] {
        assert_eq!(scrape.circuits("state"), ["a", "y", "z"]);
        assert_eq!(scrape.circuits("calls_total"), ["a", "other", "y", "z"]);
    }
}

// L6: two hundred, whatever the registry holds.
#[test]
fn a_flood_of_names_makes_no_more_series_than_there_may_be() {
    let registry = Registry::builder()
        .max_circuits(2_000)
        .build()
        .expect("valid");
    let exported = Exported::of(&registry);
    let exposition = Exposition::new(&registry);
    for number in 0..1_000 {
        succeed(
            &registry
                .get_or_create(&format!("host {number}"))
                .expect("made"),
        );
    }
    for scrape in [exported.scrape(), Scrape::read(&exposition.render())] {
        assert_eq!(scrape.circuits("state").len(), 200);
        assert_eq!(scrape.calls("other", "success"), 800.0);
    }
}

// L6: whether they live or not, because a recorder cannot forget.
#[test]
fn names_that_were_ever_told_to_a_recorder_are_bounded() {
    let (registry, _clock) = registry(&[]);
    let exported = Exported::with(&registry, |builder| builder.max_labels(2));
    for name in ["a", "b", "c", "a", "d"] {
        succeed(&registry.get_or_create(name).expect("made"));
        registry.remove(name).expect("there");
    }
    let seen = exported.scrape();
    assert_eq!(seen.circuits("calls_total"), ["a", "b", "other"]);
    let calls = ["a", "b", "other"].map(|name| seen.calls(name, "success"));
    assert_eq!(calls, [2.0, 1.0, 2.0]);
}

// L6: or the counter of `other` would fall.
#[test]
fn a_circuit_under_other_stays_there_when_a_label_becomes_free() {
    let (registry, _clock) = registry(&["a", "b"]);
    let exposition = Exposition::new(&registry).max_labels(1);
    let b = registry.try_get("b").expect("named");
    succeed(&b);
    registry.remove("a").expect("there");
    registry.get_or_create("c").expect("made");
    succeed(&b);
    fail(&b);
    let seen = Scrape::read(&exposition.render());
    assert_eq!(seen.circuits("state"), ["c"]);
    assert_eq!(seen.calls("other", "success"), 2.0);
}

// L4, L6: what has left is forgotten where its label is needed, and only there.
#[test]
fn a_name_that_comes_back_while_there_are_labels_goes_on_counting() {
    let (registry, _clock) = registry(&[]);
    let exposition = Exposition::new(&registry).max_labels(3);
    for name in ["a", "b", "a"] {
        succeed(&registry.get_or_create(name).expect("made"));
        registry.remove(name).expect("there");
    }
    registry.get_or_create("a").expect("made");
    let seen = Scrape::read(&exposition.render());
    assert_eq!(seen.calls("a", "success"), 2.0);
}

// L6
#[test]
fn a_name_that_has_come_back_keeps_its_label() {
    let (registry, _clock) = registry(&[]);
    let exposition = Exposition::new(&registry).max_labels(2);
    let make = |name: &str| drop(registry.get_or_create(name).expect("made"));
    make("b");
    make("a");
    registry.remove("a").expect("there");
    make("a");
    make("c");
    let seen = Scrape::read(&exposition.render());
    assert_eq!(seen.circuits("state"), ["a", "b"]);
}

// L4, L6: it is no label that another name can have.
#[test]
fn the_counters_of_other_go_on_when_nobody_is_left_there() {
    let (registry, _clock) = registry(&["a"]);
    let exposition = Exposition::new(&registry).max_labels(1);
    for name in ["b", "c"] {
        succeed(&registry.get_or_create(name).expect("made"));
        registry.remove(name).expect("there");
    }
    let seen = Scrape::read(&exposition.render());
    assert_eq!(seen.calls("other", "success"), 2.0);
}

// L6: it is not mixed up with those that share its name.
#[test]
fn a_circuit_that_is_called_other_shares_that_label_and_shows_its_state() {
    let (registry, _clock) = registry(&["other", "x"]);
    let exported = Exported::with(&registry, |builder| builder.max_labels(0));
    fail(&registry.try_get("x").expect("named"));
    assert_eq!(exported.scrape().of("other", "state"), 0.0);
    fail(&registry.try_get("other").expect("named"));
    assert_eq!(exported.as_it_is().of("other", "state"), 1.0);
    assert_eq!(exported.as_it_is().calls("other", "failure"), 2.0);
    registry.remove("other").expect("there");
    assert_eq!(exported.as_it_is().of("other", "state"), 0.0);
}

// L6
#[test]
fn labels_for_instruments_of_ones_own_are_chosen_in_the_same_way() {
    let (registry, _clock) = registry(&["y", "z"]);
    registry.get_or_create("a").expect("made");
    let labels = Labels::with_max(&registry, 3);
    for (name, label) in [
        ("new", "other"),
        ("z", "z"),
        ("a", "a"),
        ("y", "y"),
        ("other", "other"),
    ] {
        assert_eq!(labels.label(name), label);
    }
    let later = Labels::of(&registry);
    let of = |number: usize| later.label(&format!("host {number}")).to_owned();
    let others = (0..300).filter(|number| of(*number) == "other").count();
    assert_eq!(others, 103, "two hundred, of which three are given already");
    assert_eq!(of(0), "host 0", "and it keeps it");
}
