//! Panics of whatever is asked on behalf of a call: each is a failure, counts once, and goes on unwinding
//! (rule A5).

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::Request;
use http_body::{Body, SizeHint};
use tower_breaker::{CircuitBreakerLayer, Outcome, State};

use crate::{
    stage::{AT_END, NOW, Says, Stage, announcing, answer, body, judged_by, poll, read_to_end},
    support::{Fixture, fragile_after_break, panic_of},
};

// A5
#[test]
fn a_judge_that_panics_has_failed_the_call() {
    let stage = Stage::with(Fixture::new(|c| c), judged_by(|_| panic!("the judge")));
    for (head, script, hint) in [
        (AT_END, "3", 3),
        (AT_END, "3t", 3),
        (AT_END, "3e", 3),
        (NOW, "3e", 4),
        (NOW, "3", 4),
        (NOW, "3t", 4),
        (NOW, "5", 4),
    ] {
        let mut body = stage.get(head, body(script).hint(hint));
        let message = panic_of(|| drop(read_to_end(&mut body)));
        assert_eq!(message, "the judge");
        assert_eq!(stage.ended(), "failed", "{head} {script}");
        // The judge is not asked again.
        assert_eq!(poll(&mut body), '.');
        drop(body);
        assert_eq!(stage.ended(), "");
    }
}

// A5
#[test]
fn a_judge_that_panics_at_the_head_has_failed_the_call() {
    let stage = Stage::with(Fixture::new(|c| c), judged_by(|_| panic!("the judge")));
    let over = || body("").says(Says::Truth);
    assert_eq!(panic_of(|| drop(stage.get(AT_END, over()))), "the judge");
    assert_eq!(stage.ended(), "failed");
    let head = || drop(stage.ask(Request::head("/"), answer(AT_END, body("9"))));
    assert_eq!(panic_of(head), "the judge");
    assert_eq!(stage.ended(), "failed");
}

// A5
#[test]
fn a_body_that_panics_when_asked_for_its_end_has_failed_the_call() {
    let stage = Stage::new(Fixture::new(|c| c));
    let panics = || body("3").says(Says::Panics);
    assert_eq!(panic_of(|| drop(stage.get(NOW, panics()))), "is_end_stream");
    assert_eq!(stage.ended(), "failed");
    // Where there is no body, it is not asked.
    drop(stage.ask(Request::head("/"), answer(NOW, panics())));
    assert_eq!(stage.ended(), "successful");
}

/// Is over after its first frame, and panics when asked how long it is, or whether it is over.
#[derive(Default)]
struct Touchy {
    hint: bool,
    end_after_frame: bool,
    polled: bool,
}

impl Body for Touchy {
    type Data = bytes::Bytes;
    type Error = crate::stage::Broken;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let first = !std::mem::replace(&mut self.polled, true);
        let frame = || Ok(http_body::Frame::data(bytes::Bytes::from_static(b"x")));
        std::task::Poll::Ready(first.then(frame))
    }

    fn is_end_stream(&self) -> bool {
        assert!(!(self.end_after_frame && self.polled), "after the frame");
        false
    }

    fn size_hint(&self) -> SizeHint {
        assert!(!self.hint, "size_hint");
        SizeHint::default()
    }
}

// A5
#[test]
fn a_body_that_panics_when_asked_for_its_length_has_failed_the_call() {
    let stage = Stage::new(Fixture::new(|c| c));
    let touchy = || Touchy {
        hint: true,
        ..Touchy::default()
    };
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        drop(stage.ask(Request::get("/"), answer(NOW, touchy())));
    }));
    assert!(panicked.is_err());
    assert_eq!(stage.ended(), "failed");
    // Where the header says it, the body is not asked.
    drop(stage.ask(Request::get("/"), announcing("0", answer(NOW, touchy()))));
    assert_eq!(stage.ended(), "successful");
}

// A5, H5
#[test]
fn a_body_that_panics_after_a_frame_has_failed_the_call() {
    let stage = Stage::new(Fixture::new(|c| c));
    let touchy = Touchy {
        end_after_frame: true,
        ..Touchy::default()
    };
    let mut observed = stage
        .ask(Request::get("/"), answer(NOW, touchy))
        .into_body();
    let panicked = catch_unwind(AssertUnwindSafe(|| poll(&mut observed)));
    assert!(panicked.is_err());
    assert_eq!(stage.ended(), "failed");
}

// A5: the classifier of heads, as ever.
#[test]
fn a_classifier_that_panics_has_failed_the_call() {
    let fixture = Fixture::new(|c| c);
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone())
        .classify(
            |_: Result<&http::Response<crate::stage::Scripted>, &crate::stage::Broken>| -> Outcome {
                panic!("the classifier")
            },
        )
        .observe_bodies();
    let mut service = tower::Layer::layer(
        &layer,
        tower::service_fn(|_: Request<()>| std::future::ready(Ok(answer(NOW, body("3"))))),
    );
    let message = panic_of(|| {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(tower::Service::poll_ready(&mut service, &mut context).is_ready());
        let called = tower::Service::call(&mut service, Request::new(()));
        drop(futures_util::FutureExt::now_or_never(called));
    });
    assert_eq!(message, "the classifier");
    assert_eq!(fixture.totals().failed, 1);
}

// A5, D2: a probe fails with its panic.
#[test]
fn a_panic_fails_a_probe() {
    let stage = Stage::new(fragile_after_break(|c| c));
    let mut observed = stage.get(NOW, body("!"));
    stage.fixture.is(State::HalfOpen);
    panic_of(|| assert_eq!(poll(&mut observed), '!'));
    stage.fixture.is(State::Open);
    assert_eq!(stage.ended(), "failed");
}
