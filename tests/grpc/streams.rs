//! Streams: when their outcome is known, and what a long one does to recovery (H4, H5).

use tonic::{Code, Streaming};
use tonic_health::pb::HealthCheckResponse;
use tower_breaker::State;

use crate::{
    health::{GuardedClient, Ledger, Running, Told, patient, told},
    sockets::patiently,
    support::{fragile, fragile_after_break, secs},
};

pub(crate) async fn watch(
    client: &mut GuardedClient,
    script: &str,
) -> Streaming<HealthCheckResponse> {
    let answer = patiently(client.watch(told(script))).await;
    answer.expect("a stream").into_inner()
}

pub(crate) async fn message(stream: &mut Streaming<HealthCheckResponse>) {
    let message = patiently(stream.message()).await;
    assert!(message.expect("no failure").is_some(), "a message");
}

// H5
#[tokio::test]
async fn a_stream_is_judged_at_its_end_and_not_before() {
    let fixture = patient();
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut client = server.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    for (script, letter) in [
        ("message wait message", "s"),
        ("message wait message 13", "f"),
    ] {
        let mut stream = watch(&mut client, script).await;
        message(&mut stream).await;
        assert_eq!(ledger.since(&fixture), "");
        health.go_on();
        message(&mut stream).await;
        let end = patiently(stream.message()).await;
        assert_eq!(end.is_err(), letter == "f");
        assert_eq!(ledger.since(&fixture), letter);
    }
}

// H5: what fails in the middle trips.
#[tokio::test]
async fn a_stream_that_fails_in_the_middle_opens_the_circuit() {
    let fixture = fragile(|circuit| circuit);
    let server = Running::plain(&Told::new(&fixture));
    let mut client = server.guarded_client(&fixture);
    let mut stream = watch(&mut client, "message message message 14").await;
    for _ in 0..3 {
        message(&mut stream).await;
        fixture.is(State::Closed);
    }
    patiently(stream.message()).await.expect_err("unavailable");
    fixture.tells(&["closed -> open: 1 failure, open for 5s"]);
}

// C4: the era of a stream is the one it began in.
#[tokio::test]
async fn a_stream_that_fails_long_after_is_stale() {
    let fixture = fragile(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut client = server.guarded_client(&fixture);
    let mut old = watch(&mut client, "message wait 14").await;
    message(&mut old).await;

    fixture.play("f");
    fixture.wait_out();
    fixture.play("s");
    fixture.told();
    health.go_on();
    patiently(old.message()).await.expect_err("unavailable");
    fixture.is(State::Closed);
    fixture.tells_nothing();
    assert_eq!(fixture.totals().stale, 1);
}

// H5: "so that a long stream does not hold up recovery".
#[tokio::test]
async fn a_long_stream_as_a_probe_closes_at_its_first_message() {
    let fixture = fragile_after_break(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut client = server.guarded_client(&fixture);
    let mut probe = watch(&mut client, "wait message wait 14").await;
    fixture.is(State::HalfOpen);
    let status = patiently(client.check(told("message"))).await;
    assert_eq!(status.expect_err("a rejection").code(), Code::Unavailable);

    health.go_on();
    message(&mut probe).await;
    fixture.is(State::Closed);
    // What comes of it later is nobody's business.
    health.go_on();
    patiently(probe.message()).await.expect_err("unavailable");
    fixture.is(State::Closed);
    assert_eq!(health.entered(), 1);
}

// H5
#[tokio::test]
async fn a_probe_that_fails_before_its_first_message_reopens() {
    for script in ["14", "head 14"] {
        let fixture = fragile_after_break(|circuit| circuit);
        let server = Running::plain(&Told::new(&fixture));
        let mut client = server.guarded_client(&fixture);
        if let Ok(answer) = patiently(client.watch(told(script))).await {
            let end = patiently(answer.into_inner().message()).await;
            end.expect_err("unavailable");
        }
        fixture.tells(&[
            "open -> half-open: the wait is over, the next call is a probe",
            "half-open -> open: a probe failed, open for 5s",
        ]);
    }
}

// A3: slow is a matter of the head.
#[tokio::test]
async fn a_long_stream_is_not_slow_and_a_late_head_is() {
    let fixture = fragile(|circuit| circuit.slow_call_duration(secs(1)));
    let server = Running::plain(&Told::new(&fixture));
    let mut client = server.guarded_client(&fixture);
    let mut stream = watch(&mut client, "message").await;
    message(&mut stream).await;
    fixture.wait(secs(100));
    assert!(patiently(stream.message()).await.expect("an end").is_none());
    assert_eq!((fixture.totals().successful, fixture.totals().slow), (1, 0));

    patiently(client.check(told("slow message")))
        .await
        .expect("late, but well");
    assert_eq!((fixture.totals().successful, fixture.totals().slow), (2, 1));
}
