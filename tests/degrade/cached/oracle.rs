//! What decides of a kept answer, held against http-cache-semantics, and why that is no part of the crate (rules M3,
//! M4).
//!
//! What is written to the letter, we keep and take for fresh only if it does too. What is not, it takes for less than
//! it may mean: the tests below show its answer and ours side by side, so that an update tells when that has changed.

use std::{
    collections::BTreeMap,
    panic::catch_unwind,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::Response;
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    test_runner::{Config, TestRunner},
};

use super::stage::{HOUR, Question, Stage, date, get, reply};

fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + HOUR * 5 / 2
}

fn theirs(request: &Question, response: &Response<Bytes>, shared: bool) -> CachePolicy {
    let options = CacheOptions {
        shared,
        ..CacheOptions::default()
    };
    CachePolicy::new_options(request, response, then(), options)
}

fn is_fresh(policy: &CachePolicy, request: &Question, after: Duration) -> bool {
    matches!(
        policy.before_request(request, then() + after),
        BeforeRequest::Fresh(_)
    )
}

type Lines = Vec<(&'static str, String)>;

fn list(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    subsequence(of, 0..=3)
        .prop_shuffle()
        .prop_map(|elements| elements.join(", "))
}

fn response_lines() -> impl Strategy<Value = (u16, Lines)> {
    const DIRECTIVES: &[&str] = &[
        "no-store",
        "no-cache",
        "private",
        "public",
        "must-revalidate",
        "max-age=0",
        "max-age=60",
        "s-maxage=30",
        "stale-if-error=60",
        "immutable",
        "max-age=120, public",
    ];
    let status = select(vec![
        200, 200, 200, 203, 204, 206, 300, 301, 302, 304, 307, 308, 404, 405, 410, 414, 403,
    ]);
    let dates = || select(vec![-60, -5, 0, 5, 60, 120]);
    let vary = select(vec!["*", "accept", "x-one", "accept, x-one"]);
    let optional = (
        prop::option::weighted(0.8, list(DIRECTIVES)),
        prop::option::weighted(0.3, dates()),
        prop::option::weighted(0.3, dates()),
        prop::option::weighted(0.2, select(vec!["0", "10", "100"])),
        prop::option::weighted(0.3, vary),
        prop::option::weighted(0.1, Just("id=7")),
    );
    (status, optional).prop_map(|(status, (said, dated, expires, age, vary, cookie))| {
        let lines = [
            ("cache-control", said),
            ("date", dated.map(date)),
            ("expires", expires.map(date)),
            ("age", age.map(str::to_owned)),
            ("vary", vary.map(str::to_owned)),
            ("set-cookie", cookie.map(str::to_owned)),
        ];
        (
            status,
            lines
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
        )
    })
}

fn request_lines() -> impl Strategy<Value = Lines> {
    const DIRECTIVES: &[&str] = &[
        "no-store",
        "no-cache",
        "max-age=0",
        "max-age=40",
        "min-fresh=20",
        "max-stale=20",
    ];
    let value = || prop::option::weighted(0.4, select(vec!["a", "b", ""]));
    let optional = (
        prop::option::weighted(0.4, list(DIRECTIVES)),
        prop::option::weighted(0.2, Just("Basic eA==")),
        value(),
        value(),
        prop::option::weighted(0.1, Just("no-cache")),
    );
    optional.prop_map(|(said, credentials, accept, one, pragma)| {
        let own = |value: Option<&str>| value.map(str::to_owned);
        let lines = [
            ("cache-control", said),
            ("authorization", own(credentials)),
            ("accept", own(accept)),
            ("x-one", own(one)),
            ("pragma", own(pragma)),
        ];
        lines
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    })
}

fn borrowed(lines: &Lines) -> Vec<(&str, &str)> {
    lines
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

// M3, M4
#[test]
fn we_keep_and_take_for_fresh_only_what_they_do() {
    let config = Config {
        cases: 4_000,
        failure_persistence: None,
        ..Config::default()
    };
    let case = (
        response_lines(),
        request_lines(),
        request_lines(),
        0_u64..70,
        any::<bool>(),
    );
    let told = std::cell::RefCell::new(BTreeMap::new());
    let outcome =
        TestRunner::new(config).run(&case, |((status, lines), first, second, after, shared)| {
            let response = reply(status, &borrowed(&lines), "");
            let (first, second) = (get("/a", &borrowed(&first)), get("/a", &borrowed(&second)));
            let after = Duration::from_secs(after);
            let mut stage = Stage::with(|cached| cached.shared(shared).entries(32));
            stage.says(response.clone());
            stage.ask(first.clone());
            let policy = theirs(&first, &response, shared);
            let tell = |what| *told.borrow_mut().entry(what).or_insert(0) += 1;
            if stage.cached.usage().answers > 0 {
                tell("kept");
                prop_assert!(policy.is_storable(), "{first:?} {response:?}");
            } else if policy.is_storable() {
                tell("kept by them only");
            }
            stage.clock.advance(after);
            let got = stage.ask_while_open(second.clone());
            if got.is_kept()
                && !got.header("cache-status").contains("ttl=-")
                && !got.header("cache-status").contains("ttl=0")
            {
                tell("fresh");
                prop_assert!(
                    is_fresh(&policy, &second, after),
                    "{first:?} {response:?} {second:?} {got:?}"
                );
            }
            Ok(())
        });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let told = told.into_inner();
    println!("{told:?}");
    for what in ["kept", "kept by them only", "fresh"] {
        assert!(
            told.get(what).is_some_and(|times| *times > 20),
            "{what}: {told:?}"
        );
    }
}

// M4: they take it for stale at once. It only says what must not be done once it is stale (RFC 9111, section 5.2.2.8).
#[test]
fn they_are_stricter_with_proxies_than_they_have_to_be() {
    let response = reply(
        200,
        &[("cache-control", "max-age=60, proxy-revalidate")],
        "fine",
    );
    let request = get("/a", &[]);
    assert!(!is_fresh(
        &theirs(&request, &response, true),
        &request,
        Duration::ZERO
    ));
    assert!(Stage::with(|cached| cached).keeps(&request, response));
}

/// Whether each of us keeps it.
fn kept(request: &Question, headers: &[(&str, &str)]) -> (bool, bool) {
    let response = reply(200, headers, "fine");
    let them = theirs(request, &response, true).is_storable();
    (them, Stage::new().keeps(request, response))
}

const THEIRS_ONLY: (bool, bool) = (true, false);

// M3: defect 1 of theirs.
#[test]
fn they_do_not_see_directives_in_capitals() {
    for value in ["No-Store", "PRIVATE"] {
        assert_eq!(
            kept(&get("/a", &[]), &[("cache-control", value)]),
            THEIRS_ONLY,
            "{value}"
        );
    }
}

// M3: defect 2 of theirs.
#[test]
fn they_leave_out_lines_with_a_byte_above_ascii() {
    for (name, value) in [
        ("cache-control", "no-store, x=\"\u{80}\""),
        ("vary", "x-one, \u{80}"),
    ] {
        assert_eq!(
            kept(&get("/a", &[]), &[(name, value)]),
            THEIRS_ONLY,
            "{name}"
        );
    }
}

// M3: defect 3 of theirs.
#[test]
fn they_read_directives_within_quotes() {
    let request = get("/a", &[("authorization", "Basic eA==")]);
    assert_eq!(
        kept(&request, &[("cache-control", "x=\"a, public, b\"")]),
        THEIRS_ONLY
    );
}

// M3: defect 4 of theirs.
#[test]
fn they_compare_the_first_value_of_a_header_only() {
    let of = |user| get("/a", &[("x-user", "same"), ("x-user", user)]);
    let response = reply(
        200,
        &[("vary", "x-user"), ("cache-control", "max-age=60")],
        "fine",
    );
    assert!(is_fresh(
        &theirs(&of("one"), &response, true),
        &of("two"),
        Duration::ZERO
    ));
    let mut stage = Stage::new();
    stage.says(response);
    stage.ask(of("one"));
    assert!(!stage.ask_while_open(of("two")).is_kept());
}

// M4: defect 5 of theirs.
#[test]
fn they_panic_at_an_age_that_overflows() {
    let response = reply(200, &[("age", "18446744073709551615")], "fine");
    let policy = theirs(&get("/a", &[]), &response, true);
    let panicked = catch_unwind(|| policy.age(then() + Duration::from_secs(1)));
    assert!(panicked.is_err());
}

// M4: defects 6 and 7 of theirs.
#[test]
fn they_lose_repeated_headers_and_write_a_date_that_is_none() {
    let headers = [
        ("x-one", "1"),
        ("x-one", "2"),
        ("cache-control", "max-age=60"),
        ("date", &*date(0)),
    ];
    let response = reply(200, &headers, "fine");
    let request = get("/a", &[]);
    let BeforeRequest::Fresh(parts) =
        theirs(&request, &response, true).before_request(&request, then())
    else {
        panic!("it is fresh");
    };
    assert_eq!(parts.headers.get_all("x-one").iter().count(), 1);
    let theirs = parts.headers["date"].to_str().expect("text");
    assert!(httpdate::parse_http_date(theirs).is_err(), "{theirs}");
    let mut stage = Stage::new();
    stage.says(response);
    stage.ask(request.clone());
    let got = stage.ask_while_open(request);
    assert_eq!(
        (got.header("x-one"), got.header("date")),
        ("1\n2".into(), date(0))
    );
}

// M4: defect 8 of theirs. That ours keeps none cannot be printed: it has only hashes.
#[test]
fn they_keep_credentials() {
    let request = get("/a", &[("authorization", "Basic c2VjcmV0")]);
    let policy = theirs(&request, &reply(200, &[], "fine"), true);
    assert!(format!("{policy:?}").contains("c2VjcmV0"));
    let mut stage = Stage::new();
    stage.says(reply(200, &[("cache-control", "public")], "fine"));
    stage.ask(request);
    assert_eq!(stage.cached.usage().answers, 1);
    assert!(!format!("{:?}", stage.cached).contains("c2VjcmV0"));
}
