//! What needs no runtime: plain threads call a circuit, and share it.

use std::thread;

use tower_breaker::{Circuit, State};

use crate::no_runtime;

/// On a thread of its own, where tokio has never been.
fn on_a_plain_thread(what: impl FnOnce() + Send) {
    let check = || {
        assert!(tokio::runtime::Handle::try_current().is_err());
        what();
    };
    thread::scope(|scope| scope.spawn(check).join()).expect("no panic");
}

#[test]
fn guards_and_control_need_no_runtime() {
    on_a_plain_thread(no_runtime::guards_open_and_close_a_circuit);
    on_a_plain_thread(no_runtime::a_call_that_need_not_wait_needs_no_executor);
}

#[cfg(feature = "registry")]
#[test]
fn a_registry_needs_no_runtime() {
    on_a_plain_thread(no_runtime::a_registry_makes_circuits);
}

// The clock that a circuit has by default is the system's where there is no runtime.
#[test]
fn plain_threads_share_a_circuit_with_the_usual_clock() {
    let circuit = Circuit::builder("disk").consecutive_failures(3).build();
    let circuit = circuit.expect("good");
    for _ in 0..3 {
        let shared = circuit.clone();
        on_a_plain_thread(move || shared.try_acquire().expect("closed").failure());
    }
    assert_eq!(circuit.state(), State::Open);
    on_a_plain_thread(|| assert!(circuit.try_acquire().is_err()));
}
