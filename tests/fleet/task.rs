//! N7, N2: the future that speaks for all circuits of a process, however many there are.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::sleep;
use tower_breaker::{
    Agreement, Circuit,
    clock::Clock,
    fleet::{
        Answer, Fleet, FleetBuilder, Memory, Store,
        wire::{Decide, Decided, Exchange, Exchanged},
    },
    observe::Sharing,
};

use crate::fleet_support::{Fault, Faulty, Instance, millis, quiet, secs};

fn fleet() -> Fleet {
    Fleet::builder("shop").build().expect("a fleet")
}

fn circuit(fleet: &Fleet, name: String) -> Circuit {
    let builder = quiet(Circuit::builder(name)).shared(Agreement::default());
    builder.fleet(fleet).build().expect("a circuit")
}

fn attached(circuit: &Circuit) -> bool {
    let fleet = circuit.snapshot().fleet.expect("a fleet");
    matches!(fleet.sharing, Sharing::Attached { .. })
}

// N7: a hundred in one question, one question at a time, and none where there is nothing to say.
#[tokio::test(start_paused = true)]
async fn thousands_of_circuits_take_a_question_a_second_at_rest() {
    let store = Faulty::new();
    let fleet = fleet();
    tokio::spawn(fleet.run(store.clone()));
    let circuits: Vec<_> = (0..3_000)
        .map(|n| circuit(&fleet, format!("c{n}")))
        .collect();
    sleep(secs(3)).await;
    assert!(circuits.iter().all(attached));
    assert_eq!(store.most_looks.load(Relaxed), 100);
    let first = store.times_asked();
    assert!((30..100).contains(&first), "{first}");
    sleep(secs(100)).await;
    let more = store.times_asked() - first;
    assert!((90..=110).contains(&more), "{more} questions in 100 s");
    assert!(circuits.iter().all(attached));
    assert_eq!(store.at_once.load(Relaxed), 1);
    // One of them has something to say.
    circuits[1_234].try_acquire().expect("closed").failure();
    sleep(millis(1_200)).await;
    assert_eq!(fleet.status().reports, 1);
    // All of them have, again and again: still the same load, shared by all.
    for _ in 0..5 {
        for circuit in &circuits {
            circuit.try_acquire().expect("closed").failure();
        }
        sleep(secs(1)).await;
    }
    assert_eq!(store.most_looks.load(Relaxed), 100);
    let reports = fleet.status().reports;
    assert!((3_000..=20_000).contains(&reports), "{reports} in 5 s");
}

// N2: the budget is shared by those that have something to say.
#[tokio::test(start_paused = true)]
async fn circuits_without_calls_slow_nobody_down() {
    let builder = Fleet::builder("shop").budget(100);
    let fleet = builder.build().expect("a fleet");
    tokio::spawn(fleet.run(Memory::new()));
    let circuits: Vec<_> = (0..500).map(|n| circuit(&fleet, format!("c{n}"))).collect();
    sleep(secs(1)).await;
    for _ in 0..9 {
        circuits[250].try_acquire().expect("closed").failure();
        sleep(millis(200)).await;
    }
    assert_eq!(fleet.status().reports, 9);
    // All of them together keep to it: 100 a second.
    for circuit in &circuits {
        circuit.try_acquire().expect("closed").success();
    }
    sleep(secs(1)).await;
    let first = fleet.status().reports;
    for step in 0..100 {
        for circuit in &circuits[..250] {
            let guard = circuit.try_acquire().expect("closed");
            match step % 4 {
                3 => guard.failure(),
                _ => guard.success(),
            }
        }
        sleep(millis(100)).await;
    }
    let more = fleet.status().reports - first;
    assert!((300..=1_000).contains(&more), "{more} in ten seconds");
}

// N7: nothing is left of those that are gone.
#[tokio::test(start_paused = true)]
async fn circuits_may_come_and_go_by_the_thousand() {
    let store = Faulty::new();
    let fleet = fleet();
    let task = tokio::spawn(fleet.run(store.clone()));
    for n in 0..3_000 {
        let stays_for_a_second = circuit(&fleet, format!("c{n}"));
        tokio::spawn(async move {
            stays_for_a_second.try_acquire().expect("closed").failure();
            sleep(secs(1)).await;
            assert!(attached(&stays_for_a_second));
        });
        sleep(millis(1)).await;
        assert!(fleet.status().circuits <= 1_002);
    }
    sleep(secs(2)).await;
    assert_eq!(fleet.status().circuits, 0);
    assert!(!task.is_finished());
    // A store that is away makes no difference.
    store.is(Fault::Silent);
    for n in 0..1_000 {
        drop(circuit(&fleet, format!("c{n}")));
        sleep(millis(1)).await;
    }
    assert_eq!(fleet.status().circuits, 0);
    // Nor that nobody asks.
    task.abort();
    for n in 0..3_000 {
        drop(circuit(&fleet, format!("c{n}")));
    }
    assert_eq!(fleet.status().circuits, 0);
}

// N7: hints are no more than that.
#[tokio::test(start_paused = true)]
async fn a_store_that_always_hints_is_asked_no_more_than_once_an_interval() {
    let store = Faulty::new();
    store.always_hints();
    let instance = Instance::new(store.clone(), quiet);
    sleep(secs(100)).await;
    let asked = store.times_asked();
    assert!((300..=1_010).contains(&asked), "{asked} questions in 100 s");
    assert!(attached(&instance.circuit));
    drop(instance);
    let store = Faulty::new();
    store.panics_in_hints();
    let instance = Instance::new(store.clone(), quiet);
    sleep(secs(100)).await;
    let asked = store.times_asked();
    assert!((90..=1_010).contains(&asked), "{asked} questions in 100 s");
    assert!(attached(&instance.circuit));
}

// N7: a runtime that goes takes the future with it; another one can have it.
#[test]
fn a_fleet_outlives_its_runtime() {
    let fleet = fleet();
    let circuit = circuit(&fleet, "payments".to_owned());
    for _ in 0..3 {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.spawn(fleet.run(Memory::new()));
        runtime.block_on(async { sleep(secs(1)).await });
        assert!(attached(&circuit));
        drop(runtime);
        assert!(!attached(&circuit));
        assert!(circuit.try_acquire().is_ok());
    }
}

// N1, N9: several shards are asked at once, each of them once.
#[tokio::test(start_paused = true)]
async fn shards_do_not_wait_for_one_another() {
    let store = Faulty::new();
    store.is(Fault::Late(millis(200)));
    let builder = Fleet::builder("shop").shards(4);
    let fleet = builder.build().expect("a fleet");
    tokio::spawn(fleet.run(store.clone()));
    let circuits: Vec<_> = (0..400).map(|n| circuit(&fleet, format!("c{n}"))).collect();
    sleep(secs(1)).await;
    assert!(circuits.iter().all(attached));
    assert_eq!(store.at_once.load(Relaxed), 4);
}

// B8: what makes no sense is refused by name.
#[test]
fn nonsense_is_refused() {
    type Change = fn(FleetBuilder) -> FleetBuilder;
    let rows: [(Change, &str); 13] = [
        (|it| it.scope("a b"), "scope"),
        (|it| it.scope("x".repeat(65)), "scope"),
        (|it| it.shards(0), "shards"),
        (|it| it.shards(257), "shards"),
        (|it| it.interval(millis(9)), "interval"),
        (|it| it.interval(secs(3_601)), "interval"),
        (|it| it.interval(secs(1)), "detach_after"),
        (|it| it.poll(millis(0)), "poll"),
        (|it| it.poll(millis(1_501)), "detach_after"),
        (|it| it.detach_after(millis(1_999)), "detach_after"),
        (|it| it.detach_after(secs(3_601)), "detach_after"),
        (|it| it.budget(0), "budget"),
        (|it| it.clock(Panics), "clock"),
    ];
    for (change, field) in rows {
        let error = change(Fleet::builder("shop")).build().expect_err(field);
        assert_eq!(error.field(), field, "{error}");
    }
    for namespace in ["", "a:b", "a{b}", "zwölf"] {
        let error = Fleet::builder(namespace).build().expect_err(namespace);
        assert_eq!(error.field(), "namespace");
    }
    let slow = Fleet::builder("shop")
        .interval(secs(1))
        .detach_after(secs(4));
    assert!(slow.build().is_ok());
}

struct Panics;

impl Clock for Panics {
    fn now(&self) -> Duration {
        std::panic::resume_unwind(Box::new("a clock of somebody else's"))
    }
}

// N2: a circuit that is made anew under an old name goes on as the same instance, and so do all others.
#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_made_anew_is_no_other_instance() {
    let store = Faulty::new();
    let fleet = fleet();
    tokio::spawn(fleet.run(store));
    let stays = circuit(&fleet, "stays".to_owned());
    for _ in 0..3 {
        let comes_again = circuit(&fleet, "comes again".to_owned());
        for _ in 0..3 {
            sleep(millis(400)).await;
            for circuit in [&stays, &comes_again] {
                circuit.try_acquire().expect("closed").failure();
            }
        }
        sleep(millis(400)).await;
        for circuit in [&stays, &comes_again] {
            let seen = circuit.snapshot().fleet.expect("a fleet");
            assert_eq!((seen.contributors, seen.refused), (1, 0), "{seen:?}");
            let held = circuit.snapshot().window.expect("a window").calls;
            assert_eq!(seen.window.calls, held, "{seen:?}");
        }
    }
}

/// A store whose futures panic when nobody waits for them any more.
struct PanicsWhenDropped {
    memory: Memory,
    answers: Arc<AtomicBool>,
}

struct Bomb<F>(F);

impl<F: Future + Unpin> Future for Bomb<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<F> Drop for Bomb<F> {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("a future of somebody else's"));
    }
}

impl Store for PanicsWhenDropped {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        match self.answers.load(Relaxed) {
            true => self.memory.exchange(ask),
            false => Box::pin(Bomb(pending())),
        }
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        self.memory.decide(ask)
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Bomb(self.memory.hint()))
    }
}

// N9: what a store does when it is dropped harms nobody.
#[tokio::test(start_paused = true)]
async fn a_future_of_the_store_may_panic_when_it_is_dropped() {
    let (memory, answers) = (Memory::new(), Arc::new(AtomicBool::new(true)));
    let fleet = fleet();
    let task = tokio::spawn(fleet.run(PanicsWhenDropped {
        memory,
        answers: answers.clone(),
    }));
    let circuit = circuit(&fleet, "payments".to_owned());
    sleep(secs(2)).await;
    assert!(attached(&circuit), "answered");
    answers.store(false, Relaxed);
    sleep(secs(5)).await;
    assert!(
        !attached(&circuit) && !task.is_finished(),
        "not answered in time"
    );
    answers.store(true, Relaxed);
    sleep(secs(6)).await;
    assert!(attached(&circuit), "answered again");
}
