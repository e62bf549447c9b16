//! The mark of a rejection (rule H3) is in the extensions of its response. It goes where they go: along
//! with headers and bodies that are changed, and not into a response made anew.

use axum::{
    BoxError, Router,
    body::Body,
    error_handling::HandleErrorLayer,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing,
};
use http::{HeaderValue, Request, StatusCode};
use tower::{ServiceBuilder, ServiceExt, util::MapResponseLayer};
use tower_breaker::{CircuitBreakerLayer, Rejected, classify::is_rejection};

use super::{BREAK, Stage, assert_rejected, rejected_through};

/// A route behind a breaker that is open.
fn open_router() -> Router {
    let stage = Stage::new();
    stage.circuit.trip(BREAK).expect("in normal mode");
    let layer: CircuitBreakerLayer = stage.layer();
    routes().layer(layer)
}

fn routes() -> Router {
    Router::new().route("/", routing::get(|| async { "hello" }))
}

async fn answer(router: Router) -> Response {
    router.oneshot(Request::new(Body::empty())).await.unwrap()
}

// H3
#[tokio::test(start_paused = true)]
async fn the_mark_stays_when_headers_are_set() {
    let router = open_router().layer(map_response(async |mut response: Response| {
        let headers = response.headers_mut();
        headers.insert("x-request-id", HeaderValue::from_static("7"));
        response
    }));

    let response = answer(router).await;

    assert_rejected(&response);
    assert_eq!(response.headers()["x-request-id"], "7");
}

// H3
#[tokio::test(start_paused = true)]
async fn the_mark_stays_when_the_body_is_replaced() {
    let layer = MapResponseLayer::new(|response: http::Response<_>| {
        response.map(|_| "try again later".to_owned())
    });

    let response = rejected_through(layer).await;

    assert_rejected(&response);
    assert_eq!(response.body(), "try again later");
}

// H3
#[tokio::test(start_paused = true)]
async fn the_mark_is_lost_when_the_response_is_made_anew() {
    let router = open_router().layer(map_response(async |response: Response| {
        (response.status(), "try again later").into_response()
    }));

    let response = answer(router).await;

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!is_rejection(&response));
}

/// What becomes of errors at the edge of a router. A rejection is marked again.
async fn handle(error: BoxError) -> Response {
    match Rejected::find(&*error) {
        Some(rejected) => rejected.clone().mark_response(unavailable()),
        None => unavailable(),
    }
}

fn unavailable() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

// H3
#[tokio::test(start_paused = true)]
async fn the_mark_is_put_on_by_hand_where_an_error_becomes_a_response() {
    let (stage, outer) = (Stage::new(), Stage::new());
    stage.circuit.trip(BREAK).expect("in normal mode");
    let breaker = stage.layer().reject_as_box_error();
    let with_mark = HandleErrorLayer::new(handle);
    let without = HandleErrorLayer::new(async |_: BoxError| unavailable());

    let stack = ServiceBuilder::new()
        .layer(with_mark)
        .layer(breaker.clone());
    let router = routes().layer(stack).layer(outer.layer());
    assert!(is_rejection(&answer(router).await));
    assert_eq!(outer.calls(), "1 ignored");

    let stack = ServiceBuilder::new().layer(without).layer(breaker);
    let router = routes().layer(stack).layer(outer.layer());
    assert!(!is_rejection(&answer(router).await));
    assert_eq!(outer.calls(), "1 failed, 1 ignored");
}
