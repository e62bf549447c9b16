//! What a file says of layers (rules I7 and I8).

use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker::{
    Circuit, Classify, Outcome, classify::HttpClassifier, config::Config, keyed::Key,
};

use crate::{read, wrong};

#[track_caller]
fn good(text: &str) -> Config {
    read(text).expect("good")
}

fn judge(classifier: &HttpClassifier, status: u16) -> Outcome {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    Classify::<_, &str>::classify(classifier, Ok(&response))
}

// I7
#[test]
fn statuses_are_moved_as_the_file_says() {
    let config = good(
        "[layers.api]
         failures = [429]
         successes = [404]
         ignored = [499]
         trip_now = [503]",
    );
    let classifier = config.layer("api").expect("there").classifier();
    assert_eq!(judge(&classifier, 429), Outcome::Failure);
    assert_eq!(judge(&classifier, 404), Outcome::Success);
    assert_eq!(judge(&classifier, 499), Outcome::Ignored);
    assert_eq!(judge(&classifier, 503), Outcome::TripNow);
    assert_eq!(judge(&classifier, 403), Outcome::Answered);
    assert_eq!(judge(&classifier, 500), Outcome::Failure);
}

// I7
#[test]
fn a_layer_of_which_nothing_is_said_is_the_default() {
    let config = good("[layers.api]");
    let api = config.layer("api").expect("there");
    for status in 100..=599 {
        assert_eq!(
            judge(&api.classifier(), status),
            judge(&HttpClassifier::new(), status)
        );
    }
    assert!(api.key().is_none());
    assert!(!api.known_keys_only());
    assert!(config.layer("other").is_none());
}

// I7
#[test]
fn client_errors_succeed_if_the_file_says_so() {
    let config = good("[layers]\na.client_errors_succeed = true\nb.client_errors_succeed = false");
    let of = |name: &str| judge(&config.layer(name).expect("there").classifier(), 403);
    assert_eq!(of("a"), Outcome::Success);
    assert_eq!(of("b"), Outcome::Answered);
}

// I7
#[test]
#[cfg(feature = "retry-after")]
fn a_retry_after_is_honoured_within_the_limits_of_the_file() {
    use std::time::Duration;

    let config = good("layers.api.retry_after = { minimum = \"2s\", maximum = \"1m\" }");
    let classifier = config.layer("api").expect("there").classifier();
    let asked = |seconds: &str| {
        let response = Response::builder()
            .status(503)
            .header("retry-after", seconds);
        let response = response.body(()).expect("a response");
        Classify::<_, &str>::classify(&classifier, Ok(&response))
    };
    let after = |seconds| Outcome::FailureRetryAfter(Duration::from_secs(seconds));
    assert_eq!(asked("1"), after(2));
    assert_eq!(asked("30"), after(30));
    assert_eq!(asked("3600"), after(60));
}

/// The key that the file's layer finds.
fn key(file: &str, request: &Request<()>) -> Option<String> {
    let config = good(file);
    let key = config.layer("api").expect("there").key().expect("a key");
    key.of(request, &mut Default::default()).map(str::to_owned)
}

// I7
#[test]
fn each_key_is_the_one_that_the_file_names() {
    let request = Request::get("http://Example.com:80/pkg.Service/Method");
    let request = request.header("x-tenant", "acme").body(()).expect("valid");
    let keys = [
        ("\"authority\"", "example.com"),
        ("\"grpc_service\"", "pkg.Service"),
        ("\"grpc_method\"", "pkg.Service/Method"),
        ("{ header = \"x-tenant\" }", "acme"),
    ];
    for (said, found) in keys {
        let file = format!("layers.api.key = {said}");
        assert_eq!(key(&file, &request).as_deref(), Some(found), "{said}");
    }
}

#[cfg(feature = "axum")]
mod routes {
    use axum::{Router, body::Body, routing::get};

    use super::*;

    // I7
    #[tokio::test]
    async fn routes_are_keys_as_the_file_names_them() {
        for (said, name) in [
            ("route", "/users/{id}"),
            ("method_and_route", "GET /users/{id}"),
        ] {
            let config = good(&format!("layers.api.key = \"{said}\""));
            let registry = config.registry().build().expect("valid");
            let own = Circuit::builder("others").build_layer().expect("valid");
            let layer = config.layer("api").expect("there").keyed(own, &registry);
            let app: Router = Router::new()
                .route("/users/{id}", get(async || "a user"))
                .layer(layer.expect("a key"));
            let request = Request::get("/users/7").body(Body::empty());
            let answer = app
                .oneshot(request.expect("valid"))
                .await
                .expect("infallible");
            assert_eq!(answer.status(), 200);
            let circuits = registry.circuits();
            let names: Vec<_> = circuits.iter().map(|circuit| circuit.name()).collect();
            assert_eq!(names, [name]);
        }
    }
}

// I7
#[tokio::test]
async fn only_known_keys_have_a_circuit_if_the_file_says_so() {
    for (said, circuits) in [("true", 1), ("false", 2)] {
        let config = good(&format!(
            "circuits.known = {{}}
             [layers.api]
             key = {{ header = \"key\" }}
             known_keys_only = {said}",
        ));
        let registry = config.registry().build().expect("valid");
        let own = Circuit::builder("others").build_layer().expect("valid");
        let api = config.layer("api").expect("there");
        assert_eq!(api.known_keys_only(), said == "true");
        let layer = api.keyed(own, &registry);
        let mut service = layer
            .expect("a key")
            .layer(service_fn(async |_: Request<()>| {
                Ok::<_, &str>(Response::new(()))
            }));
        for key in ["known", "unknown"] {
            let request = Request::get("/")
                .header("key", key)
                .body(())
                .expect("valid");
            let ready = service.ready().await.expect("ready");
            ready.call(request).await.expect("answered");
        }
        assert_eq!(registry.len(), circuits, "{said}");
    }
}

// I7
#[test]
fn a_layer_without_a_key_is_not_keyed() {
    let config = good("[layers.api]");
    let registry = config.registry().build().expect("valid");
    let own = Circuit::builder("others").build_layer().expect("valid");
    let api = config.layer("api").expect("there");
    assert!(api.keyed(own, &registry).is_none());
}

// I8: in a build without it.
#[test]
#[cfg(not(feature = "axum"))]
fn a_key_that_needs_a_feature_is_told() {
    assert_eq!(
        wrong("layers.a.key = \"route\""),
        [
            "layers.a.key: `route`, but must be left out, or the feature `axum` of tower-breaker must be on"
        ]
    );
}

// I8: in a build without it.
#[test]
#[cfg(not(feature = "retry-after"))]
fn a_retry_after_that_needs_a_feature_is_told() {
    assert_eq!(
        wrong("layers.a.retry_after = { maximum = \"1m\" }"),
        [
            "layers.a.retry_after: `retry_after`, but must be left out, or the feature `retry-after` of \
             tower-breaker must be on"
        ]
    );
}

// I8
#[test]
#[cfg(feature = "retry-after")]
fn what_is_wrong_of_a_retry_after_is_told_at_its_place() {
    assert_eq!(
        wrong("layers.a.retry_after = { minimum = \"2m\", maximum = \"1m\" }"),
        ["layers.a.retry_after.minimum: 120s, but must be at most the maximum"]
    );
    assert_eq!(
        wrong("layers.a.retry_after = { minimum = \"0s\", maximum = \"1m\" }"),
        ["layers.a.retry_after.minimum: \"0s\", but must be above zero"]
    );
    assert_eq!(
        wrong("layers.a.retry_after = { minimum = \"1s\" }"),
        [
            "layers.a.retry_after.maximum: not there, but must be a time such as \"30s\", \"250ms\" or \"1m 30s\""
        ]
    );
}
