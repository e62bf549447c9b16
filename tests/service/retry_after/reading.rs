//! A header, and the time it asks for.

use std::time::{Duration, SystemTime};

use httpdate::fmt_http_date;

use super::{DAY, asked, between, headers, line, some_secs, wide};
use crate::support::secs;
use tower_breaker::{ConfigError, retry_after::RetryAfter};

const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";

/// What a `Retry-After` asks for in a response of 6 November 1994, 08:49:37.
fn asked_in_1994(value: impl AsRef<[u8]>) -> Option<Duration> {
    wide().read(&headers(&[DATE.into(), line("retry-after", value)]))
}

// ---- seconds -----------------------------------------------------------------------------------

// A7
#[test]
fn seconds_are_honoured_from_one_to_a_day() {
    for (value, seconds) in [
        ("1", 1),
        ("7", 7),
        ("120", 120),
        ("007", 7),
        ("86399", 86_399),
        ("86400", 86_400),
    ] {
        assert_eq!(asked(value), some_secs(seconds), "{value}");
    }
}

// A7: nothing to wait for.
#[test]
fn zero_seconds_are_not_honoured() {
    assert_eq!(asked("0"), None);
    assert_eq!(asked("000"), None);
}

// A7: absurd.
#[test]
fn more_than_a_day_is_not_honoured() {
    for seconds in [86_401, 31_536_000, u64::MAX / 1_000_000_000, u64::MAX] {
        assert_eq!(asked(seconds.to_string()), None, "{seconds}");
    }
    assert_eq!(asked("18446744073709551616"), None, "2^64");
    assert_eq!(asked("18446744073709551623"), None, "2^64 + 7");
    for digits in [30, 1_000, 100_000] {
        assert_eq!(asked("9".repeat(digits)), None, "{digits} digits");
    }
}

// A7: a number with a thousand zeros before it is still that number.
#[test]
fn leading_zeros_do_not_matter() {
    assert_eq!(asked(format!("{}7", "0".repeat(1_000))), some_secs(7));
}

// A7: nobody knows what was meant.
#[test]
fn what_is_no_whole_number_of_seconds_is_not_honoured() {
    let texts = [
        "", " ", "-1", "-0", "+1", "--1", "1.5", "1.0", "1,5", "1e3", "0x10", "1_000", "1 000",
        " 5", "5 ", "\t5", "5s", "5;", "5, 5", "\"5\"", "NaN", "inf", "soon", "null", "true",
        "P1D", "5 GMT",
    ];
    for value in texts {
        assert_eq!(asked(value), None, "{value:?}");
    }
}

// A7
#[test]
fn what_is_no_ascii_is_not_honoured() {
    let arabic_five = "\u{665}";
    let fullwidth_five = "\u{ff15}";
    for value in [arabic_five, fullwidth_five, "5\u{a0}", "½"] {
        assert_eq!(asked(value), None, "{value:?}");
    }
    for value in [&b"\xff"[..], b"5\xff", b"\xff5", b"\x80\x80"] {
        assert_eq!(asked(value), None, "{value:?}");
    }
}

// A7: not even if they agree, since then somebody added one without looking.
#[test]
fn a_header_that_is_there_twice_is_not_honoured() {
    for values in [["5", "5"], ["5", "7"], ["5", ""], ["", "5"], ["soon", "5"]] {
        let lines = values.map(|value| line("retry-after", value));
        assert_eq!(wide().read(&headers(&lines)), None, "{values:?}");
    }
}

#[test]
fn no_header_asks_for_nothing() {
    assert_eq!(wide().read(&headers::<&str>(&[])), None);
    assert_eq!(wide().read(&headers(&[DATE])), None);
}

// ---- dates -------------------------------------------------------------------------------------

// A7: in each format that HTTP knows.
#[test]
fn a_date_is_so_far_from_the_date_of_its_response() {
    for value in [
        "Sun, 06 Nov 1994 08:50:37 GMT",
        "Sunday, 06-Nov-94 08:50:37 GMT",
        "Sun Nov  6 08:50:37 1994",
    ] {
        assert_eq!(asked_in_1994(value), some_secs(60), "{value}");
    }
}

// A7
#[test]
fn the_date_of_the_response_may_have_any_format_too() {
    for date in [
        "date: Sun, 06 Nov 1994 08:49:37 GMT",
        "date: Sunday, 06-Nov-94 08:49:37 GMT",
        "date: Sun Nov  6 08:49:37 1994",
    ] {
        let lines = [date, "retry-after: Sun, 06 Nov 1994 08:49:38 GMT"];
        assert_eq!(wide().read(&headers(&lines)), some_secs(1), "{date}");
    }
}

// A7
#[test]
fn a_date_is_honoured_from_a_second_to_a_day_away() {
    for (value, expected) in [
        ("Sun, 06 Nov 1994 08:49:38 GMT", some_secs(1)),
        ("Mon, 07 Nov 1994 08:49:37 GMT", Some(DAY)),
        // Now, a second ago, and a year ago.
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:36 GMT", None),
        ("Sat, 06 Nov 1993 08:49:37 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        // More than a day.
        ("Mon, 07 Nov 1994 08:49:38 GMT", None),
        ("Mon, 06 Nov 1995 08:49:37 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
    ] {
        assert_eq!(asked_in_1994(value), expected, "{value}");
    }
}

// A7
#[test]
fn a_date_that_does_not_exist_is_not_honoured() {
    for value in [
        "Sun, 06 Nov 1994 08:50:37",
        "Sun, 06 Nov 1994 08:50:37 UTC",
        "Sun, 06 Nov 1994 08:50:37 +0000",
        "Sun, 6 Nov 1994 08:50:37 GMT",
        "sun, 06 nov 1994 08:50:37 gmt",
        "Mon, 06 Nov 1994 08:50:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:50:60 GMT",
        "Sun, 00 Nov 1994 08:50:37 GMT",
        "Wed, 31 Nov 1994 08:50:37 GMT",
        "Sun, 06 Foo 1994 08:50:37 GMT",
        "Sun, 06 Nov 0000 08:50:37 GMT",
        "Sun, 06 Nov 1969 08:50:37 GMT",
        "Sun, 06 Nov 10000 08:50:37 GMT",
        "1994-11-06T08:50:37Z",
        "Sun, 06 Nov 1994 08:50:37 GMT, Sun, 06 Nov 1994 08:50:37 GMT",
    ] {
        assert_eq!(asked_in_1994(value), None, "{value}");
    }
}

/// A date so many hours from now, by the clock of this machine.
fn hours_from_now(hours: i8) -> String {
    let span = secs(u64::from(hours.unsigned_abs()) * 3600);
    let now = SystemTime::now();
    fmt_http_date(if hours < 0 { now - span } else { now + span })
}

/// As much as a minute of it: the time that this test takes does not matter.
fn a_minute_at_most(lines: &[Vec<u8>]) -> Option<Duration> {
    between(Duration::ZERO, secs(60)).read(&headers(lines))
}

// A7
#[test]
fn without_a_date_of_its_own_a_response_is_of_now() {
    for (hours, expected) in [(1, some_secs(60)), (-1, None), (48, None)] {
        let retry_after = line("retry-after", hours_from_now(hours));
        assert_eq!(a_minute_at_most(&[retry_after]), expected, "{hours} h");
    }
}

// A7
#[test]
fn a_response_with_an_unreadable_date_or_with_two_is_of_now() {
    let in_an_hour = line("retry-after", hours_from_now(1));
    let unreadable = line("date", "yesterday");
    let lines = [unreadable, in_an_hour.clone()];
    assert_eq!(a_minute_at_most(&lines), some_secs(60));
    let in_an_hour_too = line("date", hours_from_now(1));
    let twice = [
        in_an_hour_too.clone(),
        in_an_hour_too.clone(),
        in_an_hour.clone(),
    ];
    assert_eq!(a_minute_at_most(&twice), some_secs(60));
    let once = [in_an_hour_too, in_an_hour];
    assert_eq!(a_minute_at_most(&once), None);
}

// ---- bounds ------------------------------------------------------------------------------------

// A7: what is not honoured is not made so by the minimum or the maximum.
#[test]
fn what_is_honoured_is_clamped_and_nothing_else() {
    let retry_after = between(secs(10), secs(60));
    for (value, expected) in [
        ("0", None),
        ("1", some_secs(10)),
        ("9", some_secs(10)),
        ("10", some_secs(10)),
        ("11", some_secs(11)),
        ("60", some_secs(60)),
        ("61", some_secs(60)),
        ("86400", some_secs(60)),
        ("86401", None),
        ("soon", None),
    ] {
        let lines = [line("retry-after", value)];
        assert_eq!(retry_after.read(&headers(&lines)), expected, "{value}");
    }
}

// B8
#[test]
fn bounds_may_be_anything_up_to_a_day() {
    let nano = Duration::from_nanos(1);
    for (minimum, maximum) in [
        (Duration::ZERO, nano),
        (nano, nano),
        (secs(1), secs(1)),
        (Duration::ZERO, DAY),
        (DAY, DAY),
    ] {
        assert!(RetryAfter::between(minimum, maximum).is_ok());
    }
}

// B8: the field, the value, and what is allowed.
#[test]
fn bounds_that_make_no_sense_are_refused() {
    let error = |minimum, maximum| -> ConfigError {
        RetryAfter::between(minimum, maximum).expect_err("nonsense")
    };
    let maximum = "but must be above zero and at most a day";
    for (said, refused) in [
        (
            error(secs(0), secs(0)),
            format!("`retry_after.maximum` is 0ns, {maximum}"),
        ),
        (
            error(secs(1), secs(0)),
            format!("`retry_after.maximum` is 0ns, {maximum}"),
        ),
        (
            error(secs(0), DAY + Duration::from_nanos(1)),
            format!("`retry_after.maximum` is 86400.000000001s, {maximum}"),
        ),
        (
            error(Duration::MAX, Duration::MAX),
            format!("`retry_after.maximum` is 18446744073709551615.999999999s, {maximum}"),
        ),
        (
            error(secs(61), secs(60)),
            "`retry_after.minimum` is 61s, but must be at most the maximum".to_owned(),
        ),
    ] {
        assert_eq!(said.to_string(), refused);
    }
    let error = error(secs(61), secs(60));
    assert_eq!(
        (error.field(), error.value()),
        ("retry_after.minimum", "61s")
    );
    assert_eq!(error.allowed(), "at most the maximum");
}

// ---- over gRPC ---------------------------------------------------------------------------------

/// What a lone `grpc-retry-pushback-ms` with this value asks for.
fn pushed_back(value: impl AsRef<[u8]>) -> Option<Duration> {
    wide().read_pushback(&headers(&[line("grpc-retry-pushback-ms", value)]))
}

// A7
#[test]
fn a_pushback_is_in_milliseconds() {
    for (value, millis) in [
        ("1", 1),
        ("1500", 1_500),
        ("0020", 20),
        ("86400000", 86_400_000),
    ] {
        let expected = Some(Duration::from_millis(millis));
        assert_eq!(pushed_back(value), expected, "{value}");
    }
}

// A7: negative, it asks never to retry, which is no time.
#[test]
fn a_pushback_that_is_no_time_is_not_honoured() {
    for value in [
        "0",
        "-1",
        "-1500",
        "+1",
        "1.5",
        "",
        " 1",
        "1 ",
        "1ms",
        "86400001",
        "18446744073709551615",
        "18446744073709551616",
        "9999999999999999999999999",
        "Sun, 06 Nov 1994 08:50:37 GMT",
        "½",
    ] {
        assert_eq!(pushed_back(value), None, "{value:?}");
    }
    let twice = [
        line("grpc-retry-pushback-ms", "1"),
        line("grpc-retry-pushback-ms", "1"),
    ];
    assert_eq!(wide().read_pushback(&headers(&twice)), None);
}

// A7
#[test]
fn a_pushback_is_clamped_like_any_other() {
    let lines = [line("grpc-retry-pushback-ms", "1500")];
    let read = |minimum, maximum| between(minimum, maximum).read_pushback(&headers(&lines));
    assert_eq!(read(secs(2), secs(60)), some_secs(2));
    assert_eq!(read(secs(0), secs(1)), some_secs(1));
}

#[test]
fn neither_header_is_mistaken_for_the_other() {
    let retry_after = headers(&[line("retry-after", "5")]);
    assert_eq!(wide().read_pushback(&retry_after), None);
    let pushback = headers(&[line("grpc-retry-pushback-ms", "5")]);
    assert_eq!(wide().read(&pushback), None);
}
