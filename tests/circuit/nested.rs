//! A call that meets its own circuit again on its way is one call: it passes, and is counted once (rule D8).
//! Without Tower, in Tower stacks, and over real sockets: a module each, beside this file.

mod calls;
#[cfg(all(feature = "reqwest", feature = "retry-after"))]
mod clients;
mod outside;
mod servers;
mod stacks;

use std::{
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

use crate::support::{Fixture, fragile, fragile_after_break, secs};
use tower_breaker::{Circuit, CircuitError, Mode, State, Totals};

const CLOSES: [&str; 2] = [
    "open -> half-open: the wait is over, the next call is a probe",
    "half-open -> closed: the probes succeeded",
];

const REOPENS: [&str; 2] = [
    "open -> half-open: the wait is over, the next call is a probe",
    "half-open -> open: a probe failed, open for 5s",
];

/// Five failures in a row open it.
fn sturdy() -> Fixture {
    Fixture::new(|c| c.consecutive_failures(5).open_for(secs(5)))
}

fn broken() -> io::Error {
    io::Error::other("broken")
}

/// Calls that came to an end: successful, failed, ignored, abandoned, rejected.
#[track_caller]
fn ends(fixture: &Fixture) -> [u64; 5] {
    let Totals {
        successful,
        failed,
        ignored,
        abandoned,
        rejected,
        ..
    } = fixture.totals();
    [successful, failed, ignored, abandoned, rejected]
}

/// Pending once.
async fn once_more() {
    let mut asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// After whatever went before on this thread, a call is a call of its own.
#[track_caller]
fn is_put_back(fixture: &Fixture) {
    let [before, ..] = ends(fixture);
    fixture.play("s");
    assert_eq!(ends(fixture)[0], before + 1, "the mark was left behind");
}
