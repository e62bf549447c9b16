//! Over gRPC, where a status of HTTP says nothing.

use super::*;
use tower_breaker::{
    classify::is_rejection,
    degrade::{
        Degraded,
        fallback::{FallbackLayer, grpc_status, service},
    },
    grpc::{Code, GrpcClassifier},
};

/// A dependency that answers with nothing but this code.
fn saying(
    code: &'static str,
) -> tower::util::BoxCloneService<Request<String>, Response<String>, Infallible> {
    tower::util::BoxCloneService::new(service_fn(move |_: Request<String>| async move {
        let head = Response::builder().header("content-type", "application/grpc");
        Ok(head
            .header("grpc-status", code)
            .body(String::new())
            .unwrap())
    }))
}

// M1, H4: a failure in the head is one.
#[test]
fn a_status_in_the_head_is_answered() {
    let circuit = Circuit::builder("prices").build().unwrap();
    let sorry = grpc_status(Code::Unavailable, "price on request: 100 %\n£");
    let layer = FallbackLayer::on_failure(&circuit, sorry).classify_with(GrpcClassifier::new());
    let Ok(answer) = ask(layer.layer(saying("13")));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(
        answer.headers()["grpc-message"],
        "price on request: 100 %25%0A%C2%A3"
    );
    assert!(!is_rejection(&answer));
    assert_eq!(
        fallbacks(&circuit),
        [(FallbackKind::Fail, FallbackCause::Failed, 1, 0)]
    );
    for code in ["0", "5"] {
        let Ok(answer) = ask(layer.layer(saying(code)));
        assert_eq!(answer.headers()["grpc-status"], code);
        assert!(answer.extensions().get::<Degraded>().is_none());
    }
}

// M1, H3, H4: a stand-in's own circuit is open. That is a refusal, whatever the status of HTTP.
#[test]
fn a_refusal_over_grpc_stays_one() {
    let (circuit, others) = (open(), open());
    let layer =
        FallbackLayer::on_rejection(&circuit, service(rejecting(&others))).keeping_request();
    let answer = ask(layer.layer(rejecting(&circuit))).unwrap();
    assert_eq!(
        (answer.status().as_u16(), is_rejection(&answer)),
        (200, true)
    );
    assert!(answer.extensions().get::<Degraded>().is_none());
    assert_eq!(fallbacks(&circuit), [(FallbackKind::Own, OPEN, 0, 1)]);
}

/// A breaker for gRPC around what is never asked.
fn rejecting(
    circuit: &Circuit,
) -> impl Service<Request<String>, Response = Response<String>, Error = Infallible> + Clone {
    let layer = CircuitBreakerLayer::new(circuit.clone());
    layer
        .rejection(tower_breaker::grpc::GrpcUnavailable)
        .layer(saying("0"))
}
