//! Bad peers: what each sort of nonsense counts as. Whatever the client makes of it, the circuit hears of
//! it once, and nothing panics (H4, H5).

use http::Request;
use http_body_util::BodyExt;
use tonic::body::Body;
use tower::{Layer, Service};
use tower_breaker::State;

use crate::{
    health::{GuardedClient, Ledger, endpoint, grpc, guarded, patient, told},
    peer::{Answer, Peer, Piece, SERVING, lines},
    sockets::patiently,
    streams::{message, watch},
    support::{Fixture, fragile_after_break},
};

/// A stream to its end. How the client sees that end is its own business.
async fn drain(client: &mut GuardedClient) {
    let Ok(answer) = patiently(client.watch(told(""))).await else {
        return;
    };
    let mut stream = answer.into_inner();
    while let Ok(Some(_)) = patiently(stream.message()).await {}
}

/// Each answer, drained, must count as its letter.
async fn counts(answers: impl IntoIterator<Item = (&'static str, Answer)>) {
    let fixture = patient();
    let peer = Peer::start().await;
    let mut client = peer.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    for (letter, answer) in answers {
        peer.answers(answer.clone());
        drain(&mut client).await;
        assert_eq!(ledger.since(&fixture), letter, "{answer:?}");
    }
}

// H4
#[tokio::test]
async fn a_status_that_is_no_code_is_unknown() {
    let nonsense: [&[u8]; 14] = [
        b"17",
        b"99",
        b"255",
        b"256",
        b"4294967296",
        b"-1",
        b"+0",
        b"00",
        b"",
        b" ",
        b"OK",
        b"0x0",
        b"0, 0",
        b"\xff\xfe",
    ];
    counts(nonsense.iter().flat_map(|status| {
        [
            ("f", Answer::head(&[("grpc-status", status)])),
            ("f", Answer::trailers(&[("grpc-status", status)])),
        ]
    }))
    .await;
}

// H4: as tonic's client has it.
#[tokio::test]
async fn of_a_status_that_is_there_twice_the_first_counts() {
    let twice: [(&str, [&[u8]; 2]); 4] = [
        ("s", [b"0", b"14"]),
        ("f", [b"14", b"0"]),
        ("i", [b"5", b"14"]),
        ("f", [b"nonsense", b"0"]),
    ];
    counts(twice.into_iter().flat_map(|(letter, [first, second])| {
        let lines = [("grpc-status", first), ("grpc-status", second)];
        [
            (letter, Answer::head(&lines)),
            (letter, Answer::trailers(&lines)),
        ]
    }))
    .await;
}

// H4: with a status in the head, that is what counts; trailers come too late.
#[tokio::test]
async fn a_head_with_a_status_is_believed() {
    let end = |status: &[u8]| {
        let trailers = Piece::Trailers(lines(&[("grpc-status", status)]));
        [SERVING, trailers]
    };
    counts([
        (
            "s",
            Answer::head(&[("grpc-status", b"0")]).with_body(end(b"14")),
        ),
        (
            "f",
            Answer::head(&[("grpc-status", b"14")]).with_body(end(b"0")),
        ),
        (
            "i",
            Answer::head(&[("grpc-status", b"5")]).with_body(end(b"14")),
        ),
    ])
    .await;
}

// H4, H5
#[tokio::test]
async fn an_end_without_a_status_is_unknown() {
    counts([
        ("f", Answer::head(&[])),
        ("f", Answer::body([SERVING])),
        ("f", Answer::body([SERVING, Piece::Data(b"")])),
        ("f", Answer::body([Piece::Trailers(lines(&[]))])),
        ("f", Answer::trailers(&[("grpc-message", b"no status")])),
        // The first has ended the body.
        (
            "s",
            Answer::body([
                SERVING,
                Piece::Trailers(lines(&[("grpc-status", b"0")])),
                Piece::Trailers(lines(&[("grpc-status", b"14")])),
            ]),
        ),
    ])
    .await;
}

// H4: the code that the protocol puts in the place of a missing one.
#[tokio::test]
async fn a_status_of_http_stands_for_one_of_grpc() {
    let letters = [
        (400, "f"),
        (401, "i"),
        (403, "i"),
        (404, "i"),
        (429, "f"),
        (502, "f"),
        (503, "f"),
        (504, "f"),
        (302, "f"),
        (418, "f"),
        (500, "f"),
        (204, "f"),
    ];
    counts(letters.into_iter().flat_map(|(status, letter)| {
        let answers = [Answer::head(&[]), Answer::body([Piece::Data(b"<html>")])];
        answers.map(|answer| (letter, answer.status(status)))
    }))
    .await;
}

// H4: a status of gRPC is the better one.
#[tokio::test]
async fn a_status_of_grpc_goes_before_that_of_http() {
    counts([
        ("s", Answer::head(&[("grpc-status", b"0")]).status(503)),
        ("i", Answer::head(&[("grpc-status", b"5")]).status(503)),
        ("f", Answer::head(&[("grpc-status", b"14")]).status(404)),
    ])
    .await;
}

// H5: with a success in the head, too.
#[tokio::test]
async fn a_stream_that_is_reset_in_the_middle_is_a_failure() {
    let fixture = patient();
    let peer = Peer::start().await;
    let mut client = peer.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    let broken = || [SERVING, Piece::Wait, Piece::Reset];
    let well = Answer::head(&[("grpc-status", b"0")]);
    for answer in [Answer::body(broken()), well.with_body(broken())] {
        peer.answers(answer);
        let mut stream = watch(&mut client, "").await;
        message(&mut stream).await;
        assert_eq!(ledger.since(&fixture), "");
        peer.go_on();
        patiently(stream.message()).await.expect_err("a reset");
        assert_eq!(ledger.since(&fixture), "f");
    }
}

// A1: a reset that overtakes the head is an error instead of a response.
#[tokio::test]
async fn a_stream_that_is_reset_before_its_head_is_a_failure() {
    counts([("f", Answer::body([Piece::Reset]))]).await;
}

const PAGE: Piece = Piece::Data(b"<html>");

/// A proxy that knows nothing of gRPC and finds that all is well.
fn page() -> Answer {
    Answer::head(&[("content-type", b"text/html")]).with_body([PAGE, Piece::Silence])
}

// H4: what is no gRPC says so in its head. tonic drops such a body, so that its end would say nothing.
#[tokio::test]
async fn a_page_of_a_proxy_is_a_failure() {
    let typed = |content_type: &'static [u8], end| {
        let trailers = Piece::Trailers(lines(&[("grpc-status", b"0")]));
        Answer::head(&[("content-type", content_type)]).with_body([end, trailers])
    };
    counts([
        ("f", page()),
        ("f", typed(b"application/json", SERVING)),
        ("f", typed(b"application", SERVING)),
        ("s", typed(b"application/grpc+proto", SERVING)),
        ("s", typed(b"Application/GRPC", SERVING)),
        // A code is a code.
        ("s", {
            Answer::head(&[("content-type", b"text/html"), ("grpc-status", b"0")])
        }),
    ])
    .await;
}

// H4, D2
#[tokio::test]
async fn a_page_of_a_proxy_proves_nothing() {
    let fixture = fragile_after_break(|circuit| circuit);
    let peer = Peer::start().await;
    let mut client = peer.guarded_client(&fixture);
    peer.answers(page());
    drain(&mut client).await;
    fixture.is(State::Open);
}

// H5: who stops reading after something has come has left early, be it because that makes no sense.
#[tokio::test]
async fn what_tonic_does_not_read_to_its_end_is_left_early() {
    counts([
        // No message: `<` is no flag.
        ("s", Answer::body([Piece::Data(b"<html>"), Piece::Silence])),
        // A message of four gigabytes.
        (
            "s",
            Answer::body([Piece::Data(&[0, 255, 255, 255, 255]), Piece::Silence]),
        ),
    ])
    .await;
}

// H5: `Content-Length` in HTTP/2 is enforced by h2, and what it does then is an error of the body.
#[tokio::test]
async fn a_length_that_is_a_lie_is_a_failure() {
    let announced = |length: &'static [u8]| {
        let trailers = Piece::Trailers(lines(&[("grpc-status", b"0")]));
        Answer::head(&[("content-length", length)]).with_body([SERVING, trailers])
    };
    counts([
        ("s", announced(b"7")),
        ("f", announced(b"8")),
        ("f", announced(b"6")),
    ])
    .await;
}

// H5: nor may the announced length stand for the trailers: who leaves before they come has left early, and it
// is not the peer that kept silent about the status.
#[tokio::test]
async fn a_stream_dropped_with_its_announced_length_is_left_early() {
    let fixture = patient();
    let peer = Peer::start().await;
    let mut client = peer.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    let answer = Answer::head(&[("content-length", b"7")]);
    peer.answers(answer.with_body([SERVING, Piece::Silence]));
    let mut stream = watch(&mut client, "").await;
    message(&mut stream).await;
    drop(stream);
    assert_eq!(ledger.since(&fixture), "s");
}

// H4: grpc-web has its trailers in the last message, so to gRPC it has none.
#[tokio::test]
async fn grpc_web_looks_like_a_stream_without_status() {
    let web = Answer::head(&[("content-type", b"application/grpc-web+proto")]);
    let trailers = Piece::Data(b"\x80\x00\x00\x00\x0fgrpc-status:0\r\n");
    let fixture = patient();
    let mut ledger = Ledger::of(&fixture);
    let peer = Peer::start().await;
    peer.answers(web.with_body([SERVING, trailers]));

    let mut service = grpc(&fixture).layer(endpoint(peer.address).connect_lazy());
    let service = service.ready().await.expect("a channel");
    let response = patiently(service.call(Request::new(Body::empty()))).await;
    let body = response.expect("a response").into_body();
    patiently(body.collect()).await.expect("a body");
    assert_eq!(ledger.since(&fixture), "f");
}

// H5
#[tokio::test]
async fn a_connection_that_breaks_in_a_stream_is_a_failure() {
    let fixture = patient();
    let peer = Peer::start().await;
    let mut client = peer.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    peer.answers(Answer::body([SERVING, Piece::Silence]));
    let mut stream = watch(&mut client, "").await;
    message(&mut stream).await;
    assert_eq!(ledger.since(&fixture), "");

    peer.vanish();
    patiently(stream.message())
        .await
        .expect_err("a broken connection");
    assert_eq!(ledger.since(&fixture), "f");

    // The channel connects anew.
    peer.answers(Answer::trailers(&[("grpc-status", b"0")]));
    drain(&mut client).await;
    assert_eq!(ledger.since(&fixture), "s");
}

// A1
#[tokio::test]
async fn a_connection_that_is_refused_is_a_failure() {
    let fixture = Fixture::new(|circuit| circuit.consecutive_failures(2));
    let peer = Peer::start().await;
    let address = peer.address;
    drop(peer);
    let nobody = || async move { tokio::net::TcpStream::connect(address).await.is_err() };
    while !patiently(nobody()).await {}

    let mut client = guarded(endpoint(address), grpc(&fixture));
    for _ in 0..2 {
        let status = patiently(client.check(told(""))).await;
        assert_eq!(status.expect_err("nobody").code(), tonic::Code::Unavailable);
    }
    fixture.tells(&["closed -> open: 2 consecutive failures, open for 30s"]);
}

// D1: no sort of nonsense keeps the permit of a probe.
#[tokio::test]
async fn a_probe_that_meets_nonsense_gives_its_permit_back() {
    let answers = [
        Answer::head(&[("grpc-status", b"17")]),
        Answer::head(&[("grpc-status", b"5")]),
        Answer::head(&[]),
        Answer::trailers(&[]),
        Answer::body([Piece::Reset]),
        Answer::body([Piece::Data(b"<html>"), Piece::Silence]),
        Answer::head(&[]).status(204),
    ];
    for answer in answers {
        let fixture = fragile_after_break(|circuit| circuit);
        let peer = Peer::start().await;
        let mut client = peer.guarded_client(&fixture);
        peer.answers(answer.clone());
        drain(&mut client).await;
        assert_eq!(peer.requests(), 1);
        if fixture.circuit.state() == State::Open {
            fixture.wait_out();
        }
        peer.answers(Answer::trailers(&[("grpc-status", b"0")]));
        drain(&mut client).await;
        fixture.is(State::Closed);
        assert_eq!(peer.requests(), 2, "{answer:?}");
    }
}
