//! A server with one circuit breaker over its whole router.
//!
//! ```text
//! cargo run --example flaky_server              # serve until Ctrl-C
//! cargo run --example flaky_server -- --demo    # serve, drive it through the whole story, check it
//! ```
//!
//! It listens on 127.0.0.1:8082. `PORT` names another port, and `PORT=0` picks a free one. Three
//! failures in a row open the circuit for 5 seconds (`OPEN_FOR_MS` says otherwise), and one success
//! closes it again. Try it, from another terminal:
//!
//! ```text
//! $ for i in 1 2 3; do curl -i localhost:8082/flaky; done
//! HTTP/1.1 500 Internal Server Error                     (three times)
//!
//! $ curl -i localhost:8082/                              (and every other route)
//! HTTP/1.1 503 Service Unavailable
//! retry-after: 5
//!
//! $ sleep 5; curl localhost:8082/recover
//! {"message":"recovered"}
//! ```
//!
//! Meanwhile the server prints:
//!
//! ```text
//! listening on http://127.0.0.1:8082 (Ctrl-C ends it)
//! routes: /  /recover  /flaky  /test_cb?fail=true|false
//! circuit `flaky_server` opened: 3 consecutive failures, next probe in 5 s
//! circuit `flaky_server` is half-open: the wait is over, the next call is a probe
//! circuit `flaky_server` closed: the probes succeeded
//! ```
//!
//! What the demo prints is at the top of `demo.rs`.

mod demo;
mod options;

use std::{
    collections::HashMap,
    error::Error,
    future::Future,
    io,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_breaker::{Circuit, CircuitBreakerLayer, CircuitBuilder};

use crate::options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flaky_server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    if options.demo {
        return demo::run(options).await;
    }
    let circuit = circuit(options.open_for).build()?;
    let router = router(&circuit, Entries::default());
    let listener = options.listen().await?;
    println!("listening on {} (Ctrl-C ends it)", url(&listener)?);
    println!("routes: /  /recover  /flaky  /test_cb?fail=true|false");
    serve(listener, router, ctrl_c()).await?;
    println!("done");
    Ok(())
}

/// When to open, for how long, when to close, and whom to tell.
fn circuit(open_for: Duration) -> CircuitBuilder {
    Circuit::builder("flaky_server")
        .consecutive_failures(3)
        .open_for(open_for)
        .success_threshold(1)
        .on_transition(|circuit, transition| {
            println!("{}", transition.describe(circuit.name()));
        })
}

/// The routes, and the circuit around all of them: the last line is the whole integration.
fn router(circuit: &Circuit, entries: Entries) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/recover", get(recover))
        .route("/flaky", get(flaky))
        .route("/test_cb", get(test_cb))
        .with_state(entries)
        .layer(CircuitBreakerLayer::new(circuit.clone()))
}

async fn index(State(entries): State<Entries>) -> Json<Value> {
    entries.enter();
    message("hello")
}

async fn recover(State(entries): State<Entries>) -> Json<Value> {
    entries.enter();
    message("recovered")
}

async fn flaky(State(entries): State<Entries>) -> (StatusCode, Json<Value>) {
    entries.enter();
    (StatusCode::INTERNAL_SERVER_ERROR, message("failed"))
}

async fn test_cb(
    State(entries): State<Entries>,
    Query(query): Query<HashMap<String, bool>>,
) -> (StatusCode, Json<Value>) {
    entries.enter();
    match query.get("fail") {
        Some(true) => (StatusCode::INTERNAL_SERVER_ERROR, message("failed as told")),
        Some(false) => (StatusCode::OK, message("succeeded as told")),
        None => (
            StatusCode::BAD_REQUEST,
            message("say ?fail=true or ?fail=false"),
        ),
    }
}

fn message(text: &str) -> Json<Value> {
    Json(json!({ "message": text }))
}

/// How often a handler was entered: while the circuit is open, never.
#[derive(Clone, Debug, Default)]
struct Entries(Arc<AtomicU64>);

impl Entries {
    fn enter(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn url(listener: &TcpListener) -> io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn ctrl_c() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("flaky_server: cannot listen for Ctrl-C ({error}); kill me instead");
        std::future::pending::<()>().await;
    }
}
