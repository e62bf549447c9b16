//! How much time a caller has left, as its request says (rule M5): for
//! [`shortened_by`](crate::CircuitBreakerLayer::shortened_by).
//!
//! | what | reads |
//! |---|---|
//! | [`header`] | a header of your choice: `800ms`, `2s` |
//! | [`Extension`] | a [`TimeLeft`] in the request's extensions, which a layer further out has put there |
//! | `GrpcTimeout`, with the feature `grpc` | `grpc-timeout` |
//! | a closure | what you like |
//!
//! If there are two values, the shorter holds. A value that cannot be understood is no deadline: the call has the limit
//! that every call has. That is no error, and nothing panics. A caller can only shorten a limit.
//!
//! ```
//! use http::{HeaderName, Request};
//! use std::time::Duration;
//! use tower_breaker::deadline::{self, Deadline};
//!
//! let left = deadline::header(HeaderName::from_static("x-time-left"));
//! let request = |value| Request::builder().header("x-time-left", value).body(()).unwrap();
//! assert_eq!(left.left(&request("800ms")), Some(Duration::from_millis(800)));
//! assert_eq!(left.left(&request("soon")), None);
//!
//! // Of reqwest's requests, the timeout that they carry.
//! # #[cfg(feature = "reqwest")]
//! let left = |request: &reqwest::Request| request.timeout().copied();
//! ```

use std::time::Duration;

use http::{HeaderName, HeaderValue, Request};

use crate::util::digits::number;

/// How much time a caller has left, if its request says so. See [the module](self).
///
/// It is asked once for each call that is admitted, before the inner service gets the request. If a call waits for a
/// place, or is held, it is asked before that. If it panics, the call has failed (rule A5).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say how much time the caller of a request `{Req}` has left",
    label = "no deadline of such requests",
    note = "those of the module `deadline` read an `http::Request`; for another request, write a closure: \
            `|request: &{Req}| -> Option<Duration>`"
)]
pub trait Deadline<Req> {
    /// The time that is left. `None` if the caller has said nothing, or nothing that makes sense.
    fn left(&self, request: &Req) -> Option<Duration>;
}

impl<Req, F> Deadline<Req> for F
where
    F: Fn(&Req) -> Option<Duration>,
{
    fn left(&self, request: &Req) -> Option<Duration> {
        self(request)
    }
}

/// No deadline: callers have no say.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDeadline;

#[diagnostic::do_not_recommend]
impl<Req> Deadline<Req> for NoDeadline {
    #[inline(always)]
    fn left(&self, _: &Req) -> Option<Duration> {
        None
    }
}

/// The time that a caller has left, in the extensions of its request, where [`Extension`] reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLeft(pub Duration);

/// Reads the [`TimeLeft`] that a layer further out has put into the request's extensions. The time counts from when
/// this layer is called.
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use tower_breaker::deadline::{Deadline, Extension, TimeLeft};
///
/// let mut request = Request::new(());
/// assert_eq!(Extension.left(&request), None);
/// request.extensions_mut().insert(TimeLeft(Duration::from_millis(300)));
/// assert_eq!(Extension.left(&request), Some(Duration::from_millis(300)));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Extension;

#[diagnostic::do_not_recommend]
impl<B> Deadline<Request<B>> for Extension {
    fn left(&self, request: &Request<B>) -> Option<Duration> {
        let left: &TimeLeft = request.extensions().get()?;
        Some(left.0)
    }
}

/// Reads a header: whole numbers with a unit, `h`, `m`, `s`, `ms`, `us` or `ns`. A number without a unit is not
/// understood, unless you name its unit by [`in_milliseconds`](Header::in_milliseconds) or
/// [`in_seconds`](Header::in_seconds).
///
/// ```
/// use http::HeaderName;
/// use tower_breaker::deadline;
///
/// // That of Envoy: a number of milliseconds.
/// let left = deadline::header(HeaderName::from_static("x-envoy-expected-rq-timeout-ms")).in_milliseconds();
/// ```
pub fn header(name: HeaderName) -> Header {
    Header { name, bare: None }
}

/// Reads a header. Made by [`header`].
#[derive(Clone, Debug)]
#[must_use = "does nothing until it is given to a layer"]
pub struct Header {
    name: HeaderName,
    /// What a number without a unit is, in nanoseconds.
    bare: Option<u64>,
}

impl Header {
    /// Reads a number without a unit as milliseconds.
    ///
    /// Default: it is not understood.
    pub fn in_milliseconds(mut self) -> Self {
        self.bare = Some(MILLISECOND);
        self
    }

    /// Reads a number without a unit as seconds.
    ///
    /// Default: it is not understood.
    pub fn in_seconds(mut self) -> Self {
        self.bare = Some(SECOND);
        self
    }

    fn read(&self, said: &str) -> Option<Duration> {
        let digits = said.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = said.split_at(digits);
        let unit = match unit {
            "" => self.bare?,
            "h" => HOUR,
            "m" => MINUTE,
            "s" => SECOND,
            "ms" => MILLISECOND,
            "us" => MICROSECOND,
            "ns" => 1,
            _ => return None,
        };
        time(count, unit)
    }
}

#[diagnostic::do_not_recommend]
impl<B> Deadline<Request<B>> for Header {
    fn left(&self, request: &Request<B>) -> Option<Duration> {
        let said = request.headers().get_all(&self.name);
        shortest(said, |said| self.read(said))
    }
}

/// Reads `grpc-timeout` as the protocol defines it: up to eight digits and a unit.
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use tower_breaker::deadline::{Deadline, GrpcTimeout};
///
/// let request = Request::builder().header("grpc-timeout", "250m").body(()).unwrap();
/// assert_eq!(GrpcTimeout.left(&request), Some(Duration::from_millis(250)));
/// ```
#[cfg(feature = "grpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
#[derive(Clone, Copy, Debug, Default)]
pub struct GrpcTimeout;

#[cfg(feature = "grpc")]
#[diagnostic::do_not_recommend]
impl<B> Deadline<Request<B>> for GrpcTimeout {
    fn left(&self, request: &Request<B>) -> Option<Duration> {
        shortest(request.headers().get_all("grpc-timeout"), grpc_timeout)
    }
}

#[cfg(feature = "grpc")]
fn grpc_timeout(said: &str) -> Option<Duration> {
    let (count, unit) = said.split_at_checked(said.len().checked_sub(1)?)?;
    let unit = match unit {
        "H" => HOUR,
        "M" => MINUTE,
        "S" => SECOND,
        "m" => MILLISECOND,
        "u" => MICROSECOND,
        "n" => 1,
        _ => return None,
    };
    (count.len() <= 8).then(|| time(count, unit))?
}

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// So many of a unit that has so many nanoseconds; `None` if it is no number, or longer than 584 years.
fn time(count: &str, unit: u64) -> Option<Duration> {
    let nanos = number(count)?.checked_mul(unit)?;
    Some(Duration::from_nanos(nanos))
}

/// The shortest time of all that is said: in several headers, or in one with commas, which proxies make of several.
fn shortest<'a>(
    said: impl IntoIterator<Item = &'a HeaderValue>,
    read: impl Fn(&str) -> Option<Duration>,
) -> Option<Duration> {
    let said = said.into_iter().filter_map(|said| said.to_str().ok());
    let parts = said.flat_map(|said| said.split(','));
    parts.filter_map(|said| read(said.trim())).min()
}
