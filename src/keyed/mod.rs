//! One layer, one circuit for each thing that can fail. Needs the feature `registry`.
//!
//! A layer with one circuit for all hosts stops all of them when one is down. A keyed layer asks each request for its
//! *key*, and takes the circuit of that name from a [`Registry`](crate::registry::Registry), which makes it on first
//! use:
//!
//! ```
//! use axum::{Router, routing::get};
//! use http::HeaderName;
//! use tower_breaker::{keyed::by, registry::Registry};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let registry = Registry::builder()
//!     // For every tenant …
//!     .defaults(|circuit| circuit.failure_rate(0.5))
//!     // … and for the one that has paid for it.
//!     .circuit("acme", |circuit| circuit.failure_rate(0.8))
//!     .build()?;
//!
//! let app: Router = Router::new()
//!     .route("/", get(async || "hello"))
//!     .layer(registry.layer_by(by::header(HeaderName::from_static("x-tenant"))));
//! # Ok(())
//! # }
//! ```
//!
//! [`by`] has the usual keys: a host, axum's matched route, the method of a gRPC call, a header, a closure. The
//! settings of each key are said in one place, the registry, or in a file.
//!
//! # Requests without a circuit
//!
//! A request may have no key, or one for which the registry has no room. With
//! [`Registry::layer_by`](crate::registry::Registry::layer_by) such a call is *unguarded*: admitted, whatever happened
//! before. Its totals say how many there were: `layer.circuit().snapshot().totals`. With
//! [`CircuitBreakerLayer::keyed_by`](crate::CircuitBreakerLayer::keyed_by), these calls share the layer's own circuit:
//!
//! ```
//! use tower_breaker::{Circuit, keyed::by, registry::Registry};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let registry = Registry::builder().max_circuits(10_000).build()?;
//! let layer = Circuit::builder("other hosts")
//!     .failure_rate(0.5)
//!     .build_layer()?
//!     // What is said here holds for all circuits …
//!     .reject_as_error()
//!     // … and the key comes last.
//!     .keyed_by(&registry, by::authority());
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # Watch out
//!
//! **A key that strangers choose**, such as a header or the path of a gRPC call, makes a circuit for whatever they
//! send. The registry [is bounded](crate::registry#how-many-there-may-be), and a flood does not drive out old circuits,
//! but it may keep new ones from being made. Name the good keys, and let no others in:
//!
//! ```
//! # use tower_breaker::{keyed::by, registry::Registry};
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! # let registry = Registry::builder().build()?;
//! // Wrong on a server: anybody can make up methods.
//! let layer = registry.layer_by(by::grpc_method());
//!
//! // Right: others are unguarded, which does no harm to a method that does not exist.
//! let registry = Registry::builder().circuit("greeter.Greeter/Hello", |circuit| circuit).build()?;
//! let layer = registry.layer_by(by::grpc_method()).known_keys_only();
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! **Readiness belongs to no key.** `poll_ready` comes before the request, so it is the inner service's, also for keys
//! whose circuit is open. An inner service that may be busy for long, such as a concurrency limit, belongs *outside*.
//!
//! **Two layers on one registry share circuits** where their keys are the same: take a registry for hosts and another
//! for tenants. Or share them on purpose.
//!
//! # One inside of another
//!
//! A circuit for each host inside of one for the whole service: the layers are stacked. A rejection by the inner one is
//! neutral to the outer one (rule H3), so that a host that is down does not open the service's circuit by rejections.
//!
//! ```
//! use tower::{ServiceBuilder, service_fn};
//! use tower_breaker::{Circuit, keyed::by, registry::Registry};
//! # use http::{Request, Response};
//! # async fn ask(_: Request<String>) -> Result<Response<String>, std::io::Error> { Ok(Response::default()) }
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let hosts = Registry::builder().defaults(|host| host.consecutive_failures(5)).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(Circuit::builder("search").failure_rate(0.5).build_layer()?)
//!     .layer(hosts.layer_by(by::authority()))
//!     .service(service_fn(ask));
//! # let _ = tower::util::BoxCloneService::new(service);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "body")]
mod bodies;
pub mod by;
mod by_response;
mod first_failure;
mod kept;
mod key;
mod layer;
mod service;

pub use self::{
    by_response::ByResponse,
    first_failure::OnFirstFailure,
    key::{Key, Scratch},
    layer::KeyedLayer,
    service::Keyed,
};
