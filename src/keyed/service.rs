//! [`Keyed`]: a service with one circuit for each key around it.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower_service::Service;

use super::{
    kept::Kept,
    key::{Key, Scratch, bounded},
    without_key::WithoutKey,
};
use crate::{
    circuit::{
        error::Rejected,
        guard::{Admitted, PanicGuard},
        handle::Circuit,
        limit::CallerLimit,
        nesting,
    },
    registry::Registry,
    service::{
        breaker::NOT_READY,
        bulkhead::{Guarded, sealed},
        by_request::ClassifiedBy,
        check::ready_and_oneshot,
        classify::HttpClassifier,
        future::ResponseFuture,
        reject::{Reject, ServiceUnavailable},
        scope::{CallScope, HeadOnly, ObserveResponse},
        shared::{Family, Policies, Shared},
        striped::{self, Share},
    },
};

/// How often a circuit is looked for that does not leave as soon as it is found. A listener may remove each that is
/// added, and then the call goes through one that has left.
const TRIES: usize = 8;

/// What the services of a layer have in common.
pub(super) struct Parts<K, C, R, X> {
    pub(super) registry: Registry,
    pub(super) key: Arc<K>,
    pub(super) kept: Arc<Kept<C, R, X>>,
    /// For requests without a circuit.
    pub(super) own: Family<C, R, X>,
    /// For keys without room; none where that is the same.
    pub(super) overflow: Option<Family<C, R, X>>,
    pub(super) known_keys_only: bool,
    /// Makes of what observes its calls what makes no circuit, where it makes some.
    pub(super) making_none: Option<fn(&X) -> X>,
    pub(super) without_key: Arc<WithoutKey>,
}

impl<K, C, R, X> Clone for Parts<K, C, R, X> {
    fn clone(&self) -> Self {
        Self {
            registry: self.registry.clone(),
            key: self.key.clone(),
            kept: self.kept.clone(),
            own: self.own.clone(),
            overflow: self.overflow.clone(),
            known_keys_only: self.known_keys_only,
            making_none: self.making_none,
            without_key: self.without_key.clone(),
        }
    }
}

impl<K, C, R, X> Parts<K, C, R, X> {
    /// The same with another scope. What threads hold is of a scope, and made anew.
    pub(super) fn in_scope<X2>(&self, scope: X2) -> Parts<K, C, R, X2>
    where
        C: Send + Sync + 'static,
        R: Send + Sync + 'static,
        X2: Send + Sync + 'static,
    {
        let policies = self.own.policies();
        let policies = Policies {
            classifier: policies.classifier.clone(),
            rejection: policies.rejection.clone(),
            scope: Arc::new(scope),
        };
        let overflow = self.overflow.as_ref();
        Parts {
            registry: self.registry.clone(),
            key: self.key.clone(),
            kept: Kept::of(&self.registry, &policies),
            own: Family::new(self.own.circuit(), &policies),
            overflow: overflow.map(|family| Family::new(family.circuit(), &policies)),
            known_keys_only: self.known_keys_only,
            making_none: None,
            without_key: self.without_key.clone(),
        }
    }

    /// The circuit of a request.
    #[inline]
    fn share_for<Req>(&self, request: &Req) -> Shared<C, R, X>
    where
        K: Key<Req>,
    {
        let mut scratch = Scratch::new();
        match self.key.of(request, &mut scratch).and_then(bounded) {
            Some(name) => (self.kept.get(name)).unwrap_or_else(|| self.share_anew(name)),
            None => {
                self.without_key.count::<K>();
                self.registry.note_without_key();
                self.own.share()
            }
        }
    }

    /// That of a key that this thread has not met before.
    #[cold]
    fn share_anew(&self, name: &str) -> Shared<C, R, X> {
        self.without_key.note_key();
        let mut left = None;
        for _ in 0..TRIES {
            let circuit = if self.known_keys_only {
                match self.registry.get(name) {
                    Some(circuit) => circuit,
                    None => return self.own.share(),
                }
            } else {
                match self.registry.get_or_create(name) {
                    Ok(circuit) => circuit,
                    Err(_) => return self.overflow.as_ref().unwrap_or(&self.own).share(),
                }
            };
            match self.kept.make(&self.registry, &circuit) {
                Ok(share) => return share,
                Err(share) => left = Some(share),
            }
        }
        left.unwrap_or_else(|| self.own.share())
    }
}

/// A service with one circuit for each key around it. Made by a [`KeyedLayer`](super::KeyedLayer).
///
/// Its readiness is that of the inner service, since no request is there yet that would have a key. A call that is
/// then rejected gives back what the inner service has reserved (rule G3).
#[must_use = "services do nothing unless called"]
pub struct Keyed<S, K, C = HttpClassifier, R = ServiceUnavailable, X = HeadOnly> {
    inner: S,
    parts: Share<Parts<K, C, R, X>>,
    /// So that clones find a share of their thread's own.
    _family: Option<striped::Family<Parts<K, C, R, X>>>,
    /// Whether the inner service is, for the next call.
    is_ready: bool,
    give_back: fn(&mut S),
}

ready_and_oneshot!(Keyed<S, K, C, R, X>);

impl<S, K, C, R, X> Keyed<S, K, C, R, X> {
    pub(super) fn new(
        inner: S,
        family: striped::Family<Parts<K, C, R, X>>,
        give_back: fn(&mut S),
    ) -> Self {
        Self {
            inner,
            parts: family.share(),
            _family: Some(family),
            is_ready: false,
            give_back,
        }
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.parts.registry
    }

    /// The circuit for requests that have none of their own.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        self.parts.own.circuit()
    }

    /// How many requests have had no key; see [`KeyedLayer::without_key`](super::KeyedLayer::without_key).
    #[must_use]
    pub fn without_key(&self) -> u64 {
        self.parts.without_key.requests()
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, without its circuits.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, K, C, R, X, Req> Service<Req> for Keyed<S, K, C, R, X>
where
    K: Key<Req>,
    X: ObserveResponse<Req, S::Response, C, R, X>,
    X::RequestFacts: ClassifiedBy<C, S::Response, S::Error>,
    S: Service<Req>,
    R: Reject<Req, S::Response, S::Error>,
{
    type Response = X::Response;
    type Error = R::Error;
    type Future = ResponseFuture<S::Future, R::Future, Req, C, R, X>;

    /// An error belongs to no key. It counts for the layer's own circuit.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Before it is asked: what it said before holds no more, whatever it says now.
        self.is_ready = false;
        let (own, inner) = (self.parts.own.circuit(), &mut self.inner);
        let seen = own.core().seen();
        let asked = nesting::asking(own.identity(), || inner.poll_ready(context));
        match ready!(asked) {
            Ok(()) => {
                self.is_ready = true;
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                let own = self.parts.own.share();
                own.fail_ready(seen);
                Poll::Ready(Err(own.rejection().inner_error(error)))
            }
        }
    }

    /// # Panics
    ///
    /// If `poll_ready` has not returned ready on this very instance since its last call.
    fn call(&mut self, request: Req) -> Self::Future {
        let shared = self.parts.share_for(&request);
        self.call_by(shared, request)
    }
}

impl<S, K, C, R, X> Keyed<S, K, C, R, X> {
    /// Makes a call through this circuit.
    fn call_by<Req>(
        &mut self,
        shared: Shared<C, R, X>,
        mut request: Req,
    ) -> ResponseFuture<S::Future, R::Future, Req, C, R, X>
    where
        X: ObserveResponse<Req, S::Response, C, R, X>,
        S: Service<Req>,
        R: Reject<Req, S::Response, S::Error>,
    {
        assert!(mem::take(&mut self.is_ready), "{NOT_READY}");
        match shared.admit() {
            Ok(mut ticket) => {
                // The guard comes before the call: nothing is lost if that panics.
                let panic_guard = PanicGuard::new(&shared, &mut ticket);
                let facts = shared.scope().request_facts(&shared, &request);
                let meter = X::meter(&shared, &mut request);
                let inner = self.inner.call(request);
                panic_guard.disarm();
                ResponseFuture::admitted(inner, Admitted::metered(shared, ticket, meter), facts)
            }
            Err(refusal) => {
                // It is counted, whatever becomes of what is given back.
                let rejected = shared.rejected_cold(refusal);
                self.reject_by(&shared, rejected, request)
            }
        }
    }

    /// Rejects a call for which the inner service was found ready.
    fn reject_by<Req>(
        &mut self,
        shared: &Shared<C, R, X>,
        rejected: Rejected,
        request: Req,
    ) -> ResponseFuture<S::Future, R::Future, Req, C, R, X>
    where
        X: CallScope,
        S: Service<Req>,
        R: Reject<Req, S::Response, S::Error>,
    {
        self.is_ready = false;
        (self.give_back)(&mut self.inner);
        ResponseFuture::rejected(shared.rejection().reject(rejected, request))
    }
}

/// One whose key has no place waits, or is rejected, with what was found for its key (rule M2).
impl<S, K, C, R, X> sealed::Sealed for Keyed<S, K, C, R, X> {}

#[diagnostic::do_not_recommend]
impl<S, K, C, R, X, Req> Guarded<Req> for Keyed<S, K, C, R, X>
where
    K: Key<Req>,
    X: ObserveResponse<Req, S::Response, C, R, X>,
    X::RequestFacts: ClassifiedBy<C, S::Response, S::Error>,
    S: Service<Req> + Clone,
    R: Reject<Req, S::Response, S::Error>,
{
    type Way = Shared<C, R, X>;

    fn way(&self, request: &Req) -> Option<Self::Way> {
        self.is_ready.then(|| self.parts.share_for(request))
    }

    fn circuit<'a>(&'a self, way: &'a Self::Way) -> &'a Circuit {
        way
    }

    fn call_by(&mut self, way: Self::Way, request: Req) -> Self::Future {
        Self::call_by(self, way, request)
    }

    fn reject_by(&mut self, way: Self::Way, rejected: Rejected, request: Req) -> Self::Future {
        Self::reject_by(self, &way, rejected, request)
    }

    fn caller_of(&self, way: &Self::Way, request: &Req) -> Option<CallerLimit> {
        way.scope().caller_of(request)
    }

    fn shorten(future: &mut Self::Future, caller: CallerLimit) {
        future.shorten(caller);
    }

    fn is_rejected(future: &Self::Future) -> bool {
        future.is_rejected()
    }

    fn take_ready(&mut self) -> Self {
        // It has no family, which so stays here.
        let mut ready = self.clone();
        mem::swap(&mut ready.inner, &mut self.inner);
        mem::swap(&mut ready.is_ready, &mut self.is_ready);
        ready
    }
}

/// By hand, because readiness belongs to the instance that was asked.
impl<S: Clone, K, C, R, X> Clone for Keyed<S, K, C, R, X> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            parts: self.parts.clone(),
            _family: None,
            is_ready: false,
            give_back: self.give_back,
        }
    }
}

impl<S: fmt::Debug, K, C, R, X> fmt::Debug for Keyed<S, K, C, R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("inner", &self.inner)
            .field("registry", self.registry())
            .field("circuit", self.circuit())
            .finish_non_exhaustive()
    }
}
