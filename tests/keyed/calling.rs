//! A service that answers as it is asked to, and calls to it with a key.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{convert::Infallible, future::Future, time::Duration};

use futures_util::FutureExt;
use http::{HeaderName, Request, Response, StatusCode};
use tower::{Service, ServiceExt};
use tower_breaker::{Circuit, Outcome, keyed::by, registry::Registry};

pub(crate) type Answer = Result<Response<()>, Infallible>;

/// So many failures open each circuit.
pub(crate) fn registry(failures: u32) -> Registry {
    let builder = Registry::builder();
    let builder = builder.defaults(move |circuit| circuit.consecutive_failures(failures));
    builder.build().unwrap()
}

/// By the header `key`.
pub(crate) fn by_key() -> by::Header {
    by::header(HeaderName::from_static("key"))
}

/// Without a key if that is empty.
pub(crate) fn request(key: &str, answer: u16) -> Request<u16> {
    let builder = Request::builder();
    let builder = match key {
        "" => builder,
        key => builder.header("key", key),
    };
    builder.body(answer).unwrap()
}

/// Answers with the status that is asked for.
pub(crate) async fn obey(request: Request<u16>) -> Answer {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(*request.body()).unwrap();
    Ok(response)
}

/// One failure opens it.
pub(crate) fn own_circuit() -> Circuit {
    let builder = Circuit::builder("others").consecutive_failures(1);
    builder.build().unwrap()
}

/// A call that has begun.
pub(crate) fn begin<S>(
    service: &mut S,
    key: &str,
    answer: u16,
) -> impl Future<Output = Answer> + use<S>
where
    S: Service<Request<u16>, Response = Response<()>, Error = Infallible>,
{
    let ready = service.ready().now_or_never().unwrap();
    ready.unwrap().call(request(key, answer))
}

/// One call to its answer.
pub(crate) fn call<S>(service: &mut S, key: &str, answer: u16) -> u16
where
    S: Service<Request<u16>, Response = Response<()>, Error = Infallible>,
{
    let answered = begin(service, key, answer).now_or_never().unwrap();
    answered.unwrap().status().as_u16()
}

/// A 500 is this, anything else a success.
pub(crate) fn a_500_is(
    outcome: Outcome,
) -> impl Fn(Result<&Response<()>, &Infallible>) -> Outcome + Clone {
    move |result| match result {
        Ok(response) if response.status() == 500 => outcome,
        _ => Outcome::Success,
    }
}

/// All kinds of failure.
pub(crate) fn failures() -> [Outcome; 4] {
    let wait = Duration::from_secs(7);
    [
        Outcome::Failure,
        Outcome::FailureRetryAfter(wait),
        Outcome::TripNow,
        Outcome::TripFor(wait),
    ]
}
