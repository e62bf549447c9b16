//! tonic's own types: statuses, codes, and calls of a generated client through a circuit (H3, H4, A7).

use std::{sync::Arc, time::Duration};

use tonic::{Response, Status};
use tower_breaker::{
    Circuit, CircuitError, Outcome, Reason, Rejected,
    classify::{Classify, ErrorsOnly, IgnoreRejections},
    grpc::{Code, GrpcClassifier},
    retry_after::RetryAfter,
};

use crate::{
    health::{Ledger, Running, Told, endpoint, patient, told},
    peer::{Answer, Peer},
    sockets::patiently,
    support::{Fixture, fragile, secs},
};

// H4
#[test]
fn codes_are_the_same_on_both_sides() {
    for number in 0..=16 {
        let theirs = tonic::Code::from_i32(number);
        let ours = Code::from(theirs);
        assert_eq!(ours as i32, number);
        assert_eq!(tonic::Code::from(ours), theirs);
    }
    assert_eq!(Code::from(17), Code::Unknown);
    assert_eq!(Code::from(i32::MIN), Code::Unknown);
}

fn rejected(fixture: &Fixture) -> Rejected {
    fixture.circuit.try_acquire().expect_err("a rejection")
}

// H4
#[test]
fn a_rejection_becomes_a_status_in_which_it_is_found() {
    let fixture = fragile(|circuit| circuit);
    fixture.play("f");
    let status = Status::from(rejected(&fixture));
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(status.message(), "the circuit is open");
    assert_eq!(
        status
            .metadata()
            .get("grpc-retry-pushback-ms")
            .expect("a time"),
        "5000"
    );
    let found = Rejected::find(&status).expect("the rejection");
    assert_eq!(
        (found.circuit(), found.reason()),
        ("payments", Reason::Open)
    );

    fixture.circuit.force_open();
    let status = Status::from(rejected(&fixture));
    assert!(status.metadata().get("grpc-retry-pushback-ms").is_none());
}

fn judge(classifier: GrpcClassifier, status: &Status) -> Outcome {
    classifier.classify(Err::<&Response<()>, _>(status))
}

// H4, A7
#[test]
fn a_status_is_judged_by_its_code() {
    let default = GrpcClassifier::new();
    let codes = "sffafaaaiaiaafffa".chars();
    for (number, letter) in (0..).zip(codes) {
        let expected = match letter {
            's' => Outcome::Success,
            'f' => Outcome::Failure,
            'a' => Outcome::Answered,
            _ => Outcome::Ignored,
        };
        let status = Status::new(tonic::Code::from_i32(number), "as told");
        assert_eq!(judge(default, &status), expected, "{status}");
    }
    assert_eq!(
        default.classify(Ok::<_, &Status>(&Response::new(()))),
        Outcome::Success
    );

    let mut status = Status::unavailable("busy");
    let pushback = "7000".parse().expect("a value");
    status
        .metadata_mut()
        .insert("grpc-retry-pushback-ms", pushback);
    assert_eq!(judge(default, &status), Outcome::Failure);
    let limits = RetryAfter::between(Duration::ZERO, secs(60)).expect("limits");
    assert_eq!(
        judge(default.retry_after(limits), &status),
        Outcome::FailureRetryAfter(secs(7))
    );
}

// H3
#[test]
fn a_status_made_of_a_rejection_is_ignored() {
    let fixture = fragile(|circuit| circuit);
    fixture.circuit.force_open();
    let mut status = Status::from(rejected(&fixture));
    assert_eq!(
        judge(GrpcClassifier::new(), &status),
        Outcome::InnerRejection
    );
    status.set_source(Arc::new(std::io::Error::other("something else")));
    assert_eq!(judge(GrpcClassifier::new(), &status), Outcome::Failure);
}

// H3: of statuses, only those that were made of a rejection.
#[test]
fn whoever_ignores_rejections_ignores_no_other_status() {
    let fixture = fragile(|circuit| circuit);
    fixture.circuit.force_open();
    let judge = |status: &Status| {
        let classifier = IgnoreRejections(ErrorsOnly);
        classifier.classify(Err::<&Response<()>, _>(status))
    };
    let rejection = Status::from(rejected(&fixture));
    assert_eq!(judge(&rejection), Outcome::InnerRejection);
    assert_eq!(judge(&Status::unavailable("busy")), Outcome::Failure);
}

/// A call of a generated client through a circuit.
macro_rules! through {
    ($circuit:expr, $call:expr) => {
        patiently($circuit.call_with_classifier(GrpcClassifier::new(), $call)).await
    };
}

// H4
#[tokio::test]
async fn calls_of_a_generated_client_can_go_through_a_circuit() {
    let fixture = fragile(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let (circuit, mut client): (&Circuit, _) = (&fixture.circuit, server.client());
    let mut ledger = Ledger::of(&fixture);

    through!(circuit, client.check(told("message"))).expect("an answer");
    assert_eq!(ledger.since(&fixture), "s");
    through!(circuit, client.check(told("5"))).expect_err("not found");
    assert_eq!(ledger.since(&fixture), "i");
    // Of a stream, that it began is all that is seen.
    through!(circuit, client.watch(told("14"))).expect("a stream");
    assert_eq!(ledger.since(&fixture), "s");
    let error = through!(circuit, client.check(told("14"))).expect_err("unavailable");
    assert!(matches!(error, CircuitError::Inner(status) if status.message() == "as told"));
    assert_eq!(ledger.since(&fixture), "f");

    let error = through!(circuit, client.check(told("message"))).expect_err("a rejection");
    assert!(matches!(error, CircuitError::Rejected(_)));
    assert_eq!(
        (ledger.since(&fixture).as_str(), health.entered()),
        ("x", 4)
    );
}

// A1: tonic's client calls a timeout cancelled, and a connection that breaks; nobody cancelled those.
#[tokio::test]
async fn what_never_came_is_a_failure_whatever_tonic_calls_it() {
    let fixture = patient();
    let mut ledger = Ledger::of(&fixture);
    let circuit = &fixture.circuit;
    let peer = Peer::start().await;
    let soon = Duration::from_millis(5);
    let channel = endpoint(peer.address).timeout(soon).connect_lazy();
    let mut client = tonic_health::pb::health_client::HealthClient::new(channel);
    let late = through!(circuit, client.check(told(""))).expect_err("late");
    let status = late.into_inner().expect("not a rejection");
    assert_eq!(status.code(), tonic::Code::Cancelled);
    assert_eq!(ledger.since(&fixture), "f");

    // Nor did anybody on this side cancel what the server says was cancelled, in its head or its trailers.
    for answer in [
        Answer::head(&[("grpc-status", b"1")]),
        Answer::trailers(&[("grpc-status", b"1")]),
    ] {
        peer.answers(answer);
        through!(circuit, client.check(told(""))).expect_err("cancelled");
        assert_eq!(ledger.since(&fixture), "f");
    }

    let address = peer.address;
    drop(peer);
    let gone = || async move { tokio::net::TcpStream::connect(address).await.is_err() };
    while !patiently(gone()).await {}
    through!(circuit, client.check(told(""))).expect_err("nobody there");
    assert_eq!(ledger.since(&fixture), "f");
}

// H3: two circuits, one in the other.
#[tokio::test]
async fn a_call_that_an_inner_circuit_rejected_is_ignored_as_a_status() {
    let (outer, inner) = (patient(), fragile(|circuit| circuit));
    inner.circuit.force_open();
    let mut ledger = Ledger::of(&outer);
    let call = async {
        let call = async { Ok::<_, Status>(Response::new(())) };
        let answer = inner
            .circuit
            .call_with_classifier(GrpcClassifier::new(), call);
        answer.await.map_err(|error| match error {
            CircuitError::Rejected(rejected) => rejected.into(),
            CircuitError::TimedOut(timed_out) => timed_out.into(),
            CircuitError::Inner(status) => status,
        })
    };
    through!(outer.circuit, call).expect_err("a rejection");
    assert_eq!(ledger.since(&outer), "i");
}
