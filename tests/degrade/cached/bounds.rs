//! Memory stays in its bound (rule M4).

use http::Response;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tower_breaker::degrade::cached::{CacheUsage, Cached};

use super::stage::{HOUR, Stage, get, reply};

fn answer(length: usize, headers: usize, vary: bool) -> Response<bytes::Bytes> {
    let mut response = reply(200, &[], &"x".repeat(length));
    for at in 0..headers {
        let name = http::HeaderName::try_from(format!("x-header-{at}")).expect("a name");
        response.headers_mut().append(
            name,
            "a value that is as long as usual".parse().expect("a value"),
        );
    }
    if vary {
        response
            .headers_mut()
            .append("vary", "x-user, accept".parse().expect("a value"));
    }
    response
}

/// An answer: its length, its headers, whether it varies, and for whom.
type ToKeep = (usize, usize, bool, u16);

/// How many answers and bytes there may be, what share of them a body may take, and the answers.
fn stores() -> impl Strategy<Value = (u32, u64, u64, Vec<ToKeep>)> {
    let answers = (0_usize..40_000, 0_usize..12, any::<bool>(), 0_u16..400);
    let answers = prop::collection::vec(answers, 0..300);
    (8_u32..300, 4_096_u64..400_000, 8_u64..64, answers)
}

// M4
#[test]
fn however_much_is_kept_there_is_no_more_than_may_be() {
    let config = Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&stores(), |(entries, bytes, share, answers)| {
        let mut stage = Stage::with(|cached| {
            let body_limit = bytes / share;
            cached
                .entries(entries)
                .bytes(bytes)
                .body_limit(body_limit)
                .stale_if_error(HOUR)
        });
        for (length, headers, vary, path) in answers {
            stage.says(answer(length, headers, vary));
            let user = path.to_string();
            stage.ask(get(&format!("/{}", path % 100), &[("x-user", &user)]));
            let used = stage.cached.usage();
            prop_assert!(used.answers <= entries.into(), "{used:?} of {entries}");
            prop_assert!(used.bytes <= bytes, "{used:?} of {bytes}");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// How many bytes there are more after that than before.
fn bytes_of(work: impl FnOnce()) -> u64 {
    u64::try_from(allocation_counter::measure(work).bytes_current).expect("more than before")
}

// M4
#[test]
fn what_is_said_of_memory_is_no_less_than_what_is_taken() {
    let kinds = [
        (0, 0, false),
        (1_024, 8, false),
        (1_024, 8, true),
        (20_000, 2, false),
    ];
    // Just before and just after a table grows.
    let numbers = [200, 440, 460, 890, 900, 1_000];
    for ((length, headers, vary), number) in kinds
        .into_iter()
        .flat_map(|kind| numbers.map(|number| (kind, number)))
    {
        let mut stage = Stage::with(|cached| cached.entries(2 * number).bytes(64 << 20));
        let taken = bytes_of(|| {
            for at in 0..number {
                stage.says(answer(length, headers, vary));
                stage.ask(get(&format!("/{at}"), &[]));
            }
            stage.says(reply(200, &[], ""));
        });
        let CacheUsage { answers, bytes, .. } = stage.cached.usage();
        assert_eq!(answers, u64::from(number));
        let (said, taken) = (bytes / answers, taken / answers);
        println!(
            "{number}: {length} B, {headers} headers, vary: {vary}: {said} B said, {taken} B taken each"
        );
        assert!(taken <= said, "{number} of {length} B: {taken} > {said}");
        assert!(
            taken * 2 > said,
            "{number} of {length} B: {taken} is much less than {said}"
        );
    }
}

/// How many bytes it takes to keep an answer with this header.
fn bytes_with(name: &str, value: &str) -> u64 {
    let mut stage = Stage::new();
    assert!(stage.keeps(&get("/a", &[]), reply(200, &[(name, value)], "")));
    stage.cached.usage().bytes
}

// M4
#[test]
fn names_of_headers_count_by_their_length() {
    let bytes = |name: &str| bytes_with(name, "");
    assert_eq!(bytes(&"x".repeat(1_001)) - bytes("x"), 1_000);
}

// M4
#[test]
fn values_of_headers_count_by_their_length() {
    let bytes = |value: &str| bytes_with("x-one", value);
    assert_eq!(bytes(&"x".repeat(1_001)) - bytes("x"), 1_000);
}

// M4: once as the answer has them, and once for finding it.
#[test]
fn names_in_vary_count_twice() {
    let bytes = |name: &str| bytes_with("vary", name);
    assert_eq!(bytes(&"x".repeat(1_001)) - bytes("x"), 2_000);
}

// M4: the store is divided, and no part of it is smaller than the largest answer.
#[test]
fn an_answer_as_long_as_the_limit_has_room() {
    for bytes in [1 << 20, 8 << 20, 64 << 20] {
        let limit = bytes / 8 - (64 << 10);
        let mut stage = Stage::with(|cached| {
            let cached = cached.entries(10_000).bytes(bytes).body_limit(limit);
            cached.stale_if_error(HOUR)
        });
        let body = "x".repeat(usize::try_from(limit).expect("short"));
        assert!(
            stage.keeps(&get("/a", &[]), reply(200, &[], &body)),
            "{bytes}"
        );
    }
}

// M4
#[test]
fn a_cache_that_is_full_takes_no_more_than_its_bytes() {
    let mut taken = Vec::new();
    for rounds in [1, 20] {
        let mut stage =
            Stage::with(|cached| cached.entries(10_000).bytes(1 << 20).body_limit(1 << 16));
        taken.push(bytes_of(|| {
            for at in 0..rounds * 1_000 {
                stage.says(answer(at % 7_000, 6, false));
                stage.ask(get(&format!("/{at}"), &[]));
            }
            stage.says(reply(200, &[], ""));
        }));
    }
    println!("a full cache of 1 MiB takes {taken:?}");
    assert!(taken[1] <= 1 << 20, "{taken:?}");
}

// M4
#[test]
fn what_is_forgotten_takes_nothing_more() {
    let mut stage = Stage::new();
    stage.says(answer(1_000, 4, false));
    stage.ask(get("/a", &[]));
    assert!(stage.cached.usage().bytes > 1_000);
    stage.cached.clear();
    let CacheUsage {
        answers,
        bytes,
        recording,
        ..
    } = stage.cached.usage();
    assert_eq!((answers, bytes, recording), (0, 0, 0));
    let _: &Cached = &stage.cached.clone();
}

// M4
#[test]
fn where_there_is_no_room_nothing_is_kept() {
    for bytes in [0, 1, 100, 500] {
        let mut stage = Stage::with(|cached| {
            cached
                .entries(8)
                .bytes(bytes)
                .body_limit(0)
                .stale_if_error(HOUR)
        });
        assert!(
            !stage.keeps(&get("/a", &[]), answer(0, 0, false)),
            "{bytes}"
        );
    }
}
