//! A configuration for a registry that lives.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tower_breaker::{
    Agreement, Circuit, CircuitBuilder, OpenFor, State, WindowCounts,
    config::{ApplyError, CircuitDiff, Config},
    registry::{Event, Registry},
};

use super::{collisions::EndsThem, read};

const SECOND: Duration = Duration::from_secs(1);

fn config(text: &str) -> Config {
    read(text).expect("makes sense")
}

fn registry(text: &str) -> Registry {
    config(text).registry().build().expect("valid")
}

fn failures_that_trip(registry: &Registry, name: &str) -> Option<u32> {
    let circuit = registry.get_or_create(name).expect("made");
    circuit.settings().consecutive_failures()
}

// I9
#[test]
fn live_circuits_and_later_ones_get_what_the_configuration_says_now() {
    let registry = registry("defaults.consecutive_failures = 2\n[circuits.a]");
    registry.get_or_create("stranger").expect("made");
    let newer = config(
        r#"
        defaults.consecutive_failures = 3
        circuits.a.consecutive_failures = 4
        [[matching]]
        names = "search-*"
        consecutive_failures = 5
        [circuits.b]
        "#,
    );
    let planned = registry.plan(&newer).expect("it can");
    assert_eq!(
        planned.to_string(),
        "a: `consecutive_failures` 2 -> 4\nb: is made\nstranger: `consecutive_failures` 2 -> 3",
    );
    assert_eq!(
        failures_that_trip(&registry, "a"),
        Some(2),
        "a plan changes nothing"
    );
    assert!(registry.get("b").is_none());

    assert_eq!(registry.apply(&newer).expect("it can"), planned);
    for (name, failures) in [
        ("a", 4),
        ("b", 3),
        ("stranger", 3),
        ("search-eu", 5),
        ("new", 3),
    ] {
        assert_eq!(
            failures_that_trip(&registry, name),
            Some(failures),
            "{name}"
        );
    }
    assert!(registry.apply(&newer).expect("it can").is_empty());
}

// I9, I5: a circuit that it would have named can still make room.
#[test]
fn who_is_named_by_a_configuration_that_finds_no_room_does_not_stay_for_it() {
    let registry = registry("max_circuits = 2");
    registry.get_or_create("a").expect("made");
    let _held = registry.get_or_create("other").expect("made");
    let newer = config("max_circuits = 2\n[circuits.a]\n[circuits.b]");
    registry.apply(&newer).expect_err("no room for b");
    assert!(registry.get("a").is_some());
    registry.get_or_create("c").expect("a makes room");
    assert!(registry.get("a").is_none());
}

// I9
#[test]
fn state_and_window_are_kept() {
    let registry = registry("defaults.failure_rate = 0.5\n[circuits.open]\n[circuits.closed]");
    let (open, closed) = (
        registry.try_get("open").expect("there"),
        registry.try_get("closed").expect("there"),
    );
    open.trip(Duration::from_secs(60)).expect("allowed");
    closed.try_acquire().expect("closed").failure();
    let counts = |circuit: &Circuit| -> WindowCounts { circuit.snapshot().window.expect("some") };
    let before = counts(&closed);
    let newer = config("defaults.failure_rate = 0.25\n[circuits.open]\n[circuits.closed]");
    registry.apply(&newer).expect("it can");
    assert_eq!((open.state(), open.snapshot().era), (State::Open, 1));
    assert_eq!(counts(&closed), before);
    assert_eq!(closed.settings().failure_rate(), Some(0.25));
}

// I9
#[test]
fn what_cannot_change_is_told_and_then_nothing_changes() {
    let registry = registry("defaults.count_window = 50\n[circuits.a]\n[circuits.b]");
    let newer = config(
        r#"
        defaults.minimum_calls = 10
        circuits.a.count_window = 50
        circuits.b.count_window = 60
        [circuits.c]
        "#,
    );
    let Err(ApplyError::Refused(diff)) = registry.apply(&newer) else {
        panic!("refused");
    };
    assert_eq!(registry.plan(&newer).as_ref(), Ok(&diff));
    assert_eq!(
        ApplyError::Refused(diff).to_string(),
        "cannot change: circuit `b`: `count_window` is 60, but must be left as the circuit was built; \
         `Apply::replacing` has it made anew",
    );
    let a = registry.try_get("a").expect("there");
    assert_eq!(a.settings().minimum_calls(), Some(20));
    assert!(registry.get("c").is_none());
    let later = registry.get_or_create("later").expect("made");
    assert_eq!(
        later.settings().minimum_calls(),
        Some(20),
        "nor do the rules"
    );
}

// I9
#[test]
fn a_name_that_is_gone_from_the_file_leaves_its_circuit_as_it_is() {
    let registry = registry("defaults.consecutive_failures = 2\n[circuits.a]\n[circuits.b]");
    let diff = registry.apply(&config("defaults.consecutive_failures = 3\n[circuits.b]"));
    let told = diff.expect("it can").to_string();
    assert_eq!(
        told,
        "a: is named no more, and stays as it is\nb: `consecutive_failures` 2 -> 3",
    );
    assert_eq!(failures_that_trip(&registry, "a"), Some(2));
}

// I9: not by the next configuration either, whatever that says, until somebody says what is to become of it.
#[test]
fn a_name_that_is_gone_stays_gone_until_told_otherwise() {
    let registry = registry("max_circuits = 2\n[circuits.a]\nconsecutive_failures = 7");
    let apply = |text: &str| {
        let diff = registry.apply(&config(&format!("max_circuits = 2\n{text}")));
        diff.expect("it can")
    };
    let left = "a: is named no more, and stays as it is";
    for failures in [2, 3] {
        let diff = apply(&format!("defaults.consecutive_failures = {failures}"));
        assert_eq!(diff.to_string(), left);
        assert!(diff.is_empty(), "nothing changes");
        assert_eq!(failures_that_trip(&registry, "a"), Some(7));
    }
    // It is no stranger that makes room.
    registry.get_or_create("b").expect("made");
    drop(registry.get_or_create("c").expect("in the place of b"));
    assert!(registry.get("a").is_some());

    let with = |failures: u64, more: &str| {
        let text = format!("defaults.consecutive_failures = {failures}\n{more}");
        apply(&text).to_string()
    };
    let named = "[circuits.a]\nconsecutive_failures = 4";
    assert_eq!(with(3, named), "a: `consecutive_failures` 7 -> 4");
    assert_eq!(with(3, ""), left);
    registry.remove("a");
    assert_eq!(with(5, ""), "c: `consecutive_failures` 3 -> 5");
    assert_eq!(failures_that_trip(&registry, "a"), Some(5));
    let both = "a: `consecutive_failures` 5 -> 6\nc: `consecutive_failures` 5 -> 6";
    assert_eq!(with(6, ""), both, "it is one like all others");
}

// I9
#[test]
fn what_is_said_in_code_stays_and_closures_are_no_change() {
    let registry = config("[circuits.a]\nfailure_rate = 0.5")
        .registry()
        .defaults(|circuit| {
            circuit
                .count_window(50)
                .trip_when(|counts| counts.failed > 5)
                .open_for(OpenFor::from_fn(|_| SECOND))
        })
        .circuit("a", |circuit| circuit.minimum_calls(7))
        .build()
        .expect("valid");
    let diff = registry.apply(&config(
        "[circuits.a]\nfailure_rate = 0.25\nminimum_calls = 9",
    ));
    let diff = diff.expect("it can").to_string();
    assert_eq!(diff, "a: `failure_rate` 0.5 -> 0.25");
    let settings = registry.try_get("a").expect("there").settings();
    assert_eq!(settings.minimum_calls(), Some(7));
}

type Sets = fn(CircuitBuilder) -> CircuitBuilder;

// I9
#[test]
fn a_closure_that_comes_or_goes_is_refused() {
    let closures: [(&str, Sets); 2] = [
        ("trip_when", |it| it.trip_when(|counts| counts.failed > 5)),
        ("open_for", |it| it.open_for(OpenFor::from_fn(|_| SECOND))),
    ];
    for (setting, sets) in closures {
        for is_set in [false, true] {
            let rule = Arc::new(AtomicBool::new(is_set));
            let asked = rule.clone();
            let registry = config("[circuits.a]").registry().circuit("a", move |it| {
                let is_set = asked.load(Ordering::Relaxed);
                if is_set { sets(it) } else { it }
            });
            let registry = registry.build().expect("valid");
            rule.store(!is_set, Ordering::Relaxed);
            let refused = registry.apply(&config("[circuits.a]")).expect_err(setting);
            assert!(refused.to_string().contains(setting), "{refused}");
        }
    }
}

// I9
#[test]
fn what_was_changed_by_hand_is_changed_back_but_not_what_a_person_forced() {
    for mode in ["normal", "shadow"] {
        let text = format!("[circuits.a]\nmode = \"{mode}\"");
        let registry = registry(&text);
        let a = registry.try_get("a").expect("there");
        a.reconfigure(|settings| settings.set_minimum_calls(5))
            .expect("valid");
        a.force_open();
        let diff = registry.apply(&config(&text)).expect("it can");
        assert_eq!(diff.to_string(), "a: `minimum_calls` 5 -> 20");
        assert_eq!(a.mode(), tower_breaker::Mode::ForcedOpen);
    }
}

// I9: one that it is in already is kept without a word, and another is told.
#[test]
fn a_mode_that_was_said_when_it_was_made_is_no_news() {
    let registry = registry("circuits.a.mode = \"shadow\"");
    let kept = |mode: &str| {
        let said = config(&format!("circuits.a.mode = \"{mode}\""));
        registry.plan(&said).expect("it can").to_string()
    };
    assert_eq!(kept("shadow"), "");
    assert_eq!(
        kept("normal"),
        "a: keeps its `mode` (shadow; the configuration says normal), from when it was made"
    );
}

// I9, I5
#[test]
fn how_many_there_may_be_can_change() {
    let registry = registry("max_circuits = 1\n[circuits.a]");
    registry.get_or_create("b").expect_err("full");
    let diff = registry
        .apply(&config("max_circuits = 2\n[circuits.a]"))
        .expect("it can");
    assert_eq!(diff.to_string(), "max_circuits: 1 -> 2");
    assert_eq!(
        (diff.max_circuits(), diff.is_empty()),
        (Some((1, 2)), false)
    );
    let held = registry.get_or_create("b").expect("made");
    held.try_acquire().expect("closed").failure();

    // One more that is named finds no room: all is undone.
    let text = "max_circuits = 2\ndefaults.minimum_calls = 5\n[circuits.a]\n[circuits.c]";
    let Err(ApplyError::Refused(diff)) = registry.apply(&config(text)) else {
        panic!("refused");
    };
    let refused = diff.circuits().next().expect("one");
    assert!(matches!(refused, CircuitDiff::Refused { name, .. } if name == "c"));
    assert_eq!((diff.based_on(), diff.max_circuits()), (1, None));
    assert_eq!(held.settings().minimum_calls(), Some(20));
    let names: Vec<_> = registry
        .circuits()
        .iter()
        .map(|it| it.name().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
}

// I9: one that was made on use, and is named now, makes room no more.
#[test]
fn a_stranger_that_is_named_stays() {
    let registry = registry("max_circuits = 1");
    registry.get_or_create("a").expect("made");
    registry
        .apply(&config("max_circuits = 1\n[circuits.a]"))
        .expect("it can");
    registry.get_or_create("b").expect_err("full");
    assert!(registry.get("a").is_some());
}

// I9, I5: what a configuration has changed is what a new circuit would have, too.
#[test]
fn a_stranger_that_a_configuration_has_changed_still_makes_room() {
    let registry = registry("max_circuits = 1\ndefaults.consecutive_failures = 2");
    registry.get_or_create("a").expect("made");
    let newer = config("max_circuits = 1\ndefaults.consecutive_failures = 3");
    registry.apply(&newer).expect("it can");
    registry.get_or_create("b").expect("a makes room");
}

// I9, I4
#[test]
fn each_change_is_told_and_a_listener_may_call_back() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::new(OnceLock::<Registry>::new());
    let (lines, registry_of_listener) = (log.clone(), asked.clone());
    let built = config("defaults.consecutive_failures = 2\n[circuits.a]\n[circuits.b]")
        .registry()
        .on_event(move |_, event| {
            if let (Event::Settings(change), Some(registry)) = (event, registry_of_listener.get()) {
                let busy = registry.apply(&config("[circuits.a]"));
                assert_eq!(busy, Err(ApplyError::Busy));
                registry.get_or_create("of the listener").expect("made");
                lines.lock().expect("no panic").push(change.to_string());
            }
        })
        .build()
        .expect("valid");
    asked.set(built.clone()).expect("once");
    let newer = "defaults.consecutive_failures = 3\n[circuits.a]\n[circuits.b]";
    built.apply(&config(newer)).expect("it can");
    assert_eq!(
        *log.lock().expect("no panic"),
        [
            "circuit `a`: `consecutive_failures` 2 -> 3 (configuration 1)",
            "circuit `b`: `consecutive_failures` 2 -> 3 (configuration 1)",
        ],
    );
    assert_eq!(failures_that_trip(&built, "of the listener"), Some(3));
}

// I9: whoever asks for a new name while a configuration is applied gets a circuit of the old rules, which is then
// changed, or one of the new rules.
#[test]
fn no_circuit_is_left_behind_by_a_configuration() {
    let text = |failures: u32| format!("defaults.consecutive_failures = {failures}");
    let registry = registry(&text(1));
    let (done, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..2 {
            let (registry, made, done) = (&registry, &made, &done);
            scope.spawn(move || {
                let name = |number: u64| format!("{thread}-{number}");
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    registry.get_or_create(&name(number)).expect("made");
                    made.fetch_add(1, Ordering::Relaxed);
                    // A few at a time, so that each configuration has little to do.
                    number.checked_sub(8).map(|old| registry.remove(&name(old)));
                }
            });
        }
        let _ends = EndsThem(&done);
        for failures in 2..200 {
            let before = made.load(Ordering::Relaxed);
            registry.apply(&config(&text(failures))).expect("it can");
            for circuit in registry.circuits() {
                assert_eq!(circuit.settings().consecutive_failures(), Some(failures));
            }
            // Until something was made meanwhile.
            while made.load(Ordering::Relaxed) < before + 3 {
                thread::yield_now();
            }
        }
    });
}

// I9: nothing that a configuration says is ignored in silence.
#[test]
fn a_mode_and_tags_that_live_circuits_keep_are_told_each_time() {
    let registry = registry("[circuits.a]\n[circuits.b]\ntags = { tier = \"web\" }");
    let newer = config(
        r#"
        circuits.a.mode = "forced_open"
        circuits.a.tags = { tier = "search" }
        circuits.a.minimum_calls = 30
        circuits.b.tags = { tier = "search" }
        [[caps]]
        tags = { tier = "search" }
        at_most = "50%"
        "#,
    );
    let kept = "a: keeps its `mode` (normal; the configuration says forced open) and its `tags` (none; the \
                configuration says tier=search), from when it was made; it is no member of the cap of tier=search\n\
                b: keeps its `tags` (tier=web; the configuration says tier=search), from when it was made; it is no \
                member of the cap of tier=search";
    let done = registry.apply(&newer).expect("it can");
    assert_eq!(
        done.to_string(),
        format!("a: `minimum_calls` 20 -> 30\n{kept}\ncap of tier=search: is made, at most 50 %"),
    );
    let again = registry.apply(&newer).expect("it can");
    assert_eq!((again.to_string().as_str(), again.is_empty()), (kept, true));
    // Whoever does by hand what it says has no more to do.
    registry.try_get("a").expect("there").force_open();
    let by_hand = registry.plan(&newer).expect("it can").to_string();
    assert!(!by_hand.contains("mode"), "{by_hand}");
}

// I9
#[test]
fn what_is_refused_is_the_key_that_was_written_and_says_whether_another_circuit_would_do() {
    let registry = registry("[circuits.a]");
    let refused = |text: &str| registry.apply(&config(text)).expect_err("it cannot");
    assert_eq!(
        refused("[circuits.a]\ntime_window = \"10s\"").to_string(),
        "cannot change: circuit `a`: `time_window` is 10s, but must be left as the circuit was built; \
         `Apply::replacing` has it made anew",
    );
    // No circuit can be what two patterns say.
    registry.get_or_create("ab").expect("made");
    let patterns = "[[matching]]\nnames = \"a*\"\npermits = 2\nprobes = 3\n\
                    [[matching]]\nnames = \"*b\"\nprobes = 1";
    assert_eq!(
        refused(patterns).to_string(),
        "cannot change: circuit `ab`: `permits` is 2, but must be 1 to 1, the number of `probes`",
    );
}

// E5, I9: shared later only where it was made so.
#[test]
fn a_file_shares_circuits_that_were_made_shared() {
    let registry = registry("[circuits.a]\n[circuits.b]\nshared = true");
    let refused = registry.apply(&config("[circuits.a]\nshared = true\n[circuits.b]"));
    assert_eq!(
        refused.expect_err("it was made alone").to_string(),
        "cannot change: circuit `a`: `shared` is at least 2 instances, 0.1 of them, but must be left out: the circuit \
         was built without it; `Apply::replacing` has it made anew",
    );
    let agreement = || registry.try_get("b").expect("there").settings().shared();
    for (shared, expected) in [
        ("false", None),
        ("{ instances = 3 }", Some(Agreement::of(3))),
        ("true", Some(Agreement::default())),
    ] {
        let file = format!("[circuits.a]\n[circuits.b]\nshared = {shared}");
        registry.apply(&config(&file)).expect("applied");
        assert_eq!(agreement(), expected);
    }
}
