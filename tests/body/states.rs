//! Bodies in every state and mode: probes (rules D1, D2, D4, H5), calls of an earlier era (C4), shadow and
//! disabled (E1).

use http::{Request, StatusCode};
use tower_breaker::{AbandonedPolicy, Mode, Outcome, Reason, Rejected, State};

use crate::{
    stage::{
        AT_END, HEADS, Judge, NOW, Observed, Says, Scripted, Stage, announcing, answer, body,
        judged_by, poll, read, read_to_end,
    },
    support::{Fixture, NANO, fragile, fragile_after_break, secs},
};

fn tripped() -> Stage {
    Stage::new(fragile_after_break(|c| c))
}

fn probe(stage: &Stage, head: StatusCode, scripted: Scripted) -> Observed {
    let observed = stage.get(head, scripted);
    stage.fixture.is(State::HalfOpen);
    observed
}

// ---- closed ------------------------------------------------------------------------------------

// H5, B1
#[test]
fn bodies_that_break_trip_the_circuit() {
    let stage = Stage::new(Fixture::new(|c| c.consecutive_failures(3)));
    for _ in 0..3 {
        stage.fixture.is(State::Closed);
        read_to_end(&mut stage.get(NOW, body("3e")));
    }
    stage.fixture.is(State::Open);
    assert_eq!(stage.ended(), "failed failed failed");
}

// H5, B1: the streak ends with the end of a body, and not with its head.
#[test]
fn a_head_does_not_end_a_streak() {
    let stage = Stage::new(Fixture::new(|c| c.consecutive_failures(2)));
    read_to_end(&mut stage.get(NOW, body("e")));
    let mut good = stage.get(NOW, body("3"));
    read_to_end(&mut stage.get(NOW, body("e")));
    stage.fixture.is(State::Open);
    read_to_end(&mut good);
    assert_eq!(stage.ended(), "successful failed failed stale");
}

// A2, B2, H5: what is abandoned enters no window, and what is left after data does.
#[test]
fn only_what_has_ended_enters_the_window() {
    let fixture = Fixture::new(|c| c.count_window(10).failure_rate(1.0).minimum_calls(10));
    let stage = Stage::new(fixture);
    drop(stage.get(NOW, body("33")));
    assert_eq!(stage.fixture.window(), (0, 0, 0));
    let mut under_way = stage.get(NOW, body("33"));
    poll(&mut under_way);
    assert_eq!(stage.fixture.window(), (0, 0, 0));
    drop(under_way);
    assert_eq!(stage.fixture.window(), (1, 0, 0));
    read_to_end(&mut stage.get(NOW, body("3")));
    read_to_end(&mut stage.get(NOW, body("3e")));
    assert_eq!(stage.fixture.window(), (3, 1, 0));
}

// ---- half-open ---------------------------------------------------------------------------------

// H5: a long stream does not hold up recovery.
#[test]
fn a_probe_has_succeeded_with_its_first_data_frame() {
    for head in HEADS {
        let stage = tripped();
        let mut observed = probe(&stage, head, body("p33e"));
        assert_eq!((poll(&mut observed), stage.ended()), ('p', "".into()));
        stage.fixture.is(State::HalfOpen);
        assert_eq!(
            (poll(&mut observed), stage.ended()),
            ('3', "successful".into())
        );
        stage.fixture.is(State::Closed);
        // What comes after it changes nothing: neither the circuit, nor any count.
        assert_eq!(read_to_end(&mut observed), "3e");
        drop(observed);
        stage.fixture.is(State::Closed);
        assert_eq!(stage.ended(), "");
    }
}

// H5: after the first data frame a drop, too, changes nothing.
#[test]
fn a_probe_dropped_after_its_first_data_frame_has_succeeded() {
    let stage = tripped();
    let mut observed = probe(&stage, NOW, body("33"));
    poll(&mut observed);
    drop(observed);
    stage.fixture.is(State::Closed);
    assert_eq!(stage.ended(), "successful");
}

// H5: not with its head.
#[test]
fn a_probe_has_not_succeeded_with_its_head() {
    let stage = tripped();
    let held = probe(&stage, NOW, body("33"));
    let refused = stage.ask(Request::get("/"), answer(NOW, body("")));
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let rejected = refused.extensions().get::<Rejected>().expect("a mark");
    assert_eq!(rejected.reason(), Reason::HalfOpenFull);
    assert_eq!(stage.ended(), "rejected");
    drop(held);
}

// H5, D1, A4
#[test]
fn a_probe_dropped_before_its_first_data_frame_gives_its_permit_back() {
    for polls in [0, 1] {
        let stage = tripped();
        for _ in 0..3 {
            let mut observed = probe(&stage, NOW, body("p3"));
            read(&mut observed, polls);
            drop(observed);
            assert_eq!(stage.ended(), "abandoned");
            stage.fixture.is(State::HalfOpen);
        }
        poll(&mut probe(&stage, NOW, body("3")));
        stage.fixture.is(State::Closed);
    }
}

// A4, D2: unless every abandoned call is a failure.
#[test]
fn where_abandoned_is_a_failure_a_probe_dropped_early_has_failed() {
    let stage = Stage::new(fragile_after_break(|c| {
        c.abandoned(AbandonedPolicy::Failure)
    }));
    drop(probe(&stage, NOW, body("3")));
    stage.fixture.is(State::Open);
    assert_eq!(stage.ended(), "failed");
}

// H5, D2
#[test]
fn an_error_before_any_data_fails_a_probe() {
    for head in HEADS {
        for script in ["e", "pe"] {
            let stage = tripped();
            read_to_end(&mut probe(&stage, head, body(script)));
            stage.fixture.is(State::Open);
            assert_eq!(stage.ended(), "failed", "{head} {script}");
        }
    }
}

// H5, A1: what is over with its first frame is judged as a whole.
#[test]
fn a_probe_whose_body_is_over_is_judged_by_its_end() {
    for (head, scripted, state) in [
        (NOW, body("t"), State::Closed),
        (NOW, body("T"), State::Closed),
        (AT_END, body("t"), State::Closed),
        (AT_END, body("T"), State::Open),
        (NOW, body(""), State::Closed),
        (NOW, body("").says(Says::Truth), State::Closed),
        (NOW, body("").hint(0), State::Closed),
        (NOW, body("").hint(3), State::Open),
        (NOW, body("2").says(Says::Truth).hint(3), State::Open),
        (NOW, body("4").hint(3), State::Open),
        (NOW, body("3").says(Says::Truth).hint(3), State::Closed),
        // Short, but nobody knows yet when its first frame comes.
        (NOW, body("2").hint(3), State::Closed),
        (AT_END, body("3T"), State::Closed),
    ] {
        let stage = tripped();
        let before = format!("{head} {scripted:?}");
        read_to_end(&mut stage.get(head, scripted));
        assert_eq!(stage.fixture.circuit.state(), state, "{before}");
    }
}

// H5: the letter of the rule: a data frame, empty or not.
#[test]
fn an_empty_data_frame_is_a_data_frame() {
    let stage = tripped();
    poll(&mut probe(&stage, NOW, body("0p")));
    stage.fixture.is(State::Closed);
}

// D1, D2
#[test]
fn each_of_several_probes_counts_once() {
    let stage = Stage::new(fragile_after_break(|c| c.probes(2, 3).permits(3)));
    let mut one = probe(&stage, NOW, body("33"));
    let mut two = probe(&stage, NOW, body("e"));
    let mut three = probe(&stage, NOW, body("33"));
    read(&mut one, 3);
    stage.fixture.is(State::HalfOpen);
    read(&mut two, 1);
    stage.fixture.is(State::HalfOpen);
    read(&mut three, 1);
    stage.fixture.is(State::Closed);
    assert_eq!(stage.ended(), "successful successful failed");
}

// D4: a probe whose body is held and never read delays recovery, and does not prevent it.
#[test]
fn a_forgotten_probe_times_out() {
    let stage = Stage::new(fragile_after_break(|c| c.half_open_timeout(secs(30))));
    std::mem::forget(probe(&stage, NOW, body("3")));
    stage.fixture.wait(secs(30) - NANO);
    drop(stage.get(NOW, body("3")));
    stage.fixture.is(State::HalfOpen);
    stage.fixture.wait(NANO);
    drop(stage.get(NOW, body("3")));
    stage.fixture.is(State::Open);
    stage.fixture.wait_out();
    poll(&mut probe(&stage, NOW, body("3")));
    stage.fixture.is(State::Closed);
}

// D4, H5: nor does a stream in which nothing comes. It is no failure, but it has not come back.
#[test]
fn a_probe_that_stays_quiet_times_out() {
    let stage = Stage::new(fragile_after_break(|c| c.half_open_timeout(secs(9))));
    let mut quiet = probe(&stage, NOW, body("pppp3"));
    for _ in 0..4 {
        assert_eq!(poll(&mut quiet), 'p');
        stage.fixture.wait(secs(9) / 4);
    }
    stage.fixture.play("x");
    stage.fixture.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> open: the probes timed out, open for 5s",
    ]);
    poll(&mut quiet);
    drop(quiet);
    assert_eq!(stage.ended(), "successful stale rejected");
}

// D1, D2: which is why one of several may be enough.
#[test]
fn beside_a_probe_that_stays_quiet_another_may_be_enough() {
    let stage = Stage::new(fragile_after_break(|c| c.permits(3).probes(1, 3)));
    let _quiet = probe(&stage, NOW, body("p"));
    read_to_end(&mut probe(&stage, NOW, body("3")));
    stage.fixture.is(State::Closed);
}

// A4: with an answer, even the probe that has been held longer than probes are waited for is neutral.
#[test]
fn a_probe_that_is_dropped_late_is_not_a_failed_one() {
    let stage = Stage::new(fragile_after_break(|c| c.half_open_timeout(secs(30))));
    let observed = probe(&stage, NOW, body("3"));
    stage.fixture.wait(secs(31));
    drop(observed);
    stage.fixture.is(State::HalfOpen);
    assert_eq!(stage.ended(), "abandoned");
}

// A2
#[test]
fn an_ignored_head_gives_a_probes_permit_back() {
    let stage = tripped();
    for _ in 0..2 {
        let observed = probe(&stage, StatusCode::TOO_MANY_REQUESTS, body("3"));
        assert_eq!(stage.ended(), "ignored");
        drop(observed);
    }
    stage.fixture.is(State::HalfOpen);
    // And one that is an answer proves that the dependency is back, whatever becomes of its body.
    let mut observed = stage.get(StatusCode::NOT_FOUND, body("3e"));
    stage.fixture.is(State::Closed);
    read_to_end(&mut observed);
    assert_eq!(stage.ended(), "successful");
}

// A2: what the classifier of ends calls an answer proves that the dependency is back.
#[test]
fn trailers_can_be_an_answer() {
    let (ignored, answered): (Judge, Judge) = (|_| Outcome::Ignored, |_| Outcome::Answered);
    for (judge, script, state) in [
        (ignored, "e", State::HalfOpen),
        (ignored, "t", State::HalfOpen),
        (answered, "t", State::Closed),
    ] {
        let fixture = fragile_after_break(|c| c);
        let stage = Stage::with(fixture, judged_by(judge));
        read_to_end(&mut probe(&stage, AT_END, body(script)));
        stage.fixture.is(state);
    }
}

// ---- earlier eras ------------------------------------------------------------------------------

// C4
#[test]
fn a_body_that_ends_in_a_later_era_changes_nothing() {
    for (script, ending) in [
        ("3", "successful stale"),
        ("e", "failed stale"),
        ("T", "failed stale"),
    ] {
        let stage = Stage::new(fragile(|c| c));
        let mut straggler = stage.get(AT_END, body(script));
        stage.fixture.play("f");
        stage.ended();
        let before = stage.fixture.look_without_totals();
        read_to_end(&mut straggler);
        assert_eq!(stage.fixture.look_without_totals(), before);
        assert_eq!(stage.ended(), ending, "{script}");

        // Nor does it decide for the probes.
        let stage = Stage::new(fragile(|c| c));
        let mut straggler = stage.get(AT_END, body(script));
        stage.fixture.play("f");
        stage.fixture.wait_out();
        let held = probe(&stage, NOW, body("3"));
        stage.ended();
        read_to_end(&mut straggler);
        assert_eq!(stage.ended(), ending, "{script}");
        stage.fixture.is(State::HalfOpen);
        drop(held);
    }
}

// C4
#[test]
fn a_body_dropped_in_a_later_era_gives_no_permit_back() {
    let stage = Stage::new(fragile_after_break(|c| c.half_open_timeout(secs(30))));
    let straggler = probe(&stage, NOW, body("3"));
    stage.fixture.circuit.reset();
    stage.fixture.play("f");
    stage.fixture.wait_out();
    let held = probe(&stage, NOW, body("3"));
    stage.ended();
    drop(straggler);
    assert_eq!(stage.ended(), "abandoned stale");
    drop(stage.get(NOW, body("3")));
    assert_eq!(stage.ended(), "rejected");
    drop(held);
}

// ---- modes -------------------------------------------------------------------------------------

// E1
#[test]
fn a_disabled_circuit_counts_bodies_and_decides_nothing() {
    let stage = Stage::new(fragile(|c| c.mode(Mode::Disabled)));
    for (script, ending) in [("3", "successful"), ("e", "failed"), ("T", "failed")] {
        read_to_end(&mut stage.get(AT_END, body(script)));
        assert_eq!(stage.ended(), ending);
    }
    drop(stage.get(NOW, body("3")));
    assert_eq!(stage.ended(), "abandoned");
    stage.fixture.is(State::Closed);
    stage.fixture.tells_nothing();
}

// E1
#[test]
fn a_shadow_decides_by_bodies_and_rejects_nobody() {
    let stage = Stage::new(fragile(|c| c.mode(Mode::Shadow)));
    read_to_end(&mut stage.get(NOW, body("3e")));
    stage.fixture.is(State::Open);
    assert_eq!(stage.ended(), "failed");
    // Passes without a permit, and is followed all the same.
    read_to_end(&mut stage.get(NOW, body("3e")));
    assert_eq!(stage.ended(), "failed");
    stage.fixture.wait_out();
    poll(&mut probe(&stage, NOW, body("3p")));
    stage.fixture.is(State::Closed);
}

// H1, H3: what answers a rejection is not observed.
#[test]
fn the_answer_to_a_rejection_is_not_observed() {
    let stage = Stage::new(fragile(|c| c));
    stage.fixture.play("f");
    stage.ended();
    let response = stage.ask(Request::get("/"), announcing("9", answer(NOW, body("9"))));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let mut observed = response.into_body();
    assert!(format!("{observed:?}").ends_with("observed: false }"));
    assert_eq!(poll(&mut observed), '.');
    drop(observed);
    assert_eq!(stage.ended(), "rejected");
}
