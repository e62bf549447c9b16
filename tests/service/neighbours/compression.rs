//! Compression leaves a rejection as it is. But it answers 406 where the client can take none of its
//! encodings, whatever the dependency said; so it belongs outside.

use bytes::Bytes;
use http::{Response, StatusCode, header::ACCEPT_ENCODING};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_breaker::{CircuitBreaker, State, classify::is_rejection};
use tower_http::compression::CompressionLayer;

use super::{Ask, BREAK, BoxError, Dependency, Stage, assert_rejected, get};

type Compressed = Response<tower_http::compression::CompressionBody<axum::body::Body>>;

async fn accepting<S>(service: &mut S, encoding: &'static str, path: &'static str) -> Compressed
where
    S: Service<Ask, Response = Compressed, Error = BoxError>,
{
    let mut request = get(path);
    let headers = request.headers_mut();
    headers.insert(ACCEPT_ENCODING, encoding.parse().unwrap());
    service.ready().await.unwrap().call(request).await.unwrap()
}

async fn body_of(response: Compressed) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Compresses around the breaker.
fn outside(stage: &Stage) -> impl Service<Ask, Response = Compressed, Error = BoxError> {
    let breaker: CircuitBreaker<Dependency> = stage.layer().layer(stage.dependency());
    CompressionLayer::new().layer(breaker)
}

fn inside(stage: &Stage) -> impl Service<Ask, Response = Compressed, Error = BoxError> {
    ServiceBuilder::new()
        .layer(stage.layer())
        .layer(CompressionLayer::new())
        .service(stage.dependency())
}

/// It compresses a page, and leaves a rejection alone.
async fn compresses_all_but_rejections(
    stage: &Stage,
    mut service: impl Service<Ask, Response = Compressed, Error = BoxError>,
) {
    let page = accepting(&mut service, "gzip", "/page").await;
    assert_eq!(page.headers()["content-encoding"], "gzip");

    stage.circuit.trip(BREAK).expect("in normal mode");
    let rejection = accepting(&mut service, "gzip", "/page").await;
    assert_rejected(&rejection);
    assert_eq!(rejection.headers().len(), 1, "{:?}", rejection.headers());
    assert!(body_of(rejection).await.is_empty());
}

// H1, H3
#[tokio::test(start_paused = true)]
async fn compression_outside_leaves_a_rejection_as_it_is() {
    let stage = Stage::new();
    let service = outside(&stage);
    compresses_all_but_rejections(&stage, service).await;
}

// H1, H3
#[tokio::test(start_paused = true)]
async fn compression_inside_leaves_a_rejection_as_it_is() {
    let stage = Stage::new();
    let service = inside(&stage);
    compresses_all_but_rejections(&stage, service).await;
}

/// What no answer can satisfy.
const NOTHING: &str = "identity;q=0, *;q=0";

// A1
#[tokio::test(start_paused = true)]
async fn compression_inside_can_hide_a_failure_behind_a_406() {
    let stage = Stage::new();

    let answer = accepting(&mut inside(&stage), NOTHING, "/fail").await;

    assert_eq!(answer.status(), StatusCode::NOT_ACCEPTABLE);
    assert_eq!(
        (stage.state(), stage.calls().as_str()),
        (State::Closed, "1 ignored")
    );
}

// A1, H3
#[tokio::test(start_paused = true)]
async fn compression_outside_hides_it_from_the_client_only() {
    let stage = Stage::new();
    let mut service = outside(&stage);

    let failure = accepting(&mut service, NOTHING, "/fail").await;
    assert_eq!(failure.status(), StatusCode::NOT_ACCEPTABLE);
    assert_eq!(
        (stage.state(), stage.calls().as_str()),
        (State::Open, "1 failed")
    );

    let rejection = accepting(&mut service, NOTHING, "/ok").await;
    assert_eq!(rejection.status(), StatusCode::NOT_ACCEPTABLE);
    assert_eq!(rejection.headers()["retry-after"], "5");
    assert!(is_rejection(&rejection));
}
