//! Another answer, where the dependency has none: rule M1.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod counted;
mod dropped;
mod errors;
#[cfg(feature = "grpc")]
mod grpc;
mod kept;
mod marks;
mod nested;
mod printed;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod routers;
mod when;

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn, util::BoxService};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, Reason,
    degrade::{FallbackCause, FallbackKind},
    observe::Parts,
};

const BREAK: Duration = Duration::from_secs(10);

/// A circuit that opens with the first failure.
fn circuit() -> Circuit {
    let builder = Circuit::builder("reviews").consecutive_failures(1);
    builder.open_for(BREAK).build().expect("valid")
}

fn open() -> Circuit {
    let circuit = circuit();
    circuit.trip(BREAK).expect("in normal mode");
    circuit
}

fn parts(circuit: &Circuit) -> Parts {
    circuit.snapshot().parts.unwrap_or_default()
}

/// How often which kind has answered and failed, for which cause.
fn fallbacks(circuit: &Circuit) -> Vec<(FallbackKind, FallbackCause, u64, u64)> {
    let totals = parts(circuit).fallbacks;
    let totals = totals.iter();
    totals
        .map(|total| (total.kind, total.cause, total.answered, total.failed))
        .collect()
}

const OPEN: FallbackCause = FallbackCause::Rejected(Reason::Open);

/// What a dependency that is no HTTP service fails with.
#[derive(Clone, Debug, PartialEq)]
struct Broken(&'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Broken {}

type Boxed<E> = BoxService<Request<String>, Response<String>, E>;

/// A dependency that answers with this status.
fn answering(
    status: u16,
) -> impl Service<Request<String>, Response = Response<String>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(move |_: Request<String>| async move {
        let mut response = Response::new("live".to_owned());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(response)
    })
}

/// One behind a breaker.
fn behind(circuit: &Circuit, status: u16) -> Boxed<Infallible> {
    BoxService::new(CircuitBreakerLayer::new(circuit.clone()).layer(answering(status)))
}

/// One whose every call ends in this error; rejections are errors, too.
fn breaking(circuit: &Circuit, error: &'static str) -> Boxed<tower_breaker::CircuitError<Broken>> {
    let dependency = service_fn(move |_: Request<String>| async move { Err(Broken(error)) });
    let layer = CircuitBreakerLayer::new(circuit.clone()).reject_as_error();
    BoxService::new(layer.layer(dependency))
}

/// What is answered at once.
fn ask<S>(service: S) -> Result<S::Response, S::Error>
where
    S: Service<Request<String>>,
{
    let answer = service.oneshot(Request::new("question".to_owned()));
    answer.now_or_never().expect("at once")
}

fn stand_in() -> Response<String> {
    Response::new("stand-in".to_owned())
}

/// Words in the order in which they were said.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn say(&self, word: &'static str) {
        self.0.lock().unwrap().push(word);
    }

    fn said(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// Says so when it is dropped.
struct Dropped(Log, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}
