//! Instances in the process of the test, for what needs no process of its own.

use std::time::Duration;

use tokio::task::JoinHandle;
use tower_breaker::{
    Agreement, Circuit, CircuitBuilder, Mode, Snapshot,
    fleet::Fleet,
    observe::{FleetNow, Sharing, Why},
};
use tower_breaker_redis::Redis;

use super::instances::{SOON, within};

/// One instance with one circuit. Dropped, its task ends.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) fleet: Fleet,
    pub(crate) circuit: Circuit,
    task: JoinHandle<()>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Member {
    pub(crate) fn on(store: Redis) -> Self {
        Self::with(store, |builder| builder)
    }

    pub(crate) fn with(
        store: Redis,
        change: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
    ) -> Self {
        let fleet = Fleet::builder("shop").build().expect("a fleet");
        let builder = Circuit::builder("payments")
            .time_window(Duration::from_secs(10))
            .failure_rate(0.5)
            .shared(Agreement::default())
            .fleet(&fleet);
        let circuit = change(builder).build().expect("a circuit");
        let task = tokio::spawn(fleet.run(store));
        Self {
            fleet,
            circuit,
            task,
        }
    }

    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Snapshot) -> bool) {
        within(SOON, what, async || {
            let snapshot = self.circuit.snapshot();
            if is_so(&snapshot) {
                return Ok(());
            }
            Err(format!(
                "{snapshot}: {:?}, {:?}",
                snapshot.fleet,
                self.fleet.status()
            ))
        })
        .await;
    }

    pub(crate) async fn attached(&self) {
        self.until("attached", is_attached).await;
    }

    /// Alone, for this reason.
    pub(crate) async fn alone_for(&self, expected: Why) {
        let is_so = |snapshot: &Snapshot| match snapshot.fleet {
            Some(FleetNow {
                sharing: Sharing::Detached { why, .. },
                ..
            }) => why == expected,
            _ => false,
        };
        self.until(&format!("alone: {expected}"), is_so).await;
    }
}

pub(crate) fn is_attached(snapshot: &Snapshot) -> bool {
    let sharing = snapshot.fleet.as_ref().map(|fleet| fleet.sharing);
    matches!(sharing, Some(Sharing::Attached { .. }))
}

/// They are one fleet: what one decides, the others hear.
pub(crate) async fn are_one_fleet(members: &[Member]) {
    for member in members {
        member.attached().await;
    }
    let (first, last) = (&members[0], &members[members.len() - 1]);
    first.circuit.force_open();
    for member in members {
        member
            .until("forced open", |snapshot| snapshot.mode == Mode::ForcedOpen)
            .await;
    }
    last.circuit.release();
    for member in members {
        member
            .until("released", |snapshot| snapshot.mode == Mode::Normal)
            .await;
    }
}
