//! A shed call is an overload of our own, and not the dependency's failure. Outside, the breaker never
//! hears of it; inside, the classifier must know it.

use http::StatusCode;
use tower::{
    Service, ServiceBuilder, ServiceExt,
    load_shed::{LoadShedLayer, error::Overloaded},
};
use tower_breaker::{
    Outcome, State,
    classify::{Classify, HttpClassifier},
};

use super::{Answer, BoxError, Stage, ask, assert_rejected, get, rejected_through, status};

fn sheds_are_not_failures(result: Result<&Answer, &BoxError>) -> Outcome {
    match result {
        Err(error) if error.is::<Overloaded>() => Outcome::Ignored,
        other => HttpClassifier::new().classify(other),
    }
}

// H3
#[tokio::test(start_paused = true)]
async fn load_shed_outside_lets_a_rejection_through() {
    assert_rejected(&rejected_through(LoadShedLayer::new()).await);
}

#[tokio::test(start_paused = true)]
async fn load_shed_outside_sheds_unseen() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .layer(stage.layer())
        .service(stage.dependency());
    let mut second = first.clone();
    let _in_flight = first.ready().await.unwrap().call(get("/hang"));

    let error = ask(&mut second, "/ok").await.unwrap_err();

    assert!(error.is::<Overloaded>());
    assert_eq!(stage.calls(), "");
    assert_eq!(stage.state(), State::Closed);
}

// A1
#[tokio::test(start_paused = true)]
async fn load_shed_inside_is_a_failure() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .layer(stage.layer())
        .load_shed()
        .concurrency_limit(1)
        .service(stage.dependency());
    let mut second = first.clone();
    let _in_flight = first.ready().await.unwrap().call(get("/hang"));

    let error = ask(&mut second, "/ok").await.unwrap_err();

    assert!(error.is::<Overloaded>());
    assert_eq!(stage.calls(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

// A1, A2
#[tokio::test(start_paused = true)]
async fn load_shed_inside_is_ignored_if_the_classifier_says_so() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .layer(stage.layer().classify(sheds_are_not_failures))
        .load_shed()
        .concurrency_limit(1)
        .service(stage.dependency());
    let mut second = first.clone();
    let in_flight = first.ready().await.unwrap().call(get("/hang"));

    assert!(
        ask(&mut second, "/ok")
            .await
            .unwrap_err()
            .is::<Overloaded>()
    );
    assert_eq!(stage.calls(), "1 ignored");
    assert_eq!(stage.state(), State::Closed);

    // And everything else is what it was.
    drop(in_flight);
    assert_eq!(status(&mut second, "/ok").await, StatusCode::OK);
    assert!(
        !ask(&mut second, "/error")
            .await
            .unwrap_err()
            .is::<Overloaded>()
    );
    assert_eq!(
        stage.calls(),
        "1 successful, 1 failed, 1 ignored, 1 abandoned"
    );
    assert_eq!(stage.state(), State::Open);
}

// A2
#[tokio::test(start_paused = true)]
async fn load_shed_inside_gives_a_probe_back_if_the_classifier_says_so() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .layer(stage.layer().classify(sheds_are_not_failures))
        .load_shed()
        .concurrency_limit(1)
        .service(stage.dependency());
    let mut second = first.clone();
    let in_flight = first.ready().await.unwrap().call(get("/hang"));
    stage.wait_for_probe().await;

    assert!(
        ask(&mut second, "/ok")
            .await
            .unwrap_err()
            .is::<Overloaded>()
    );
    assert_eq!(stage.state(), State::HalfOpen);

    drop(in_flight);
    assert_eq!(status(&mut second, "/ok").await, StatusCode::OK);
    assert_eq!(stage.state(), State::Closed);
}
