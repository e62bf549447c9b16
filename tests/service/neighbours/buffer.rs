//! A buffer queues calls, after a place in the queue was reserved in `poll_ready`. Outside, the queue
//! is not the dependency's; inside, it is taken for it.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::join;
use http::StatusCode;
use tokio::time::advance;
use tower::{
    Service, ServiceBuilder,
    buffer::{BufferLayer, error::ServiceError},
};
use tower_breaker::State;

use super::{
    Answer, Ask, BREAK, BoxError, Stage, ask, assert_rejected, get, is_ready, rejected_through,
    status,
};

/// Longer than one answer takes, shorter than two.
const SLOW: Duration = Duration::from_millis(500);

// H3
#[tokio::test(start_paused = true)]
async fn a_buffer_outside_lets_a_rejection_through() {
    assert_rejected(&rejected_through(BufferLayer::new(1)).await);
}

// A3
#[tokio::test(start_paused = true)]
async fn waiting_in_a_buffer_outside_is_not_slow() {
    let stage = Stage::with(|b| b.slow_call_duration(SLOW));
    let mut first = ServiceBuilder::new()
        .buffer(2)
        .concurrency_limit(1)
        .layer(stage.layer())
        .service(stage.dependency());
    let mut second = first.clone();

    let both = join(ask(&mut first, "/slow/ok"), ask(&mut second, "/slow/ok"));
    assert!(matches!(both.await, (Ok(_), Ok(_))));

    assert_eq!(stage.calls(), "2 successful");
}

// A3
#[tokio::test(start_paused = true)]
async fn waiting_in_a_buffer_inside_is_slow() {
    let stage = Stage::with(|b| b.slow_call_duration(SLOW));
    let mut first = ServiceBuilder::new()
        .layer(stage.layer())
        .buffer(2)
        .concurrency_limit(1)
        .service(stage.dependency());
    let mut second = first.clone();

    let both = join(ask(&mut first, "/slow/ok"), ask(&mut second, "/slow/ok"));
    assert!(matches!(both.await, (Ok(_), Ok(_))));

    assert_eq!(stage.calls(), "2 successful, 1 slow");
}

// G3
#[tokio::test(start_paused = true)]
async fn a_buffer_inside_has_its_place_back_by_a_fresh_clone() {
    for asked_again in [false, true] {
        let stage = Stage::new();
        let mut first = ServiceBuilder::new()
            .layer(stage.layer().fresh_clone_on_rejection())
            .buffer(1)
            .service(stage.dependency());
        let mut second = first.clone();

        assert!(is_ready(&mut first));
        stage.circuit.trip(BREAK).expect("in normal mode");
        assert!(!asked_again || is_ready(&mut first));
        assert_rejected(&first.call(get("/ok")).await.unwrap());
        stage.circuit.reset();
        assert!(is_ready(&mut second));

        assert_eq!(status(&mut second, "/ok").await, StatusCode::OK);
        assert_eq!(status(&mut first, "/ok").await, StatusCode::OK);
    }
}

// G3
#[tokio::test(start_paused = true)]
async fn a_buffer_inside_misses_the_place_of_an_instance_that_was_ready_and_then_rejected() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .layer(stage.layer())
        .buffer(1)
        .service(stage.dependency());
    let mut second = first.clone();

    assert!(is_ready(&mut first));
    stage.circuit.trip(BREAK).expect("in normal mode");
    assert_rejected(&first.call(get("/ok")).await.unwrap());
    stage.circuit.reset();
    assert!(!is_ready(&mut second), "the first still has the place");

    drop(first);
    assert_eq!(status(&mut second, "/ok").await, StatusCode::OK);
}

/// Its readiness fails once, and never again.
struct FailsOnce(bool);

impl Service<Ask> for FailsOnce {
    type Response = Answer;
    type Error = BoxError;
    type Future = Ready<Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(Ok(())),
            false => Poll::Ready(Err("connection refused".into())),
        }
    }

    fn call(&mut self, _: Ask) -> Self::Future {
        ready(Ok(Answer::default()))
    }
}

// A6
#[tokio::test(start_paused = true)]
async fn a_buffer_outside_ends_for_good_with_an_error_of_readiness() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .buffer(1)
        .layer(stage.layer())
        .service(FailsOnce(false));

    assert!(
        ask(&mut service, "/ok")
            .await
            .unwrap_err()
            .is::<ServiceError>()
    );
    assert_eq!(
        (stage.state(), stage.calls().as_str()),
        (State::Open, "1 failed")
    );

    // No probe comes through to find out that the dependency is back.
    advance(BREAK).await;
    assert!(
        ask(&mut service, "/ok")
            .await
            .unwrap_err()
            .is::<ServiceError>()
    );
    assert_eq!(
        (stage.state(), stage.calls().as_str()),
        (State::Open, "1 failed")
    );
}
