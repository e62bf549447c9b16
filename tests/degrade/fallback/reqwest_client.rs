//! Around reqwest's client, whose response is a type of its own.

use super::*;
use http::HeaderName;
use tower_breaker::{
    classify::is_rejection,
    degrade::{
        Because, Degraded,
        fallback::{FallbackLayer, fail_with, response},
    },
};

const HEADER: HeaderName = HeaderName::from_static("x-degraded");

/// A client as reqwest's, behind a breaker.
fn client(
    circuit: &Circuit,
    status: u16,
) -> impl Service<Request<String>, Response = reqwest::Response, Error = Broken> + use<> {
    let client = service_fn(move |_: Request<String>| async move {
        let response = Response::builder().status(status).header(HEADER, "forged");
        Ok(reqwest::Response::from(response.body("live").unwrap()))
    });
    let layer = CircuitBreakerLayer::new(circuit.clone());
    layer
        .classify(|result: Result<&reqwest::Response, &Broken>| match result {
            Ok(response) if response.status().is_success() => tower_breaker::Outcome::Success,
            _ => tower_breaker::Outcome::Failure,
        })
        .fallback(|rejected, _| async move {
            let mut response = Response::new("rejected");
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Ok(reqwest::Response::from(rejected.mark_response(response)))
        })
        .layer(client)
}

fn failures(result: Result<&reqwest::Response, &Broken>) -> tower_breaker::Outcome {
    match result {
        Ok(response) if !response.status().is_server_error() => tower_breaker::Outcome::Success,
        _ => tower_breaker::Outcome::Failure,
    }
}

// M1
#[test]
fn a_response_of_reqwest_is_marked_as_any() {
    let circuit = circuit();
    let stand_in =
        |because: &Because<Broken>| reqwest::Response::from(Response::new(because.cause().label()));
    let layer = FallbackLayer::on_failure(&circuit, response(stand_in))
        .classify_with(failures)
        .header(HEADER);
    let live = ask(layer.layer(client(&circuit, 200))).unwrap();
    assert_eq!(live.headers().get(HEADER), None);
    assert!(live.extensions().get::<Degraded>().is_none());
    for cause in ["failed", "open"] {
        let answer = ask(layer.layer(client(&circuit, 502))).unwrap();
        assert_eq!(answer.headers()[HEADER], format!("value; cause={cause}"));
        let degraded = answer.extensions().get::<Degraded>().unwrap();
        assert_eq!(degraded.cause.label(), cause);
    }

    let sorry = fail_with(|_: &Because<Broken>| {
        let response = Response::builder().status(503).body("sorry").unwrap();
        reqwest::Response::from(response)
    });
    let layer = FallbackLayer::on_rejection(&circuit, sorry);
    let answer = ask(layer.layer(client(&circuit, 200))).unwrap();
    assert!(is_rejection(&Response::from(answer)));
}
