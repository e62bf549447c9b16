//! Without Tower: `Circuit::call_http` around reqwest's own futures (rule A1).

use tower_breaker::{CircuitError, Outcome, State};

use super::{client, patiently};
use crate::{
    misbehaving::{Misbehaving, Port, Turn},
    support::{Fixture, fragile, fragile_after_break},
};

/// So many calls, each of which is answered so.
async fn calls(circuit: &Fixture, status: u16, number: u32, http: bool) {
    let server = Misbehaving::start(vec![Turn::respond::<&str>(status, &[], "")]);
    let client = client();
    for _ in 0..number {
        let sent = client.get(server.uri().to_string()).send();
        let answer = match http {
            true => patiently(circuit.circuit.call_http(sent)).await,
            false => patiently(circuit.circuit.call(sent)).await,
        };
        match answer {
            Ok(response) => assert_eq!(response.status().as_u16(), status),
            Err(error) => assert!(matches!(error, CircuitError::Rejected(_)), "{error:?}"),
        }
    }
}

// A1: as short as the wrong one.
#[tokio::test]
async fn a_server_that_answers_500_opens_the_circuit() {
    for number in [1, 5] {
        let three = || Fixture::new(|c| c.consecutive_failures(3));
        let (right, wrong) = (three(), three());
        calls(&right, 500, number, true).await;
        calls(&wrong, 500, number, false).await;
        let expected = if number >= 3 {
            State::Open
        } else {
            State::Closed
        };
        assert_eq!(right.circuit.state(), expected);
        let (failed, rejected) = (
            u64::from(number.min(3)),
            u64::from(number.saturating_sub(3)),
        );
        assert_eq!(
            (right.totals().failed, right.totals().rejected),
            (failed, rejected)
        );
        wrong.is(State::Closed);
    }
}

// A1, A2: by the whole table.
#[tokio::test]
async fn every_status_counts_as_for_a_service() {
    for (status, outcome) in [
        (200, Outcome::Success),
        (302, Outcome::Success),
        (404, Outcome::Answered),
        (429, Outcome::Ignored),
        (503, Outcome::Failure),
    ] {
        let circuit = fragile_after_break(|c| c);
        calls(&circuit, status, 1, true).await;
        let state = match outcome {
            Outcome::Failure => State::Open,
            Outcome::Ignored => State::HalfOpen,
            _ => State::Closed,
        };
        assert_eq!(circuit.circuit.state(), state, "{status}");
    }
}

// A1: errors are those of the table, too.
#[tokio::test]
async fn errors_count_as_for_a_service() {
    let circuit = fragile(|c| c);
    let refused = client().get(Port::reserve().uri().to_string()).send();
    let error = patiently(circuit.circuit.call_http(refused)).await;
    assert!(matches!(error, Err(CircuitError::Inner(error)) if error.is_connect()));
    circuit.is(State::Open);

    let circuit = fragile(|c| c);
    let misspelt = client().get("ftp://localhost/").send();
    let error = patiently(circuit.circuit.call_http(misspelt)).await;
    assert!(matches!(error, Err(CircuitError::Inner(error)) if error.is_builder()));
    assert_eq!(circuit.totals().ignored, 1);
}
