//! Whatever panics names the line of the test, and not one of the kit. Alone, because a panic hook is of the whole
//! process.

use std::{
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::mpsc,
};

use tower_breaker::{Circuit, CircuitBuilder, Mode, Rejected};
use tower_breaker_test::{
    assert_called, assert_closed, assert_half_open, assert_not_called, assert_not_rejected,
    assert_open, assert_rejected, assert_transitions, circuits,
};

fn settings() -> CircuitBuilder {
    Circuit::builder("reviews")
}

#[test]
fn what_panics_names_the_line_of_the_test() {
    let (send, files) = mpsc::channel();
    panic::set_hook(Box::new(move |panic| {
        let file = panic.location().expect("a place").file().to_owned();
        send.send(file).expect("heard");
    }));
    let (closed, half_open) = (
        circuits::closed(settings()),
        circuits::half_open(settings()),
    );
    assert!(closed.circuit.try_acquire().is_ok());
    let fine = Ok::<(), Rejected>(());
    let rejected = Err::<(), _>(
        circuits::open(settings())
            .circuit
            .try_acquire()
            .expect_err("open"),
    );

    let panics: [&dyn Fn(); 10] = [
        &|| drop(circuits::closed(settings().consecutive_failures(0))),
        &|| drop(circuits::open(settings().mode(Mode::Disabled))),
        &|| drop(circuits::half_open(settings().mode(Mode::ForcedOpen))),
        &|| assert_closed(&half_open),
        &|| assert_open(&closed),
        &|| assert_half_open(&closed),
        &|| assert_transitions(&closed, &[tower_breaker::State::Open]),
        &|| assert_rejected(&closed, &fine),
        &|| assert_not_rejected(&closed, &rejected),
        &|| assert_called(&closed, 2),
    ];
    for one in panics {
        assert!(catch_unwind(AssertUnwindSafe(one)).is_err());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| assert_not_called(&closed))).is_err());
    let _ = panic::take_hook();
    let files: Vec<_> = files.into_iter().collect();
    assert_eq!(files.len(), panics.len() + 1);
    assert!(
        files.iter().all(|file| file.ends_with("tests/lines.rs")),
        "{files:?}"
    );
}
