//! What is not regarded, not kept and not given is counted, by why.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use tower_breaker::degrade::cached::{NotAsked, NotGiven, NotKept};

use super::stage::{HOUR, Question, Stage, get, reply, request};

fn told() -> Stage {
    Stage::with(|cached| cached.also(Method::POST).body_limit(8))
}

// M3, M4: a gateway that changes the URI and passes on its visitor's `Host`.
#[test]
fn two_hosts_are_counted_and_neither_is_taken() {
    let mut stage = Stage::new();
    let of_two = get("http://reviews.internal/a", &[("host", "shop.example")]);
    assert!(!stage.keeps(&of_two, reply(200, &[], "for shop.example")));
    assert_eq!(stage.circuit.snapshot().parts, None);
    // Nor would one of them be given what another was told.
    let alone = get("http://reviews.internal/a", &[]);
    assert!(!stage.ask_while_open(alone).is_kept());
    let usage = stage.cached.usage();
    assert_eq!((usage.answers, usage.not_asked.two_hosts), (0, 2));
}

// M3
#[test]
fn requests_that_are_none_for_the_cache_are_counted_by_why() {
    type Count = fn(NotAsked) -> u64;
    fn counted(question: Question) -> NotAsked {
        let mut stage = told();
        stage.ask(question);
        stage.cached.usage().not_asked
    }
    let with_body = |method| {
        let body = Full::new(Bytes::from_static(b"{}"));
        Request::builder().method(method).body(body).expect("fine")
    };
    let method = |it: NotAsked| it.method;
    let body = |it: NotAsked| it.body;
    let two_hosts = |it: NotAsked| it.two_hosts;
    let no_store = |it: NotAsked| it.no_store;
    let other = |it: NotAsked| it.other;
    let length = ("content-length", "0");
    let overrides = ("x-http-method-override", "DELETE");
    let no_keep = ("cache-control", "no-store");
    let removed = ("connection", "x-tenant");
    let cases: [(Question, Count); 17] = [
        (request("PUT", "/", &[]), method),
        (with_body("PUT"), method),
        (request("OPTIONS", "/", &[]), method),
        (request("POST", "/", &[length, overrides]), method),
        (with_body("GET"), body),
        (get("/", &[("content-length", "2")]), body),
        (with_body("POST"), body),
        (get("http://a/", &[("host", "b")]), two_hosts),
        (get("/", &[("host", "a"), ("host", "b")]), two_hosts),
        (get("/", &[("cache-control", "no-store")]), no_store),
        (get("/", &[("cache-control", "max-age=\"")]), other),
        (get("/", &[("connection", "x-tenant")]), other),
        (get("http://me@a/", &[]), other),
        // The first of those that hold.
        (get("http://a/", &[("host", "b"), no_keep]), two_hosts),
        (
            get("/", &[("host", "\u{80}"), ("host", "b"), removed]),
            two_hosts,
        ),
        (get("http://me@a/", &[no_keep]), no_store),
        (get("/", &[no_keep, removed]), no_store),
    ];
    for (question, count) in cases {
        let text = format!("{question:?}");
        let counted = counted(question);
        assert_eq!((count(counted), sum_asked(counted)), (1, 1), "{text}");
    }
    assert_eq!(
        counted(get("http://a/", &[("host", "a")])),
        NotAsked::default()
    );
    assert_eq!(
        counted(request("POST", "/", &[length])),
        NotAsked::default()
    );
}

fn sum_asked(it: NotAsked) -> u64 {
    it.method + it.body + it.two_hosts + it.no_store + it.other
}

// M3
#[test]
fn good_answers_that_are_not_kept_are_counted_by_why() {
    type Count = fn(NotKept) -> u64;
    let counted = |asked: &[(&str, &str)], status, headers: &[(&str, &str)], body| {
        let mut stage = told();
        stage.says(reply(status, headers, body));
        stage.ask(get("/", asked));
        let usage = stage.cached.usage();
        assert_eq!(sum_asked(usage.not_asked), 0);
        usage.not_kept
    };
    let with: [(&str, &str, Count); 9] = [
        ("cache-control", "no-store", |it| it.forbidden),
        ("cache-control", "private", |it| it.forbidden),
        ("set-cookie", "a=b", |it| it.set_cookie),
        ("vary", "*", |it| it.vary),
        ("content-length", "9", |it| it.too_large),
        ("content-length", "3", |it| it.incomplete),
        ("content-range", "bytes 0-3/9", |it| it.incomplete),
        ("cache-control", "max-age=\"", |it| it.other),
        ("connection", "vary", |it| it.other),
    ];
    for (name, value, count) in with {
        let counted = counted(&[], 200, &[(name, value)], "fine");
        assert_eq!(
            (count(counted), sum_kept(counted)),
            (1, 1),
            "{name}: {value}"
        );
    }
    let long = "a".repeat(32 * 1024);
    let others: [(NotKept, Count); 5] = [
        (counted(&[("cookie", "a=b")], 200, &[], "fine"), |it| {
            it.credentials
        }),
        (counted(&[], 302, &[], "fine"), |it| it.status),
        (counted(&[], 200, &[], "nine char"), |it| it.too_large),
        (counted(&[], 200, &[("a", &long)], "fine"), |it| {
            it.too_large
        }),
        (
            counted(&[("a", &"a".repeat(9_000))], 200, &[("vary", "a")], ""),
            |it| it.vary,
        ),
    ];
    for (counted, count) in others {
        assert_eq!((count(counted), sum_kept(counted)), (1, 1), "{counted:?}");
    }
    assert_eq!(counted(&[], 200, &[], "fine"), NotKept::default());
    // It is answered from a GET, so nobody expects that it is kept.
    let mut stage = told();
    stage.ask(request("HEAD", "/", &[]));
    assert_eq!(stage.cached.usage().not_kept, NotKept::default());
}

// M3: as `NotKept` has them.
#[test]
fn what_comes_first_of_all_that_holds_is_counted() {
    type Count = fn(NotKept) -> u64;
    let headers = [
        ("cache-control", "no-store"),
        ("set-cookie", "a=b"),
        ("vary", "*"),
        ("content-length", "9"),
        ("content-range", "bytes 0-3/9"),
        ("connection", "vary"),
    ];
    let cookie = [("cookie", "a=b")];
    let steps: [(usize, u16, usize, Count); 8] = [
        (1, 302, 0, |it| it.forbidden),
        (1, 302, 1, |it| it.set_cookie),
        (1, 302, 2, |it| it.credentials),
        (0, 302, 2, |it| it.status),
        (0, 200, 2, |it| it.vary),
        (0, 200, 3, |it| it.too_large),
        (0, 200, 4, |it| it.incomplete),
        (0, 200, 5, |it| it.other),
    ];
    for (cookies, status, left_out, count) in steps {
        let mut stage = told();
        stage.says(reply(status, &headers[left_out..], "fine"));
        stage.ask(get("/", &cookie[..cookies]));
        let counted = stage.cached.usage().not_kept;
        assert_eq!((count(counted), sum_kept(counted)), (1, 1), "{counted:?}");
    }
}

fn sum_kept(it: NotKept) -> u64 {
    let by_head = it.forbidden + it.set_cookie + it.credentials + it.status + it.vary;
    let on_the_way = it.too_large + it.incomplete + it.no_place + it.outdated;
    by_head + on_the_way + it.not_good + it.other
}

// M4
#[test]
fn calls_that_are_given_nothing_are_counted_by_why() {
    let counted = |answer: &[(&str, &str)], asked: &[(&str, &str)]| {
        let mut stage = Stage::with(|cached| cached);
        stage.says(reply(200, answer, "fine"));
        stage.ask(get("/", &[]));
        stage.ask_while_open(get("/", asked));
        stage.cached.usage().not_given
    };
    let fresh = [("cache-control", "max-age=60")];
    let one = |count: fn(&mut NotGiven) -> &mut u64| {
        let mut not_given = NotGiven::default();
        *count(&mut not_given) = 1;
        not_given
    };
    assert_eq!(counted(&fresh, &[]), NotGiven::default());
    // A service that does not say for how long its answers are good.
    assert_eq!(counted(&[], &[]), one(|it| &mut it.stale));
    let refuses = [("cache-control", "no-cache")];
    assert_eq!(counted(&fresh, &refuses), one(|it| &mut it.refused));
    let part = [("range", "bytes=0-1")];
    assert_eq!(counted(&fresh, &part), one(|it| &mut it.refused));
    let by_another = [("cookie", "a=b")];
    assert_eq!(counted(&fresh, &by_another), one(|it| &mut it.none));

    let mut stage = Stage::new();
    stage.ask(get("/", &[]));
    stage.clock.advance(HOUR + Duration::from_secs(1));
    stage.ask_while_open(get("/", &[]));
    assert_eq!(stage.cached.usage().not_given, one(|it| &mut it.stale));
}
