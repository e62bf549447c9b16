//! What a fallback is made of can be printed, also where that is a closure.

use super::*;
use std::fmt::Debug;
use tower_breaker::degrade::{
    Because,
    fallback::{
        Answer, CountedFor, FallbackLayer, fail, fail_with, from_fn, response, service,
        try_from_fn, value,
    },
};

type Cause = Because<Infallible>;

/// What is printed of a layer that has this answer.
fn with<A: Debug>(answer: A) -> String {
    format!(
        "{:?}",
        FallbackLayer::on_rejection(CountedFor::nobody(), answer)
    )
}

// M1
#[test]
fn an_answer_says_of_which_kind_it_is() {
    let answers = [
        with(value(1)),
        with(response(|_: &Cause| stand_in())),
        with(fail_with(|_: &Cause| stand_in())),
        with(fail(|_: &Cause| Broken("down"))),
        with(from_fn(|(), _: &Cause| async { stand_in() })),
        with(try_from_fn(|(), _: &Cause| async {
            Ok::<_, Broken>(stand_in())
        })),
        with(service(service_fn(async |(): ()| {
            Ok::<_, Broken>(stand_in())
        }))),
    ];
    let kinds = [
        "Value",
        "Respond(_)",
        "FailWith(_)",
        "Fail(_)",
        "FromFn(_)",
        "TryFromFn(_)",
        "ServiceAnswer(_)",
    ];
    for (answer, kind) in answers.iter().zip(kinds) {
        assert!(answer.contains(&format!("answer: {kind}")), "{answer}");
        assert!(answer.starts_with("FallbackLayer"), "{answer}");
    }
}

// M1
#[test]
fn a_layer_says_when_it_answers_what_it_keeps_and_who_counts() {
    let circuit = circuit();
    let layer = FallbackLayer::on_failure(&circuit, value(stand_in()));
    let layer = layer.keeping(|request: &Request<String>| request.body().len());
    let printed = format!("{layer:?}");
    for part in [
        "OnFailure { classifier: HttpClassifier",
        "keep: By(_)",
        "CountedFor(Some(\"reviews\"))",
    ] {
        assert!(printed.contains(part), "{printed}");
    }
}

// M1
#[test]
fn a_service_says_around_what_it_is() {
    let circuit = circuit();
    let layer = FallbackLayer::on_rejection(&circuit, value(stand_in()));
    let printed = format!("{:?}", layer.layer("a client"));
    assert!(
        printed.starts_with("Fallback") && printed.contains("a client"),
        "{printed}"
    );
    let mut service = layer.layer(behind(&circuit, 200));
    let Ok(service) = service.ready().now_or_never().unwrap();
    let call = service.call(Request::default());
    assert_eq!(format!("{call:?}"), "FallbackFuture { .. }");
    let replica = service_fn(async |(): ()| Ok::<_, Broken>(stand_in()));
    let answer = tower_breaker::degrade::fallback::service(replica);
    let answer = Answer::<_, Response<String>, Infallible>::answer(&answer, (), &Because::Response);
    let answer = answer.expect("there is always one");
    assert_eq!(format!("{answer:?}"), "ServiceAnswerFuture { .. }");
}

// M1, I1
#[cfg(feature = "registry")]
#[test]
fn a_layer_by_key_says_so() {
    use tower_breaker::{keyed::by, registry::Registry};
    let registry = Registry::builder().build().unwrap();
    let layer = FallbackLayer::on_failure(&registry, value(stand_in()));
    let printed = format!("{:?}", layer.keyed_by(&registry, by::authority()));
    assert!(printed.contains("keep: ByKey(Nothing)"), "{printed}");
    assert!(
        printed.contains("CountedFor(\"a registry\", None)"),
        "{printed}"
    );
}
