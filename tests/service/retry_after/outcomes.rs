//! What a classifier makes of it.

use std::io;

use http::{Response, StatusCode};
use tower_breaker::{Circuit, Classify, Outcome, classify::HttpClassifier};

use super::{between, headers};
use crate::support::secs;

/// What a response with this status and a `Retry-After` of 7 seconds is to a classifier.
fn outcome(classifier: &HttpClassifier, status: u16) -> Outcome {
    outcome_with(classifier, status, &["retry-after: 7"])
}

fn outcome_with(classifier: &HttpClassifier, status: u16, lines: &[&str]) -> Outcome {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    *response.headers_mut() = headers(lines);
    classifier.classify(Ok::<_, &io::Error>(&response))
}

fn honouring() -> HttpClassifier {
    HttpClassifier::new().retry_after(between(secs(1), secs(60)))
}

// A7: off by default.
#[test]
fn nobody_listens_who_was_not_told_to() {
    let default = HttpClassifier::new();
    assert_eq!(outcome(&default, 503), Outcome::Failure);
    let trips = default.classify_as(Outcome::TripNow, [StatusCode::TOO_MANY_REQUESTS]);
    assert_eq!(outcome(&trips, 429), Outcome::TripNow);
}

// A7
#[test]
fn a_failure_asks_and_nothing_else_does() {
    let honouring = honouring();
    for failed in [500, 502, 503, 504, 599] {
        let asks = Outcome::FailureRetryAfter(secs(7));
        assert_eq!(outcome(&honouring, failed), asks, "{failed}");
    }
    for (neutral, expected) in [
        (400, Outcome::Answered),
        (404, Outcome::Answered),
        (429, Outcome::Ignored),
    ] {
        assert_eq!(outcome(&honouring, neutral), expected, "{neutral}");
    }
    for fine in [200, 202, 204, 301, 307] {
        assert_eq!(outcome(&honouring, fine), Outcome::Success, "{fine}");
    }
}

// A7
#[test]
fn a_status_asks_as_what_it_was_moved_to() {
    let too_many = [StatusCode::TOO_MANY_REQUESTS];
    for (moved_to, asks) in [
        (Outcome::Failure, Outcome::FailureRetryAfter(secs(7))),
        (Outcome::TripNow, Outcome::TripFor(secs(7))),
        (Outcome::Success, Outcome::Success),
        (Outcome::RequiresEos, Outcome::RequiresEos),
        // Who has said how long has said it.
        (Outcome::TripFor(secs(3)), Outcome::TripFor(secs(3))),
        (
            Outcome::FailureRetryAfter(secs(3)),
            Outcome::FailureRetryAfter(secs(3)),
        ),
    ] {
        let moved = honouring().classify_as(moved_to, too_many);
        assert_eq!(outcome(&moved, 429), asks);
        assert_eq!(outcome_with(&moved, 429, &[]), moved_to);
        assert_eq!(outcome_with(&moved, 429, &["retry-after: soon"]), moved_to);
    }
}

// A7, H3: our own rejections ask their clients, and not the breaker around us.
#[test]
fn the_rejection_of_a_breaker_further_in_asks_nothing() {
    let circuit = Circuit::builder("inner").build().expect("valid");
    circuit.trip(secs(7)).expect("in normal mode");
    let rejected = circuit.try_acquire().expect_err("a rejection");
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    *response.headers_mut() = headers(&["retry-after: 7"]);
    let marked = rejected.mark_response(response);
    let outcome = honouring().classify(Ok::<_, &io::Error>(&marked));
    assert_eq!(outcome, Outcome::InnerRejection);
}

// A1
#[test]
fn an_error_is_a_failure_that_asks_nothing() {
    let result = Err::<&Response<()>, _>(&io::Error::other("gone"));
    assert_eq!(honouring().classify(result), Outcome::Failure);
}
