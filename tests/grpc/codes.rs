//! What a code counts as, in the head and in the trailers, of unary calls and of streams (H4).

use std::{convert::Infallible, iter::once};

use axum::http::Response;
use tonic::Code;
use tower_breaker::{
    CircuitBreakerLayer, Outcome, State,
    classify::Classify,
    grpc::{self, GrpcClassifier},
};

use crate::{
    health::{GuardedClient, Ledger, Running, Told, guarded, patient, told},
    sockets::patiently,
    support::{Fixture, fragile, fragile_after_break},
};

/// What H4 says of the codes from 0 to 16.
const BY_CODE: &str = "sffifiiiiiiiifffi";

/// One unary call. It must end with `code`.
async fn check(client: &mut GuardedClient, code: i32) {
    let script = match code {
        0 => "message".to_owned(),
        code => code.to_string(),
    };
    let answer = patiently(client.check(told(&script))).await;
    let came = answer.map_or_else(|status| status.code(), |_| Code::Ok);
    assert_eq!(came, Code::from_i32(code));
}

/// One stream of two messages, to its end.
async fn watch(client: &mut GuardedClient, code: i32) {
    let script = match code {
        0 => "message message".to_owned(),
        code => format!("message message {code}"),
    };
    let answer = patiently(client.watch(told(&script))).await;
    let mut stream = answer.expect("a stream").into_inner();
    let came = loop {
        match patiently(stream.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => break Code::Ok,
            Err(status) => break status.code(),
        }
    };
    assert_eq!(came, Code::from_i32(code));
}

// H4: an error of a unary call comes in the head, a success in the trailers.
#[tokio::test]
async fn every_code_of_a_unary_call_counts_as_the_table_says() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let mut client = server.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    for (code, letter) in (0..).zip(BY_CODE.chars()) {
        check(&mut client, code).await;
        assert_eq!(ledger.since(&fixture), letter.to_string(), "code {code}");
    }
}

// H4: that of a stream comes in the trailers, after its messages.
#[tokio::test]
async fn every_code_of_a_stream_counts_as_the_table_says() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let mut client = server.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    for (code, letter) in (0..).zip(BY_CODE.chars()) {
        watch(&mut client, code).await;
        assert_eq!(ledger.since(&fixture), letter.to_string(), "code {code}");
    }
}

// H4: unless the stream never began.
#[tokio::test]
async fn a_stream_that_does_not_begin_is_judged_by_its_head() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let mut client = server.guarded_client(&fixture);
    let mut ledger = Ledger::of(&fixture);
    for (code, letter) in (1..).zip(BY_CODE.chars().skip(1)) {
        let answer = patiently(client.watch(told(&format!("head {code}")))).await;
        let status = answer.expect_err("a head that says all");
        assert_eq!(status.code(), Code::from_i32(code));
        assert_eq!(ledger.since(&fixture), letter.to_string(), "code {code}");
    }
}

// H4: and it trips.
#[tokio::test]
async fn codes_in_heads_and_in_trailers_are_one_streak() {
    let fixture = Fixture::new(|circuit| circuit.consecutive_failures(3));
    let server = Running::plain(&Told::new(&fixture));
    let mut client = server.guarded_client(&fixture);
    check(&mut client, 14).await;
    watch(&mut client, 13).await;
    // Ignored: neither goes on with the streak nor ends it.
    check(&mut client, 5).await;
    fixture.is(State::Closed);
    check(&mut client, 4).await;
    fixture.tells(&["closed -> open: 3 consecutive failures, open for 30s"]);
}

/// A client with another classifier.
fn with(fixture: &Fixture, server: &Running, classifier: GrpcClassifier) -> GuardedClient {
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).grpc_with(classifier);
    guarded(server.endpoint(), layer)
}

// H4: "changeable", in the head and in the trailers.
#[tokio::test]
async fn codes_can_be_moved() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let classifier = GrpcClassifier::new()
        .failures([grpc::Code::ResourceExhausted, grpc::Code::Aborted])
        .successes([grpc::Code::NotFound])
        .ignored([grpc::Code::Internal]);
    let mut client = with(&fixture, &server, classifier);
    let mut ledger = Ledger::of(&fixture);
    for (code, letter) in [
        (8, "f"),
        (10, "f"),
        (1, "f"),
        (5, "s"),
        (13, "i"),
        (14, "f"),
        (3, "i"),
    ] {
        check(&mut client, code).await;
        watch(&mut client, code).await;
        assert_eq!(ledger.since(&fixture), letter.repeat(2), "code {code}");
    }
}

/// Whether this status of HTTP, without a code, is taken for this code: it is where the code is moved.
fn stands_for(status: u16, code: grpc::Code) -> bool {
    let response = Response::builder().status(status).body(()).expect("valid");
    let moved = GrpcClassifier::new().classify_as(Outcome::TripNow, once(code));
    moved.classify(Ok::<_, &Infallible>(&response)) == Outcome::TripNow
}

// H4: the code itself, for those who move it; as they come, several count alike.
#[test]
fn a_status_of_http_stands_for_one_code_and_no_other() {
    for (status, code) in [
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::Unavailable),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
        (500, Code::Unknown),
        (418, Code::Unknown),
        (204, Code::Unknown),
    ] {
        let codes = (0..17).map(Code::from_i32);
        let found: Vec<Code> = codes
            .filter(|&code| stands_for(status, code.into()))
            .collect();
        assert_eq!(found, [code], "{status}");
    }
}

/// What the codes from 0 to 16 make of a half-open circuit: closed, open, or half-open still.
const OF_PROBES: &str = "coococccucuccoooc";

// H4, A2: in heads and in trailers, and of the statuses that tonic makes of them.
#[tokio::test]
async fn a_code_that_is_an_answer_is_proof_of_life() {
    for in_trailers in [false, true] {
        for (code, letter) in (0..).zip(OF_PROBES.chars()) {
            let fixture = fragile_after_break(|circuit| circuit);
            let server = Running::plain(&Told::new(&fixture));
            let mut client = server.guarded_client(&fixture);
            match in_trailers {
                false => check(&mut client, code).await,
                true => {
                    // Without a message, which would be proof enough.
                    let script = if code == 0 {
                        String::new()
                    } else {
                        code.to_string()
                    };
                    let answer = patiently(client.watch(told(&script))).await;
                    let mut stream = answer.expect("a stream").into_inner();
                    drop(patiently(stream.message()).await);
                }
            }
            let expected = match letter {
                'c' => State::Closed,
                'o' => State::Open,
                _ => State::HalfOpen,
            };
            assert_eq!(
                fixture.circuit.state(),
                expected,
                "code {code}, {in_trailers}"
            );
        }
    }
    for (code, letter) in (0..).zip(OF_PROBES.chars()) {
        let fixture = fragile_after_break(|circuit| circuit);
        let answer = async {
            match code {
                0 => Ok(tonic::Response::new(())),
                code => Err(tonic::Status::new(Code::from_i32(code), "as told")),
            }
        };
        let classifier = GrpcClassifier::new();
        drop(
            fixture
                .circuit
                .call_with_classifier(classifier, answer)
                .await,
        );
        let expected = match letter {
            'c' => State::Closed,
            'o' => State::Open,
            _ => State::HalfOpen,
        };
        assert_eq!(fixture.circuit.state(), expected, "code {code}");
    }
}

// H4: one word for those who want them in the rates.
#[tokio::test]
async fn answered_codes_can_be_made_successes() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let classifier = GrpcClassifier::new()
        .failures([grpc::Code::AlreadyExists])
        .client_errors_succeed();
    let mut client = with(&fixture, &server, classifier);
    let mut ledger = Ledger::of(&fixture);
    for (code, letter) in (0..).zip("sffsfsfsisissfffs".chars()) {
        check(&mut client, code).await;
        assert_eq!(ledger.since(&fixture), letter.to_string(), "code {code}");
    }
}

// A7: at once, whatever the policy says.
#[tokio::test]
async fn a_code_can_trip_at_once() {
    let moved = [grpc::Code::ResourceExhausted];
    let classifier = GrpcClassifier::new().classify_as(Outcome::TripNow, moved);
    for in_trailers in [false, true] {
        let fixture = patient();
        let server = Running::plain(&Told::new(&fixture));
        let mut client = with(&fixture, &server, classifier);
        match in_trailers {
            false => check(&mut client, 8).await,
            true => watch(&mut client, 8).await,
        }
        fixture.tells(&["closed -> open: a result that trips at once, open for 30s"]);
    }
}

// H4, D2
#[tokio::test]
async fn codes_trip_a_circuit_that_rejects_probes_and_recovers() {
    let fixture = fragile(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut client = server.guarded_client(&fixture);
    check(&mut client, 14).await;
    fixture.tells(&["closed -> open: 1 failure, open for 5s"]);
    check(&mut client, 14).await;
    assert_eq!(health.entered(), 1);

    fixture.wait_out();
    check(&mut client, 2).await;
    fixture.wait_out();
    check(&mut client, 0).await;
    fixture.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: a probe failed, open for 5s",
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> closed: the probes succeeded",
    ]);
    assert_eq!(health.entered(), 3);
}
