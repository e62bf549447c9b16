//! What a live circuit cannot become: refused as a rule, and made anew where that is asked for.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tower_breaker::{
    Mode, State,
    config::{Apply, ApplyError, CircuitDiff, Config},
    registry::{Event, Registry, RegistryBuilder, WeakRegistry},
};

use super::read;

fn config(text: &str) -> Config {
    read(text).expect("makes sense")
}

fn registry(text: &str) -> Registry {
    config(text).registry().build().expect("valid")
}

fn replacing() -> Apply {
    Apply::new().replacing()
}

const OLD: &str = "defaults.count_window = 50\n[circuits.a]\n[circuits.b]\ncount_window = 60";
const NEW: &str = "defaults.count_window = 60\n[circuits.a]\n[circuits.b]";

// I9
#[test]
fn another_window_is_refused_unless_the_circuit_may_be_made_anew() {
    let registry = registry(OLD);
    assert!(registry.plan(&config(NEW)).expect("a plan").is_refused());
    let refused = registry.apply(&config(NEW)).expect_err("another window");
    assert_eq!(
        refused.to_string(),
        "cannot change: circuit `a`: `count_window` is 60, but must be left as the circuit was built; \
         `Apply::replacing` has it made anew",
    );
    let before = registry.try_get("a").expect("there");
    let planned = registry.plan_as(&config(NEW), replacing()).expect("it can");
    assert_eq!(
        planned.to_string(),
        "a: is made anew with its state and an empty window, since `count_window` cannot change: \
         `count_window` 50 -> 60",
    );
    assert_eq!(
        before.settings().count_window(),
        Some(50),
        "a plan changes nothing"
    );
    let done = registry.apply_as(&config(NEW), replacing());
    assert_eq!(done.expect("it can"), planned);
    let after = registry.try_get("a").expect("there");
    assert_eq!(after.settings().count_window(), Some(60));
    assert_eq!(
        before.settings().count_window(),
        Some(50),
        "who holds it keeps it"
    );
    assert!(registry.apply(&config(NEW)).expect("it can").is_empty());
}

// I9, E6
#[tokio::test(start_paused = true)]
async fn state_attempts_and_mode_go_on_and_the_window_is_empty() {
    let text = |window: u32| {
        format!(
            "defaults.count_window = {window}\n[circuits.open]\n[circuits.closed]\n[circuits.shadow]"
        )
    };
    let registry = registry(&text(50));
    let get = |name| registry.try_get(name).expect("there");
    get("open").trip(Duration::from_secs(60)).expect("allowed");
    get("shadow").set_mode(Mode::Shadow);
    get("closed").try_acquire().expect("closed").failure();
    tokio::time::advance(Duration::from_secs(20)).await;

    registry
        .apply_as(&config(&text(60)), replacing())
        .expect("it can");
    let open = get("open").snapshot();
    assert_eq!((open.state, open.attempt), (State::Open, 1));
    assert_eq!(open.remaining, Some(Duration::from_secs(40)));
    assert_eq!(get("shadow").mode(), Mode::Shadow);
    let closed = get("closed").snapshot();
    assert_eq!(closed.window.expect("there is one").calls, 0);
    assert_eq!(closed.totals.expect("counted").failed, 0);
}

fn listened_to(builder: RegistryBuilder) -> (Registry, Arc<Mutex<Vec<String>>>) {
    let log = Arc::<Mutex<Vec<String>>>::default();
    let lines = log.clone();
    let registry = builder.on_event(move |circuit, event| {
        let window = circuit.settings().count_window().unwrap_or_default();
        let what = match event {
            Event::Added => "added",
            Event::Removed => "removed",
            _ => "changed",
        };
        let line = format!("{} with {window}: {what}", circuit.name());
        lines.lock().expect("no panic").push(line);
    });
    (registry.build().expect("valid"), log)
}

// I9, I4
#[test]
fn listeners_hear_that_one_is_gone_and_another_is_there() {
    let (registry, log) = listened_to(config(OLD).registry());
    let old = registry.try_get("a").expect("there");
    log.lock().expect("no panic").clear();
    registry
        .apply_as(&config(NEW), replacing())
        .expect("it can");
    old.force_open();
    registry.try_get("a").expect("there").force_open();
    assert_eq!(
        *log.lock().expect("no panic"),
        [
            "a with 50: removed",
            "a with 60: added",
            "a with 60: changed"
        ],
    );
}

// I9
#[test]
fn where_something_else_is_refused_nothing_is_made_anew() {
    let (asked, asking) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (asks, counts) = (asking.clone(), asked.clone());
    // A rule that makes nonsense of `b`, but not before `a` has been looked at.
    let builder = config(OLD).registry().circuit("b", move |circuit| {
        let counted = asks.load(Ordering::Relaxed) && counts.fetch_add(1, Ordering::Relaxed) > 1;
        circuit.permits(if counted { 0 } else { 1 })
    });
    let (registry, log) = listened_to(builder);
    log.lock().expect("no panic").clear();
    asking.store(true, Ordering::Relaxed);
    let refused = registry.apply_as(&config(NEW), replacing());
    let refused = refused.expect_err("b makes no sense any more").to_string();
    assert!(refused.contains("`permits` is 0"), "{refused}");
    assert_eq!(*log.lock().expect("no panic"), [""; 0]);
    let a = registry.try_get("a").expect("there");
    assert_eq!(a.settings().count_window(), Some(50));
    assert_eq!(registry.version(), 0);
}

// I9
#[test]
fn one_that_is_removed_meanwhile_does_not_come_back() {
    let itself = Arc::new(OnceLock::<WeakRegistry>::new());
    let (registry, looks) = (itself.clone(), AtomicU64::new(0));
    // Whoever looks at `b` for the third time has just prepared another `a`.
    let builder = config(OLD).registry().circuit("b", move |circuit| {
        let registry = registry.get().and_then(WeakRegistry::upgrade);
        if let Some(registry) = registry {
            if looks.fetch_add(1, Ordering::Relaxed) == 2 {
                registry.remove("a").expect("there until now");
            }
        }
        circuit
    });
    let registry = builder.build().expect("valid");
    itself.set(registry.downgrade()).expect("once");
    let applied = registry.apply_as(&config(NEW), replacing());
    assert_eq!(applied.expect("it can").circuits().count(), 1);
    assert!(registry.get("a").is_none());
}

// I9, I5
#[test]
fn a_stranger_that_was_made_anew_still_makes_room_unless_somebody_has_forced_it() {
    let text = |window: u32| format!("max_circuits = 1\ndefaults.count_window = {window}");
    let registry = registry(&text(50));
    registry
        .get_or_create("a")
        .expect("made")
        .set_mode(Mode::Disabled);
    registry
        .apply_as(&config(&text(60)), replacing())
        .expect("it can");
    registry
        .get_or_create("b")
        .expect_err("a was disabled by hand");
    registry.try_get("a").expect("there").set_mode(Mode::Normal);
    registry.get_or_create("b").expect("a makes room");
}

/// Ends the threads that look at it, also if this one panics.
struct EndsThem<'a>(&'a AtomicBool);

impl Drop for EndsThem<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

// I9, I1, I4: threads that create, call, trip and remove, while windows change.
#[test]
fn one_circuit_a_name_and_each_told_once_while_windows_change() {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let balance = Arc::new(Mutex::new([0_i64; NAMES.len()]));
    let told = balance.clone();
    let text = |window: u64| format!("defaults.count_window = {window}");
    let registry = config(&text(1)).registry().on_event(move |circuit, event| {
        let by = match event {
            Event::Added => 1,
            Event::Removed | Event::Evicted => -1,
            _ => return,
        };
        let at = NAMES.iter().position(|name| *name == circuit.name());
        told.lock().expect("no panic")[at.expect("one of these")] += by;
    });
    let registry = registry.build().expect("valid");
    let (done, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..2 {
            let (registry, done, rounds) = (&registry, &done, &rounds);
            scope.spawn(move || {
                for round in thread.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let name = NAMES[round % NAMES.len()];
                    let circuit = registry.get_or_create(name).expect("made");
                    match circuit.try_acquire() {
                        Ok(guard) => guard.failure(),
                        Err(_) => circuit.reset(),
                    }
                    if round % 7 == 0 {
                        registry.remove(name);
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _ends = EndsThem(&done);
        for window in 2..150 {
            let before = rounds.load(Ordering::Relaxed);
            let applied = registry.apply_as(&config(&text(window)), replacing());
            applied.expect("it can");
            for circuit in registry.circuits() {
                assert_eq!(
                    u64::from(circuit.settings().count_window().expect("one")),
                    window
                );
            }
            while rounds.load(Ordering::Relaxed) < before + 3 {
                thread::yield_now();
            }
        }
    });
    let there = NAMES.map(|name| i64::from(registry.get(name).is_some()));
    assert_eq!(*balance.lock().expect("no panic"), there);
}

// I9: the error is there for a program, too.
#[test]
fn what_cannot_change_is_there_as_a_value() {
    let registry = registry(OLD);
    let Err(ApplyError::Refused(diff)) = registry.apply(&config(NEW)) else {
        panic!("refused");
    };
    let fields = diff.circuits().filter_map(|diff| match diff {
        CircuitDiff::Refused { name, error, .. } => Some((name.clone(), error.field().to_owned())),
        _ => None,
    });
    assert_eq!(
        fields.collect::<Vec<_>>(),
        [("a".to_owned(), "count_window".to_owned())]
    );
}

// I9, K1
#[test]
fn a_circuit_with_other_tags_is_made_anew_in_its_mode() {
    let registry = registry("[circuits.a]\n[circuits.b]");
    let newer = config(
        "[circuits.a]\nmode = \"shadow\"\ntags = { tier = \"search\" }\n[circuits.b]\n\
         [[caps]]\ntags = { tier = \"search\" }\nat_most = 0.5",
    );
    let done = registry.apply_as(&newer, replacing()).expect("it can");
    assert_eq!(
        done.to_string(),
        "a: is made anew with its state and an empty window, since `tags` cannot change\n\
         a: keeps its `mode` (normal; the configuration says shadow), from when it was made\n\
         cap of tier=search: is made, at most 50 %",
    );
    let a = registry.try_get("a").expect("there");
    assert_eq!(
        (a.tags().get("tier"), a.mode()),
        (Some("search"), Mode::Normal)
    );
    assert_eq!(registry.caps()[0].members, 1);
}
