//! [`Fallback`]: a service with a fallback around it.

use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    answer::Answer,
    future::FallbackFuture,
    keep::{Keep, Nothing},
    layer::Plan,
    view::{Http, View},
    when::{OnRejection, When},
};
use crate::service::{
    check::ready_and_oneshot,
    striped::{Family, Share},
};

/// A service with a fallback around it. Made by a [`FallbackLayer`](super::FallbackLayer).
///
/// It is ready when the inner service is. If the inner service fails to become ready, that is no call, so the fallback
/// does not answer.
#[must_use = "services do nothing unless called"]
pub struct Fallback<S, A, W = OnRejection, K = Nothing, V = Http> {
    inner: S,
    plan: Share<Plan<A, W, K, V>>,
    /// So that clones find a share of their thread's own.
    _family: Option<Family<Plan<A, W, K, V>>>,
}

ready_and_oneshot!(Fallback<S, A, W, K, V>);

impl<S, A, W, K, V> Fallback<S, A, W, K, V> {
    pub(super) fn new(inner: S, family: Family<Plan<A, W, K, V>>) -> Self {
        Self {
            inner,
            plan: family.share(),
            _family: Some(family),
        }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Req, A, W, K, V> Service<Req> for Fallback<S, A, W, K, V>
where
    S: Service<Req>,
    K: Keep<Req>,
    V: View<S::Response, S::Error>,
    W: When<S::Response, S::Error, V>,
    A: Answer<K::Kept, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = A::Error;
    type Future = FallbackFuture<S, Req, A, W, K, V>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = self.inner.poll_ready(context);
        ready.map_err(|error| self.plan.answer.inner_error(error))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let keep = &self.plan.keep;
        let (kept, circuit_of) = (keep.keep(&request), keep.circuit_of(&request));
        FallbackFuture::new(
            self.inner.call(request),
            kept,
            circuit_of,
            self.plan.clone(),
        )
    }
}

/// Not with the inner service's readiness, which is the clone's own affair.
impl<S: Clone, A, W, K, V> Clone for Fallback<S, A, W, K, V> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            plan: self.plan.clone(),
            _family: None,
        }
    }
}

impl<S: fmt::Debug, A, W, K, V> fmt::Debug for Fallback<S, A, W, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
