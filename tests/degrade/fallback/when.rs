//! When a fallback answers, and for what.

use super::*;
use std::future::pending;
use tower_breaker::{
    CircuitError, Mode, Outcome,
    degrade::{
        Because,
        fallback::{FallbackLayer, response, value},
    },
};

/// What the circuit is like.
#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open,
    Forced,
    HalfOpenFull,
    Shadow,
}

/// What the dependency does.
#[derive(Clone, Copy, Debug)]
enum Does {
    Succeed,
    NotFound,
    Fail,
    Err,
}

fn in_state(state: State) -> Circuit {
    let clock = tower_breaker::clock::ManualClock::new();
    let circuit = Circuit::builder("reviews")
        .consecutive_failures(1)
        .open_for(BREAK)
        .clock(clock.clone())
        .build()
        .unwrap();
    match state {
        State::Closed => {}
        State::Open => circuit.trip(BREAK).unwrap(),
        State::Forced => assert!(circuit.force_open()),
        State::HalfOpenFull => {
            circuit.trip(BREAK).unwrap();
            clock.advance(BREAK);
            // Its only probe never comes back.
            std::mem::forget(circuit.try_acquire().unwrap());
        }
        State::Shadow => {
            circuit.trip(BREAK).unwrap();
            assert!(circuit.set_mode(Mode::Shadow));
        }
    }
    circuit
}

type Service_ = Boxed<CircuitError<Broken>>;

fn doing(circuit: &Circuit, does: Does) -> Service_ {
    let dependency = service_fn(move |_: Request<String>| async move {
        let status = match does {
            Does::Succeed => 200,
            Does::NotFound => 404,
            Does::Fail => 500,
            Does::Err => return Err(Broken("no connection")),
        };
        let response = Response::builder().status(status);
        Ok(response.body("live".to_owned()).unwrap())
    });
    let layer = CircuitBreakerLayer::new(circuit.clone()).reject_as_error();
    BoxService::new(layer.layer(dependency))
}

/// What the caller gets of it, in a word.
fn word(answer: Result<Response<String>, CircuitError<Broken>>) -> String {
    match answer {
        Ok(response) if response.body() == "stand-in" => "stand-in".into(),
        Ok(response) => response.status().as_str().into(),
        Err(CircuitError::Inner(_)) => "error".into(),
        Err(_) => "rejected".into(),
    }
}

// M1: by state of the circuit, by what the dependency does, by constructor.
#[test]
fn a_fallback_runs_when_its_name_says() {
    use Does::{Err, Fail, NotFound, Succeed};
    use State::{Closed, Forced, HalfOpenFull, Open, Shadow};
    let table = [
        (Closed, Succeed, "200", "200"),
        (Closed, NotFound, "404", "404"),
        (Closed, Fail, "500", "stand-in"),
        (Closed, Err, "error", "stand-in"),
        (Shadow, Succeed, "200", "200"),
        (Shadow, NotFound, "404", "404"),
        (Shadow, Fail, "500", "stand-in"),
        (Shadow, Err, "error", "stand-in"),
        (Open, Succeed, "stand-in", "stand-in"),
        (Open, Err, "stand-in", "stand-in"),
        (Forced, Succeed, "stand-in", "stand-in"),
        (Forced, Fail, "stand-in", "stand-in"),
        (HalfOpenFull, Succeed, "stand-in", "stand-in"),
        (HalfOpenFull, Fail, "stand-in", "stand-in"),
    ];
    for (state, does, on_rejection, on_failure) in table {
        let circuit = in_state(state);
        let layer = FallbackLayer::on_rejection(&circuit, value(stand_in()));
        let answer = ask(layer.layer(doing(&circuit, does)));
        assert_eq!(
            word(answer),
            on_rejection,
            "on rejection: {state:?}, {does:?}"
        );

        let circuit = in_state(state);
        let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
        let answer = ask(layer.layer(doing(&circuit, does)));
        assert_eq!(word(answer), on_failure, "on failure: {state:?}, {does:?}");
    }
}

// M1: rejections are seen whether they are responses, errors, or boxed errors.
#[tokio::test(start_paused = true)]
async fn a_rejection_is_one_in_whatever_form_it_comes() {
    let circuit = open();
    let layer = || FallbackLayer::on_rejection(&circuit, value(stand_in()));
    let Ok(answer) = ask(layer().layer(behind(&circuit, 200)));
    assert_eq!(answer.body(), "stand-in");
    let answer = ask(layer().layer(breaking(&circuit, "unused"))).unwrap();
    assert_eq!(answer.body(), "stand-in");

    let breaker = CircuitBreakerLayer::new(circuit.clone()).reject_as_box_error();
    let inner = service_fn(async |_: Request<String>| Err::<Response<String>, _>(Broken("unused")));
    // As a timeout of tower's makes it: an error in a box, wrapped.
    let inner = tower::timeout::Timeout::new(breaker.layer(inner), BREAK);
    let service = layer().boxed_errors().layer(inner);
    let answer = service.oneshot(Request::default()).await;
    assert_eq!(answer.unwrap().body(), "stand-in");
}

// M1: around what is not HTTP.
#[test]
fn a_service_of_numbers_has_fallbacks_as_well() {
    let circuit = circuit();
    let double = |number: u32| async move { number.checked_mul(2).ok_or(Broken("too large")) };
    let breaker = CircuitBreakerLayer::new(circuit.clone())
        .classifier(tower_breaker::classify::ErrorsOnly)
        .reject_as_error();
    let service = || breaker.layer(service_fn(double));
    let on_failure = FallbackLayer::on_failure(&circuit, value(0)).any_response();
    let on_rejection = FallbackLayer::on_rejection(&circuit, value(1)).any_response();

    let ask = |number| {
        on_failure
            .layer(service())
            .oneshot(number)
            .now_or_never()
            .unwrap()
    };
    assert_eq!(ask(4), Ok(8));
    assert_eq!(ask(u32::MAX), Ok(0));
    assert_eq!(ask(4), Ok(0), "it is open now");
    let ask = |number| {
        on_rejection
            .layer(service())
            .oneshot(number)
            .now_or_never()
            .unwrap()
    };
    assert_eq!(ask(4), Ok(1));
    circuit.reset();
    assert!(matches!(ask(u32::MAX), Err(CircuitError::Inner(_))));
    assert_eq!(
        fallbacks(&circuit),
        [
            (FallbackKind::Value, OPEN, 2, 0),
            (FallbackKind::Value, FallbackCause::Failed, 1, 0),
        ]
    );
}

// M1
#[test]
fn a_response_that_is_not_http_has_no_status() {
    let odd_ones_fail = |result: Result<&u32, &Broken>| match result {
        Ok(number) if number % 2 == 1 => Outcome::Failure,
        _ => Outcome::Success,
    };
    let stand_in = |because: &Because<Broken>| {
        assert_eq!(*because, Because::Response);
        assert_eq!(
            because.to_string(),
            "the dependency answered with a failure"
        );
        0
    };
    let layer = FallbackLayer::on_failure(circuit(), response(stand_in));
    let layer = layer.any_response().classify_with(odd_ones_fail);
    let answers = [4, 7].map(|number| {
        let client = service_fn(async |number: u32| Ok::<_, Broken>(number));
        let answer = layer.layer(client).oneshot(number);
        answer.now_or_never().unwrap()
    });
    assert_eq!(answers, [Ok(4), Ok(0)]);
}

// M1: what a failure is says the classifier; `when` narrows what is left.
#[test]
fn the_classifier_and_the_predicate_decide() {
    let circuit = Circuit::builder("reviews").build().unwrap();
    let teapots_fail = |result: Result<&Response<String>, &Infallible>| match result {
        Ok(response) if response.status() == 418 => Outcome::Failure,
        _ => Outcome::Success,
    };
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in())).classify_with(teapots_fail);
    let Ok(answer) = ask(layer.layer(behind(&circuit, 418)));
    assert_eq!(answer.body(), "stand-in");
    let Ok(answer) = ask(layer.layer(behind(&circuit, 500)));
    assert_eq!(answer.status(), 500);

    let layer = FallbackLayer::on_failure(&circuit, value(stand_in())).when(
        |because: &Because<Infallible>| *because != Because::Status(StatusCode::NOT_IMPLEMENTED),
    );
    let Ok(answer) = ask(layer.layer(behind(&circuit, 501)));
    assert_eq!((answer.status().as_u16(), &**answer.body()), (501, "live"));
    let Ok(answer) = ask(layer.layer(behind(&circuit, 500)));
    assert_eq!(answer.body(), "stand-in");
    circuit.force_open();
    let never = FallbackLayer::on_failure(&circuit, value(stand_in()))
        .when(|_: &Because<Infallible>| false);
    let Ok(answer) = ask(never.layer(behind(&circuit, 200)));
    assert_eq!(answer.status(), 503, "the rejection, untouched");
    assert!(tower_breaker::classify::is_rejection(&answer));
    assert_eq!(fallbacks(&circuit).len(), 1);
}

// M1: an error of readiness is no call.
#[test]
fn what_is_not_ready_has_no_other_answer() {
    #[derive(Clone)]
    struct NotReady;
    impl Service<Request<String>> for NotReady {
        type Response = Response<String>;
        type Error = Broken;
        type Future = std::future::Pending<Result<Response<String>, Broken>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Broken>> {
            std::task::Poll::Ready(Err(Broken("not ready")))
        }

        fn call(&mut self, _: Request<String>) -> Self::Future {
            pending()
        }
    }
    let circuit = circuit();
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    assert_eq!(ask(layer.layer(NotReady)).unwrap_err(), Broken("not ready"));
    assert_eq!(fallbacks(&circuit), []);
}

// M1, D9: a time-out is no rejection.
#[tokio::test(start_paused = true)]
async fn a_time_out_is_a_failure_and_no_rejection() {
    let probed = || {
        let circuit = Circuit::builder("reviews")
            .probe_timeout(BREAK)
            .build()
            .unwrap();
        circuit.trip(Duration::from_millis(1)).unwrap();
        circuit
    };
    let hangs = service_fn(|_: Request<String>| pending::<Result<Response<String>, Infallible>>());
    let circuit = probed();
    tokio::time::advance(Duration::from_millis(1)).await;
    let inner = CircuitBreakerLayer::new(circuit.clone()).layer(hangs);
    let on_rejection = FallbackLayer::on_rejection(&circuit, value(stand_in())).layer(inner);
    let Ok(answer) = on_rejection.oneshot(Request::default()).await;
    assert_eq!(answer.status(), 504);

    let circuit = probed();
    tokio::time::advance(Duration::from_millis(1)).await;
    let inner = CircuitBreakerLayer::new(circuit.clone()).layer(hangs);
    let on_failure = FallbackLayer::on_failure(&circuit, value(stand_in())).layer(inner);
    let Ok(answer) = on_failure.oneshot(Request::default()).await;
    assert_eq!(answer.body(), "stand-in");
    assert_eq!(
        fallbacks(&circuit),
        [(FallbackKind::Value, FallbackCause::TimedOut, 1, 0)]
    );
}
