//! N1: the request path is local, and what comes of a fleet in the end.

use tokio::time::sleep;
use tower_breaker::{Cause, State, fleet::Memory};

use crate::fleet_support::{Instance, calls_for, millis, quiet, secs};

fn two() -> (Instance, Instance) {
    let store = Memory::new();
    (
        Instance::new(store.clone(), quiet),
        Instance::new(store, quiet),
    )
}

// N1, N3, N5: at a call a second neither would ever open by itself.
#[tokio::test(start_paused = true)]
async fn an_outage_opens_all_and_one_probe_closes_all() {
    let (one, other) = two();
    calls_for(&[&one, &other], secs(3), || true).await;
    calls_for(&[&one, &other], secs(7), || false).await;
    for instance in [&one, &other] {
        assert_eq!(instance.state(), State::Open);
        let trip = instance.circuit.snapshot().last_trip.expect("a trip");
        assert_eq!(trip.cause, Cause::Shared);
    }

    // The break is over: somebody makes one probe.
    sleep(secs(5)).await;
    let made = calls_for(&[&one, &other], secs(3), || true).await;
    assert!(made > 1, "{made} calls");
    assert_eq!((one.state(), other.state()), (State::Closed, State::Closed));
    sleep(millis(1)).await;
}
