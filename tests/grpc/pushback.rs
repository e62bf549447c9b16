//! `grpc-retry-pushback-ms`: a failure that says when to come back (A7).

use std::time::Duration;

use tower_breaker::{
    CircuitBreakerLayer, Outcome, State,
    grpc::{Code, GrpcClassifier},
    retry_after::RetryAfter,
};

use crate::{
    health::{GuardedClient, Running, Told, guarded, patient, told},
    peer::{Answer, Peer},
    sockets::patiently,
    support::{Fixture, fragile, millis, secs},
};

/// Between 2 seconds and 60.
fn honouring(classifier: GrpcClassifier) -> GrpcClassifier {
    let limits = RetryAfter::between(secs(2), secs(60)).expect("limits");
    classifier.retry_after(limits)
}

fn client(fixture: &Fixture, server: &Running, classifier: GrpcClassifier) -> GuardedClient {
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).grpc_with(classifier);
    guarded(server.endpoint(), layer)
}

/// The break after one failure that says this, of a circuit that would open for a second. In the head
/// and in the trailers.
async fn break_after(said: &str) -> Duration {
    let mut breaks = Vec::new();
    for script in [format!("head {said} 14"), format!("message {said} 14")] {
        let fixture = Fixture::new(|circuit| circuit.consecutive_failures(1).open_for(secs(1)));
        let server = Running::plain(&Told::new(&fixture));
        let mut client = client(&fixture, &server, honouring(GrpcClassifier::new()));
        if let Ok(answer) = patiently(client.watch(told(&script))).await {
            let mut stream = answer.into_inner();
            while let Ok(Some(_)) = patiently(stream.message()).await {}
        }
        fixture.is(State::Open);
        breaks.push(fixture.remaining());
    }
    assert_eq!(breaks[0], breaks[1], "{said}");
    breaks[0]
}

// A7
#[tokio::test]
async fn a_pushback_is_honoured_and_clamped() {
    assert_eq!(break_after("pushback=2500").await, millis(2_500));
    assert_eq!(break_after("pushback=1500").await, secs(2));
    assert_eq!(break_after("pushback=1").await, secs(2));
    assert_eq!(break_after("pushback=60001").await, secs(60));
    assert_eq!(break_after("pushback=86400000").await, secs(60));
}

// A7
#[tokio::test]
async fn a_pushback_that_is_nonsense_is_not_honoured() {
    for said in [
        "",
        "pushback=0",
        "pushback=-1",
        "pushback=86400001",
        "pushback=18446744073709551616",
        "pushback=2.5",
        "pushback=+2500",
        "pushback=0x10",
        "pushback=soon",
        "pushback=2500,2500",
        "pushback=2500 pushback=2500",
    ] {
        assert_eq!(break_after(said).await, secs(1), "{said}");
    }
}

// A7: a floor and no more, and only of what opens.
#[tokio::test]
async fn a_pushback_never_shortens_a_break_and_never_opens() {
    let fixture = Fixture::new(|circuit| circuit.consecutive_failures(2).open_for(secs(10)));
    let server = Running::plain(&Told::new(&fixture));
    let mut client = client(&fixture, &server, honouring(GrpcClassifier::new()));
    patiently(client.check(told("pushback=60000 14")))
        .await
        .expect_err("unavailable");
    fixture.is(State::Closed);
    patiently(client.check(told("pushback=5000 14")))
        .await
        .expect_err("unavailable");
    assert_eq!(fixture.remaining(), secs(10));
    // Nor does one of a code that is ignored.
    fixture.circuit.reset();
    for _ in 0..3 {
        patiently(client.check(told("pushback=5000 8")))
            .await
            .expect_err("exhausted");
    }
    fixture.is(State::Closed);
}

// A7: of a probe, too.
#[tokio::test]
async fn a_probe_that_fails_can_say_so() {
    let fixture = fragile(|circuit| circuit);
    let server = Running::plain(&Told::new(&fixture));
    let mut client = client(&fixture, &server, honouring(GrpcClassifier::new()));
    patiently(client.check(told("14")))
        .await
        .expect_err("unavailable");
    fixture.wait_out();
    patiently(client.check(told("pushback=45000 14")))
        .await
        .expect_err("unavailable");
    assert_eq!(fixture.remaining(), secs(45));
}

// A7: "go away for 20 s".
#[tokio::test]
async fn a_code_that_trips_at_once_trips_for_so_long() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let classifier = GrpcClassifier::new().classify_as(Outcome::TripNow, [Code::ResourceExhausted]);
    let mut client = client(&fixture, &server, honouring(classifier));
    patiently(client.check(told("pushback=20000 8")))
        .await
        .expect_err("exhausted");
    fixture.tells(&["closed -> open: a result that trips at once, open for 20s"]);
}

// A7: "Off by default."
#[tokio::test]
async fn by_default_a_pushback_is_not_listened_to() {
    let fixture = fragile(|circuit| circuit);
    let server = Running::plain(&Told::new(&fixture));
    let mut client = client(&fixture, &server, GrpcClassifier::new());
    patiently(client.check(told("pushback=45000 14")))
        .await
        .expect_err("unavailable");
    assert_eq!(fixture.remaining(), secs(5));
}

// A7: from something in between that speaks HTTP, `Retry-After`; but gRPC has the first word.
#[tokio::test]
async fn a_retry_after_is_honoured_where_there_is_no_pushback() {
    type Lines = &'static [(&'static str, &'static [u8])];
    let cases: [(Lines, u64); 4] = [
        (&[("retry-after", b"7")], 7),
        (
            &[("retry-after", b"7"), ("grpc-retry-pushback-ms", b"9000")],
            9,
        ),
        (
            &[("retry-after", b"7"), ("grpc-retry-pushback-ms", b"-1")],
            7,
        ),
        (
            &[
                ("retry-after", b"\xff"),
                ("grpc-retry-pushback-ms", b"\xff"),
            ],
            1,
        ),
    ];
    for (head, seconds) in cases {
        let fixture = Fixture::new(|circuit| circuit.consecutive_failures(1).open_for(secs(1)));
        let peer = Peer::start().await;
        peer.answers(Answer::head(head).status(503));
        let layer = CircuitBreakerLayer::new(fixture.circuit.clone());
        let layer = layer.grpc_with(honouring(GrpcClassifier::new()));
        let mut client = guarded(crate::health::endpoint(peer.address), layer);
        patiently(client.check(told("")))
            .await
            .expect_err("unavailable");
        assert_eq!(fixture.remaining(), secs(seconds), "{head:?}");
    }
}
