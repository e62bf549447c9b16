//! With bodies observed, under axum: a client that vanishes in the middle of a response is no longer
//! too late to be noticed, and still nobody's fault (rule H5).

use crate::visitors::Visitor;
use axum::{
    body::{Body, Bytes},
    extract::Path,
};
use futures_util::{StreamExt, stream};

use super::*;

/// A body with a beginning, and then more of it as told: an end, an error, or nothing at all.
async fn begins(Path(then): Path<String>) -> Body {
    let beginning = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"a beginning"))]);
    match then.as_str() {
        "ends" => Body::from_stream(beginning),
        "errs" => Body::from_stream(beginning.chain(stream::iter([Err(broken())]))),
        _ => Body::from_stream(beginning.chain(stream::pending())),
    }
}

fn broken() -> std::io::Error {
    std::io::Error::other("broken")
}

/// Nothing stands between this layer and a router either.
async fn observed(circuit: &Fixture) -> Server {
    let router = Router::new()
        .route("/{then}", get(begins))
        .layer(layer(circuit).observe_bodies());
    Server::axum(router).await
}

// H5
#[tokio::test]
async fn a_body_that_ends_is_a_success() {
    for version in BOTH {
        let circuit = three_failures();
        let server = observed(&circuit).await;
        let answer = Browser::new(version, &server).get("/ends").await;
        assert_eq!((answer.status, &*answer.body), (200, &b"a beginning"[..]));
        until(|| circuit.totals().successful == 1).await;
    }
}

// H5: though the head said 200.
#[tokio::test]
async fn a_body_that_breaks_is_a_failure() {
    for version in BOTH {
        let circuit = three_failures();
        let server = observed(&circuit).await;
        for failed in 1..=3 {
            let mut visitor = Visitor::come(version, &server).await;
            let asked = visitor.ask("/errs");
            until(|| circuit.totals().failed == failed).await;
            drop(asked);
        }
        assert_eq!(Browser::new(version, &server).status("/ends").await, 503);
    }
}

// H5: the client has had the beginning.
#[tokio::test]
async fn in_the_middle_of_the_response_a_call_has_succeeded() {
    for version in BOTH {
        let circuit = three_failures();
        let server = observed(&circuit).await;
        let mut visitor = Visitor::come(version, &server).await;
        let (status, _body) = visitor.taste("/hangs").await;
        assert_eq!(status, 200);
        let totals = circuit.totals();
        assert_eq!((totals.successful, totals.abandoned), (0, 0));

        visitor.vanish();
        until(|| circuit.totals().ended() == 1).await;
        assert_eq!(circuit.totals().successful, 1);
    }
}

// H5: what has arrived is proof enough, so that a long stream does not hold up recovery.
#[tokio::test]
async fn in_the_middle_of_the_response_a_probe_has_succeeded() {
    for version in BOTH {
        let circuit = three_failures();
        let server = observed(&circuit).await;
        circuit.play("f f f");
        circuit.wait_out();
        let mut visitor = Visitor::come(version, &server).await;
        let (_, _body) = visitor.taste("/hangs").await;
        circuit.is(CircuitState::Closed);

        visitor.vanish();
        assert_eq!(Browser::new(version, &server).status("/ends").await, 200);
        circuit.is(CircuitState::Closed);
    }
}
