//! Any header whatsoever: nothing panics, and no time is outside of its bounds.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, option, prelude::*};

use super::{DAY, between};

const DAYS: [&str; 5] = ["Mon", "Tue", "Sun", "Sunday", "Wednesday"];
const MONTHS: [&str; 4] = ["Jan", "Feb", "Nov", "Dec"];
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// All that a header can hold: mostly no time at all, but often almost one.
fn value() -> impl Strategy<Value = HeaderValue> {
    let anything = vec(any::<u8>(), 0..64);
    let bytes = prop_oneof![anything, number(), date(), pieces(), damaged(date())];
    bytes.prop_filter_map("a value of a header", |bytes| {
        HeaderValue::from_bytes(&bytes).ok()
    })
}

fn number() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![0..100_000_u64, any::<u64>()];
    let long = vec(b'0'..=b'9', 0..40);
    prop_oneof![
        number.prop_map(|number| number.to_string().into_bytes()),
        long
    ]
}

fn date() -> impl Strategy<Value = Vec<u8>> {
    let end_of_time = 253_402_300_799_u64;
    (0..=end_of_time).prop_map(|seconds| {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        httpdate::fmt_http_date(date).into_bytes()
    })
}

/// A date whose parts need not fit each other.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let clock =
        (0..26_u8, 0..62_u8, 0..62_u8).prop_map(|(h, m, s)| format!("{h:02}:{m:02}:{s:02}"));
    let day = (
        prop::sample::select(&DAYS[..]),
        0..33_u8,
        prop::sample::select(&MONTHS[..]),
    );
    let year = prop_oneof![Just(1994), 0..10_000_u16];
    (day, year, clock, 0..3_u8).prop_map(|((day, number, month), year, clock, format)| {
        let text = match format {
            0 => format!("{day}, {number:02} {month} {year:04} {clock} GMT"),
            1 => format!("{day}, {number:02}-{month}-{:02} {clock} GMT", year % 100),
            _ => format!("{day} {month} {number:2} {clock} {year:04}"),
        };
        text.into_bytes()
    })
}

/// With a byte changed, and cut somewhere.
fn damaged(good: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damage = (
        any::<prop::sample::Index>(),
        any::<u8>(),
        any::<prop::sample::Index>(),
    );
    (good, damage).prop_map(|(mut bytes, (at, byte, end))| {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(end.index(bytes.len()) + 1);
        bytes
    })
}

fn bounds() -> impl Strategy<Value = (Duration, Duration)> {
    let day = u64::try_from(DAY.as_nanos()).expect("less than 584 years");
    let maximum = prop_oneof![1..=day, 1..=120_000_000_000_u64];
    maximum
        .prop_flat_map(|maximum| (0..=maximum, Just(maximum)))
        .prop_map(|(minimum, maximum)| {
            (Duration::from_nanos(minimum), Duration::from_nanos(maximum))
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 5_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    // A7
    #[test]
    fn nothing_panics_and_every_time_is_within_its_bounds(
        value in value(),
        date in option::of(value()),
        (minimum, maximum) in bounds(),
    ) {
        let retry_after = between(minimum, maximum);
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value.clone());
        headers.insert(PUSHBACK, value);
        if let Some(date) = date {
            headers.insert("date", date);
        }
        let bounds = minimum..=maximum;
        for asked in [retry_after.read(&headers), retry_after.read_pushback(&headers)] {
            prop_assert!(asked.is_none_or(|asked| bounds.contains(&asked)), "{asked:?}");
        }
    }

    // A7: a number is honoured exactly if it is a time, and a date like the number of seconds to it.
    #[test]
    fn a_number_of_seconds_and_a_date_say_the_same(seconds in 0..200_000_u64) {
        let retry_after = between(Duration::ZERO, DAY);
        let read = |value: String, date: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().expect("text"));
            headers.insert("date", HeaderValue::from_static(date));
            retry_after.read(&headers)
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let then = httpdate::parse_http_date(date).expect("a date") + Duration::from_secs(seconds);
        let sane = (1..=86_400).contains(&seconds).then_some(Duration::from_secs(seconds));
        prop_assert_eq!(read(seconds.to_string(), date), sane);
        prop_assert_eq!(read(httpdate::fmt_http_date(then), date), sane);
    }
}
