//! Answers that say nothing about failures, as probes (rules A1, A2): asked for missing pages, a half-open
//! circuit closes at the first.

use axum::extract::Path;

use super::*;

/// Answers with the status in its path; everything else is missing.
fn shop(circuit: &Fixture) -> Router {
    async fn answer(Path(status): Path<u16>) -> StatusCode {
        StatusCode::from_u16(status).expect("a status")
    }
    Router::new()
        .route("/status/{status}", get(answer))
        .layer(layer(circuit))
}

fn after_break(of: u32) -> Fixture {
    let circuit = fragile_after_break(|c| c.permits(of).probes(of, of));
    circuit.told();
    circuit
}

// A2
#[tokio::test]
async fn missing_pages_close_a_half_open_circuit() {
    for version in BOTH {
        for probes in [1, 3] {
            let circuit = after_break(probes);
            let server = Server::axum(shop(&circuit)).await;
            let browser = Browser::new(version, &server);
            for asked in 1..=10 {
                assert_eq!(browser.status("/missing").await, 404);
                let closed = circuit.circuit.state() == CircuitState::Closed;
                assert_eq!(closed, asked >= probes, "{asked} of {probes}");
            }
            assert_eq!(circuit.totals().rejected, 0);
        }
    }
}

// A1, A2
#[tokio::test]
async fn what_speaks_of_time_or_overload_does_not_close_a_half_open_circuit() {
    for version in BOTH {
        for status in [408, 425, 429] {
            let circuit = after_break(1);
            let server = Server::axum(shop(&circuit)).await;
            let browser = Browser::new(version, &server);
            for _ in 0..3 {
                assert_eq!(browser.status(&format!("/status/{status}")).await, status);
                circuit.is(CircuitState::HalfOpen);
            }
            assert_eq!(browser.status("/status/410").await, 410);
            circuit.is(CircuitState::Closed);
        }
    }
}

// A2: in closed they are in no rate, and end no streak.
#[tokio::test]
async fn missing_pages_hide_no_failures() {
    let circuit = Fixture::new(|c| {
        c.consecutive_failures(3)
            .failure_rate(0.5)
            .minimum_calls(100)
    });
    let server = Server::axum(shop(&circuit)).await;
    let browser = Browser::new(Version::Http1, &server);
    for _ in 0..3 {
        circuit.is(CircuitState::Closed);
        for _ in 0..5 {
            assert_eq!(browser.status("/missing").await, 404);
        }
        assert_eq!(browser.status("/status/500").await, 500);
    }
    circuit.is(CircuitState::Open);
    assert_eq!((circuit.totals().failed, circuit.totals().ignored), (3, 15));
}
