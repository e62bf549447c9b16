//! Which answers are kept (rule M3).

use bytes::Bytes;
use http::Response;

use super::stage::{Stage, get, reply, request};

/// To nobody in particular.
fn keeps(response: Response<Bytes>) -> bool {
    Stage::new().keeps(&get("/a", &[]), response)
}

/// With this header.
fn keeps_with(name: &str, value: &str) -> bool {
    keeps(reply(200, &[(name, value)], "fine"))
}

// M3: whoever asked, the answer is as it was.
#[test]
fn a_good_answer_is_kept_as_it_is() {
    let mut stage = Stage::new();
    stage.says(reply(
        203,
        &[("x-one", "1"), ("etag", "\"7\""), ("x-one", "2")],
        "fine",
    ));
    assert!(!stage.ask(get("/a", &[])).is_kept());
    let got = stage.ask_while_open(get("/a", &[]));
    assert!(got.is_kept());
    assert_eq!((got.head.status.as_u16(), &*got.body), (203, &b"fine"[..]));
    assert_eq!(
        (got.header("x-one"), got.header("etag")),
        ("1\n2".into(), "\"7\"".into())
    );
}

// M3
#[test]
fn only_what_is_got_is_kept() {
    let mut stage = Stage::new();
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "HEAD", "get",
    ] {
        let asked = request(method, "/a", &[]);
        let response = reply(200, &[("cache-control", "public, max-age=60")], "fine");
        assert!(!stage.keeps(&asked, response), "{method}");
        assert_eq!(stage.cached.usage().answers, 0, "{method}");
    }
}

// M3
#[test]
fn a_request_with_a_body_is_left_alone() {
    let mut stage = Stage::new();
    for (name, value) in [("content-length", "7"), ("transfer-encoding", "chunked")] {
        assert!(
            !stage.keeps(&get("/a", &[(name, value)]), reply(200, &[], "fine")),
            "{name}"
        );
    }
    assert!(stage.keeps(
        &get("/a", &[("content-length", "0")]),
        reply(200, &[], "fine")
    ));
}

// M3
#[test]
fn a_status_is_kept_that_means_the_same_a_while_later() {
    let explicit = [("cache-control", "max-age=60")];
    for status in 100..=599 {
        let plain = [200, 203, 204, 300, 301, 308, 404, 410].contains(&status);
        let said = plain || [302, 307, 405, 414].contains(&status);
        let body = if status == 204 { "" } else { "fine" };
        assert_eq!(keeps(reply(status, &[], body)), plain, "{status}");
        assert_eq!(
            keeps(reply(status, &explicit, body)),
            said,
            "{status}, for a minute"
        );
    }
}

// M3
#[test]
fn what_says_no_store_is_not_kept() {
    for value in [
        "no-store",
        "No-Store",
        "max-age=60,no-store",
        "no-store=\"x\"",
        "public, NO-STORE",
    ] {
        assert!(!keeps_with("cache-control", value), "{value}");
    }
    let mut stage = Stage::new();
    for value in ["no-store", "NO-STORE", "x=\"a,b\", no-store"] {
        let asked = get("/a", &[("cache-control", value)]);
        stage.keeps(&asked, reply(200, &[], "fine"));
        assert!(!stage.ask_while_open(get("/a", &[])).is_kept(), "{value}");
    }
}

// M3
#[test]
fn what_is_private_is_kept_for_one_user_only() {
    for value in [
        "private",
        "Private",
        "private=\"set-cookie\"",
        "public, private",
        "max-age=1, PRIVATE",
    ] {
        let response = || reply(200, &[("cache-control", value)], "fine");
        assert!(!keeps(response()), "{value}");
        let mut of_one =
            Stage::with(|cached| cached.shared(false).stale_if_error(super::stage::HOUR));
        assert!(of_one.keeps(&get("/a", &[]), response()), "{value}");
    }
}

// M3
#[test]
fn what_sets_a_cookie_is_not_kept() {
    for name in ["set-cookie", "Set-Cookie", "set-cookie2"] {
        let headers = [(name, "id=7"), ("cache-control", "public, max-age=60")];
        assert!(!keeps(reply(200, &headers, "fine")), "{name}");
    }
}

// M3
#[test]
fn an_answer_to_somebody_with_credentials_has_to_say_that_it_may_be_kept() {
    let mut stage = Stage::new();
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
    ] {
        let asked = get("/a", &[(name, "mine")]);
        let mut keeps = |cache_control| {
            stage.keeps(&asked, reply(200, &[("cache-control", cache_control)], "x"))
        };
        for value in [
            "",
            "max-age=60",
            "x=\"public\"",
            "x-public",
            "proxy-revalidate",
        ] {
            assert!(!keeps(value), "{name}: {value}");
        }
        for value in [
            "public",
            "s-maxage=60",
            "must-revalidate, max-age=60",
            "PUBLIC",
        ] {
            assert!(keeps(value), "{name}: {value}");
        }
    }
}

// M3: a cookie may be named by `Vary` instead; a credential of HTTP's own may not.
#[test]
fn an_answer_that_says_that_it_depends_on_a_cookie_may_be_kept() {
    let mut stage = Stage::new();
    let kept = [
        ("cookie", true),
        ("x-api-key", true),
        ("authorization", false),
        ("proxy-authorization", false),
    ];
    for (name, kept) in kept {
        let response = reply(200, &[("vary", name)], "fine");
        assert_eq!(
            stage.keeps(&get("/a", &[(name, "mine")]), response),
            kept,
            "{name}"
        );
    }
}

// M3
#[test]
fn an_answer_for_one_credential_is_nobody_elses() {
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "api-key",
        "x-api-key",
        "x-access-token",
        "x-auth-token",
    ] {
        let mut stage = Stage::new();
        stage.says(reply(
            200,
            &[("cache-control", "public, max-age=60")],
            "for one",
        ));
        stage.ask(get("/a", &[(name, "one")]));
        for other in [
            &[][..],
            &[(name, "two")],
            &[(name, "")],
            &[(name, "one"), (name, "one")],
        ] {
            assert!(
                !stage.ask_while_open(get("/a", other)).is_kept(),
                "{name}: {other:?}"
            );
        }
        assert!(
            stage.ask_while_open(get("/a", &[(name, "one")])).is_kept(),
            "{name}"
        );
    }
}

// M3
#[test]
fn what_depends_on_everything_or_on_nobody_knows_what_is_not_kept() {
    for value in [
        "*",
        "accept, *",
        " * ",
        "acc ept",
        "accept;q=1",
        "accept, \u{80}",
        "a=b",
        "\"accept\"",
    ] {
        assert!(!keeps_with("vary", value), "{value}");
    }
    let name = |at: usize| format!("x-{at}");
    let names = |count: usize| (0..count).map(name).collect::<Vec<_>>().join(", ");
    assert!(keeps_with("vary", &names(16)));
    assert!(!keeps_with("vary", &names(17)));
}

// M3
#[test]
fn every_value_of_every_header_that_is_named_counts() {
    let mut stage = Stage::new();
    stage.says(reply(
        200,
        &[("vary", "X-One, x-two"), ("Vary", "x-three")],
        "fine",
    ));
    let mine = [("x-one", "1"), ("x-one", "2"), ("x-three", "a, b")];
    stage.ask(get("/a", &mine));
    for (other, kept) in [
        (&mine[..], true),
        (
            &[
                ("x-one", "1"),
                ("x-three", "a, b"),
                ("x-one", "2"),
                ("x-four", ""),
            ],
            true,
        ),
        (
            &[("x-one", "2"), ("x-one", "1"), ("x-three", "a, b")],
            false,
        ),
        (&[("x-one", "1"), ("x-three", "a, b")], false),
        (&[("x-one", "1, 2"), ("x-three", "a, b")], false),
        (
            &[("x-one", "1"), ("x-one", "3"), ("x-three", "a, b")],
            false,
        ),
        (&[("x-one", "12"), ("x-three", "a, b")], false),
        (
            &[
                ("x-one", "1"),
                ("x-one", "2"),
                ("x-three", "a"),
                ("x-three", "b"),
            ],
            false,
        ),
        (
            &[
                ("x-one", "1"),
                ("x-one", "2"),
                ("x-three", "a, b"),
                ("x-two", ""),
            ],
            false,
        ),
        (
            &[
                ("x-one", "1"),
                ("x-one", "2"),
                ("x-one", ""),
                ("x-three", "a, b"),
            ],
            false,
        ),
    ] {
        assert_eq!(
            stage.ask_while_open(get("/a", other)).is_kept(),
            kept,
            "{other:?}"
        );
    }
}

// M3: the newest answer names another header, and what was kept by the old ones alone is not found any more.
#[test]
fn what_answers_depend_on_only_grows() {
    let mut stage = Stage::new();
    let mine = [("x-one", "1"), ("x-two", "2")];
    for names in ["x-one", "x-two", ""] {
        stage.says(reply(200, &[("vary", names)], names));
        stage.ask(get("/a", &mine));
    }
    assert_eq!(stage.ask_while_open(get("/a", &mine)).body, "");
    for other in [
        [("x-one", "1"), ("x-two", "other")],
        [("x-one", "other"), ("x-two", "2")],
    ] {
        assert!(
            !stage.ask_while_open(get("/a", &other)).is_kept(),
            "{other:?}"
        );
    }
}

// M3
#[test]
fn a_request_that_says_too_much_is_left_alone() {
    let mut stage = Stage::new();
    let response = || reply(200, &[("vary", "x-one")], "fine");
    assert!(stage.keeps(&get("/a", &[("x-one", &"1".repeat(8 * 1024))]), response()));
    assert!(!stage.keeps(
        &get("/a", &[("x-one", &"1".repeat(8 * 1024 + 1))]),
        response()
    ));
}

// M3
#[test]
fn what_says_no_cache_is_not_kept() {
    for value in [
        "no-cache",
        "No-Cache",
        "no-cache=\"set-cookie\"",
        "public, no-cache",
    ] {
        assert!(!keeps_with("cache-control", value), "{value}");
    }
    assert!(!keeps_with("pragma", "no-cache"));
    assert!(!keeps_with("pragma", "x, No-Cache"));
}

// M3
#[test]
fn what_is_not_understood_is_not_kept() {
    for (name, value) in [
        ("cache-control", "no-store\u{80}"),
        ("cache-control", "public\u{ff}, max-age=1"),
        ("cache-control", "max-age=60; no-store"),
        ("cache-control", "max-age"),
        ("cache-control", "max-age=-1"),
        ("cache-control", "x=\"no-store"),
        ("cache-control", "no store"),
        ("cache-control", "public=\"x\""),
        ("age", "soon"),
        ("age", "-1"),
        ("connection", "close\u{80}"),
        ("connection", "\"close\""),
        ("content-length", "x"),
        ("content-length", "+4"),
        ("pragma", "\u{80}"),
    ] {
        assert!(!keeps_with(name, value), "{name}: {value}");
    }
    assert!(keeps_with("cache-control", &"a,".repeat(4 * 1024)));
    assert!(!keeps_with("cache-control", &"a,".repeat(4 * 1024 + 1)));
    assert!(keeps_with("cache-control", "never-heard-of, max-age=60"));
    let mut stage = Stage::new();
    assert!(!stage.keeps(
        &get("/a", &[("cache-control", "max-age=x")]),
        reply(200, &[], "fine")
    ));
}

// M3: who passes such an answer on removes by what it is decided; then it meant something else before.
#[test]
fn an_answer_is_not_kept_that_wants_removed_what_decides() {
    for name in [
        "Cache-Control",
        "vary",
        "set-cookie",
        "expires",
        "age",
        "content-length",
    ] {
        assert!(
            !keeps_with("connection", &format!("close, {name}")),
            "{name}"
        );
    }
    assert!(keeps_with("connection", "close, x-one"));
}

// M3
#[test]
fn a_part_of_an_answer_is_not_kept() {
    assert!(!keeps_with("content-range", "bytes 0-3/8"));
    assert!(!keeps_with("content-length", "3"));
    assert!(!keeps_with("content-length", "5"));
    assert!(!keeps_with("trailer", "x-sum"));
    assert!(keeps_with("content-length", "4"));
    let twice = [("content-length", "4"), ("content-length", "4")];
    assert!(!keeps(reply(200, &twice, "fine")));
}

// M3
#[test]
fn a_request_that_names_two_hosts_is_left_alone() {
    let mut stage = Stage::new();
    let mut keeps =
        |uri, hosts: &[(&str, &str)]| stage.keeps(&get(uri, hosts), reply(200, &[], "fine"));
    assert!(keeps("/a", &[("host", "one")]));
    assert!(keeps("http://one/a", &[("host", "ONE")]));
    assert!(!keeps("/a", &[("host", "one"), ("host", "one")]));
    assert!(!keeps("http://one/a", &[("host", "two")]));
    assert!(!keeps("/a", &[("host", "one\u{80}")]));
}

// M3
#[test]
fn an_answer_is_for_what_was_asked_for_only() {
    let mut stage = Stage::new();
    stage.says(reply(200, &[], "fine"));
    stage.ask(get("http://one/a?b=c", &[]));
    for other in [
        "http://two/a?b=c",
        "https://one/a?b=c",
        "http://one:81/a?b=c",
        "http://one/A?b=c",
        "http://one/a",
        "http://one/a?b=c&",
        "http://one/a?B=c",
        "http://one/%61?b=c",
        "http://u@one/a?b=c",
        "/a?b=c",
    ] {
        assert!(!stage.ask_while_open(get(other, &[])).is_kept(), "{other}");
    }
    assert!(stage.ask_while_open(get("http://ONE/a?b=c", &[])).is_kept());
}

// M3: nobody names these in `Vary`, and many take a request for another by them.
#[test]
fn a_stranger_cannot_have_an_answer_kept_that_others_have_not_asked_for() {
    for name in [
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
    ] {
        let mut stage = Stage::new();
        stage.says(reply(200, &[], "poison"));
        stage.ask(get("/a", &[(name, "evil")]));
        assert!(!stage.ask_while_open(get("/a", &[])).is_kept(), "{name}");
    }
}

// M3
#[test]
fn answers_are_told_apart_by_what_the_user_says() {
    let mut stage = Stage::with(|cached| {
        cached
            .also_key_by("x-tenant".parse().expect("a name"))
            .stale_if_error(super::stage::HOUR)
    });
    stage.says(reply(200, &[], "of one"));
    stage.ask(get("/a", &[("x-tenant", "one")]));
    assert!(
        !stage
            .ask_while_open(get("/a", &[("x-tenant", "two")]))
            .is_kept()
    );
    assert!(
        stage
            .ask_while_open(get("/a", &[("x-tenant", "one")]))
            .is_kept()
    );
}
