//! One version for each configuration that is applied; who applies it, and why.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use tower_breaker::{
    By,
    config::{Apply, ApplyError, Config},
    registry::{Event, Registry, RegistryBuilder},
};

use super::read;

fn config(text: &str) -> Config {
    read(text).expect("makes sense")
}

type Log = Arc<Mutex<Vec<String>>>;

/// Builds it with a listener that writes down each change of settings.
fn listened_to(builder: RegistryBuilder) -> (Registry, Log) {
    let log = Log::default();
    let lines = log.clone();
    let registry = builder.on_event(move |_, event| {
        if let Event::Settings(change) = event {
            lines.lock().expect("no panic").push(change.to_string());
        }
    });
    (registry.build().expect("valid"), log)
}

fn take(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().expect("no panic"))
}

const TWO: &str = "[circuits.a]\n[circuits.b]\n";

fn two(failures: u64) -> Config {
    config(&format!(
        "defaults.consecutive_failures = {failures}\n{TWO}"
    ))
}

// I9
#[test]
fn each_configuration_that_is_applied_is_one_version_for_all_circuits() {
    let (registry, log) = listened_to(two(2).registry());
    assert_eq!(registry.version(), 0);
    let planned = registry.plan(&two(3)).expect("it can");
    assert_eq!((planned.based_on(), planned.version()), (0, 1));
    assert_eq!(registry.version(), 0, "a plan is none");
    registry.apply(&two(3)).expect("it can");
    assert_eq!(registry.version(), 1);
    assert_eq!(
        take(&log),
        [
            "circuit `a`: `consecutive_failures` 2 -> 3 (configuration 1)",
            "circuit `b`: `consecutive_failures` 2 -> 3 (configuration 1)",
        ],
    );

    // Those that change nothing count: they may say something of circuits to come.
    assert!(registry.apply(&two(3)).expect("it can").is_empty());
    assert_eq!(registry.version(), 2);

    let refused = config(&format!("defaults.count_window = 7\n{TWO}"));
    registry.apply(&refused).expect_err("another window");
    assert_eq!(registry.version(), 2, "nothing was applied");
}

// I9, E5
#[test]
fn who_has_applied_it_and_why_is_told_with_each_change() {
    let (registry, log) = listened_to(two(2).registry());
    let ops = || By::who("ops@example.org").because("INC-123");
    registry.apply_as(&two(3), ops()).expect("it can");
    assert_eq!(
        take(&log),
        ["a", "b"].map(|name| format!(
            "circuit `{name}`: `consecutive_failures` 2 -> 3 (configuration 1, by ops@example.org: INC-123)"
        )),
    );

    // By hand, it is of no configuration.
    let a = registry.try_get("a").expect("there");
    let change = a
        .reconfigure_as(ops(), |settings| settings.set_consecutive_failures(7))
        .expect("valid");
    assert_eq!(
        (change.by(), change.configuration(), change.version()),
        (&ops(), None, 2)
    );
    let told = "circuit `a`: `consecutive_failures` 3 -> 7 (by ops@example.org: INC-123)";
    assert_eq!(take(&log), [told]);
    a.reconfigure(|settings| settings.set_consecutive_failures(8))
        .expect("valid");
    assert_eq!(
        take(&log),
        ["circuit `a`: `consecutive_failures` 7 -> 8"],
        "nothing is known"
    );
}

// I9
#[test]
fn of_two_people_who_begin_from_the_same_version_the_second_is_refused() {
    let (registry, log) = listened_to(two(2).registry());
    let seen = registry.version();
    let first = Apply::by(By::who("one")).expecting(seen);
    registry.apply_as(&two(3), first).expect("it can");
    take(&log);
    let second = Apply::by(By::who("other")).expecting(seen);
    let late = registry.apply_as(&two(4), second).expect_err("too late");
    assert_eq!(
        late.to_string(),
        "version 0 of the configuration was expected, but there is version 1",
    );
    assert_eq!(take(&log), [""; 0], "nothing has changed");
    let again = Apply::new().expecting(registry.version());
    registry.apply_as(&two(4), again).expect("it can");
}

// I9
#[test]
fn what_is_undone_is_told_with_the_version_that_holds_again() {
    let broken = Arc::new(AtomicBool::new(false));
    let (breaks, breaker) = (broken.clone(), broken.clone());
    // A rule that makes something else of `b` once `a` has been changed: nobody could know it beforehand.
    let builder = two(2).registry().circuit("b", move |circuit| {
        if breaks.load(Ordering::Relaxed) {
            circuit.count_window(7)
        } else {
            circuit
        }
    });
    let builder = builder.on_event(move |_, event| {
        if let Event::Settings(_) = event {
            breaker.store(true, Ordering::Relaxed);
        }
    });
    let (registry, log) = listened_to(builder);
    let by = By::who("ops");
    registry.apply_as(&two(3), by).expect_err("b cannot");
    assert_eq!(
        take(&log),
        [
            "circuit `a`: `consecutive_failures` 2 -> 3 (configuration 1, by ops)",
            "circuit `a`: `consecutive_failures` 3 -> 2 (configuration 0, by ops)",
        ],
    );
    assert_eq!(registry.version(), 0);
}

// I9: however many apply at once, each that expects a version has put its own on top of exactly that one.
#[test]
fn no_configuration_is_written_over_unseen() {
    const EACH: u64 = 50;
    let registry = two(1).registry().build().expect("valid");
    let (applied, last) = (&AtomicU64::new(0), &AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..4 {
            let registry = &registry;
            scope.spawn(move || {
                let mut done = 0;
                while done < EACH {
                    let seen = registry.version();
                    // Unlike all others.
                    let mine = 10 + seen * 4 + thread;
                    match registry.apply_as(&two(mine), Apply::new().expecting(seen)) {
                        Ok(diff) => {
                            assert_eq!((diff.based_on(), diff.version()), (seen, seen + 1));
                            applied.fetch_add(1, Ordering::Relaxed);
                            last.fetch_max(mine, Ordering::Relaxed);
                            done += 1;
                        }
                        Err(ApplyError::OtherVersion { expected, found }) => {
                            assert!(expected == seen && found > seen);
                        }
                        Err(error) => assert_eq!(error, ApplyError::Busy),
                    }
                    thread::yield_now();
                }
            });
        }
    });
    assert_eq!(registry.version(), 4 * EACH);
    assert_eq!(applied.load(Ordering::Relaxed), 4 * EACH);
    for name in ["a", "b"] {
        let settings = registry.try_get(name).expect("there").settings();
        assert_eq!(
            settings.consecutive_failures().map(u64::from),
            Some(last.load(Ordering::Relaxed))
        );
    }
}

// I9, E5
#[test]
fn a_change_knows_the_configuration_that_it_comes_from() {
    let registry = two(2).registry().build().expect("valid");
    let versions = Arc::new(Mutex::new(Vec::new()));
    let heard = versions.clone();
    let _subscription = registry.subscribe(move |_, event| {
        if let Event::Settings(change) = event {
            heard.lock().expect("no panic").push(change.configuration());
        }
    });
    registry.apply(&two(3)).expect("it can");
    registry.apply(&two(4)).expect("it can");
    let a = registry.try_get("a").expect("there");
    a.reconfigure(|settings| settings.set_consecutive_failures(7))
        .expect("valid");
    let versions = versions.lock().expect("no panic");
    assert_eq!(*versions, [Some(1), Some(1), Some(2), Some(2), None]);
}

// I9
#[test]
fn whenever_a_rule_panics_nothing_has_changed() {
    // When it is run for the nth time from then on; 0 is never.
    let panics_at = Arc::new(AtomicU64::new(0));
    let at = panics_at.clone();
    let rule = move |circuit| {
        let runs_out = |left: u64| left.checked_sub(1);
        let left = at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, runs_out);
        assert_ne!(left, Ok(1), "a rule of somebody else's");
        circuit
    };
    let file = |failures: u64, more: &str| {
        let half = format!("[[caps]]\nat_most = 0.{failures}\n");
        let most = format!("max_circuits = 1{failures}\n");
        config(&format!(
            "{most}defaults.consecutive_failures = {failures}\n{half}{TWO}{more}"
        ))
    };
    let (registry, log) = listened_to(file(2, "").registry().circuit("b", rule));
    let newer = file(3, "[circuits.c]");
    let mut panics = 0;
    loop {
        panics_at.store(panics + 1, Ordering::Relaxed);
        let apply = || registry.apply(&newer);
        if catch_unwind(AssertUnwindSafe(apply)).is_ok() {
            break;
        }
        panics += 1;
        let failures = ["a", "b"].map(|name| {
            let circuit = registry.try_get(name).expect("there");
            circuit.settings().consecutive_failures()
        });
        assert_eq!(failures, [Some(2); 2], "at {panics}");
        assert_eq!((registry.version(), registry.len()), (0, 2), "at {panics}");
        let most = registry.caps()[0].at_most;
        assert!((most - 0.2).abs() < 1e-9, "at {panics}: {most}");
        let differs = registry.plan(&file(2, "")).expect("it can");
        assert!(differs.is_empty(), "at {panics}: {differs}");
    }
    assert!(panics > 1, "some came when something had changed already");
    assert!(take(&log).iter().any(|told| told.contains("3 -> 2")));
    assert_eq!((registry.version(), registry.len()), (1, 3));
}

// I9
#[test]
fn what_is_made_meanwhile_is_as_before_where_all_is_undone() {
    let broken = Arc::new(AtomicBool::new(false));
    let (breaks, breaker) = (broken.clone(), broken.clone());
    let builder = two(2).registry().circuit("b", move |circuit| {
        if breaks.load(Ordering::Relaxed) {
            circuit.count_window(7)
        } else {
            circuit
        }
    });
    let registry = builder.build().expect("valid");
    let maker = registry.downgrade();
    // It is called when `a` has been changed, and `b` has not.
    let _subscription = registry.subscribe(move |circuit, event| {
        if matches!(event, Event::Settings(_)) && circuit.name() == "a" {
            breaker.store(true, Ordering::Relaxed);
            let registry = maker.upgrade().expect("there");
            registry.get_or_create("stranger").expect("made");
        }
    });
    registry.apply(&two(3)).expect_err("another window");
    broken.store(false, Ordering::Relaxed);
    let stranger = registry.try_get("stranger").expect("there");
    assert_eq!(stranger.settings().consecutive_failures(), Some(2));
}
