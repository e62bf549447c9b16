//! An axum router with a circuit for each route and each method: different thresholds, a nested
//! router whose errors go through `HandleErrorLayer`, handlers with a state and extractors. A client
//! walks through it, over a real socket. The clock is moved by hand, so nobody waits for a break.
//!
//! Run with: `cargo run --example axum_routes`
//!
//! ```text
//! GET /search?q=tea: 200 found
//! GET /orders/7: 200 tea, two cups
//! PUT /orders/7: 200 tea, two cups
//! PUT /orders/seven: 400 Invalid URL: Cannot parse `seven` to a `u32`
//! GET /admin/report: 200 all is well
//!
//! the shop goes down
//! circuit `write orders`: closed -> open: 1 failure, open for 5s
//! PUT /orders/7: 502
//! PUT /orders/7: 503
//! GET /orders/7: 502
//! circuit `read orders`: closed -> open: 2 consecutive failures, open for 5s
//! GET /orders/7: 502
//! GET /orders/7: 503
//! GET /search?q=tea: 502
//! GET /search?q=tea: 502
//! circuit `search`: closed -> open: 3 of 4 calls failed, open for 5s
//! GET /search?q=tea: 502
//! GET /search?q=tea: 503
//! circuit `admin`: closed -> open: 1 failure, open for 5s
//! GET /admin/report: 504 request timed out
//! GET /admin/report: 503 circuit `admin` is open: 1 failure
//!
//! the shop is back, and 5s pass
//! circuit `search`: open -> half-open: the wait is over, the next call is a probe
//! circuit `search`: half-open -> closed: the probes succeeded
//! GET /search?q=tea: 200 found
//! circuit `read orders`: open -> half-open: the wait is over, the next call is a probe
//! circuit `read orders`: half-open -> closed: the probes succeeded
//! GET /orders/7: 200 tea, two cups
//! circuit `write orders`: open -> half-open: the wait is over, the next call is a probe
//! circuit `write orders`: half-open -> closed: the probes succeeded
//! PUT /orders/7: 200 tea, two cups
//! PUT /orders/seven: 400 Invalid URL: Cannot parse `seven` to a `u32`
//! circuit `admin`: open -> half-open: the wait is over, the next call is a probe
//! circuit `admin`: half-open -> closed: the probes succeeded
//! GET /admin/report: 200 all is well
//! ```

use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    BoxError, Router,
    error_handling::HandleErrorLayer,
    extract::{Path, Query, State},
    handler::Handler,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::ServiceBuilder;
use tower_breaker::{Circuit, CircuitBuilder, ConfigError, Rejected, clock::ManualClock};

const BREAK: Duration = Duration::from_secs(5);

/// What the handlers ask.
#[derive(Clone, Default)]
struct Shop {
    down: Arc<AtomicBool>,
}

impl Shop {
    fn answer(&self, good: &'static str) -> Result<&'static str, StatusCode> {
        match self.down.load(SeqCst) {
            true => Err(StatusCode::BAD_GATEWAY),
            false => Ok(good),
        }
    }
}

type Answer = Result<&'static str, StatusCode>;

async fn search(State(shop): State<Shop>, Query(_): Query<HashMap<String, String>>) -> Answer {
    shop.answer("found")
}

async fn order(State(shop): State<Shop>, Path(_): Path<u32>) -> Answer {
    shop.answer("tea, two cups")
}

/// Hangs while the shop is down.
async fn report(State(shop): State<Shop>) -> &'static str {
    match shop.answer("all is well") {
        Ok(report) => report,
        Err(_) => pending().await,
    }
}

/// The one place for what goes wrong under `/admin`.
async fn explain(error: BoxError) -> Response {
    match Rejected::find(&*error) {
        Some(rejected) => {
            let response = (StatusCode::SERVICE_UNAVAILABLE, rejected.to_string());
            rejected.clone().mark_response(response.into_response())
        }
        None => (StatusCode::GATEWAY_TIMEOUT, error.to_string()).into_response(),
    }
}

fn circuit(name: &'static str, clock: &ManualClock) -> CircuitBuilder {
    Circuit::builder(name)
        .open_for(BREAK)
        .clock(clock.clone())
        .on_transition(|circuit, transition| println!("circuit `{}`: {transition}", circuit.name()))
}

fn router(shop: &Shop, clock: &ManualClock) -> Result<Router, ConfigError> {
    let searches = circuit("search", clock).failure_rate(0.5).count_window(4);
    let searches = searches.minimum_calls(4).build_layer()?;
    let reads = circuit("read orders", clock).consecutive_failures(2);
    let writes = circuit("write orders", clock).consecutive_failures(1);
    let orders = get(order.layer(reads.build_layer()?)).put(order.layer(writes.build_layer()?));

    // The timeout is inside of the breaker, which counts it; both are inside of what explains them. It
    // may be short: a handler that has its answer at once is never too late.
    let reports = circuit("admin", clock).consecutive_failures(1);
    let explained = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(explain))
        .layer(reports.build_layer()?.reject_as_box_error())
        .timeout(Duration::from_millis(20));
    let admin = Router::new().route("/report", get(report)).layer(explained);

    Ok(Router::new()
        .route("/search", get(search).layer(searches))
        .route("/orders/{id}", orders)
        .nest("/admin", admin)
        .with_state(shop.clone()))
}

/// Sends the requests one after another, each `method path status`, and checks the statuses.
async fn walk(address: &str, steps: &[&str]) -> Result<(), BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    for step in steps {
        let [method, path, expected] = step.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("no such step: {step}").into());
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"));
        let response = client.request(request.body(Empty::new())?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body);
        println!("{}", format!("{method} {path}: {status} {body}").trim_end());
        if status.to_string() != expected {
            return Err(format!("expected {expected}").into());
        }
    }
    Ok(())
}

const UP: [&str; 5] = [
    "GET /search?q=tea 200",
    "GET /orders/7 200",
    "PUT /orders/7 200",
    "PUT /orders/seven 400",
    "GET /admin/report 200",
];

const GOES_DOWN: [&str; 11] = [
    "PUT /orders/7 502",
    "PUT /orders/7 503",
    "GET /orders/7 502",
    "GET /orders/7 502",
    "GET /orders/7 503",
    "GET /search?q=tea 502",
    "GET /search?q=tea 502",
    "GET /search?q=tea 502",
    "GET /search?q=tea 503",
    "GET /admin/report 504",
    "GET /admin/report 503",
];

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (shop, clock) = (Shop::default(), ManualClock::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let router = router(&shop, &clock)?;
    tokio::spawn(async { axum::serve(listener, router).await });

    walk(&address, &UP).await?;
    println!("\nthe shop goes down");
    shop.down.store(true, SeqCst);
    walk(&address, &GOES_DOWN).await?;
    println!("\nthe shop is back, and {BREAK:?} pass");
    shop.down.store(false, SeqCst);
    clock.advance(BREAK);
    walk(&address, &UP).await
}
