//! What a failing dependency says about when to come back (rule A7): what is read of it, what it does to
//! a break, and that what we say ourselves (rule H1) is understood. Whatever comes over the wire, nothing
//! panics and no break is outside of its bounds.

mod any_value;
mod breaks;
mod emitted;
mod outcomes;
mod reading;
mod wire;

use std::time::Duration;

use crate::support::secs;
use http::{HeaderMap, HeaderName, HeaderValue};
use tower_breaker::retry_after::RetryAfter;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One that changes nothing that is honoured at all.
fn wide() -> RetryAfter {
    between(Duration::ZERO, DAY)
}

fn between(minimum: Duration, maximum: Duration) -> RetryAfter {
    RetryAfter::between(minimum, maximum).expect("bounds that make sense")
}

/// `name: value` lines, as bytes: not everything in a header is text.
fn headers<L: AsRef<[u8]>>(lines: &[L]) -> HeaderMap {
    lines.iter().map(|line| header(line.as_ref())).fold(
        HeaderMap::new(),
        |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        },
    )
}

fn header(line: &[u8]) -> (HeaderName, HeaderValue) {
    let colon = line.windows(2).position(|two| two == b": ");
    let colon = colon.expect("a name and a value");
    let name = HeaderName::from_bytes(&line[..colon]).expect("a name");
    let value = HeaderValue::from_bytes(&line[colon + 2..]).expect("a value");
    (name, value)
}

/// What a lone `Retry-After` with this value asks for.
fn asked(value: impl AsRef<[u8]>) -> Option<Duration> {
    wide().read(&headers(&[line("retry-after", value)]))
}

fn line(name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    [name.as_bytes(), b": ", value.as_ref()].concat()
}

fn some_secs(seconds: u64) -> Option<Duration> {
    Some(secs(seconds))
}
