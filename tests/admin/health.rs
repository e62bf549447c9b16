//! `GET /health/circuits`.

use axum::Router;
use http::StatusCode;
use serde_json::json;
use tower_breaker::{By, Mode, State, admin::Health, registry::Registry, telemetry::Exposition};

use crate::{NANO, SECOND, ask, fail, get, registry};

const STRICT: &str = "/health/circuits";
const ALWAYS: &str = "/health/circuits/always";

async fn status(router: &Router, path: &str) -> u16 {
    get(router, path).await.status.as_u16()
}

// L8
#[tokio::test]
async fn all_closed_is_healthy_and_one_that_is_not_is_degraded() {
    let (registry, _) = registry(&["db", "mail"]);
    let router: Router = Health::new(&registry).router();
    let healthy = get(&router, STRICT).await;
    assert_eq!(healthy.status, StatusCode::OK);
    assert_eq!(healthy.json()["status"], "healthy");

    fail(&registry, "db");
    let degraded = get(&router, STRICT).await;
    assert_eq!(degraded.status, StatusCode::SERVICE_UNAVAILABLE);
    let json = degraded.json();
    assert_eq!(json["status"], "degraded");
    assert_eq!(json["circuits"]["db"]["state"], "open");
    assert_eq!(json["circuits"]["mail"]["state"], "closed");
}

// L8: the same, and nothing that an orchestrator would act on.
#[tokio::test]
async fn one_form_always_answers_200_with_the_same() {
    let (registry, _) = registry(&["db"]);
    let router: Router = Health::new(&registry).router();
    fail(&registry, "db");
    let always = get(&router, ALWAYS).await;
    assert_eq!(always.status, StatusCode::OK);
    assert_eq!(always.json()["status"], "degraded");
    assert_eq!(always.json()["circuits"]["db"]["state"], "open");
}

// L8
#[tokio::test]
async fn a_registry_without_circuits_is_healthy() {
    let router: Router = Health::new(&Registry::builder().build().expect("valid")).router();
    let healthy = get(&router, STRICT).await;
    assert_eq!(healthy.status, StatusCode::OK);
    assert_eq!(
        healthy.json(),
        json!({ "status": "healthy", "circuits": {} })
    );
}

// L8
#[tokio::test]
async fn what_rejects_nothing_is_healthy_whatever_its_state() {
    let (registry, clock) = registry(&["db"]);
    let router: Router = Health::new(&registry).router();
    let circuit = registry.get("db").expect("there");
    for (mode, expected) in [
        (Mode::Shadow, 200),
        (Mode::Disabled, 200),
        (Mode::ForcedOpen, 503),
        (Mode::Normal, 200),
    ] {
        circuit.set_mode(mode);
        if mode == Mode::Shadow {
            fail(&registry, "db");
            assert_eq!(circuit.state(), State::Open);
        }
        assert_eq!(status(&router, STRICT).await, expected, "{mode}");
    }
    // Open with its break over, and half-open: both reject most calls.
    fail(&registry, "db");
    clock.advance(SECOND * 10);
    assert_eq!(status(&router, STRICT).await, 503);
    let _probe = circuit.try_acquire().expect("a probe");
    assert_eq!(circuit.state(), State::HalfOpen);
    assert_eq!(status(&router, STRICT).await, 503);
}

// L8: it rejects nothing any more, and perhaps nobody ever calls it.
#[tokio::test]
async fn forced_open_is_healthy_once_its_time_is_over() {
    let (registry, clock) = registry(&["db"]);
    let router: Router = Health::new(&registry).require("db").router();
    let circuit = registry.get("db").expect("there");
    let db = async || get(&router, ALWAYS).await.json()["circuits"]["db"].clone();
    circuit.force_open();
    let told = db().await;
    assert_eq!(
        (&told["next_probe"], &told["released"]),
        (&json!(null), &json!(null))
    );
    let forced = circuit.force_open_for(By::default(), SECOND * 3);
    assert_eq!(forced, Ok(true));
    let told = db().await;
    assert_eq!(told["next_probe"], json!(null), "that is no probe");
    let (since, released) = (told["since"].as_str(), told["released"].as_str());
    assert!(since < released && since.is_some(), "{told}");
    clock.advance(SECOND * 3 - NANO);
    assert_eq!(status(&router, STRICT).await, 503);
    assert_eq!(status(&router, "/readyz").await, 503);

    clock.advance(NANO);
    assert_eq!(status(&router, STRICT).await, 200);
    assert_eq!(status(&router, "/readyz").await, 200);
    let told = db().await;
    assert_eq!(
        (&told["next_probe"], &told["released"]),
        (&json!(null), &json!(null))
    );
    // C5: to look has changed nothing.
    assert_eq!(
        (circuit.state(), &told["mode"]),
        (State::Open, &json!("forced_open"))
    );
}

// L8
#[tokio::test]
async fn the_numbers_are_those_of_the_trip_and_of_all_calls() {
    let registry = Registry::builder()
        .circuit("db", |it| it.failure_rate(0.5).minimum_calls(8))
        .build()
        .expect("valid");
    let router: Router = Health::new(&registry).router();
    let db = async || get(&router, STRICT).await.json()["circuits"]["db"].clone();
    assert_eq!(db().await["error_rate"], "0.0%");

    let circuit = registry.get("db").expect("there");
    fail(&registry, "db");
    for _ in 0..3 {
        circuit.try_acquire().expect("closed").success();
    }
    // Too few for a rate that decides, and enough for one to show.
    assert_eq!(db().await["error_rate"], "25.0%");
    for _ in 0..4 {
        fail(&registry, "db");
    }
    circuit.try_acquire().expect_err("open");
    let open = db().await;
    assert_eq!(open["error_rate"], "62.5%");
    assert_eq!(
        (&open["total_calls"], &open["rejected_calls"]),
        (&json!(9), &json!(1))
    );
    assert_eq!(
        open["cause"],
        "5 of 8 calls failed (62.5 %, threshold 50 %)"
    );
    assert_eq!(open["mode"], "normal");
    let (since, next) = (open["since"].as_str(), open["next_probe"].as_str());
    assert!(since < next && since.is_some(), "{open}");
}

// L8
#[tokio::test]
async fn circuits_by_the_thousand_are_left_out_if_so_told() {
    let (registry, _) = registry(&["db"]);
    let named: Router = Health::new(&registry).named_only().router();
    let all: Router = Health::new(&registry).router();
    for tenant in 0..1_000 {
        let tenant = registry.get_or_create(&format!("tenant {tenant}"));
        tenant.expect("room").force_open();
    }
    let answer = get(&named, STRICT).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json()["circuits"]
            .as_object()
            .map(serde_json::Map::len),
        Some(1)
    );
    assert_eq!(status(&all, STRICT).await, 503);
}

// L8
#[tokio::test]
async fn only_circuits_with_all_the_tags_are_looked_at() {
    let registry = Registry::builder()
        .circuit("db", |it| it.tag("tier", "critical").tag("zone", "eu"))
        .circuit("mail", |it| it.tag("tier", "critical"))
        .build()
        .expect("valid");
    registry.get("mail").expect("there").force_open();
    let critical = Health::new(&registry).tagged("tier", "critical");
    let both: Router = critical.clone().tagged("zone", "eu").router();
    assert_eq!(status(&critical.router(), STRICT).await, 503);
    assert_eq!(status(&both, STRICT).await, 200);
}

#[tokio::test]
async fn nobody_keeps_an_answer_and_nothing_but_a_look_is_taken() {
    let (registry, _) = registry(&["db"]);
    let router: Router = Health::new(&registry).require("db").router();
    fail(&registry, "db");
    for path in [STRICT, ALWAYS, "/readyz"] {
        let answer = get(&router, path).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        let head = ask(&router, "HEAD", path).await;
        assert_eq!((head.status, head.body.len()), (answer.status, 0));
        let post = ask(&router, "POST", path).await;
        assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(post.headers["cache-control"], "no-store");
    }
}

// L8: in the form that Prometheus reads, and out of the way of another.
#[tokio::test]
async fn the_numbers_are_there_for_prometheus() {
    let (registry, _) = registry(&["db"]);
    let router: Router = Health::new(&registry).router();
    fail(&registry, "db");
    let answer = get(&router, "/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], Exposition::CONTENT_TYPE);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    assert!(
        text.contains("circuit_breaker_state{circuit=\"db\"} 1\n"),
        "{text}"
    );

    let few = Exposition::new(&registry).max_labels(0);
    let router: Router = Health::new(&registry).metrics(few).router();
    let text = get(&router, "/metrics").await.body;
    assert!(!String::from_utf8_lossy(&text).contains("db"));

    let own = axum::routing::get(|| async { "mine" });
    let router = Router::new().route("/metrics", own);
    let router = router.merge(Health::new(&registry).without_metrics().router());
    assert_eq!(get(&router, "/metrics").await.body, "mine");
}
