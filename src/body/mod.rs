//! Outcomes that are known only at the end of a body (rule H5). Needs the feature `body`.
//!
//! A response can begin well and end badly: the connection breaks in the middle, the body is shorter than announced,
//! the trailers carry an error. By default, a call ends for the circuit with the head of its response.
//! [`observe_bodies`] observes it to the end of its body:
//!
//! ```
//! use tower_breaker::{Circuit, CircuitBreakerLayer};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let layer = CircuitBreakerLayer::new(Circuit::builder("files").build()?).observe_bodies();
//! # let _: CircuitBreakerLayer<_, _, _> = layer;
//! # Ok(())
//! # }
//! ```
//!
//! The service then answers with [`ObservedBody`]. It passes on frames, trailers, size hints and `is_end_stream` as
//! they are.
//!
//! # What counts as what
//!
//! Only a head that is a success ([`Outcome::Success`] or [`Outcome::RequiresEos`]) leaves a question open. A failure,
//! an ignored response or a trip is recorded with the head.
//!
//! | the body | head was a success | head was [`Outcome::RequiresEos`] |
//! |---|---|---|
//! | has ended, or there is none | success | what [`ClassifyEos`] makes of it |
//! | has brought trailers | success | what [`ClassifyEos`] makes of them |
//! | has brought the announced length | success, even if nobody asks for the end | the end is awaited; dropped here, it has ended, unless [trailers have to come](ClassifyEos::awaits_trailers) |
//! | has brought less, and ended, or more | a failure, if [`ClassifyEos`] agrees | the same |
//! | ends in an error | a failure, if [`ClassifyEos`] agrees | the same |
//! | panics | failure | failure |
//! | is dropped before its end, after data has come | success | success |
//! | is dropped before any data | abandoned, and never slow | the same |
//!
//! There is no body where the request was a `HEAD` or `CONNECT`, or the status is 204, 304 or 1xx. Otherwise a body has
//! ended when it says so: by its last poll, or by `is_end_stream`. That is asked at once, after a frame, and when the
//! body is dropped. Servers drop what they know to be complete without asking for the end.
//!
//! The announced length is that of `Content-Length`, or else the exact size hint. A `Content-Length` that is no number
//! announces nothing, nor do two that differ, nor one beside a `Transfer-Encoding`. What comes after the announced
//! length, an error or more data, comes after the end and changes nothing. Only a frame that begins before it and ends
//! beyond it is too much. If the end is awaited, there is no end before it. Then an error is an error, and more is too
//! much.
//!
//! If a reader leaves a stream after data, that is a success: up to there, it has had what the head promised. Such a
//! reader is a client of server-sent events that stops at its end mark, or one that takes a page's first line and goes.
//! What would have come, nobody knows. Otherwise streams would only ever be seen when they fail. Data means a data
//! frame, even an empty one.
//!
//! **Watch out:** if a body is dropped *unread*, the call counts as abandoned. If only the status matters, do not
//! observe bodies, or ask with a `HEAD`.
//!
//! **Watch out:** a reader that gives up on a body which stalls in the middle leaves like any other. To make that a
//! failure, let the body end in an error, by a time-out *inside* of the breaker (`read_timeout` of reqwest's client,
//! `ResponseBodyTimeoutLayer` of tower-http).
//!
//! Whether a call is slow is measured to the head (rule A3): a slow reader or a long stream is not a slow dependency.
//! [`ObserveBodies::measure_to_end_of_body`] measures to the end.
//!
//! A probe has succeeded once a data frame of its body has arrived, even an empty one. So a long stream does not hold
//! up recovery. An error before that fails the probe. A drop before that gives its permit (permitted call in half-open)
//! back. Whatever comes after it, also trailers, changes nothing. Only if the frame is also the end, or is too much,
//! does the end decide.
//!
//! A body that nobody reads and nobody drops keeps its call under way. So does a stream in which nothing comes. In
//! half-open that ends with [`half_open_timeout`](crate::CircuitBuilder::half_open_timeout), as a probe that did not
//! come back. If streams may stay quiet for longer, raise that. Or let several probes in of which one is enough
//! ([`permits(3)`](crate::CircuitBuilder::permits) and [`probes(1, 3)`](crate::CircuitBuilder::probes)).
//!
//! # Trailers
//!
//! A classifier that waits for the trailers returns [`Outcome::RequiresEos`], and a [`ClassifyEos`] judges them.
//! That is how gRPC works (module `grpc`, feature `grpc`):
//!
//! ```
//! use http::StatusCode;
//! use tower_breaker::{
//!     Circuit, CircuitBreakerLayer, Outcome,
//!     body::{BodyEnd, ObserveBodies},
//!     classify::HttpClassifier,
//! };
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let layer = CircuitBreakerLayer::new(Circuit::builder("exports").build()?)
//!     .classifier(HttpClassifier::new().classify_as(Outcome::RequiresEos, [StatusCode::OK]))
//!     .observe_bodies_with(ObserveBodies::new().classify_eos(
//!         |end: BodyEnd<'_, std::io::Error>| match end {
//!             BodyEnd::Trailers(trailers) if trailers.contains_key("x-export-failed") => {
//!                 Outcome::Failure
//!             }
//!             BodyEnd::Trailers(_) | BodyEnd::Complete => Outcome::Success,
//!             _ => Outcome::Failure,
//!         },
//!     ));
//! # let _: CircuitBreakerLayer<_, _, _> = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # Bodies of requests
//!
//! A server's handler waits for its client's bytes. [`observe_request_bodies`] subtracts that time, so that a slow
//! client does not count as a slow dependency (rule A3). It works with all of the above, and without it.
//!
//! A server of HTTP/1 whose circuit is open may cut off a client in the middle of its upload, so that it never sees the
//! 503. [`drain_rejected`](crate::CircuitBreakerLayer::drain_rejected) lets it finish first.
//!
//! [`observe_request_bodies`]: crate::CircuitBreakerLayer::observe_request_bodies
//! [`observe_bodies`]: crate::CircuitBreakerLayer::observe_bodies
//! [`Outcome::Success`]: crate::Outcome::Success
//! [`Outcome::RequiresEos`]: crate::Outcome::RequiresEos

mod by_request;
mod client;
mod drain;
mod end;
pub(crate) mod layer;
mod limited;
mod observed;
mod placed;
mod progress;
mod requests;
pub(crate) mod scope;

pub use self::{
    client::ClientBody,
    drain::{DrainFuture, Drained},
    end::{BodyEnd, ClassifyEos, DefaultClassifyEos},
    observed::ObservedBody,
    placed::{PlacedBody, ToEndOfBody},
    requests::{AsItCame, IntoBody, ObserveRequestBodies, RequestBodies, RequestBodiesLayer},
    scope::ObserveBodies,
};
