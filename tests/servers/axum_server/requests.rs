//! A classifier that has seen the request, by a note taken before the call (rule A1).

use std::sync::Arc;

use axum::{extract::Request, http::Method, response::Response};
use tower_breaker::Outcome;

use super::*;

/// What is written to must be there. What is read need not.
fn judge(reads: &bool, result: Result<&Response, &Infallible>) -> Outcome {
    let Ok(response) = result else {
        return Outcome::Failure;
    };
    match response.status() {
        StatusCode::OK => Outcome::Success,
        StatusCode::NOT_FOUND if *reads => Outcome::Answered,
        _ => Outcome::Failure,
    }
}

fn reads(request: &Request) -> bool {
    request.method() == Method::GET
}

async fn ask(browser: &Browser, method: Method, path: &str) -> u16 {
    let request = axum::http::Request::builder().method(method).uri(path);
    browser.send(request, "").await.expect("an answer").status
}

/// Two requests with the same answer, of which one is a failure.
async fn tells_them_apart(version: Version, circuit: &Fixture, server: &Server) {
    let browser = Browser::new(version, server);
    for _ in 0..5 {
        assert_eq!(ask(&browser, Method::GET, "/missing").await, 404);
    }
    assert_eq!(circuit.totals().ignored, 5);
    assert_eq!(ask(&browser, Method::GET, "/ok").await, 200);
    circuit.is(CircuitState::Closed);
    for _ in 0..3 {
        assert_eq!(ask(&browser, Method::PUT, "/missing").await, 404);
    }
    circuit.is(CircuitState::Open);
    assert_eq!(ask(&browser, Method::GET, "/missing").await, 503);
    circuit.wait_out();
    // A2: an answer is proof of life.
    assert_eq!(ask(&browser, Method::GET, "/missing").await, 404);
    circuit.is(CircuitState::Closed);
}

// A1
#[tokio::test]
async fn the_same_answer_can_be_a_failure_to_one_request_and_none_to_another() {
    for version in BOTH {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        let layer = layer(&circuit).classify_with_request(reads, judge);
        let server = Server::axum(routes(&dependency).layer(layer)).await;
        tells_them_apart(version, &circuit, &server).await;
    }
}

// A1, H5, A3: with bodies observed, of responses and of requests.
#[cfg(feature = "body")]
#[tokio::test]
async fn classifying_with_the_request_goes_with_observed_bodies() {
    for version in BOTH {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        let layer = layer(&circuit)
            .observe_bodies()
            .classify_with_request(reads, judge);
        let server = Server::axum(routes(&dependency).layer(layer.clone())).await;
        tells_them_apart(version, &circuit, &server).await;

        let circuit = three_failures();
        let layer = CircuitBreakerLayer::new(circuit.circuit.clone())
            .observe_bodies()
            .classify_with_request(
                |request: &Request<tower_breaker::body::ClientBody<axum::body::Body>>| {
                    request.method() == Method::GET
                },
                judge,
            )
            .observe_request_bodies(axum::body::Body::new);
        let server = Server::axum(routes(&dependency).layer(layer)).await;
        tells_them_apart(version, &circuit, &server).await;
    }
}

// A5: a panic in either closure is a failure. G5: that of the first comes under a guard.
#[tokio::test]
async fn a_closure_that_panics_has_failed_the_call() {
    let dependency = Dependency::new();
    for (panics, entered) in [("/take", 0), ("/judge", 1)] {
        let circuit = three_failures();
        let layer = layer(&circuit).classify_with_request(
            move |request: &Request| {
                assert_ne!(panics, "/take", "on purpose");
                request.uri().path().to_owned()
            },
            move |path: &String, _: Result<&Response, &Infallible>| {
                assert_ne!(panics, "/judge", "on purpose: {path}");
                Outcome::Success
            },
        );
        let before = dependency.entered();
        let server = Server::axum(routes(&dependency).layer(layer)).await;
        let browser = Browser::new(Version::Http1, &server);
        assert!(browser.try_get("/ok").await.is_none());
        assert_eq!(circuit.totals().failed, 1);
        assert_eq!(dependency.entered() - before, entered);
    }
}

// G2: a rejection takes no note.
#[tokio::test]
async fn a_note_lives_as_long_as_its_call_and_a_rejection_has_none() {
    let (circuit, dependency) = (three_failures(), Dependency::new());
    let note = Arc::new(());
    let taken = note.clone();
    let layer = layer(&circuit).classify_with_request(
        move |_: &Request| taken.clone(),
        |_: &Arc<()>, _: Result<&Response, &Infallible>| Outcome::Failure,
    );
    let server = Server::axum(routes(&dependency).layer(layer)).await;
    let browser = Browser::new(Version::Http1, &server);
    dependency.hold();
    let (asking, asked) = (browser.clone(), dependency.entered());
    let call = tokio::spawn(async move { asking.status("/ok").await });
    until(|| dependency.entered() > asked).await;
    let held = Arc::strong_count(&note);
    circuit.circuit.force_open();
    assert_eq!(browser.status("/ok").await, 503);
    assert_eq!(Arc::strong_count(&note), held);
    dependency.let_go();
    assert_eq!(call.await.expect("no panic"), 200);
    until(|| Arc::strong_count(&note) == held - 1).await;
}
