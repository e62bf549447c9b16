//! Each row of the table in the docs of `tower_breaker::body`, for a head that is a success and for one
//! whose outcome is known at the end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::{Request, StatusCode};

use crate::{
    stage::{
        AT_END, HEADS, NOW, Says, Stage, announcing, answer, body, judged_by, poll, read,
        read_to_end,
    },
    support::Fixture,
};
use tower_breaker::{
    Outcome,
    body::{DefaultClassifyEos, ObserveBodies},
};

fn stage() -> Stage {
    Stage::new(Fixture::new(|c| c.consecutive_failures(1_000)))
}

// H5
#[test]
fn a_body_that_ends_is_a_success() {
    let stage = stage();
    for head in HEADS {
        let mut body = stage.get(head, body("3p3"));
        assert_eq!(
            (read(&mut body, 3), stage.ended()),
            ("3p3".into(), "".into())
        );
        assert_eq!((poll(&mut body), stage.ended()), ('.', "successful".into()));
        drop(body);
        assert_eq!(stage.ended(), "");
    }
}

// A1: where the head says "at the end", a complete body has to be judged, too.
#[test]
fn a_body_that_ends_is_what_the_judge_makes_of_it() {
    let nothing_is_good = ObserveBodies::new()
        .eos_classifier(|_: tower_breaker::body::BodyEnd<'_, _>| Outcome::Failure);
    let stage = Stage::with(Fixture::new(|c| c), nothing_is_good);
    for (head, ending) in [(NOW, "successful"), (AT_END, "failed")] {
        read_to_end(&mut stage.get(head, body("3")));
        assert_eq!(stage.ended(), ending, "ended");
        read_to_end(&mut stage.get(head, body("3").says(Says::Truth)));
        assert_eq!(stage.ended(), ending, "said so after the last frame");
        drop(stage.get(head, body("").says(Says::Truth)));
        assert_eq!(stage.ended(), ending, "said so at once");
        read_to_end(&mut stage.get(head, body("3t")));
        assert_eq!(stage.ended(), ending, "trailers");
        read_to_end(&mut stage.get(head, body("e")));
        assert_eq!(stage.ended(), "failed", "error");
    }
}

// H5
#[test]
fn a_body_that_says_it_is_over_need_not_be_polled_any_more() {
    let stage = stage();
    for head in HEADS {
        let mut body = stage.get(head, body("33").says(Says::Truth));
        assert_eq!((poll(&mut body), stage.ended()), ('3', "".into()));
        assert_eq!((poll(&mut body), stage.ended()), ('3', "successful".into()));
    }
}

// H5
#[test]
fn an_empty_body_that_says_so_ends_with_its_head() {
    let stage = stage();
    for head in HEADS {
        let body = stage.get(head, body("").says(Says::Truth));
        assert_eq!(stage.ended(), "successful");
        drop(body);
        assert_eq!(stage.ended(), "");
    }
}

// H5
#[test]
fn a_response_without_a_body_ends_with_its_head_whatever_it_announces() {
    let stage = stage();
    for head in HEADS {
        for method in ["HEAD", "CONNECT"] {
            let request = Request::builder().method(method);
            let body = stage.ask(request, announcing("9", answer(head, body("p"))));
            assert_eq!(stage.ended(), "successful", "{method} {head}");
            drop(body);
        }
    }
    for status in [101, 103, 204, 304] {
        let status = StatusCode::from_u16(status).unwrap();
        let body = stage.ask(
            Request::get("/"),
            announcing("9", answer(status, body("p"))),
        );
        assert_eq!(stage.ended(), "successful", "{status}");
        drop(body);
    }
    // Not so of others, such as 205, which merely should be empty, and of no other method.
    drop(stage.get(StatusCode::RESET_CONTENT, body("p")));
    assert_eq!(stage.ended(), "abandoned");
    drop(stage.ask(Request::options("/"), answer(NOW, body("p"))));
    assert_eq!(stage.ended(), "abandoned");
}

// H5, A1
#[test]
fn trailers_end_a_body_and_are_judged_if_the_head_said_so() {
    let stage = stage();
    for (head, script, ending) in [
        (NOW, "3t", "successful"),
        (NOW, "3T", "successful"),
        (AT_END, "3t", "successful"),
        (AT_END, "3T", "failed"),
        (AT_END, "T", "failed"),
    ] {
        let mut body = stage.get(head, body(script));
        assert_eq!(read(&mut body, script.len()), script);
        assert_eq!(stage.ended(), ending, "{head} {script}");
        assert_eq!(poll(&mut body), '.');
        drop(body);
        assert_eq!(stage.ended(), "");
    }
}

// H5
#[test]
fn an_error_in_the_body_is_a_failure() {
    let stage = stage();
    for head in HEADS {
        for script in ["e", "3e", "3pe", "0e"] {
            let mut body = stage.get(head, body(script));
            assert_eq!(read_to_end(&mut body), script);
            assert_eq!(stage.ended(), "failed", "{head} {script}");
            drop(body);
            assert_eq!(stage.ended(), "");
        }
    }
}

// H5
#[test]
fn the_default_fails_errors_and_wrong_lengths_and_nothing_else() {
    let stage = Stage::with(
        Fixture::new(|c| c),
        ObserveBodies::<DefaultClassifyEos>::default(),
    );
    for head in HEADS {
        for (script, ending) in [
            ("3", "successful"),
            ("3T", "successful"),
            ("2", "failed"),
            ("4", "failed"),
            ("2T", "failed"),
            ("2e", "failed"),
        ] {
            let mut body = stage.get(head, body(script).hint(3));
            read_to_end(&mut body);
            assert_eq!(stage.ended(), ending, "{head} {script}");
        }
    }
}

// H5
#[test]
fn errors_and_wrong_lengths_are_what_the_judge_makes_of_them() {
    let stage = Stage::with(Fixture::new(|c| c), judged_by(|_| Outcome::Ignored));
    for head in HEADS {
        for (script, hint) in [("e", 9), ("3e", 9), ("3", 9), ("33", 5), ("3t", 9)] {
            let mut body = stage.get(head, body(script).hint(hint));
            read_to_end(&mut body);
            assert_eq!(stage.ended(), "ignored", "{head} {script}");
        }
    }
}

// A1: there is nothing after the end.
#[test]
fn at_the_end_is_what_it_looks_like_at_the_end() {
    let stage = Stage::with(Fixture::new(|c| c), judged_by(|_| Outcome::RequiresEos));
    for (script, ending) in [("3", "successful"), ("3t", "successful"), ("3e", "failed")] {
        read_to_end(&mut stage.get(AT_END, body(script)));
        assert_eq!(stage.ended(), ending, "{script}");
    }
}

// A7: the end of a body can trip, too.
#[test]
fn the_judge_can_trip_the_circuit() {
    let stage = Stage::with(Fixture::new(|c| c), judged_by(|_| Outcome::TripNow));
    read_to_end(&mut stage.get(NOW, body("3e")));
    assert_eq!(stage.ended(), "failed");
    stage.fixture.is(tower_breaker::State::Open);
}

// H5, A4
#[test]
fn a_drop_before_any_data_is_abandoned() {
    let stage = stage();
    for head in HEADS {
        for (script, polls) in [("3", 0), ("p", 1), ("pp3", 2)] {
            let mut body = stage.get(head, body(script));
            read(&mut body, polls);
            assert_eq!(stage.ended(), "");
            drop(body);
            assert_eq!(stage.ended(), "abandoned", "{head} {script} after {polls}");
        }
    }
}

// H5: whoever leaves a stream has had what there was to have. What would have come is not known.
#[test]
fn a_drop_after_data_is_what_the_head_said() {
    let stage = stage();
    for head in HEADS {
        for (script, polls) in [
            ("33", 1),
            ("3", 1),
            ("0", 1),
            ("3p", 2),
            ("p3pp", 3),
            ("3e", 1),
            ("3T", 1),
        ] {
            for announced in [None, Some(9)] {
                let scripted = match announced {
                    None => body(script),
                    Some(length) => body(script).hint(length),
                };
                let mut body = stage.get(head, scripted);
                read(&mut body, polls);
                assert_eq!(stage.ended(), "");
                drop(body);
                let what = format!("{head} {script} after {polls}, announced {announced:?}");
                assert_eq!(stage.ended(), "successful", "{what}");
            }
        }
    }
}

// H5, B4: so a rate is one of all streams, and not only of those that break.
#[test]
fn streams_that_are_left_and_streams_that_break_make_one_rate() {
    let fixture = Fixture::new(|c| c.count_window(100).failure_rate(0.5).minimum_calls(20));
    let stage = Stage::new(fixture);
    for number in 0..100 {
        let mut body = stage.get(HEADS[number % 2], body("33e"));
        match number % 6 {
            0 => drop(read_to_end(&mut body)),
            _ => drop(poll(&mut body)),
        }
    }
    assert_eq!(stage.fixture.window(), (100, 17, 0));
    stage.fixture.is(tower_breaker::State::Closed);
}

// A5
#[test]
fn a_body_that_panics_is_a_failure() {
    let stage = stage();
    for head in HEADS {
        for script in ["!", "3!"] {
            let mut body = stage.get(head, body(script));
            let panicked = catch_unwind(AssertUnwindSafe(|| read_to_end(&mut body)));
            assert!(panicked.is_err());
            assert_eq!(stage.ended(), "failed", "{head} {script}");
            // Whatever comes then says nothing more.
            assert_eq!(poll(&mut body), '.');
            drop(body);
            assert_eq!(stage.ended(), "");
        }
    }
}

// A1, A2, A7: only a success leaves a question open.
#[test]
fn other_heads_are_recorded_at_once_and_their_bodies_left_alone() {
    let stage = stage();
    for (status, ending) in [(500, "failed"), (404, "ignored")] {
        let status = StatusCode::from_u16(status).unwrap();
        for script in ["3", "3e", "T"] {
            let mut body = stage.get(status, body(script).hint(9));
            assert_eq!(stage.ended(), ending, "{status}");
            read_to_end(&mut body);
            assert!(format!("{body:?}").ends_with("observed: false }"));
            drop(body);
            assert_eq!(stage.ended(), "");
        }
    }
}

// H5: what is observed says so, until its outcome is known.
#[test]
fn a_body_tells_whether_it_is_observed() {
    let mut body = stage().get(NOW, body("3"));
    assert!(format!("{body:?}").ends_with("observed: true }"));
    assert!(format!("{:?}", body.get_ref()).starts_with("Scripted"));
    read_to_end(&mut body);
    assert!(format!("{body:?}").ends_with("observed: false }"));
}

#[test]
fn what_is_observed_is_shown() {
    assert_eq!(
        format!("{:?}", ObserveBodies::new().measure_to_end_of_body()),
        "ObserveBodies { measured_to_end_of_body: true, .. }"
    );
}
