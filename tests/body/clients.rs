//! Observed bodies of a real client: hyper-util's, around a server that misbehaves in the middle of its
//! bodies, over real sockets (rule H5).

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::Layer;
use tower_breaker::{
    CircuitBreakerLayer, CircuitError, Outcome, State,
    body::{BodyEnd, ObserveBodies},
    classify::HttpClassifier,
};

use crate::{
    misbehaving::{Misbehaving, Turn},
    sockets::patiently,
    stage::AT_END,
    support::{Fixture, fragile_after_break, secs},
};

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// One call through a breaker that observes. `None` where it got no head.
async fn ask(
    fixture: &Fixture,
    server: &Misbehaving,
    method: &str,
) -> Option<Response<impl Body<Data = Bytes, Error = hyper::Error> + Unpin + use<>>> {
    let judge = |end: BodyEnd<'_, hyper::Error>| match end {
        BodyEnd::Complete => Outcome::Success,
        BodyEnd::Trailers(trailers) if trailers["x-status"] == "fine" => Outcome::Success,
        _ => Outcome::Failure,
    };
    let guarded = CircuitBreakerLayer::new(fixture.circuit.clone())
        .classifier(HttpClassifier::new().classify_as(Outcome::RequiresEos, [AT_END]))
        .observe_bodies_with(ObserveBodies::new().classify_eos(judge))
        .reject_as_error()
        .layer(client());
    let request = Request::builder().method(method).uri(server.uri());
    let request = request.body(Empty::new()).unwrap();
    patiently(guarded.oneshot(request)).await.ok()
}

/// The whole body of a `GET`; `None` if it breaks, or there is none.
async fn read(fixture: &Fixture, server: &Misbehaving) -> Option<Bytes> {
    let body = ask(fixture, server, "GET").await?.into_body();
    let whole = patiently(body.collect()).await.ok()?;
    Some(whole.to_bytes())
}

fn ended(fixture: &Fixture) -> (u64, u64, u64) {
    let totals = fixture.totals();
    assert_eq!(
        totals.ended(),
        totals.successful + totals.failed + totals.abandoned
    );
    (totals.successful, totals.failed, totals.abandoned)
}

const SUCCESSFUL: (u64, u64, u64) = (1, 0, 0);
const FAILED: (u64, u64, u64) = (0, 1, 0);
const ABANDONED: (u64, u64, u64) = (0, 0, 1);

fn head(status: u16, lines: &[&str]) -> Turn {
    Turn::on_request().head(status, lines)
}

const CHUNKED: &[&str] = &["transfer-encoding: chunked"];

fn chunked(status: u16, chunks: &str) -> Turn {
    head(status, CHUNKED).send(chunks)
}

fn announcing(length: &str, sent: &str) -> Turn {
    head(200, &[length]).send(sent).close()
}

/// Bodies that arrive whole, and what of.
fn whole() -> Vec<(&'static str, Turn, &'static str)> {
    let judged = AT_END.as_u16();
    let fine = "4\r\nhalf\r\n0\r\nx-status: fine\r\n\r\n";
    vec![
        ("announced", Turn::ok(), "ok"),
        ("empty", Turn::respond::<&str>(200, &[], ""), ""),
        ("no content", head(204, &[]), ""),
        ("not modified", head(304, &["content-length: 8"]), ""),
        ("chunked", chunked(200, "4\r\nhalf\r\n0\r\n\r\n"), "half"),
        ("trailers that are fine", chunked(judged, fine), "half"),
        ("at the end", Turn::respond::<&str>(judged, &[], "ok"), "ok"),
        // The client reads what was announced.
        ("long", Turn::long_body(), "ok"),
        // Nobody can tell.
        (
            "to the end of the connection",
            head(200, &[]).send("half").close(),
            "half",
        ),
    ]
}

/// Bodies that do not.
fn broken() -> Vec<(&'static str, Turn)> {
    let enormous = "content-length: 18446744073709551615";
    vec![
        ("short", Turn::short_body()),
        ("cut off between chunks", Turn::cut_chunked()),
        ("cut off in a chunk", chunked(200, "8\r\nhalf").close()),
        ("a malformed chunk", Turn::malformed_chunk()),
        ("two lengths", Turn::two_lengths()),
        (
            "a length that is none",
            announcing("content-length: many", "half"),
        ),
        ("more than could ever come", announcing(enormous, "half")),
    ]
}

/// What a client reads of such a body, and what the circuit counts.
async fn outcome(turn: Turn) -> (Option<Bytes>, (u64, u64, u64)) {
    let (fixture, server) = (Fixture::new(|c| c), Misbehaving::start(vec![turn]));
    let read = read(&fixture, &server).await;
    (read, ended(&fixture))
}

// H5
#[tokio::test]
async fn a_body_that_arrives_whole_is_a_success() {
    for (what, turn, text) in whole() {
        let (read, ending) = outcome(turn).await;
        assert_eq!(read.as_deref(), Some(text.as_bytes()), "{what}");
        assert_eq!(ending, SUCCESSFUL, "{what}");
    }
}

// H5
#[tokio::test]
async fn a_body_that_breaks_is_a_failure() {
    for (what, turn) in broken() {
        assert_eq!(outcome(turn).await, (None, FAILED), "{what}");
    }
}

// A1, H5
#[tokio::test]
async fn trailers_can_say_that_a_body_is_worth_nothing() {
    let failed = "4\r\nhalf\r\n0\r\nx-status: failed\r\n\r\n";
    let (read, ending) = outcome(chunked(AT_END.as_u16(), failed)).await;
    assert_eq!((read.as_deref(), ending), (Some(&b"half"[..]), FAILED));
}

// H5
#[tokio::test]
async fn a_connection_reset_in_the_middle_of_a_body_is_a_failure() {
    for turn in [
        Turn::reset_mid_body(),
        head(200, CHUNKED).send("4\r\nhalf\r\n").hold().reset(),
        head(200, &[]).send("half").hold().reset(),
    ] {
        let (fixture, server) = (Fixture::new(|c| c), Misbehaving::start(vec![turn]));
        let mut body = ask(&fixture, &server, "GET").await.unwrap().into_body();
        let frame = patiently(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "half");
        assert_eq!(ended(&fixture), (0, 0, 0));
        server.let_go();
        assert!(patiently(body.frame()).await.unwrap().is_err());
        assert_eq!(ended(&fixture), FAILED);
    }
}

// H5, A4: whoever reads no further has had what it wanted; whoever reads nothing says nothing.
#[tokio::test]
async fn a_reader_that_stops_in_the_middle_has_had_a_success() {
    for (frames, ending) in [(0, ABANDONED), (1, SUCCESSFUL)] {
        for turn in [
            Turn::hold_mid_body(),
            head(200, CHUNKED).send("4\r\nhalf\r\n").hold(),
            head(AT_END.as_u16(), CHUNKED).send("4\r\nhalf\r\n").hold(),
            head(200, &[]).send("half").hold(),
        ] {
            let (fixture, server) = (Fixture::new(|c| c), Misbehaving::start(vec![turn]));
            let mut body = ask(&fixture, &server, "GET").await.unwrap().into_body();
            for _ in 0..frames {
                patiently(body.frame()).await.unwrap().unwrap();
            }
            drop(body);
            assert_eq!(ended(&fixture), ending);
        }
    }
}

// H5: whoever has read what was announced need not ask for the end.
#[tokio::test]
async fn a_reader_that_stops_at_the_announced_length_has_read_it_all() {
    for status in [200, AT_END.as_u16()] {
        let (fixture, server) = (
            Fixture::new(|c| c),
            Misbehaving::start(vec![Turn::respond::<&str>(status, &[], "whole")]),
        );
        let mut body = ask(&fixture, &server, "GET").await.unwrap().into_body();
        patiently(body.frame()).await.unwrap().unwrap();
        drop(body);
        assert_eq!(ended(&fixture), SUCCESSFUL, "{status}");
    }
}

// H5
#[tokio::test]
async fn a_head_request_ends_with_its_head() {
    let (fixture, server) = (
        Fixture::new(|c| c),
        Misbehaving::start(vec![head(200, &["content-length: 8"])]),
    );
    let response = ask(&fixture, &server, "HEAD").await.unwrap();
    assert_eq!(response.headers()["content-length"], "8");
    assert_eq!(ended(&fixture), SUCCESSFUL);
}

// H5, B1, C1, D2: what observing is for.
#[tokio::test]
async fn broken_bodies_open_the_circuit_only_where_they_are_observed() {
    let fixture = Fixture::new(|c| c.consecutive_failures(3).open_for(secs(5)));
    let blind = Fixture::new(|c| c.consecutive_failures(3));
    let server = Misbehaving::start(vec![Turn::short_body()]);
    let not_observing = CircuitBreakerLayer::new(blind.circuit.clone())
        .reject_as_error()
        .layer(client());
    for _ in 0..3 {
        assert_eq!(read(&fixture, &server).await, None);
        let request = Request::get(server.uri()).body(Empty::new()).unwrap();
        let response: Result<Response<Incoming>, CircuitError<_>> =
            patiently(not_observing.clone().oneshot(request)).await;
        assert!(
            patiently(response.unwrap().into_body().collect())
                .await
                .is_err()
        );
    }
    fixture.is(State::Open);
    blind.is(State::Closed);
    assert_eq!((blind.totals().successful, blind.totals().failed), (3, 0));

    // The server is left alone.
    assert_eq!(read(&fixture, &server).await, None);
    assert_eq!((fixture.totals().rejected, server.seen().requests), (1, 6));

    server.play(vec![Turn::ok()]);
    fixture.wait_out();
    assert_eq!(read(&fixture, &server).await.unwrap(), "ok");
    fixture.is(State::Closed);
}

// H5, D2
#[tokio::test]
async fn a_probe_whose_body_never_begins_has_failed() {
    let broken = head(200, &["content-length: 8"]).close();
    let server = Misbehaving::start(vec![broken]);
    let fixture = fragile_after_break(|c| c);
    assert_eq!(read(&fixture, &server).await, None);
    fixture.is(State::Open);
}
