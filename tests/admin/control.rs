//! What a person may do to circuits over HTTP (rule L9).

mod bodies;
mod configurations;
mod cross_site;
mod leaving;
mod settings;
#[cfg(feature = "fleet")]
mod shared;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderMap, StatusCode, request::Builder};
use serde_json::{Value, json};
use tower_breaker::{
    Circuit, Mode, State,
    admin::{Control, View},
    observe::{Event, Subscription},
    registry::Registry,
};

use crate::{Answer, SECOND, answer, ask, fail, get, registry};

const ACTIONS: [&str; 8] = [
    "force-open",
    "release",
    "trip",
    "reset",
    "mode",
    "settings",
    "plan",
    "apply",
];

async fn send(router: &Router, request: Builder, body: impl Into<Body>) -> Answer {
    answer(router, request.body(body.into()).expect("a request")).await
}

fn to(action: &str) -> Builder {
    Request::post(format!("/control/{action}")).header("content-type", "application/json")
}

async fn post(router: &Router, action: &str, body: Value) -> Answer {
    send(router, to(action), body.to_string()).await
}

/// What is asked of every action, beside what it needs itself.
fn order(action: &str) -> Value {
    let own = match action {
        "trip" => json!({ "for": "10s" }),
        "mode" => json!({ "mode": "shadow" }),
        "settings" => json!({ "settings": { "open_for": "7s" } }),
        "plan" | "apply" => {
            let configuration = json!({ "circuits": { "db": { "consecutive_failures": 9 } } });
            return json!({ "reason": "INC-1", "configuration": configuration });
        }
        _ => json!({}),
    };
    with(json!({ "name": "db", "reason": "INC-1", "by": "ops" }), own)
}

/// The one with what the other has, too.
fn with(mut order: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("an object")
    };
    for (key, value) in more {
        order[key] = value;
    }
    order
}

fn without(mut order: Value, key: &str) -> Value {
    order.as_object_mut().expect("an object").remove(key);
    order
}

fn control(registry: &Registry) -> Router {
    Control::new(registry).router()
}

fn circuit(registry: &Registry, name: &str) -> Circuit {
    registry.get(name).expect("there")
}

type Told = Arc<Mutex<Vec<Arc<Event>>>>;

fn listen(circuit: &Circuit) -> (Told, Subscription) {
    let told = Told::default();
    let log = told.clone();
    let subscription =
        circuit.subscribe(move |_, event| log.lock().expect("a log").push(event.clone()));
    (told, subscription)
}

fn lines(told: &Told) -> Vec<String> {
    let told = told.lock().expect("a log");
    told.iter().map(|event| event.to_string()).collect()
}

// ---- what is done ------------------------------------------------------------------------------

// L9: who and why go into the event, and the circuit is what the answer says.
#[tokio::test]
async fn each_action_is_done_and_told_with_who_and_why() {
    let (registry, _) = registry(&["db"]);
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    let (told, _listening) = listen(&db);
    for (action, state, mode) in [
        ("force-open", "open", "forced_open"),
        ("release", "closed", "normal"),
        ("trip", "open", "normal"),
        ("reset", "closed", "normal"),
        ("mode", "closed", "shadow"),
        ("settings", "closed", "shadow"),
    ] {
        let answer = post(&router, action, order(action)).await;
        assert_eq!(answer.status, StatusCode::OK, "{action}");
        let shown = answer.json();
        assert_eq!(
            (&shown["name"], &shown["state"], &shown["mode"]),
            (&json!("db"), &json!(state), &json!(mode)),
            "{action}"
        );
        assert_eq!((db.state().label(), db.mode().label()), (state, mode));
    }
    let lines = lines(&told);
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(
        lines.iter().all(|it| it.ends_with("(by ops: INC-1)")),
        "{lines:?}"
    );
    assert_eq!(db.settings().open_for().first(), SECOND * 7);
}

#[tokio::test]
async fn a_trip_is_for_as_long_as_is_said() {
    let (registry, clock) = registry(&["db"]);
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    let answer = post(
        &router,
        "trip",
        with(order("trip"), json!({ "for": "1m 30s" })),
    )
    .await;
    assert_eq!(answer.json()["remaining_seconds"], 90.0);
    clock.advance(SECOND * 89);
    assert!(db.try_acquire().is_err());
    clock.advance(SECOND);
    assert!(db.try_acquire().is_ok());
}

// E2
#[tokio::test]
async fn forced_open_may_have_an_end() {
    let (registry, clock) = registry(&["db"]);
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    let (told, _listening) = listen(&db);
    let for_ = |time: &str| with(order("force-open"), json!({ "for": time }));
    let shown = post(&router, "force-open", for_("10m")).await.json();
    assert_eq!(
        (
            &shown["mode"],
            &shown["remaining_seconds"],
            &shown["by"]["why"]
        ),
        (&json!("forced_open"), &json!(600.0), &json!("INC-1"))
    );
    // Another end holds from now on.
    let shown = post(&router, "force-open", for_("1m")).await.json();
    assert_eq!(shown["remaining_seconds"], 60.0);
    clock.advance(SECOND * 59);
    assert!(db.try_acquire().is_err());
    clock.advance(SECOND);
    assert!(db.try_acquire().is_ok());
    assert_eq!(db.mode(), Mode::Normal);

    let shown = post(&router, "force-open", order("force-open"))
        .await
        .json();
    assert_eq!(shown["remaining_seconds"], Value::Null);
    assert_eq!(lines(&told).len(), 4);
    for time in ["0s", "1000y"] {
        let answer = post(&router, "force-open", for_(time)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{time}");
        let told = answer.json();
        assert_eq!(told["field"], "for", "{told}");
        let allowed = told["allowed"].as_str().expect("text");
        assert!(allowed.starts_with("a time above zero"), "{told}");
    }
    assert_eq!(db.snapshot().remaining, None);
}

// E2
#[tokio::test]
async fn a_mode_that_does_not_allow_a_trip_is_told() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    circuit(&registry, "db").force_open();
    let answer = post(&router, "trip", order("trip")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let told = answer.json();
    assert_eq!(
        (&told["field"], &told["allowed"]),
        (&json!("mode"), &json!("normal or shadow"))
    );
    assert_eq!(
        told["error"],
        "a circuit that is forced open cannot be tripped"
    );
}

#[tokio::test]
async fn what_is_so_already_is_done() {
    let (registry, _) = registry(&["db"]);
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    let (told, _listening) = listen(&db);
    for (action, order) in [
        ("release", order("release")),
        ("mode", with(order("mode"), json!({ "mode": "normal" }))),
        (
            "settings",
            with(order("settings"), json!({ "settings": {} })),
        ),
    ] {
        assert_eq!(
            post(&router, action, order).await.status,
            StatusCode::OK,
            "{action}"
        );
    }
    assert_eq!(lines(&told), <[&str; 0]>::default());
}

// ---- who ---------------------------------------------------------------------------------------

// L9
#[tokio::test]
async fn who_was_found_out_holds_over_what_is_said() {
    #[derive(Clone)]
    struct User(String);
    async fn auth(mut request: Request, next: Next) -> Response {
        let user = request.headers().get("x-user").cloned();
        if let Some(user) = user {
            let user = String::from_utf8(user.as_bytes().to_vec()).expect("text");
            request.extensions_mut().insert(User(user));
        }
        next.run(request).await
    }
    let (registry, _) = registry(&["db"]);
    let control = Control::new(&registry)
        .who(|request| Some(request.extensions.get::<User>()?.0.clone().into()));
    let router: Router = control.router().route_layer(middleware::from_fn(auth));
    let db = circuit(&registry, "db");
    let (told, _listening) = listen(&db);
    let long = format!("{}é", "a".repeat(255));
    for user in ["alice", &long] {
        let body = order("reset").to_string();
        send(&router, to("reset").header("x-user", user), body).await;
    }
    post(&router, "reset", order("reset")).await;
    let told = told.lock().expect("a log");
    let who: Vec<_> = told.iter().map(|event| event.by.get_who()).collect();
    assert_eq!(who, [Some("alice"), Some(&long[..255]), None]);
    assert!(told.iter().all(|event| event.by.get_why() == Some("INC-1")));
}

// ---- names -------------------------------------------------------------------------------------

// L9
#[tokio::test]
async fn a_name_that_is_unknown_is_not_found_and_makes_nothing() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let long = "x".repeat(300);
    for name in ["database", "", "Db", "db ", "*", &long] {
        for action in &ACTIONS[..6] {
            let order = with(order(action), json!({ "name": name }));
            let answer = post(&router, action, order).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{action} of {name}");
            let error = format!("there is no circuit `{name}` in the registry");
            assert_eq!(answer.json(), json!({ "error": error }));
        }
    }
    assert_eq!(registry.len(), 1);
    assert_eq!(circuit(&registry, "db").snapshot().era, 0);
}

#[tokio::test]
async fn a_hostile_name_is_a_name_like_any_other() {
    let long = "n".repeat(256);
    let names = [
        "\"}, {\"name\": \"db\"",
        "<img src=x onerror=alert(1)>",
        "line\nbreak\r\n\r\nHTTP/1.1 200 OK",
        "\u{2028}\u{202e}gnorw",
        "__proto__",
        "constructor",
        "../../etc/passwd",
        "%2e%2e%2f?name=db#",
        "\u{0}\u{7f}\\",
        &long,
    ];
    let registry = Registry::builder().build().expect("valid");
    let router = control(&registry);
    for name in names {
        let circuit = registry.get_or_create(name).expect("a name");
        for action in ["force-open", "settings", "release"] {
            let order = with(order(action), json!({ "name": name }));
            let answer = post(&router, action, order).await;
            assert_eq!(answer.status, StatusCode::OK, "{action} of {name:?}");
            assert_eq!(answer.json()["name"], name);
        }
        assert_eq!((circuit.snapshot().era, circuit.settings_version()), (2, 1));
    }
    assert_eq!(registry.len(), names.len());
}

// ---- where it is -------------------------------------------------------------------------------

async fn auth(request: Request, next: Next) -> Result<Response, StatusCode> {
    match request.headers().get("authorization") {
        Some(said) if said == "Bearer s3cret" => Ok(next.run(request).await),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

// L9: as the docs say it.
#[tokio::test]
async fn behind_authentication_nothing_is_open() {
    let (registry, _) = registry(&["db"]);
    let control = control(&registry).route_layer(middleware::from_fn(auth));
    let router = Router::new().nest("/ops", View::new(&registry).router().merge(control));
    let with_token = |request: Builder| request.header("authorization", "Bearer s3cret");
    let paths = ACTIONS.map(|action| (action, format!("/ops/control/{action}")));
    for (action, path) in &paths {
        let body = || order(action).to_string();
        let request = || Request::post(path).header("content-type", "application/json");
        let answer = send(&router, request(), body()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{action}");
    }
    assert_eq!(
        get(&router, "/ops/control").await.status,
        StatusCode::UNAUTHORIZED
    );
    let db = circuit(&registry, "db");
    assert_eq!(
        (db.snapshot().era, db.mode(), registry.version()),
        (0, Mode::Normal, 0)
    );
    assert_eq!(get(&router, "/ops/circuits").await.status, StatusCode::OK);

    for (action, path) in &paths {
        let request = Request::post(path).header("content-type", "application/json");
        let answer = send(&router, with_token(request), order(action).to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{action}");
    }
    let answer = send(&router, with_token(Request::get("/ops/control")), "").await;
    assert_eq!(answer.json(), json!({ "control": true }));
}

// L9: what shows can do nothing.
#[tokio::test]
async fn a_view_has_no_control() {
    let (registry, _) = registry(&["db"]);
    let router: Router = View::new(&registry).router();
    for action in ACTIONS {
        let answer = post(&router, action, order(action)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{action}");
    }
    assert_eq!(get(&router, "/control").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        ask(&router, "POST", "/circuits").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn only_a_post_does_anything() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    for action in ACTIONS {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let request = to(action).method(method);
            let answer = send(&router, request, order(action).to_string()).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {action}"
            );
            no_other_site_reads(&answer.headers);
        }
    }
    assert_eq!(circuit(&registry, "db").snapshot().era, 0);
    assert_eq!(
        ask(&router, "HEAD", "/control").await.status,
        StatusCode::OK
    );
    assert_eq!(
        post(&router, "", order("reset")).await.status,
        StatusCode::NOT_FOUND
    );
}

fn no_other_site_reads(headers: &HeaderMap) {
    let allows = |name: &&http::HeaderName| name.as_str().starts_with("access-control-");
    assert_eq!(headers.keys().find(allows), None);
}

// L9
#[tokio::test]
async fn no_answer_is_kept_or_shown_to_another_site() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let mut answers = vec![get(&router, "/control").await];
    for action in ACTIONS {
        answers.push(post(&router, action, order(action)).await);
        answers.push(post(&router, action, json!({})).await);
        let elsewhere = to(action).header("origin", "https://evil.example");
        answers.push(send(&router, elsewhere, order(action).to_string()).await);
    }
    for answer in answers {
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        no_other_site_reads(&answer.headers);
        answer.json();
    }
}

#[tokio::test]
async fn a_circuit_that_has_failed_can_be_reset() {
    let (registry, _) = registry(&["db"]);
    fail(&registry, "db");
    assert_eq!(circuit(&registry, "db").state(), State::Open);
    post(&control(&registry), "reset", order("reset")).await;
    assert_eq!(circuit(&registry, "db").state(), State::Closed);
}
