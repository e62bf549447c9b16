//! That the counts of a Prometheus server become calls.

use std::time::Duration;

use tower_breaker_lab::{Fate, Format, Prometheus, Reading, Recording};

fn read_with(text: &str, query: Prometheus, reading: &Reading) -> Result<Recording, String> {
    let format = Format::Prometheus(query);
    Recording::read(text.as_bytes(), &format, reading).map_err(|error| error.to_string())
}

#[track_caller]
fn read(text: &str, query: Prometheus) -> Recording {
    read_with(text, query, &Reading::new()).unwrap_or_else(|error| panic!("{error}"))
}

/// `sum by (status) (increase(http_requests_total[15s]))`
const BY_STATUS: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[
    {"metric":{"status":"200"},"values":[[1764309615,"300"],[1764309630,"0"],[1764309645,"150.5"]]},
    {"metric":{"status":"5xx"},"values":[[1764309630,"200"]]},
    {"metric":{"status":"404"},"values":[[1764309645,"10"]]}
]},"warnings":[]}"#;

#[test]
fn counts_are_spread_over_the_step_before_their_time() {
    let recording = read(BY_STATUS, Prometheus::new());
    let begins = recording.begins().duration_since(std::time::UNIX_EPOCH);
    let begins = begins.expect("after 1970").as_secs_f64() - 1_764_309_600.0;
    assert!((0.0..1.0).contains(&begins), "{begins}");
    let count = |from: f64, to: f64, fate| {
        let within = |at: Duration| (from..to).contains(&(at.as_secs_f64() + begins));
        let calls = recording.calls();
        calls
            .filter(|call| within(call.at) && call.fate == fate)
            .count()
    };
    assert_eq!(count(0.0, 15.0, Fate::Succeeded), 300);
    assert_eq!(count(15.0, 30.0, Fate::Failed), 200);
    assert!((150..=151).contains(&count(30.0, 45.0, Fate::Succeeded)));
    assert_eq!(count(30.0, 45.0, Fate::Answered), 10);
    assert!((660..=661).contains(&recording.len()));
    // As a Poisson process: about a third in each third, and not evenly.
    let third = count(0.0, 5.0, Fate::Succeeded);
    assert!((75..125).contains(&third), "{third}");
    assert!(
        recording
            .calls()
            .all(|call| call.took == Duration::from_millis(100))
    );
}

#[test]
fn the_same_seed_makes_up_the_same_calls() {
    let seed = |seed| read(BY_STATUS, Prometheus::new().seed(seed));
    assert_eq!(seed(1), seed(1));
    assert_ne!(seed(1), seed(2));
}

/// `sum by (code, le) (increase(http_request_duration_seconds_bucket[15s]))`, in any order.
#[test]
fn durations_are_within_their_buckets() {
    let text = r#"{"data":{"resultType":"matrix","result":[
        {"metric":{"code":"200","le":"+Inf"},"values":[[1764309615,"111"]]},
        {"metric":{"code":"200","le":"0.1"},"values":[[1764309615,"80"]]},
        {"metric":{"code":"200","le":"0.5"},"values":[[1764309615,"110"]]},
        {"metric":{"code":"503","le":"0.1"},"values":[[1764309615,"0"]]},
        {"metric":{"code":"503","le":"+Inf"},"values":[[1764309615,"7"]]}
    ]}}"#;
    let query = Prometheus::new()
        .status_label("code")
        .step(Duration::from_secs(15));
    let recording = read(text, query);
    let count = |fate, from: u64, to: u64| {
        let within = Duration::from_millis(from)..=Duration::from_millis(to);
        let calls = recording.calls().filter(|call| call.fate == fate);
        calls.filter(|call| within.contains(&call.took)).count()
    };
    assert_eq!(count(Fate::Succeeded, 0, 100), 80);
    assert_eq!(count(Fate::Succeeded, 101, 499), 30);
    // Above the highest bound: as long as that.
    assert_eq!(count(Fate::Succeeded, 500, 500), 1);
    assert_eq!(count(Fate::Failed, 100, 100), 7);
}

#[test]
fn an_answer_that_makes_no_sense_is_told_with_its_place() {
    let matrix =
        |result: &str| format!(r#"{{"data":{{"resultType":"matrix","result":[{result}]}}}}"#);
    for (text, expected) in [
        ("{}".to_owned(), "data: expected the result of a query"),
        (
            r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.to_owned(),
            "error: the server has refused the query: \"parse error\"",
        ),
        (
            r#"{"data":{"resultType":"vector","result":[]}}"#.to_owned(),
            "data.resultType: expected \"matrix\", as of a range query, found \"vector\"",
        ),
        (
            matrix(r#"{"metric":{"code":"200"},"values":[]}"#),
            "data.result[0].metric: expected a label `status`",
        ),
        (
            matrix(r#"{"metric":{"status":"OK"},"values":[]}"#),
            "data.result[0].metric.status: expected a status from 100 to 599 or 5xx, found \"OK\"",
        ),
        (
            matrix(r#"{"metric":{"status":"200"},"values":[[0,"1"],[15,"NaN"]]}"#),
            "data.result[0].values[1]: expected a time and a count of calls, found \"15, NaN\"",
        ),
        (
            matrix(r#"{"metric":{"status":"200"},"values":[[0,"-1"]]}"#),
            "data.result[0].values[0]: expected a time and a count of calls, found \"0, -1\"",
        ),
        (
            matrix(r#"{"metric":{"status":"200","le":"long"},"values":[]}"#),
            "data.result[0].metric.le: expected a duration in seconds or +Inf, found \"long\"",
        ),
        (
            matrix(r#"{"metric":{"status":"200","le":"1"}},{"metric":{"status":"200"}}"#),
            "data.result[1].metric: expected a label `le`",
        ),
        (
            matrix(r#"{"metric":{"status":"200"},"values":[[0,"1"]]}"#),
            "data.result: expected two values of a series, or a `step`",
        ),
        (
            matrix(r#"{"metric":{"status":"200"},"values":[[0,"0"],[15,"0"]]}"#),
            "there is no call in it",
        ),
        (
            matrix(r#"{"metric":{"status":"200"},"values":[[0,"1e18"],[15,"0"]]}"#),
            "there are more than 1000 calls; let more be kept, or cut the recording",
        ),
        (
            "[".to_owned(),
            "the answer: EOF while parsing a list at line 1 column 1",
        ),
    ] {
        let reading = Reading::new().most_calls(1_000);
        let found = read_with(&text, Prometheus::new(), &reading).expect_err(&text);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn an_answer_that_is_too_long_is_refused() {
    let mut query = Prometheus::new();
    query.longest = 10;
    let found = read_with(BY_STATUS, query, &Reading::new());
    assert_eq!(
        found.expect_err("too long"),
        "the answer: it is longer than 10 bytes"
    );
}
