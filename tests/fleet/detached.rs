//! N7: alone, and back; what is shown of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::sleep;
use tower_breaker::{
    Circuit, CircuitBuilder, State, Transition,
    fleet::{Fleet, Memory},
    observe::{FleetNews, Sharing, What, Why},
};

use crate::fleet_support::{Fault, Faulty, Instance, calls_for, millis, quiet, secs};

/// All kinds of trouble, and what is said of each.
const FAULTS: [(Fault, Why); 17] = [
    (Fault::Error(Why::NotReached), Why::NotReached),
    (Fault::Error(Why::TimedOut), Why::TimedOut),
    (Fault::Error(Why::Refused), Why::Refused),
    (Fault::Error(Why::ReadOnly), Why::ReadOnly),
    (Fault::Error(Why::Full), Why::Full),
    (Fault::Error(Why::Nonsense), Why::Nonsense),
    (Fault::Error(Why::Clock), Why::Clock),
    (Fault::Error(Why::Off), Why::Off),
    (Fault::Silent, Why::TimedOut),
    (Fault::Late(secs_of(2)), Why::TimedOut),
    (Fault::Late(secs_of(20)), Why::TimedOut),
    (Fault::Panics, Why::Nonsense),
    (Fault::PanicsAtOnce, Why::Nonsense),
    (Fault::Fewer, Why::Nonsense),
    (Fault::More, Why::Nonsense),
    (Fault::Odd, Why::Nonsense),
    (Fault::OutOfRange, Why::Nonsense),
];

const fn secs_of(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Two failures trip it, so that it is open, half-open and closed in turns.
fn lively(builder: CircuitBuilder) -> CircuitBuilder {
    builder
        .time_window(secs(10))
        .failure_rate(0.4)
        .minimum_calls(3)
        .consecutive_failures(2)
        .open_for(secs(2))
        .ramp(secs(3), 0.25)
        .jitter_seed(7)
}

type Log = Arc<Mutex<Vec<String>>>;

fn logging(builder: CircuitBuilder) -> (CircuitBuilder, Log) {
    let log = Log::default();
    let told = log.clone();
    let builder = builder.on_transition(move |_, transition: &Transition| {
        told.lock().expect("a log").push(transition.to_string());
    });
    (builder, log)
}

/// Calls every 250 ms for so long, the same ones of all circuits; each call takes 100 ms. What becomes of each is in the
/// circuit's log.
async fn play(circuits: &[(&Circuit, &Log)], time: Duration) {
    for step in 0..time.as_millis() / 250 {
        // Some 40 % fail, in no order.
        let fails = step * 7919 % 101 < 40;
        let guards: Vec<_> = circuits
            .iter()
            .map(|(circuit, log)| (circuit.try_acquire(), log))
            .collect();
        sleep(millis(100)).await;
        for (admitted, log) in guards {
            let said = match admitted {
                Err(rejected) => rejected.to_string(),
                Ok(guard) if fails => format!("failed {:?}", guard.failure()),
                Ok(guard) => format!("succeeded {:?}", guard.success()),
            };
            log.lock().expect("a log").push(format!("{step}: {said}"));
        }
        sleep(millis(150)).await;
    }
}

fn why(circuit: &Circuit) -> Option<Why> {
    match circuit.snapshot().fleet.expect("a fleet").sharing {
        Sharing::Detached { why, .. } => Some(why),
        _ => None,
    }
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().expect("a log"))
}

// N7: a store in trouble makes nothing worse than none, whatever the trouble is.
#[tokio::test(start_paused = true)]
async fn detached_is_unshared_call_by_call() {
    for (fault, expected) in FAULTS {
        let store = Faulty::new();
        store.is(fault);
        let (twin, twins_log) = logging(lively(Circuit::builder("payments")));
        let twin = twin.build().expect("a circuit");
        let mut log = Log::default();
        let instance = Instance::new(store.clone(), |builder| {
            let (builder, told) = logging(lively(builder));
            log = told;
            builder
        });
        play(&[(&instance.circuit, &log), (&twin, &twins_log)], secs(60)).await;
        let (log, twins_log) = (taken(&log), taken(&twins_log));
        assert_eq!(log, twins_log, "{fault:?}");
        let opened = log.iter().filter(|line| line.contains("half-open")).count();
        assert!(opened > 3, "it lives: {log:?}");
        assert_eq!(why(&instance.circuit), Some(expected), "{fault:?}");
        assert!(store.times_asked() > 10 && store.times_asked() < 100);
    }
}
