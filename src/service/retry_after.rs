//! What a failing dependency says about when to come back (rule A7). Needs the feature `retry-after`.
//!
//! A service that fails and knows for how long says so in a `Retry-After` header, as a number of seconds or as a date.
//! Over gRPC, it says so in `grpc-retry-pushback-ms`. A breaker that honours it does not come back earlier: if that
//! failure is the one that opens the circuit, the break is at least that long. It never opens a circuit by itself. It
//! is off unless a classifier is given a [`RetryAfter`]:
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::{Circuit, CircuitBreakerLayer, classify::HttpClassifier, retry_after::RetryAfter};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let honoured = RetryAfter::between(Duration::from_secs(1), Duration::from_secs(120))?;
//! let layer = CircuitBreakerLayer::new(Circuit::builder("payments").build()?)
//!     .classifier(HttpClassifier::new().retry_after(honoured));
//! # let _: CircuitBreakerLayer<_> = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # What is honoured
//!
//! | what it says | what becomes of it |
//! |---|---|
//! | 1 second to a day | honoured, clamped between the minimum and the maximum |
//! | 0, or a date that is past | not honoured: there is nothing to wait for |
//! | more than a day | not honoured: absurd |
//! | anything else, or more than one such header | not honoured: nobody knows what was meant |
//!
//! Seconds are nothing but digits: no sign, no fraction, no unit. Dates are those of HTTP, in any of its three formats.
//! A date is compared with the `Date` of the same response, so clocks that disagree do no harm. If that cannot be read,
//! or there is more than one, the clock of this machine is used.
//!
//! If what is said is not honoured, the break is as long as the circuit makes it. What is honoured is a minimum for
//! that, whether constant, growing or jittered: a break that would be longer stays so.
//!
//! Only failures ask. A 429 is ignored by default, and so is what it says, until it is
//! [moved](crate::classify::HttpClassifier::failures) to the failures or made to trip.
//!
//! A response that a breaker further in has made from a rejection asks nothing (rule H3). Over the wire it has lost its
//! mark, and is a 503 like any other. Then it says how long its circuit stays open (rule H1).
//!
//! With [`Outcome::TripNow`] for its status, a response opens the circuit at
//! once, for exactly as long as it says:
//!
//! ```
//! # use std::time::Duration;
//! use http::StatusCode;
//! use tower_breaker::{Outcome, classify::HttpClassifier, retry_after::RetryAfter};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! # let honoured = RetryAfter::between(Duration::from_secs(1), Duration::from_secs(120))?;
//! let classifier = HttpClassifier::new()
//!     .classify_as(Outcome::TripNow, [StatusCode::TOO_MANY_REQUESTS])
//!     .retry_after(honoured);
//! # Ok(())
//! # }
//! ```

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, HeaderName,
    header::{DATE, RETRY_AFTER},
};

use crate::{
    circuit::settings::ConfigError, machine::Outcome, service::reject::DAY, util::digits::number,
};

/// gRFC A6.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// How long a dependency may ask to be left alone: from a minimum to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    minimum: Duration,
    maximum: Duration,
}

impl RetryAfter {
    /// Honours what a dependency asks for, but makes it at least `minimum` and at most `maximum`. The maximum is at
    /// most a day.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the maximum is zero or above a day, or the minimum above the maximum (rule B8).
    pub fn between(minimum: Duration, maximum: Duration) -> Result<Self, ConfigError> {
        let valid = !maximum.is_zero() && maximum <= DAY;
        ConfigError::unless(
            valid,
            "retry_after.maximum",
            &maximum,
            "above zero and at most a day",
        )?;
        let valid = minimum <= maximum;
        ConfigError::unless(
            valid,
            "retry_after.minimum",
            &minimum,
            "at most the maximum",
        )?;
        Ok(Self { minimum, maximum })
    }

    /// What a `Retry-After` among these headers asks for. `None` if it is not to be honoured.
    ///
    /// For classifiers of your own: put it into [`Outcome::FailureRetryAfter`].
    #[must_use]
    pub fn read(&self, headers: &HeaderMap) -> Option<Duration> {
        self.honour(wait(headers, SystemTime::now)?)
    }

    /// What a `grpc-retry-pushback-ms` among these headers or trailers asks for. `None` if it is not to be honoured. A
    /// negative number asks not to come back at all, which is not for a breaker.
    #[must_use]
    pub fn read_pushback(&self, headers: &HeaderMap) -> Option<Duration> {
        let millis = number(only(headers, &PUSHBACK)?)?;
        self.honour(Duration::from_millis(millis))
    }

    /// Over gRPC: what either header asks for.
    #[cfg(feature = "grpc")]
    pub(crate) fn read_grpc(&self, headers: &HeaderMap) -> Option<Duration> {
        self.read_pushback(headers).or_else(|| self.read(headers))
    }

    /// A failure or a trip, with what the response asks for.
    pub(crate) fn add_to(outcome: Outcome, wait: impl FnOnce() -> Option<Duration>) -> Outcome {
        let with: fn(Duration) -> Outcome = match outcome {
            Outcome::Failure => Outcome::FailureRetryAfter,
            Outcome::TripNow => Outcome::TripFor,
            other => return other,
        };
        wait().map_or(outcome, with)
    }

    fn honour(&self, wait: Duration) -> Option<Duration> {
        let sane = !wait.is_zero() && wait <= DAY;
        sane.then(|| wait.clamp(self.minimum, self.maximum))
    }
}

/// What a `Retry-After` among these headers asks for, however long, if it can be read and is not past.
pub(crate) fn wait(headers: &HeaderMap, now: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let value = only(headers, &RETRY_AFTER)?;
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = only(headers, &DATE)
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or_else(now);
    then.duration_since(now).ok()
}

/// The value of a header that came exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, http::HeaderValue::from_static(value));
        }
        headers
    }

    // A7
    #[test]
    fn without_a_date_of_its_own_a_response_is_of_now() {
        let headers = headers(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let then = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        let before = |secs| move || then - Duration::from_secs(secs);
        assert_eq!(wait(&headers, before(7)), Some(Duration::from_secs(7)));
        assert_eq!(wait(&headers, before(0)), Some(Duration::ZERO));
        let after = || then + Duration::from_secs(1);
        assert_eq!(wait(&headers, after), None);
    }
}
