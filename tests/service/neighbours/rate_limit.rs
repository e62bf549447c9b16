//! A rate limit counts calls. Outside, a rejection is one; inside, it never comes so far.

use std::time::Duration;

use http::StatusCode;
use tokio::time::advance;
use tower::{
    Service, ServiceBuilder,
    limit::{RateLimitLayer, rate::Rate},
};

use super::{BREAK, Stage, ask, assert_rejected, get, is_ready, rejected_through, status};

const SECOND: Duration = Duration::from_secs(1);

// H3
#[tokio::test(start_paused = true)]
async fn a_rate_limit_outside_lets_a_rejection_through() {
    let layer = RateLimitLayer::new(1, SECOND);
    assert_rejected(&rejected_through(layer).await);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_outside_counts_rejections() {
    let stage = Stage::new();
    stage.circuit.trip(BREAK).expect("in normal mode");
    let mut service = ServiceBuilder::new()
        .rate_limit(1, SECOND)
        .layer(stage.layer())
        .service(stage.dependency());

    assert_rejected(&ask(&mut service, "/ok").await.unwrap());

    assert!(!is_ready(&mut service));
    advance(SECOND).await;
    assert!(is_ready(&mut service));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_inside_counts_no_rejection() {
    let stage = Stage::new();
    let limited = tower::limit::RateLimit::new(stage.dependency(), Rate::new(1, SECOND));
    let mut service = ServiceBuilder::new().layer(stage.layer()).service(limited);

    // Not even one that comes after readiness: what is ready has reserved nothing.
    assert!(is_ready(&mut service));
    stage.circuit.trip(BREAK).expect("in normal mode");
    assert_rejected(&service.call(get("/ok")).await.unwrap());
    assert_rejected(&ask(&mut service, "/ok").await.unwrap());
    stage.circuit.reset();

    assert_eq!(status(&mut service, "/ok").await, StatusCode::OK);
    assert!(!is_ready(&mut service), "that was the one");
}
