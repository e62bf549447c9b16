//! One layer, one circuit for each thing that can fail. Needs the feature `registry`.
//!
//! A layer with one circuit for all hosts stops all of them when one is down. A keyed layer asks each request for its
//! *key*, and takes the circuit of that name from a [`Registry`](crate::registry::Registry), which makes it on first
//! use:
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use http::HeaderName;
//! use tower_breaker::{keyed::by, registry::Registry};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let registry = Registry::builder()
//!     // For every tenant …
//!     .defaults(|circuit| circuit.failure_rate(0.5).time_window(Duration::from_secs(60)))
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
//! settings of each key are said in one place, the registry, or [in a file](crate::guide::many).
//!
//! The examples here have a time window, because a circuit with a count window
//! [stays in the registry](crate::registry#how-many-there-may-be) once it has had a call.
//!
//! # Requests without a circuit
//!
//! A request may have no key, or one for which the registry has no room. With
//! [`Registry::layer_by`](crate::registry::Registry::layer_by) such a call is *unguarded*: admitted, whatever happened
//! before. With [`CircuitBreakerLayer::keyed_by`](crate::CircuitBreakerLayer::keyed_by), these calls share the layer's
//! own circuit:
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_breaker::{Circuit, Mode, keyed::by, registry::Registry};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let registry = Registry::builder()
//!     .defaults(|host| host.time_window(Duration::from_secs(60)))
//!     .max_circuits(10_000)
//!     .build()?;
//!
//! let layer = Circuit::builder("other hosts")
//!     .failure_rate(0.5)
//!     .build_layer()?
//!     // What is said of rejections and failures holds for all circuits …
//!     .reject_as_error()
//!     // … and the key comes last.
//!     .keyed_by(&registry, by::authority());
//!
//! // The layer's own circuit is not in the registry, and so not in `registry.snapshots()`.
//! let others = layer.circuit().clone();
//! println!("{}", others.snapshot());
//!
//! // The same rejection, with the other requests unguarded.
//! let layer = Circuit::builder("unguarded")
//!     .mode(Mode::Disabled)
//!     .build_layer()?
//!     .reject_as_error()
//!     .keyed_by(&registry, by::authority());
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! How many calls went through the layer's own circuit is in its totals: `layer.circuit().snapshot().totals`. Keep a
//! clone of the layer, or of that circuit.
//!
//! # Watch out
//!
//! **A key that strangers choose**, such as a header or the path of a gRPC call, makes a circuit for whatever they
//! send. The registry [is bounded](crate::registry#how-many-there-may-be), and a flood does not drive out old circuits,
//! but it may keep new ones from being made. Name the good keys, and let no others in:
//!
//! ```
//! # use tower_breaker::{Circuit, keyed::by, registry::Registry};
//! # use http::HeaderName;
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! # let registry = Registry::builder().build()?;
//! let tenant = HeaderName::from_static("x-tenant");
//! // Wrong on a server: anybody can make up tenants.
//! let layer = registry.layer_by(by::header(tenant.clone()));
//!
//! // Right: tenants that you did not name share one circuit.
//! let registry = Registry::builder().circuit("acme", |circuit| circuit).build()?;
//! let others = Circuit::builder("other tenants").build_layer()?;
//! let layer = others.keyed_by(&registry, by::header(tenant)).known_keys_only();
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! **gRPC needs `.grpc()` before the key.** Without it, a failed call is a 200 like any other, and no circuit ever
//! opens:
//!
#![cfg_attr(feature = "grpc", doc = "```")]
#![cfg_attr(not(feature = "grpc"), doc = "```text")]
//! # use tower_breaker::{Circuit, keyed::by, registry::Registry};
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let registry = Registry::builder().circuit("greeter.Greeter/Hello", |circuit| circuit).build()?;
//! // Wrong: it looks at the status of HTTP.
//! let layer = registry.layer_by(by::grpc_method()).known_keys_only();
//!
//! // Right. Methods that are not named share one circuit: they do not exist, so nothing of yours can break.
//! let layer = Circuit::builder("other methods")
//!     .build_layer()?
//!     .grpc()
//!     .keyed_by(&registry, by::grpc_method())
//!     .known_keys_only();
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
//! # Memory
//!
//! Beside what [its registry takes](crate::registry#how-many-there-may-be), a layer has at most
//! 800 bytes for each circuit and each thread that calls it, of which 16 count. It lets go of them when the circuit
//! leaves.
//!
//! # One inside of another
//!
//! A circuit for each host inside of one for the whole service: the layers are stacked. A rejection by the inner one is
//! neutral to the outer one (rule H3), so that a host that is down does not open the service's circuit by rejections.
//!
//! In a `ServiceBuilder`, the layer that comes first is outside. With `Router::layer` it is the reverse: the one that
//! comes last is outside.
//!
//! ```
//! use std::time::Duration;
//!
//! use tower::{ServiceBuilder, service_fn};
//! use tower_breaker::{Circuit, keyed::by, registry::Registry};
//! # use http::{Request, Response};
//! # async fn ask(_: Request<String>) -> Result<Response<String>, std::io::Error> { Ok(Response::default()) }
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let hosts = Registry::builder()
//!     .defaults(|host| host.failure_rate(0.5).time_window(Duration::from_secs(60)))
//!     .build()?;
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
mod without_key;

#[cfg(feature = "degrade")]
pub(crate) use self::key::bounded;
pub use self::{
    by_response::ByResponse,
    first_failure::OnFirstFailure,
    key::{Key, Scratch},
    layer::KeyedLayer,
    service::Keyed,
};
