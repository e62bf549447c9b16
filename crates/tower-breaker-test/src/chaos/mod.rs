//! Faults, delays and calls that hang, in a service, by a seed or a schedule.
//!
//! A [`ChaosLayer`] goes *inside* of the circuit breaker, where the dependency is. Which calls it disturbs is decided
//! by [`When`]: a share of them, by their number, or by the time. What a fault is, is up to the test: by default a
//! response with status 500, or what a closure says.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//!
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, Service, service_fn};
//! use tower_breaker::{Circuit, State};
//! use tower_breaker_test::{assert_transitions, chaos::{ChaosLayer, When}, circuits};
//!
//! async fn dependency(_: Request<()>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new("five stars".to_owned()))
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let chaos = ChaosLayer::builder(7)
//!     .fail(When::calls(2..=4))
//!     .status(StatusCode::BAD_GATEWAY)
//!     .delay(When::share(0.5), Duration::from_millis(10)..=Duration::from_millis(200))
//!     .build()?;
//!
//! let test = circuits::closed(Circuit::builder("reviews").consecutive_failures(3));
//! let mut reviews = test.layer().layer(chaos.layer(service_fn(dependency)));
//! for _ in 0..6 {
//!     reviews.ready().await?.call(Request::default()).await?;
//! }
//! assert_transitions(&test, &[State::Open]);
//! // The last two calls were rejected: the dependency was not asked, and neither was the chaos around it.
//! let counts = chaos.counts();
//! assert_eq!((counts.calls, counts.passed, counts.failed), (4, 1, 3));
//! # Ok(())
//! # }
//! ```
//!
//! A service whose response is no `http::Response` needs a closure: `.outcome(|_| Err(io::Error::other("chaos")))`. For
//! reqwest's client, make its response from one of `http`:
//! `.outcome(|_| Ok(http::Response::builder().status(502).body("").expect("a response").into()))`.
//!
//! **Watch out:** around the circuit breaker, chaos is seen by the callers, and the circuit learns of nothing. In a
//! `ServiceBuilder`, what is outside comes first:
//!
//! ```text
//! ServiceBuilder::new().layer(chaos).layer(breaker).service(dependency)     // wrong
//! ServiceBuilder::new().layer(breaker).layer(chaos).service(dependency)     // right
//! ```
//!
//! # The same seed, the same sequence
//!
//! What becomes of a call depends on the seed, on the number of the call, and on the time if the schedule has one. It
//! does not depend on other calls. So calls may overlap, and a run can be repeated. Which request gets which number is
//! up to the order in which the requests come.
//!
//! # Time
//!
//! Times are tokio's: delays, and the time of a schedule, which begins when the layer is built. In a test with
//! `start_paused = true` no delay takes any time.
//!
//! **Watch out:** a [`ManualClock`](tower_breaker::clock::ManualClock) does not move these.

mod builder;
mod error;
mod layer;
mod outcome;
mod plan;
mod random;
mod service;
mod when;

pub use self::{
    builder::ChaosBuilder,
    error::ChaosError,
    layer::{ChaosCounts, ChaosLayer},
    outcome::{FaultyCall, MakeOutcome, Status},
    service::{Chaos, ChaosFuture},
    when::When,
};
