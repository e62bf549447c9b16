//! A layer without `.grpc()` around gRPC: the classifier for HTTP knows a status in a head when it sees one (rule
//! A1), and does not see those in trailers.

use tonic::{Code, transport::Server};
use tonic_health::pb::health_client::HealthClient;
use tower::Layer;
use tower_breaker::{CircuitBreakerLayer, State};

use crate::{
    health::{Ledger, Running, Told, patient, told},
    sockets::patiently,
    support::Fixture,
};

fn forgotten(fixture: &Fixture) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(fixture.circuit.clone())
}

/// A server whose breaker has forgotten it, or a plain one.
fn server(fixture: &Fixture, on_server: bool) -> Running {
    let health = Told::new(fixture).server();
    let layer = forgotten(fixture);
    Running::start(|incoming| async move {
        match on_server {
            true => {
                let mut server = Server::builder().layer(layer);
                server
                    .add_service(health)
                    .serve_with_incoming(incoming)
                    .await
            }
            false => {
                let server = Server::builder().add_service(health);
                server.serve_with_incoming(incoming).await
            }
        }
    })
}

/// Asks so often for this code, on either side of a circuit.
async fn ask(fixture: &Fixture, on_server: bool, code: i32, times: usize) {
    let server = server(fixture, on_server);
    for _ in 0..times {
        let script = if code == 0 {
            "message".to_owned()
        } else {
            code.to_string()
        };
        let answer = match on_server {
            true => patiently(server.client().check(told(&script))).await,
            false => {
                let channel = forgotten(fixture).layer(server.endpoint().connect_lazy());
                patiently(HealthClient::new(channel).check(told(&script))).await
            }
        };
        let came = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(came, Code::from_i32(code));
    }
}

// A1, H4: as the classifier for gRPC has it.
#[tokio::test]
async fn a_code_in_the_head_counts_as_over_grpc() {
    for on_server in [false, true] {
        let fixture = patient();
        let mut ledger = Ledger::of(&fixture);
        for (code, letter) in (0..).zip("sffifiiiiiiiifffi".chars()) {
            ask(&fixture, on_server, code, 1).await;
            assert_eq!(
                ledger.since(&fixture),
                letter.to_string(),
                "code {code}, {on_server}"
            );
        }
    }
}

// A1
#[tokio::test]
async fn fifty_of_fifty_that_are_unavailable_are_failures() {
    for on_server in [false, true] {
        let fixture = Fixture::new(|circuit| circuit.consecutive_failures(50));
        ask(&fixture, on_server, 14, 50).await;
        fixture.is(State::Open);
    }
}

// A1: which is why `.grpc()` must not be forgotten.
#[tokio::test]
async fn a_code_in_the_trailers_is_not_seen() {
    let fixture = patient();
    let server = server(&fixture, false);
    let channel = forgotten(&fixture).layer(server.endpoint().connect_lazy());
    let answer = patiently(HealthClient::new(channel).watch(told("message 14"))).await;
    let mut stream = answer.expect("a stream").into_inner();
    patiently(stream.message()).await.expect("alive");
    patiently(stream.message()).await.expect_err("unavailable");
    assert_eq!(
        (fixture.totals().successful, fixture.totals().failed),
        (1, 0)
    );
}
