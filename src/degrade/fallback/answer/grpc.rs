//! A status of gRPC as an answer.

use std::{
    convert::Infallible,
    fmt::Write,
    future::{Ready, ready},
};

use http::{HeaderValue, Response, header::CONTENT_TYPE};

use super::{Answer, Because, FallbackKind};
use crate::grpc::Code;

/// Says no over gRPC in your own words: a response of nothing but a head, with this code and this message. Like
/// [`fail_with`](super::fail_with), it is counted as [`FallbackKind::Fail`]. If the call was rejected, it is marked as
/// a rejection.
///
/// An answer that is no failure needs a body with messages and trailers. Make it with [`response`](super::response).
///
/// ```
/// use tower_breaker::{Circuit, degrade::fallback::{self, FallbackLayer}, grpc::Code};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("prices").build()?;
/// let sorry = fallback::grpc_status(Code::Unavailable, "price on request");
/// let layer = FallbackLayer::on_rejection(&circuit, sorry);
/// # let _: FallbackLayer<_> = layer;
/// # Ok(())
/// # }
/// ```
pub fn grpc_status(code: Code, message: &str) -> GrpcStatus {
    GrpcStatus {
        code: HeaderValue::from(u16::from(code as u8)),
        message: escaped(message),
    }
}

/// A status of gRPC. Made by [`grpc_status`].
#[derive(Clone, Debug)]
pub struct GrpcStatus {
    code: HeaderValue,
    message: HeaderValue,
}

/// As the protocol has messages: what is not printable ASCII, and the percent sign, in percent and hexadecimal digits.
fn escaped(message: &str) -> HeaderValue {
    let mut written = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' => written.push_str("%25"),
            b' '..=b'~' => written.push(char::from(byte)),
            other => write!(written, "%{other:02X}").expect("a string takes all"),
        }
    }
    HeaderValue::try_from(written).expect("printable ASCII")
}

impl<K, B: Default, E> Answer<K, Response<B>, E> for GrpcStatus {
    type Failure = Infallible;
    type Error = E;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn kind(&self) -> FallbackKind {
        FallbackKind::Fail
    }

    fn answer(&self, _: K, _: &Because<E>) -> Option<Self::Future> {
        let mut response = Response::new(B::default());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", self.code.clone());
        headers.insert("grpc-message", self.message.clone());
        Some(ready(Ok(response)))
    }

    cannot_fail!();
}
