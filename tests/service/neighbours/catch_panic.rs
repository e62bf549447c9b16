//! A panic is a failure either way: caught inside, by the 500 it becomes; caught outside, by itself, as
//! it passes (rule A5).

use http::StatusCode;
use tower::ServiceBuilder;
use tower_breaker::{
    Outcome, State,
    classify::{Classify, HttpClassifier},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{Stage, assert_rejected, rejected_through, status};

const CAUGHT: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

// A1
#[tokio::test(start_paused = true)]
async fn a_panic_caught_inside_is_a_failure_by_its_status() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(stage.layer())
        .layer(CatchPanicLayer::new())
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/panic").await, CAUGHT);

    assert_eq!(
        (stage.state(), stage.calls().as_str()),
        (State::Open, "1 failed")
    );
}

// A5
#[tokio::test(start_paused = true)]
async fn a_panic_caught_outside_is_a_failure_as_it_passes() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(stage.layer())
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/panic").await, CAUGHT);

    assert_eq!(
        (stage.state(), stage.calls().as_str()),
        (State::Open, "1 failed")
    );
}

// A5
#[tokio::test(start_paused = true)]
async fn a_panic_caught_outside_fails_a_probe() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(stage.layer())
        .service(stage.dependency());
    stage.wait_for_probe().await;

    assert_eq!(status(&mut service, "/panic").await, CAUGHT);

    assert_eq!(
        (stage.state(), stage.calls().as_str()),
        (State::Open, "1 failed")
    );
}

// A5
#[tokio::test(start_paused = true)]
async fn a_panic_caught_outside_does_not_depend_on_what_counts_as_a_failure() {
    let lenient = || HttpClassifier::new().classify_as(Outcome::Ignored, [CAUGHT]);
    assert_eq!(
        lenient().classify(Ok::<_, &()>(&super::with_status(CAUGHT, ""))),
        Outcome::Ignored
    );

    let stage = Stage::new();
    let mut caught_inside = ServiceBuilder::new()
        .layer(stage.layer().classifier(lenient()))
        .layer(CatchPanicLayer::new())
        .service(stage.dependency());
    assert_eq!(status(&mut caught_inside, "/panic").await, CAUGHT);
    assert_eq!(stage.calls(), "1 ignored");

    let stage = Stage::new();
    let mut caught_outside = ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(stage.layer().classifier(lenient()))
        .service(stage.dependency());
    assert_eq!(status(&mut caught_outside, "/panic").await, CAUGHT);
    assert_eq!(stage.calls(), "1 failed");
}

// H3
#[tokio::test(start_paused = true)]
async fn catch_panic_outside_lets_a_rejection_through() {
    assert_rejected(&rejected_through(CatchPanicLayer::new()).await);
}
