//! Bodies that are observed: a call has ended well when its body has.

use std::sync::Arc;

use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::{Method, Request, Response};
use serde_json::Value;
use tokio::{sync::Semaphore, time};
use tower::Layer;
use tower_breaker::{
    Outcome, State,
    body::{BodyEnd, ObserveBodies},
};

use super::{
    Observed, ask, built, client, ended, failed, guard, layer, observe, patiently, send, serve,
    settings, status,
};
use crate::{
    misbehaving::{Misbehaving, Port, Turn},
    support::{Fixture, NANO, fragile, fragile_after_break, secs},
};

/// A response that has just come, through a fragile circuit that observes bodies.
async fn begun(server: &Misbehaving) -> (Fixture, Response) {
    let circuit = fragile(|c| c);
    let response = ask(&observe(&circuit, client()), server.uri()).await;
    (circuit, response.expect("a head"))
}

async fn begun_with(turn: Turn) -> (Fixture, Response, Misbehaving) {
    let server = Misbehaving::start(vec![turn]);
    let (circuit, response) = begun(&server).await;
    (circuit, response, server)
}

/// Chunked, in two chunks.
fn two_chunks() -> Turn {
    let head = Turn::on_request().head(200, &["transfer-encoding: chunked"]);
    head.send("4\r\n[1, \r\n")
        .hold()
        .send("2\r\n2]\r\n0\r\n\r\n")
}

// ---- successes ---------------------------------------------------------------------------------

// H5: with whatever the body is read.
#[tokio::test]
async fn a_body_that_is_read_to_its_end_is_a_success() {
    let (circuit, response, server) = begun_with(two_chunks()).await;
    ended(&circuit, |_| {});
    server.let_go();
    let bytes = patiently(response.bytes()).await;
    assert_eq!(bytes.expect("a body"), "[1, 2]");
    ended(&circuit, |t| t.successful = 1);

    let (circuit, response, server) = begun_with(two_chunks()).await;
    server.let_go();
    let text = patiently(response.text()).await;
    assert_eq!(text.expect("a body"), "[1, 2]");
    ended(&circuit, |t| t.successful = 1);

    let (circuit, response, server) = begun_with(two_chunks()).await;
    server.let_go();
    let numbers: Result<[u8; 2], _> = patiently(response.json()).await;
    assert_eq!(numbers.expect("JSON"), [1, 2]);
    ended(&circuit, |t| t.successful = 1);
}

// H5
#[tokio::test]
async fn chunk_by_chunk_it_is_one_at_the_end() {
    let (circuit, mut response, server) = begun_with(two_chunks()).await;
    let chunk = patiently(response.chunk()).await.expect("a chunk");
    assert_eq!(chunk.expect("not the end"), "[1, ");
    ended(&circuit, |_| {});
    server.let_go();
    let chunk = patiently(response.chunk()).await.expect("a chunk");
    assert_eq!(chunk.expect("not the end"), "2]");
    assert_eq!(patiently(response.chunk()).await.expect("the end"), None);
    ended(&circuit, |t| t.successful = 1);
}

// H5: all that was announced is there, and nobody needs to ask for more.
#[tokio::test]
async fn the_announced_length_is_enough() {
    let (circuit, mut response, _server) = begun_with(Turn::ok()).await;
    ended(&circuit, |_| {});
    let chunk = patiently(response.chunk()).await.expect("a chunk");
    assert_eq!(chunk.expect("not the end"), "ok");
    ended(&circuit, |t| t.successful = 1);
    drop(response);
    ended(&circuit, |t| t.successful = 1);
}

// H5
#[tokio::test]
async fn where_there_is_no_body_the_head_is_all() {
    let nothing = Turn::respond::<&str>(200, &[], "");
    let no_content = Turn::on_request().head::<&str>(204, &[]);
    let unmodified = Turn::on_request().head(304, &["content-length: 7"]);
    for turn in [nothing, no_content, unmodified] {
        let (circuit, _response, _server) = begun_with(turn).await;
        ended(&circuit, |t| t.successful = 1);
    }
}

// H5: the length is that of a body which does not come.
#[tokio::test]
async fn the_answer_to_a_head_request_is_complete() {
    let circuit = fragile(|c| c);
    let head = Turn::on_request().head(200, &["content-length: 7"]);
    let server = Misbehaving::start(vec![head]);
    let request = Request::new(Method::HEAD, super::url(server.uri()));
    let response = send(&observe(&circuit, client()), request).await;
    ended(&circuit, |t| t.successful = 1);
    let bytes = patiently(response.expect("a head").bytes()).await;
    assert!(bytes.expect("no body").is_empty());
    ended(&circuit, |t| t.successful = 1);
}

// H5: what is in it is not the circuit's business.
#[tokio::test]
async fn a_body_that_is_no_json_is_a_success() {
    let (circuit, response, _server) = begun_with(Turn::ok()).await;
    let error = patiently(response.json::<Value>()).await;
    assert!(error.expect_err("no JSON").is_decode());
    ended(&circuit, |t| t.successful = 1);
}

// H5
#[tokio::test]
async fn a_response_with_no_error_for_its_status_is_still_observed() {
    let (circuit, response, _server) = begun_with(Turn::short_body()).await;
    let response = response.error_for_status().expect("a 200");
    ended(&circuit, |_| {});
    assert!(patiently(response.bytes()).await.is_err());
    failed(&circuit);
}

// ---- failures ----------------------------------------------------------------------------------

fn broken() -> Vec<(&'static str, Turn)> {
    vec![
        ("half of the announced body", Turn::short_body()),
        ("a reset in the body", Turn::reset_mid_body()),
        ("no last chunk", Turn::cut_chunked()),
        ("a malformed chunk", Turn::malformed_chunk()),
    ]
}

// H5
#[tokio::test]
async fn a_body_that_breaks_is_a_failure() {
    for (way, turn) in broken() {
        println!("{way}");
        let (circuit, response, server) = begun_with(turn).await;
        ended(&circuit, |_| {});
        server.let_go();
        let error = patiently(response.bytes()).await.expect_err(way);
        assert!(error.is_decode(), "{error:?}");
        failed(&circuit);
    }
}

// H5
#[tokio::test]
async fn a_body_read_chunk_by_chunk_that_breaks_is_a_failure_too() {
    for (way, turn) in broken() {
        println!("{way}");
        let (circuit, mut response, server) = begun_with(turn).await;
        let chunk = patiently(response.chunk()).await.expect("a chunk");
        assert_eq!(chunk.expect("not the end"), "half");
        ended(&circuit, |_| {});
        server.let_go();
        patiently(response.chunk()).await.expect_err(way);
        failed(&circuit);
        drop(response);
        ended(&circuit, |t| t.failed = 1);
    }
}

// A1: unless they are observed, the head is all that counts.
#[tokio::test]
async fn where_bodies_are_not_observed_the_head_has_succeeded() {
    for (way, turn) in broken() {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![turn]);
        let response = ask(&guard(&circuit, client()), server.uri()).await;
        ended(&circuit, |t| t.successful = 1);
        server.let_go();
        let bytes = patiently(response.expect("a head").bytes()).await;
        bytes.expect_err(way);
        ended(&circuit, |t| t.successful = 1);
    }
}

// H5: the client's timeouts go on after the head.
#[tokio::test]
async fn a_body_that_takes_too_long_is_a_failure() {
    let timeout = secs(5);
    for settings in [
        settings().timeout(timeout),
        settings().read_timeout(timeout),
    ] {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![Turn::hold_mid_body()]);
        let response = ask(&observe(&circuit, built(settings)), server.uri()).await;
        let response = response.expect("a head");
        server.until(|seen| seen.held == 1).await;
        // From here on, time passes by itself to the next timeout.
        time::pause();
        let error = response.bytes().await.expect_err("a timeout");
        assert!(error.is_timeout(), "{error:?}");
        failed(&circuit);
        time::resume();
    }
}

// H5: over HTTP/2 a stream is reset, over HTTP/1 the connection is closed.
#[tokio::test]
async fn a_handler_whose_body_breaks_has_failed() {
    let gate = Arc::new(Semaphore::new(0));
    let handler = get({
        let gate = gate.clone();
        move || breaking(gate)
    });
    let server = serve(axum::Router::new().route("/", handler)).await;
    for settings in [settings(), settings().http2_prior_knowledge()] {
        let circuit = fragile(|c| c);
        let response = ask(&observe(&circuit, built(settings)), &server).await;
        let mut response = response.expect("a head");
        let chunk = patiently(response.chunk()).await.expect("a chunk");
        assert_eq!(chunk.expect("not the end"), "half");
        ended(&circuit, |_| {});
        gate.add_permits(1);
        patiently(response.chunk())
            .await
            .expect_err("a broken body");
        failed(&circuit);
    }
}

/// Half of a body, and an error when it is let go.
async fn breaking(gate: Arc<Semaphore>) -> axum::body::Body {
    let half = stream::iter([Ok(Frame::data(Bytes::from("half")))]);
    let error = stream::once(async move {
        gate.acquire().await.expect("a gate").forget();
        Err(std::io::Error::other("the disk is full"))
    });
    axum::body::Body::new(StreamBody::new(half.chain(error)))
}

// H5: what decided was the head.
#[tokio::test]
async fn the_body_of_a_failure_fails_nothing_more() {
    let cut_short = |status| {
        Turn::on_request()
            .head(status, &["content-length: 8"])
            .send("half")
            .close()
    };
    for (status, fails) in [(500, true), (404, false)] {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![cut_short(status)]);
        let response = ask(&observe(&circuit, client()), server.uri()).await;
        let response = response.expect("a head");
        for _ in 0..2 {
            ended(&circuit, |t| match fails {
                true => t.failed = 1,
                false => t.ignored = 1,
            });
        }
        patiently(response.bytes()).await.expect_err("a cut body");
        ended(&circuit, |t| match fails {
            true => t.failed = 1,
            false => t.ignored = 1,
        });
    }
}

// A1: there is no body to wait for.
#[tokio::test]
async fn without_a_head_the_error_is_all() {
    let circuit = fragile(|c| c);
    let service = observe(&circuit, client());
    let misspelt = ask(&service, "ftp://localhost/").await;
    assert!(misspelt.expect_err("an error").is_builder());
    ended(&circuit, |t| t.ignored = 1);
    let refused = ask(&service, Port::reserve().uri()).await;
    assert!(refused.expect_err("an error").is_connect());
    ended(&circuit, |t| (t.ignored, t.failed) = (1, 1));
    circuit.is(State::Open);
}

// ---- neither -----------------------------------------------------------------------------------

// H5: however long it had taken.
#[tokio::test]
async fn a_body_that_is_left_after_a_chunk_is_a_success() {
    for turn in [Turn::hold_mid_body(), two_chunks()] {
        let circuit = fragile(|c| c.slow_call_duration(secs(1)));
        let server = Misbehaving::start(vec![turn]);
        let response = ask(&observe(&circuit, client()), server.uri()).await;
        let mut response = response.expect("a head");
        patiently(response.chunk()).await.expect("a chunk");
        circuit.wait(secs(3600));
        drop(response);
        ended(&circuit, |t| t.successful = 1);
        circuit.is(State::Closed);
    }
}

// A4, H5
#[tokio::test]
async fn a_body_that_is_left_unread_is_abandoned() {
    for turn in [Turn::hold_mid_body(), two_chunks()] {
        let circuit = fragile(|c| c.slow_call_duration(secs(1)));
        let server = Misbehaving::start(vec![turn]);
        let response = ask(&observe(&circuit, client()), server.uri()).await;
        let response = response.expect("a head");
        circuit.wait(secs(3600));
        drop(response);
        ended(&circuit, |t| t.abandoned = 1);
        circuit.is(State::Closed);
    }
}

// H5: hyper hands on what was announced, and nothing else.
#[tokio::test]
async fn more_than_was_announced_is_not_seen() {
    let (circuit, response, _server) = begun_with(Turn::long_body()).await;
    let text = patiently(response.text()).await;
    assert_eq!(text.expect("a body"), "ok");
    ended(&circuit, |t| t.successful = 1);
}

// ---- and the rest of H5 ------------------------------------------------------------------------

// H5, D2: a long stream does not hold up recovery.
#[tokio::test]
async fn a_probe_has_succeeded_with_its_first_chunk() {
    let circuit = fragile_after_break(|c| c);
    let server = Misbehaving::start(vec![two_chunks()]);
    let response = ask(&observe(&circuit, client()), server.uri()).await;
    let mut response = response.expect("a head");
    circuit.is(State::HalfOpen);
    patiently(response.chunk()).await.expect("a chunk");
    circuit.is(State::Closed);
    drop(response);
    ended(&circuit, |t| (t.failed, t.successful) = (1, 1));
}

// H5, A4: who looks at the status only has not seen it through.
#[tokio::test]
async fn a_probe_whose_body_is_dropped_unread_decides_nothing() {
    let circuit = fragile_after_break(|c| c);
    let server = Misbehaving::start(vec![two_chunks(), Turn::ok()]);
    let service = observe(&circuit, client());
    drop(ask(&service, server.uri()).await.expect("a head"));
    ended(&circuit, |t| (t.failed, t.abandoned) = (1, 1));
    circuit.is(State::HalfOpen);
    assert_eq!(status(&service, &server.uri()).await, 200);
    circuit.is(State::Closed);
}

// A3
#[tokio::test]
async fn slow_is_the_head_unless_the_body_is_asked_for() {
    let slow_body = async |measure_to_end_of_body: bool| {
        let circuit = fragile(|c| c.slow_call_duration(secs(1)));
        let observe = match measure_to_end_of_body {
            true => ObserveBodies::new().measure_to_end_of_body(),
            false => ObserveBodies::new(),
        };
        let service = layer(&circuit).observe_bodies_with(observe).layer(client());
        let server = Misbehaving::start(vec![two_chunks()]);
        let response = ask(&service, server.uri()).await.expect("a head");
        circuit.wait(secs(1) + NANO);
        server.let_go();
        patiently(response.bytes()).await.expect("a body");
        circuit
    };
    ended(&slow_body(false).await, |t| t.successful = 1);
    ended(&slow_body(true).await, |t| (t.successful, t.slow) = (1, 1));
}

// H5
#[tokio::test]
async fn a_closure_can_tell_the_ends_apart() {
    let timeouts_only = |end: BodyEnd<'_, reqwest::Error>| match end {
        BodyEnd::Error(error) if !error.is_timeout() => Outcome::Ignored,
        BodyEnd::Error(_) => Outcome::Failure,
        _ => Outcome::Success,
    };
    let circuit = fragile(|c| c);
    let observe = ObserveBodies::new().classify_eos(timeouts_only);
    let layer = layer(&circuit).observe_bodies_with(observe);
    let server = Misbehaving::start(vec![Turn::short_body(), Turn::hold_mid_body()]);
    let service = layer.layer(built(settings().read_timeout(secs(5))));

    let response = ask(&service, server.uri()).await.expect("a head");
    patiently(response.bytes()).await.expect_err("a cut body");
    ended(&circuit, |t| t.ignored = 1);

    let response = ask(&service, server.uri()).await.expect("a head");
    server.until(|seen| seen.held == 1).await;
    time::pause();
    response.bytes().await.expect_err("a timeout");
    ended(&circuit, |t| (t.ignored, t.failed) = (1, 1));
}

// ---- compressed --------------------------------------------------------------------------------

const PLAIN: &str = "the same thing, the same thing, the same thing, the same thing";
const GZIP: [u8; 38] =
    *b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\xc9\x48\x55\x28\x4e\xcc\x4d\x55\
    \x28\xc9\xc8\xcc\x4b\xd7\x01\x52\xa4\xf0\x01\x49\x00\x95\x65\x3e\x00\x00\x00";

fn compressed(body: &[u8]) -> Turn {
    let length = format!("content-length: {}", GZIP.len());
    let lines = [length.as_str(), "content-encoding: gzip"];
    Turn::on_request().head(200, &lines).send(body)
}

// H5: 38 bytes are announced and 62 are delivered, and that is no wrong length.
#[tokio::test]
async fn a_body_that_is_longer_because_it_is_decompressed_is_a_success() {
    let (circuit, response, _server) = begun_with(compressed(&GZIP)).await;
    assert_eq!(response.content_length(), None);
    ended(&circuit, |_| {});
    let text = patiently(response.text()).await;
    assert_eq!(text.expect("a body"), PLAIN);
    ended(&circuit, |t| t.successful = 1);
}

// H5
#[tokio::test]
async fn a_body_that_is_not_decompressed_is_as_long_as_announced() {
    let circuit = fragile(|c| c);
    let server = Misbehaving::start(vec![compressed(&GZIP)]);
    let service: Observed = observe(&circuit, built(settings().no_gzip()));
    let mut response = ask(&service, server.uri()).await.expect("a head");
    assert_eq!(response.content_length(), Some(38));
    patiently(response.chunk()).await.expect("a chunk");
    ended(&circuit, |t| t.successful = 1);
}

// H5
#[tokio::test]
async fn a_body_that_cannot_be_decompressed_is_a_failure() {
    let mut corrupt = GZIP;
    corrupt[30] ^= 0xff;
    let cut = compressed(&GZIP[..20]).close();
    for turn in [compressed(&corrupt), cut] {
        let (circuit, response, _server) = begun_with(turn).await;
        patiently(response.bytes()).await.expect_err("no gzip");
        failed(&circuit);
    }
}

// H5
#[tokio::test]
async fn the_answer_to_a_head_request_is_complete_compressed_or_not() {
    let circuit = fragile(|c| c);
    let server = Misbehaving::start(vec![compressed(b"")]);
    let request = Request::new(Method::HEAD, super::url(server.uri()));
    let response = send(&observe(&circuit, client()), request).await;
    ended(&circuit, |t| t.successful = 1);
    drop(response);
    ended(&circuit, |t| t.successful = 1);
}
