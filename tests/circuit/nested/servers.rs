//! axum, over real sockets: one layer on a route and on its router.

use crate::sockets::{BOTH, Browser, Dependency, Server};
use axum::{
    Router,
    body::Body,
    extract::State as Shared,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tower_breaker::CircuitBreakerLayer;

use super::*;

async fn ask(Shared(dependency): Shared<Dependency>) -> StatusCode {
    dependency.call().await
}

/// A body without a length, in pieces.
async fn stream(Shared(dependency): Shared<Dependency>) -> Response {
    let status = dependency.call().await;
    let pieces = [Ok::<_, io::Error>("one "), Ok("two "), Ok("three")];
    (status, Body::from_stream(tokio_stream::iter(pieces))).into_response()
}

type Apply = fn(Router, &Fixture) -> Router;

fn plain(router: Router, fixture: &Fixture) -> Router {
    router.layer(CircuitBreakerLayer::new(fixture.circuit.clone()))
}

fn on_routes(router: Router, fixture: &Fixture) -> Router {
    router.route_layer(CircuitBreakerLayer::new(fixture.circuit.clone()))
}

fn on_the_fallback(router: Router, fixture: &Fixture) -> Router {
    // Layers on routes want one.
    let router = Router::new()
        .route("/unused", get(""))
        .fallback_service(router);
    plain(router, fixture)
}

#[cfg(feature = "body")]
fn observed(router: Router, fixture: &Fixture) -> Router {
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).observe_bodies();
    let observed = tower::ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(Body::new))
        .layer(layer)
        .map_response(IntoResponse::into_response);
    router.layer(observed)
}

const HOW: &[Apply] = &[
    plain,
    on_routes,
    on_the_fallback,
    #[cfg(feature = "body")]
    observed,
];

fn routes(dependency: &Dependency) -> Router {
    Router::new()
        .route("/", get(ask))
        .route("/stream", get(stream))
        .with_state(dependency.clone())
}

/// Each way to put it inside, with each to put it outside, over each protocol.
async fn everywhere(play: impl AsyncFn(&Fixture, &Dependency, &Browser)) {
    for version in BOTH {
        for inside in HOW {
            for outside in HOW {
                let fixture = Fixture::new(|c| c.consecutive_failures(3).open_for(secs(5)));
                let dependency = Dependency::new();
                let router = inside(routes(&dependency), &fixture);
                let server = Server::axum(outside(router, &fixture)).await;
                play(&fixture, &dependency, &Browser::new(version, &server)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_layer_on_a_route_and_on_its_router_is_one_circuit_that_counts_once() {
    everywhere(async |fixture, dependency, browser| {
        for (number, path) in (1..).zip(["/", "/stream", "/", "/stream"]) {
            assert_eq!(browser.status(path).await, 200);
            assert_eq!(ends(fixture), [number, 0, 0, 0, 0]);
        }
        dependency.fail();
        for failures in 1..3 {
            assert_eq!(browser.status("/").await, 500);
            assert_eq!(fixture.look().consecutive_failures, failures);
        }
        assert_eq!(browser.status("/").await, 500);
        fixture.is(State::Open);
        assert_eq!(browser.status("/").await, 503);
        assert_eq!(ends(fixture), [4, 3, 0, 0, 1]);
        assert_eq!(dependency.entered(), 7);
    })
    .await;
}

#[tokio::test]
async fn a_layer_on_a_route_and_on_its_router_closes_again() {
    everywhere(async |fixture, dependency, browser| {
        for path in ["/", "/stream"] {
            fixture.circuit.trip(secs(5)).expect("normal mode");
            fixture.told();
            fixture.wait_out();
            assert_eq!(browser.status(path).await, 200);
            fixture.tells(&CLOSES);

            fixture.circuit.trip(secs(5)).expect("normal mode");
            fixture.told();
            fixture.wait_out();
            dependency.fail();
            assert_eq!(browser.status(path).await, 500);
            fixture.tells(&REOPENS);
            dependency.heal();
        }
        assert_eq!(ends(fixture), [2, 2, 0, 0, 0]);
        assert_eq!(dependency.entered(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_layer_on_a_nested_router_and_around_it() {
    for version in BOTH {
        for (inside, outside) in HOW
            .iter()
            .flat_map(|it| HOW.iter().map(move |other| (it, other)))
        {
            let fixture = fragile_after_break(|c| c);
            let dependency = Dependency::new();
            let router = Router::new().nest("/nested", inside(routes(&dependency), &fixture));
            let server = Server::axum(outside(router, &fixture)).await;
            let browser = Browser::new(version, &server);
            assert_eq!(browser.status("/nested/stream").await, 200);
            fixture.tells(&CLOSES);
            assert_eq!(browser.status("/nested").await, 200);
            assert_eq!(ends(&fixture), [2, 1, 0, 0, 0]);
        }
    }
}

// A handler that puts what it asks under the circuit of its route.
#[tokio::test]
async fn a_handler_that_calls_through_the_circuit_of_its_route() {
    for version in BOTH {
        for apply in HOW {
            let fixture = fragile_after_break(|c| c);
            let circuit = fixture.circuit.clone();
            let handler = async move || {
                let answer = circuit.call(async {
                    once_more().await;
                    Ok::<_, io::Error>("fine")
                });
                answer.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
            };
            let router = apply(Router::new().route("/", get(handler)), &fixture);
            let server = Server::axum(router).await;
            assert_eq!(Browser::new(version, &server).status("/").await, 200);
            fixture.tells(&CLOSES);
            assert_eq!(ends(&fixture), [1, 1, 0, 0, 0]);
        }
    }
}

// H5: what an observed body asks of its circuit, before the outcome is known.
#[cfg(feature = "body")]
#[tokio::test]
async fn a_body_that_calls_through_the_circuit_that_observes_it() {
    for version in BOTH {
        let fixture = fragile_after_break(|c| c);
        let circuit = fixture.circuit.clone();
        let handler = async move || {
            let first = async move {
                once_more().await;
                let guard = circuit.try_acquire().map_err(io::Error::other)?;
                guard.failure();
                Ok::<_, io::Error>("piece")
            };
            Body::from_stream(futures_util::stream::once(first))
        };
        let router = observed(Router::new().route("/", get(handler)), &fixture);
        let server = Server::axum(router).await;
        let answer = Browser::new(version, &server).get("/").await;
        assert_eq!(answer.body, "piece");
        fixture.tells(&CLOSES);
        assert_eq!(ends(&fixture), [1, 1, 0, 0, 0]);
        is_put_back(&fixture);
    }
}

// Two requests at once on one thread are two calls.
#[tokio::test]
async fn requests_at_once_are_calls_of_their_own() {
    everywhere(async |fixture, dependency, browser| {
        fixture.circuit.trip(secs(5)).expect("normal mode");
        fixture.wait_out();
        dependency.hold();
        let probe = tokio::spawn({
            let browser = browser.clone();
            async move { browser.status("/").await }
        });
        crate::sockets::until(|| dependency.entered() == 1).await;
        assert_eq!(browser.status("/").await, 503);
        assert_eq!(browser.status("/stream").await, 503);
        dependency.let_go();
        assert_eq!(probe.await.expect("no panic"), 200);
        assert_eq!(ends(fixture), [1, 0, 0, 0, 2]);
    })
    .await;
}

// What cannot be seen: the way back goes over the network.
#[tokio::test]
async fn an_application_that_asks_itself_makes_two_calls() {
    let fixture = sturdy();
    let browser = std::sync::Arc::new(std::sync::OnceLock::<Browser>::new());
    let own = browser.clone();
    let itself = async move || own.get().expect("set").get("/plain").await.body;
    let router = Router::new()
        .route("/itself", get(itself))
        .route("/plain", get(async || "plain"));
    let server = Server::axum(plain(router, &fixture)).await;
    let client = browser.get_or_init(|| Browser::new(BOTH[0], &server));
    assert_eq!(client.status("/itself").await, 200);
    assert_eq!(ends(&fixture), [2, 0, 0, 0, 0]);
}
