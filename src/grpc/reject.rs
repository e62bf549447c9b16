//! A rejection over gRPC.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use http::{HeaderValue, Response, header::CONTENT_TYPE};

use crate::{
    circuit::error::{LimitOf, Reason, Rejected, TimedOut},
    service::{
        reject::{AnswerTimeOut, DAY, NoTimeOutAnswer, Reject, RespondWith, TimeOutWith},
        time_out::tell_time_out,
    },
};

/// Rejects as gRPC does (rule H4): by a response of nothing but a head, with `grpc-status: 14` (unavailable). In place
/// of `Retry-After` it has `grpc-retry-pushback-ms`: milliseconds, rounded up, at least 1, at most a day. That is left
/// out when a person has to release the circuit.
///
/// A call that takes too long is answered in the same way with `grpc-status: 4` (deadline exceeded), without a
/// push-back (rules D9, M5).
///
/// The message is that of [`Rejected`] without the circuit's name and the cause, such as `the circuit is open`. It goes
/// to strangers, who need not know more.
///
/// The body is the default one. If its type has no default, as hyper's `Incoming`, let the layer [reject as an
/// error](crate::CircuitBreakerLayer::reject_as_error).
#[derive(Clone, Copy, Debug, Default)]
pub struct GrpcUnavailable;

impl<Req, B: Default, E> Reject<Req, Response<B>, E> for GrpcUnavailable {
    type Error = E;
    type Future = Ready<Result<Response<B>, E>>;

    fn reject(&self, rejected: Rejected, _: Req) -> Self::Future {
        ready(Ok(unavailable(rejected)))
    }

    fn inner_error(&self, error: E) -> E {
        error
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Response<B>, E>> {
        Some(Ok(deadline_exceeded(timed_out)))
    }
}

tell_time_out! { GrpcUnavailable => RespondWith, or DeadlineExceeded }

/// How a call that takes too long is answered over gRPC, if rejections are answered by a response of your own or a
/// fallback: `grpc-status: 4` (deadline exceeded), as by [`GrpcUnavailable`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlineExceeded;

#[diagnostic::do_not_recommend]
impl<B: Default> AnswerTimeOut<Response<B>> for DeadlineExceeded {
    fn answer(&self, timed_out: TimedOut) -> Option<Response<B>> {
        Some(deadline_exceeded(timed_out))
    }
}

/// What strangers may know of it: no limit.
pub(super) fn too_long(timed_out: &TimedOut) -> &'static str {
    match timed_out.whose() {
        LimitOf::Probe => "the circuit was half-open, and its probe took too long",
        LimitOf::Call | LimitOf::Caller => "the call took too long",
    }
}

fn deadline_exceeded<B: Default>(timed_out: TimedOut) -> Response<B> {
    let mut response = head("4", too_long(&timed_out));
    response.extensions_mut().insert(timed_out);
    response
}

/// A response of nothing but a head.
fn head<B: Default>(status: &'static str, message: &'static str) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    response
}

fn unavailable<B: Default>(rejected: Rejected) -> Response<B> {
    let mut response = head("14", message(rejected.reason()));
    if let Some(millis) = pushback_millis(&rejected) {
        let headers = response.headers_mut();
        headers.insert("grpc-retry-pushback-ms", HeaderValue::from(millis));
    }
    rejected.mark_response(response)
}

/// Nothing in these needs the escapes that the protocol has for messages.
pub(super) fn message(reason: Reason) -> &'static str {
    match reason {
        Reason::Open => "the circuit is open",
        Reason::HalfOpenFull => "the circuit is half-open and full",
        Reason::ForcedOpen => "the circuit is forced open",
        Reason::Ramping => "the circuit is ramping up",
        Reason::Shedding => "the circuit is shedding",
        Reason::BulkheadFull => "too many calls are under way",
    }
}

/// Milliseconds, rounded up, at least 1, at most a day.
pub(super) fn pushback_millis(rejected: &Rejected) -> Option<u64> {
    const MOST: u64 = DAY.as_secs() * 1_000;
    let millis = rejected.remaining()?.as_nanos().div_ceil(1_000_000);
    Some(u64::try_from(millis).map_or(MOST, |millis| millis.clamp(1, MOST)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::handle::Circuit;

    // H4, C3: the words of the rejection, but for what strangers need not know.
    #[test]
    fn a_message_has_the_words_of_the_rejection() {
        let reasons = [
            Reason::Open,
            Reason::HalfOpenFull,
            Reason::ForcedOpen,
            Reason::Ramping,
            Reason::Shedding,
        ];
        for reason in reasons {
            assert_eq!(message(reason), format!("the circuit is {reason}"));
        }
        let full = message(Reason::BulkheadFull);
        assert_eq!(full, "too many calls are under way");
        let circuit = Circuit::builder("payments").build().expect("valid");
        circuit.force_open();
        let rejected = circuit.try_acquire().expect_err("forced open");
        let without_name = rejected
            .to_string()
            .replace("circuit `payments`", "the circuit");
        assert_eq!(message(rejected.reason()), without_name);
    }
}
