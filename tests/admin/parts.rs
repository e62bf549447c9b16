//! What is around a breaker, as a view shows it (rules L8, M9).

use std::{convert::Infallible, future::ready, time::Duration};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::time::advance;
use tower::{ServiceBuilder, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, RetryLimits,
    admin::View,
    degrade::{
        fallback::{self, FallbackLayer},
        queue::{DeferLayer, Memory},
        retries::Retries,
    },
    registry::Registry,
};

use crate::{SECOND, get};

fn registry() -> (Registry, Circuit) {
    let registry = Registry::builder().circuit("reviews", |circuit| {
        let circuit = circuit.consecutive_failures(100);
        let circuit = circuit.call_timeout(Duration::from_millis(800));
        let circuit = circuit.bulkhead(20, Duration::ZERO);
        circuit.retries(RetryLimits::new(1).share(1.0).max_wait(SECOND))
    });
    let registry = registry.build().expect("valid");
    let circuit = registry.try_get("reviews").expect("named");
    (registry, circuit)
}

async fn shown(registry: &Registry) -> Value {
    let view: Router = View::new(registry).router();
    get(&view, "/circuit?name=reviews").await.json()
}

/// A call that fails twice and is answered otherwise.
async fn fall_back(circuit: &Circuit) {
    let failing = service_fn(|_: Request<String>| {
        let response = Response::builder().status(StatusCode::BAD_GATEWAY);
        ready(Ok::<_, Infallible>(
            response.body(String::new()).expect("valid"),
        ))
    });
    let answer = fallback::response(|_| Response::new("default".to_owned()));
    let service = ServiceBuilder::new()
        .layer(FallbackLayer::on_failure(circuit, answer))
        .retry(Retries::new(circuit))
        .layer(CircuitBreakerLayer::new(circuit.clone()))
        .service(failing);
    service
        .oneshot(Request::default())
        .await
        .expect("an answer");
}

// M9
#[tokio::test(start_paused = true)]
async fn each_part_is_shown_with_what_came_of_it() {
    let (registry, circuit) = registry();
    let _place = circuit.try_enter().expect("free");
    fall_back(&circuit).await;
    let never = circuit.call(std::future::pending::<Result<(), Infallible>>());
    never.await.expect_err("cut off");
    let shown = shown(&registry).await;
    assert_eq!(
        shown["parts"],
        json!({
            "call_timeout_seconds": 0.8,
            "timed_out": { "call": 1, "probe": 0, "caller": 0 },
            "bulkhead": { "places": 20, "taken": 1, "waiting": 0, "rejected": 0 },
            "fallbacks": [{ "kind": "value", "cause": "failed", "answered": 1, "failed": 0 }],
            "hidden_failures": 0,
            "misplaced_calls": 0,
            "retries": {
                "retried": 1, "no_budget": 0, "rejected": 0, "not_closed": 0,
                "too_long": 0, "exhausted": 1, "off": 0,
            },
            "queue": null,
            "unused": [],
        })
    );
    let line = shown["line"].as_str().expect("text");
    assert!(line.ends_with("; bulkhead: 1 of 20"), "{line}");
}

/// A call to an open circuit, which is kept if there is room.
async fn order(circuit: &Circuit, memory: &Memory) -> StatusCode {
    let answers = service_fn(|_: Request<Full<Bytes>>| {
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    });
    let service = ServiceBuilder::new()
        .layer(DeferLayer::new(circuit, memory.clone()))
        .layer(CircuitBreakerLayer::new(circuit.clone()))
        .service(answers);
    let request = Request::post("http://shop/orders").body(Full::from("a book"));
    let answer = service.oneshot(request.expect("valid")).await;
    answer.expect("an answer").status()
}

// M6, M9
#[tokio::test(start_paused = true)]
async fn a_queue_is_shown_with_what_is_in_it_and_what_came_of_the_rest() {
    let (registry, circuit) = registry();
    let memory = Memory::bounded(2, 10_000);
    circuit.trip(SECOND * 60).expect("normal mode");
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(order(&circuit, &memory).await.as_u16());
        advance(SECOND).await;
    }
    assert_eq!(answers, [202, 202, 503]);
    let queue = shown(&registry).await["parts"]["queue"].clone();
    let bytes: u64 = memory.close().iter().map(|entry| entry.bytes()).sum();
    assert_eq!(
        queue,
        json!({
            "entries": 2, "bytes": bytes, "oldest_seconds": 3.0,
            "kept": 2, "refused": 1, "delivered": 0, "dead": 0,
        })
    );
}

// M9: nothing fails in silence.
#[tokio::test(start_paused = true)]
async fn a_setting_that_nothing_keeps_to_is_told() {
    let (registry, circuit) = registry();
    circuit.try_acquire().expect("closed").success();
    let unused = shown(&registry).await["parts"]["unused"].clone();
    assert_eq!(unused, json!(["bulkhead", "retries"]));
    drop(circuit.try_enter());
    fall_back(&circuit).await;
    assert_eq!(shown(&registry).await["parts"]["unused"], json!([]));
}

// M9: the dependency is not to blame for it.
#[tokio::test]
async fn a_full_bulkhead_is_no_outage() {
    let registry = Registry::builder()
        .circuit("reviews", |it| it.bulkhead(1, Duration::ZERO))
        .build()
        .expect("valid");
    let circuit = registry.try_get("reviews").expect("named");
    let _place = circuit.try_enter().expect("free");
    circuit.try_enter().expect_err("full");
    let health: Router = tower_breaker::admin::Health::new(&registry)
        .require("reviews")
        .router();
    assert_eq!(get(&health, "/readyz").await.status, StatusCode::OK);
    let told = get(&health, "/health/circuits").await.json();
    assert_eq!(told["status"], "healthy", "{told}");
    let shown = shown(&registry).await;
    assert_eq!(shown["totals"]["rejected_by"]["bulkhead_full"], 1);
    assert_eq!(shown["parts"]["bulkhead"]["rejected"], 1);
}
