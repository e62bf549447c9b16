//! The life of a circuit with no runtime, no timer and no clock of the system's. Plain threads run it, and WebAssembly
//! in an engine that gives it nothing.

use std::{
    future::ready,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower_breaker::{Circuit, CircuitBuilder, State, clock::ManualClock};

const SECOND: Duration = Duration::from_secs(1);

/// Opens at the second failure, for a second.
fn circuit(clock: &ManualClock) -> CircuitBuilder {
    let builder = Circuit::builder("payments").clock(clock.clone());
    builder.consecutive_failures(2).open_for(SECOND)
}

/// Calls by guards, control, listeners, snapshots, and a state that is kept.
pub(crate) fn guards_open_and_close_a_circuit() {
    let (clock, told) = (ManualClock::new(), Arc::new(Mutex::new(Vec::new())));
    let listener = Arc::clone(&told);
    let listen = move |_: &Circuit, transition: &tower_breaker::Transition| {
        listener.lock().expect("no panic").push(transition.to);
    };
    let circuit = circuit(&clock).on_transition(listen).build().expect("good");
    for _ in 0..2 {
        circuit.try_acquire().expect("closed").failure();
    }
    assert!(circuit.try_acquire().is_err());
    assert_eq!(circuit.snapshot().state, State::Open);

    clock.advance(2 * SECOND);
    let guard = circuit.clone().try_acquire_owned().expect("a probe");
    guard.success();
    assert_eq!(circuit.state(), State::Closed);
    let told = told.lock().expect("no panic").clone();
    assert_eq!(told, [State::Open, State::HalfOpen, State::Closed]);

    circuit.trip(SECOND).expect("it can be opened");
    let restored = Circuit::builder("payments").restore(circuit.save());
    let restored = restored.clock(clock).build().expect("good");
    assert_eq!(restored.state(), State::Open);
}

/// A future that does not have to wait is polled by whoever is there.
pub(crate) fn a_call_that_need_not_wait_needs_no_executor() {
    let circuit = circuit(&ManualClock::new()).build().expect("good");
    let answer = circuit.call(ready(Ok::<_, std::io::Error>(42)));
    let polled = pin!(answer).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(42))));
}

/// Circuits by name.
#[cfg(feature = "registry")]
pub(crate) fn a_registry_makes_circuits() {
    let clock = ManualClock::new();
    let defaults = {
        let clock = clock.clone();
        move |c: CircuitBuilder| c.clock(clock.clone()).consecutive_failures(1)
    };
    let registry = tower_breaker::registry::Registry::builder().defaults(defaults);
    let registry = registry.build().expect("good");
    let circuit = registry.get_or_create("payments").expect("room");
    circuit.try_acquire().expect("closed").failure();
    let found = registry.get("payments").expect("it was made");
    assert_eq!(found.state(), State::Open);
}
