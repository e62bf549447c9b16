//! A test kit for code that has a [`tower_breaker`] circuit in it.
//!
//! A test of a fallback needs a circuit that is open. A test of a recovery needs one whose break (elsewhere: wait
//! duration) is over, and should not wait for that. When such a test fails, it should say what happened, and not only
//! `left: Closed`.
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_breaker::{Circuit, State};
//! use tower_breaker_test::{assert_rejected, assert_transitions, circuits};
//!
//! // With the settings that production has, and open already.
//! let settings = Circuit::builder("books").open_for(Duration::from_secs(30));
//! let test = circuits::open(settings);
//! assert_rejected(&test, &test.circuit.try_acquire());
//!
//! // The break is over, and nobody has waited. The next call tests the dependency: it is a probe.
//! test.end_break();
//! test.circuit.try_acquire().expect("a probe").success();
//! assert_transitions(&test, &[State::HalfOpen, State::Closed]);
//! ```
//!
//! Around a service of yours, [`test.layer()`](TestCircuit::layer) puts this circuit. If the probe above fails, the
//! last line says:
//!
//! ```text
//! circuit `books`
//! expected: open → half-open → closed
//! found:    open → half-open → open
//! now:      books: open for 0 ms, next probe in 30 s; opened again: a probe failed; the outage began 30 s ago: by hand
//! what happened:
//!     +0.000s begins open
//!     +30.000s open → half-open (the wait is over, the next call is a probe)
//!     +30.000s half-open → open (a probe failed)
//! ```
//!
//! # What there is
//!
//! | you want | take |
//! |---|---|
//! | a circuit that is open or half-open already, with a clock that the test moves | [`circuits`] |
//! | to assert a state, transitions, a rejection, or that no call was let through | [`assert_open`], [`assert_transitions`], [`assert_rejected`], [`assert_not_called`], and more of the kind |
//! | to see what happened, call by call | [`TestCircuit::recording_calls`], [`Recorder`] |
//! | the same for a circuit that your code builds | [`Recorder::of`] |
//! | a layer that makes a dependency fail, slow or hang, by chance or by a schedule | [`chaos`] |
//! | an HTTP server on a real socket, which answers, fails, is slow or hangs as you say for each request | [`server`](#features) |
//!
//! # Features
//!
//! Off by default, and additive.
//!
//! | feature | adds | and needs |
//! |---|---|---|
//! | `server` | a scripted server on a real socket: module `server` | `hyper`, `hyper-util`, `net` and `rt` of `tokio` |
//!
//! # Watch out
//!
//! * **A clock of a [`TestCircuit`] moves that circuit only.** Timers are tokio's: your timeouts, a
//!   [`call_timeout`](tower_breaker::CircuitBuilder::call_timeout), the delays of [`chaos`]. To move those, pause
//!   tokio's time with `#[tokio::test(start_paused = true)]`. The two do not move each other:
//!
//!   ```text
//!   tokio::time::advance(Duration::from_secs(30)).await;     // wrong: the circuit's break goes on
//!   test.advance(Duration::from_secs(30));                   // right
//!   ```
//!
//!   To have both on tokio's time, build the circuit yourself, and record it with [`Recorder::of`].
//! * **Paused time and real sockets do not go together.** Paused time jumps to the next timer while a packet is on its
//!   way, and a timeout fires before the answer is there. With the [`server`](#features), leave tokio's time alone. The
//!   circuit's own clock is enough to end its break.
//! * **The end of a break changes nothing by itself.** After [`end_break`](TestCircuit::end_break) the circuit is open
//!   until a call comes.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod assertions;
pub mod chaos;
pub mod circuits;
mod recorder;
#[cfg(feature = "server")]
#[cfg_attr(docsrs, doc(cfg(feature = "server")))]
pub mod server;

pub use self::{
    assertions::{
        Rejectable, assert_called, assert_closed, assert_half_open, assert_not_called,
        assert_not_rejected, assert_open, assert_rejected, assert_transitions,
    },
    circuits::TestCircuit,
    recorder::{Call, Entry, Recorded, Recorder, RecorderBuilder, Transcript},
};

// Who reads it pastes it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
