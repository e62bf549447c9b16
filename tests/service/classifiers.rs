//! What counts as a failure: rule A1, for the classifiers we ship and for closures, asked directly
//! and through a service.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{convert::Infallible, future::ready};

use futures_util::FutureExt;
use http::{Response, StatusCode};
use tower::{Layer, Service, service_fn};
use tower_breaker::{
    Cause, Circuit, CircuitBreakerLayer, Classify, Outcome, State,
    classify::{ErrorsOnly, HttpClassifier, IgnoreRejections, is_rejection},
};

type Error = &'static str;

fn response(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

fn judge(classifier: &impl Classify<Response<()>, Error>, status: u16) -> Outcome {
    let status = StatusCode::from_u16(status).expect("a status");
    classifier.classify(Ok(&response(status)))
}

// ---- the default -------------------------------------------------------------------------------

#[test]
fn every_status_by_default() {
    let classifier = HttpClassifier::new();
    for status in 100..=999 {
        let expected = match status {
            // They speak of time, or of overload.
            408 | 425 | 429 => Outcome::Ignored,
            400..=499 => Outcome::Answered,
            500..=599 => Outcome::Failure,
            _ => Outcome::Success,
        };
        assert_eq!(judge(&classifier, status), expected, "{status}");
    }
}

#[test]
fn an_error_is_a_failure_whatever_it_is() {
    let classifier = HttpClassifier::new();
    let result: Result<&Response<()>, &Error> = Err(&"refused");
    assert_eq!(classifier.classify(result), Outcome::Failure);
}

#[test]
fn the_default_is_what_new_makes() {
    for status in [200, 302, 404, 500] {
        let default = judge(&HttpClassifier::default(), status);
        assert_eq!(default, judge(&HttpClassifier::new(), status));
    }
}

// ---- moved statuses ----------------------------------------------------------------------------

#[test]
fn statuses_are_moved_one_by_one_and_the_rest_stays() {
    let classifier = HttpClassifier::new()
        .failures([StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT])
        .successes([StatusCode::NOT_FOUND])
        .ignored([StatusCode::NOT_IMPLEMENTED]);
    for (status, expected) in [
        (429, Outcome::Failure),
        (408, Outcome::Failure),
        (404, Outcome::Success),
        (501, Outcome::Ignored),
        (400, Outcome::Answered),
        (500, Outcome::Failure),
        (200, Outcome::Success),
    ] {
        assert_eq!(judge(&classifier, status), expected, "{status}");
    }
}

// A1: one word for those who want them in the rates.
#[test]
fn client_errors_can_be_made_successes() {
    let classifier = HttpClassifier::new()
        .failures([StatusCode::GONE])
        .classify_as(Outcome::Answered, [StatusCode::FORBIDDEN])
        .client_errors_succeed();
    for status in 400..=999 {
        let expected = match status {
            403 => Outcome::Answered,
            408 | 425 | 429 => Outcome::Ignored,
            410 | 500..=599 => Outcome::Failure,
            _ => Outcome::Success,
        };
        assert_eq!(judge(&classifier, status), expected, "{status}");
        let moved_later = HttpClassifier::new()
            .client_errors_succeed()
            .failures([StatusCode::GONE]);
        if status != 403 {
            assert_eq!(judge(&moved_later, status), expected, "{status}");
        }
    }
}

// A1, H4: a code in the head of a response, to a classifier that was not told of gRPC.
#[cfg(feature = "grpc")]
#[test]
fn a_code_in_the_head_counts_in_successes_only() {
    let answers = HttpClassifier::new();
    let succeed = HttpClassifier::new().client_errors_succeed();
    let ignores = HttpClassifier::new().ignored([StatusCode::OK]);
    for (classifier, status, code, expected) in [
        (&answers, 200, "14", Outcome::Failure),
        (&answers, 500, "0", Outcome::Failure),
        (&answers, 404, "14", Outcome::Answered),
        (&ignores, 200, "14", Outcome::Ignored),
        (&answers, 200, "5", Outcome::Answered),
        (&succeed, 200, "5", Outcome::Success),
        (&succeed, 200, "14", Outcome::Failure),
    ] {
        let mut response = response(StatusCode::from_u16(status).unwrap());
        let code = http::HeaderValue::from_static(code);
        response.headers_mut().insert("grpc-status", code);
        let result: Result<_, &Error> = Ok(&response);
        assert_eq!(classifier.classify(result), expected, "{response:?}");
    }
}

#[test]
fn of_two_that_name_a_status_the_last_one_holds() {
    let classifier = HttpClassifier::new()
        .failures([StatusCode::NOT_FOUND])
        .successes([StatusCode::NOT_FOUND]);
    assert_eq!(judge(&classifier, 404), Outcome::Success);
    let classifier = classifier.failures([StatusCode::NOT_FOUND]);
    assert_eq!(judge(&classifier, 404), Outcome::Failure);
}

#[test]
fn a_clone_is_changed_alone() {
    let classifier = HttpClassifier::new().failures([StatusCode::NOT_FOUND]);
    let changed = classifier.clone().ignored([StatusCode::NOT_FOUND]);
    assert_eq!(judge(&classifier, 404), Outcome::Failure);
    assert_eq!(judge(&changed, 404), Outcome::Ignored);
}

#[test]
fn a_status_can_mean_any_outcome() {
    let classifier =
        HttpClassifier::new().classify_as(Outcome::TripNow, [StatusCode::TOO_MANY_REQUESTS]);
    assert_eq!(judge(&classifier, 429), Outcome::TripNow);
}

// ---- errors only -------------------------------------------------------------------------------

#[test]
fn errors_only_looks_at_nothing_else() {
    for status in [200, 404, 500] {
        assert_eq!(judge(&ErrorsOnly, status), Outcome::Success);
    }
    let number: Result<&u32, &Error> = Ok(&1);
    assert_eq!(ErrorsOnly.classify(number), Outcome::Success);
    let error: Result<&u32, &Error> = Err(&"refused");
    assert_eq!(ErrorsOnly.classify(error), Outcome::Failure);
}

#[test]
fn what_no_circuit_rejected_is_no_rejection() {
    let unavailable = response(StatusCode::SERVICE_UNAVAILABLE);
    assert!(!is_rejection(&unavailable));
    assert_eq!(judge(&HttpClassifier::new(), 503), Outcome::Failure);
}

// ---- closures ----------------------------------------------------------------------------------

#[test]
fn a_closure_is_a_classifier() {
    let teapots = |result: Result<&Response<()>, &Error>| match result {
        Ok(response) if response.status() == StatusCode::IM_A_TEAPOT => Outcome::Failure,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Ignored,
    };
    assert_eq!(judge(&teapots, 418), Outcome::Failure);
    assert_eq!(judge(&teapots, 500), Outcome::Success);
    assert_eq!(
        Classify::classify(&teapots, Err(&"refused")),
        Outcome::Ignored
    );
}

#[test]
fn a_function_is_a_classifier() {
    fn all_well(_: Result<&Response<()>, &Error>) -> Outcome {
        Outcome::Success
    }
    assert_eq!(judge(&all_well, 500), Outcome::Success);
}

#[test]
fn a_classifier_of_ones_own_may_lean_on_another() {
    struct Strict;
    impl<B, E> Classify<Response<B>, E> for Strict {
        fn classify(&self, result: Result<&Response<B>, &E>) -> Outcome {
            match HttpClassifier::new().classify(result) {
                Outcome::Answered => Outcome::Failure,
                outcome => outcome,
            }
        }
    }
    assert_eq!(judge(&Strict, 404), Outcome::Failure);
    assert_eq!(judge(&Strict, 200), Outcome::Success);
}

// ---- through a service -------------------------------------------------------------------------

fn circuit() -> Circuit {
    let builder = Circuit::builder("inventory").consecutive_failures(1);
    builder.build().expect("valid")
}

fn answer<C>(layer: &CircuitBreakerLayer<C>, status: StatusCode)
where
    C: Classify<Response<()>, Infallible>,
{
    let inner = service_fn(|status| ready(Ok::<_, Infallible>(response(status))));
    let mut service = layer.layer(inner);
    let ready = service.ready().now_or_never().expect("ready at once");
    let answer = ready.unwrap().call(status).now_or_never();
    assert_eq!(answer.expect("answered at once").unwrap().status(), status);
}

#[test]
fn by_default_a_layer_judges_http() {
    let circuit = circuit();
    let layer = CircuitBreakerLayer::new(circuit.clone());
    answer(&layer, StatusCode::OK);
    answer(&layer, StatusCode::NOT_FOUND);
    let totals = circuit.snapshot().totals.expect("on by default");
    assert_eq!((totals.successful, totals.ignored), (1, 1));

    answer(&layer, StatusCode::BAD_GATEWAY);
    assert_eq!(circuit.state(), State::Open);
}

#[test]
fn a_layer_asks_its_own_classifier() {
    let circuit = circuit();
    let missing = HttpClassifier::new().failures([StatusCode::NOT_FOUND]);
    answer(
        &CircuitBreakerLayer::new(circuit.clone()).classifier(missing),
        StatusCode::NOT_FOUND,
    );
    assert_eq!(circuit.state(), State::Open);
}

/// The closure's types are inferred from the bound of the method, but for the response's.
#[test]
fn a_layer_asks_its_own_closure() {
    let circuit = circuit();
    let layer = CircuitBreakerLayer::new(circuit.clone()).classify(
        |result: Result<&Response<()>, &Infallible>| match result.map(Response::status) {
            Ok(StatusCode::OK) => Outcome::TripNow,
            _ => Outcome::Success,
        },
    );
    answer(&layer, StatusCode::BAD_GATEWAY);
    assert_eq!(circuit.state(), State::Closed);
    answer(&layer, StatusCode::OK);
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::TripNow)
    );
}

#[test]
fn errors_of_circuit_call_are_judged_by_errors_only_and_of_call_with_by_whom_it_says() {
    let circuit = circuit();
    let refused = || ready(Err::<(), _>("refused"));
    let ignore = |_: Result<&(), &Error>| Outcome::Ignored;
    assert!(
        circuit
            .call_with(ignore, refused())
            .now_or_never()
            .is_some()
    );
    assert_eq!(circuit.state(), State::Closed);
    assert!(circuit.call(refused()).now_or_never().is_some());
    assert_eq!(circuit.state(), State::Open);
}

#[test]
fn ignore_rejections_leaves_all_else_to_the_other() {
    let classifier = IgnoreRejections(HttpClassifier::new());
    let classify = |result: Result<&Response<()>, &tower_breaker::CircuitError<Error>>| {
        classifier.classify(result)
    };
    for (status, expected) in [
        (StatusCode::OK, Outcome::Success),
        (StatusCode::NOT_FOUND, Outcome::Answered),
        (StatusCode::BAD_GATEWAY, Outcome::Failure),
    ] {
        assert_eq!(classify(Ok(&response(status))), expected);
    }
    let inner = tower_breaker::CircuitError::Inner("refused");
    assert_eq!(classify(Err(&inner)), Outcome::Failure);
}
