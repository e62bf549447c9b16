//! What makes two requests look the same that are not (rule M3).

use std::{
    convert::Infallible,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceBuilder};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, Rejected,
    classify::HttpClassifier,
    clock::Clock,
    degrade::{
        Because,
        cached::Cached,
        fallback::{CountedFor, FallbackLayer, response},
    },
};

use super::stage::{HOUR, Question, Stage, get, reply, request};

/// Whether the answer to one of them is given to the other.
fn are_the_same(one: Question, other: Question) -> bool {
    let mut stage = Stage::new();
    stage.says(reply(200, &[], "fine"));
    stage.ask(one);
    stage.ask_while_open(other).is_kept()
}

/// The same, with these headers.
fn look_the_same(one: &[(&str, &str)], other: &[(&str, &str)]) -> bool {
    are_the_same(get("/a", one), get("/a", other))
}

// M3: who builds a request by hand seldom says how long its body is. That is written on the wire, further in.
#[test]
fn what_is_asked_in_a_body_is_left_alone_though_no_header_speaks_of_it() {
    let asks = |body: &'static str| get("/search", &[]).map(|_| Full::from(body));
    assert!(!are_the_same(asks("mine"), asks("yours")));
    assert!(!are_the_same(asks("mine"), asks("mine")));
    assert!(!are_the_same(asks("mine"), asks("")));
    assert!(!are_the_same(asks(""), asks("yours")));
    assert!(are_the_same(asks(""), asks("")));
}

// M3: a host is written in any case, a password is not.
#[test]
fn who_is_named_in_the_uri_gets_no_other_answer() {
    let of = |user: &str| get(&format!("http://{user}reviews/a"), &[]);
    assert!(are_the_same(of(""), get("http://REVIEWS/a", &[])));
    assert!(!are_the_same(of("ann:Secret@"), of("ann:secret@")));
    assert!(!are_the_same(of("ann:secret@"), of("")));
    // The dependency may take it for credentials.
    assert!(!are_the_same(of("ann@"), of("ann@")));
}

// M3: it is gone before the dependency sees it, so the answer is one to another request than that of the key.
#[test]
fn an_answer_to_a_request_that_has_headers_removed_on_the_way_is_not_kept() {
    let removed = |name| [("x-user", "ann"), ("connection", name)];
    for name in [
        "x-user",
        "close, X-User",
        "x-not-there-yet",
        "cookie",
        "x user",
    ] {
        assert!(
            !look_the_same(&removed(name), &[("x-user", "ann")]),
            "{name}"
        );
        assert!(!look_the_same(&removed(name), &removed(name)), "{name}");
    }
    for name in [
        "close",
        "Keep-Alive",
        "te, trailers",
        "upgrade, HTTP2-Settings",
    ] {
        assert!(look_the_same(&removed(name), &[]), "{name}");
    }
}

// M3: some take the host from there (RFC 7239).
#[test]
fn a_request_that_was_forwarded_for_another_host_is_another() {
    let of = |said| [("forwarded", said)];
    for said in [
        "host=evil.example",
        "for=10.0.0.1;HOST=\"evil.example\"",
        "for=10.0.0.1, for=10.0.0.2; host = evil.example",
        "for=\"a;b\\\", c\";proto=http;host=x",
        "proto=http",
        "for=host=evil.example",
        "evil.example",
    ] {
        assert!(!look_the_same(&of(said), &[]), "{said}");
        assert!(look_the_same(&of(said), &of(said)), "{said}");
    }
    // Or each client would have answers of its own.
    assert!(look_the_same(
        &of("for=10.0.0.1;by=proxy"),
        &of("For=\"[2001:db8::1]\", by=_x")
    ));
    assert!(look_the_same(
        &of("for=10.0.0.1;host=reviews;proto=https"),
        &of("for=10.0.0.2;host=reviews;proto=https"),
    ));
}

// M3: a proxy that has asked who it is says so in one of these.
#[test]
fn whom_a_proxy_names_gets_no_other_answer() {
    for name in [
        "x-forwarded-user",
        "x-forwarded-email",
        "x-forwarded-access-token",
        "x-auth-request-user",
        "remote-user",
        "x-remote-user",
        "x-amzn-oidc-data",
        "x-goog-iap-jwt-assertion",
        "cf-access-jwt-assertion",
        "x-ms-client-principal",
        "x-forwarded-client-cert",
        "client-cert",
    ] {
        assert!(!look_the_same(&[(name, "ann")], &[(name, "bob")]), "{name}");
        assert!(!look_the_same(&[(name, "ann")], &[]), "{name}");
        // It may be for this one alone, and nothing says that it is not.
        assert!(!look_the_same(&[(name, "ann")], &[(name, "ann")]), "{name}");
    }
}

/// A clock whose time of day makes no sense.
struct Astray(SystemTime);

impl Clock for Astray {
    fn now(&self) -> Duration {
        HOUR
    }

    fn wall(&self) -> SystemTime {
        self.0
    }
}

// M4: nothing panics, whatever the clock says. An answer that cannot be dated is not kept.
#[test]
fn a_clock_that_is_astray_keeps_nothing_and_panics_nowhere() {
    let epoch = SystemTime::UNIX_EPOCH;
    for wall in [epoch - HOUR, epoch + Duration::from_secs(253_402_300_800)] {
        let mut stage = Stage::with(|cached| cached.stale_if_error(HOUR).clock(Astray(wall)));
        assert!(!stage.keeps(&get("/a", &[]), reply(200, &[], "fine")));
    }
}

// M4
#[test]
fn a_limit_that_is_as_large_as_there_is_makes_a_cache_all_the_same() {
    let builder = Cached::builder()
        .bytes(usize::MAX as u64)
        .body_limit(usize::MAX as u64 / 8);
    assert_eq!(builder.build().expect("a cache").usage().answers, 0);
}

// M3: any answer from there, also one that comes at the same instant.
#[test]
fn what_one_answer_names_in_vary_holds_for_another_that_comes_with_it() {
    const ROUNDS: usize = 10_000;
    let cached = Cached::builder().stale_if_error(HOUR).entries(16).build();
    let cached = cached.expect("fine");
    let ask = |path: &str, user: &str, vary: Option<&'static str>| {
        let headers = vary.map(|names| ("vary", names));
        let answer = vary.is_some() || user != "stranger";
        let origin = tower::service_fn(move |_: Question| {
            let answer = answer.then(|| reply(200, headers.as_slice(), "").map(Full::new));
            async move { answer.ok_or("gone").map_err(tower::BoxError::from) }
        });
        let service = cached
            .layer(CountedFor::nobody())
            .boxed_errors()
            .layer(origin);
        let asked = service
            .oneshot(get(path, &[("x-user", user)]))
            .now_or_never();
        asked.expect("at once").is_ok()
    };
    let (together, given) = (Barrier::new(2), AtomicUsize::new(0));
    let ask_with_others = |user: &'static str, vary| {
        for round in 0..ROUNDS {
            together.wait();
            assert!(ask(&format!("/{round}"), user, vary));
            together.wait();
            if vary.is_some() && ask(&format!("/{round}"), "stranger", None) {
                given.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| ask_with_others("ann", Some("x-user")));
        scope.spawn(|| ask_with_others("bob", None));
    });
    assert_eq!(given.into_inner(), 0, "of {ROUNDS}");
}

// M3: his session has ended, or what he may see has changed.
#[test]
fn whoever_was_told_no_since_is_given_nothing() {
    let of = |user| get("/a", &[("cookie", user)]);
    let told = [
        (401, false),
        (403, false),
        (451, false),
        (400, true),
        (429, true),
    ];
    for (status, gets) in told {
        let mut stage = Stage::new();
        stage.says(reply(200, &[("vary", "cookie")], "secret"));
        stage.ask(of("ann"));
        stage.ask(of("bob"));
        stage.says(reply(status, &[("cache-control", "no-store")], "no"));
        stage.ask(of("ann"));
        assert_eq!(stage.ask_while_open(of("ann")).is_kept(), gets, "{status}");
        // It was not said to him.
        assert!(stage.ask_while_open(of("bob")).is_kept(), "{status}");
    }
}

// M3
#[test]
fn a_head_tells_him_no_as_well() {
    let of = |method| request(method, "/a", &[("cookie", "ann")]);
    let mut stage = Stage::new();
    stage.says(reply(200, &[("vary", "cookie")], "secret"));
    stage.ask(of("GET"));
    stage.says(reply(401, &[], ""));
    stage.ask(of("HEAD"));
    assert!(!stage.ask_while_open(of("GET")).is_kept());
}

// M3: nothing is kept of what he asks by then, but what the answer says holds.
#[test]
fn whatever_he_asks_by_he_is_told_no() {
    let asked_by = [
        ("cache-control", "no-store"),
        ("cache-control", "max-age=\"60"),
        ("connection", "x-other"),
    ];
    for header in asked_by {
        let mut stage = Stage::new();
        stage.says(reply(200, &[("vary", "cookie")], "secret"));
        stage.ask(get("/a", &[("cookie", "ann")]));
        stage.says(reply(401, &[], "no"));
        stage.ask(get("/a", &[("cookie", "ann"), header]));
        let got = stage.ask_while_open(get("/a", &[("cookie", "ann")]));
        assert!(!got.is_kept(), "{header:?}");
    }
}

// M3: whatever it means for the dependency.
#[test]
fn he_is_told_no_whatever_a_classifier_makes_of_that() {
    let no = [StatusCode::UNAUTHORIZED];
    let classifiers = [
        HttpClassifier::new().ignored(no),
        HttpClassifier::new().failures(no),
        HttpClassifier::new().successes(no),
    ];
    for classifier in classifiers {
        let stage = Stage::new();
        let layer = stage.cached.layer(&stage.circuit);
        let layer = layer.classify_with(classifier);
        let ask = |says: Response<Bytes>| {
            let says = says.map(Full::new);
            let origin = tower::service_fn(move |_: Question| {
                std::future::ready(Ok::<_, Infallible>(says.clone()))
            });
            let asked = layer.layer(origin).oneshot(get("/a", &[("cookie", "ann")]));
            let response = asked.now_or_never().expect("at once").expect("never fails");
            let (head, body) = response.into_parts();
            body.collect()
                .now_or_never()
                .expect("at once")
                .expect("whole");
            head.status
        };
        assert_eq!(ask(reply(200, &[("vary", "cookie")], "secret")), 200);
        assert_eq!(stage.cached.usage().answers, 1);
        assert_eq!(ask(reply(401, &[], "no")), 401);
        assert_eq!(stage.cached.usage().answers, 0);
    }
}

// M3: what is answered in the dependency's place is not what the dependency says to him.
#[test]
fn what_is_said_in_place_of_the_dependency_tells_nobody_no() {
    let no = || reply(401, &[], "no").map(Full::new);
    let stage = Stage::new();
    let inner = Circuit::builder("inner").build().expect("fine");
    let rejects = CircuitBreakerLayer::new(inner.clone()).reject_with(move |_: &Rejected| no());
    let falls_back = FallbackLayer::on_rejection(
        &inner,
        response(move |_: &Because<Infallible>| reply(401, &[], "no").map(Full::new)),
    );
    let says = Response::map(reply(200, &[("vary", "cookie")], "secret"), Full::new);
    let origin =
        tower::service_fn(move |_: Question| std::future::ready(Ok::<_, Infallible>(says.clone())));
    let cached = stage.cached.layer(&stage.circuit);
    let ask = |falls_back: Option<_>| {
        let service = ServiceBuilder::new()
            .layer(cached.clone())
            .option_layer(falls_back)
            .layer(rejects.clone())
            .service(origin.clone());
        let asked = service.oneshot(get("/a", &[("cookie", "ann")]));
        let response = asked.now_or_never().expect("at once").expect("never fails");
        let (head, body) = response.into_parts();
        let body = body.collect().now_or_never().expect("at once");
        body.expect("whole");
        head.status
    };
    assert_eq!(ask(None), 200);
    inner.force_open();
    assert_eq!(ask(Some(falls_back)), 401);
    assert_eq!(ask(None), 200, "it is kept");
    assert_eq!(stage.cached.usage().answers, 1);
}

// M3: or anybody could have it forgotten for all.
#[test]
fn nobody_in_particular_who_was_told_no_takes_nothing_from_others() {
    let mut stage = Stage::new();
    stage.says(reply(200, &[], "fine"));
    stage.ask(get("/a", &[]));
    stage.says(reply(403, &[], "no"));
    stage.ask(get("/a", &[("user-agent", "evil")]));
    assert!(stage.ask_while_open(get("/a", &[])).is_kept());
}
