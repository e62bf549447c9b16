//! What the types of layers and services are made of, for those who have to write them down.
//!
//! A service in a struct's field needs its whole type, and that says how it holds on to its circuit
//! ([`Counted`], or [`Leaked`]) and how far it follows a call ([`HeadOnly`], or
//! `body::ObserveBodies` with
//! the feature `body`). Both have defaults, so the usual type is short:
//!
//! ```
//! use tower_breaker::{
//!     Circuit, CircuitBreaker, CircuitBreakerLayer,
//!     classify::HttpClassifier,
//!     plumbing::{Counted, HeadOnly, Leaked},
//!     reject::{RejectAsError, ServiceUnavailable},
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
//!     // The holding repeats what it holds.
//!     as_error: CircuitBreaker<
//!         Client,
//!         HttpClassifier,
//!         RejectAsError,
//!         Counted<HttpClassifier, RejectAsError, HeadOnly>,
//!     >,
//!     for_ever: CircuitBreaker<
//!         Client,
//!         HttpClassifier,
//!         ServiceUnavailable,
//!         Leaked<HttpClassifier, ServiceUnavailable>,
//!     >,
//! }
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let circuit = Circuit::builder("payments").build()?;
//! let layer = CircuitBreakerLayer::new(circuit);
//! let usual = Usual {
//!     payments: layer.layer(Client),
//! };
//! let others = Others {
//!     as_error: layer.clone().reject_as_error().layer(Client),
//!     for_ever: layer.leak().layer(Client),
//! };
//! # let _ = (usual.payments, others.as_error, others.for_ever);
//! # Ok(())
//! # }
//! ```

pub use crate::{
    follow::{Extent, Follow, HeadOnly},
    guard::Owned,
    hold::{Counted, Hold, Leaked},
    layer::LeakedLayer,
};
