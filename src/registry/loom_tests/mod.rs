//! Models of a registry under loom, as those of the [machine](crate::machine). The index is a stand-in, since papaya
//! does not run there; all else is real.

mod creation;
mod eviction;

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{Event, Registry, RegistryBuilder};
use crate::{
    circuit::{clock::ManualClock, handle::Circuit},
    machine::{
        State,
        loom_tests::{model, race},
        sync::Mutex,
    },
};

const BREAK: Duration = Duration::from_secs(10);

/// What was told, in the order in which it was: to write it is something that threads do between others.
type Log = Arc<Mutex<Vec<&'static str>>>;

/// The first failure opens each of its circuits.
fn brittle() -> RegistryBuilder {
    let clock = ManualClock::new();
    Registry::builder().defaults(move |circuit| {
        circuit
            .consecutive_failures(1)
            .open_for(BREAK)
            .totals(false)
            .clock(clock.clone())
    })
}

fn listened_to(builder: RegistryBuilder) -> (Registry, Log) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let heard = log.clone();
    let builder = builder.on_event(move |_, event| {
        let told = match event {
            Event::Added => "added",
            Event::Removed => "removed",
            Event::Evicted => "evicted",
            _ => return,
        };
        heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(told);
    });
    (builder.build().expect("valid"), log)
}

fn told(log: &Log) -> Vec<&'static str> {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn fail(circuit: &Circuit) {
    circuit.try_acquire().expect("closed").failure();
}
