//! A circuit breaker for [Tower]: for axum and hyper servers, for clients, for any [`Service`].
//!
//! When a dependency fails, more calls make it worse: callers wait, and the dependency never gets the rest that it
//! needs. A circuit breaker watches how calls end. When too many fail, it *opens*: calls are answered at once, with a
//! 503 and a `Retry-After`, and the dependency is not called. It stays open for a *break* (elsewhere: wait duration).
//! Then it is *half-open*, and lets a test call through, a *probe*. If the probe succeeds, the circuit closes.
//!
//! A timeout limits how long one call waits. A concurrency limit says how many wait at once. Load shedding turns away
//! what this service cannot take. A circuit breaker is about the *other* side: it stops calling a dependency that does
//! not answer.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use tower_breaker::{Circuit, CircuitBreakerLayer};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let circuit = Circuit::builder("payments")
//!     .consecutive_failures(3)
//!     .open_for(Duration::from_secs(5))
//!     .build()?;
//!
//! let app: Router = Router::new()
//!     .route("/pay", get(|| async { "paid" }))
//!     .layer(CircuitBreakerLayer::new(circuit.clone()));
//!
//! // Keep the handle to look and to control.
//! println!("{}", circuit.snapshot());
//! # Ok(())
//! # }
//! ```
//!
//! # States
//!
//! ```text
//!                 too many failures, or too many slow calls
//!        ┌────────┐                                        ┌────────┐
//!   ────►│ closed ├───────────────────────────────────────►│  open  │◄─────────┐
//!        └────────┘                                        └───┬────┘          │
//!   calls are ▲                              calls are rejected │               │ too many probes
//!   admitted  │                                                 │ the wait is   │ failed, or they
//!             │                                                 │ over and a    │ did not come
//!             │   enough probes succeeded    ┌───────────┐      │ call comes    │ back in time
//!             └──────────────────────────────┤ half-open │◄─────┘               │
//!                                            └─────┬─────┘                      │
//!                              a few calls are     └────────────────────────────┘
//!                              admitted, as probes
//! ```
//!
//! A call counts only in the state that admitted it. If the circuit has opened, closed or become half-open since, its
//! result changes nothing. [The contract](guide::contract) has all of this, rule by rule; the docs refer to its rules
//! by number.
//!
//! # Defaults
//!
//! | setting | default |
//! |---|---|
//! | what trips | half of the last 100 calls failed, once there have been 20. [`consecutive_failures`] or [`trip_when`] replaces that |
//! | what fails | errors and status 5xx. A 4xx counts neither way, but a probe that gets one has succeeded. After a 408, 425 or 429 the probe has decided nothing |
//! | [`consecutive_failures`] | not watched |
//! | [`consecutive_failures_span`] | none: failures that all come at once count, too |
//! | [`failure_rate`] | 0.5. Off with `trip_when`, and with `consecutive_failures` unless a window is set |
//! | [`slow_call_duration`], [`slow_call_rate`] | no call counts as slow, and the rate is not watched |
//! | [`count_window`], [`minimum_calls`] | 100 calls, 20 of them needed |
//! | [`time_window`], [`time_window_buckets`] | a count window instead; 10 buckets |
//! | [`open_for`] (wait duration) | 30 seconds, no jitter |
//! | [`permits`], [`probes`] (permitted calls in half-open) | one probe at a time; one success closes, one failure opens again |
//! | [`half_open_timeout`] | the longer of the break and 30 seconds. After a probe that succeeded only when that was over: twice what it took, or more |
//! | [`ramp`] (slow start) | none: once closed, everything is admitted |
//! | [`shed`] (adaptive throttling) | off: a closed circuit refuses nothing, however many fail |
//! | [`probe_timeout`] | none: a probe may take as long as any call |
//! | [`call_timeout`], [`bulkhead`], [`retries`] | none: no limit, as many calls at once as come, no second try |
//! | [`shared`] | off: each instance has a circuit of its own |
//! | [`abandoned`] | a dropped call is neutral, or a failure if it was slow already |
//! | a rejection | 503 with `Retry-After` and an empty body |
//! | [`mode`], [`totals`] | normal, counted |
//!
//! [`build`](CircuitBuilder::build) refuses settings that make no sense. [Which settings?](guide::settings) says how to
//! choose them, and [Coming from …](guide::coming_from) has the names that other circuit breakers give them.
//!
//! # Guides
//!
//! | I want to … | read |
//! |---|---|
//! | see whole programs | guide `apps`, with the features `admin`, `reqwest` and `tonic` |
//! | know which numbers to set | [`guide::settings`] |
//! | know what my settings would have done in an outage | [`guide::outages`] |
//! | find the setting that I know from resilience4j, Polly, Hystrix, gobreaker, pybreaker, Envoy | [`guide::coming_from`] |
//! | understand what the compiler says | [`guide::compiler`] |
//! | test my own code | guide `testing`, with the features `axum` and `config` |
//! | guard SQL, Redis, `tokio::spawn`, a blocking thread, reqwest-middleware | [`guide::around`] |
//! | put it around axum or hyper | [`guide::servers`] |
//! | put it around hyper-util's client, or reqwest's | [`guide::clients`] |
//! | put it around tonic | guide `grpc`, with the feature `tonic` |
//! | put it beside timeouts, retries, limits and load shedding | [`guide::neighbours`] |
//! | put it around the endpoints of a `tower::balance` | [`guide::balancers`] |
//! | have one circuit for each route, host or tenant | [`guide::many`] |
//! | answer though the dependency cannot | guide `degrading`, with the features `cached` and `retries` |
//! | let instances open together | guide `fleet`, with the feature `fleet` |
//! | configure it from a file, and change it while it runs | guide `configuration`, with the feature `config` |
//! | see it, alert on it, control it | guides `operating`, with the feature `admin`, and `telemetry`, with `metrics` and `tracing` |
//! | know exactly what it does | [`guide::contract`], and [`guide::proof`] |
//! | read the code | [`guide::architecture`], [`guide::speed`] |
//!
//! # Sharing
//!
//! A [`Circuit`] is a handle; clones are the same circuit. **Every service that one layer makes
//! shares the layer's circuit**, because routers apply a layer once for each route, and servers make
//! their services anew for each connection. For a circuit for each route, there are two ways. One is
//! [a layer with a circuit for each](guide::many#one-layer-a-circuit-for-each-key), by `keyed::by::route` with the
//! feature `axum`. The other is a layer for each route:
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_breaker::Circuit;
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let search = Circuit::builder("search").failure_rate(0.5).build_layer()?;
//! let checkout = Circuit::builder("checkout").consecutive_failures(5).build_layer()?;
//!
//! let app: Router = Router::new()
//!     .route("/search", get(|| async { "found" }).layer(search))
//!     .route("/checkout", get(|| async { "done" }).layer(checkout));
//! # Ok(())
//! # }
//! ```
//!
//! Which calls should share one, and how to keep many, is [a guide of its own](guide::many).
//!
//! # Around servers and clients
//!
//! | around | what fails | a rejection | more |
//! |---|---|---|---|
//! | a server: axum, hyper | the default | the default | [`guide::servers`] |
//! | hyper-util's client | the default | [`reject_as_error`](CircuitBreakerLayer::reject_as_error): its body has no `Default` | [`guide::clients`] |
//! | reqwest's client, with the feature `reqwest` | the default | the default, or an error | [`guide::clients`] |
//! | gRPC, client and server, with the feature `grpc` or `tonic` | [`grpc()`](CircuitBreakerLayer#method.grpc) | the same | module `grpc`, and a guide with the feature `tonic` |
//! | the endpoints of a load balancer | as above | not ready in place of one: [`pending_while_open`](CircuitBreakerLayer::pending_while_open) | [`guide::balancers`] |
//! | anything whose error is boxed | – | [`reject_as_box_error`](CircuitBreakerLayer::reject_as_box_error) | |
//! | calls of any other client, tasks, threads | a function of yours | an error | [`guide::around`] |
//!
//! If it does not compile, [a guide](guide::compiler) has the compiler's messages, and what to do about each.
//!
//! A response can begin well and end badly. With the feature `body`,
//! [`observe_bodies`](CircuitBreakerLayer#method.observe_bodies) follows calls to the end of their bodies, and
//! [`observe_request_bodies`](CircuitBreakerLayer#method.observe_request_bodies) does not take a slow upload for a
//! slow dependency.
//!
//! In which order a breaker goes with its neighbours is [a guide of its own](guide::neighbours). In short:
//!
//! * **Timeouts inside**, so that a call that takes too long is a failure, or
//!   [`call_timeout`](CircuitBuilder::call_timeout) in place of one.
//! * **Retries outside**, with a policy that leaves rejections alone.
//! * **What reserves something in `poll_ready` outside**, such as a concurrency limit or a buffer. If it has to be
//!   inside, tell the layer to give back what a rejected call had reserved:
//!   [`fresh_clone_on_rejection`](CircuitBreakerLayer::fresh_clone_on_rejection). Layers for gRPC do so by default.
//!
//! # When there is no answer
//!
//! A rejection is rarely what a caller wants. With the feature `degrade`, callers get a fixed answer, the last good one
//! (with `cached`), or a place in a queue, and calls that fail are repeated (with `retries`). Without a feature, each
//! circuit can have a bulkhead and a limit for the time of a call. `degrade::StackLayer` has all of it in the right
//! order. With all three features there is a guide, `guide::degrading`. It begins with what a visitor of a page should
//! see.
//!
//! # Many instances
//!
//! With the feature `fleet`, the instances of a service share circuits, through a Redis that they reach (package
//! `tower-breaker-redis`) or a store of yours. They open together when enough of them agree, send a few probes for all,
//! and close together. No call ever waits for the store. Without the store, each circuit works alone. The guide `fleet`
//! begins with when not to share.
//!
//! # Without Tower
//!
//! [`Circuit::call`] runs a future, [`Circuit::try_acquire`] gives a [`Guard`] to finish by hand. For
//! `tokio::spawn` there are [`Circuit::call_owned`] and [`Circuit::try_acquire_owned`]. Where there are no calls
//! that could be probes, [`Circuit::probe_with`] makes probes with a check of yours.
//!
//! # Features
//!
//! Off by default, and additive. Without any, everything needs only `http`, `pin-project-lite`, `tokio` (its
//! clock and a channel), `tower-layer` and `tower-service`.
//!
//! | feature | adds | and needs |
//! |---|---|---|
//! | `admin` | health, readiness, a live page and control, as routers for axum: module `admin` | `config`, `axum`, `bytes`, `http-body`, `serde_json` |
//! | `axum` | circuits by matched route: `keyed::by::route` | `registry`, `axum` (`MatchedPath` only) |
//! | `body` | outcomes that are known at the end of a body, and slow clients told from slow dependencies: module `body` | `http-body`, `bytes` |
//! | `coarse-clock` | a clock that is cheap to read, to choose for busy time windows: `clock::Coarse` | `coarsetime` |
//! | `fleet` | one circuit across instances, which share what they see and decide: module `fleet`, and a guide | |
//! | `retry-after` | `Retry-After` of failures is honoured, if asked for: module `retry_after` | `httpdate` |
//! | `grpc` | gRPC over any HTTP stack: module `grpc` | `body`, `retry-after` |
//! | `tonic` | what joins tonic's types to ours: `Status`, `Code`, `NamedService` | `grpc`, `tonic` |
//! | `degrade` | an answer that is good enough when the dependency has none: module `degrade` | `http-body`, `bytes` |
//! | `cached` | the last good answer as that: `degrade::cached` | `degrade`, `body`, `retry-after`, `quick_cache` |
//! | `retries` | a policy for `tower::retry` that knows circuits: `degrade::retries` | `degrade`, `retry-after`, `tower` |
//! | `config` | circuits from a file: module `config`, and a guide | `registry`, `serde` (no format), `humantime`, `strsim` |
//! | `metrics` | numbers of every circuit through the `metrics` facade: module `telemetry` | `registry`, `metrics` |
//! | `registry` | circuits by name, and layers with one for each key: modules `registry`, `keyed` | `papaya` |
//! | `reqwest` | classifier, rejections and bodies for `reqwest::Client` | `body`, `reqwest` |
//! | `tracing` | transitions as events, and what became of a call on its span: module `telemetry` | `tracing` |
//!
//! # How it works
//!
//! The state of a circuit is one 64-bit word, with the counters of that state and its *era*: the number of
//! transitions so far (elsewhere: generation). Every decision is one compare-and-swap of that word. There is no
//! lock, no allocation and no waiting on admission, recording or rejection, and no `unsafe` in the crate. (Only the
//! response that a rejection becomes has its memory: the default 503 allocates for its header and its mark.) A call
//! that began before a transition can never decide anything after it: it was admitted in another era.
//!
//! How the code is laid out is [told in a guide](guide::architecture), how all that is checked
//! [in a second](guide::proof), and what a call costs [in a third](guide::speed).
//!
//! [Tower]: https://github.com/tower-rs/tower
//! [`Service`]: tower_service::Service
//! [`abandoned`]: CircuitBuilder::abandoned
//! [`bulkhead`]: CircuitBuilder::bulkhead
//! [`call_timeout`]: CircuitBuilder::call_timeout
//! [`consecutive_failures`]: CircuitBuilder::consecutive_failures
//! [`consecutive_failures_span`]: CircuitBuilder::consecutive_failures_span
//! [`count_window`]: CircuitBuilder::count_window
//! [`failure_rate`]: CircuitBuilder::failure_rate
//! [`half_open_timeout`]: CircuitBuilder::half_open_timeout
//! [`minimum_calls`]: CircuitBuilder::minimum_calls
//! [`mode`]: CircuitBuilder::mode
//! [`open_for`]: CircuitBuilder::open_for
//! [`permits`]: CircuitBuilder::permits
//! [`probe_timeout`]: CircuitBuilder::probe_timeout
//! [`probes`]: CircuitBuilder::probes
//! [`ramp`]: CircuitBuilder::ramp
//! [`shed`]: CircuitBuilder::shed
//! [`retries`]: CircuitBuilder::retries
//! [`shared`]: CircuitBuilder::shared
//! [`slow_call_duration`]: CircuitBuilder::slow_call_duration
//! [`slow_call_rate`]: CircuitBuilder::slow_call_rate
//! [`time_window`]: CircuitBuilder::time_window
//! [`time_window_buckets`]: CircuitBuilder::time_window_buckets
//! [`totals`]: CircuitBuilder::totals
//! [`trip_when`]: CircuitBuilder::trip_when

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "admin")]
#[cfg_attr(docsrs, doc(cfg(feature = "admin")))]
pub mod admin;
#[cfg(feature = "body")]
#[cfg_attr(docsrs, doc(cfg(feature = "body")))]
pub mod body;
mod circuit;
pub mod clock;
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub mod config;
#[cfg(feature = "degrade")]
#[cfg_attr(docsrs, doc(cfg(feature = "degrade")))]
pub mod degrade;
#[cfg(feature = "fleet")]
#[cfg_attr(docsrs, doc(cfg(feature = "fleet")))]
pub mod fleet;
#[cfg(feature = "grpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
pub mod grpc;
pub mod guide;
#[cfg(feature = "registry")]
#[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
pub mod keyed;
mod machine;
#[cfg(feature = "registry")]
#[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
pub mod registry;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod service;
#[cfg(any(feature = "registry", feature = "tracing"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "registry", feature = "tracing"))))]
pub mod telemetry;
mod util;

#[cfg(feature = "retry-after")]
#[cfg_attr(docsrs, doc(cfg(feature = "retry-after")))]
#[doc(inline)]
pub use self::service::retry_after;
#[doc(inline)]
pub use self::{
    circuit::observe,
    service::{classify, deadline, pending as readiness, reject, types},
};
pub use self::{
    circuit::{
        builder::CircuitBuilder,
        bulkhead::Place,
        by::By,
        call::{Call, OwnedCall},
        classify::Classify,
        ejection::EjectionCap,
        error::{CircuitError, ControlError, LimitOf, Reason, Rejected, TimedOut},
        followed::Here,
        guard::{Guard, OwnedGuard},
        handle::{Circuit, WeakCircuit},
        name::Name,
        settings::{
            Agreement, ConfigError, Jitter, OpenFor, ReconfigureError, RetryLimits, Settings,
        },
        snapshot::Snapshot,
        tags::Tags,
    },
    machine::{
        AbandonedPolicy, Cause, Mode, Outcome, ProbeCounts, RejectedTotals, SavedState, State,
        Totals, Transition, WindowCounts,
    },
    service::{
        breaker::CircuitBreaker,
        bulkhead::{Bulkhead, BulkheadFuture, BulkheadLayer},
        future::ResponseFuture,
        layer::CircuitBreakerLayer,
        reject::Reject,
    },
};

// Its examples need the clients they show.
#[cfg(all(
    doctest,
    feature = "axum",
    feature = "fleet",
    feature = "reqwest",
    feature = "tonic"
))]
#[doc = include_str!("../README.md")]
mod readme {}
