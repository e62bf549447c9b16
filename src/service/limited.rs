//! [`Limited`]: calls that keep the timer of their limit themselves, and that their callers may shorten.

use std::{fmt, sync::Arc, task::Poll};

use super::{
    by_request::ClassifiedBy,
    deadline::{Deadline, NoDeadline},
    layer::CircuitBreakerLayer,
    scope::{CallScope, HeadOnly, ObserveResponse, ObservedCall, sealed},
    shared::{Policies, Shared},
};
use crate::{
    circuit::limit::{CallerLimit, Inline},
    machine::Outcome,
};

impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Keeps the timer of a limited call in the call's future. Such a call then allocates nothing. The future of every
    /// call through this layer is larger by some 250 bytes.
    ///
    /// It sets no limit. The limits are the circuit's [`call_timeout`](crate::CircuitBuilder::call_timeout) and
    /// [`probe_timeout`](crate::CircuitBuilder::probe_timeout), which hold without this, too. Use it if a limit is set
    /// and most calls have to wait.
    ///
    /// Call it after [`observe_bodies`](Self#method.observe_bodies) and [`grpc`](Self#method.grpc). Before them, it
    /// does not compile.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tower_breaker::{Circuit, CircuitBreakerLayer, types::Limited};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("reviews").call_timeout(Duration::from_millis(800)).build()?;
    /// let layer = CircuitBreakerLayer::new(circuit).limit_calls();
    /// # let _: CircuitBreakerLayer<_, _, Limited> = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: two allocations for a call that is limited and has to wait.
    pub fn limit_calls(self) -> CircuitBreakerLayer<C, R, Limited<X>, G> {
        self.shortened_by(NoDeadline)
    }

    /// Lets callers shorten the limit of their calls, by what a [`Deadline`] finds in the request (rule M5): a header,
    /// an extension, `grpc-timeout`. They cannot lengthen it. The timer is kept in the call's future, as with
    /// [`limit_calls`](Self::limit_calls).
    ///
    /// If a call has not brought its head when its caller's time is over, it is dropped. It is answered like a call
    /// that takes longer than [`call_timeout`](crate::CircuitBuilder::call_timeout); [`whose`](crate::TimedOut::whose)
    /// tells them apart.
    ///
    /// To the circuit it was **abandoned, and did not fail**. The caller has given up, which says nothing about the
    /// dependency, unless it was slow by then (rule A4). Otherwise a stranger who sends a deadline of a nanosecond
    /// would open the circuit for all.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use http::HeaderName;
    /// use tower_breaker::{Circuit, CircuitBreakerLayer, deadline};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("reviews")
    ///     .call_timeout(Duration::from_millis(800))
    ///     // A dependency that hangs opens the circuit also where all callers give up sooner.
    ///     .slow_call_duration(Duration::from_millis(200))
    ///     .build()?;
    /// let header = deadline::header(HeaderName::from_static("x-time-left"));
    /// let layer = CircuitBreakerLayer::new(circuit).shortened_by(header);
    /// # let _ = layer.layer(tower::service_fn(async |_: http::Request<String>| {
    /// #     Ok::<_, std::io::Error>(http::Response::new(String::new()))
    /// # }));
    /// # use tower::Layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** a dependency that hangs is never seen to fail if all callers have less time than
    /// [`slow_call_duration`](crate::CircuitBuilder::slow_call_duration), or if that is not set. Set it below what
    /// callers usually have. Or say after which time a call that was given up has failed:
    /// [`AbandonedPolicy::FailureAfter`](crate::AbandonedPolicy::FailureAfter).
    ///
    /// **Watch out:** with [`AbandonedPolicy::Failure`](crate::AbandonedPolicy::Failure) the circuit counts whatever is
    /// given up as a failure. Then a stranger's deadline of a nanosecond is a failure, too.
    ///
    /// **Watch out:** the request goes on to the inner service unchanged, with the deadline that it came with. If the
    /// inner service has less time than that, tell it yourself.
    ///
    /// * The time runs from the call, by tokio's clock, also while the call waits for its client, or for its place in a
    ///   [bulkhead](crate::BulkheadLayer). If it is over before there is a place, the call is rejected: the bulkhead is
    ///   full. It also runs while a `HoldLayer` (feature `degrade`) holds the call. If it is over then, the circuit
    ///   decides.
    /// * If there is [no answer to it](Self::without_time_out_answer), a deadline does nothing.
    /// * If it is called twice, the shorter deadline holds.
    /// * Call it after [`observe_bodies`](Self#method.observe_bodies) and [`grpc`](Self#method.grpc). Before them, it
    ///   does not compile. With [`keyed_by`](Self#method.keyed_by), call it before that.
    ///
    /// # Panics
    ///
    /// A call that has a deadline and has to wait panics when it is polled, if there is no tokio runtime with time
    /// enabled.
    ///
    /// Default: callers have no say.
    pub fn shortened_by<D>(self, deadline: D) -> CircuitBreakerLayer<C, R, Limited<X, D>, G> {
        self.with_policies(|policies| Policies {
            classifier: policies.classifier,
            rejection: policies.rejection,
            scope: Arc::new(Limited {
                scope: policies.scope,
                deadline,
            }),
        })
    }
}

/// Observes a call as far as `X` does, and keeps the timer of its limit in the call itself. A [`Deadline`] `D` may
/// shorten the limit. Made by [`limit_calls`](CircuitBreakerLayer::limit_calls) and
/// [`shortened_by`](CircuitBreakerLayer::shortened_by).
pub struct Limited<X = HeadOnly, D = NoDeadline> {
    pub(crate) scope: Arc<X>,
    deadline: D,
}

/// What is remembered of a request.
#[derive(Debug)]
pub struct LimitedFacts<M> {
    /// For whoever observes the call.
    scope: M,
    caller: Option<CallerLimit>,
}

impl<C, M: ClassifiedBy<C, Res, E>, Res, E> ClassifiedBy<C, Res, E> for LimitedFacts<M> {
    #[inline(always)]
    fn classified_by(&self, classifier: &C, result: Result<&Res, &E>) -> Outcome {
        self.scope.classified_by(classifier, result)
    }
}

impl<X, D> sealed::Sealed for Limited<X, D> {}

impl<X: CallScope, D> CallScope for Limited<X, D> {
    type RequestFacts = LimitedFacts<X::RequestFacts>;
    type Meter = ();
    type Timer = Inline;

    fn caller_limit(facts: &Self::RequestFacts) -> Option<CallerLimit> {
        CallerLimit::earlier(facts.caller, X::caller_limit(&facts.scope))
    }
}

#[diagnostic::do_not_recommend]
impl<Req, Res, C, R, O, X, D> ObserveResponse<Req, Res, C, R, O> for Limited<X, D>
where
    O: CallScope,
    X: ObserveResponse<Req, Res, C, R, O>,
    D: Deadline<Req>,
{
    type Response = X::Response;

    fn request_facts(&self, shared: &Shared<C, R, O>, request: &Req) -> Self::RequestFacts {
        LimitedFacts {
            scope: self.scope.request_facts(shared, request),
            caller: self.deadline.left(request).and_then(CallerLimit::of),
        }
    }

    fn caller_of(&self, request: &Req) -> Option<CallerLimit> {
        let own = self.deadline.left(request).and_then(CallerLimit::of);
        CallerLimit::earlier(own, self.scope.caller_of(request))
    }

    fn finish_response<E>(
        outcome: Outcome,
        facts: &Self::RequestFacts,
        admitted: &mut ObservedCall<C, R, O>,
        result: Poll<Result<Res, E>>,
    ) -> Poll<Result<X::Response, E>> {
        X::finish_response(outcome, &facts.scope, admitted, result)
    }

    fn passthrough<E>(result: Poll<Result<Res, E>>) -> Poll<Result<X::Response, E>> {
        X::passthrough(result)
    }
}

impl<X, D> fmt::Debug for Limited<X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").finish_non_exhaustive()
    }
}
