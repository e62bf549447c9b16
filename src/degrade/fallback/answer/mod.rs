//! [`Answer`]: what answers in place of a dependency.

use std::future::Future;

use super::error::FallbackError;
use crate::degrade::{Because, FallbackKind};

/// Answers in place of a dependency that has no answer (rule M1).
///
/// `K` is what is left of the request, `Res` the response of the service, and `E` its error. There are answers for
/// most: [`value`](super::value), [`response`](super::response), [`fail_with`](super::fail_with),
/// [`fail`](super::fail), [`from_fn`](super::from_fn), [`try_from_fn`](super::try_from_fn) and
/// [`service`](super::service). One of your own:
///
/// ```
/// use std::{convert::Infallible, future::{Ready, ready}};
/// use http::Response;
/// use tower_breaker::{
///     Circuit,
///     degrade::{Because, FallbackKind, fallback::{Answer, FallbackLayer}},
/// };
///
/// struct Prices { yesterday: Option<String> }
///
/// impl<K, E> Answer<K, Response<String>, E> for Prices {
///     // It cannot fail, so the service's error stays what it is.
///     type Failure = Infallible;
///     type Error = E;
///     type Future = Ready<Result<Response<String>, Infallible>>;
///
///     fn kind(&self) -> FallbackKind { FallbackKind::Own }
///
///     fn answer(&self, _: K, _: &Because<E>) -> Option<Self::Future> {
///         // Where it has none, the caller gets what the call came to.
///         let price = self.yesterday.clone()?;
///         Some(ready(Ok(Response::new(price))))
///     }
///
///     fn failed(&self, _: Because<E>, failure: Infallible) -> E { match failure {} }
///     fn inner_error(&self, error: E) -> E { error }
/// }
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("prices").build()?;
/// let layer = FallbackLayer::on_failure(&circuit, Prices { yesterday: Some("9.99".into()) });
/// # let _: FallbackLayer<_, _> = layer;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer for a service with response `{Res}` and error `{E}`, of a request of which \
               `{K}` is kept",
    label = "no answer for this service",
    note = "nothing of a request is kept, `()`, unless the layer says `keeping_head()`, `keeping_request()` or \
            `keeping(..)`; a response has the type of the service's own"
)]
pub trait Answer<K, Res, E> {
    /// What it may fail with: [`Infallible`](std::convert::Infallible) if it cannot.
    type Failure;
    /// The error of the service that has this fallback.
    type Error;
    /// The answer, now or later.
    type Future: Future<Output = Result<Res, Self::Failure>>;

    /// What kind of answer it is, for those who count it.
    fn kind(&self) -> FallbackKind;

    /// Answers. The dependency's response, if there is one, is dropped before the future is polled.
    ///
    /// `None`: there is no answer this time, and the caller gets what the call came to, untouched.
    fn answer(&self, kept: K, because: &Because<E>) -> Option<Self::Future>;

    /// Makes the service's error when the answer has failed as well. It has both causes.
    fn failed(&self, because: Because<E>, failure: Self::Failure) -> Self::Error;

    /// Turns an error that needs no other answer, or has none, into an error of the service.
    fn inner_error(&self, error: E) -> Self::Error;
}

/// The two methods of an answer that cannot fail.
macro_rules! cannot_fail {
    () => {
        fn failed(&self, _: Because<E>, failure: Infallible) -> E {
            match failure {}
        }

        fn inner_error(&self, error: E) -> E {
            error
        }
    };
}

/// The two methods of an answer that can.
macro_rules! can_fail {
    () => {
        fn failed(&self, because: Because<E>, fallback: Self::Failure) -> Self::Error {
            FallbackError::Both { because, fallback }
        }

        fn inner_error(&self, error: E) -> Self::Error {
            FallbackError::Inner(error)
        }
    };
}

mod closure;
mod fixed;
#[cfg(feature = "grpc")]
mod grpc;
mod service;

#[cfg(feature = "grpc")]
pub use self::grpc::{GrpcStatus, grpc_status};
pub use self::{
    closure::{FromFn, FromFnFuture, TryFromFn, from_fn, try_from_fn},
    fixed::{Fail, FailWith, Respond, Value, fail, fail_with, response, value},
    service::{ServiceAnswer, ServiceAnswerFuture, StandIn, service},
};
