//! Health, readiness, a look at every circuit, and control (rules L8 and L9).
#![cfg(feature = "admin")]

#[path = "../support/explore.rs"]
mod explore;
#[path = "../support/said.rs"]
mod said;
#[path = "../support/sockets.rs"]
mod sockets;

mod control;
mod events;
mod fuzzed;
mod health;
mod listening;
mod over_sockets;
mod page;
#[cfg(feature = "retries")]
mod parts;
mod readiness;
mod stream;
mod view;

use std::time::Duration;

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_breaker::{
    clock::ManualClock,
    registry::{Registry, RegistryBuilder},
};

const SECOND: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

/// What came of a request.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Without a socket.
async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let Ok(response) = router.clone().oneshot(request).await;
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.expect("a body").to_bytes(),
    }
}

async fn ask(router: &Router, method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).expect("a request");
    answer(router, request).await
}

async fn get(router: &Router, path: &str) -> Answer {
    ask(router, "GET", path).await
}

/// One failure opens each circuit, for ten seconds of a clock that the test moves.
fn registry(names: &[&'static str]) -> (Registry, ManualClock) {
    let clock = ManualClock::new();
    clock.advance(SECOND * 1_000);
    let of_circuits = clock.clone();
    let builder = Registry::builder().defaults(move |circuit| {
        let circuit = circuit.clock(of_circuits.clone());
        circuit.consecutive_failures(1).open_for(SECOND * 10)
    });
    let named = |builder: RegistryBuilder, name: &&'static str| {
        let name: &'static str = name;
        builder.circuit(name, |circuit| circuit)
    };
    let registry = names.iter().fold(builder, named).build();
    (registry.expect("valid"), clock)
}

/// Opens it.
fn fail(registry: &Registry, name: &str) {
    let circuit = registry.get(name).expect("there");
    circuit.try_acquire().expect("admitted").failure();
}

/// An event.
fn happen(registry: &Registry, name: &str) {
    let circuit = registry.get(name).expect("there");
    assert!(circuit.force_open() || circuit.release());
}
