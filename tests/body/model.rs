//! Whatever a body does and wherever its reader stops: it passes as it is, its call ends exactly once, and
//! as a model says that is too plain to be wrong.

use http::{Request, StatusCode};
use http_body::Body;
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config as RunnerConfig, TestRunner},
};

use crate::{
    stage::{AT_END, NOW, Says, Scripted, Stage, announcing, answer, body, poll},
    support::{Fixture, fragile_after_break},
};

/// One call, and how far its body is read.
#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    status: StatusCode,
    script: String,
    says: Says,
    hint: Option<u64>,
    header: Option<u64>,
    polls: usize,
    probe: bool,
}

impl Call {
    fn body(&self) -> Scripted {
        let plain = body(&self.script).says(self.says);
        match self.hint {
            Some(hint) => plain.hint(hint),
            None => plain,
        }
    }

    fn announced(&self) -> Option<u64> {
        self.header.or(self.hint)
    }

    /// Whether the body says that it is over after so many polls.
    fn is_over(&self, polls: usize) -> bool {
        self.says == Says::Truth && polls >= self.script.len()
    }
}

fn any_call() -> impl Strategy<Value = Call> {
    let script = prop::collection::vec(select(vec!['0', '1', '2', '3', 'p', 't', 'T', 'e']), 0..5);
    let statuses =
        [200, 202, 202, 204, 206, 304, 404, 500].map(|s| StatusCode::from_u16(s).unwrap());
    (
        select(vec!["GET", "GET", "GET", "POST", "HEAD"]),
        select([[NOW; 8], statuses].concat()),
        script,
        select(vec![Says::Nothing, Says::Truth]),
        prop::option::of(0_u64..6),
        prop::option::of(0_u64..6),
        0_usize..7,
        any::<bool>(),
    )
        .prop_map(
            |(method, status, script, says, hint, header, polls, probe)| Call {
                method,
                status,
                script: script.into_iter().collect(),
                says,
                hint,
                header,
                polls,
                probe,
            },
        )
}

/// What the call must come to, by the table in the docs, in one pass over the script.
fn predict(call: &Call) -> &'static str {
    match call.status.as_u16() {
        500 => return "failed",
        // A2: proof of life.
        404 if call.probe => return "successful",
        404 => return "ignored",
        204 | 304 => return "successful",
        _ if call.method == "HEAD" => return "successful",
        _ => {}
    }
    let judged = call.status == AT_END;
    let (mut delivered, mut begun) = (0, false);
    let at_its_end = |delivered: u64| match call.announced() {
        Some(announced) if delivered != announced => "failed",
        _ => "successful",
    };
    if call.is_over(0) {
        return at_its_end(0);
    }
    if !judged && call.announced() == Some(0) {
        return "successful";
    }
    for position in 0..call.polls {
        let short = call
            .announced()
            .is_some_and(|announced| delivered < announced);
        match call.script.chars().nth(position) {
            None => return at_its_end(delivered),
            Some('p') => {}
            Some('e') => return "failed",
            Some('t') if short => return "failed",
            Some('T') if short || judged => return "failed",
            Some('t' | 'T') => return "successful",
            Some(digit) => {
                delivered += u64::from(digit.to_digit(10).unwrap());
                begun = true;
                if call
                    .announced()
                    .is_some_and(|announced| delivered > announced)
                {
                    return "failed";
                }
                if call.is_over(position + 1) {
                    return at_its_end(delivered);
                }
                if call.probe || (!judged && call.announced() == Some(delivered)) {
                    return "successful";
                }
            }
        }
    }
    if call.is_over(call.polls) || call.announced() == Some(delivered) {
        return at_its_end(delivered);
    }
    match begun {
        true => "successful",
        false => "abandoned",
    }
}

/// Makes the call, and reads its body beside one that nobody observes.
fn live_through(call: &Call) -> String {
    let stage = Stage::new(match call.probe {
        true => fragile_after_break(|c| c),
        false => Fixture::new(|c| c),
    });
    let mut response = answer(call.status, call.body());
    if let Some(length) = call.header {
        response = announcing(&length.to_string(), response);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    let request = Request::builder().method(call.method);
    let (head, mut observed) = stage.ask(request, response).into_parts();
    assert_eq!((head.status, head.headers), (status, headers));

    let mut bare = call.body();
    for _ in 0..call.polls {
        assert_alike(&observed, &bare);
        assert_eq!(poll(&mut observed), poll(&mut bare));
    }
    assert_alike(&observed, &bare);
    drop(observed);
    stage.ended()
}

fn assert_alike(observed: &impl Body, bare: &impl Body) {
    assert_eq!(observed.is_end_stream(), bare.is_end_stream());
    let (one, other) = (observed.size_hint(), bare.size_hint());
    assert_eq!((one.lower(), one.upper()), (other.lower(), other.upper()));
}

// A1, A2, H5: and each admitted call ends exactly once (F4).
#[test]
fn any_body_passes_as_it_is_and_ends_as_the_model_says() {
    let said = std::env::var("TOWER_BREAKER_CASES").ok();
    let mut runner = TestRunner::new(RunnerConfig {
        cases: said.map_or(5_000, |cases| cases.parse().expect("a number of cases")),
        failure_persistence: None,
        ..RunnerConfig::default()
    });
    let endings = std::cell::RefCell::new(std::collections::BTreeMap::new());
    let outcome = runner.run(&any_call(), |call| {
        let ending = predict(&call);
        *endings
            .borrow_mut()
            .entry((ending, call.probe))
            .or_insert(0) += 1;
        prop_assert_eq!(live_through(&call), ending);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    // All endings, in closed and in half-open, where none is ignored, and none of them by chance.
    let endings = endings.into_inner();
    assert_eq!(endings.len(), 7, "{endings:?}");
    assert!(endings.values().all(|times| *times > 20), "{endings:?}");
}
