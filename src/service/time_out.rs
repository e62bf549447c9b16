//! How a call is answered that takes too long (rules D9, M5).

use std::{fmt, sync::Arc};

use http::Response;

use super::{
    answer::{HttpResponse, IntoAnswer, RejectWith, too_late},
    reject::{
        Fallback, Reject, RejectAsBoxError, RejectAsError, ServiceUnavailable, gateway_timeout,
    },
};
use crate::circuit::error::{Rejected, TimedOut};

/// Answers a call that takes too long, if rejections are answered by a response of your own or a fallback.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no answer `{Res}` to a call that takes too long",
    label = "here is no answer to a time-out",
    note = "an `http::Response` whose body is `Default` is answered with 504; for another say \
            `.time_out_with(|timed_out| …)` after `reject_with` or `fallback`, or \
            `.without_time_out_answer()`, and such a call goes on"
)]
pub trait AnswerTimeOut<Res> {
    /// The answer. With `None`, the caller goes on waiting for the inner service.
    fn answer(&self, timed_out: TimedOut) -> Option<Res>;
}

/// The default: 504 with an empty body.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatewayTimeout;

#[diagnostic::do_not_recommend]
impl<B: Default> AnswerTimeOut<Response<B>> for GatewayTimeout {
    fn answer(&self, timed_out: TimedOut) -> Option<Response<B>> {
        Some(gateway_timeout(timed_out))
    }
}

/// No answer: the call goes on. Made by
/// [`without_time_out_answer`](crate::CircuitBreakerLayer::without_time_out_answer).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTimeOutAnswer;

impl<Res> AnswerTimeOut<Res> for NoTimeOutAnswer {
    fn answer(&self, _: TimedOut) -> Option<Res> {
        None
    }
}

/// The result of a closure: anything that can be [made a response](IntoAnswer).
pub struct RespondWith<F>(Arc<F>);

impl<F> RespondWith<F> {
    pub(crate) fn new(respond: F) -> Self {
        Self(Arc::new(respond))
    }
}

/// By hand: a closure that is not `Clone` is shared, not cloned.
impl<F> Clone for RespondWith<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F, A, Res> AnswerTimeOut<Res> for RespondWith<F>
where
    F: Fn(&TimedOut) -> A,
    A: IntoAnswer<Res>,
    Res: HttpResponse,
{
    fn answer(&self, timed_out: TimedOut) -> Option<Res> {
        let answer = (self.0)(&timed_out);
        Some(Res::from_http(too_late::<Res, _>(timed_out, answer)))
    }
}

/// The result of a closure, of any type.
pub struct Returns<F>(Arc<F>);

impl<F> Returns<F> {
    pub(crate) fn new(respond: F) -> Self {
        Self(Arc::new(respond))
    }
}

/// By hand: a closure that is not `Clone` is shared, not cloned.
impl<F> Clone for Returns<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F, Res> AnswerTimeOut<Res> for Returns<F>
where
    F: Fn(&TimedOut) -> Res,
{
    fn answer(&self, timed_out: TimedOut) -> Option<Res> {
        Some((self.0)(&timed_out))
    }
}

/// A rejection, and another answer for a call that takes too long. Made by
/// [`time_out_with`](crate::CircuitBreakerLayer::time_out_with).
pub struct TimeOutWith<R, T> {
    rejection: Arc<R>,
    time_out: T,
}

impl<R, T> TimeOutWith<R, T> {
    pub(crate) fn new(rejection: Arc<R>, time_out: T) -> Self {
        Self {
            rejection,
            time_out,
        }
    }
}

impl<R, T, Req, Res, E> Reject<Req, Res, E> for TimeOutWith<R, T>
where
    R: Reject<Req, Res, E>,
    T: AnswerTimeOut<Res>,
{
    type Error = R::Error;
    type Future = R::Future;

    fn reject(&self, rejected: Rejected, request: Req) -> R::Future {
        self.rejection.reject(rejected, request)
    }

    fn inner_error(&self, error: E) -> R::Error {
        self.rejection.inner_error(error)
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Res, R::Error>> {
        self.time_out.answer(timed_out).map(Ok)
    }
}

/// A rejection that can be told what to answer to a call that takes too long.
#[diagnostic::on_unimplemented(
    message = "`{Self}` says itself what to answer to a call that takes too long",
    note = "a `Reject` of your own does so in `Reject::timed_out`; one that wraps another can implement \
            `reject::TellTimeOut`"
)]
pub trait TellTimeOut<F>: Sized {
    /// The rejection that answers by `F`.
    type With;

    /// The rejection without an answer: the call goes on.
    type Without;

    /// Answers by `respond`.
    fn with(rejection: Arc<Self>, respond: F) -> Self::With;

    /// Does not answer.
    fn without(rejection: Arc<Self>) -> Self::Without;
}

/// A rejection whose answer to a call that takes too long holds on, if
/// [`reject_with`](crate::CircuitBreakerLayer::reject_with) or [`fallback`](crate::CircuitBreakerLayer::fallback) is
/// said after it. So a layer for gRPC goes on to answer such a call as gRPC does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no answer to a time-out that `reject_with` or `fallback` could keep",
    note = "these take the place of a `Reject` of your own: leave out the `.rejection(..)` before them, or implement \
            `reject::KeepTimeOut` for it"
)]
pub trait KeepTimeOut {
    /// The answer.
    type TimeOut;

    /// What is kept.
    fn kept_time_out(&self) -> Self::TimeOut;
}

/// A rejection that has an answer of its own. It is not asked for if another is told, and `$usual` stands for it if
/// only rejections get another.
macro_rules! tell_time_out {
    ($($rejection:ty => $answer:ident, or $usual:ident);*) => {$(
        impl $crate::service::time_out::KeepTimeOut for $rejection {
            type TimeOut = $usual;

            fn kept_time_out(&self) -> $usual {
                $usual
            }
        }

        impl<F> $crate::service::time_out::TellTimeOut<F> for $rejection {
            type With = TimeOutWith<Self, $answer<F>>;
            type Without = TimeOutWith<Self, NoTimeOutAnswer>;

            fn with(rejection: Arc<Self>, respond: F) -> Self::With {
                TimeOutWith::new(rejection, $answer::new(respond))
            }

            fn without(rejection: Arc<Self>) -> Self::Without {
                TimeOutWith::new(rejection, NoTimeOutAnswer)
            }
        }
    )*};
}

#[cfg(feature = "grpc")]
pub(crate) use tell_time_out;

tell_time_out! {
    ServiceUnavailable => RespondWith, or GatewayTimeout;
    RejectAsError => Returns, or GatewayTimeout;
    RejectAsBoxError => Returns, or GatewayTimeout
}

impl<R, T: Clone> KeepTimeOut for TimeOutWith<R, T> {
    type TimeOut = T;

    fn kept_time_out(&self) -> T {
        self.time_out.clone()
    }
}

impl<G, T: Clone> KeepTimeOut for RejectWith<G, T> {
    type TimeOut = T;

    fn kept_time_out(&self) -> T {
        self.time_out.clone()
    }
}

impl<G, T: Clone> KeepTimeOut for Fallback<G, T> {
    type TimeOut = T;

    fn kept_time_out(&self) -> T {
        self.time_out.clone()
    }
}

impl<R: TellTimeOut<F>, T, F> TellTimeOut<F> for TimeOutWith<R, T> {
    type With = R::With;
    type Without = R::Without;

    fn with(rejection: Arc<Self>, respond: F) -> R::With {
        R::with(rejection.rejection.clone(), respond)
    }

    fn without(rejection: Arc<Self>) -> R::Without {
        R::without(rejection.rejection.clone())
    }
}

impl<G, T, F> TellTimeOut<F> for RejectWith<G, T> {
    type With = RejectWith<G, RespondWith<F>>;
    type Without = RejectWith<G, NoTimeOutAnswer>;

    fn with(rejection: Arc<Self>, respond: F) -> Self::With {
        rejection.with_time_out(RespondWith::new(respond))
    }

    fn without(rejection: Arc<Self>) -> Self::Without {
        rejection.with_time_out(NoTimeOutAnswer)
    }
}

impl<G, T, F> TellTimeOut<F> for Fallback<G, T> {
    type With = Fallback<G, Returns<F>>;
    type Without = Fallback<G, NoTimeOutAnswer>;

    fn with(rejection: Arc<Self>, respond: F) -> Self::With {
        rejection.with_time_out(Returns::new(respond))
    }

    fn without(rejection: Arc<Self>) -> Self::Without {
        rejection.with_time_out(NoTimeOutAnswer)
    }
}

impl<R: fmt::Debug, T> fmt::Debug for TimeOutWith<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeOutWith")
            .field("rejection", &self.rejection)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for RespondWith<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RespondWith(_)")
    }
}

impl<F> fmt::Debug for Returns<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Returns(_)")
    }
}
