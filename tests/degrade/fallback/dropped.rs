//! Dropped at each stage, panics, and stand-ins that are never ready.

use super::*;
use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, Waker},
};
use tower_breaker::degrade::{
    Because,
    fallback::{FallbackLayer, from_fn, response, service, value},
};

fn poll_once<F: Future>(future: F) {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
}

// M1: the dependency's response may hold a connection, and the stand-in may need it.
#[test]
fn the_response_and_its_future_are_dropped_before_the_answer_runs() {
    let circuit = circuit();
    let log = Log::default();
    let said = log.clone();
    let dependency = service_fn(move |_: Request<String>| {
        let (body, future) = (said.clone(), Dropped(said.clone(), "future"));
        async move {
            let _future = future;
            let body = Dropped(body, "response");
            let response = Response::builder().status(500).body(Some(body));
            Ok::<_, Infallible>(response.unwrap())
        }
    });
    let said = log.clone();
    let answer = from_fn(move |(), _: &Because<Infallible>| {
        let said = said.clone();
        async move {
            said.say("answer");
            Response::new(None)
        }
    });
    let breaker = CircuitBreakerLayer::new(circuit.clone());
    let layer = FallbackLayer::on_failure(&circuit, answer);
    let Ok(_) = ask(layer.layer(breaker.layer(dependency)));
    assert_eq!(log.said(), ["future", "response", "answer"]);
}

// M1, A4
#[test]
fn dropped_while_the_dependency_is_at_work_the_call_is_abandoned() {
    let circuit = circuit();
    let hangs = service_fn(|_: Request<String>| pending::<Result<Response<String>, Infallible>>());
    let inner = CircuitBreakerLayer::new(circuit.clone()).layer(hangs);
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    // Before its first poll, and after.
    let mut service = layer.layer(inner);
    let ready = service.ready().now_or_never().unwrap();
    let Ok(service) = ready;
    drop(service.call(Request::default()));
    let ready = service.ready().now_or_never().unwrap();
    let Ok(service) = ready;
    poll_once(service.call(Request::default()));
    assert_eq!(circuit.snapshot().totals.unwrap().abandoned, 2);
    assert_eq!(fallbacks(&circuit), []);
}

// M1
#[test]
fn dropped_while_the_answer_is_made_the_circuit_has_its_outcome() {
    let circuit = circuit();
    let answer = from_fn(|(), _: &Because<Infallible>| pending());
    let layer = FallbackLayer::on_failure(&circuit, answer);
    poll_once(
        layer
            .layer(behind(&circuit, 500))
            .oneshot(Request::default()),
    );
    let totals = circuit.snapshot().totals.unwrap();
    assert_eq!((totals.failed, totals.abandoned), (1, 0));
    assert_eq!(fallbacks(&circuit), [], "nobody was answered");
}

// M1: a stand-in that is never ready keeps its caller waiting, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_stand_in_that_is_never_ready_ends_with_a_timeout() {
    #[derive(Clone)]
    struct Never;
    impl Service<Request<String>> for Never {
        type Response = Response<String>;
        type Error = Broken;
        type Future = std::future::Pending<Result<Response<String>, Broken>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
            Poll::Pending
        }

        fn call(&mut self, _: Request<String>) -> Self::Future {
            panic!("it is not ready")
        }
    }
    let circuit = open();
    let layer = FallbackLayer::on_rejection(&circuit, service(Never)).keeping_request();
    let call = layer
        .layer(behind(&circuit, 200))
        .oneshot(Request::default());
    assert!(tokio::time::timeout(BREAK, call).await.is_err());
}

// M1: made ready before it is called, on a clone of its own.
#[test]
fn a_stand_in_is_made_ready_first() {
    struct Reserves(bool);
    impl Clone for Reserves {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Service<Request<String>> for Reserves {
        type Response = Response<String>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<String>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.0 = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<String>) -> Self::Future {
            assert!(std::mem::take(&mut self.0), "not ready");
            std::future::ready(Ok(stand_in()))
        }
    }
    let circuit = open();
    let layer = FallbackLayer::on_rejection(&circuit, service(Reserves(false))).keeping_request();
    for _ in 0..2 {
        let answer = ask(layer.layer(behind(&circuit, 200))).unwrap();
        assert_eq!(answer.body(), "stand-in");
    }
}

// M1, A5: a panic goes on to the caller. The circuit has its outcome, and the next call is as any.
#[test]
fn panics_go_on_and_leave_nothing_behind() {
    let panics = |call: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    let circuit = Circuit::builder("reviews")
        .consecutive_failures(9)
        .build()
        .unwrap();
    let predicate = FallbackLayer::on_failure(&circuit, value(stand_in()))
        .when(|_: &Because<Infallible>| panic!("predicate"));
    panics(&|| drop(ask(predicate.layer(behind(&circuit, 500)))));
    let made = FallbackLayer::on_failure(
        &circuit,
        response(|_: &Because<Infallible>| -> Response<String> { panic!("made") }),
    );
    panics(&|| drop(ask(made.layer(behind(&circuit, 500)))));
    let polled = FallbackLayer::on_failure(
        &circuit,
        from_fn(|(), _: &Because<Infallible>| {
            poll_fn(|_| -> Poll<Response<String>> { panic!("polled") })
        }),
    );
    panics(&|| drop(ask(polled.layer(behind(&circuit, 500)))));
    let keeping = FallbackLayer::on_failure(
        &circuit,
        from_fn(|(), _: &Because<Infallible>| async { stand_in() }),
    )
    .keeping(|_: &Request<String>| panic!("kept"));
    panics(&|| drop(ask(keeping.layer(behind(&circuit, 500)))));

    let totals = circuit.snapshot().totals.unwrap();
    assert_eq!((totals.failed, totals.abandoned), (3, 0));
    assert_eq!(fallbacks(&circuit), []);
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    let Ok(answer) = ask(layer.layer(behind(&circuit, 500)));
    assert_eq!(answer.body(), "stand-in");
}
