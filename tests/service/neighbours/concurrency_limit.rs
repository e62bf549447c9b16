//! A concurrency limit takes a place in `poll_ready`. Outside, a rejection gives it back; inside, one
//! that comes after readiness leaves it with the instance, unless the layer is told otherwise (rule G3).

use std::time::Duration;

use futures_util::future::join;
use http::StatusCode;
use tower::{
    Service, ServiceBuilder, ServiceExt,
    limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer},
};
use tower_breaker::CircuitBreakerLayer;

use super::{BREAK, Stage, TAKES, ask, assert_rejected, get, is_ready, rejected_through, status};

/// Longer than one answer takes, shorter than two.
const SLOW: Duration = Duration::from_millis(500);

fn open(stage: &Stage) {
    stage.circuit.trip(BREAK).expect("in normal mode");
}

// ---- outside -------------------------------------------------------------------------------------

// H3
#[tokio::test(start_paused = true)]
async fn a_limit_outside_lets_a_rejection_through() {
    assert_rejected(&rejected_through(ConcurrencyLimitLayer::new(1)).await);
    assert_rejected(&rejected_through(GlobalConcurrencyLimitLayer::new(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_limit_outside_has_its_place_back_after_a_rejection() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(stage.layer())
        .service(stage.dependency());
    let mut second = first.clone();

    // Ready before the trip, called after it: the case that matters inside.
    assert!(is_ready(&mut first));
    open(&stage);
    assert_rejected(&first.call(get("/ok")).await.unwrap());

    assert!(is_ready(&mut second));
}

#[tokio::test(start_paused = true)]
async fn a_full_limit_outside_makes_even_a_rejection_wait() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(stage.layer())
        .service(stage.dependency());
    let mut second = first.clone();
    let in_flight = first.ready().await.unwrap().call(get("/hang"));
    open(&stage);

    assert!(!is_ready(&mut second));
    drop(in_flight);

    assert_rejected(&ask(&mut second, "/ok").await.unwrap());
}

// ---- inside --------------------------------------------------------------------------------------

// G1
#[tokio::test(start_paused = true)]
async fn a_full_limit_inside_makes_no_rejection_wait() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .layer(stage.layer())
        .concurrency_limit(1)
        .service(stage.dependency());
    let mut second = first.clone();
    let _in_flight = first.ready().await.unwrap().call(get("/hang"));
    assert!(!is_ready(&mut second));

    open(&stage);

    assert!(is_ready(&mut second));
    assert_rejected(&second.call(get("/ok")).await.unwrap());
}

// G3
#[tokio::test(start_paused = true)]
async fn a_limit_inside_has_its_place_back_by_a_fresh_clone() {
    for asked_again in [false, true] {
        let stage = Stage::new();
        let mut first = ServiceBuilder::new()
            .layer(stage.layer().fresh_clone_on_rejection())
            .concurrency_limit(1)
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
async fn a_limit_inside_misses_the_place_of_an_instance_that_was_ready_and_then_rejected() {
    let stage = Stage::new();
    let mut first = ServiceBuilder::new()
        .layer(stage.layer())
        .concurrency_limit(1)
        .service(stage.dependency());
    let mut second = first.clone();

    assert!(is_ready(&mut first));
    open(&stage);
    assert_rejected(&first.call(get("/ok")).await.unwrap());
    stage.circuit.reset();
    assert!(!is_ready(&mut second), "the first still has the place");

    // Until the first is called again, or dropped.
    assert_eq!(status(&mut first, "/ok").await, StatusCode::OK);
    assert!(is_ready(&mut second));
}

// G3
#[tokio::test(start_paused = true)]
async fn a_global_limit_inside_misses_that_place_for_everybody() {
    let (stage, other) = (Stage::new(), Stage::new());
    let limit = GlobalConcurrencyLimitLayer::new(1);
    let behind = |layer: CircuitBreakerLayer, dependency| {
        let stack = ServiceBuilder::new().layer(layer).layer(limit.clone());
        stack.service(dependency)
    };
    let mut first = behind(stage.layer(), stage.dependency());
    let mut second = behind(other.layer(), other.dependency());

    assert!(is_ready(&mut first));
    open(&stage);
    assert_rejected(&first.call(get("/ok")).await.unwrap());
    assert!(!is_ready(&mut second), "another circuit, which is closed");

    drop(first);
    assert_eq!(status(&mut second, "/ok").await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_global_limit_outside_has_that_place_back_for_everybody() {
    let (stage, other) = (Stage::new(), Stage::new());
    let limit = GlobalConcurrencyLimitLayer::new(1);
    let behind = |layer: CircuitBreakerLayer, dependency| {
        let stack = ServiceBuilder::new().layer(limit.clone()).layer(layer);
        stack.service(dependency)
    };
    let mut first = behind(stage.layer(), stage.dependency());
    let mut second = behind(other.layer(), other.dependency());

    assert!(is_ready(&mut first));
    open(&stage);
    assert_rejected(&first.call(get("/ok")).await.unwrap());

    assert!(is_ready(&mut second));
}

// ---- either --------------------------------------------------------------------------------------

// A3
#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_is_not_slow_inside_or_outside() {
    let stage = Stage::with(|b| b.slow_call_duration(SLOW));
    let outside = ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(stage.layer())
        .service(stage.dependency());
    let inside = ServiceBuilder::new()
        .layer(stage.layer())
        .concurrency_limit(1)
        .service(stage.dependency());
    let began = tokio::time::Instant::now();

    let (mut first, mut second) = (outside.clone(), outside);
    let both = join(ask(&mut first, "/slow/ok"), ask(&mut second, "/slow/ok"));
    both.await.1.unwrap();
    let (mut first, mut second) = (inside.clone(), inside);
    let both = join(ask(&mut first, "/slow/ok"), ask(&mut second, "/slow/ok"));
    both.await.1.unwrap();

    assert_eq!(began.elapsed(), 4 * TAKES, "one after the other");
    assert_eq!(stage.calls(), "4 successful");
}
