//! What a registry tells, and when.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tower_breaker::{
    By, Circuit, OpenFor,
    clock::Clock,
    observe::{CallEvent, Told},
    registry::{Event, Registry, RegistryBuilder, Subscription, WeakRegistry},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn listener(&self) -> impl Fn(&Circuit, Event<'_>) + Send + Sync + use<> {
        let log = self.clone();
        move |circuit, event| log.write(circuit, event)
    }

    fn write(&self, circuit: &Circuit, event: Event<'_>) {
        let line = match event {
            Event::Added => format!("{} added", circuit.name()),
            Event::Removed => format!("{} removed", circuit.name()),
            Event::Evicted => format!("{} evicted", circuit.name()),
            Event::Transition(told) => format!("{} {}", circuit.name(), told.to),
            Event::Settings(told) => told.to_string(),
            other => format!("{other:?}"),
        };
        self.0.lock().expect("no panic").push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

fn told(build: impl FnOnce(RegistryBuilder) -> RegistryBuilder) -> (Registry, Log) {
    let log = Log::default();
    let builder = build(Registry::builder().on_event(log.listener()));
    (builder.build().expect("valid"), log)
}

// I4
#[test]
fn what_happens_to_every_circuit_is_told_once() {
    let (registry, log) = told(|builder| builder.circuit("a", |circuit| circuit));
    let b = registry.get_or_create("b").expect("made");
    registry.get_or_create("b").expect("there");
    b.force_open();
    registry.remove("b").expect("there");
    assert!(registry.remove("b").is_none());
    assert_eq!(log.take(), ["a added", "b added", "b open", "b removed"]);
}

// I4
#[test]
fn an_event_prints_as_the_rest_of_a_line_that_begins_with_the_name() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let registry = Registry::builder().max_circuits(1);
    let registry = registry.on_event(move |circuit, event| {
        let line = format!("{}: {event}", circuit.name());
        log.lock().expect("no panic").push(line);
    });
    let registry = registry.build().expect("valid");
    let a = registry.get_or_create("a").expect("made");
    a.reconfigure(|settings| settings.set_minimum_calls(5))
        .expect("valid");
    a.force_open();
    drop(a);
    registry.remove("a").expect("there");
    registry.get_or_create("b").expect("made");
    registry.get_or_create("c").expect("made");
    assert_eq!(
        *lines.lock().expect("no panic"),
        [
            "a: was made",
            "a: `minimum_calls` 20 -> 5",
            "a: closed -> open (normal -> forced open): by hand",
            "a: was removed",
            "b: was made",
            "b: has left, because its place was needed",
            "c: was made",
        ],
    );
}

// I4
#[test]
fn nothing_is_told_of_a_circuit_that_was_removed() {
    let (registry, log) = told(|builder| builder.circuit("a", |circuit| circuit));
    let removed = registry.remove("a").expect("there");
    let anew = registry.get_or_create("a").expect("made");
    log.take();
    removed.force_open();
    assert_eq!(log.take(), Vec::<String>::new());
    anew.force_open();
    assert_eq!(log.take(), ["a open"]);
}

// I4
#[test]
fn nothing_is_told_of_a_circuit_that_could_not_be_made() {
    let (registry, log) = told(|builder| builder.max_circuits(1));
    registry.get_or_create(" ").expect_err("refused");
    let _held = registry.get_or_create("a").expect("made");
    registry.get_or_create("b").expect_err("refused");
    assert_eq!(log.take(), ["a added"]);
}

// I4
#[test]
fn the_circuits_own_listeners_hear_it_too() {
    let log = Log::default();
    let own = log.clone();
    let registry = Registry::builder()
        .defaults(move |circuit| {
            let own = own.clone();
            circuit.on_transition(move |circuit, told| own.write(circuit, Event::Transition(told)))
        })
        .build()
        .expect("valid");
    registry.get_or_create("a").expect("made").force_open();
    assert_eq!(log.take(), ["a open"]);
}

// I4
#[test]
fn a_subscription_hears_all_circuits_until_it_is_dropped() {
    let (registry, _) = told(|builder| builder.circuit("a", |circuit| circuit));
    let log = Log::default();
    let subscription = registry.subscribe(log.listener());
    registry.try_get("a").expect("there").force_open();
    registry.get_or_create("b").expect("made").force_open();
    assert_eq!(log.take(), ["a open", "b added", "b open"]);
    drop(subscription);
    registry.reset_all();
    assert_eq!(log.take(), Vec::<String>::new());
}

// I4
#[test]
fn a_subscription_outlives_its_registry_in_peace() {
    let (registry, _) = told(|builder| builder);
    let subscription = registry.subscribe(|_, _| {});
    drop(registry);
    drop(subscription);
}

// I4
#[test]
fn a_listener_may_call_back() {
    let registry = Arc::new(std::sync::OnceLock::<Registry>::new());
    let (log, asked) = (Log::default(), registry.clone());
    let listener = log.listener();
    let built = Registry::builder()
        .on_event(move |circuit, event| {
            listener(circuit, event);
            let Some(registry) = asked.get() else { return };
            match (event, circuit.name()) {
                (Event::Added, "a") => {
                    registry.get_or_create("a").expect("there");
                    registry.get_or_create("b").expect("made");
                    registry.remove("a").expect("there");
                }
                (Event::Removed, "a") => registry.reset_all(),
                _ => {}
            }
        })
        .build()
        .expect("valid");
    registry.set(built.clone()).expect("once");
    built.get_or_create("a").expect("made");
    // `a` was removed while its addition was told, so that is told when it has been.
    assert_eq!(log.take(), ["a added", "b added", "a removed", "b closed"]);
    assert!(built.get("a").is_none());
}

// I4
#[test]
fn a_listener_that_panics_harms_nobody() {
    let log = Log::default();
    let registry = Registry::builder()
        .on_event(|_, _| panic!("a listener's own fault"))
        .on_event(log.listener())
        .build()
        .expect("valid");
    registry.get_or_create("a").expect("made").force_open();
    registry.remove("a");
    assert_eq!(log.take(), ["a added", "a open", "a removed"]);
}

// I4, I5
#[test]
fn who_makes_room_is_told_as_evicted() {
    let (registry, log) = told(|builder| builder.max_circuits(1));
    registry.get_or_create("a").expect("made");
    registry.get_or_create("b").expect("made");
    assert_eq!(log.take(), ["a added", "a evicted", "b added"]);
}

// I4, E5
#[test]
fn a_change_of_settings_is_told() {
    let (registry, log) = told(|builder| builder.circuit("a", |circuit| circuit));
    let a = registry.try_get("a").expect("there");
    let change = a.reconfigure(|settings| settings.set_failure_rate(0.25));
    let line = change.expect("valid").to_string();
    assert_eq!(log.take(), ["a added".to_owned(), line]);
}

// I4: whoever is told later in the row hears nothing of a circuit that an earlier one has removed.
#[test]
fn a_listener_that_removes_a_circuit_ends_what_is_told_of_it() {
    let registry = Arc::new(std::sync::OnceLock::<Registry>::new());
    let (log, asked) = (Log::default(), registry.clone());
    let built = Registry::builder()
        .on_event(move |circuit, event| {
            if let (Event::Transition(_), Some(registry)) = (event, asked.get()) {
                registry.remove(circuit.name());
            }
        })
        .on_event(log.listener())
        .build()
        .expect("valid");
    registry.set(built.clone()).expect("once");
    built.get_or_create("a").expect("made").force_open();
    assert_eq!(log.take(), ["a added", "a removed"]);
}

// I4
#[test]
fn a_subscription_that_a_listener_ends_hears_no_more_of_the_same_event() {
    let ended = Arc::new(Mutex::new(None::<Subscription>));
    let ends = ended.clone();
    let registry = Registry::builder()
        .on_event(move |_, _| drop(ends.lock().expect("no panic").take()))
        .build()
        .expect("valid");
    let log = Log::default();
    *ended.lock().expect("no panic") = Some(registry.subscribe(log.listener()));
    registry.get_or_create("a").expect("made");
    assert_eq!(log.take(), Vec::<String>::new());
}

// I4, L1
#[test]
fn what_happens_to_every_circuit_is_an_event_of_the_registry() {
    let registry = Registry::builder()
        .max_circuits(2)
        .defaults(|circuit| circuit.tag("tier", "search"))
        .circuit("a", |circuit| circuit)
        .build()
        .expect("valid");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let subscription = registry.subscribe_events(move |circuit, event| {
        assert_eq!(circuit.name(), &*event.circuit);
        assert_eq!(event.tags.get("tier"), Some("search"));
        log.lock()
            .expect("no panic")
            .push((event.label(), event.to_string()));
    });
    let take = || std::mem::take(&mut *lines.lock().expect("no panic"));
    registry.get_or_create("b").expect("made");
    registry.get_or_create("c").expect("made");
    let a = registry.try_get("a").expect("there");
    a.force_open_as(By::who("ops"));
    a.reconfigure(|settings| settings.set_minimum_calls(5))
        .expect("valid");
    registry.reset_all_as(&By::who("ops"));
    registry.remove("a").expect("there");
    a.force_open();
    assert_eq!(
        take(),
        [
            ("added", "circuit `b` was made"),
            (
                "evicted",
                "circuit `b` has left, because its place was needed"
            ),
            ("added", "circuit `c` was made"),
            ("mode", "circuit `a` is forced open: by hand (by ops)"),
            ("settings", "circuit `a`: `minimum_calls` 20 -> 5"),
            ("mode", "circuit `a` is back to normal: by hand (by ops)"),
            ("closed", "circuit `c` closed: by hand (by ops)"),
            ("removed", "circuit `a` was removed"),
        ]
        .map(|(label, line)| (label, line.to_owned())),
    );
    drop(subscription);
    registry.reset_all();
    assert!(take().is_empty());
}

// I4, L1
#[test]
fn the_circuits_own_listeners_are_told_first_and_all_share_one_event() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let [own, all] = [events.clone(), events.clone()];
    let registry = Registry::builder().defaults(move |circuit| {
        let own = own.clone();
        circuit.on_event(move |_, event| {
            own.lock().expect("no panic").push(("own", event.clone()));
        })
    });
    let registry = registry.build().expect("valid");
    let _subscription = registry.subscribe_events(move |_, event| {
        all.lock().expect("no panic").push(("all", event.clone()));
    });
    registry.get_or_create("a").expect("made").force_open();
    let events = events.lock().expect("no panic");
    let whose: Vec<_> = events.iter().map(|(whose, _)| *whose).collect();
    assert_eq!(
        whose,
        ["all", "own", "all"],
        "the addition, and the transition"
    );
    assert!(Arc::ptr_eq(&events[1].1, &events[2].1));
}

// I4, L1
#[test]
fn who_is_named_is_told_from_who_came() {
    let (registry, _) = told(|builder| builder.circuit("a", |circuit| circuit));
    registry.get_or_create("b").expect("made");
    registry.remove("a").expect("there");
    assert_eq!(
        ["a", "b", "c"].map(|name| registry.is_named(name)),
        [true, false, false]
    );
}

// L1: a circuit of a registry keeps some, unless something else is said.
#[test]
fn circuits_of_a_registry_keep_their_last_events() {
    let registry = Registry::builder()
        .circuit("a", |circuit| circuit)
        .circuit("b", |circuit| circuit.event_log(1))
        .circuit("c", |circuit| circuit.event_log(0))
        .build()
        .expect("valid");
    for _ in 0..20 {
        registry.reset_all();
    }
    let kept = |name| registry.try_get(name).expect("there").recent_events().len();
    assert_eq!(["a", "b", "c"].map(kept), [16, 1, 0]);
    let all = registry.recent_events();
    assert!(all.is_sorted_by_key(|event| event.id));
    let names: Vec<_> = all.iter().map(|event| event.circuit.as_str()).collect();
    assert_eq!((names.len(), &names[15..]), (17, &["a", "b"][..]));
}

// L3, I4
#[tokio::test]
async fn events_of_a_registry_are_heard_until_it_is_gone() {
    let (registry, _) = told(|builder| builder.circuit("a", |circuit| circuit));
    let mut events = registry.events();
    let a = registry.try_get("a").expect("there");
    a.force_open();
    registry.get_or_create("b").expect("made");
    registry.remove("a").expect("there");
    a.release();
    drop(registry);
    a.force_open();
    let mut labels = Vec::new();
    while let Some(told) = events.next().await {
        let Told::Event(event) = told else {
            panic!("{told:?}")
        };
        labels.push(event.label());
    }
    assert_eq!(labels, ["mode", "added", "removed"]);
}

// L1: ids are in order in the log of the registry as in those of its circuits.
#[tokio::test]
async fn events_of_all_circuits_are_in_the_order_of_their_ids() {
    let (registry, _) = told(|builder| builder);
    let mut events = registry.events();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let circuit = registry.get_or_create(name).expect("made");
            scope.spawn(move || (0..50).for_each(|_| circuit.reset()));
        }
    });
    let mut ids = Vec::new();
    while let Some(Told::Event(event)) = events.try_next() {
        ids.push(event.id);
    }
    assert_eq!(ids.len(), 204);
    assert!(ids.is_sorted());
}

/// What its drop does is somebody else's code.
struct LooksWhenDropped(Arc<OnceLock<WeakRegistry>>, Arc<AtomicUsize>);

impl Drop for LooksWhenDropped {
    fn drop(&mut self) {
        if let Some(registry) = self.0.get().and_then(WeakRegistry::upgrade) {
            drop(registry.events());
            drop(registry.recent_events());
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// L1: what leaves a log is dropped when nothing is locked. It may be the last that is left of a circuit's settings.
#[test]
fn what_leaves_the_log_may_look_at_it_as_it_is_dropped() {
    let (found, looked) = (Arc::<OnceLock<_>>::default(), Arc::<AtomicUsize>::default());
    let (finds, looks) = (found.clone(), looked.clone());
    let registry = Registry::builder()
        .matching("a", move |circuit| {
            let held = LooksWhenDropped(finds.clone(), looks.clone());
            circuit.open_for(OpenFor::from_fn(move |_| {
                let _held = &held;
                Duration::from_secs(1)
            }))
        })
        .circuit("b", |circuit| circuit)
        .build()
        .expect("valid");
    found.set(registry.downgrade()).expect("once");
    // Never dropped: that would wait for a lock that was left behind, and this test would not fail.
    let _late = Box::leak(Box::new(registry.events()));
    let a = registry.get_or_create("a").expect("made");
    a.reconfigure(|settings| settings.set_minimum_calls(5))
        .expect("valid");
    registry.remove("a").expect("there");
    drop(a);
    assert_eq!(
        looked.load(Ordering::Relaxed),
        0,
        "its settings are in the log"
    );
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        (0..300).for_each(|_| registry.reset_all());
        done.send(()).expect("somebody waits");
    });
    ended
        .recv_timeout(Duration::from_secs(20))
        .expect("no deadlock");
    assert_eq!(looked.load(Ordering::Relaxed), 1);
}

// L2, I4
#[test]
fn calls_of_all_circuits_are_told_also_of_those_made_from_now_on() {
    let (registry, _) = told(|builder| builder.circuit("a", |circuit| circuit));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let subscription = registry.subscribe_calls(move |circuit, event| {
        if let CallEvent::Ended(_) = event {
            log.lock()
                .expect("no panic")
                .push(circuit.name().to_owned());
        }
    });
    let call = |circuit: &Circuit| circuit.try_acquire().expect("closed").success();
    let take = || std::mem::take(&mut *heard.lock().expect("no panic"));
    let a = registry.try_get("a").expect("there");
    call(&a);
    let b = registry.get_or_create("b").expect("made");
    call(&b);
    assert_eq!(take(), ["a", "b"]);
    registry.remove("a").expect("there");
    call(&a);
    assert_eq!(take(), Vec::<String>::new(), "it is none of the registry's");
    drop(subscription);
    call(&b);
    call(&registry.get_or_create("c").expect("made"));
    assert_eq!(take(), Vec::<String>::new());
}

/// Counts how often it is read.
#[derive(Clone, Default)]
struct CountingClock(Arc<AtomicUsize>);

impl Clock for CountingClock {
    fn now(&self) -> Duration {
        self.0.fetch_add(1, Ordering::Relaxed);
        Duration::ZERO
    }
}

// L2, F4: calls are timed for those who hear of them.
#[test]
fn calls_of_a_circuit_that_was_removed_are_timed_for_nobody() {
    let clock = CountingClock::default();
    let time = clock.clone();
    let (registry, _) = told(|builder| {
        builder.defaults(move |circuit| circuit.consecutive_failures(2).clock(time.clone()))
    });
    let _subscription = registry.subscribe_calls(|_, _| {});
    let a = registry.get_or_create("a").expect("made");
    let reads = || {
        let before = clock.0.load(Ordering::Relaxed);
        a.try_acquire().expect("closed").success();
        clock.0.load(Ordering::Relaxed) - before
    };
    assert_ne!(reads(), 0);
    registry.remove("a").expect("there");
    assert_eq!(reads(), 0);
}

// L2, I4
#[test]
fn the_circuits_own_listeners_to_calls_are_told_first() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let [own, all] = [heard.clone(), heard.clone()];
    let registry = Registry::builder().defaults(move |circuit| {
        let own = own.clone();
        circuit.on_call(move |_, _| own.lock().expect("no panic").push("own"))
    });
    let registry = registry.build().expect("valid");
    let subscription =
        registry.subscribe_calls(move |_, _| all.lock().expect("no panic").push("all"));
    let a = registry.get_or_create("a").expect("made");
    a.try_acquire().expect("closed").success();
    drop(subscription);
    a.try_acquire().expect("closed").success();
    assert_eq!(
        *heard.lock().expect("no panic"),
        ["own", "all", "own", "all", "own", "own"]
    );
}
