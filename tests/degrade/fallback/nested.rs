//! Fallbacks around each other, and in the wrong place.

use super::*;
use crate::said::said_by;
use tower_breaker::{
    CircuitError, Rejected,
    degrade::{
        Because, Degraded,
        fallback::{Answer, FallbackLayer, response, service, try_from_fn, value},
    },
};

/// Has no answer.
struct Declines;

impl<K, Res, E> Answer<K, Res, E> for Declines {
    type Failure = Infallible;
    type Error = E;
    type Future = std::future::Pending<Result<Res, Infallible>>;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Cached
    }

    fn answer(&self, _: K, _: &Because<E>) -> Option<Self::Future> {
        None
    }

    fn failed(&self, _: Because<E>, failure: Infallible) -> E {
        match failure {}
    }

    fn inner_error(&self, error: E) -> E {
        error
    }
}

// M1: a response that is another answer already is one, whatever its status.
#[test]
fn an_inner_answer_is_passed_on() {
    let circuit = open();
    let inner = FallbackLayer::on_rejection(
        &circuit,
        response(|_: &Because<Infallible>| {
            let sorry = Response::builder().status(500);
            sorry.body("inner".to_owned()).unwrap()
        }),
    );
    let outer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    let service = outer.layer(inner.layer(behind(&circuit, 200)));
    let Ok(answer) = ask(service);
    assert_eq!(answer.body(), "inner");
    assert_eq!(fallbacks(&circuit), [(FallbackKind::Value, OPEN, 1, 0)]);
}

// M1: and one that has no answer leaves everything as it was, for the next.
#[test]
fn where_there_is_no_answer_the_next_fallback_has_its_turn() {
    let circuit = circuit();
    let inner = FallbackLayer::on_failure(&circuit, Declines);
    let Ok(answer) = ask(inner.layer(behind(&circuit, 502)));
    assert_eq!((answer.status().as_u16(), &**answer.body()), (502, "live"));
    assert!(answer.extensions().get::<Degraded>().is_none());
    let Ok(answer) = ask(inner.layer(behind(&circuit, 200)));
    assert!(answer.extensions().get::<Rejected>().is_some());
    circuit.reset();
    let error = ask(inner.layer(breaking(&circuit, "no connection"))).unwrap_err();
    assert_eq!(error, CircuitError::Inner(Broken("no connection")));
    let error = ask(inner.layer(breaking(&circuit, "unused"))).unwrap_err();
    assert!(error.rejected().is_some());
    assert_eq!(fallbacks(&circuit), [], "nothing was answered");

    let outer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    let Ok(answer) = ask(outer.layer(inner.layer(behind(&circuit, 200))));
    assert_eq!(answer.body(), "stand-in");
}

// M1: the outer one answers if the inner one has failed, and finds all causes.
#[test]
fn the_outer_one_knows_why_the_inner_one_was_asked() {
    let circuit = open();
    let failing = |_: Request<String>| async { Err::<Response<String>, _>(Broken("down")) };
    let failing = || service(service_fn(failing));
    let first = FallbackLayer::on_rejection(&circuit, failing()).keeping_request();
    let second = FallbackLayer::on_rejection(&circuit, failing()).keeping_request();
    let third = FallbackLayer::on_rejection(&circuit, failing()).keeping_request();
    let all = third.layer(second.layer(first.layer(behind(&circuit, 200))));
    let error = ask(all).unwrap_err();
    assert_eq!(Rejected::find(&error).unwrap().circuit(), "reviews");
    assert_eq!(fallbacks(&circuit), [(FallbackKind::Own, OPEN, 0, 3)]);
}

// M1: the circuit does not see what a fallback inside of it hides. That is told, and nothing else changes.
#[test]
fn a_fallback_inside_the_breaker_is_found_out() {
    let circuit = circuit();
    let inside = FallbackLayer::on_failure(&circuit, value(stand_in())).layer(answering(500));
    let service = CircuitBreakerLayer::new(circuit.clone()).layer(inside);
    let Ok(answer) = ask(service.clone());
    assert_eq!(answer.body(), "stand-in");
    let Ok(_) = ask(service);
    assert_eq!(
        circuit.snapshot().totals.unwrap().successful,
        2,
        "so it thinks"
    );
    assert_eq!(parts(&circuit).hidden_failures, 2);

    // Where it belongs, it hides nothing; nor does one around another circuit's.
    let (circuit, other) = (super::circuit(), super::circuit());
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    let service = layer.layer(behind(&circuit, 500));
    let Ok(_) = ask(CircuitBreakerLayer::new(other.clone()).layer(service));
    let layer = FallbackLayer::on_rejection(&circuit, value(stand_in()));
    let Ok(_) = ask(layer.layer(behind(&circuit, 200)));
    assert_eq!(parts(&circuit).hidden_failures, 0);
    assert_eq!(parts(&other).hidden_failures, 0);
}

// M1, M9: whoever develops with it reads so, and once.
#[test]
fn a_fallback_inside_the_breaker_says_so_once() {
    let test = "fallback::nested::a_fallback_inside_the_breaker_says_so_once";
    if let Some(said) = said_by(test) {
        let lines = said.matches("a fallback is inside the breaker of circuit `reviews`");
        assert_eq!(lines.count(), usize::from(cfg!(debug_assertions)), "{said}");
        return;
    }
    let circuit = circuit();
    let inside = FallbackLayer::on_failure(&circuit, value(stand_in())).layer(answering(500));
    let service = CircuitBreakerLayer::new(circuit.clone()).layer(inside);
    for _ in 0..3 {
        let Ok(_) = ask(service.clone());
    }
}

// M1: what has no answer hides nothing. Nor does an answer to a call that another circuit has rejected.
#[test]
fn only_the_answer_to_a_failure_hides_it() {
    let circuit = circuit();
    let nothing = |(), _: &Because<Infallible>| async {
        Err::<Response<String>, _>(Broken("nothing stored"))
    };
    let inside = FallbackLayer::on_failure(&circuit, try_from_fn(nothing)).layer(answering(500));
    let service = CircuitBreakerLayer::new(circuit.clone()).layer(inside);
    assert!(ask(service).is_err());
    circuit.reset();
    let layer = FallbackLayer::on_rejection(&circuit, value(stand_in()));
    let inside = layer.layer(behind(&open(), 200));
    let Ok(answer) = ask(CircuitBreakerLayer::new(circuit.clone()).layer(inside));
    assert_eq!(answer.body(), "stand-in");
    assert_eq!(fallbacks(&circuit).len(), 2);
    assert_eq!(parts(&circuit).hidden_failures, 0);
}
