//! A fallback outside of the breaker leaves it its failures, inside hides them (rule M1). Around retries it answers
//! when the last attempt has failed; inside of them there is nothing left to repeat.

use http::{Response, StatusCode, header::ACCEPT_ENCODING};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, retry::RetryLayer};
use tower_breaker::{
    CircuitBreakerLayer, State,
    degrade::{
        Because,
        fallback::{BoxedErrors, FallbackLayer, Http, Nothing, OnFailure, Respond, response},
    },
};
use tower_http::compression::CompressionLayer;

use super::{Answer, BoxError, Stage, get, retry::Retries, status, with_status};

type Answering = Respond<fn(&Because<BoxError>) -> Answer>;

/// 203 in place of a failure.
pub(super) fn fallback(
    stage: &Stage,
) -> FallbackLayer<Answering, OnFailure, Nothing, BoxedErrors<Http>> {
    let stand_in: fn(&Because<BoxError>) -> Answer = |_| {
        with_status(
            StatusCode::NON_AUTHORITATIVE_INFORMATION,
            "word ".repeat(200),
        )
    };
    FallbackLayer::on_failure(&stage.circuit, response(stand_in)).boxed_errors()
}

fn breaker(stage: &Stage) -> CircuitBreakerLayer {
    stage.layer()
}

#[tokio::test(start_paused = true)]
async fn a_fallback_outside_leaves_the_circuit_its_failures() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(fallback(&stage))
        .layer(breaker(&stage))
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/error").await, 203);
    assert_eq!(stage.state(), State::Open);
    assert_eq!(status(&mut service, "/ok").await, 203);
    assert_eq!(stage.calls(), "1 failed, 1 rejected");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_inside_hides_failures() {
    let stage = Stage::new();
    let mut service = ServiceBuilder::new()
        .layer(breaker(&stage))
        .layer(fallback(&stage))
        .service(stage.dependency());

    for path in ["/error", "/fail"] {
        assert_eq!(status(&mut service, path).await, 203);
    }
    assert_eq!((stage.state(), stage.asked()), (State::Closed, 2));
    assert_eq!(stage.calls(), "2 successful");
    assert_eq!(stage.circuit.snapshot().parts.unwrap().hidden_failures, 2);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_outside_of_retries_answers_after_the_last() {
    let stage = Stage::with(|builder| builder.consecutive_failures(9));
    let mut service = ServiceBuilder::new()
        .layer(fallback(&stage))
        .layer(RetryLayer::new(Retries::unlimited()))
        .layer(breaker(&stage))
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/fail").await, 203);
    assert_eq!(stage.calls(), "3 failed");
    assert_eq!(
        stage.circuit.snapshot().parts.unwrap().fallbacks[0].answered,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_fallback_inside_of_retries_leaves_nothing_to_repeat() {
    let stage = Stage::with(|builder| builder.consecutive_failures(9));
    let mut service = ServiceBuilder::new()
        .layer(RetryLayer::new(Retries::unlimited()))
        .layer(fallback(&stage))
        .layer(breaker(&stage))
        .service(stage.dependency());

    assert_eq!(status(&mut service, "/fail").await, 203);
    assert_eq!(stage.calls(), "1 failed");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_inside_of_compression_is_compressed_as_any() {
    let stage = Stage::new();
    let service = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(fallback(&stage))
        .layer(breaker(&stage))
        .service(stage.dependency());

    let mut request = get("/fail");
    let accepted = request
        .headers_mut()
        .insert(ACCEPT_ENCODING, "gzip".parse().unwrap());
    assert_eq!(accepted, None);
    let answer: Response<_> = service.oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["vary"], "accept-encoding");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(&[0x1f, 0x8b]), "gzip");
}
