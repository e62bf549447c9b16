//! gRPC: what a failure is, and what a rejection looks like (rule H4). Needs the feature `grpc`.
//!
//! To HTTP every gRPC call that was answered is a 200. How it went is in its `grpc-status`. That is in the head of the
//! response if there is nothing else in it, and in the trailers after the messages otherwise. So bodies are
//! [observed](crate::body), and three things come together: [`GrpcClassifier`], [`GrpcUnavailable`] and
//! [`ObserveBodies`].
//!
//! ```
//! use tower_breaker::{Circuit, CircuitBreakerLayer};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let layer = CircuitBreakerLayer::new(Circuit::builder("greeter").build()?).grpc();
//! # let _: tower_breaker::grpc::GrpcLayer = layer;
//! # Ok(())
//! # }
//! ```
//!
//! The layer goes around a client's channel, around a server, or around one of its services. It does not need tonic.
//! The feature `tonic` adds what joins its types to ours.
//!
//! # What counts as what
//!
//! | code | counts as |
//! |---|---|
//! | ok | success |
//! | cancelled, unknown, deadline exceeded, internal, unavailable, data loss | failure |
//! | resource exhausted, aborted | ignored |
//! | the others: not found, permission denied … | answered: neutral, and proof of life for a probe |
//! | a number that is no code, or no number | unknown: failure |
//! | none at the end of the body, or a body that ends in an error | failure |
//! | none, and a status of HTTP other than 200 | the code [that the protocol puts in its place][mapping] |
//! | none, and a `Content-Type` other than gRPC's, with a 200 | unknown: failure, at the head |
//! | an error instead of a response | failure |
//!
//! *Cancelled* is a failure, because it is an *answer*. A caller that cancels a call drops it, and that counts as
//! abandoned (rule A4). Servers answer with it when a deadline has passed, the caller's or their own. That may come
//! before or after the caller's own timer. Either way it counts the same.
//!
//! If a code is there twice, the first counts, as it does for tonic's client. For other sets, and for codes that trip
//! at once, use a classifier of your own:
//!
//! ```
//! # use std::time::Duration;
//! use tower_breaker::{
//!     Circuit, CircuitBreakerLayer, Outcome,
//!     grpc::{Code, GrpcClassifier},
//!     retry_after::RetryAfter,
//! };
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let classifier = GrpcClassifier::new()
//!     .failures([Code::ResourceExhausted])
//!     .ignored([Code::Unknown])
//!     .retry_after(RetryAfter::between(Duration::from_secs(1), Duration::from_secs(60))?);
//! let layer = CircuitBreakerLayer::new(Circuit::builder("greeter").build()?)
//!     .grpc_with(classifier);
//! # let _: tower_breaker::grpc::GrpcLayer = layer;
//! # Ok(())
//! # }
//! ```
//!
//! [mapping]: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md

mod classify;
mod layer;
mod reject;
#[cfg(feature = "tonic")]
mod reject_as_status;
#[cfg(feature = "tonic")]
mod tonic_status;

#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
pub use self::reject_as_status::RejectAsStatus;
pub use self::{
    classify::GrpcClassifier,
    reject::{DeadlineExceeded, GrpcUnavailable},
};

pub use crate::service::grpc_code::Code;
use crate::{
    body::ObserveBodies,
    service::{breaker::CircuitBreaker, give_back::FreshClone, layer::CircuitBreakerLayer},
};

/// The layer that [`CircuitBreakerLayer::grpc`] makes. Another `R` is another form of rejection, such as
/// `RejectAsStatus` with the feature `tonic`.
pub type GrpcLayer<R = GrpcUnavailable> =
    CircuitBreakerLayer<GrpcClassifier, R, ObserveBodies<GrpcClassifier>, FreshClone>;

/// The service that a [`GrpcLayer`] makes. Use this short name for the field of a struct, and for clients that are
/// generated around it.
pub type GrpcCircuitBreaker<S, R = GrpcUnavailable> =
    CircuitBreaker<S, GrpcClassifier, R, ObserveBodies<GrpcClassifier>>;
