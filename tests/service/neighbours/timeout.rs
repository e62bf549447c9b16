//! A timeout inside answers for the dependency; one outside drops the call (rule A4).

use std::time::Duration;

use http::StatusCode;
use tower::{
    ServiceBuilder,
    timeout::{TimeoutLayer, error::Elapsed},
};
use tower_breaker::{AbandonedPolicy, State, classify::HttpClassifier};
use tower_http::timeout::TimeoutLayer as HttpTimeoutLayer;

use super::{Stage, ask, assert_rejected, rejected_through, status};

const PATIENCE: Duration = Duration::from_secs(1);
const SHORTER: Duration = Duration::from_millis(500);

fn http_timeout(status: StatusCode) -> HttpTimeoutLayer {
    HttpTimeoutLayer::with_status_code(status, PATIENCE)
}

// ---- inside --------------------------------------------------------------------------------------

// A1
#[tokio::test(start_paused = true)]
async fn a_timeout_inside_is_a_failure() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(stage.layer())
        .timeout(PATIENCE)
        .service(stage.dependency());

    let error = ask(&mut service, "/hang").await.unwrap_err();

    assert!(error.is::<Elapsed>());
    assert_eq!(stage.calls(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

// A1
#[tokio::test(start_paused = true)]
async fn a_timeout_inside_that_answers_504_is_a_failure() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(stage.layer())
        .layer(http_timeout(StatusCode::GATEWAY_TIMEOUT))
        .service(stage.dependency());

    assert_eq!(
        status(&mut service, "/hang").await,
        StatusCode::GATEWAY_TIMEOUT
    );

    assert_eq!(stage.calls(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

// A1
#[tokio::test(start_paused = true)]
async fn a_timeout_inside_that_answers_408_is_ignored() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(stage.layer())
        .layer(http_timeout(StatusCode::REQUEST_TIMEOUT))
        .service(stage.dependency());

    assert_eq!(
        status(&mut service, "/hang").await,
        StatusCode::REQUEST_TIMEOUT
    );

    assert_eq!(stage.calls(), "1 ignored");
    assert_eq!(stage.state(), State::Closed);
}

// A1
#[tokio::test(start_paused = true)]
async fn a_timeout_inside_that_answers_408_is_a_failure_if_the_classifier_says_so() {
    let stage = Stage::new();
    let failures = HttpClassifier::new().failures([StatusCode::REQUEST_TIMEOUT]);
    let mut service = ServiceBuilder::new()
        .layer(stage.layer().classifier(failures))
        .layer(http_timeout(StatusCode::REQUEST_TIMEOUT))
        .service(stage.dependency());

    assert_eq!(
        status(&mut service, "/hang").await,
        StatusCode::REQUEST_TIMEOUT
    );

    assert_eq!(stage.calls(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

// ---- outside -------------------------------------------------------------------------------------

/// A call that hangs until a timeout outside gives up.
async fn given_up_outside(stage: &Stage) {
    let mut service = ServiceBuilder::new()
        .timeout(PATIENCE)
        .layer(stage.layer())
        .service(stage.dependency());
    let error = ask(&mut service, "/hang").await.unwrap_err();
    assert!(error.is::<Elapsed>());
}

/// The same, where giving up is an answer.
async fn given_up_outside_over_http(stage: &Stage) {
    let mut service = ServiceBuilder::new()
        .layer(http_timeout(StatusCode::GATEWAY_TIMEOUT))
        .layer(stage.layer())
        .service(stage.dependency());
    assert_eq!(
        status(&mut service, "/hang").await,
        StatusCode::GATEWAY_TIMEOUT
    );
}

// A4
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_is_neutral_if_nothing_is_slow() {
    let stage = Stage::new();

    given_up_outside(&stage).await;
    given_up_outside_over_http(&stage).await;

    assert_eq!(stage.calls(), "2 abandoned");
    assert_eq!(stage.state(), State::Closed);
}

// A4
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_is_a_slow_failure_past_slow_call_duration() {
    let stage = Stage::with(|b| b.consecutive_failures(2).slow_call_duration(SHORTER));

    given_up_outside(&stage).await;
    assert_eq!(stage.calls(), "1 failed, 1 slow");
    given_up_outside_over_http(&stage).await;

    assert_eq!(stage.calls(), "2 failed, 2 slow");
    assert_eq!(stage.state(), State::Open);
}

// A4
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_is_neutral_before_slow_call_duration() {
    let stage = Stage::with(|b| b.slow_call_duration(2 * PATIENCE));

    given_up_outside(&stage).await;
    given_up_outside_over_http(&stage).await;

    assert_eq!(stage.calls(), "2 abandoned");
    assert_eq!(stage.state(), State::Closed);
}

// A4
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_is_a_failure_if_every_dropped_call_is() {
    let stage = Stage::with(|b| b.abandoned(AbandonedPolicy::Failure));

    given_up_outside(&stage).await;

    assert_eq!(stage.calls(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

// A4, D4
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_fails_a_probe_past_half_open_timeout() {
    let stage = Stage::with(|b| b.half_open_timeout(SHORTER));
    stage.wait_for_probe().await;

    given_up_outside(&stage).await;

    assert_eq!(stage.calls(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

// A4
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_gives_a_probe_back_before_half_open_timeout() {
    let stage = Stage::with(|b| b.half_open_timeout(2 * PATIENCE));
    stage.wait_for_probe().await;

    given_up_outside(&stage).await;

    assert_eq!(stage.calls(), "1 abandoned");
    assert_eq!(stage.state(), State::HalfOpen);
    let mut service = ServiceBuilder::new()
        .layer(stage.layer())
        .service(stage.dependency());
    assert_eq!(status(&mut service, "/ok").await, StatusCode::OK);
    assert_eq!(stage.state(), State::Closed);
}

// H3
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_lets_a_rejection_through() {
    assert_rejected(&rejected_through(TimeoutLayer::new(PATIENCE)).await);
    assert_rejected(&rejected_through(http_timeout(StatusCode::GATEWAY_TIMEOUT)).await);
}
