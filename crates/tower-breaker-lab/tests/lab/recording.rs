//! That recordings are read as they were written.

use std::time::Duration;

use tower_breaker_lab::{
    AccessLog, Calls, Fate, Format, JsonLines, Notes, Reading, Recording, StampOf, Unit,
};

pub(crate) fn nginx() -> Format {
    Format::AccessLog(AccessLog::nginx())
}

pub(crate) fn json() -> Format {
    Format::JsonLines(JsonLines::new())
}

#[track_caller]
pub(crate) fn read(text: &str, format: &Format) -> Recording {
    read_with(text, format, &Reading::new())
}

#[track_caller]
fn read_with(text: &str, format: &Format, reading: &Reading) -> Recording {
    Recording::read(text.as_bytes(), format, reading).unwrap_or_else(|error| panic!("{error}"))
}

fn begins(recording: &Recording) -> String {
    humantime::format_rfc3339_millis(recording.begins()).to_string()
}

/// In milliseconds: when it began, how long it took, and how it ended.
fn calls(recording: &Recording) -> Vec<(u128, u128, Fate)> {
    let ms = |time: Duration| time.as_micros().div_ceil(1_000);
    let calls = recording.calls();
    calls
        .map(|call| (ms(call.at), ms(call.took), call.fate))
        .collect()
}

const COMBINED: &str = r#"
203.0.113.9 - - [28/Nov/2026:07:00:01 +0100] "GET /cart?id=7 HTTP/1.1" 200 5120 "https://a.example/" "Mozilla/5.0" 0.100
203.0.113.9 - ann [28/Nov/2026:07:00:02 +0100] "POST /pay HTTP/2.0" 502 150 "-" "a \"quoted\" agent [1]" 0.250
2001:db8::1 - - [28/Nov/2026:07:00:03 +0100] "GET /nothing HTTP/1.1" 404 0 "-" "-" 0.001
203.0.113.9 - - [28/Nov/2026:07:00:04 +0100] "GET /slow HTTP/1.1" 499 0 "-" "curl/8.5.0" 2.000
203.0.113.9 - - [28/Nov/2026:07:00:05 +0100] "\x16\x03\x01" 429 150 "-" "-" 0.000
"#;

/// The only one of its second is taken to be in its middle.
#[test]
fn the_combined_format_of_nginx() {
    let recording = read(COMBINED, &nginx());
    assert_eq!(begins(&recording), "2026-11-28T06:00:01.400Z");
    let expected = [
        (0, 100, Fate::Succeeded),
        (850, 250, Fate::Failed),
        (1_100, 2_000, Fate::Abandoned),
        (2_099, 1, Fate::Answered),
        (4_100, 0, Fate::Ignored),
    ];
    assert_eq!(calls(&recording), expected);
    assert_eq!(recording.length(), Duration::from_millis(4_100));
    assert_eq!(recording.notes(), Notes::default());
}

/// The common format, with the time of the beginning, and microseconds.
#[test]
fn the_common_format_of_apache() {
    let log = r#"10.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 1500000
10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 503 - 20"#;
    let recording = read(log, &Format::AccessLog(AccessLog::apache()));
    assert_eq!(begins(&recording), "2000-10-10T20:55:36.250Z");
    let expected = [(0, 1_500, Fate::Succeeded), (500, 1, Fate::Failed)];
    assert_eq!(calls(&recording), expected);
    assert_eq!(recording.notes(), Notes::default());
}

#[test]
fn a_duration_with_a_key_and_times_with_a_fraction() {
    let log = r#"
10.0.0.1 - - [1764309600.250] "GET / HTTP/1.1" 200 1 "-" "-" ua="-" rt=0.250 uct="0.001"
10.0.0.1 - - [2025-11-28T06:00:01.500+00:00] "GET / HTTP/1.1" 500 1 "-" "-" rt="0.5" urt=0.9
"#;
    let recording = read(
        log,
        &Format::AccessLog(AccessLog::nginx().duration_key("rt")),
    );
    assert_eq!(begins(&recording), "2025-11-28T06:00:00.000Z");
    let expected = [(0, 250, Fate::Succeeded), (1_000, 500, Fate::Failed)];
    assert_eq!(calls(&recording), expected);
}

#[test]
fn json_with_fields_of_any_name() {
    let log = r#"{"ts":1764309600.5,"http":{"status":200,"method":"GET"},"duration_ms":12.5}
{"ts":1764309601500,"http":{"status":"503"},"duration_ms":"500"}
{"ts":"2025-11-28T06:00:02.500Z","http.status":404,"duration_ms":5e-1}"#;
    let format = JsonLines::new()
        .time("ts")
        .status("http.status")
        .duration("duration_ms", Unit::Milliseconds);
    let recording = read(log, &Format::JsonLines(format.clone()));
    assert_eq!(begins(&recording), "2025-11-28T06:00:00.487Z");
    let expected = [
        (0, 13, Fate::Succeeded),
        (513, 500, Fate::Failed),
        (2_012, 1, Fate::Answered),
    ];
    assert_eq!(calls(&recording), expected);
    let of_beginnings = format.stamp_of(StampOf::Beginning);
    let recording = read(log, &Format::JsonLines(of_beginnings));
    assert_eq!(begins(&recording), "2025-11-28T06:00:00.500Z");
}

/// As a `CallWriter` and the admin view print them.
#[test]
fn calls_and_events_of_a_circuit() {
    let log = include_str!("../samples/calls.jsonl");
    let recording = read(log, &Format::Calls(Calls::new().circuit("payments")));
    let expected = [
        (0, 100, Fate::Succeeded),
        (150, 50, Fate::Failed),
        (300, 0, Fate::Unknown),
        (400, 0, Fate::Unknown),
    ];
    assert_eq!(calls(&recording), expected);
    let notes = recording.notes();
    assert_eq!((notes.events, notes.of_others), (1, 1));
    assert_eq!(recording.unknown(), 2);
    assert_eq!(read(log, &Format::Calls(Calls::new())).len(), 5);
}

#[test]
fn what_a_status_means_can_be_said() {
    let fates = |reading: &Reading| -> Vec<Fate> {
        let recording = read_with(COMBINED, &nginx(), reading);
        recording.calls().map(|call| call.fate).collect()
    };
    let failing = fates(&Reading::new().too_many_requests_fails(true));
    assert_eq!(failing[4], Fate::Failed);
    let rejected = fates(&Reading::new().rejected_status(502));
    assert_eq!(rejected[1], Fate::Unknown);
}

fn line(second: &str, took: &str) -> String {
    format!("a - - [28/Nov/2026:06:00:{second} +0000] \"GET / HTTP/1.1\" 200 1 {took}\n")
}

/// A burst in one instant each second would be worse than what there was.
#[test]
fn calls_of_one_second_are_spread_over_it() {
    let log: String = (0..4).map(|_| line("07", "0")).collect();
    let recording = read(&log, &nginx());
    let at: Vec<u128> = recording.calls().map(|call| call.at.as_millis()).collect();
    assert_eq!(at, [0, 250, 500, 750]);
}

/// Apache has the beginnings, and writes at the end: the seconds of calls that take several are mixed.
#[test]
fn calls_of_one_second_are_spread_over_it_wherever_their_lines_are() {
    let apache = Format::AccessLog(AccessLog::apache());
    let log: String = ["07", "08", "07", "09", "08", "07", "07", "08"]
        .map(|second| line(second, "0"))
        .concat();
    let recording = read(&log, &apache);
    let at: Vec<u128> = recording.calls().map(|call| call.at.as_millis()).collect();
    assert_eq!(at, [0, 250, 500, 750, 1_041, 1_374, 1_708, 2_375]);
}

/// Long calls are written late; that is no clock that went back.
#[test]
fn lines_are_in_the_order_of_ends_and_calls_in_that_of_beginnings() {
    let log = line("10", "0.1") + &line("20", "20") + &line("17", "0.1") + &line("21", "0.1");
    let recording = read(&log, &nginx());
    let seconds: Vec<u64> = recording.calls().map(|call| call.at.as_secs()).collect();
    assert_eq!(seconds, [0, 9, 16, 20]);
    assert_eq!(recording.notes().backwards, 0);
    let strict = Reading::new().disorder(Duration::from_secs(2));
    assert_eq!(read_with(&log, &nginx(), &strict).notes().backwards, 1);
}

#[test]
fn clocks_that_go_back_are_counted() {
    let log = line("40", "0.1") + &line("10", "0.1") + &line("11", "0.1") + &line("41", "0.1");
    let recording = read(&log, &nginx());
    assert_eq!((recording.notes().backwards, recording.len()), (2, 4));
    let sorted: Vec<Duration> = recording.calls().map(|call| call.at).collect();
    assert!(sorted.is_sorted(), "{sorted:?}");
}

#[test]
fn a_truncated_last_line_is_told() {
    for cut in [1, 20, 50] {
        let log = line("40", "0.1") + &line("41", "0.1")[..cut];
        let recording = read(&log, &nginx());
        assert_eq!(recording.len(), 1, "cut at {cut}");
        assert!(recording.notes().truncated_last_line, "cut at {cut}");
    }
    // It is all there, only its line break is not.
    let recording = read(line("40", "0.1").trim_end(), &nginx());
    assert!(!recording.notes().truncated_last_line);
}

#[track_caller]
fn error(text: &[u8], format: &Format) -> String {
    let found = Recording::read(text, format, &Reading::new());
    found.expect_err("an error").to_string()
}

#[test]
fn bad_lines_of_access_logs_are_told_with_their_place() {
    for (line, expected) in [
        (
            "GET / 200",
            "column 10: expected a time such as [10/Oct/2000:13:55:36 -0700], found the end of the line",
        ),
        (
            "a - - [28/Nov/2026:06:00:00",
            "column 28: expected ], found the end of the line",
        ),
        (
            "a - - [31/Feb/2026:06:00:00 +0000] \"-\" 200 1 1",
            "column 7: expected a time such as [10/Oct/2000:13:55:36 -0700], found \"31/Feb/2026:06:00:00 +0000\"",
        ),
        (
            "a - - [99999999999999999999] \"-\" 200 1 1",
            "column 7: expected a time from 1970 to 2261, found \"99999999999999999999\"",
        ),
        (
            "a - - [0] GET 200 1 1",
            "column 11: expected a request in quotes, found \"GET\"",
        ),
        (
            "a - - [0] \"GET / 200 1 1",
            "column 25: expected \", found the end of the line",
        ),
        (
            "a - - [0] \"-\" 999 1 1",
            "column 15: expected a status from 100 to 599, found \"999\"",
        ),
        (
            "a - - [0] \"-\" +20 1 1",
            "column 15: expected a status from 100 to 599, found \"+20\"",
        ),
        (
            "a - - [0] \"-\" 200 many 1",
            "column 19: expected a number of bytes or -, found \"many\"",
        ),
        (
            "a - - [0] \"-\" 200 1",
            "column 20: expected a duration in seconds, such as 0.123, found the end of the line",
        ),
        (
            "a - - [0] \"-\" 200 1 NaN",
            "column 21: expected a duration in seconds, such as 0.123, found \"NaN\"",
        ),
        (
            "a - - [0] \"-\" 200 1 -1",
            "column 21: expected a duration in seconds, such as 0.123, found \"-1\"",
        ),
        (
            "a - - [0] \"-\" 200 1 99999999999999999999999",
            "column 21: expected a duration in seconds, such as 0.123, found \"99999999999999999999999\"",
        ),
        (
            "a - - [0] \"-\" 200 1 \u{1b}[31m\u{7}",
            "column 21: expected a duration in seconds, such as 0.123, found \"\\x1b[31m\\x07\"",
        ),
    ] {
        let text = format!("{}{line}\n{0}", self::line("40", "0.1"));
        assert_eq!(
            error(text.as_bytes(), &nginx()),
            format!("line 2, {expected}")
        );
    }
    let keyed = Format::AccessLog(AccessLog::nginx().duration_key("rt"));
    for (line, expected) in [
        (
            "a - - [0] \"-\" 200 1 x=1\n",
            "line 1, column 24: expected rt= and a duration in seconds, such as 0.123, found the end of the line",
        ),
        (
            "a - - [0] \"-\" 200 1 rt=-\n",
            "line 1, column 24: expected a duration in seconds, such as 0.123, found \"-\"",
        ),
    ] {
        assert_eq!(error(line.as_bytes(), &keyed), expected);
    }
}

#[test]
fn bad_lines_of_json_are_told_with_their_place() {
    for (line, expected) in [
        ("hello", "column 1: no such JSON: expected value"),
        (
            r#"{"time":0,"status":200,"duration":1e999}"#,
            "column 39: no such JSON: number out of range",
        ),
        (
            r#"{"time":0,"status":200,"duration":NaN}"#,
            "column 35: no such JSON: expected value",
        ),
        (
            "{\"time\":\"\u{1}\"}",
            "column 10: no such JSON: control character (\\u0000-\\u001F) found while parsing a string",
        ),
        (
            "[]",
            "column 1: no such JSON: invalid type: sequence, expected a map",
        ),
        (
            r#"{"time":0,"status":200}"#,
            "column 24: expected a field `duration`, found the end of the line",
        ),
        (
            r#"{"time":-5,"status":200,"duration":0}"#,
            "column 2: expected a time from 1970 to 2261, as `time`, found \"-5\"",
        ),
        (
            r#"{"time":1e300,"status":200,"duration":0}"#,
            "column 2: expected a time from 1970 to 2261, as `time`, found \"1e+300\"",
        ),
        (
            r#"{"time":0,"status":200.5,"duration":0}"#,
            "column 11: expected a status from 100 to 599, as `status`, found \"200.5\"",
        ),
        (
            r#"{"time":0,"status":null,"duration":0}"#,
            "column 11: expected a status from 100 to 599, as `status`, found \"null\"",
        ),
        (
            r#"{"time":0,"status":200,"duration":"0,5"}"#,
            "column 24: expected a duration in seconds, such as 0.123, as `duration`, found \"0,5\"",
        ),
    ] {
        let text = format!("{{\"time\":0,\"status\":200,\"duration\":0}}\n{line}\n");
        assert_eq!(
            error(text.as_bytes(), &json()),
            format!("line 2, {expected}")
        );
    }
    let deep = "[".repeat(60_000) + "\n";
    let found = error(deep.as_bytes(), &json());
    assert!(found.starts_with("line 1, column "), "{found}");
}

#[test]
fn bad_lines_of_calls_are_told_with_their_place() {
    for (line, expected) in [
        (
            r#"{"at":"2026-11-28T06:00:00Z","kind":"call"}"#,
            "column 43: no such JSON: missing field `circuit`",
        ),
        (
            r#"{"at":"today","circuit":"a","kind":"call","end":"success","took_seconds":1}"#,
            "column 2: expected a time from 1970 to 2261, as `at`, found \"today\"",
        ),
        (
            r#"{"at":"2026-11-28T06:00:00Z","circuit":"a","kind":"call","end":"fine","took_seconds":1}"#,
            "column 58: expected success, failure, ignored or abandoned, as `end`, found \"fine\"",
        ),
        (
            r#"{"at":"2026-11-28T06:00:00Z","circuit":"a","kind":"call","end":"success","took_seconds":-1}"#,
            "column 74: expected a duration in seconds, such as 0.123, as `took_seconds`, found \"-1\"",
        ),
    ] {
        let found = error(format!("{line}\n").as_bytes(), &Format::Calls(Calls::new()));
        assert_eq!(found, format!("line 1, {expected}"));
    }
}

#[test]
fn so_many_bad_lines_may_be_skipped() {
    let log =
        "bad\n".to_owned() + &line("40", "0.1") + &"x".repeat(70_000) + "\n" + &line("41", "0.1");
    let recording = read_with(&log, &nginx(), &Reading::new().skip(2));
    assert_eq!((recording.len(), recording.notes().skipped), (2, 2));
    let one = Recording::read(log.as_bytes(), &nginx(), &Reading::new().skip(1));
    let text = one.expect_err("one more").to_string();
    assert_eq!(text, "line 3 is longer than 65536 bytes");
}

#[test]
fn an_empty_recording_is_refused() {
    for text in ["", "\n\r\n\n"] {
        assert_eq!(
            error(text.as_bytes(), &nginx()),
            "there is no call in it",
            "{text}"
        );
    }
}

/// What is no recording at all is none that is cut off.
#[test]
fn a_single_line_that_makes_no_sense_is_told() {
    let expected = "line 1, column 12: expected a time such as [10/Oct/2000:13:55:36 -0700], found the end of the line";
    assert_eq!(error(b"half a line", &nginx()), expected);
    let list = error(b"[{\"time\": 1}]", &Format::JsonLines(JsonLines::new()));
    let expected = "line 1, column 1: no such JSON: invalid type: sequence, expected a map";
    assert_eq!(list, expected);
}

/// Else a whole file would be one call: the first status, and the last duration.
#[test]
fn lines_that_end_with_carriage_returns_alone_are_refused() {
    let log = line("07", "0.1") + &line("08", "0.2") + &line("09", "0.3");
    let expected = "line 1, column 62: expected a line break \\n, found \"\\r\"";
    assert_eq!(
        error(log.replace('\n', "\r").as_bytes(), &nginx()),
        expected
    );
    assert_eq!(read(&log.replace('\n', "\r\n"), &nginx()).len(), 3);
}

/// Neither UTF-8 nor printable.
#[test]
fn bytes_that_are_no_text_are_read_or_refused() {
    let mut log =
        b"a \xff\xfe [28/Nov/2026:06:00:00 +0000] \"\x00\xc3\" 200 1 \"\xff\" 0.5\n".to_vec();
    let read = Recording::read(&log[..], &nginx(), &Reading::new()).expect("readable");
    assert_eq!(read.len(), 1);
    log.extend_from_slice(&[0; 100]);
    log.push(b'\n');
    let expected = "line 2, column 101: expected a time such as [10/Oct/2000:13:55:36 -0700], \
        found the end of the line";
    assert_eq!(error(&log, &nginx()), expected);
}
