//! An axum router with one layer and a circuit for each of its routes. One route fails, and the others
//! notice nothing. Thresholds are in one place. The clock is moved by hand, so nobody waits for a break.
//!
//! Run with: `cargo run --example keyed_routes --features axum`
//!
//! It binds a free port, ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! all is well
//! GET /search 200, GET /users/7 200, GET /users/8 200, GET /orders/7 200, GET /nothing 404
//!
//! orders go down
//! GET /orders/7 500, GET /orders/8 500
//! circuit `/orders/{id}`: closed -> open: 3 consecutive failures, open for 5s
//! GET /orders/9 500, GET /orders/9 503, GET /orders/10 503
//! GET /search 200, GET /users/7 200, GET /users/8 200, GET /nothing 404
//!
//! search goes down, too, and has a threshold of its own
//! circuit `/search`: closed -> open: 1 failure, open for 5s
//! GET /search 500, GET /search 503
//! GET /users/7 200, GET /users/8 200
//!
//! both are back, and 5s pass
//! circuit `/orders/{id}`: open -> half-open: the wait is over, the next call is a probe
//! circuit `/orders/{id}`: half-open -> closed: the probes succeeded
//! circuit `/search`: open -> half-open: the wait is over, the next call is a probe
//! circuit `/search`: half-open -> closed: the probes succeeded
//! GET /orders/7 200, GET /search 200, GET /users/7 200
//!
//! /orders/{id}: 2 well, 3 failed, 2 rejected
//! /search: 3 well, 1 failed, 1 rejected
//! /users/{id}: 7 well, 0 failed, 0 rejected
//! ```

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    BoxError, Router,
    extract::State,
    http::{Request, StatusCode},
    routing::get,
};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower_breaker::{
    ConfigError, Snapshot,
    clock::ManualClock,
    keyed::by,
    registry::{Event, Registry},
};

const BREAK: Duration = Duration::from_secs(5);

/// What is down.
#[derive(Clone, Default)]
struct Down(Arc<Mutex<BTreeSet<&'static str>>>);

impl Down {
    fn set(&self, all: &[&'static str]) {
        *self.0.lock().expect("no panic") = all.iter().copied().collect();
    }

    fn answer(&self, what: &str) -> StatusCode {
        match self.0.lock().expect("no panic").contains(what) {
            true => StatusCode::INTERNAL_SERVER_ERROR,
            false => StatusCode::OK,
        }
    }
}

fn registry(clock: &ManualClock) -> Result<Registry, ConfigError> {
    let clock = clock.clone();
    Registry::builder()
        // Every route, …
        .defaults(move |route| {
            let route = route.consecutive_failures(3).open_for(BREAK);
            route.clock(clock.clone())
        })
        // … and the one that is to be left alone at once.
        .circuit("/search", |route| route.consecutive_failures(1))
        .on_event(|circuit, event| {
            if let Event::Transition(transition) = event {
                println!("circuit `{}`: {transition}", circuit.name());
            }
        })
        .build()
}

fn router(down: &Down, registry: &Registry) -> Router {
    Router::new()
        .route(
            "/search",
            get(async |State(down): State<Down>| down.answer("search")),
        )
        .route(
            "/users/{id}",
            get(async |State(down): State<Down>| down.answer("users")),
        )
        .route(
            "/orders/{id}",
            get(async |State(down): State<Down>| down.answer("orders")),
        )
        // Once, for all of them.
        .layer(registry.layer_by(by::route()))
        .with_state(down.clone())
}

/// Sends `GET path` for each of these, and checks what comes back.
async fn walk(address: &str, steps: &[(&str, u16)]) -> Result<(), BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut came = Vec::new();
    for (path, expected) in steps {
        let request = Request::get(format!("http://{address}{path}"));
        let response = client.request(request.body(Empty::new())?).await?;
        let status = response.status().as_u16();
        came.push(format!("GET {path} {status}"));
        if status != *expected {
            return Err(format!("GET {path} came to {status}, and not to {expected}").into());
        }
    }
    println!("{}", came.join(", "));
    Ok(())
}

/// What became of the calls of a route.
fn summary(route: &Snapshot) -> Option<String> {
    let totals = route.totals?;
    let (well, failed, rejected) = (totals.successful, totals.failed, totals.rejected);
    Some(format!(
        "{}: {well} well, {failed} failed, {rejected} rejected",
        route.name
    ))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (down, clock) = (Down::default(), ManualClock::new());
    let registry = registry(&clock)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let router = router(&down, &registry);
    tokio::spawn(async { axum::serve(listener, router).await });

    println!("all is well");
    let users = [("/users/7", 200), ("/users/8", 200)];
    walk(
        &address,
        &[
            ("/search", 200),
            users[0],
            users[1],
            ("/orders/7", 200),
            ("/nothing", 404),
        ],
    )
    .await?;

    println!("\norders go down");
    down.set(&["orders"]);
    walk(&address, &[("/orders/7", 500), ("/orders/8", 500)]).await?;
    walk(
        &address,
        &[("/orders/9", 500), ("/orders/9", 503), ("/orders/10", 503)],
    )
    .await?;
    walk(
        &address,
        &[("/search", 200), users[0], users[1], ("/nothing", 404)],
    )
    .await?;

    println!("\nsearch goes down, too, and has a threshold of its own");
    down.set(&["orders", "search"]);
    walk(&address, &[("/search", 500), ("/search", 503)]).await?;
    walk(&address, &users).await?;

    println!("\nboth are back, and 5s pass");
    down.set(&[]);
    clock.advance(BREAK);
    walk(&address, &[("/orders/7", 200), ("/search", 200), users[0]]).await?;

    println!();
    let summaries: Vec<_> = registry.snapshots().iter().filter_map(summary).collect();
    println!("{}", summaries.join("\n"));
    let expected = [
        "/orders/{id}: 2 well, 3 failed, 2 rejected",
        "/search: 3 well, 1 failed, 1 rejected",
        "/users/{id}: 7 well, 0 failed, 0 rejected",
    ];
    if summaries != expected {
        return Err(format!("not {expected:?}").into());
    }
    Ok(())
}
