//! Instances of a fleet in one process, and a store that does not do what it should.

use std::time::Duration;

use tokio::{task::JoinHandle, time::sleep};
use tower_breaker::{
    Agreement, Circuit, CircuitBuilder, State,
    fleet::{Fleet, Store},
};

pub(crate) use crate::support::{millis, secs};

/// One instance: a fleet with one circuit, whose future runs.
pub(crate) struct Instance {
    pub(crate) circuit: Circuit,
    pub(crate) fleet: Fleet,
    pub(crate) task: JoinHandle<()>,
}

/// At a call a second no instance ever has ten in its window.
pub(crate) fn quiet(builder: CircuitBuilder) -> CircuitBuilder {
    builder
        .time_window(secs(8))
        .failure_rate(0.5)
        .minimum_calls(10)
        .open_for(secs(5))
        .probe_timeout(secs(1))
}

impl Instance {
    pub(crate) fn new(
        store: impl Store,
        configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
    ) -> Self {
        let fleet = Fleet::builder("shop").build().expect("a fleet");
        let builder = Circuit::builder("payments").shared(Agreement::default());
        let builder = configure(builder).fleet(&fleet);
        let circuit = builder.build().expect("settings that make sense");
        let task = tokio::spawn(fleet.run(store));
        Self {
            circuit,
            fleet,
            task,
        }
    }

    /// Makes a call, if it is admitted, that succeeds or fails. Returns whether it was made.
    pub(crate) fn call(&self, succeeds: bool) -> bool {
        let Ok(guard) = self.circuit.try_acquire() else {
            return false;
        };
        match succeeds {
            true => drop(guard.success()),
            false => drop(guard.failure()),
        }
        true
    }

    pub(crate) fn state(&self) -> State {
        self.circuit.state()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Each instance calls once a second, and nobody else. Returns how many calls were made.
pub(crate) async fn calls_for(
    instances: &[&Instance],
    time: Duration,
    succeeds: impl Fn() -> bool,
) -> u32 {
    let mut made = 0;
    let between = secs(1) / u32::try_from(instances.len()).unwrap_or(1);
    let mut passed = Duration::ZERO;
    while passed < time {
        for instance in instances {
            made += u32::from(instance.call(succeeds()));
            sleep(between).await;
            passed += between;
        }
    }
    made
}
