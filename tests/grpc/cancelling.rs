//! Clients that cancel: they say nothing of the server (A4), and no probe is lost (D1).

use futures_util::{
    FutureExt,
    stream::{self, StreamExt},
};
use tonic::transport::Server;
use tower::Layer;
use tower_breaker::State;

use crate::{
    health::{Ledger, Running, Told, grpc, patient, told},
    sockets::{patiently, until},
    streams::{message, watch},
    support::{fragile, fragile_after_break, secs},
    text::{TextClient, TextServer},
};

// A4
#[tokio::test]
async fn a_unary_call_that_is_dropped_is_neutral() {
    let fixture = patient();
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let client = server.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);

    let call = tokio::spawn({
        let mut client = client.clone();
        async move { client.check(told("hang")).await }
    });
    until(|| health.entered() == 1).await;
    assert_eq!(ledger.since(&fixture), "");
    call.abort();
    assert!(call.await.expect_err("cancelled").is_cancelled());
    assert_eq!(ledger.since(&fixture), "d");
    // The server has heard of it.
    until(|| health.left() == 1).await;
}

// G5: nor does it matter when.
#[tokio::test]
async fn a_call_that_is_polled_once_and_dropped_is_neutral() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let mut client = server.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    assert!(client.check(told("hang")).now_or_never().is_none());
    assert_eq!(ledger.since(&fixture), "d");
    drop(client.check(told("hang")));
    assert_eq!(ledger.since(&fixture), "");
}

// A4, H5: however long that took. It is a success once a message has come, and neutral before.
#[tokio::test]
async fn a_stream_that_is_left_has_succeeded_with_its_first_message() {
    let fixture = fragile(|circuit| circuit.slow_call_duration(secs(1)));
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut client = server.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    for (left, (script, read, letter)) in (1..).zip([
        ("message hang", 1, "s"),
        ("message message message", 1, "s"),
        ("message message 14", 2, "s"),
        ("hang", 0, "d"),
        ("message hang", 0, "d"),
    ]) {
        let mut stream = watch(&mut client, script).await;
        for _ in 0..read {
            message(&mut stream).await;
        }
        fixture.wait(secs(100));
        drop(stream);
        assert_eq!(ledger.since(&fixture), letter, "{script}");
        until(|| health.left() == left).await;
    }
    fixture.is(State::Closed);
}

// A4, H5: streams in both directions, of which the caller's own goes on.
#[tokio::test]
async fn a_chat_that_is_left_after_an_answer_is_a_success() {
    let fixture = patient();
    let server = Running::start(|incoming| {
        let server = Server::builder().add_service(TextServer::default());
        server.serve_with_incoming(incoming)
    });
    let mut client = TextClient::new(grpc(&fixture).layer(server.endpoint().connect_lazy()));
    let mut ledger = Ledger::of(&fixture);
    let endless = || Box::pin(stream::iter(["a".to_owned()]).chain(stream::pending()));
    let mut answers = patiently(client.chat(endless())).await.expect("a chat");
    let answer = patiently(answers.message()).await;
    assert_eq!(answer.expect("alive").as_deref(), Some("a"));
    assert_eq!(ledger.since(&fixture), "");
    drop(answers);
    assert_eq!(ledger.since(&fixture), "s");

    assert!(client.collect(endless()).now_or_never().is_none());
    assert_eq!(ledger.since(&fixture), "d");
}

// A4, D1
#[tokio::test]
async fn a_probe_that_is_dropped_gives_its_permit_back() {
    let fixture = fragile_after_break(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut client = server.guarded_client(&fixture);
    for calls in 1..=3 {
        assert!(client.check(told("hang")).now_or_never().is_none());
        drop(watch(&mut client, "hang").await);
        fixture.is(State::HalfOpen);
        assert_eq!(fixture.totals().abandoned, 2 * calls);
    }
    assert_eq!(fixture.totals().rejected, 0);
    patiently(client.check(told("message")))
        .await
        .expect("a probe");
    fixture.is(State::Closed);
}

// A4: the exception, an outer timeout that gives up on a slow call.
#[tokio::test]
async fn a_call_that_is_given_up_as_slow_is_a_slow_failure() {
    let fixture = fragile(|circuit| circuit.slow_call_duration(secs(1)));
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut client = server.guarded_client(&fixture);
    let mut call = Box::pin(client.check(told("slow hang")));
    patiently(async {
        tokio::select! {
            answer = &mut call => panic!("answered: {answer:?}"),
            () = until(|| health.entered() == 1) => {}
        }
    })
    .await;
    drop(call);
    assert_eq!((fixture.totals().failed, fixture.totals().slow), (1, 1));
    fixture.is(State::Open);
}
