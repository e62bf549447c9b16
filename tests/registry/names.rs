//! Which circuit a name stands for, and what it is built by.

use std::time::Duration;

use tower_breaker::{
    Circuit, State,
    registry::{CreateError, Registry, RegistryBuilder},
};

use super::brittle;

fn fail(circuit: &Circuit) {
    circuit.try_acquire().expect("closed").failure();
}

/// How many failures in a row open it.
fn failures_to_open(circuit: &Circuit) -> usize {
    (0..100)
        .take_while(|_| {
            let closed = circuit.state() == State::Closed;
            if closed {
                fail(circuit);
            }
            closed
        })
        .count()
}

// I1
#[test]
fn a_name_stands_for_one_circuit() {
    let registry = brittle(Registry::builder()).build().expect("valid");
    let one = registry.get_or_create("payments").expect("made");
    fail(&one);
    let other = registry.get_or_create("payments").expect("there");
    assert_eq!(other.state(), State::Open);
    assert_eq!(
        registry.get_or_create("search").expect("made").state(),
        State::Closed
    );
    assert_eq!(registry.len(), 2);
}

// I2
#[test]
fn to_look_for_a_circuit_never_makes_one() {
    let registry = Registry::builder().build().expect("valid");
    assert!(registry.get("payments").is_none());
    let unknown = registry.try_get("payments").expect_err("refused");
    assert_eq!(unknown.name(), "payments");
    assert!(registry.remove("payments").is_none());
    assert!(registry.is_empty());
}

// I3
#[test]
fn later_rules_hold_over_earlier_ones_and_names_over_patterns() {
    let registry = Registry::builder()
        .circuit("search-eu-1", |circuit| circuit.consecutive_failures(6))
        .matching("search-*", |circuit| circuit.consecutive_failures(3))
        .matching("*-eu", |circuit| circuit.consecutive_failures(4))
        .defaults(|circuit| circuit.consecutive_failures(1).tag("tier", "any"))
        .defaults(|circuit| circuit.consecutive_failures(2))
        .build()
        .expect("valid");
    for (name, failures) in [
        ("payments", 2),
        ("search-us", 3),
        ("search-eu", 4),
        ("search-eu-1", 6),
    ] {
        let circuit = registry.get_or_create(name).expect("made");
        assert_eq!(failures_to_open(&circuit), failures, "{name}");
        assert_eq!(circuit.tags().get("tier"), Some("any"), "{name}");
    }
}

#[test]
fn a_star_in_the_name_of_a_circuit_is_a_star() {
    let registry = Registry::builder()
        .circuit("a*", |circuit| circuit.tag("named", "yes"))
        .build()
        .expect("valid");
    assert!(registry.get("a*").is_some());
    let other = registry.get_or_create("ab").expect("made");
    assert_eq!(other.tags().get("named"), None);
}

#[test]
fn named_circuits_are_there_from_the_start() {
    let registry = Registry::builder()
        .circuit("search", |circuit| circuit)
        .circuit("payments", |circuit| circuit)
        .circuit("search", |circuit| circuit.tag("said", "twice"))
        .build()
        .expect("valid");
    let names: Vec<_> = registry
        .circuits()
        .iter()
        .map(|it| it.name().to_owned())
        .collect();
    assert_eq!(names, ["payments", "search"]);
    let search = registry.try_get("search").expect("there");
    assert_eq!(search.tags().get("said"), Some("twice"));
}

// I3
#[test]
fn what_makes_no_sense_is_refused_when_the_registry_is_built() {
    let refused =
        |builder: RegistryBuilder| builder.build().expect_err("refused").field().to_owned();
    let builder = Registry::builder;
    let wrong = builder().defaults(|circuit| circuit.failure_rate(2.0));
    assert_eq!(refused(wrong), "failure_rate");
    let wrong = builder().matching("a-*", |circuit| circuit.minimum_calls(0));
    assert_eq!(refused(wrong), "minimum_calls");
    let wrong = builder().circuit("a", |circuit| circuit.open_for(Duration::ZERO));
    assert_eq!(refused(wrong), "open_for");
    let wrong = builder().circuit(" ", |circuit| circuit);
    assert_eq!(refused(wrong), "name");
    let wrong = builder()
        .circuit("a", |circuit| circuit)
        .circuit("b", |circuit| circuit)
        .max_circuits(1);
    assert_eq!(refused(wrong), "max_circuits");
}

// I3: each of two patterns makes sense, but not both for one name.
#[test]
fn what_makes_no_sense_for_one_name_only_is_refused_for_that_name() {
    let registry = Registry::builder()
        .matching("*-small", |circuit| circuit.count_window(10))
        .matching("slow-*", |circuit| circuit.minimum_calls(30))
        .build()
        .expect("valid");
    registry.get_or_create("slow-large").expect("makes sense");
    registry.get_or_create("fast-small").expect("makes sense");
    let refused = |name: &str| match registry.get_or_create(name).expect_err("refused") {
        CreateError::Config(error) => error.field().to_owned(),
        other => panic!("{other}"),
    };
    assert_eq!(refused("slow-small"), "minimum_calls");
    assert_eq!(refused(""), "name");
    assert_eq!(registry.len(), 2);
}

// I5, B8: strangers may choose it, so nothing is done with it.
#[test]
fn a_name_that_is_too_long_is_refused_before_any_rule_sees_it() {
    let ruled = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let rules = ruled.clone();
    let registry = Registry::builder()
        .matching("k*", move |circuit| {
            rules.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            circuit
        })
        .build()
        .expect("valid");
    registry
        .get_or_create(&"k".repeat(256))
        .expect("as long as may be");
    let before = ruled.load(std::sync::atomic::Ordering::Relaxed);
    let refused = registry
        .get_or_create(&"k".repeat(1_000_000))
        .expect_err("too long");
    let said = "`name` is one of 1000000 bytes, but must be at most 256 bytes long";
    assert_eq!(refused.to_string(), said);
    assert_eq!(ruled.load(std::sync::atomic::Ordering::Relaxed), before);
    assert_eq!(
        registry.totals().refused,
        0,
        "that is for those that find no room"
    );
    let named = Registry::builder().circuit(&"k".repeat(257), |circuit| circuit);
    assert_eq!(named.build().expect_err("too long").field(), "name");
}

// I5
#[test]
fn a_full_registry_makes_no_more_and_takes_up_again_when_there_is_room() {
    let registry = Registry::builder().max_circuits(2).build().expect("valid");
    let _held = ["a", "b"].map(|name| registry.get_or_create(name).expect("made"));
    let full = registry.get_or_create("c").expect_err("refused");
    assert_eq!(full, CreateError::Full { max_circuits: 2 });
    assert_eq!(
        full.to_string(),
        "the registry has 2 circuits, and may have no more"
    );
    assert!(registry.get_or_create("a").is_ok(), "it is there");
    registry.remove("a").expect("there");
    assert!(registry.get_or_create("c").is_ok());
}

#[test]
fn a_rule_may_ask_the_registry_for_another_circuit() {
    let registry = std::sync::Arc::new(std::sync::OnceLock::<Registry>::new());
    let asked = registry.clone();
    let built = Registry::builder()
        .matching("copy-of-*", move |circuit| {
            if let Some(registry) = asked.get() {
                registry.get_or_create("original").expect("made");
            }
            circuit
        })
        .build()
        .expect("valid");
    registry
        .set(built.downgrade().upgrade().expect("alive"))
        .expect("once");
    built.get_or_create("copy-of-a").expect("made");
    assert_eq!(built.len(), 2);
}

#[test]
fn all_are_seen_and_reset() {
    let registry = brittle(Registry::builder()).build().expect("valid");
    for name in ["b", "a"] {
        fail(&registry.get_or_create(name).expect("made"));
    }
    let states = || {
        let snapshots = registry.snapshots().into_iter();
        snapshots
            .map(|it| (it.name.to_string(), it.state))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        states(),
        [("a".into(), State::Open), ("b".into(), State::Open)]
    );
    registry.reset_all();
    assert_eq!(
        states(),
        [("a".into(), State::Closed), ("b".into(), State::Closed)]
    );
}

// I6
#[test]
fn neither_keeps_the_other_alive_for_ever() {
    let registry = Registry::builder()
        .circuit("a", |circuit| circuit)
        .build()
        .expect("valid");
    let circuit = registry.try_get("a").expect("there");
    let weak = registry.downgrade();
    drop(registry);
    assert!(
        weak.upgrade().is_none(),
        "a circuit does not keep its registry"
    );
    circuit.force_open();

    let registry = Registry::builder()
        .circuit("a", |circuit| circuit)
        .build()
        .expect("valid");
    let kept = registry.try_get("a").expect("there").downgrade();
    assert!(kept.upgrade().is_some(), "a registry keeps its circuits");
    registry.remove("a");
    assert!(kept.upgrade().is_none(), "but none that was removed");
    let kept = registry.get_or_create("b").expect("made").downgrade();
    drop(registry);
    assert!(kept.upgrade().is_none());
}

// I3: nobody has made a circuit `*`.
#[test]
fn what_makes_no_sense_is_told_of_the_defaults_or_the_pattern_that_say_it() {
    let refused = |builder: RegistryBuilder| builder.build().expect_err("no share");
    let percent = |circuit: tower_breaker::CircuitBuilder| circuit.failure_rate(7.0);
    let of_defaults = refused(Registry::builder().defaults(percent));
    assert_eq!(
        of_defaults.to_string(),
        "the defaults: `failure_rate` is 7.0, but must be a share above 0 and at most 1",
    );
    assert_eq!(of_defaults.circuit(), None);
    for (names, told) in [("search-*", "search-*"), ("*", "*"), ("**", "*")] {
        let of_pattern = refused(Registry::builder().matching(names, percent));
        assert_eq!(
            of_pattern.to_string(),
            format!(
                "the pattern `{told}`: `failure_rate` is 7.0, but must be a share above 0 and at most 1"
            ),
        );
        assert_eq!(of_pattern.circuit(), None);
    }
    let of_circuit = refused(Registry::builder().circuit("a", percent));
    assert_eq!(of_circuit.circuit(), Some("a"));
}

// I1: a rule may answer with a builder of its own, but not with another name.
#[test]
fn a_template_of_another_name_makes_circuits_of_the_names_that_are_asked_for() {
    let template = Circuit::builder("template").consecutive_failures(3);
    let named = template.clone();
    let registry = Registry::builder()
        .circuit("payments", move |_| named.clone())
        .matching("host-*", move |_| template.clone())
        .build()
        .expect("valid");
    registry.try_get("payments").expect("there from the start");
    for name in ["host-a", "host-b", "host-a"] {
        let circuit = registry.get_or_create(name).expect("made");
        assert_eq!(circuit.name(), name);
        assert_eq!(circuit.settings().consecutive_failures(), Some(3));
        circuit.force_open();
    }
    assert_eq!(registry.len(), 3);
    let again = registry.get_or_create("host-a").expect("there");
    assert_eq!(again.snapshot().era, 1, "the same one");
}

// I3: all of them make sense, or none is made.
#[test]
fn a_registry_that_is_refused_has_made_nothing() {
    let cap = tower_breaker::EjectionCap::new(0.5).expect("valid");
    let (members, told) = (
        cap.clone(),
        std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)),
    );
    let events = told.clone();
    let refused = Registry::builder()
        .on_event(move |_, _| {
            events.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        })
        .defaults(move |circuit| circuit.ejection_cap(&members))
        .circuit("a", |circuit| circuit)
        .circuit("b", |circuit| circuit.failure_rate(2.0))
        .build();
    assert_eq!(refused.expect_err("refused").field(), "failure_rate");
    assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 0);
}
