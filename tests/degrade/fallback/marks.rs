//! How an answer is told from the dependency's own.

use super::*;
use http::HeaderName;
use tower_breaker::{
    Rejected,
    classify::is_rejection,
    degrade::{
        Because, Degraded,
        fallback::{FallbackLayer, fail_with, from_fn, response, service, value},
    },
};

const HEADER: HeaderName = HeaderName::from_static("x-degraded");

fn mark(response: &Response<String>) -> Option<(FallbackKind, FallbackCause)> {
    let degraded = response.extensions().get::<Degraded>()?;
    Some((degraded.kind, degraded.cause))
}

// M1
#[test]
fn an_answer_is_marked_and_the_dependencys_own_is_not() {
    let circuit = circuit();
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    let Ok(live) = ask(layer.layer(behind(&circuit, 200)));
    assert_eq!(mark(&live), None);
    let Ok(failed) = ask(layer.layer(behind(&circuit, 500)));
    assert_eq!(
        mark(&failed),
        Some((FallbackKind::Value, FallbackCause::Failed))
    );
    assert!(failed.headers().is_empty(), "no header unless asked for");
    let Ok(rejected) = ask(layer.layer(behind(&circuit, 200)));
    assert_eq!(mark(&rejected), Some((FallbackKind::Value, OPEN)));
}

// M1: the header says what the mark does, and nobody else may say it.
#[test]
fn a_header_is_only_a_fallbacks() {
    let circuit = circuit();
    let forging = |status: u16| {
        service_fn(move |_: Request<String>| async move {
            let response = Response::builder().status(status).header(HEADER, "forged");
            Ok::<_, Infallible>(
                response
                    .header("x-own", "kept")
                    .body(String::new())
                    .unwrap(),
            )
        })
    };
    let forging = |status| CircuitBreakerLayer::new(circuit.clone()).layer(forging(status));
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in())).header(HEADER);
    let Ok(live) = ask(layer.layer(forging(200)));
    assert_eq!(live.headers().get(HEADER), None);
    assert_eq!(live.headers()["x-own"], "kept");
    let Ok(answer) = ask(layer.layer(forging(500)));
    assert_eq!(answer.headers()[HEADER], "value; cause=failed");
    let Ok(answer) = ask(layer.layer(forging(200)));
    assert_eq!(answer.headers()[HEADER], "value; cause=open");

    // Nor may an answer say it in its own words, once or twice.
    let forged = response(|_: &Because<Infallible>| {
        let forged = Response::builder()
            .header(HEADER, "forged")
            .header(HEADER, "twice");
        forged.body(String::new()).unwrap()
    });
    let layer = FallbackLayer::on_failure(&circuit, forged).header(HEADER);
    let Ok(answer) = ask(layer.layer(forging(200)));
    let values: Vec<_> = answer.headers().get_all(HEADER).iter().collect();
    assert_eq!(values, ["value; cause=open"]);
}

// M1, H3: a good answer is no rejection, whatever it was made from.
#[test]
fn the_mark_of_a_rejection_does_not_stay_on_a_good_answer() {
    let circuit = open();
    let copying = response(|because: &Because<Infallible>| {
        let rejected = because.rejected().unwrap().clone();
        rejected.mark_response(stand_in())
    });
    let layer = FallbackLayer::on_rejection(&circuit, copying);
    let Ok(answer) = ask(layer.layer(behind(&circuit, 200)));
    assert!(!is_rejection(&answer));
    assert_eq!(mark(&answer), Some((FallbackKind::Value, OPEN)));
}

// M1, H3: the circuit of a stand-in rejects as well. That is no answer, and outer layers see what it is.
#[test]
fn an_answer_that_is_a_refusal_stays_one() {
    let (circuit, others) = (open(), open());
    let replica =
        CircuitBreakerLayer::new(others.clone()).layer(service_fn(async |_: Request<String>| {
            Ok::<_, Infallible>(stand_in())
        }));
    let layer = FallbackLayer::on_rejection(&circuit, service(replica))
        .keeping_request()
        .header(HEADER);
    let answer = ask(layer.layer(behind(&circuit, 200))).unwrap();
    assert_eq!(answer.status(), 503);
    assert!(is_rejection(&answer));
    assert_eq!(mark(&answer), None);
    assert_eq!(answer.headers().get(HEADER), None);
    assert_eq!(fallbacks(&circuit), [(FallbackKind::Own, OPEN, 0, 1)]);
}

// M1, H3: an explicit failure is marked as what it is, and as the rejection that it stands for.
#[test]
fn a_failure_of_ones_own_is_a_rejection_only_for_one() {
    let circuit = circuit();
    let sorry = fail_with(|because: &Because<Infallible>| {
        let body = format!("price on request: {because}");
        Response::builder().status(503).body(body).unwrap()
    });
    let layer = FallbackLayer::on_failure(&circuit, sorry);
    let Ok(failed) = ask(layer.layer(behind(&circuit, 502)));
    assert_eq!(
        failed.body(),
        "price on request: the dependency answered 502 Bad Gateway"
    );
    assert_eq!(
        mark(&failed),
        Some((FallbackKind::Fail, FallbackCause::Failed))
    );
    assert!(!is_rejection(&failed));

    let Ok(rejected) = ask(layer.layer(behind(&circuit, 200)));
    assert_eq!(
        rejected.body(),
        "price on request: circuit `reviews` is open: 1 failure"
    );
    assert_eq!(mark(&rejected), Some((FallbackKind::Fail, OPEN)));
    let marked = rejected.extensions().get::<Rejected>().unwrap();
    assert_eq!(marked.circuit(), "reviews");
    assert_eq!(
        fallbacks(&circuit),
        [
            (FallbackKind::Fail, OPEN, 1, 0),
            (FallbackKind::Fail, FallbackCause::Failed, 1, 0),
        ]
    );
}

// M1: an answer by a closure may be a bad one; it is the answer.
#[test]
fn a_bad_answer_is_an_answer() {
    let circuit = open();
    let bad = from_fn(|(), _: &Because<Infallible>| async {
        Response::builder().status(500).body(String::new()).unwrap()
    });
    let layer = FallbackLayer::on_rejection(&circuit, bad);
    let Ok(answer) = ask(layer.layer(behind(&circuit, 200)));
    assert_eq!(answer.status(), 500);
    assert_eq!(mark(&answer), Some((FallbackKind::Own, OPEN)));
}

// M1: a response of a service whose error is boxed is judged, too.
#[test]
fn around_boxed_errors_an_answer_is_marked_as_elsewhere() {
    let circuit = circuit();
    let forging = |status: u16| {
        service_fn(move |_: Request<String>| async move {
            let response = Response::builder().status(status).header(HEADER, "forged");
            Ok::<_, BoxError>(response.body(String::new())?)
        })
    };
    let stand_in = |because: &Because<BoxError>| {
        assert!(matches!(because, Because::Status(StatusCode::BAD_GATEWAY)));
        stand_in()
    };
    let layer = FallbackLayer::on_failure(&circuit, response(stand_in)).header(HEADER);
    let layer = layer.boxed_errors();
    let live = ask(layer.layer(forging(200))).unwrap();
    assert_eq!(live.headers().get(HEADER), None);
    let answer = ask(layer.layer(forging(502))).unwrap();
    assert_eq!(answer.headers()[HEADER], "value; cause=failed");
    assert_eq!(
        mark(&answer),
        Some((FallbackKind::Value, FallbackCause::Failed))
    );
}
