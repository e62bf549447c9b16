//! What the types of layers and services are made of, for those who have to write them down.
//!
//! A service in a struct's field needs its whole type, and that says who classifies, who answers rejections,
//! and how far a call is observed ([`HeadOnly`], or `body::ObserveBodies` with the feature `body`). All have
//! defaults, so the usual type is short:
//!
//! ```
//! use tower_breaker::{
//!     Circuit, CircuitBreaker, CircuitBreakerLayer,
//!     classify::HttpClassifier,
//!     reject::RejectAsError,
//! };
//! use tower::Layer;
//!
//! struct Client;
//!
//! struct Usual {
//!     payments: CircuitBreaker<Client>,
//! }
//!
//! struct Others {
//!     as_error: CircuitBreaker<Client, HttpClassifier, RejectAsError>,
//! }
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let circuit = Circuit::builder("payments").build()?;
//! let layer = CircuitBreakerLayer::new(circuit);
//! let usual = Usual {
//!     payments: layer.layer(Client),
//! };
//! let others = Others {
//!     as_error: layer.reject_as_error().layer(Client),
//! };
//! # let _ = (usual.payments, others.as_error);
//! # Ok(())
//! # }
//! ```
//!
//! With a classifier that sees the request, there are [`ByRequest`] in place of the classifier and
//! [`WithRequestFacts`] around how far a call is observed.
//!
//! Where a call keeps the timer of its limit itself, or its caller may shorten it, there is [`Limited`] around how far
//! a call is observed.
//!
//! A layer says, too, what a rejection does about what the inner service has reserved: [`Keep`], or
//! [`FreshClone`].
//!
//! With the feature `degrade`, the whole stack around a service is a `degrade::Stacked<S, …>`.
//!
//! The types of a call's future and of an observed body name the same three, with the same defaults: the body of a
//! response to `layer.observe_bodies()` is an `ObservedBody<B>`.

pub use super::{
    bulkhead::{Guarded, HoldsPlace, ToHead},
    by_request::{ByRequest, ClassifiedBy, RequestFacts, WithRequestFacts},
    check::check_service,
    give_back::{FreshClone, GiveBack, Keep},
    limited::{Limited, LimitedFacts},
    oneshot::Oneshot,
    ready::Ready,
    scope::{CallScope, HeadOnly, ObserveResponse},
};
pub use crate::circuit::guard::Owned;
