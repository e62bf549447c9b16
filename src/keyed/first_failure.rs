//! A key earns its circuit: it is made when a call fails that has none.

use std::{fmt, sync::Arc, task::Poll};

use super::{
    key::{Key, Scratch, bounded},
    layer::KeyedLayer,
    service::Parts,
};
use crate::{
    circuit::{handle::Circuit, limit::CallerLimit, nesting},
    machine::{Answer, Outcome},
    registry::Registry,
    service::{
        by_request::ClassifiedBy,
        scope::{CallScope, ObserveResponse, ObservedCall, sealed},
        shared::Shared,
    },
};

impl<K, C, R, X, G> KeyedLayer<K, C, R, X, G>
where
    C: Send + Sync + 'static,
    R: Send + Sync + 'static,
    X: Send + Sync + 'static,
    K: Send + Sync + 'static,
{
    /// Makes the circuit of a key when a call fails, and not when the key is first met. Until then its calls go through
    /// the layer's own circuit. So keys that only ever succeed cost no circuit, however many there are.
    ///
    /// It is for thousands of keys of which few ever fail, such as the hosts of a crawler, and for keys that strangers
    /// choose. The price: the calls before that failure are not in the window. So the first failure is one of one, and
    /// a rate needs a [minimum of calls](crate::CircuitBuilder::minimum_calls). A call whose key has no circuit
    /// allocates a note of its name.
    ///
    /// With this, [`overflow_to`](Self::overflow_to) has no effect.
    ///
    /// A failure here is what the classifier says of the head of a response, or of an error. One that trips at once
    /// ([`Outcome::TripNow`](crate::Outcome::TripNow)) opens both circuits. A failure at the end of a body, a panic, or
    /// a slow call makes no circuit.
    ///
    /// Take a short time window, and do not count failures in a row. Then a circuit makes room for others when the
    /// window is over. With failures in a row, a circuit whose last call failed keeps that failure, and makes no room
    /// ([how many there may be](crate::registry#how-many-there-may-be)).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tower_breaker::{keyed::by, registry::Registry};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let registry = Registry::builder()
    ///     .defaults(|host| host.failure_rate(0.5).minimum_calls(10).time_window(Duration::from_secs(30)))
    ///     .build()?;
    /// let layer = registry.layer_by(by::authority()).create_on_first_failure();
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With [`known_keys_only`](Self::known_keys_only), called before or after, a failure makes no circuit either.
    ///
    /// Default: a circuit is made when its key is first met.
    pub fn create_on_first_failure(self) -> KeyedLayer<K, C, R, OnFirstFailure<X, K>, G> {
        let parts = self.parts();
        let scope = OnFirstFailure {
            scope: parts.own.policies().scope.clone(),
            key: parts.key.clone(),
            registry: parts.registry.clone(),
            own: parts.own.circuit().clone(),
            // Who knows all good keys has said so before.
            makes_circuits: !parts.known_keys_only,
        };
        KeyedLayer::new(Parts {
            known_keys_only: true,
            making_none: Some(OnFirstFailure::making_none),
            ..parts.in_scope(scope)
        })
    }
}

/// How far a call is observed, `X`, if a failure makes the circuit of its key. Made by
/// [`KeyedLayer::create_on_first_failure`].
pub struct OnFirstFailure<X, K> {
    pub(super) scope: Arc<X>,
    key: Arc<K>,
    registry: Registry,
    own: Circuit,
    makes_circuits: bool,
}

impl<X, K> OnFirstFailure<X, K> {
    fn making_none(&self) -> Self {
        Self {
            scope: self.scope.clone(),
            key: self.key.clone(),
            registry: self.registry.clone(),
            own: self.own.clone(),
            makes_circuits: false,
        }
    }

    /// A note of a request whose call goes through the layer's own circuit.
    fn note<Req>(&self, circuit: &Circuit, request: &Req) -> Option<Unknown>
    where
        K: Key<Req>,
    {
        if !self.makes_circuits || circuit.identity() != self.own.identity() {
            return None;
        }
        let mut scratch = Scratch::new();
        let name = bounded(self.key.of(request, &mut scratch)?)?;
        Some(Unknown {
            registry: self.registry.clone(),
            name: name.into(),
        })
    }
}

/// What is remembered of a request.
#[derive(Debug)]
pub struct Facts<M> {
    /// For whoever observes the call.
    scope: M,
    unknown: Option<Unknown>,
}

/// A key that had no circuit.
#[derive(Debug)]
struct Unknown {
    registry: Registry,
    name: Box<str>,
}

impl Unknown {
    #[cold]
    fn fail(&self, failure: Outcome) {
        // Without room there is none, as for any key; the registry counts that.
        let Ok(circuit) = self.registry.get_or_create(&self.name) else {
            return;
        };
        // The layer's own may be of this name.
        if !nesting::is_called(circuit.identity()) {
            circuit.count(failure);
        }
    }
}

impl<C, M: ClassifiedBy<C, Res, E>, Res, E> ClassifiedBy<C, Res, E> for Facts<M> {
    fn classified_by(&self, classifier: &C, result: Result<&Res, &E>) -> Outcome {
        let outcome = self.scope.classified_by(classifier, result);
        let settled = Answer::of(&result).settle(outcome);
        if settled.is_failure() {
            (self.unknown.as_ref()).inspect(|unknown| unknown.fail(settled));
        }
        outcome
    }
}

impl<X, K> sealed::Sealed for OnFirstFailure<X, K> {}

impl<X: CallScope, K> CallScope for OnFirstFailure<X, K> {
    type RequestFacts = Facts<X::RequestFacts>;
    type Meter = ();
    type Timer = X::Timer;

    fn caller_limit(facts: &Self::RequestFacts) -> Option<CallerLimit> {
        X::caller_limit(&facts.scope)
    }
}

#[diagnostic::do_not_recommend]
impl<Req, Res, C, R, X, K> ObserveResponse<Req, Res, C, R, Self> for OnFirstFailure<X, K>
where
    X: ObserveResponse<Req, Res, C, R, Self>,
    K: Key<Req>,
{
    type Response = X::Response;

    fn request_facts(&self, shared: &Shared<C, R, Self>, request: &Req) -> Self::RequestFacts {
        Facts {
            scope: self.scope.request_facts(shared, request),
            unknown: self.note(shared, request),
        }
    }

    fn caller_of(&self, request: &Req) -> Option<CallerLimit> {
        self.scope.caller_of(request)
    }

    fn finish_response<E>(
        outcome: Outcome,
        facts: &Self::RequestFacts,
        admitted: &mut ObservedCall<C, R, Self>,
        result: Poll<Result<Res, E>>,
    ) -> Poll<Result<X::Response, E>> {
        X::finish_response(outcome, &facts.scope, admitted, result)
    }

    fn passthrough<E>(result: Poll<Result<Res, E>>) -> Poll<Result<X::Response, E>> {
        X::passthrough(result)
    }
}

impl<X, K> fmt::Debug for OnFirstFailure<X, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnFirstFailure").finish_non_exhaustive()
    }
}
