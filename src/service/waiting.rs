//! Waiting for a circuit, in a service that is not ready.

use std::{future::Future, pin::Pin};

use crate::circuit::handle::Circuit;

/// A task's wait, for whoever polled it last. A service holds one only while it is not ready, so it is boxed.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Waits until the circuit would reject a call (G1).
pub(crate) async fn rejection(circuit: Circuit) {
    loop {
        // Before the look at the circuit, so that nothing that happens after it is missed.
        let rejecting = circuit.observers().rejecting();
        if circuit.is_rejecting() {
            return;
        }
        rejecting.await;
    }
}
