//! Where a circuit gets the time.
//!
//! By default the time is from tokio's clock, so a test under `#[tokio::test(start_paused = true)]` owns the time
//! already. No runtime is needed for it: outside of one, tokio's clock is the system's.
//! The guide `testing` (features `axum` and `config`) has whole tests.
//!
//! Another clock (simulated time, for instance) is anything that implements [`Clock`]:
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::{Circuit, State, clock::ManualClock};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let clock = ManualClock::new();
//! let circuit = Circuit::builder("payments")
//!     .consecutive_failures(1)
//!     .open_for(Duration::from_secs(5))
//!     .clock(clock.clone())
//!     .build()?;
//!
//! circuit.try_acquire().expect("closed").failure();
//! assert_eq!(circuit.state(), State::Open);
//!
//! clock.advance(Duration::from_secs(5));
//! circuit.try_acquire().expect("a probe").success();
//! assert_eq!(circuit.state(), State::Closed);
//! # Ok(())
//! # }
//! ```
//!
//! A circuit reads the clock only where the time matters:
//!
//! | what | reads the clock |
//! |---|---|
//! | a success of a closed circuit | not at all |
//! | … with a time window | once |
//! | … where calls are timed: with `slow_call_duration` or `AbandonedPolicy::FailureAfter` | twice |
//! | a call of a disabled circuit | not at all, or as above where calls are timed |
//! | a rejection | once; not at all where the circuit is forced open |
//! | failures, probes, calls in a ramp, rejections because half-open is full | as they need |
//!
//! With tokio's `test-util`, tokio's clock cannot be read at the end of a thread, when thread-locals are being
//! destroyed. What is recorded then is taken to happen when the circuit was built. So a call that is dropped then
//! counts as fast.
//!
//! With the feature `coarse-clock` there is a clock that goes in steps of some milliseconds: `Coarse`. It costs a fifth
//! of the system's to read. It is made for busy time windows.

// In which order a clock and the word of a circuit are read, and why: `EraFacts` in `machine/era.rs`.

#[cfg(feature = "coarse-clock")]
mod coarse;

#[cfg(feature = "coarse-clock")]
#[cfg_attr(docsrs, doc(cfg(feature = "coarse-clock")))]
pub use self::coarse::Coarse;
pub use crate::circuit::clock::{Clock, ManualClock};
