//! What the types of layers and services are made of, for those who have to write them down.
//!
//! A service in a struct's field needs its whole type. The type says who classifies, who answers rejections, and how
//! far a call is observed ([`HeadOnly`], or `body::ObserveBodies` with the feature `body`). All of these have defaults,
//! so the usual type is short. [A guide](crate::guide::compiler) says what the compiler says of the others:
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
//! # What to write
//!
//! | in the field | made by |
//! |---|---|
//! | [`CircuitBreaker<S>`](crate::CircuitBreaker) | `layer.layer(client)`: around `reqwest::Client`, too |
//! | [`BoxErrorCircuitBreaker<S>`] | `layer.reject_as_box_error()`: around hyper-util's client |
//! | [`ErrorCircuitBreaker<S>`] | `layer.reject_as_error()` |
//! | `grpc::GrpcCircuitBreaker<S>` | `layer.grpc()`: around tonic's `Channel` |
//! | `grpc::GrpcCircuitBreaker<S, RejectAsStatus>` | `layer.grpc().reject_as_status()` |
//! | `degrade::Stacked<S>` | `StackLayer::of(&circuit)` |
//! | `keyed::Keyed<S, K>` | `registry.layer_by(key)` |
//!
//! A closure in the layer (`classify`, `reject_with`, `fallback`, a key) has a type without a name. Then use a trait
//! object for the field, or a type parameter. Do the same if readers should not see the type:
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};
//! use tower_breaker::{Circuit, types::{BoxErrorCircuitBreaker, ErrorCircuitBreaker}};
//!
//! # #[derive(Clone)]
//! # struct Client;
//! # type Served = std::future::Ready<Result<Response<String>, std::io::Error>>;
//! # impl Service<Request<String>> for Client {
//! #     type Response = Response<String>;
//! #     type Error = std::io::Error;
//! #     type Future = Served;
//! #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
//! #         std::task::Poll::Ready(Ok(()))
//! #     }
//! #     fn call(&mut self, _: Request<String>) -> Served { std::future::ready(Ok(Response::default())) }
//! # }
//! // The field, by its name.
//! struct Named {
//!     payments: BoxErrorCircuitBreaker<Client>,
//!     orders: ErrorCircuitBreaker<Client>,
//! }
//!
//! // The trait object: for axum's state it has to be `Clone` and `Sync`.
//! #[derive(Clone)]
//! struct State {
//!     payments: BoxCloneSyncService<Request<String>, Response<String>, std::io::Error>,
//! }
//!
//! // The signature of a function that makes one.
//! fn payments(
//!     circuit: Circuit,
//! ) -> impl Service<Request<String>, Response = Response<String>, Error = std::io::Error> + Clone {
//!     tower_breaker::CircuitBreakerLayer::new(circuit).reject_with(|_| "sorry").layer(Client)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = || Circuit::builder("payments").build_layer();
//! let named = Named {
//!     payments: layer()?.reject_as_box_error().layer(Client),
//!     orders: layer()?.reject_as_error().layer(Client),
//! };
//! let state = State {
//!     payments: BoxCloneSyncService::new(layer()?.reject_with(|_| "sorry").layer(Client)),
//! };
//! // A service wants `&mut`: call a clone, as a handler does with its state.
//! let answer = state.payments.clone().oneshot(Request::default()).await?;
//! assert_eq!(answer.status(), 200);
//! # payments(Circuit::builder("payments").build()?).oneshot(Request::default()).await?;
//! # let _ = (named.payments, named.orders);
//! # Ok(())
//! # }
//! ```
//!
//! The clients that have features:
//!
//! ```
//! # #[cfg(all(feature = "reqwest", feature = "tonic", feature = "degrade"))]
//! # mod clients {
//! # use axum::{Router, routing::get};
//! # use bytes::Bytes;
//! # use http_body_util::Full;
//! use axum::extract::State;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use tonic::transport::Channel;
//! use tonic_health::pb::health_client::HealthClient;
//! use tower::ServiceExt;
//! use tower_breaker::{
//!     CircuitBreaker,
//!     degrade::Stacked,
//!     grpc::{GrpcCircuitBreaker, RejectAsStatus},
//!     types::BoxErrorCircuitBreaker,
//! };
//!
//! #[derive(Clone)]
//! struct Clients {
//!     payments: CircuitBreaker<reqwest::Client>,
//!     files: BoxErrorCircuitBreaker<Client<HttpConnector, Full<Bytes>>>,
//!     health: HealthClient<GrpcCircuitBreaker<Channel, RejectAsStatus>>,
//!     reviews: Stacked<reqwest::Client>,
//! }
//!
//! async fn pay(State(clients): State<Clients>) -> Result<String, String> {
//!     let url = "http://payments.internal/".parse().expect("a URL");
//!     let request = reqwest::Request::new(reqwest::Method::GET, url);
//!     let answer = clients.payments.oneshot(request).await;
//!     answer.map(|answer| answer.status().to_string()).map_err(|error| error.to_string())
//! }
//! # fn app(clients: Clients) -> Router {
//! #     let _ = (&clients.files, &clients.health, &clients.reviews);
//! #     Router::new().route("/", get(pay)).with_state(clients)
//! # }
//! # }
//! ```
//!
//! # The parts
//!
//! If the classifier sees the request, [`ByRequest`] is the classifier, and [`WithRequestFacts`] is around how far a
//! call is observed.
//!
//! If a call keeps the timer of its limit itself, or its caller may shorten the limit, [`Limited`] is around how far a
//! call is observed.
//!
//! A layer's type also says what a rejection does with what the inner service has reserved: [`Keep`], or
//! [`FreshClone`].
//!
//! With the feature `degrade`, the whole stack around a service is a `degrade::Stacked<S, …>`.
//!
//! The types of a call's future and of an observed body name the same three, with the same defaults. So the body of a
//! response to `layer.observe_bodies()` is an `ObservedBody<B>`.

use super::{
    breaker::CircuitBreaker,
    classify::HttpClassifier,
    reject::{RejectAsBoxError, RejectAsError},
};

/// The short name of a service around `S` whose rejections are boxed errors. Made by a layer that says
/// [`reject_as_box_error`](crate::CircuitBreakerLayer::reject_as_box_error).
pub type BoxErrorCircuitBreaker<S, C = HttpClassifier> = CircuitBreaker<S, C, RejectAsBoxError>;

/// The short name of a service around `S` whose rejections are [errors](crate::CircuitError). Made by a layer that says
/// [`reject_as_error`](crate::CircuitBreakerLayer::reject_as_error).
pub type ErrorCircuitBreaker<S, C = HttpClassifier> = CircuitBreaker<S, C, RejectAsError>;

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
