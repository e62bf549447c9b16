//! A subscriber of the whole process that calls a circuit. It is alone, because a process has one such subscriber for
//! as long as it lives; and of one that is set for a thread, `tracing` itself keeps away what happens while it is told.
#![cfg(feature = "tracing")]

#[path = "support/collector.rs"]
mod collector;

use tower_breaker::Circuit;

use collector::Collector;

// L7
#[test]
fn a_subscriber_that_controls_the_circuit_is_not_told_of_what_it_does_itself() {
    let circuit = Circuit::builder("payments").log_transitions().build();
    let circuit = circuit.expect("valid");
    let again = circuit.clone();
    let log = Collector::new().on_event(move || {
        again.release();
        again.force_open();
    });
    log.listen_everywhere();
    circuit.force_open();
    assert_eq!(
        log.lines(),
        ["WARN circuit `payments` is forced open: by hand"]
    );
    // What comes after that is told again.
    circuit.release();
    assert_eq!(
        log.lines(),
        ["INFO circuit `payments` is back to normal: by hand"]
    );
}
