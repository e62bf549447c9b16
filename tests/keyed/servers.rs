//! Over real sockets: what is broken is left alone, and nothing else notices (rules J1, H1, H3).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

#[cfg(feature = "axum")]
mod axum_routes;
#[cfg(feature = "reqwest")]
mod reqwest_hosts;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::{
    Circuit, Totals,
    clock::ManualClock,
    registry::{Event, Registry},
};

const BREAK: Duration = Duration::from_secs(5);

/// A registry whose circuits open for five seconds after three failures, and what it told of transitions.
struct Told {
    registry: Registry,
    clock: ManualClock,
    log: Arc<Mutex<Vec<String>>>,
}

impl Told {
    fn new() -> Self {
        let (clock, log) = (ManualClock::new(), Arc::new(Mutex::new(Vec::new())));
        let (time, heard) = (clock.clone(), log.clone());
        let registry = Registry::builder()
            .defaults(move |circuit| {
                let circuit = circuit.consecutive_failures(3).open_for(BREAK);
                circuit.clock(time.clone())
            })
            .on_event(move |circuit, event| {
                if let Event::Transition(transition) = event {
                    let line = format!("{}: {transition}", circuit.name());
                    heard.lock().unwrap().push(line);
                }
            })
            .build()
            .unwrap();
        Self {
            registry,
            clock,
            log,
        }
    }

    /// These transitions were told since the last look, and no other.
    #[track_caller]
    fn tells(&self, name: &str, transitions: &[&str]) {
        let expected = transitions.iter().map(|told| format!("{name}: {told}"));
        let told = std::mem::take(&mut *self.log.lock().unwrap());
        assert_eq!(told, expected.collect::<Vec<_>>());
    }

    #[track_caller]
    fn totals(&self, name: &str) -> Totals {
        totals(&self.registry.try_get(name).unwrap())
    }
}

fn totals(circuit: &Circuit) -> Totals {
    circuit.snapshot().totals.unwrap()
}

const OPENED: &str = "closed -> open: 3 consecutive failures, open for 5s";
const PROBING: &str = "open -> half-open: the wait is over, the next call is a probe";
const RECOVERED: &str = "half-open -> closed: the probes succeeded";
