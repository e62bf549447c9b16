//! Which answers are given once more, and how they are marked (rule M4).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full};
use tower::Layer;
use tower_breaker::{
    Circuit, Reason, Rejected,
    clock::Clock,
    degrade::{
        Degraded, FallbackCause, FallbackKind, StackLayer,
        cached::{Cached, otherwise},
    },
};

use super::stage::{HOUR, Stage, date, get, reply, request};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Nothing stale is given unless an answer or a request says so.
fn strict() -> Stage {
    Stage::with(|cached| cached.keep_for(100 * HOUR))
}

/// For how many seconds an answer with these headers is given, to a request with those.
fn given_for(stage: &mut Stage, answer: &[(&str, &str)], request: &[(&str, &str)]) -> u64 {
    stage.cached.clear();
    stage.says(reply(200, answer, "fine"));
    stage.ask(get("/a", &[]));
    let begin = stage.clock.now();
    let mut given = 0;
    for seconds in (1..=130).chain([599, 600, 601, 3599, 3600, 3601, 7200]) {
        stage
            .clock
            .advance(begin + secs(seconds - 1) - stage.clock.now());
        if !stage.ask_while_open(get("/a", request)).is_kept() {
            break;
        }
        given = seconds;
    }
    given
}

// M4
#[test]
fn a_fresh_answer_is_given_for_as_long_as_it_says() {
    let mut stage = strict();
    let mut given = |lines: &[&str]| {
        let headers: Vec<_> = lines
            .iter()
            .map(|line| line.split_once(": ").expect("a header"))
            .collect();
        given_for(&mut stage, &headers, &[])
    };
    assert_eq!(given(&[]), 0);
    assert_eq!(given(&["cache-control: max-age=60"]), 60);
    assert_eq!(given(&["cache-control: max-age=0"]), 0);
    assert_eq!(given(&["cache-control: max-age=60, s-maxage=30"]), 30);
    assert_eq!(given(&["cache-control: s-maxage=90, max-age=60"]), 90);
    assert_eq!(
        given(&["cache-control: max-age=60", "cache-control: max-age=30"]),
        30
    );
    assert_eq!(given(&["cache-control: public"]), 0);
    assert_eq!(given(&["expires: 0"]), 0);
    assert_eq!(given(&["cache-control: max-age=60", "age: 20"]), 40);
    assert_eq!(
        given(&["cache-control: max-age=60", "age: 20, 30", "age: 10"]),
        30
    );
    assert_eq!(
        given(&["cache-control: max-age=60", "age: 18446744073709551615"]),
        0
    );
    // No guess is made by when it was changed.
    assert_eq!(given(&["last-modified: Thu, 01 Jan 1970 00:00:00 GMT"]), 0);
}

// M4
#[test]
fn a_fresh_answer_is_as_old_as_its_date_says() {
    // Anew for each: the time that they are relative to is that of a new stage.
    let given = |headers: &[(&str, &str)]| given_for(&mut strict(), headers, &[]);
    assert_eq!(given(&[("expires", &date(60))]), 60);
    assert_eq!(given(&[("expires", &date(60)), ("date", &date(0))]), 60);
    assert_eq!(given(&[("expires", &date(60)), ("date", &date(-10))]), 60);
    assert_eq!(given(&[("expires", &date(60)), ("date", &date(10))]), 50);
    assert_eq!(given(&[("expires", &date(60)), ("expires", &date(40))]), 40);
    assert_eq!(given(&[("expires", &date(60)), ("expires", "soon")]), 0);
    assert_eq!(
        given(&[("expires", &date(60)), ("cache-control", "max-age=30")]),
        30
    );
    assert_eq!(
        given(&[("cache-control", "max-age=60"), ("date", &date(-20))]),
        40
    );
    assert_eq!(
        given(&[("cache-control", "max-age=60"), ("date", &date(20))]),
        60
    );
    assert_eq!(
        given(&[("cache-control", "max-age=60"), ("date", "today")]),
        60
    );
    assert_eq!(
        given(&[
            ("cache-control", "max-age=60"),
            ("date", &date(-20)),
            ("age", "30")
        ]),
        30
    );
}

// M4: RFC 5861.
#[test]
fn a_stale_answer_is_given_for_as_long_as_somebody_allows() {
    let mut stage = strict();
    let mut given = |answer, request| {
        given_for(
            &mut stage,
            &[("cache-control", answer)],
            &[("cache-control", request)],
        )
    };
    assert_eq!(given("max-age=60", ""), 60);
    assert_eq!(given("max-age=60, stale-if-error=40", ""), 101);
    assert_eq!(given("stale-if-error=40", ""), 41);
    assert_eq!(given("max-age=60", "stale-if-error=40"), 101);
    assert_eq!(
        given("max-age=60, stale-if-error=40", "stale-if-error=20"),
        81
    );
    assert_eq!(
        given("max-age=60, stale-if-error=20", "stale-if-error=40"),
        81
    );
    assert_eq!(given("max-age=60", "max-stale=10"), 71);
    assert_eq!(given("max-age=60, stale-if-error=40", "max-stale=10"), 71);
    assert_eq!(given("max-age=60, stale-if-error=40", "max-stale"), 101);
    assert_eq!(given("max-age=60", "max-stale"), 7200);
}

// M4
#[test]
fn what_the_cache_is_built_with_holds_where_nobody_says_anything() {
    let mut stage = Stage::with(|cached| cached.stale_if_error(secs(600)).keep_for(HOUR));
    let mut given = |answer, request| {
        given_for(
            &mut stage,
            &[("cache-control", answer)],
            &[("cache-control", request)],
        )
    };
    assert_eq!(given("", ""), 601);
    assert_eq!(given("stale-if-error=40", ""), 41);
    assert_eq!(given("", "stale-if-error=20"), 21);
    // Never for longer than it is kept.
    assert_eq!(given("max-age=7000", ""), 3601);
    assert_eq!(given("stale-if-error=7000", ""), 3601);
}

// M4: as where the clock of the dependency is behind.
#[test]
fn an_answer_that_says_nothing_is_stale_from_when_it_came() {
    let built_with = || Stage::with(|cached| cached.stale_if_error(secs(60)));
    assert_eq!(
        given_for(&mut built_with(), &[("date", &date(-900))], &[]),
        61
    );
    assert_eq!(given_for(&mut built_with(), &[("age", "900")], &[]), 61);
    assert_eq!(
        given_for(
            &mut built_with(),
            &[("age", "900"), ("cache-control", "max-age=800")],
            &[]
        ),
        0
    );
}

// M4
#[test]
fn some_answers_are_never_given_stale() {
    let mut stage = Stage::new();
    for value in [
        "must-revalidate",
        "MUST-revalidate",
        "proxy-revalidate",
        "s-maxage=60",
        "s-maxage=60, stale-if-error=600",
        "must-revalidate, stale-if-error=600",
        "stale-if-error=600,proxy-revalidate",
    ] {
        let value = format!("max-age=60, {value}");
        for request in ["", "stale-if-error=600", "max-stale"] {
            let given = given_for(
                &mut stage,
                &[("cache-control", &value)],
                &[("cache-control", request)],
            );
            assert_eq!(given, 60, "{value}, for {request}");
        }
    }
    let mut of_one = Stage::with(|cached| cached.shared(false).stale_if_error(secs(10)));
    let mut given = |value| given_for(&mut of_one, &[("cache-control", value)], &[]);
    assert_eq!(given("max-age=60, s-maxage=90"), 71);
    assert_eq!(given("max-age=60, proxy-revalidate"), 71);
    assert_eq!(given("max-age=60, must-revalidate"), 60);
}

// M4
#[test]
fn a_request_gets_what_it_wants_or_nothing() {
    let mut stage = Stage::new();
    let mut given = |request: &[(&str, &str)]| {
        given_for(
            &mut stage,
            &[("cache-control", "max-age=60, stale-if-error=40")],
            request,
        )
    };
    for value in [
        "no-cache",
        "NO-cache",
        "no-store",
        "max-age=0",
        "max-age=x",
        "x\u{80}",
        "no-cache=\"x\"",
    ] {
        assert_eq!(given(&[("cache-control", value)]), 0, "{value}");
    }
    assert_eq!(given(&[("pragma", "No-Cache")]), 0);
    assert_eq!(given(&[("cache-control", "max-age=30")]), 31);
    // Whoever limits the age does not want what is stale.
    assert_eq!(given(&[("cache-control", "max-age=90")]), 60);
    assert_eq!(given(&[("cache-control", "max-age=90, max-stale=40")]), 91);
    assert_eq!(given(&[("cache-control", "min-fresh=20")]), 41);
    assert_eq!(given(&[("cache-control", "min-fresh=20, max-stale")]), 41);
    assert_eq!(given(&[("cache-control", "min-fresh=60")]), 1);
    assert_eq!(given(&[("cache-control", "min-fresh=61")]), 0);
}

// M4: RFC 9211.
#[test]
fn an_answer_that_is_given_once_more_says_so() {
    let mut stage = Stage::new();
    let headers = [
        ("date", &*date(-5)),
        ("age", "3"),
        ("connection", "x-hop, close"),
        ("x-hop", "1"),
        ("x-end", "2"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("cache-control", "max-age=10"),
        ("cache-status", "other; hit"),
        ("content-encoding", "gzip"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
    ];
    stage.says(reply(200, &headers, "fine"));
    stage.ask(get("/a", &[]));
    stage.clock.advance(Duration::from_millis(2_900));
    let got = stage.ask_while_open(get("/a", &[]));
    assert_eq!(got.header("age"), "7");
    assert_eq!(got.header("date"), date(-5));
    let own = "tower-breaker; hit; ttl=3; detail=circuit-forced-open";
    assert_eq!(got.header("cache-status"), format!("other; hit\n{own}"));
    assert_eq!(
        (got.header("x-end"), got.header("content-encoding")),
        ("2".into(), "gzip".into())
    );
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "te",
        "upgrade",
    ] {
        assert_eq!(got.header(name), "", "{name}");
    }
    stage.clock.advance(secs(30));
    let got = stage.ask_while_open(get("/a", &[]));
    assert_eq!(got.header("age"), "37");
    assert!(
        got.header("cache-status")
            .ends_with("; hit; ttl=-27; detail=circuit-forced-open")
    );
}

// M4
#[test]
fn an_answer_without_a_date_is_dated() {
    let mut stage = Stage::new();
    stage.says(reply(200, &[], "fine"));
    stage.ask(get("/a", &[]));
    stage.clock.advance(secs(30));
    assert_eq!(stage.ask_while_open(get("/a", &[])).header("date"), date(0));
}

// M4
#[test]
fn an_answer_that_is_given_once_more_is_marked_and_counted_and_no_rejection() {
    let mut stage = Stage::new();
    stage.says(reply(200, &[], "fine"));
    stage.ask(get("/a", &[]));
    let got = stage.ask_while_open(get("/a", &[]));
    let degraded = got.head.extensions.get::<Degraded>().expect("marked");
    assert_eq!(degraded.kind, FallbackKind::Cached);
    assert_eq!(degraded.cause, FallbackCause::Rejected(Reason::ForcedOpen));
    assert!(got.head.extensions.get::<Rejected>().is_none());
    // There is nothing: the rejection is as it was.
    let got = stage.ask_while_open(get("/b", &[]));
    assert_eq!(
        (got.head.status.as_u16(), got.header("cache-status")),
        (503, String::new())
    );
    assert!(got.head.extensions.get::<Rejected>().is_some());
    let [total] = &stage.circuit.snapshot().parts.expect("a part").fallbacks[..] else {
        panic!("one kind, one cause");
    };
    assert_eq!((total.kind, total.cause), (degraded.kind, degraded.cause));
    assert_eq!((total.answered, total.failed), (1, 1));
}

// M4
#[test]
fn a_failure_is_answered_too_and_what_is_no_failure_is_not() {
    let mut stage = Stage::new();
    stage.says(reply(200, &[], "fine"));
    stage.ask(get("/a", &[]));
    stage.says(reply(502, &[("cache-control", "max-age=60")], "bad"));
    let got = stage.ask(get("/a", &[]));
    assert_eq!((got.head.status.as_u16(), &*got.body), (200, &b"fine"[..]));
    assert_eq!(
        got.header("cache-status"),
        "tower-breaker; fwd=stale; fwd-status=502; ttl=0; detail=failed"
    );
    assert_eq!(stage.ask(get("/b", &[])).head.status, 502);
    for status in [304, 401, 429] {
        stage.says(reply(status, &[], ""));
        let got = stage.ask(get("/a", &[]));
        assert_eq!((got.head.status.as_u16(), got.is_kept()), (status, false));
    }
    assert!(
        stage.ask_while_open(get("/a", &[])).is_kept(),
        "a bad answer takes nothing away"
    );
}

// M4
#[test]
fn a_newer_answer_replaces_an_older_one() {
    let mut stage = Stage::new();
    for body in ["one", "two"] {
        stage.says(reply(200, &[], body));
        stage.ask(get("/a", &[]));
        stage.clock.advance(secs(1));
    }
    assert_eq!(stage.ask_while_open(get("/a", &[])).body, "two");
    assert_eq!(stage.cached.usage().answers, 1);
}

// M4
#[test]
fn whoever_has_the_answer_already_is_told_so() {
    let mut stage = Stage::new();
    let headers = [
        ("etag", "W/\"7\""),
        ("last-modified", &*date(-60)),
        ("x-one", "1"),
        ("content-length", "4"),
        ("vary", "x-two"),
    ];
    stage.says(reply(200, &headers, "fine"));
    stage.ask(get("/a", &[]));
    let mut status = |headers: &[(&str, &str)]| {
        stage
            .ask_while_open(get("/a", headers))
            .head
            .status
            .as_u16()
    };
    assert_eq!(status(&[("if-none-match", "\"7\"")]), 304);
    assert_eq!(status(&[("if-none-match", "\"1\", W/\"7\"")]), 304);
    assert_eq!(status(&[("if-none-match", "\"1\"")]), 200);
    assert_eq!(status(&[("if-modified-since", &date(-60))]), 304);
    assert_eq!(status(&[("if-modified-since", &date(-59))]), 304);
    assert_eq!(status(&[("if-modified-since", &date(-61))]), 200);
    assert_eq!(status(&[("if-modified-since", "yesterday")]), 200);
    assert_eq!(
        status(&[("if-none-match", "\"1\""), ("if-modified-since", &date(0))]),
        200
    );
    for name in ["if-match", "if-range", "if-unmodified-since", "range"] {
        assert_eq!(status(&[(name, "x")]), 503, "{name}");
    }
    let got = stage.ask_while_open(get("/a", &[("if-none-match", "\"7\"")]));
    assert_eq!(
        (got.header("etag"), got.header("vary")),
        ("W/\"7\"".into(), "x-two".into())
    );
    assert_eq!(
        (
            got.header("x-one"),
            got.header("content-length"),
            got.body.len()
        ),
        (String::new(), String::new(), 0)
    );
    assert!(got.header("cache-status").contains("; hit;"));
}

// M4: a list may have empty elements (RFC 9110, section 5.6.1.2).
#[test]
fn by_a_tag_that_says_nothing_nobody_is_told_that_he_has_it() {
    let mut stage = Stage::new();
    for tag in ["", "W/"] {
        stage.says(reply(200, &[("etag", tag)], "whole"));
        stage.ask(get("/a", &[]));
        let asked = get("/a", &[("if-none-match", "\"1\",, \"2\"")]);
        let got = stage.ask_while_open(asked);
        assert_eq!((got.is_kept(), got.body), (true, "whole".into()), "{tag}");
    }
}

// M4: RFC 9110, section 13.2.1.
#[test]
fn only_in_place_of_a_200_is_anybody_told_that_he_has_it() {
    let mut stage = Stage::new();
    for status in [203, 404] {
        stage.says(reply(status, &[("etag", "\"7\"")], "whole"));
        stage.ask(get("/a", &[]));
        let got = stage.ask_while_open(get("/a", &[("if-none-match", "\"7\"")]));
        let got = (got.is_kept(), got.head.status.as_u16(), got.body);
        assert_eq!(got, (true, status, "whole".into()));
    }
}

// M4
#[test]
fn a_head_is_answered_from_a_get() {
    let mut stage = Stage::new();
    stage.says(reply(200, &[("x-one", "1")], "fine"));
    stage.ask(get("/a", &[]));
    let got = stage.ask_while_open(request("HEAD", "/a", &[]));
    assert!(got.is_kept());
    assert_eq!(
        (
            got.header("x-one"),
            got.header("content-length"),
            got.body.len()
        ),
        ("1".into(), "4".into(), 0)
    );
    assert!(!stage.ask_while_open(request("POST", "/a", &[])).is_kept());
}

// M4: RFC 9111, section 4.4.
#[test]
fn what_changes_something_makes_answers_out_of_date() {
    let mut stage = Stage::new();
    let host = ("host", "here");
    let mut are_kept_after = |method: &str, status: u16, headers: &[(&str, &str)]| {
        stage.cached.clear();
        for path in ["/a", "/b", "/c"] {
            stage.says(reply(200, &[("vary", "x-user")], "fine"));
            stage.ask(get(path, &[host, ("x-user", "other")]));
        }
        stage.says(reply(status, headers, ""));
        stage.ask(request(method, "/a", &[host]));
        ["/a", "/b", "/c"].map(|path| {
            stage
                .ask_while_open(get(path, &[host, ("x-user", "other")]))
                .is_kept()
        })
    };
    for method in ["POST", "PUT", "DELETE", "PATCH", "NEVER-HEARD-OF"] {
        assert_eq!(
            are_kept_after(method, 200, &[]),
            [false, true, true],
            "{method}"
        );
        assert_eq!(
            are_kept_after(method, 303, &[]),
            [false, true, true],
            "{method}"
        );
        assert_eq!(are_kept_after(method, 404, &[]), [true; 3], "{method}");
        assert_eq!(are_kept_after(method, 500, &[]), [true; 3], "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert!(are_kept_after(method, 204, &[])[0], "{method}");
    }
    let named = [
        ("location", "/b#part"),
        ("content-location", "http://HERE/c"),
    ];
    assert_eq!(are_kept_after("POST", 201, &named), [false; 3]);
    for elsewhere in [
        "http://there/b",
        "//there/b",
        "http://here:81/b",
        "b",
        "",
        "\u{80}",
    ] {
        assert_eq!(
            are_kept_after("POST", 201, &[("location", elsewhere)]),
            [false, true, true],
            "{elsewhere}"
        );
    }
}

// M3: an origin is scheme, host and port (RFC 9111, section 4.4).
#[test]
fn what_a_response_names_by_another_scheme_is_of_another_origin() {
    let mut stage = Stage::new();
    for (named, kept) in [
        ("https://here/b", true),
        ("http://here/b", false),
        ("/b", false),
    ] {
        stage.says(reply(200, &[], "fine"));
        stage.ask(get("http://here/b", &[]));
        stage.says(reply(201, &[("location", named)], ""));
        stage.ask(request("POST", "http://here/a", &[]));
        let got = stage.ask_while_open(get("http://here/b", &[]));
        assert_eq!(got.is_kept(), kept, "{named}");
    }
}

// M3: nobody knows whether the dependency has done anything.
#[test]
fn what_a_fallback_or_a_rejection_has_answered_has_changed_nothing() {
    let mut stage = Stage::new();
    stage.says(reply(200, &[], "fine"));
    stage.ask(get("/a", &[]));
    let kept = stage.ask_while_open(get("/a", &[])).head.extensions;
    let rejection = stage.ask_while_open(get("/b", &[])).head.extensions;
    let (mut by_fallback, mut rejected) = (reply(202, &[], ""), reply(202, &[], ""));
    let degraded = *kept.get::<Degraded>().expect("marked");
    by_fallback.extensions_mut().insert(degraded);
    let mark = rejection.get::<Rejected>().expect("marked").clone();
    rejected.extensions_mut().insert(mark);
    for response in [by_fallback, rejected] {
        stage.says(response);
        stage.ask(request("POST", "/a", &[]));
        assert!(stage.ask_while_open(get("/a", &[])).is_kept());
    }
    stage.says(reply(202, &[], ""));
    stage.ask(request("POST", "/a", &[]));
    assert!(!stage.ask_while_open(get("/a", &[])).is_kept());
}

// M4
#[test]
fn what_was_forgotten_does_not_come_back() {
    let mut stage = Stage::new();
    let of = |user| get("/a", &[("x-user", user)]);
    for user in ["one", "two"] {
        stage.says(reply(200, &[("vary", "x-user")], "before"));
        stage.ask(of(user));
    }
    stage.says(reply(204, &[], ""));
    stage.ask(request("DELETE", "/a", &[]));
    stage.says(reply(200, &[("vary", "x-user")], "after"));
    stage.ask(of("one"));
    assert_eq!(stage.ask_while_open(of("one")).body, "after");
    assert!(!stage.ask_while_open(of("two")).is_kept());
}

// M4
#[test]
fn a_request_that_was_rejected_has_changed_nothing() {
    let mut stage = Stage::new();
    stage.says(reply(200, &[], "fine"));
    stage.ask(get("/a", &[]));
    stage.ask_while_open(request("POST", "/a", &[]));
    assert!(stage.ask_while_open(get("/a", &[])).is_kept());
}

/// Goes back when it is told to.
#[derive(Clone)]
struct Unsteady(std::sync::Arc<std::sync::atomic::AtomicU64>);

impl Clock for Unsteady {
    fn now(&self) -> Duration {
        secs(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.now()
    }
}

// M4
#[test]
fn a_clock_that_goes_back_makes_no_answer_younger_than_it_came() {
    let seconds = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(10_000));
    let clock = Unsteady(seconds.clone());
    let mut stage = Stage::with(|cached| cached.clock(clock));
    stage.says(reply(
        200,
        &[("cache-control", "max-age=60"), ("age", "20")],
        "fine",
    ));
    seconds.store(20_000, std::sync::atomic::Ordering::Relaxed);
    stage.ask(get("/a", &[]));
    for (now, age) in [(20_010, "30"), (15_000, "20"), (0, "20")] {
        seconds.store(now, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(
            stage.ask_while_open(get("/a", &[])).header("age"),
            age,
            "at {now}"
        );
    }
}

// M4
#[test]
fn the_longest_age_does_not_overflow() {
    let mut stage = Stage::new();
    for age in ["2147483648", "18446744073709551615", &"9".repeat(99)] {
        stage.cached.clear();
        stage.says(reply(
            200,
            &[("cache-control", "max-age=99999999999"), ("age", age)],
            "fine",
        ));
        stage.ask(get("/a", &[]));
        stage.clock.advance(secs(1));
        assert_eq!(
            stage.ask_while_open(get("/a", &[])).header("age"),
            "2147483648",
            "{age}"
        );
    }
}

// M4
#[test]
fn what_may_be_stale_for_longer_is_kept_for_longer() {
    let given = |stale| {
        let mut stage = Stage::with(|cached| cached.stale_if_error(stale));
        given_for(&mut stage, &[], &[])
    };
    assert_eq!(given(secs(60)), 61);
    assert_eq!(given(2 * HOUR), 7200);
    // It ends with what is kept, too, and that is never shorter than an hour.
    let mut stage = Stage::with(|cached| cached.stale_if_error(secs(60)));
    assert_eq!(
        given_for(&mut stage, &[("cache-control", "max-age=7200")], &[]),
        3601
    );
}

// M4
#[test]
fn nonsense_is_refused_when_it_is_built() {
    let refused =
        |error: Result<Cached, tower_breaker::ConfigError>| error.expect_err("refused").to_string();
    let builder = Cached::builder;
    assert_eq!(
        refused(builder().entries(7).build()),
        "`entries` is 7, but must be 8 or more"
    );
    assert_eq!(
        refused(builder().bytes(800).body_limit(101).build()),
        "`body_limit` is 101, but must be at most 100, an eighth of `bytes`"
    );
    assert_eq!(
        refused(builder().keep_for(Duration::ZERO).build()),
        "`keep_for` is 0ns, but must be above zero"
    );
    let shorter = || builder().stale_if_error(2 * HOUR).keep_for(HOUR).build();
    assert_eq!(
        refused(shorter()),
        "`stale_if_error` is 7200s, but must be at most 3600s, which is `keep_for`"
    );
    let error = shorter().expect_err("refused");
    assert_eq!(
        (error.field(), error.because_of()),
        ("stale_if_error", Some("keep_for"))
    );
    let as_long = builder().keep_for(2 * HOUR).stale_if_error(2 * HOUR);
    assert!(as_long.build().is_ok());
    assert!(
        builder()
            .bytes(800)
            .body_limit(100)
            .entries(8)
            .build()
            .is_ok()
    );
}

// M1, M4: what is stale, else a default.
#[test]
fn a_default_is_given_where_nothing_is_kept() {
    let circuit = Circuit::builder("reviews").build().expect("fine");
    let cached = Cached::builder()
        .stale_if_error(HOUR)
        .build()
        .expect("fine");
    let origin = tower::service_fn(|_: super::stage::Question| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::from("live")))
    });
    let none = otherwise(http::Response::new(Full::from("none yet")));
    let service = StackLayer::of(&circuit)
        .cached(&cached)
        .on_failure(none)
        .layer(origin);
    let ask = || {
        let answer = service.clone().oneshot(get("/a", &[])).now_or_never();
        let body = answer.expect("at once").expect("fine").into_body();
        let read = body.collect().now_or_never().expect("at once");
        read.expect("fine").to_bytes()
    };
    circuit.force_open();
    assert_eq!((ask(), ask()), ("none yet".into(), "none yet".into()));
    circuit.release();
    assert_eq!(ask(), "live");
    circuit.force_open();
    assert_eq!(ask(), "live");
}
