//! Each ring is where it should be, whatever the order in which it is named.

use std::{convert::Infallible, future::pending, time::Duration};

use http::{Request, Response, StatusCode};
use tower::{Layer, service_fn};
use tower_breaker::{
    Circuit, CircuitError, Outcome, Reason, Rejected, State,
    classify::HttpClassifier,
    degrade::{
        Because, FallbackCause, FallbackKind, StackLayer,
        fallback::{response, value},
    },
};

const LIMIT: Duration = Duration::from_millis(800);

fn text(text: &str) -> Response<String> {
    Response::new(text.to_owned())
}

// M9, M5, M1: a call that hangs is cut off, has failed, and is answered.
#[tokio::test(start_paused = true)]
async fn the_timeout_is_inside_of_the_breaker_and_the_fallback_outside() {
    let circuit = Circuit::builder("reviews")
        .consecutive_failures(2)
        .call_timeout(LIMIT)
        .build()
        .unwrap();
    let stack = StackLayer::of(&circuit).on_failure(response(|because: &Because<Infallible>| {
        text(because.cause().label())
    }));
    let service = stack.layer(service_fn(|_: Request<String>| {
        pending::<Result<Response<String>, Infallible>>()
    }));
    let mut answers = Vec::new();
    for _ in 0..3 {
        let Ok(answer) = service.clone().oneshot(Request::default()).await;
        answers.push(answer.into_body());
    }
    assert_eq!(answers, ["timed_out", "timed_out", "open"]);
    assert_eq!(circuit.state(), State::Open);
    let parts = circuit.snapshot().parts.unwrap();
    assert_eq!(parts.timed_out.call, 2);
    assert_eq!(parts.hidden_failures, 0);
}

// M9, M2: a full bulkhead is answered by the fallback, and no failure.
#[tokio::test(start_paused = true)]
async fn the_bulkhead_is_outside_of_the_breaker_and_inside_of_the_fallback() {
    let circuit = Circuit::builder("reviews")
        .consecutive_failures(1)
        .bulkhead(1, Duration::ZERO)
        .build()
        .unwrap();
    let stack = StackLayer::of(&circuit).on_rejection(value(text("stand-in")));
    let service = stack.layer(service_fn(async |_: Request<String>| {
        tokio::time::sleep(LIMIT).await;
        Ok::<_, Infallible>(text("live"))
    }));
    let (first, second) = tokio::join!(
        service.clone().oneshot(Request::default()),
        service.oneshot(Request::default())
    );
    let (Ok(first), Ok(second)) = (first, second);
    assert_eq!((&**first.body(), &**second.body()), ("live", "stand-in"));
    assert_eq!(circuit.state(), State::Closed);
    let parts = circuit.snapshot().parts.unwrap();
    assert_eq!(parts.bulkhead.unwrap().rejected, 1);
    let told = parts.fallbacks[0];
    let full = FallbackCause::Rejected(Reason::BulkheadFull);
    assert_eq!(
        (told.kind, told.cause, told.answered),
        (FallbackKind::Value, full, 1)
    );
}

// M9: what a failure is, is said once.
#[tokio::test]
async fn one_classifier_is_everybodys() {
    let circuit = Circuit::builder("reviews")
        .consecutive_failures(1)
        .build()
        .unwrap();
    let stack = StackLayer::of(&circuit)
        .classify_with(
            HttpClassifier::new().classify_as(Outcome::Failure, [StatusCode::TOO_MANY_REQUESTS]),
        )
        .on_failure(value(text("stand-in")));
    let service = stack.layer(service_fn(async |_: Request<String>| {
        Response::builder().status(429).body(String::new())
    }));
    let answer = service.oneshot(Request::default()).await.unwrap();
    assert_eq!(answer.body(), "stand-in");
    assert_eq!(circuit.state(), State::Open);
}

// M9, H1: rejections are as the breaker says.
#[tokio::test]
async fn the_breaker_can_be_changed() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    circuit.force_open();
    let stack = StackLayer::of(&circuit).breaker(|breaker| breaker.reject_as_error());
    let service = stack.layer(service_fn(async |_: Request<String>| {
        Ok::<_, Infallible>(text("live"))
    }));
    let error = service.oneshot(Request::default()).await.unwrap_err();
    assert!(matches!(error, CircuitError::Rejected(_)));
    assert!(Rejected::find(&error).is_some());
}

// M9
#[test]
fn a_stack_can_be_seen() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    let stack = StackLayer::of(&circuit).on_rejection(value(1));
    let printed = format!("{stack:?}");
    assert!(
        printed.contains("reviews") && printed.contains("FallbackLayer"),
        "{printed}"
    );
}

// M9: the order in which parts are named makes no other type.
#[cfg(all(feature = "cached", feature = "retries"))]
#[test]
fn the_order_of_naming_says_nothing() {
    use tower_breaker::degrade::{cached::Cached, retries::Plain};
    fn same<T>(_: &T, _: &T) {}
    let circuit = Circuit::builder("reviews").build().unwrap();
    let cached = Cached::builder().build().unwrap();
    let answer = || value(text("stand-in"));
    let one = StackLayer::of(&circuit)
        .on_failure(answer())
        .cached(&cached)
        .retries::<Plain>()
        .breaker(|breaker| breaker.reject_as_error());
    let other = StackLayer::of(&circuit)
        .breaker(|breaker| breaker.reject_as_error())
        .retries::<Plain>()
        .cached(&cached)
        .on_failure(answer());
    same(&one, &other);
}
