//! What the tests share.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tower_breaker::{Circuit, CircuitBuilder};

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Opens after three failures, for five seconds.
pub(crate) fn reviews() -> CircuitBuilder {
    Circuit::builder("reviews")
        .consecutive_failures(3)
        .open_for(secs(5))
}

pub(crate) fn fail(circuit: &Circuit, times: u32) {
    for _ in 0..times {
        circuit.try_acquire().expect("admitted").failure();
    }
}

/// What a panic says. It fails if there is none.
#[track_caller]
pub(crate) fn panic_of<T>(panics: impl FnOnce() -> T) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(panics()))) else {
        panic!("no panic");
    };
    text_of(&*payload)
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    match payload.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => (*payload.downcast_ref::<&str>().expect("a text")).to_owned(),
    }
}
