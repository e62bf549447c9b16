//! The routes that are compared: pairs of the same tiny handler, without the layer and behind it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER},
    routing::{MethodRouter, get},
};
use tower_breaker::{Circuit, CircuitBreakerLayer, CircuitBuilder};
use tower_layer::Identity;

use crate::Failure;

/// One row of the tables.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) what: &'static str,
    /// The path of the same work without the layer.
    pub(crate) beside: &'static str,
    pub(crate) answers: Answers,
}

impl Route {
    /// Whether it is behind the breaker.
    pub(crate) fn is_ours(&self) -> bool {
        !self.path.contains("bare") && !self.path.contains("empty")
    }
}

/// What a route answers, which is checked before and after it is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answers {
    Always200,
    OneIn100Is500,
    Always503,
}

const fn row(
    path: &'static str,
    what: &'static str,
    beside: &'static str,
    answers: Answers,
) -> Route {
    Route {
        path,
        what,
        beside,
        answers,
    }
}

/// All rows, in the order of the tables.
pub(crate) const ALL: [Route; 10] = {
    use Answers::{Always200, Always503, OneIn100Is500};
    [
        row("/bare", "no layer", "/bare", Always200),
        row(
            "/bare-again",
            "no layer, once more: the noise",
            "/bare",
            Always200,
        ),
        row(
            "/empty-layer",
            "a layer that does nothing: what axum takes for any",
            "/bare",
            Always200,
        ),
        row(
            "/closed",
            "closed, consecutive failures",
            "/bare",
            Always200,
        ),
        row(
            "/closed-window",
            "closed, half of the last 100",
            "/bare",
            Always200,
        ),
        row(
            "/closed-time",
            "closed, half of the last 10 s",
            "/bare",
            Always200,
        ),
        row(
            "/failing-bare",
            "no layer, 1 % failures",
            "/failing-bare",
            OneIn100Is500,
        ),
        row(
            "/failing",
            "closed, half of the last 100, 1 % failures",
            "/failing-bare",
            OneIn100Is500,
        ),
        row(
            "/open-bare",
            "no layer, the 503 by hand",
            "/open-bare",
            Always503,
        ),
        row("/open", "open: the layer's 503", "/open-bare", Always503),
    ]
};

/// Longer than any run, and of as many digits at its end as at its start, so that `/open` sends as
/// many bytes as `/open-bare` throughout.
const BREAK: Duration = Duration::from_secs(7200);

/// The server's router.
pub(crate) fn router() -> Result<Router, Failure> {
    let breaker = |circuit: CircuitBuilder| circuit.build().map(CircuitBreakerLayer::new);
    Ok(Router::new()
        .route("/bare", get(hello))
        .route("/bare-again", get(hello))
        .route("/empty-layer", get(hello).layer(Identity::new()))
        .route("/closed", get(hello).layer(breaker(consecutive())?))
        .route("/closed-window", get(hello).layer(breaker(count_window())?))
        .route("/closed-time", get(hello).layer(breaker(time_window())?))
        .route("/failing-bare", failing())
        .route("/failing", failing().layer(breaker(count_window())?))
        .route("/open-bare", get(unavailable))
        .route("/open", get(hello).layer(open()?)))
}

async fn hello() -> &'static str {
    "hello"
}

async fn unavailable() -> (StatusCode, [(HeaderName, HeaderValue); 1]) {
    let later = HeaderValue::from_static("7200");
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, later)])
}

/// Fails every hundredth call.
fn failing() -> MethodRouter {
    let calls = Arc::new(AtomicU64::new(1));
    get(move || async move {
        match calls.fetch_add(1, Ordering::Relaxed) % 100 {
            0 => Err(StatusCode::INTERNAL_SERVER_ERROR),
            _ => Ok("hello"),
        }
    })
}

fn consecutive() -> CircuitBuilder {
    Circuit::builder("consecutive").consecutive_failures(5)
}

fn count_window() -> CircuitBuilder {
    Circuit::builder("count")
        .failure_rate(0.5)
        .count_window(100)
}

fn time_window() -> CircuitBuilder {
    Circuit::builder("time")
        .failure_rate(0.5)
        .time_window(Duration::from_secs(10))
}

/// Tripped rather than forced open, as a circuit that only a person closes sends no `Retry-After`.
fn open() -> Result<CircuitBreakerLayer, Failure> {
    let circuit = Circuit::builder("open").consecutive_failures(5).build()?;
    circuit.trip(BREAK)?;
    Ok(CircuitBreakerLayer::new(circuit))
}
