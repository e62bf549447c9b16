//! The order that the guide recommends, all of it: each layer does its part, and none undoes another's.

use std::time::Duration;

use http::{Response, StatusCode};
use tokio::time::Instant;
use tower::{
    Service, ServiceBuilder, ServiceExt, load_shed::error::Overloaded, timeout::error::Elapsed,
};
use tower_breaker::State;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, trace::TraceLayer};

use super::{Ask, BREAK, BoxError, Stage, ask, assert_rejected, get, retry::Retries, status};

const PATIENCE: Duration = Duration::from_secs(1);

/// Four failures open the circuit: more than one call can make, with its two retries.
fn stage() -> Stage {
    Stage::with(|b| b.consecutive_failures(4))
}

fn onion(
    stage: &Stage,
) -> impl Service<Ask, Response = Response<()>, Error = BoxError> + Clone + use<> {
    ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CatchPanicLayer::new())
        .layer(CompressionLayer::new())
        .load_shed()
        .concurrency_limit(1)
        .retry(Retries::unlimited())
        .layer(stage.layer())
        .timeout(PATIENCE)
        .service(stage.dependency())
        .map_response(|response: Response<_>| response.map(drop))
}

#[tokio::test(start_paused = true)]
async fn in_the_recommended_order_a_failure_is_retried() {
    let stage = stage();
    let mut service = onion(&stage);

    assert_eq!(status(&mut service, "/third").await, StatusCode::OK);

    assert_eq!(stage.calls(), "1 successful, 2 failed");
}

#[tokio::test(start_paused = true)]
async fn in_the_recommended_order_each_attempt_is_timed() {
    let stage = stage();
    let began = Instant::now();

    let error = ask(&mut onion(&stage), "/hang").await.unwrap_err();

    assert!(error.is::<Elapsed>());
    assert_eq!(began.elapsed(), 3 * PATIENCE);
    assert_eq!(stage.calls(), "3 failed");
}

#[tokio::test(start_paused = true)]
async fn in_the_recommended_order_a_rejection_comes_out_as_it_was_made() {
    let stage = stage();
    stage.circuit.trip(BREAK).expect("in normal mode");

    assert_rejected(&ask(&mut onion(&stage), "/page").await.unwrap());

    assert_eq!((stage.asked(), stage.calls().as_str()), (0, "1 rejected"));
}

#[tokio::test(start_paused = true)]
async fn in_the_recommended_order_an_overload_of_ours_is_not_a_failure_of_theirs() {
    let stage = stage();
    let mut first = onion(&stage);
    let mut second = first.clone();
    let _in_flight = first.ready().await.unwrap().call(get("/hang"));

    for _ in 0..10 {
        assert!(
            ask(&mut second, "/ok")
                .await
                .unwrap_err()
                .is::<Overloaded>()
        );
    }

    assert_eq!((stage.state(), stage.calls().as_str()), (State::Closed, ""));
}

#[tokio::test(start_paused = true)]
async fn in_the_recommended_order_a_panic_is_a_failure_and_costs_no_place() {
    let stage = stage();
    let mut service = onion(&stage);

    for _ in 0..4 {
        assert_eq!(
            status(&mut service, "/panic").await,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }
    assert_eq!(
        (stage.state(), stage.calls().as_str()),
        (State::Open, "4 failed")
    );

    tokio::time::advance(BREAK).await;
    assert_eq!(status(&mut service, "/ok").await, StatusCode::OK);
    assert_eq!(stage.state(), State::Closed);
}
