//! Bodies that are dropped: before any data they are abandoned (rules A4, H5), after it they are what the head
//! said; complete, they are complete, whether or not anybody has asked for the end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::Request;
use http_body::Body;
use tower_breaker::{
    AbandonedPolicy, Outcome, State,
    body::{BodyEnd, ClassifyEos, ObserveBodies},
};

use crate::{
    stage::{
        AT_END, HEADS, NOW, Says, Stage, announcing, answer, body, judge, judged_by, poll, read,
        read_to_end,
    },
    support::{Fixture, SLOW, fragile, secs},
};

fn stage() -> Stage {
    Stage::new(Fixture::new(|c| c))
}

// H5: a proxy's server asks `is_end_stream` before it polls. Of an HTTP/2 body that may have come true
// since the last frame, or since the head.
#[test]
fn a_body_that_is_over_by_the_time_it_is_dropped_is_complete() {
    let stage = stage();
    for (head, script, ending) in [
        (NOW, "3", "successful"),
        (AT_END, "3", "successful"),
        (NOW, "", "successful"),
        (AT_END, "", "successful"),
    ] {
        let late = Late::new(script);
        let mut observed = stage
            .ask(Request::get("/"), answer(head, late.clone()))
            .into_body();
        read(&mut observed, script.len());
        assert_eq!(stage.ended(), "");
        late.is_over.set(true);
        assert!(observed.is_end_stream());
        drop(observed);
        assert_eq!(stage.ended(), ending, "{head} `{script}`");
    }
}

// H5: and if it has brought less than it announced, it has failed.
#[test]
fn a_body_that_is_over_and_short_when_it_is_dropped_has_failed() {
    let stage = stage();
    for head in HEADS {
        let late = Late::new("3");
        let response = announcing("5", answer(head, late.clone()));
        let mut observed = stage.ask(Request::get("/"), response).into_body();
        poll(&mut observed);
        late.is_over.set(true);
        drop(observed);
        assert_eq!(stage.ended(), "failed", "{head}");
    }
}

// A1, H5: hyper writes what was announced over HTTP/1 and drops the body there.
#[test]
fn a_body_dropped_with_the_announced_length_is_judged_complete() {
    for (outcome, ending) in [
        (Outcome::Success, "successful"),
        (Outcome::Ignored, "ignored"),
        (Outcome::Failure, "failed"),
    ] {
        let judge: crate::stage::Judge = match outcome {
            Outcome::Success => judge,
            Outcome::Ignored => |end| match end {
                BodyEnd::Complete => Outcome::Ignored,
                _ => Outcome::Success,
            },
            _ => |_| Outcome::Failure,
        };
        let stage = Stage::with(Fixture::new(|c| c), judged_by(judge));
        let response = announcing("5", answer(AT_END, body("32t")));
        let mut observed = stage.ask(Request::get("/"), response).into_body();
        read(&mut observed, 2);
        assert_eq!(stage.ended(), "");
        drop(observed);
        assert_eq!(stage.ended(), ending);
        drop(stage.ask(
            Request::get("/"),
            announcing("0", answer(AT_END, body("t"))),
        ));
        assert_eq!(
            stage.ended(),
            ending,
            "nothing was announced, and nothing came"
        );
    }
}

// A4, H5: unless trailers have to come. Then whoever drops it did not wait for them, and has left early.
#[test]
fn a_body_dropped_with_the_announced_length_is_left_early_where_trailers_have_to_come() {
    let stage = Stage::with(
        Fixture::new(|c| c),
        ObserveBodies::new().eos_classifier(Trailing),
    );
    for (length, script, left) in [("5", "32pt", "successful"), ("0", "pt", "abandoned")] {
        let get = || {
            let response = announcing(length, answer(AT_END, body(script)));
            stage.ask(Request::get("/"), response).into_body()
        };
        let mut observed = get();
        read(&mut observed, script.len() - 1);
        drop(observed);
        assert_eq!(stage.ended(), left, "{length}");
        read_to_end(&mut get());
        assert_eq!(stage.ended(), "successful", "{length}");
    }
    // One that says that it is over has ended without them.
    let late = Late::new("3");
    let observed = stage.ask(Request::get("/"), answer(AT_END, late.clone()));
    late.is_over.set(true);
    drop(observed);
    assert_eq!(stage.ended(), "failed");
}

/// Trailers are a success, and nothing else is.
struct Trailing;

impl<E> ClassifyEos<E> for Trailing {
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        match end {
            BodyEnd::Trailers(_) => Outcome::Success,
            _ => Outcome::Failure,
        }
    }

    fn awaits_trailers(&self) -> bool {
        true
    }
}

// H5: whoever takes the body out has left it: the call ends as if it had been dropped there, once.
#[test]
fn a_body_that_is_taken_out_ends_the_call_as_a_drop_would() {
    let stage = stage();
    for head in HEADS {
        for (script, polls, ending) in [
            ("33", 0, "abandoned"),
            ("p3", 1, "abandoned"),
            ("33", 1, "successful"),
            ("3e", 1, "successful"),
        ] {
            let mut observed = stage.get(head, body(script));
            read(&mut observed, polls);
            assert_eq!(stage.ended(), "");
            let mut inner = observed.into_inner();
            assert_eq!(stage.ended(), ending, "{head} {script} after {polls}");
            read_to_end(&mut inner);
            drop(inner);
            assert_eq!(stage.ended(), "");
        }
        // What has ended has ended; what nobody observes, nobody hears of.
        let mut observed = stage.get(head, body("3"));
        read_to_end(&mut observed);
        assert_eq!(stage.ended(), "successful");
        drop(observed.into_inner());
        assert_eq!(stage.ended(), "");
    }
    let late = Late::new("3");
    let response = announcing("5", answer(NOW, late.clone()));
    let mut observed = stage.ask(Request::get("/"), response).into_body();
    poll(&mut observed);
    late.is_over.set(true);
    drop(observed.into_inner());
    assert_eq!(stage.ended(), "failed", "over, and short");
}

// H5: what is read past it is not seen.
#[test]
fn what_is_read_through_get_mut_is_not_observed() {
    let stage = stage();
    let mut observed = stage.get(NOW, body("33e"));
    assert_eq!(poll(observed.get_mut()), '3');
    drop(observed);
    assert_eq!(stage.ended(), "abandoned");
    let mut observed = stage.get(NOW, body("33e"));
    assert_eq!(poll(&mut observed), '3');
    assert_eq!(read(observed.get_mut(), 2), "3e");
    assert_eq!(stage.ended(), "");
    assert_eq!(poll(&mut observed), '.');
    assert_eq!(stage.ended(), "successful");
}

// A4
#[test]
fn the_policy_says_what_an_abandoned_body_is() {
    for (policy, ending) in [
        (AbandonedPolicy::Ignore, "abandoned"),
        (AbandonedPolicy::Failure, "failed"),
        (AbandonedPolicy::FailureIfSlow, "abandoned"),
        (AbandonedPolicy::FailureAfter(SLOW), "abandoned"),
    ] {
        // H5: never slow, however long it took.
        for slow_after in [None, Some(SLOW)] {
            let stage = Stage::new(fragile(|c| {
                let c = c.abandoned(policy);
                match slow_after {
                    Some(slow) => c.slow_call_duration(slow),
                    None => c,
                }
            }));
            let mut observed = stage.get(NOW, body("p33"));
            poll(&mut observed);
            stage.fixture.wait(secs(3600));
            drop(observed);
            assert_eq!(stage.ended(), ending, "{policy:?} {slow_after:?}");
            let opened = policy == AbandonedPolicy::Failure;
            assert_eq!(stage.fixture.circuit.state() == State::Open, opened);
            stage.fixture.circuit.reset();

            // One that had begun is not abandoned at all.
            let mut observed = stage.get(NOW, body("33"));
            poll(&mut observed);
            stage.fixture.wait(secs(3600));
            drop(observed);
            assert_eq!(stage.ended(), "successful", "{policy:?} {slow_after:?}");
        }
    }
}

// A5: what is asked at a drop may panic, and the drop does not.
#[test]
fn a_drop_does_not_panic_whoever_is_asked() {
    let stage = Stage::with(Fixture::new(|c| c), judged_by(|_| panic!("the judge")));
    let late = Late::new("3");
    let observed = stage.ask(Request::get("/"), answer(AT_END, late.clone()));
    late.is_over.set(true);
    drop(observed);
    assert_eq!(stage.ended(), "failed");

    let late = Late::new("3");
    let observed = stage.ask(Request::get("/"), answer(NOW, late.clone()));
    late.panics.set(true);
    drop(observed);
    assert_eq!(stage.ended(), "failed");
}

// A5: not even if somebody else's panic drops it.
#[test]
fn a_body_dropped_by_a_panic_elsewhere_is_what_it_would_be_without() {
    let stage = Stage::with(Fixture::new(|c| c), judged_by(|_| panic!("the judge")));
    let unwind = |observed| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _dropped_here = observed;
            panic!("the reader");
        }));
        assert!(panicked.is_err());
    };
    unwind(stage.ask(Request::get("/"), answer(NOW, Late::new("3"))));
    assert_eq!(stage.ended(), "abandoned");

    let late = Late::new("3");
    let observed = stage.ask(Request::get("/"), answer(AT_END, late.clone()));
    late.is_over.set(true);
    unwind(observed);
    assert_eq!(stage.ended(), "failed");
}

// H5: nothing is asked twice, and of what is known nothing is asked.
#[test]
fn a_drop_after_the_end_asks_nobody() {
    let stage = stage();
    for script in ["3", "3t", "3e"] {
        let late = Late::new(script);
        let mut observed = stage
            .ask(Request::get("/"), answer(NOW, late.clone()))
            .into_body();
        read_to_end(&mut observed);
        late.panics.set(true);
        drop(observed);
        assert_ne!(stage.ended(), "");
    }
}

/// A scripted body that is over when it is told so.
#[derive(Clone, Default)]
struct Late {
    scripted: crate::stage::Scripted,
    is_over: std::rc::Rc<std::cell::Cell<bool>>,
    panics: std::rc::Rc<std::cell::Cell<bool>>,
}

impl Late {
    fn new(script: &str) -> Self {
        Self {
            scripted: body(script).says(Says::Nothing),
            ..Self::default()
        }
    }
}

impl Body for Late {
    type Data = bytes::Bytes;
    type Error = crate::stage::Broken;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::pin::Pin::new(&mut self.scripted).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        assert!(!self.panics.get(), "is_end_stream");
        self.is_over.get()
    }
}
