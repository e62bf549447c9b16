//! How circuits stand to their fleet is seen, on whole instances and a store in memory (rules L4, L5, L7, N7).

use std::time::Duration;

use tokio::{task::JoinHandle, time::sleep};
use tower_breaker::{
    Agreement, Circuit,
    fleet::{Fleet, Memory},
    registry::Registry,
    telemetry::{Exposition, log_transitions},
};

use crate::collector::Collector;

const SECOND: Duration = Duration::from_secs(1);

/// An instance with two circuits that are shared, and one that is not.
struct Instance {
    fleet: Fleet,
    registry: Registry,
    exposition: Exposition,
    task: JoinHandle<()>,
}

impl Instance {
    fn new(store: &Memory, open_for: Duration) -> Self {
        let fleet = Fleet::builder("shop").build().expect("a fleet");
        let shared = move |it: tower_breaker::CircuitBuilder| {
            let it = it.failure_rate(0.5).open_for(open_for);
            it.shared(Agreement::default())
        };
        let registry = Registry::builder()
            .fleet(&fleet)
            .circuit("a", shared)
            .circuit("b", shared)
            .circuit("own", |it| it)
            .build()
            .expect("valid");
        let task = tokio::spawn(fleet.run(store.clone()));
        Self {
            exposition: Exposition::new(&registry),
            fleet,
            registry,
            task,
        }
    }

    fn circuit(&self, name: &str) -> Circuit {
        self.registry.try_get(name).expect("named")
    }

    /// The value of a series of a fleet, if there is one.
    fn number(&self, series: &str) -> Option<String> {
        let text = self.exposition.render();
        let series = format!("circuit_breaker_fleet_{series} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.map(str::to_owned)
    }

    #[track_caller]
    fn shows(&self, series: &str, value: &str) {
        assert_eq!(self.number(series).as_deref(), Some(value), "{series}");
    }
}

fn call(circuit: &Circuit, calls: usize, succeed: bool) {
    for _ in 0..calls {
        let Ok(guard) = circuit.try_acquire() else {
            return;
        };
        match succeed {
            true => guard.success(),
            false => guard.failure(),
        }
    }
}

// N7, L5
#[tokio::test(start_paused = true)]
async fn what_instances_see_is_published_and_set_back_once_they_are_alone() {
    let store = Memory::new();
    let (one, other) = (Instance::new(&store, SECOND), Instance::new(&store, SECOND));
    call(&one.circuit("a"), 30, true);
    call(&other.circuit("a"), 10, true);
    call(&other.circuit("a"), 10, false);
    // An instance without news reports again after half a minute, and hears then.
    sleep(40 * SECOND).await;
    for instance in [&one, &other] {
        instance.shows("attached{circuit=\"a\"}", "1");
        instance.shows("instances{circuit=\"a\",what=\"contributing\"}", "2");
        instance.shows("mismatch{circuit=\"a\"}", "0");
        assert_eq!(instance.number("attached{circuit=\"own\"}"), None);
    }

    one.fleet.pause();
    other.task.abort();
    sleep(5 * SECOND).await;
    // Turned off on purpose is no trouble; nobody who says anything is.
    one.shows("attached{circuit=\"a\"}", "NaN");
    other.shows("attached{circuit=\"a\"}", "0");
    for instance in [&one, &other] {
        instance.shows("instances{circuit=\"a\",what=\"contributing\"}", "0");
    }

    one.fleet.resume();
    sleep(2 * SECOND).await;
    one.shows("attached{circuit=\"a\"}", "1");
    one.shows("detached_total{circuit=\"a\",why=\"off\"}", "1");
    one.shows("detached_total{circuit=\"a\",why=\"timed_out\"}", "0");
}

// N7
#[tokio::test(start_paused = true)]
async fn other_settings_are_published() {
    let store = Memory::new();
    let one = Instance::new(&store, SECOND);
    call(&one.circuit("a"), 1, true);
    sleep(2 * SECOND).await;
    let other = Instance::new(&store, 2 * SECOND);
    call(&other.circuit("a"), 1, true);
    sleep(2 * SECOND).await;
    other.shows("mismatch{circuit=\"a\"}", "1");
    one.shows("mismatch{circuit=\"a\"}", "0");
    other.shows("mismatch{circuit=\"b\"}", "0");
}

// L7, N7: one warning for all circuits of a process.
#[tokio::test(start_paused = true)]
async fn a_process_that_loses_its_fleet_is_one_warning() {
    let log = Collector::new();
    let _listening = log.listen();
    let instance = Instance::new(&Memory::new(), SECOND);
    let _logging = log_transitions(&instance.registry);
    sleep(SECOND).await;
    // The log goes by the time of day, which is not paused.
    instance.fleet.pause();
    sleep(SECOND).await;
    let told = log.events();
    let levels: Vec<_> = told.iter().map(|it| it.level.to_string()).collect();
    assert_eq!(levels, ["INFO", "DEBUG", "WARN", "DEBUG"], "{told:?}");
    for (at, words) in [
        (0, "is shared with its fleet"),
        (2, "is alone, not shared with its fleet: it is turned off"),
    ] {
        let mut lines = [&told[at], &told[at + 1]].map(|it| it.message.clone());
        lines.sort();
        assert_eq!(
            lines,
            ["a", "b"].map(|name| format!("circuit `{name}` {words}"))
        );
    }
    let why = |at: usize| told[at].fields.get("circuit_breaker.detached_why");
    assert_eq!([why(0), why(2), why(3)], [None, Some("off"), Some("off")]);
}
