//! What makes a call slow, where bodies are observed (rules A3, D3, H5).

use std::time::Duration;

use http::Request;
use tower_breaker::{AbandonedPolicy, State, body::ObserveBodies};

use crate::{
    stage::{
        AT_END, HEADS, NOW, Says, Stage, answer, body, judge, poll, read, read_to_end, watchful,
    },
    support::{Fixture, NANO, SLOW, fragile_after_break, secs},
};

fn to_head() -> Stage {
    Stage::new(watchful())
}

fn to_end() -> Stage {
    Stage::with(watchful(), measured_to_end_of_body())
}

fn measured_to_end_of_body() -> ObserveBodies<crate::stage::Judge> {
    let judge: crate::stage::Judge = judge;
    ObserveBodies::new()
        .measure_to_end_of_body()
        .eos_classifier(judge)
}

/// One call whose head takes so long, and each frame of its body so long.
fn call(stage: &Stage, head: Duration, frame: Duration, script: &str) -> String {
    let response = answer(AT_END, body(script));
    let mut observed = stage
        .ask_after(head, Request::get("/"), response)
        .into_body();
    loop {
        stage.fixture.wait(frame);
        let heard = poll(&mut observed);
        if ['.', 'e', 't', 'T'].contains(&heard) {
            return stage.ended();
        }
        assert_eq!(stage.ended(), "");
    }
}

// A3: to the head, unless asked otherwise.
#[test]
fn a_long_body_does_not_make_a_call_slow() {
    let stage = to_head();
    let zero = Duration::ZERO;
    assert_eq!(call(&stage, zero, secs(3600), "33"), "successful");
    assert_eq!(call(&stage, SLOW, secs(3600), "33"), "successful");
    assert_eq!(
        call(&stage, SLOW + NANO, secs(3600), "33"),
        "successful slow"
    );
    assert_eq!(call(&stage, SLOW + NANO, zero, ""), "successful slow");
}

// A3: a failure can be slow, too; and only by its head.
#[test]
fn a_body_that_breaks_late_is_not_slow_unless_its_head_was() {
    let stage = to_head();
    for script in ["e", "3e", "3T"] {
        let hour = secs(3600);
        assert_eq!(call(&stage, SLOW, hour, script), "failed", "{script}");
        let slow = call(&stage, SLOW + NANO, hour, script);
        assert_eq!(slow, "failed slow", "{script}");
    }
}

// A3
#[test]
fn to_the_end_if_asked() {
    let stage = to_end();
    let zero = Duration::ZERO;
    // One frame and the end.
    assert_eq!(call(&stage, zero, SLOW / 2, "3"), "successful");
    assert_eq!(call(&stage, NANO, SLOW / 2, "3"), "successful slow");
    assert_eq!(call(&stage, zero, SLOW, "e"), "failed");
    assert_eq!(call(&stage, zero, SLOW + NANO, "e"), "failed slow");
    assert_eq!(call(&stage, SLOW + NANO, zero, "e"), "failed slow");
}

// A3: a response that ends with its head is slow by its head, whichever way.
#[test]
fn a_response_without_a_body_is_slow_by_its_head() {
    for stage in [to_head(), to_end()] {
        for head in HEADS {
            for (time, ending) in [(SLOW, "successful"), (SLOW + NANO, "successful slow")] {
                drop(stage.ask_after(time, Request::head("/"), answer(head, body("9"))));
                assert_eq!(stage.ended(), ending, "{head}");
                let empty = answer(head, body("").says(Says::Truth));
                drop(stage.ask_after(time, Request::get("/"), empty));
                assert_eq!(stage.ended(), ending, "{head}");
            }
        }
    }
}

// A3: other heads are slow by themselves.
#[test]
fn a_failed_head_is_slow_by_itself() {
    for stage in [to_head(), to_end()] {
        for (time, ending) in [(SLOW, "failed"), (SLOW + NANO, "failed slow")] {
            let failed = answer(http::StatusCode::BAD_GATEWAY, body("3"));
            let observed = stage.ask_after(time, Request::get("/"), failed);
            assert_eq!(stage.ended(), ending);
            stage.fixture.wait(secs(3600));
            drop(observed);
            assert_eq!(stage.ended(), "");
        }
    }
}

// H5, A4: never, not even if its head was; and not where every abandoned call is a failure.
#[test]
fn an_early_drop_is_never_slow() {
    for observe in [
        ObserveBodies::new().eos_classifier(judge as crate::stage::Judge),
        measured_to_end_of_body(),
    ] {
        for (policy, ending) in [
            (AbandonedPolicy::FailureIfSlow, "abandoned"),
            (AbandonedPolicy::Ignore, "abandoned"),
            (AbandonedPolicy::Failure, "failed"),
        ] {
            let fixture = Fixture::new(|c| c.slow_call_duration(SLOW).abandoned(policy));
            let stage = Stage::with(fixture, observe);
            let response = answer(NOW, body("33"));
            let response = stage.ask_after(SLOW * 2, Request::get("/"), response);
            let observed = response.into_body();
            stage.fixture.wait(SLOW * 2);
            drop(observed);
            assert_eq!(stage.ended(), ending, "{policy:?}");
        }
    }
}

// H5, A3: one that is left after data is as slow as its head; to the drop, if time to the end is asked for.
#[test]
fn a_stream_that_is_left_is_slow_by_its_head_unless_asked() {
    let left = |stage: Stage, head, body_time| {
        let response = answer(NOW, body("33"));
        let response = stage.ask_after(head, Request::get("/"), response);
        let mut observed = response.into_body();
        poll(&mut observed);
        stage.fixture.wait(body_time);
        drop(observed);
        stage.ended()
    };
    assert_eq!(left(to_head(), SLOW, secs(3600)), "successful");
    assert_eq!(left(to_head(), SLOW + NANO, NANO), "successful slow");
    assert_eq!(left(to_end(), SLOW - NANO, NANO), "successful");
    assert_eq!(left(to_end(), SLOW, NANO), "successful slow");
}

// A3, B3: a slow call that trips by its end is counted then.
#[test]
fn slow_calls_trip_at_the_end_of_their_bodies() {
    let fixture = Fixture::new(|c| {
        c.slow_call_duration(SLOW)
            .slow_call_rate(1.0)
            .minimum_calls(2)
    });
    let stage = Stage::new(fixture);
    let slow_head = || {
        let response = answer(NOW, body("3"));
        stage.ask_after(SLOW + NANO, Request::get("/"), response)
    };
    let (mut one, mut other) = (slow_head().into_body(), slow_head().into_body());
    stage.fixture.is(State::Closed);
    read_to_end(&mut one);
    stage.fixture.is(State::Closed);
    read_to_end(&mut other);
    stage.fixture.is(State::Open);
    assert_eq!(stage.ended(), "successful successful slow slow");
}

// D3: of a probe, the head counts; if asked otherwise, the first data frame.
#[test]
fn a_slow_probe_is_a_failed_probe() {
    let probe = |observe, head, frame| {
        let fixture = fragile_after_break(|c| c.slow_call_duration(SLOW).slow_call_rate(1.0));
        let stage = Stage::with(fixture, observe);
        let response = answer(NOW, body("33"));
        let mut observed = stage
            .ask_after(head, Request::get("/"), response)
            .into_body();
        stage.fixture.wait(frame);
        read(&mut observed, 1);
        let decided = stage.fixture.circuit.state();
        // Whatever comes after the first frame says nothing more.
        stage.fixture.wait(secs(1));
        read_to_end(&mut observed);
        assert_eq!(stage.fixture.circuit.state(), decided);
        decided
    };
    let judge: crate::stage::Judge = judge;
    let to_head = || ObserveBodies::new().eos_classifier(judge);
    assert_eq!(probe(to_head(), SLOW, secs(9)), State::Closed);
    assert_eq!(probe(to_head(), SLOW + NANO, secs(0)), State::Open);
    assert_eq!(
        probe(measured_to_end_of_body(), SLOW - NANO, NANO),
        State::Closed
    );
    assert_eq!(probe(measured_to_end_of_body(), SLOW, NANO), State::Open);
}

// A3: where slowness is not watched, no time is kept, and none is made up.
#[test]
fn nothing_is_slow_where_slowness_is_not_watched() {
    let judge: crate::stage::Judge = judge;
    for observe in [
        ObserveBodies::new().eos_classifier(judge),
        measured_to_end_of_body(),
    ] {
        let stage = Stage::with(Fixture::new(|c| c), observe);
        assert_eq!(call(&stage, secs(3600), secs(3600), "33"), "successful");
    }
}
