//! What a rejection becomes: a 503, an error, or a fallback's answer (rules H1 to H3).
//!
//! A [`Reject`] answers in place of the inner service. For the usual answers the layer has methods:
//!
//! | method | a rejection becomes | the service's error |
//! |---|---|---|
//! | – | [`ServiceUnavailable`]: 503 with `Retry-After` | the inner one, unchanged |
//! | [`reject_with`] | a response of your own | the inner one, unchanged |
//! | [`reject_as_error`] | [`CircuitError::Rejected`] | [`CircuitError<E>`] |
//! | [`reject_as_box_error`] | a boxed [`Rejected`] | a boxed error |
//! | `reject_as_status`, with the feature `tonic` | a `tonic::Status`: *unavailable*, and the [`Rejected`] is found in it | `tonic::Status` |
//! | [`fallback`] | whatever an async function makes of the request | the inner one, unchanged |
//!
//! They also say how a call is answered that takes too long (rules M5, D9): by a 504, a [`CircuitError::TimedOut`], or
//! a boxed [`TimedOut`]. [`reject_with`] and [`fallback`] leave that as it is. The limits are
//! [`call_timeout`](crate::CircuitBuilder::call_timeout), and for probes
//! [`probe_timeout`](crate::CircuitBuilder::probe_timeout), if these are set. [`time_out_with`] gives another answer to
//! any of them.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_breaker::Circuit;
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let layer = Circuit::builder("payments")
//!     .build_layer()?
//!     // 503, with `Retry-After`.
//!     .reject_with(|_| "payments are down, we know");
//! let app: Router = Router::new().route("/", get(|| async { "all is well" })).layer(layer);
//! # Ok(())
//! # }
//! ```
//!
//! For all that `reject_with` takes, see [`IntoAnswer`].
//!
//! # What a rejection allocates
//!
//! To reject takes no memory (rule F3). What the rejection becomes may take some. These are small allocations, counted
//! for one rejection of a circuit that is open for less than 100 seconds:
//!
//! | what it becomes | allocations | for |
//! |---|--:|---|
//! | a [`Rejected`], as a circuit gives it | 0 | its name is copied into it, or shared if it is long ([`Name`](crate::Name)) |
//! | [`CircuitError::Rejected`] | 0 | |
//! | a boxed [`Rejected`] | 1 | the box |
//! | any of these, when it is first asked for its `source()` | 1 more | the source, which is kept |
//! | a 503 | 5 | 2 for the header map, 3 for the mark in the extensions |
//! | … with a `Retry-After` of 100 seconds or more | 7 | 2 for the digits, which are a constant below that |
//! | … of a circuit that is forced open | 3 | there is no `Retry-After` |
//! | a response of [`reject_with`] | 5 | as a 503, beside what you make |
//! | … that has a `Retry-After`, [needs none](WithoutRetryAfter), or is no 4xx or 5xx | 3 | the mark, beside what you make |
//! | … the same, of a text | 5 | its `Content-Type` has a header map, too |
//! | a [`fallback`]'s answer | 0 | what you make |
//! | a head of gRPC | 10 | a header map of four, the digits of the push-back, and the mark |
//! | a `tonic::Status` made of a [`Rejected`] | 7 | metadata, the message, and the source, which is shared |
//! | a `reqwest::Response` | 11 | as a 503, and its URL |
//!
//! [`reject_with`]: crate::CircuitBreakerLayer::reject_with
//! [`reject_as_error`]: crate::CircuitBreakerLayer::reject_as_error
//! [`reject_as_box_error`]: crate::CircuitBreakerLayer::reject_as_box_error
//! [`fallback`]: crate::CircuitBreakerLayer::fallback
//! [`time_out_with`]: crate::CircuitBreakerLayer::time_out_with

use std::{
    error::Error,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};

use crate::circuit::error::{CircuitError, Rejected, TimedOut};

pub use super::{
    answer::{HttpResponse, IntoAnswer, RejectWith, WithoutRetryAfter},
    time_out::{
        AnswerTimeOut, GatewayTimeout, KeepTimeOut, NoTimeOutAnswer, RespondWith, Returns,
        TellTimeOut, TimeOutWith,
    },
};

/// Nobody is told to wait for longer, nor believed who tells it.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What HTTP makes of a rejection.
impl Rejected {
    /// [`remaining`](Self::remaining) as a `Retry-After` header has it (rule H1): whole seconds, rounded up, at least
    /// 1, at most a day.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        let remaining = self.remaining()?;
        let rounded_up = u64::from(remaining.subsec_nanos() > 0);
        Some(
            remaining
                .as_secs()
                .saturating_add(rounded_up)
                .clamp(1, DAY.as_secs()),
        )
    }

    /// Marks a response as made from this rejection (rule H3), so that outer layers leave it alone. For the answer of a
    /// fallback, or of a [`Reject`](crate::Reject), that is still a refusal.
    #[must_use]
    pub fn mark_response<B>(self, mut response: http::Response<B>) -> http::Response<B> {
        response.extensions_mut().insert(self);
        response
    }
}

/// Answers a rejected call in place of the inner service.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer for a service with response `{Res}` and error `{E}`",
    label = "not a rejection for this service",
    note = "`ServiceUnavailable`, the default, answers with an `http::Response` of http 1 whose body is \
            `Default`; for another body say `.reject_with(|rejected| ..)`, for anything `.reject_as_error()`"
)]
#[cfg_attr(
    not(feature = "reqwest"),
    diagnostic::on_unimplemented(
        note = "for the client of reqwest 0.13, enable the feature `reqwest` of tower-breaker"
    )
)]
#[cfg_attr(
    feature = "reqwest",
    diagnostic::on_unimplemented(note = "a response of reqwest has to be of reqwest 0.13")
)]
pub trait Reject<Req, Res, E> {
    /// The error of the protected service.
    type Error;
    /// The answer, now or later.
    type Future: Future<Output = Result<Res, Self::Error>>;

    /// Answers `request`, which the inner service has not seen.
    fn reject(&self, rejected: Rejected, request: Req) -> Self::Future;

    /// Turns an error of the inner service into an error of the protected one.
    fn inner_error(&self, error: E) -> Self::Error;

    /// Answers in place of the inner service, which was called and took longer than it may (rules M5, D9). The limit
    /// was [`call_timeout`](crate::CircuitBuilder::call_timeout), for a probe
    /// [`probe_timeout`](crate::CircuitBuilder::probe_timeout), or the time that its caller has
    /// ([`whose`](TimedOut::whose)). What the inner service was doing is then dropped.
    ///
    /// With `None`, the caller goes on waiting for the inner service. For the circuit, the call has failed. If it was
    /// its caller's time that is over, nothing has happened.
    ///
    /// The request is gone: the inner service has it. The answer is no rejection, and must not be
    /// [marked](Rejected::mark_response) as one.
    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Res, Self::Error>>;
}

/// The default: 503 with an empty body (rule H1). It has a `Retry-After` in whole seconds, rounded up, at least 1, at
/// most a day. It has none if a person has to release the circuit. A call that takes too long is answered with 504 and
/// an empty body (rules D9, M5).
#[derive(Clone, Copy, Debug, Default)]
pub struct ServiceUnavailable;

#[diagnostic::do_not_recommend]
impl<Req, B: Default, E> Reject<Req, Response<B>, E> for ServiceUnavailable {
    type Error = E;
    type Future = UnavailableFuture<B, E>;

    fn reject(&self, rejected: Rejected, _: Req) -> Self::Future {
        UnavailableFuture {
            rejected: Some(rejected),
            result: PhantomData,
        }
    }

    fn inner_error(&self, error: E) -> E {
        error
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Response<B>, E>> {
        Some(Ok(gateway_timeout(timed_out)))
    }
}

/// The answer of [`ServiceUnavailable`]. The response is made when it is polled, so the future is
/// no larger than the rejection.
pub struct UnavailableFuture<B, E> {
    rejected: Option<Rejected>,
    result: PhantomData<fn() -> Result<B, E>>,
}

impl<B: Default, E> Future for UnavailableFuture<B, E> {
    type Output = Result<Response<B>, E>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let rejected = self.rejected.take().expect("polled after completion");
        Poll::Ready(Ok(service_unavailable(rejected)))
    }
}

impl<B, E> fmt::Debug for UnavailableFuture<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnavailableFuture")
            .field("rejected", &self.rejected)
            .finish()
    }
}

pub(crate) fn service_unavailable<B: Default>(rejected: Rejected) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    if let Some(seconds) = rejected.retry_after_secs() {
        response
            .headers_mut()
            .insert(RETRY_AFTER, whole_number(seconds));
    }
    rejected.mark_response(response)
}

/// Not marked as a rejection: to a circuit further out it is a failure.
pub(crate) fn gateway_timeout<B: Default>(timed_out: TimedOut) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    response.extensions_mut().insert(timed_out);
    response
}

/// A header value of up to two digits is cut out of a constant, and not allocated: most breaks are
/// shorter than 100 seconds.
pub(super) fn whole_number(number: u64) -> HeaderValue {
    const PAIRS: &str = "00010203040506070809101112131415161718192021222324\
                         25262728293031323334353637383940414243444546474849\
                         50515253545556575859606162636465666768697071727374\
                         75767778798081828384858687888990919293949596979899";
    match usize::try_from(number) {
        Ok(number @ 0..=9) => HeaderValue::from_static(&PAIRS[2 * number + 1..2 * number + 2]),
        Ok(number @ 10..=99) => HeaderValue::from_static(&PAIRS[2 * number..2 * number + 2]),
        _ => HeaderValue::from(number),
    }
}

/// A rejection becomes [`CircuitError::Rejected`]. Made by
/// [`reject_as_error`](crate::CircuitBreakerLayer::reject_as_error).
#[derive(Clone, Copy, Debug, Default)]
pub struct RejectAsError;

impl<Req, Res, E> Reject<Req, Res, E> for RejectAsError {
    type Error = CircuitError<E>;
    type Future = RejectErrorFuture<Res, CircuitError<E>>;

    fn reject(&self, rejected: Rejected, _: Req) -> Self::Future {
        RejectErrorFuture::new(rejected)
    }

    fn inner_error(&self, error: E) -> CircuitError<E> {
        CircuitError::Inner(error)
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Res, CircuitError<E>>> {
        Some(Err(timed_out.into()))
    }
}

/// A rejection becomes a boxed error, for stacks whose error is boxed already. Inner errors are boxed as they are. Made
/// by [`reject_as_box_error`](crate::CircuitBreakerLayer::reject_as_box_error).
#[derive(Clone, Copy, Debug, Default)]
pub struct RejectAsBoxError;

impl<Req, Res, E> Reject<Req, Res, E> for RejectAsBoxError
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Error = Box<dyn Error + Send + Sync>;
    type Future = RejectErrorFuture<Res, Self::Error>;

    fn reject(&self, rejected: Rejected, _: Req) -> Self::Future {
        RejectErrorFuture::new(rejected)
    }

    fn inner_error(&self, error: E) -> Self::Error {
        error.into()
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Res, Self::Error>> {
        Some(Err(timed_out.into()))
    }
}

/// The answer of [`RejectAsError`], [`RejectAsBoxError`] and the like: the error is made when it is polled.
pub struct RejectErrorFuture<Res, E> {
    rejected: Option<Rejected>,
    result: PhantomData<fn() -> Result<Res, E>>,
}

impl<Res, E> RejectErrorFuture<Res, E> {
    pub(crate) fn new(rejected: Rejected) -> Self {
        Self {
            rejected: Some(rejected),
            result: PhantomData,
        }
    }
}

impl<Res, E: From<Rejected>> Future for RejectErrorFuture<Res, E> {
    type Output = Result<Res, E>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let rejected = self.rejected.take().expect("polled after completion");
        Poll::Ready(Err(rejected.into()))
    }
}

impl<Res, E> fmt::Debug for RejectErrorFuture<Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectErrorFuture")
            .field("rejected", &self.rejected)
            .finish()
    }
}

/// An async function that answers in place of the inner service. Made by
/// [`fallback`](crate::CircuitBreakerLayer::fallback).
pub struct Fallback<F, T = GatewayTimeout> {
    respond: Arc<F>,
    pub(super) time_out: T,
}

impl<F, T> Fallback<F, T> {
    pub(crate) fn new(respond: F, time_out: T) -> Self {
        Self {
            respond: Arc::new(respond),
            time_out,
        }
    }

    pub(crate) fn with_time_out<T2>(&self, time_out: T2) -> Fallback<F, T2> {
        Fallback {
            respond: self.respond.clone(),
            time_out,
        }
    }
}

impl<F, T, Fut, Req, Res, E> Reject<Req, Res, E> for Fallback<F, T>
where
    F: Fn(Rejected, Req) -> Fut,
    Fut: Future<Output = Result<Res, E>>,
    T: AnswerTimeOut<Res>,
{
    type Error = E;
    type Future = Fut;

    fn reject(&self, rejected: Rejected, request: Req) -> Fut {
        (self.respond)(rejected, request)
    }

    fn inner_error(&self, error: E) -> E {
        error
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Res, E>> {
        self.time_out.answer(timed_out).map(Ok)
    }
}

impl<F, T> fmt::Debug for Fallback<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallback(_)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        Fallback, GatewayTimeout, NoTimeOutAnswer, RejectWith, RespondWith, Returns, TimeOutWith,
        whole_number,
    };

    // H1
    #[test]
    fn a_number_is_written_as_a_number() {
        for number in (0..=1_000).chain([86_400, u64::MAX]) {
            assert_eq!(whole_number(number), number.to_string());
        }
    }
    // No user can hold one, but the compiler wants them printable.
    #[test]
    fn closures_are_printed_as_such() {
        let reject_with = || RejectWith::new(|| (), GatewayTimeout);
        assert_eq!(format!("{:?}", reject_with()), "RejectWith(_)");
        let fallback = Fallback::new(|| (), GatewayTimeout);
        assert_eq!(format!("{fallback:?}"), "Fallback(_)");
        assert_eq!(format!("{:?}", RespondWith::new(|| ())), "RespondWith(_)");
        assert_eq!(format!("{:?}", Returns::new(|| ())), "Returns(_)");
        let both = TimeOutWith::new(Arc::new(reject_with()), NoTimeOutAnswer);
        let printed = "TimeOutWith { rejection: RejectWith(_), .. }";
        assert_eq!(format!("{both:?}"), printed);
    }
}
