//! Many threads, one name.

use std::{
    collections::HashMap,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use tower_breaker::{
    EjectionCap,
    registry::{Event, Registry},
};

use super::collisions::EndsThem;

const THREADS: usize = 8;

// I1: whoever loses the race to make a circuit leaves nothing behind: no circuit, no member of a set, no event.
#[test]
fn one_circuit_is_made_however_many_ask_for_it_at_once() {
    static ADDED: AtomicUsize = AtomicUsize::new(0);
    static BUILT: AtomicUsize = AtomicUsize::new(0);
    let cap = EjectionCap::new(0.5).expect("valid");
    let members = cap.clone();
    let registry = Registry::builder()
        .matching("raced-*", move |circuit| {
            BUILT.fetch_add(1, Ordering::Relaxed);
            circuit.ejection_cap(&members)
        })
        .on_event(|_, event| {
            if matches!(event, Event::Added) {
                ADDED.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build()
        .expect("valid");
    let mut rounds = 0;
    // Until the race was lost twenty times: then a rule has run for more circuits than were made.
    while BUILT.load(Ordering::Relaxed) < rounds + 20 {
        rounds += 1;
        let name = format!("raced-{rounds}");
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            let ask = || {
                start.wait();
                registry.get_or_create(&name).expect("made")
            };
            let asked: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
            for circuit in asked {
                circuit.join().expect("no panic").force_open();
            }
        });
        // All that were given out are one circuit: each forced it open, and it was a change once.
        let made = registry.try_get(&name).expect("made");
        assert_eq!(made.snapshot().era, 1);
        assert_eq!(cap.members(), 1);
        assert_eq!(ADDED.load(Ordering::Relaxed), rounds);
        drop(made);
        registry.remove(&name).expect("there");
        assert_eq!(cap.members(), 0);
    }
}

// I4
#[test]
fn each_circuit_is_added_once_and_removed_once_in_this_order() {
    static TOLD: Mutex<Option<HashMap<u64, Vec<&str>>>> = Mutex::new(None);
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let registry = Registry::builder()
        .defaults(|circuit| circuit.tag("number", MADE.fetch_add(1, Ordering::Relaxed).to_string()))
        .on_event(|circuit, event| {
            let told = match event {
                Event::Added => "added",
                Event::Removed => "removed",
                _ => return,
            };
            let number = circuit
                .tags()
                .get("number")
                .expect("tagged")
                .parse()
                .expect("a number");
            let mut all = TOLD.lock().expect("no panic");
            all.get_or_insert_default()
                .entry(number)
                .or_default()
                .push(told);
        })
        .build()
        .expect("valid");
    let removed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (registry, removed) = (&registry, &removed);
            scope.spawn(move || {
                while removed.load(Ordering::Relaxed) < 100 {
                    if thread % 2 == 0 {
                        registry.get_or_create("a").expect("made");
                    } else if registry.remove("a").is_some() {
                        removed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    registry.remove("a");
    let told = TOLD.lock().expect("no panic").take().expect("some");
    assert!(told.len() >= 100, "as many were made as were removed");
    for (number, told) in told {
        assert_eq!(told, ["added", "removed"], "circuit {number}");
    }
}

// I5: whoever gets a circuit holds it, and one that is held does not leave, however close the two come.
#[test]
fn a_circuit_that_somebody_holds_never_makes_room() {
    static EVICTED: AtomicUsize = AtomicUsize::new(0);
    let registry = Registry::builder()
        .defaults(|circuit| circuit.consecutive_failures(100))
        .max_circuits(1)
        .on_event(|_, event| {
            if matches!(event, Event::Evicted) {
                EVICTED.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build()
        .expect("valid");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = EndsThem(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = registry.get_or_create("other");
                }
            });
        }
        // Until each has had to make room for the other often enough.
        while EVICTED.load(Ordering::Relaxed) < 600 {
            let Ok(held) = registry.get_or_create("held") else {
                continue;
            };
            held.force_open();
            let found = registry.get("held").expect("it is held");
            assert_eq!(
                found.snapshot().era,
                held.snapshot().era,
                "and it is the same one"
            );
            held.release();
            drop((held, found));
            thread::yield_now();
        }
    });
}
