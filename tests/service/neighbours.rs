//! Beside other middleware, inside and outside of it: what the breaker makes of its neighbour, and the
//! neighbour of a rejection. One test for each row of the table in `src/guide/neighbours.md`, on
//! tokio's paused clock.
//!
//! *Outside* is what a request meets first.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod buffer;
mod catch_panic;
mod compression;
mod concurrency_limit;
#[cfg(feature = "degrade")]
mod fallback;
mod load_shed;
mod order;
mod rate_limit;
mod responses;
mod retry;
mod timeout;
mod trace;

use std::{
    error::Error,
    fmt::Debug,
    future::pending,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder, State, classify::is_rejection,
};

type BoxError = Box<dyn Error + Send + Sync>;
type Ask = Request<Empty<Bytes>>;
type Answer = Response<Body>;
type Dependency = BoxCloneService<Ask, Answer, BoxError>;

const BREAK: Duration = Duration::from_secs(5);
/// How long an answer takes under `/slow`.
const TAKES: Duration = Duration::from_millis(400);

/// A circuit, and the dependency it is there for.
struct Stage {
    circuit: Circuit,
    asked: Arc<AtomicU64>,
}

impl Stage {
    /// One failure opens the circuit.
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        let builder = Circuit::builder("inventory").consecutive_failures(1);
        Self {
            circuit: configure(builder.open_for(BREAK)).build().expect("valid"),
            asked: Arc::default(),
        }
    }

    fn layer(&self) -> CircuitBreakerLayer {
        CircuitBreakerLayer::new(self.circuit.clone())
    }

    /// What it answers is up to the path; see [`answer`].
    fn dependency(&self) -> Dependency {
        let asked = self.asked.clone();
        BoxCloneService::new(service_fn(move |request: Ask| {
            let count = asked.fetch_add(1, SeqCst) + 1;
            async move { answer(request.uri().path(), count).await }
        }))
    }

    /// How often the dependency was asked.
    fn asked(&self) -> u64 {
        self.asked.load(SeqCst)
    }

    fn state(&self) -> State {
        self.circuit.state()
    }

    /// What became of all calls so far, as far as there were any.
    fn calls(&self) -> String {
        let totals = self.circuit.snapshot().totals.expect("on by default");
        let counts = [
            (totals.successful, "successful"),
            (totals.failed, "failed"),
            (totals.ignored, "ignored"),
            (totals.abandoned, "abandoned"),
            (totals.slow, "slow"),
            (totals.rejected, "rejected"),
        ];
        let some = counts.iter().filter(|(count, _)| *count > 0);
        let told: Vec<_> = some
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        told.join(", ")
    }

    /// The break is over: the next call is a probe.
    async fn wait_for_probe(&self) {
        self.circuit.trip(BREAK).expect("in normal mode");
        advance(BREAK).await;
    }
}

async fn answer(path: &str, count: u64) -> Result<Answer, BoxError> {
    if path.starts_with("/slow") {
        sleep(TAKES).await;
    }
    match path.rsplit('/').next() {
        Some("ok") => Ok(with_status(StatusCode::OK, "")),
        Some("page") => Ok(with_status(StatusCode::OK, "word ".repeat(200))),
        Some("fail") => Ok(with_status(StatusCode::INTERNAL_SERVER_ERROR, "")),
        // Two fail, the third does not.
        Some("third") if count % 3 == 0 => Ok(with_status(StatusCode::OK, "")),
        Some("third") => Ok(with_status(StatusCode::INTERNAL_SERVER_ERROR, "")),
        Some("error") => Err("connection refused".into()),
        Some("hang") => pending().await,
        Some("panic") => resume_unwind(Box::new("a bug")),
        other => panic!("no such path: {other:?}"),
    }
}

fn with_status(status: StatusCode, body: impl Into<Body>) -> Answer {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}

fn get(path: &'static str) -> Ask {
    Request::get(path).body(Empty::new()).unwrap()
}

async fn ask<S: Service<Ask>>(
    service: &mut S,
    path: &'static str,
) -> Result<S::Response, S::Error> {
    service.ready().await?.call(get(path)).await
}

async fn status<S, B>(service: &mut S, path: &'static str) -> StatusCode
where
    S: Service<Ask, Response = Response<B>, Error: Debug>,
{
    ask(service, path).await.unwrap().status()
}

/// Whether a call would be taken without waiting. If so, the instance is ready now.
fn is_ready<S: Service<Ask, Error: Debug>>(service: &mut S) -> bool {
    let ready = service.ready().now_or_never();
    ready.map(|ready| ready.map(drop).unwrap()).is_some()
}

/// A rejection as it left the breaker.
#[track_caller]
fn assert_rejected<B>(response: &Response<B>) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");
    assert!(is_rejection(response), "the mark is gone");
}

/// Asks for a page through `layer` around an open circuit.
async fn rejected_through<L, B>(layer: L) -> Response<B>
where
    L: Layer<CircuitBreaker<Dependency>>,
    L::Service: Service<Ask, Response = Response<B>, Error: Debug>,
{
    let stage = Stage::new();
    stage.circuit.trip(BREAK).expect("in normal mode");
    let mut service = layer.layer(stage.layer().layer(stage.dependency()));
    let response = ask(&mut service, "/page").await.unwrap();
    assert_eq!((stage.asked(), stage.calls().as_str()), (0, "1 rejected"));
    response
}

/// The names of this crate's tests in a file.
fn tests_in(source: &str) -> Vec<&str> {
    let after_attributes = source.split("#[tokio::test(start_paused = true)]\nasync fn ");
    let names = after_attributes.skip(1);
    names.filter_map(|rest| rest.split('(').next()).collect()
}

#[test]
fn every_row_of_the_table_is_a_test_and_every_test_a_row() {
    let guide = include_str!("../../src/guide/neighbours.md");
    let rows = guide.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter_map(|row| row.strip_suffix("` |")?.rsplit('`').next());
    let mut rows: Vec<_> = rows.collect();
    let mut tests = [
        include_str!("neighbours/buffer.rs"),
        include_str!("neighbours/catch_panic.rs"),
        include_str!("neighbours/compression.rs"),
        include_str!("neighbours/concurrency_limit.rs"),
        include_str!("neighbours/fallback.rs"),
        include_str!("neighbours/load_shed.rs"),
        include_str!("neighbours/order.rs"),
        include_str!("neighbours/rate_limit.rs"),
        include_str!("neighbours/responses.rs"),
        include_str!("neighbours/retry.rs"),
        include_str!("neighbours/timeout.rs"),
        include_str!("neighbours/trace.rs"),
    ]
    .map(tests_in)
    .concat();
    rows.sort_unstable();
    tests.sort_unstable();
    assert_eq!(rows, tests);
}
