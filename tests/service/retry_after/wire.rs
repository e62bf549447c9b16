//! Over real sockets, from a server that sends what no library would.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;
use tower::ServiceBuilder;
use tower_breaker::{
    CircuitBreaker, CircuitBreakerLayer, Outcome, State, classify::HttpClassifier,
    reject::RejectAsError,
};

use super::between;
use crate::{
    misbehaving::{Misbehaving, Turn},
    support::{Fixture, fragile, secs},
};

type Guarded = CircuitBreaker<Client<HttpConnector, Empty<Bytes>>, HttpClassifier, RejectAsError>;

fn guard(circuit: &Fixture, classifier: HttpClassifier) -> Guarded {
    let layer = CircuitBreakerLayer::new(circuit.circuit.clone());
    ServiceBuilder::new()
        .layer(layer.classifier(classifier).reject_as_error())
        .service(Client::builder(TokioExecutor::new()).build_http())
}

fn honouring() -> HttpClassifier {
    HttpClassifier::new().retry_after(between(secs(1), secs(600)))
}

/// One call, to the end of its body.
async fn ask(client: &Guarded, uri: Uri) -> StatusCode {
    let request = Request::get(uri).body(Empty::new()).expect("a request");
    let answer = async {
        let answered = client.clone().oneshot(request).await;
        let response: Response<Incoming> = answered.expect("a response");
        let status = response.status();
        response.into_body().collect().await.expect("a body");
        status
    };
    let answered = timeout(secs(60), answer).await;
    answered.expect("something hangs")
}

/// The break of a circuit that opens for 5 seconds at the first failure, if that has these headers.
async fn break_after(lines: Vec<Vec<u8>>) -> Duration {
    let circuit = fragile(|c| c);
    let server = Misbehaving::start(vec![Turn::unavailable(&lines)]);
    let status = ask(&guard(&circuit, honouring()), server.uri()).await;
    assert_eq!(status, 503);
    circuit.is(State::Open);
    circuit.remaining()
}

/// The same, with this in one `Retry-After`.
async fn break_of(value: impl AsRef<[u8]>) -> Duration {
    break_after(vec![[b"Retry-After:", value.as_ref()].concat()]).await
}

// A7
#[tokio::test]
async fn what_a_server_asks_for_is_honoured() {
    for (value, seconds) in [
        ("7", 7),
        (" 7", 7),
        ("   7  ", 7),
        ("\t7\t", 7),
        ("007", 7),
        ("3600", 600),
        ("2", 5),
    ] {
        assert_eq!(break_of(value).await, secs(seconds), "{value:?}");
    }
}

// A7: no panic, and the break is what it would have been.
#[tokio::test]
async fn what_no_server_should_ask_for_is_not_honoured() {
    let enormous = "9".repeat(8_000);
    for value in [
        "",
        "0",
        "-7",
        "+7",
        "7.5",
        "7, 8",
        "7 8",
        "soon",
        "86401",
        "18446744073709551623",
        &enormous,
    ] {
        assert_eq!(break_of(value).await, secs(5), "{value:?}");
    }
    for value in [&b"\xff\xfe"[..], b"7\xff", "７".as_bytes()] {
        assert_eq!(break_of(value).await, secs(5), "{value:?}");
    }
}

// A7
#[tokio::test]
async fn a_header_that_comes_twice_is_not_honoured() {
    for values in [["7", "7"], ["7", "700"], ["", "7"]] {
        let lines = values.map(|value| format!("retry-after: {value}").into_bytes());
        assert_eq!(break_after(lines.into()).await, secs(5), "{values:?}");
    }
}

// A7: by the server's own clock.
#[tokio::test]
async fn a_date_is_compared_with_that_of_the_response() {
    for (retry_after, seconds) in [
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
        ("Sun Nov  6 08:50:37 1994", 60),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 5),
    ] {
        let date = b"Date: Sun, 06 Nov 1994 08:49:37 GMT".to_vec();
        let line = format!("Retry-After: {retry_after}").into_bytes();
        let lines = vec![date, line];
        assert_eq!(break_after(lines).await, secs(seconds), "{retry_after}");
    }
}

// A7
#[tokio::test]
async fn a_server_that_says_go_away_is_left_alone_for_as_long() {
    let circuit = Fixture::new(|c| c.consecutive_failures(100));
    let too_many = [StatusCode::TOO_MANY_REQUESTS];
    let classifier = honouring().classify_as(Outcome::TripNow, too_many);
    let client = guard(&circuit, classifier);
    let go_away = Turn::respond(429, &["retry-after: 20"], "slow down");
    let server = Misbehaving::start(vec![go_away, Turn::ok()]);

    assert_eq!(ask(&client, server.uri()).await, 429);
    assert_eq!(circuit.remaining(), secs(20));
    circuit.wait(secs(20) - Duration::from_nanos(1));
    assert_eq!(circuit.reject().retry_after_secs(), Some(1));
    circuit.wait(Duration::from_nanos(1));
    assert_eq!(ask(&client, server.uri()).await, 200);
    circuit.is(State::Closed);
    assert_eq!(server.seen().requests, 2);
}

// A7, H1: over the wire a rejection has lost its mark, and is a failure that says when to come back.
#[tokio::test]
async fn a_breaker_at_the_client_honours_that_of_the_server() {
    let behind = Fixture::new(|c| c);
    behind.circuit.trip(secs(90)).expect("in normal mode");
    let app = axum::Router::new()
        .route("/", axum::routing::get(|| async { "fine" }))
        .layer(CircuitBreakerLayer::new(behind.circuit.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async { axum::serve(listener, app).await });

    let circuit = fragile(|c| c);
    let uri: Uri = format!("http://{address}/").parse().expect("a URI");
    let status = ask(&guard(&circuit, honouring()), uri).await;
    assert_eq!(status, 503);
    assert_eq!(circuit.remaining(), secs(90));
    server.abort();
}
