//! `GET /readyz`.

use axum::Router;
use http::StatusCode;
use serde_json::{Value, json};
use tower_breaker::{State, admin::Health, registry::Registry};

use crate::{SECOND, fail, get, registry};

async fn readiness(router: &Router) -> (u16, Value) {
    let answer = get(router, "/readyz").await;
    (answer.status.as_u16(), answer.json())
}

async fn status(router: &Router) -> u16 {
    readiness(router).await.0
}

// L8
#[tokio::test]
async fn a_service_is_ready_unless_what_it_requires_rejects_calls() {
    let (registry, _) = registry(&["db", "mail"]);
    let router: Router = Health::new(&registry).require("db").router();
    fail(&registry, "mail");
    assert_eq!(status(&router).await, 200);
    fail(&registry, "db");
    let (status, json) = readiness(&router).await;
    assert_eq!((status, &json["ready"]), (503, &json!(false)));
    let rule = &json["rules"][0];
    assert_eq!(
        (&rule["rule"], &rule["ok"]),
        (&json!("require db"), &json!(false))
    );
    let why = rule["why"].as_str().expect("text");
    assert!(
        why.starts_with("db: open for 0 ms, next probe in 10 s"),
        "{why}"
    );
}

// L8: without a call no circuit leaves open, so who is not ready then never is.
#[tokio::test]
async fn a_circuit_that_waits_for_a_probe_lets_the_service_be_ready() {
    let (registry, clock) = registry(&["db"]);
    let router: Router = Health::new(&registry).require("db").router();
    fail(&registry, "db");
    assert_eq!(status(&router).await, 503);
    clock.advance(SECOND * 10);
    let circuit = registry.get("db").expect("there");
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(status(&router).await, 200);

    let probe = circuit.try_acquire().expect("a probe");
    assert_eq!(
        (circuit.state(), status(&router).await),
        (State::HalfOpen, 200)
    );
    probe.failure();
    assert_eq!((circuit.state(), status(&router).await), (State::Open, 503));
}

// L8
#[tokio::test]
async fn one_of_several_is_enough() {
    let (registry, _) = registry(&["eu", "us"]);
    let router: Router = Health::new(&registry).require_any(["eu", "us"]).router();
    fail(&registry, "eu");
    assert_eq!(status(&router).await, 200);
    fail(&registry, "us");
    let (status, json) = readiness(&router).await;
    assert_eq!(
        (status, &json["rules"][0]["rule"]),
        (503, &json!("require any of eu, us"))
    );
}

// L8
#[tokio::test]
async fn one_of_those_with_a_tag_is_enough() {
    let registry = Registry::builder()
        .defaults(|it| it.consecutive_failures(1))
        .matching("pay-*", |it| it.tag("for", "payments"))
        .build()
        .expect("valid");
    let health = Health::new(&registry).require_any_tagged("for", "payments");
    let router: Router = health.router();
    // Nobody knows it yet.
    let (status_at_first, json) = readiness(&router).await;
    assert_eq!(status_at_first, 503);
    assert_eq!(json["rules"][0]["why"], "there is no such circuit");

    for name in ["pay-a", "pay-b", "mail"] {
        registry.get_or_create(name).expect("room");
    }
    fail(&registry, "pay-a");
    assert_eq!(status(&router).await, 200);
    fail(&registry, "pay-b");
    assert_eq!(status(&router).await, 503);
}

// L8: it may be mistyped, and then nobody would ever hear of the outage.
#[tokio::test]
async fn a_circuit_that_nobody_knows_is_not_ready_and_is_not_made() {
    let (registry, _) = registry(&["db"]);
    let router: Router = Health::new(&registry)
        .require("db")
        .require("dd")
        .require_any(["dd", "db"])
        .require_any(Vec::<String>::new())
        .router();
    let (status, json) = readiness(&router).await;
    assert_eq!(status, 503);
    let ok = |at: usize| json["rules"][at]["ok"] == true;
    assert_eq!([0, 1, 2, 3].map(ok), [true, false, true, false]);
    assert_eq!(json["rules"][1]["why"], "unknown circuit `dd`");
    assert_eq!(registry.len(), 1);
}

// L8
#[tokio::test]
async fn without_a_rule_a_service_is_ready() {
    let (registry, _) = registry(&["db"]);
    fail(&registry, "db");
    let router: Router = Health::new(&registry).router();
    let answer = get(&router, "/readyz").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), json!({ "ready": true, "rules": [] }));
}
