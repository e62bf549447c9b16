//! [`CircuitBreaker`]: a service with a circuit around it.

use std::{
    fmt,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    circuit::Refusal,
    classify::{Classify, HttpClassifier},
    future::ResponseFuture,
    guard::{Admitted, Watched},
    handle::Circuit,
    layer::{CircuitBreakerLayer, Held},
    reject::{Reject, ServiceUnavailable},
};

/// A service with a circuit around it. Made by a [`CircuitBreakerLayer`].
///
/// A clone shares the circuit and carries no readiness: ask it with `poll_ready` before calling it
/// (rule G4).
///
/// While the circuit would reject, this service is ready at once, whatever the inner one says, and
/// the call is answered without touching the inner service (rules G1, G2). A readiness that was
/// granted for a rejection is good for a rejection only, even if the circuit has closed by the time
/// of the call.
///
/// The other way round, a call can be rejected although the inner service was ready: because the
/// circuit has opened since, or while it ramps up. The inner service's readiness then stays with this
/// instance until its next call or its drop. So what reserves something in `poll_ready`, such as a
/// concurrency limit, belongs outside of the breaker.
#[must_use = "services do nothing unless called"]
pub struct CircuitBreaker<S, C = HttpClassifier, R = ServiceUnavailable> {
    inner: S,
    setup: Held<C, R>,
    readiness: Readiness,
}

const NOT_READY: &str = "tower-breaker: `poll_ready` must have returned ready on this instance before \
                         `call`; a clone carries no readiness";

/// What `poll_ready` has found out for the next `call`.
#[derive(Clone, Copy, Debug)]
enum Readiness {
    /// Nothing yet.
    Unknown,
    /// The inner service is ready.
    Ready,
    /// The circuit rejects, and the inner service was not asked: why, and the word it was read from.
    Rejecting(Refusal, u64),
}

impl<S> CircuitBreaker<S> {
    /// Puts `circuit` around `inner`, with the default classifier and the default rejection. For
    /// others, and to wrap several services, use a [`CircuitBreakerLayer`].
    pub fn new(inner: S, circuit: Circuit) -> Self {
        CircuitBreakerLayer::new(circuit).layer(inner)
    }
}

impl<S, C, R> CircuitBreaker<S, C, R> {
    pub(crate) fn from_setup(inner: S, setup: Held<C, R>) -> Self {
        Self {
            inner,
            setup,
            readiness: Readiness::Unknown,
        }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.setup
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, without its circuit.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, R, Req> Service<Req> for CircuitBreaker<S, C, R>
where
    S: Service<Req>,
    C: Classify<S::Response, S::Error>,
    R: Reject<Req, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = R::Error;
    type Future = ResponseFuture<S::Future, R::Future, C, R, Req>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let circuit: &Circuit = &self.setup;
        let seen = circuit.core().seen();
        // The gate comes before readiness: while the circuit rejects, an inner service that is never
        // ready must not delay the rejection.
        if let Some(refusal) = circuit.core().refusal(seen, || circuit.now()) {
            self.readiness = Readiness::Rejecting(refusal, seen);
            return Poll::Ready(Ok(()));
        }
        self.readiness = Readiness::Unknown;
        match self.inner.poll_ready(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                self.readiness = Readiness::Ready;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.setup.fail_ready(seen);
                Poll::Ready(Err(self.setup.rejection().inner_error(error)))
            }
        }
    }

    /// # Panics
    ///
    /// If `poll_ready` has not returned ready on this very instance since its last call.
    fn call(&mut self, request: Req) -> Self::Future {
        let setup = &self.setup;
        let refusal = match std::mem::replace(&mut self.readiness, Readiness::Unknown) {
            Readiness::Unknown => panic!("{NOT_READY}"),
            Readiness::Rejecting(refusal, seen) => setup.reject(refusal, seen),
            Readiness::Ready => match setup.admit() {
                Ok(mut permit) => {
                    // The guard comes before the call: nothing is lost if that panics.
                    let watched = Watched::new(setup, &mut permit);
                    let inner = self.inner.call(request);
                    watched.returned();
                    return ResponseFuture::admitted(inner, Admitted::new(setup.clone(), permit));
                }
                Err(refusal) => refusal,
            },
        };
        let rejected = setup.rejected(refusal);
        ResponseFuture::rejected(setup.rejection().reject(rejected, request))
    }
}

/// By hand, because readiness belongs to the instance that was asked.
impl<S: Clone, C, R> Clone for CircuitBreaker<S, C, R> {
    fn clone(&self) -> Self {
        Self::from_setup(self.inner.clone(), self.setup.clone())
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for CircuitBreaker<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("inner", &self.inner)
            .field("circuit", self.circuit())
            .finish_non_exhaustive()
    }
}
