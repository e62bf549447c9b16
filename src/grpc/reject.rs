//! A rejection over gRPC.

use std::future::{Ready, ready};

use http::{HeaderValue, Response, header::CONTENT_TYPE};

use crate::{
    circuit::error::{Reason, Rejected},
    service::reject::Reject,
};

/// A rejection as gRPC has it (rule H4): a response of nothing but a head, with `grpc-status: 14`
/// (unavailable), and with `grpc-retry-pushback-ms` in place of `Retry-After`: milliseconds, rounded up,
/// at least 1, at most a day; without it when a person has to release the circuit.
///
/// The message says why, and does not name the circuit: callers are no operators.
///
/// Its body is the default one. Where there is none, as for hyper's `Incoming`, let the layer
/// [reject as an error](crate::CircuitBreakerLayer::reject_as_error).
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
}

fn unavailable<B: Default>(rejected: Rejected) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("14"));
    let message = HeaderValue::from_static(message(rejected.reason()));
    headers.insert("grpc-message", message);
    if let Some(millis) = pushback_millis(&rejected) {
        headers.insert("grpc-retry-pushback-ms", HeaderValue::from(millis));
    }
    rejected.mark(response)
}

/// Nothing in these needs the escapes that the protocol has for messages.
pub(super) fn message(reason: Reason) -> &'static str {
    match reason {
        Reason::Open => "the circuit breaker is open",
        Reason::HalfOpenFull => "the circuit breaker is half-open and full",
        Reason::ForcedOpen => "the circuit breaker is forced open",
        Reason::Ramping => "the circuit breaker is ramping up",
    }
}

/// Milliseconds, rounded up, at least 1, at most a day.
pub(super) fn pushback_millis(rejected: &Rejected) -> Option<u64> {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let millis = rejected.remaining()?.as_nanos().div_ceil(1_000_000);
    Some(u64::try_from(millis).map_or(DAY, |millis| millis.clamp(1, DAY)))
}
