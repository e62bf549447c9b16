//! Both causes, where the fallback has failed as well; and answers that cannot.

use super::*;
use std::error::Error;
use tower_breaker::{
    CircuitError, Reason, Rejected,
    degrade::{
        Because,
        fallback::{FallbackError, FallbackLayer, fail, service, try_from_fn, value},
    },
};

/// An error and all its sources.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        told += &format!(" <- {error}");
        next = error.source();
    }
    told
}

fn failing() -> impl Service<Request<String>, Response = Response<String>, Error = Broken> + Clone {
    service_fn(async |_: Request<String>| Err(Broken("the replica is down")))
}

// M1
#[test]
fn a_fallback_that_fails_tells_both_causes() {
    let circuit = circuit();
    let layer = FallbackLayer::on_failure(&circuit, service(failing())).keeping_request();
    let error = ask(layer.layer(breaking(&circuit, "no connection"))).unwrap_err();
    assert_eq!(
        chain(&error),
        "the fallback failed: the replica is down <- the call failed <- no connection"
    );
    assert_eq!(error.fallback(), Some(&Broken("the replica is down")));
    assert!(Rejected::find(&error).is_none(), "the dependency was asked");

    let error = ask(layer.layer(breaking(&circuit, "unused"))).unwrap_err();
    assert!(
        chain(&error).starts_with(
            "the fallback failed: the replica is down <- circuit `reviews` is open: 1 failure"
        ),
        "{}",
        chain(&error)
    );
    assert_eq!(Rejected::find(&error).unwrap().reason(), Reason::Open);
    let because = error.because().unwrap();
    assert_eq!(because.rejected().unwrap().circuit(), "reviews");
    assert_eq!(
        fallbacks(&circuit),
        [
            (FallbackKind::Own, OPEN, 0, 1),
            (FallbackKind::Own, FallbackCause::Failed, 0, 1),
        ]
    );
}

// M1: a status is no error, but a cause.
#[test]
fn a_status_is_a_cause_as_well() {
    let circuit = circuit();
    let layer = FallbackLayer::on_failure(
        &circuit,
        try_from_fn(|(), _: &Because<Infallible>| async {
            Err::<Response<String>, _>(Broken("nothing stored"))
        }),
    );
    let error = ask(layer.layer(behind(&circuit, 502))).unwrap_err();
    assert_eq!(
        chain(&error),
        "the fallback failed: nothing stored <- the dependency answered 502 Bad Gateway"
    );
}

// M1: what is none of its concern is passed on.
#[test]
fn an_error_that_asks_for_no_other_answer_is_passed_on() {
    let circuit = circuit();
    let layer = FallbackLayer::on_rejection(&circuit, service(failing())).keeping_request();
    let error = ask(layer.layer(breaking(&circuit, "no connection"))).unwrap_err();
    let inner = FallbackError::Inner(CircuitError::Inner(Broken("no connection")));
    assert_eq!(error, inner);
    assert_eq!(
        chain(&error),
        "the call failed <- the call failed <- no connection"
    );
}

// M1: an error of one's own is what was asked for.
#[test]
fn an_error_of_ones_own_has_the_cause_as_well() {
    let circuit = open();
    let layer = FallbackLayer::on_rejection(
        &circuit,
        fail(|because: &Because<CircuitError<Broken>>| {
            assert_eq!(because.cause(), OPEN);
            Broken("price on request")
        }),
    );
    let error = ask(layer.layer(breaking(&circuit, "unused"))).unwrap_err();
    assert_eq!(error.fallback(), Some(&Broken("price on request")));
    assert!(Rejected::find(&error).is_some());
    assert_eq!(fallbacks(&circuit), [(FallbackKind::Fail, OPEN, 1, 0)]);
}

// M1: both causes, in a box, as a stack with boxed errors has them.
#[test]
fn both_causes_fit_into_a_box() {
    let circuit = open();
    let breaker = CircuitBreakerLayer::new(circuit.clone()).reject_as_box_error();
    let inner = breaker.layer(service_fn(async |_: Request<String>| {
        Err::<Response<String>, _>(Broken("unused"))
    }));
    let layer = FallbackLayer::on_rejection(&circuit, service(failing()))
        .keeping_request()
        .boxed_errors();
    let service = layer.layer(inner).map_err(FallbackError::into_boxed);
    let error: BoxError = ask(service).unwrap_err();
    assert!(Rejected::find(&*error).is_some());
    assert!(chain(&*error).contains("the replica is down"), "{error}");
}

// M1: answers that cannot fail keep the service's error.
#[test]
fn what_cannot_fail_keeps_the_error() {
    let circuit = open();
    let layer = FallbackLayer::on_rejection(&circuit, value(stand_in()));
    let answer: Result<_, CircuitError<Broken>> = ask(layer.layer(breaking(&circuit, "unused")));
    assert!(answer.is_ok());
    let answer: Result<_, Infallible> = ask(layer.layer(behind(&circuit, 200)));
    assert!(answer.is_ok());
}

// M1: also if the call has ended in an error that is in a box itself.
#[test]
fn an_error_in_a_box_tells_what_it_told_before() {
    let inner = service_fn(async |_: Request<String>| {
        let error = CircuitError::Inner(Broken("no connection"));
        Err::<Response<String>, BoxError>(error.into())
    });
    let layer = FallbackLayer::on_failure(circuit(), service(failing()))
        .keeping_request()
        .boxed_errors();
    let error = ask(layer.layer(inner).map_err(FallbackError::into_boxed)).unwrap_err();
    assert_eq!(
        chain(&*error),
        "the fallback failed: the replica is down <- the call failed <- no connection"
    );
    assert!(format!("{error:?}").contains("no connection"), "{error:?}");
}

// M1
#[test]
fn a_cause_reads_as_what_is_behind_it() {
    let error = CircuitError::Inner(Broken("no connection"));
    let because = Because::Error(error.clone());
    assert_eq!(because.error(), Some(&error));
    assert_eq!(chain(&because), "the call failed <- no connection");
    let because = Because::<CircuitError<Broken>>::Response;
    assert_eq!(because.error(), None);
    assert_eq!(chain(&because), "the dependency answered with a failure");
}
