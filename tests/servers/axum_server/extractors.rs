//! With a state and extractors: a request that an extractor refuses with a 4xx says nothing about
//! the dependency, and one that is refused with a 5xx does (rules A1 and A2).

use std::collections::HashMap;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query},
    http::Request,
};

use super::*;

type Page = HashMap<String, u32>;
type Order = HashMap<String, u32>;

/// Never added to a request: to ask for it is a mistake in the server, and a 500.
#[derive(Clone)]
struct Missing;

async fn read(
    State(dependency): State<Dependency>,
    Path(_): Path<u32>,
    Query(_): Query<Page>,
) -> StatusCode {
    dependency.call().await
}

async fn write(State(dependency): State<Dependency>, Json(_): Json<Order>) -> StatusCode {
    dependency.call().await
}

async fn missing(_: Extension<Missing>) {}

struct Shop {
    circuit: Fixture,
    dependency: Dependency,
    browser: Browser,
    _server: Server,
}

impl Shop {
    async fn open(circuit: Fixture) -> Self {
        let dependency = Dependency::new();
        let router = Router::new()
            .route("/orders/{id}", get(read))
            .route("/orders", post(write).layer(DefaultBodyLimit::max(64)))
            .route("/missing", get(missing))
            .layer(layer(&circuit))
            .with_state(dependency.clone());
        let server = Server::axum(router).await;
        Self {
            circuit,
            dependency,
            browser: Browser::new(Version::Http1, &server),
            _server: server,
        }
    }

    async fn get(&self, path: &str) -> u16 {
        self.browser.status(path).await
    }

    async fn post(&self, kind: &str, body: impl Into<Bytes>) -> u16 {
        let request = Request::post("/orders").header("content-type", kind);
        let answer = self.browser.send(request, body).await;
        answer.expect("an answer").status
    }

    /// Everything a client can get wrong.
    async fn refused(&self) -> Vec<u16> {
        vec![
            self.get("/orders/seven").await,
            self.get("/orders/7?page=last").await,
            self.post("text/plain", r#"{"cups": 2}"#).await,
            self.post("application/json", r#"{"cups": "#).await,
            self.post("application/json", r#"{"cups": "two"}"#).await,
            self.post("application/json", "x".repeat(65)).await,
        ]
    }
}

const REFUSED: [u16; 6] = [400, 400, 415, 400, 422, 413];

// A1, A2: not even the streak of failures ends.
#[tokio::test]
async fn what_an_extractor_refuses_is_ignored() {
    let shop = Shop::open(three_failures()).await;
    assert_eq!(shop.get("/orders/7?page=1").await, 200);
    assert_eq!(shop.post("application/json", r#"{"cups": 2}"#).await, 200);
    assert_eq!(shop.refused().await, REFUSED);
    assert_eq!(shop.dependency.entered(), 2);
    assert_eq!(
        (
            shop.circuit.totals().ignored,
            shop.circuit.totals().successful
        ),
        (6, 2)
    );

    shop.dependency.fail();
    for _ in 0..2 {
        assert_eq!(shop.get("/orders/7").await, 500);
        assert_eq!(shop.refused().await, REFUSED);
    }
    assert_eq!(shop.get("/orders/7").await, 500);
    shop.circuit
        .tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
    assert_eq!(shop.refused().await, [503; 6]);
}

// A2, D1: a probe that was refused has been answered.
#[tokio::test]
async fn a_refused_probe_has_succeeded() {
    let shop = Shop::open(three_failures()).await;
    shop.circuit.play("f f f");
    shop.circuit.wait_out();
    assert_eq!(shop.refused().await, REFUSED);
    shop.circuit.is(CircuitState::Closed);
    assert_eq!(shop.circuit.totals().successful, 1);
}

// A1: a refusal that blames the server is a failure.
#[tokio::test]
async fn an_extension_that_nobody_added_is_a_failure() {
    let shop = Shop::open(three_failures()).await;
    for _ in 0..3 {
        assert_eq!(shop.get("/missing").await, 500);
    }
    assert_eq!(shop.get("/missing").await, 503);
}
