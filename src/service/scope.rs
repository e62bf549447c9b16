//! How far a call is observed: to the head of its response, or to the end of its body.

use std::task::Poll;

use super::shared::Shared;
use crate::{
    circuit::{
        guard::{Admitted, Meter},
        limit::{Boxed, CallerLimit, Timer},
    },
    machine::{Answer, Outcome},
};

/// How far a call is observed. Usually [`HeadOnly`]; with the feature `body`, it may be to the end of its body.
///
/// It is implemented by this crate only.
pub trait CallScope: sealed::Sealed {
    /// What has to be remembered of a request.
    #[doc(hidden)]
    type RequestFacts;

    /// What measures how long a call waits for its client.
    #[doc(hidden)]
    type Meter: Meter;

    /// Where the timer is of a call that is limited.
    #[doc(hidden)]
    type Timer: Timer;

    /// Until when the caller waits, as far as that is known.
    #[doc(hidden)]
    #[inline(always)]
    fn caller_limit(_: &Self::RequestFacts) -> Option<CallerLimit> {
        None
    }
}

/// A call that is observed so far.
pub(crate) type ObservedCall<C, R, X> = Admitted<Shared<C, R, X>, false, <X as CallScope>::Meter>;

/// A [`CallScope`] for these requests and responses, of a service that classifies by `C` and rejects by `R`. `X` is the
/// whole scope, of which this may be a part.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "calls with request `{Req}` and response `{Res}` cannot be observed like this",
    label = "bodies of such responses cannot be observed",
    note = "bodies can be observed of an `http::Response` of http 1, and with the feature `reqwest` of a response of \
            reqwest 0.13; around anything else, leave out `.observe_bodies()`"
)]
pub trait ObserveResponse<Req, Res, C, R, X: CallScope>: CallScope {
    /// The response of the protected service.
    type Response;

    #[doc(hidden)]
    fn request_facts(&self, shared: &Shared<C, R, X>, request: &Req) -> Self::RequestFacts;

    /// Until when the caller waits, for a call that has to wait before it is admitted.
    #[doc(hidden)]
    fn caller_of(&self, _: &Req) -> Option<CallerLimit> {
        None
    }

    /// Begins to measure how long the call waits for its client, usually not at all. Only the whole scope is asked:
    /// what measures goes around all others.
    #[doc(hidden)]
    #[inline(always)]
    fn meter(_: &Shared<C, R, X>, _: &mut Req) -> X::Meter {
        X::Meter::default()
    }

    /// The head has come, or an error: records its `outcome`, unless that is not known yet.
    #[doc(hidden)]
    fn finish_response<E>(
        outcome: Outcome,
        facts: &Self::RequestFacts,
        admitted: &mut ObservedCall<C, R, X>,
        result: Poll<Result<Res, E>>,
    ) -> Poll<Result<Self::Response, E>>;

    /// The answer to a rejection, which nobody observes.
    #[doc(hidden)]
    fn passthrough<E>(result: Poll<Result<Res, E>>) -> Poll<Result<Self::Response, E>>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A call ends with the head of its response. Its body passes unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadOnly;

impl sealed::Sealed for HeadOnly {}

impl CallScope for HeadOnly {
    type RequestFacts = ();
    type Meter = ();
    type Timer = Boxed;
}

#[diagnostic::do_not_recommend]
impl<Req, Res, C, R, X: CallScope> ObserveResponse<Req, Res, C, R, X> for HeadOnly {
    type Response = Res;

    #[inline(always)]
    fn request_facts(&self, _: &Shared<C, R, X>, _: &Req) {}

    #[inline(always)]
    fn finish_response<E>(
        outcome: Outcome,
        (): &(),
        admitted: &mut ObservedCall<C, R, X>,
        result: Poll<Result<Res, E>>,
    ) -> Poll<Result<Res, E>> {
        if let Poll::Ready(result) = &result {
            admitted.finish(outcome, Answer::of(result));
        }
        result
    }

    #[inline(always)]
    fn passthrough<E>(result: Poll<Result<Res, E>>) -> Poll<Result<Res, E>> {
        result
    }
}
