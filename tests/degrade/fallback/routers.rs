//! Under axum's `Router::layer`, over real sockets.

use super::{FallbackCause, FallbackKind, circuit, fallbacks};
use crate::sockets::{Connection, Server, Version};
use axum::{Router, body::Body, http::StatusCode, routing::get};
use http::{Request, Response};
use std::convert::Infallible;
use tower::{ServiceBuilder, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, Reason,
    degrade::{
        Because,
        fallback::{FallbackLayer, fail_with, from_fn, response, service},
    },
};

// M1: answers that cannot fail leave a router's error what it is, which is none.
#[tokio::test]
async fn a_router_answers_something_else() {
    let circuit = circuit();
    let layers = ServiceBuilder::new()
        .layer(FallbackLayer::on_failure(
            &circuit,
            response(|because: &Because<Infallible>| {
                Response::new(Body::from(format!("instead: {}", because.cause().label())))
            }),
        ))
        .layer(CircuitBreakerLayer::new(circuit.clone()));
    let app = Router::new()
        .route("/fail", get(async || StatusCode::BAD_GATEWAY))
        .route("/live", get(async || "live"))
        .layer(layers);
    let server = Server::axum(app).await;
    let mut connection = Connection::open(Version::Http1, &server).await;
    let live = connection.get("/live").await;
    assert_eq!((live.status, &*live.body), (200, "live".as_bytes()));
    let failed = connection.get("/fail").await;
    assert_eq!(
        (failed.status, &*failed.body),
        (200, "instead: failed".as_bytes())
    );
    let rejected = connection.get("/live").await;
    assert_eq!(
        (rejected.status, &*rejected.body),
        (200, "instead: open".as_bytes())
    );
    assert_eq!(
        fallbacks(&circuit),
        [
            (
                FallbackKind::Value,
                FallbackCause::Rejected(Reason::Open),
                1,
                0
            ),
            (FallbackKind::Value, FallbackCause::Failed, 1, 0),
        ]
    );
}

// M1: so do closures, failures of one's own, and services that cannot fail.
#[tokio::test]
async fn every_answer_that_cannot_fail_goes_around_a_router() {
    let circuit = circuit();
    circuit.force_open();
    let breaker = || CircuitBreakerLayer::new(circuit.clone());
    let routes = || {
        Router::new()
            .route("/live", get(async || "live"))
            .layer(breaker())
    };
    let closure = from_fn(|head: Request<()>, _: &Because<Infallible>| async move {
        Response::new(Body::from(format!("nothing at {}", head.uri())))
    });
    let sorry = fail_with(|_: &Because<Infallible>| {
        let sorry = Response::builder().status(503);
        sorry.body(Body::from("price on request")).unwrap()
    });
    let page = service_fn(async |uri: http::Uri| {
        Ok::<_, Infallible>(Response::new(Body::from(format!("a page for {uri}"))))
    });
    let app = Router::new()
        .nest(
            "/closure",
            routes().layer(FallbackLayer::on_rejection(&circuit, closure).keeping_head()),
        )
        .nest(
            "/fail",
            routes().layer(FallbackLayer::on_rejection(&circuit, sorry)),
        )
        .nest(
            "/page",
            routes().layer(
                FallbackLayer::on_rejection(&circuit, service(page))
                    .keeping(|request: &Request<Body>| request.uri().clone()),
            ),
        );
    let server = Server::axum(app).await;
    let mut connection = Connection::open(Version::Http2, &server).await;
    for (path, status, body) in [
        ("/closure/live", 200, "nothing at /live"),
        ("/fail/live", 503, "price on request"),
        ("/page/live", 200, "a page for /live"),
    ] {
        let answer = connection.get(path).await;
        assert_eq!((answer.status, &*answer.body), (status, body.as_bytes()));
    }
}
