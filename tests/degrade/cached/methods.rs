//! Methods beside GET and HEAD of which the cache was told (rules M3, M4).

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower_breaker::degrade::cached::Cached;

use super::stage::{HOUR, Stage, reply, request};

const FOR_A_MINUTE: (&str, &str) = ("cache-control", "max-age=60");
const ITSELF: (&str, &str) = ("content-location", "/a?q=1");

/// POST and REPORT only ask.
fn told() -> Stage {
    let report = "REPORT".parse().expect("a method");
    Stage::with(|cached| cached.stale_if_error(HOUR).also(Method::POST).also(report))
}

fn search(method: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    request(method, "/a?q=1", headers)
}

fn found(text: &str) -> Response<Bytes> {
    reply(200, &[FOR_A_MINUTE, ITSELF], text)
}

// M3
#[test]
fn what_only_asks_is_kept_if_that_was_told() {
    let mut stage = told();
    for method in ["POST", "REPORT", "GET"] {
        assert!(stage.keeps(&search(method, &[]), found("fine")), "{method}");
    }
    for method in ["post", "SEARCH", "PUT", "OPTIONS", "HEAD"] {
        assert!(
            !stage.keeps(&search(method, &[]), found("fine")),
            "{method}"
        );
    }
    assert!(!Stage::new().keeps(&search("POST", &[]), found("fine")));
}

// M3: as B8 has it.
#[test]
fn of_what_changes_things_it_cannot_be_told() {
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"] {
        let builder = Cached::builder().also(Method::POST);
        let refused = builder.also(method.parse().expect("a method")).build();
        let error = refused.expect_err("nonsense");
        assert_eq!((error.field(), error.value()), ("also", method));
        assert_eq!(
            error.to_string(),
            format!("`also` is {method}, but must be a method that only asks")
        );
    }
    for method in ["GET", "HEAD", "POST", "QUERY"] {
        let builder = Cached::builder().also(method.parse().expect("a method"));
        assert!(builder.build().is_ok(), "{method}");
    }
}

// M3: whether or not a header speaks of it.
#[test]
fn what_is_asked_in_a_body_is_not_kept() {
    let mut stage = told();
    let with_body = search("POST", &[]).map(|_| "mine".into());
    assert!(!stage.keeps(&with_body, found("fine")));
    assert_eq!(stage.cached.usage().answers, 0);
    let announced: [&[(&str, &str)]; 4] = [
        &[("content-length", "4")],
        &[("content-length", "0"), ("content-length", "4")],
        &[("content-length", "")],
        &[("content-length", "0"), ("transfer-encoding", "chunked")],
    ];
    for headers in announced {
        let asked = search("POST", headers);
        assert!(!stage.keeps(&asked, found("fine")), "{headers:?}");
        assert_eq!(stage.cached.usage().answers, 0, "{headers:?}");
    }
    let says_so = search("POST", &[("content-length", "0")]);
    assert!(stage.keeps(&says_so, found("fine")));
}

// M3: RFC 9110, section 9.3.3.
#[test]
fn what_is_answered_to_it_says_that_it_may_be_kept() {
    let host = ("host", "here");
    let mut stage = told();
    let mut keeps = |headers: &[(&str, &str)]| {
        stage.keeps(&search("POST", &[host]), reply(200, headers, "fine"))
    };
    for said in ["max-age=60", "s-maxage=60", "max-age=0"] {
        assert!(keeps(&[ITSELF, ("cache-control", said)]), "{said}");
    }
    assert!(keeps(&[ITSELF, ("expires", &super::stage::date(60))]));
    for said in ["public", "stale-if-error=600", ""] {
        assert!(!keeps(&[ITSELF, ("cache-control", said)]), "{said}");
    }
    for same in ["/a?q=1", "http://here/a?q=1", "https://HERE/a?q=1"] {
        assert!(keeps(&[FOR_A_MINUTE, ("content-location", same)]), "{same}");
    }
    assert!(!keeps(&[FOR_A_MINUTE]));
    for other in [
        "/a",
        "/a?q=2",
        "/A?q=1",
        "/a?q=%31",
        "a?q=1",
        "?q=1",
        "",
        "/a?q=1#part",
        "//here/a?q=1",
        "http://there/a?q=1",
        "http://here:81/a?q=1",
        "/a?q=1\u{80}",
    ] {
        assert!(
            !keeps(&[FOR_A_MINUTE, ("content-location", other)]),
            "{other}"
        );
    }
    assert!(!keeps(&[FOR_A_MINUTE, ITSELF, ITSELF]));
    let not_for_us = ("connection", "Content-Location");
    assert!(!keeps(&[FOR_A_MINUTE, ITSELF, not_for_us]));
    // No path: it is about the whole server.
    let all = reply(200, &[FOR_A_MINUTE, ("content-location", "*")], "fine");
    assert!(!stage.keeps(&request("POST", "*", &[]), all));
}

// M3: all else is as ever.
#[test]
fn what_is_not_kept_of_a_get_is_not_kept_of_others() {
    let mut stage = told();
    for other in [
        ("set-cookie", "id=7"),
        ("cache-control", "private"),
        ("cache-control", "no-store"),
        ("vary", "*"),
        ("content-range", "bytes 0-3/8"),
    ] {
        let response = reply(200, &[FOR_A_MINUTE, ITSELF, other], "fine");
        assert!(!stage.keeps(&search("POST", &[]), response), "{other:?}");
    }
    let asked = search("POST", &[("authorization", "mine")]);
    assert!(!stage.keeps(&asked, found("fine")));
    for status in [201, 202, 206, 303, 500] {
        let response = reply(status, &[FOR_A_MINUTE, ITSELF], "fine");
        assert!(!stage.keeps(&search("POST", &[]), response), "{status}");
    }
}

// M3: the method is in the key.
#[test]
fn an_answer_is_for_the_method_that_it_came_to() {
    let methods = ["GET", "POST", "REPORT"];
    for kept in methods {
        let mut stage = told();
        stage.says(found("fine"));
        stage.ask(search(kept, &[]));
        for asked in methods {
            let got = stage.ask_while_open(search(asked, &[]));
            assert_eq!(got.is_kept(), asked == kept, "{kept}, {asked}");
        }
        let got = stage.ask_while_open(search("HEAD", &[]));
        assert_eq!(got.is_kept(), kept == "GET", "{kept}, HEAD");
    }
    let mut stage = told();
    for method in methods {
        stage.says(found(method));
        stage.ask(search(method, &[]));
    }
    for method in methods {
        assert_eq!(stage.ask_while_open(search(method, &[])).body, method);
    }
}

// M4
#[test]
fn it_is_marked_as_a_get_is() {
    let mut stage = told();
    stage.says(found("fine"));
    stage.ask(search("POST", &[]));
    stage.clock.advance(HOUR / 60 * 2);
    let got = stage.ask_while_open(search("POST", &[]));
    assert_eq!((got.header("age"), got.body), ("120".into(), "fine".into()));
    stage.clock.advance(HOUR);
    assert!(!stage.ask_while_open(search("POST", &[])).is_kept());
}

// M3: whatever the request says of keeping.
#[test]
fn what_only_asks_makes_nothing_out_of_date() {
    let mut stage = told();
    for headers in [&[][..], &[("cache-control", "no-store")]] {
        stage.says(found("before"));
        stage.ask(search("GET", &[]));
        stage.says(reply(200, &[("location", "/a?q=1")], "after"));
        stage.ask(search("POST", headers));
        let got = stage.ask_while_open(search("GET", &[]));
        assert_eq!(got.body, "before", "{headers:?}");
    }
}

// M3: the root of a target is that of all its methods.
#[test]
fn what_changes_something_makes_the_answers_to_all_methods_out_of_date() {
    let mut stage = told();
    let changes = [
        request("PUT", "/a?q=1", &[]),
        request("POST", "/a?q=1", &[("content-length", "4")]),
        search("POST", &[]).map(|_| "mine".into()),
        search("POST", &[("x-http-method-override", "DELETE")]),
        search("POST", &[("x-http-method", "DELETE")]),
        search("POST", &[("x-method-override", "DELETE")]),
    ];
    for change in changes {
        for method in ["GET", "POST", "REPORT"] {
            stage.says(found("before"));
            stage.ask(search(method, &[]));
            assert!(stage.ask_while_open(search(method, &[])).is_kept());
            stage.says(found("after"));
            stage.ask(change.clone());
            let got = stage.ask_while_open(search(method, &[]));
            assert!(!got.is_kept(), "{method}, {change:?}");
        }
    }
}

// M4: RFC 9110, sections 13.1.2 and 13.1.3.
#[test]
fn by_other_methods_nobody_has_an_answer_already() {
    let mut stage = told();
    let modified = super::stage::date(-60);
    let headers = [
        FOR_A_MINUTE,
        ITSELF,
        ("etag", "\"7\""),
        ("last-modified", &modified),
    ];
    for method in ["POST", "GET"] {
        stage.says(reply(200, &headers, "fine"));
        stage.ask(search(method, &[]));
    }
    let mut status = |method: &str, name: &str, value: &str| {
        let got = stage.ask_while_open(search(method, &[(name, value)]));
        got.is_kept().then(|| got.head.status.as_u16())
    };
    for tag in ["\"7\"", "\"8\"", "*"] {
        assert_eq!(status("POST", "if-none-match", tag), None, "{tag}");
    }
    assert_eq!(status("GET", "if-none-match", "\"7\""), Some(304));
    let since = "if-modified-since";
    assert_eq!(status("POST", since, &modified), Some(200));
    assert_eq!(status("GET", since, &modified), Some(304));
    assert_eq!(status("POST", "range", "bytes=0-1"), None);
}
