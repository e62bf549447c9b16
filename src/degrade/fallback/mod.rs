//! Fallbacks: another answer, if a dependency has none (rule M1).
//!
//! The constructor says when it answers:
//!
//! | what the call comes to | [`on_rejection`](FallbackLayer::on_rejection) | [`on_failure`](FallbackLayer::on_failure) |
//! |---|---|---|
//! | the circuit is open, forced open, half-open and full, ramps up (slow start) or [sheds](crate::CircuitBuilder::shed): rejected | **answers** | **answers** |
//! | the bulkhead is full: rejected | **answers** | **answers** |
//! | it took longer than it may | passed on | **answers** |
//! | an error, or a status that is a failure | passed on, whatever the circuit's state | **answers** |
//! | a success, or a 4xx | passed on | passed on |
//! | another answer already, by a fallback further in | passed on | passed on |
//! | the service fails to become ready | passed on | passed on |
//!
//! ```
//! use http::{Request, Response};
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
//! use tower_breaker::{
//!     Circuit, CircuitBreakerLayer,
//!     degrade::{Degraded, fallback::{self, FallbackLayer}},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let circuit = Circuit::builder("reviews").consecutive_failures(5).build()?;
//! let mut service = ServiceBuilder::new()
//!     // Around the breaker, not inside of it.
//!     .layer(FallbackLayer::on_failure(
//!         &circuit,
//!         fallback::value(Response::new("no reviews today".to_owned())),
//!     ))
//!     .layer(CircuitBreakerLayer::new(circuit.clone()))
//!     .service(service_fn(async |_: Request<String>| {
//!         Response::builder().status(500).body(String::new())
//!     }));
//!
//! let answer = service.ready().await?.call(Request::default()).await?;
//! assert_eq!((answer.status().as_u16(), &**answer.body()), (200, "no reviews today"));
//! assert!(answer.extensions().get::<Degraded>().is_some());
//!
//! // To the circuit, that was a failure all the same.
//! assert_eq!(circuit.snapshot().totals.unwrap().failed, 1);
//! assert_eq!(circuit.snapshot().parts.unwrap().fallbacks[0].answered, 1);
//! # Ok(())
//! # }
//! ```
//!
//! **Watch out:** a breaker [without an answer to a time-out](crate::CircuitBreakerLayer::without_time_out_answer) lets
//! a call that took too long go on. Then there is nothing here to answer for.
//!
//! # Which answer
//!
//! | answer | what it gives | kind | the service's error |
//! |---|---|---|---|
//! | [`value`] | the same each time | `value` | stays |
//! | [`response`] | what a closure makes of the cause | `value` | stays |
//! | [`fail_with`] | a response that says no in your own words | `fail` | stays |
//! | [`fail`] | an error of your own | `fail` | [`FallbackError`] |
//! | `grpc_status`, with the feature `grpc` | a status of gRPC | `fail` | stays |
//! | [`from_fn`] | what an async function makes of request and cause | `own` | stays |
//! | [`try_from_fn`] | the same, and it may fail | `own` | [`FallbackError`] |
//! | [`service`] | that of another service | `own` | [`FallbackError`] |
//!
//! If the error stays, the service with the fallback goes wherever the service alone goes, such as into axum's routers.
//! A [`FallbackError`] has both causes, that of the call and that of the fallback.
//!
//! # What is kept of the request
//!
//! By default nothing, so that a request with a body that streams passes as it is. If the answer needs more, say so:
//! [`keeping_head`](FallbackLayer::keeping_head), [`keeping_request`](FallbackLayer::keeping_request) (needs `Clone`),
//! or [`keeping`](FallbackLayer::keeping) what a closure takes. That is done before *each* call. If you need only an
//! answer to rejections, take [`CircuitBreakerLayer::fallback`](crate::CircuitBreakerLayer::fallback). It gets the
//! whole request, not cloned, because the dependency was not asked.
//!
//! # How an answer is told from the dependency's own
//!
//! By [`Degraded`](super::Degraded) in the extensions of the response, and by a [`header`](FallbackLayer::header) if
//! you name one. It is counted by kind and cause in [`Snapshot::parts`](crate::Snapshot::parts), and told as a
//! [`CallEvent`](crate::observe::CallEvent). An answer changes nothing for the circuit: a call that was a failure still
//! counts as one.
//!
//! The fallback itself may be rejected, such as by a stand-in whose own circuit is open. Such an answer is marked as a
//! rejection and is no success. It is passed on as it is, and counted as a fallback that has failed.
//!
//! # gRPC
//!
//! Over gRPC, the fallback answers only for a failure that is in the head: a status without messages, a status of HTTP,
//! an error. A failure in the trailers comes after the answer has begun, when it is too late for another. A
//! [classifier](FallbackLayer::classify_with) for gRPC does not change that, but knows all codes.
//!
//! # Watch out
//!
//! **Inside of the breaker**, a fallback hides every failure from the circuit, which then never opens:
//!
//! ```text
//! ServiceBuilder::new().layer(breaker).layer(fallback)      // wrong
//! ServiceBuilder::new().layer(fallback).layer(breaker)      // right
//! ```
//!
//! The compiler cannot tell, but the circuit can: [`Parts::hidden_failures`](crate::observe::Parts::hidden_failures)
//! says how often that has happened, and builds with debug assertions write a line to standard error the first time.
//!
//! **A rejection by another circuit**, further in, looks the same to the fallback. It answers for that as well.
//!
//! **After a failure or a time-out**, the dependency may have done what it was asked for. An answer that asks somebody
//! else to do it again is as safe as any retry, and no safer.

mod answer;
#[cfg(feature = "registry")]
mod by_key;
mod counted;
mod error;
mod future;
mod keep;
mod layer;
mod service;
mod view;
mod when;

#[cfg(feature = "grpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
pub use self::answer::{GrpcStatus, grpc_status};
#[cfg(feature = "registry")]
#[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
pub use self::by_key::ByKey;
pub(crate) use self::view::Note;
pub use self::{
    answer::{
        Answer, Fail, FailWith, FromFn, FromFnFuture, Respond, ServiceAnswer, ServiceAnswerFuture,
        StandIn, TryFromFn, Value, fail, fail_with, from_fn, response, service, try_from_fn, value,
    },
    counted::CountedFor,
    error::FallbackError,
    future::FallbackFuture,
    keep::{By, Head, Keep, Nothing, Whole},
    layer::FallbackLayer,
    service::Fallback,
    view::{AnyResponse, BoxedErrors, Http, View},
    when::{Always, Narrow, OnFailure, OnRejection, When},
};
