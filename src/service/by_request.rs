//! A classifier that has seen the request, by a note taken before the call (rule A1).

use std::{fmt, marker::PhantomData, sync::Arc, task::Poll};

use super::{
    classify::Classify,
    layer::CircuitBreakerLayer,
    scope::{CallScope, ObserveResponse, ObservedCall, sealed},
    shared::{Policies, Shared},
};
use crate::{circuit::limit::CallerLimit, machine::Outcome};

impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Says what counts as a failure, for a classification that depends on the request, too: on its method, its path,
    /// or a deadline that came with it. `take` makes a note of the request before the call. `classify` gets that note
    /// beside the result.
    ///
    /// The note lives until the head of the response. So keep it small, and take nothing that has to be allocated. If a
    /// call is rejected, no note is taken. If either closure panics, the call has failed (rule A5).
    ///
    /// ```
    /// use http::{Method, Request, Response};
    /// use tower_breaker::{Circuit, CircuitBreakerLayer, Outcome};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// // A missing page is nobody's fault, but what is written to must be there.
    /// let layer = CircuitBreakerLayer::new(Circuit::builder("store").build()?).classify_with_request(
    ///     |request: &Request<String>| request.method() == Method::GET,
    ///     |reads: &bool, result: Result<&Response<String>, &std::io::Error>| match result {
    ///         Ok(response) if response.status() == 404 && *reads => Outcome::Answered,
    ///         Ok(response) if response.status().is_success() => Outcome::Success,
    ///         _ => Outcome::Failure,
    ///     },
    /// );
    /// # let _: CircuitBreakerLayer<_, _, _> = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** the order of a layer's methods matters here. In another order, it does not compile:
    ///
    /// ```text
    /// layer.classify_with_request(take, classify).observe_bodies()                                  // wrong
    /// layer.observe_bodies().classify_with_request(take, classify).observe_request_bodies(to_body)  // right
    /// ```
    ///
    /// It replaces a classifier that was set before it. Set none after it.
    ///
    /// Default: the [classifier](Self::classifier) sees the result only.
    pub fn classify_with_request<T, J, Req, N, Res, E>(
        self,
        take: T,
        classify: J,
    ) -> CircuitBreakerLayer<ByRequest<T, J>, R, WithRequestFacts<X, N>, G>
    where
        T: Fn(&Req) -> N,
        J: Fn(&N, Result<&Res, &E>) -> Outcome,
    {
        self.with_policies(|policies| Policies {
            classifier: Arc::new(ByRequest { take, classify }),
            rejection: policies.rejection,
            scope: Arc::new(WithRequestFacts {
                scope: policies.scope,
                facts: PhantomData,
            }),
        })
    }
}

/// What is remembered of a request, and how the classifier `C` judges the call with it. Usually `C` sees the result
/// only.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "`{C}` cannot classify `Result<&{Res}, &{E}>` together with a note of the request",
    label = "another classifier was set after `classify_with_request`",
    note = "say `.classify_with_request(..)` after `.observe_bodies()`, and no `.classifier(..)` after it"
)]
pub trait ClassifiedBy<C, Res, E> {
    #[doc(hidden)]
    fn classified_by(&self, classifier: &C, result: Result<&Res, &E>) -> Outcome;
}

impl<C: Classify<Res, E>, Res, E> ClassifiedBy<C, Res, E> for () {
    #[inline(always)]
    fn classified_by(&self, classifier: &C, result: Result<&Res, &E>) -> Outcome {
        classifier.classify(result)
    }
}

/// A classifier by two closures. Made by
/// [`classify_with_request`](CircuitBreakerLayer::classify_with_request).
pub struct ByRequest<T, J> {
    take: T,
    classify: J,
}

impl<T, J, M, N, Res, E> ClassifiedBy<ByRequest<T, J>, Res, E> for RequestFacts<M, N>
where
    J: Fn(&N, Result<&Res, &E>) -> Outcome,
{
    fn classified_by(&self, by: &ByRequest<T, J>, result: Result<&Res, &E>) -> Outcome {
        (by.classify)(&self.own, result)
    }
}

impl<T, J> fmt::Debug for ByRequest<T, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByRequest").finish_non_exhaustive()
    }
}

/// Observes a call as far as `X` does, and takes a note `N` of its request for the classifier.
pub struct WithRequestFacts<X, N> {
    pub(crate) scope: Arc<X>,
    facts: PhantomData<fn() -> (X, N)>,
}

/// What is remembered of a request.
#[derive(Debug)]
pub struct RequestFacts<M, N> {
    /// For whoever observes the call.
    scope: M,
    /// For the classifier.
    own: N,
}

impl<X, N> sealed::Sealed for WithRequestFacts<X, N> {}

impl<X: CallScope, N> CallScope for WithRequestFacts<X, N> {
    type RequestFacts = RequestFacts<X::RequestFacts, N>;
    type Meter = ();
    type Timer = X::Timer;

    #[inline(always)]
    fn caller_limit(facts: &Self::RequestFacts) -> Option<CallerLimit> {
        X::caller_limit(&facts.scope)
    }
}

#[diagnostic::do_not_recommend]
impl<Req, Res, R, O, X, T, J, N> ObserveResponse<Req, Res, ByRequest<T, J>, R, O>
    for WithRequestFacts<X, N>
where
    O: CallScope,
    X: ObserveResponse<Req, Res, ByRequest<T, J>, R, O>,
    T: Fn(&Req) -> N,
{
    type Response = X::Response;

    fn request_facts(
        &self,
        shared: &Shared<ByRequest<T, J>, R, O>,
        request: &Req,
    ) -> Self::RequestFacts {
        RequestFacts {
            scope: self.scope.request_facts(shared, request),
            own: (shared.classifier().take)(request),
        }
    }

    fn caller_of(&self, request: &Req) -> Option<CallerLimit> {
        self.scope.caller_of(request)
    }

    fn finish_response<E>(
        outcome: Outcome,
        facts: &Self::RequestFacts,
        admitted: &mut ObservedCall<ByRequest<T, J>, R, O>,
        result: Poll<Result<Res, E>>,
    ) -> Poll<Result<X::Response, E>> {
        X::finish_response(outcome, &facts.scope, admitted, result)
    }

    fn passthrough<E>(result: Poll<Result<Res, E>>) -> Poll<Result<X::Response, E>> {
        X::passthrough(result)
    }
}

impl<X, N> fmt::Debug for WithRequestFacts<X, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithRequestFacts").finish_non_exhaustive()
    }
}
