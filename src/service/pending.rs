//! Readiness mode: a service that is not ready while its circuit would reject (rule G7).
//!
//! Usually, a service whose circuit is open is ready at once, so that it can reject at once. A load balancer wants the
//! opposite: `tower::balance` asks its endpoints which of them are ready, and steers around those that are not.
//! [`pending_while_open`] makes services for that.
//!
//! While the circuit would reject, their `poll_ready` is pending. The task is woken when that changes: when the wait is
//! over, when the probes time out, or when a probe gives its permit back. It is woken at once when somebody resets or
//! releases the circuit.
//!
//! ```
//! use tower::Layer;
//! use tower_breaker::{Circuit, ConfigError, EjectionCap};
//!
//! # fn main() -> Result<(), ConfigError> {
//! # struct Connection;
//! # let addresses = ["10.0.0.1", "10.0.0.2"];
//! # let connect = |_: &str| Connection;
//! // A circuit for each endpoint, of which at most half may be ejected at once.
//! let cap = EjectionCap::new(0.5)?;
//! let protect = |address: &str| {
//!     let circuit = Circuit::builder(address.to_owned()).consecutive_failures(5);
//!     let layer = circuit.ejection_cap(&cap).build_layer()?.pending_while_open();
//!     Ok::<_, ConfigError>(layer.layer(connect(address)))
//! };
//! let endpoints = addresses.map(protect);
//! # let [Ok(_), Ok(_)] = endpoints else { panic!() };
//! # Ok(())
//! # }
//! ```
//!
//! # What to know
//!
//! * Without a balancer, or if all its endpoints are pending, callers *wait* for the end of the break. Put a timeout or
//!   a load shedder around it.
//! * Nothing is reserved (rule G3). If several clones wait for one probe, one gets it, and calls of the others are
//!   rejected. So is a call that comes after the circuit has opened between `poll_ready` and `call`. A ramp (slow
//!   start) chooses among calls, too, and is not waited for.
//! * The wake-ups use tokio's timer. So `poll_ready` panics if it has to wait for an instant and there is no tokio
//!   runtime with time enabled. With a [clock](crate::clock) other than tokio's, a task that is woken too early waits
//!   again.
//!
//! [`pending_while_open`]: crate::CircuitBreakerLayer::pending_while_open

use std::{
    fmt,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    breaker::CircuitBreaker, check::ready_and_oneshot, give_back::GiveBack,
    layer::CircuitBreakerLayer, scope::CallScope, waiting::Waiting,
};
use crate::{circuit::handle::Circuit, machine::Look, util::future::either};

impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Makes services that are not ready while their circuit would reject, for load balancers to steer
    /// around them (rule G7). See [`readiness`](self).
    ///
    /// Call it last: classifier, rejection and body observation are set before it.
    ///
    /// Default: services are ready at once, to reject at once.
    #[doc(alias = "backpressure")]
    pub fn pending_while_open(self) -> PendingLayer<Self> {
        PendingLayer::new(self)
    }
}

/// A layer whose services are not ready while their circuit would reject. Made by
/// [`CircuitBreakerLayer::pending_while_open`].
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct PendingLayer<L>(L);

impl<L> PendingLayer<L> {
    pub(crate) fn new(layer: L) -> Self {
        Self(layer)
    }

    /// The layer whose services reject.
    pub fn get_ref(&self) -> &L {
        &self.0
    }
}

impl<S, C, R, X, G> Layer<S> for PendingLayer<CircuitBreakerLayer<C, R, X, G>>
where
    X: CallScope,
    G: GiveBack<S>,
{
    type Service = PendingWhileOpen<CircuitBreaker<S, C, R, X>>;

    fn layer(&self, inner: S) -> Self::Service {
        PendingWhileOpen::new(self.0.layer(inner))
    }
}

/// A [`CircuitBreaker`] that is not ready while its circuit would reject. Made by a [`PendingLayer`].
///
/// A clone waits for itself.
#[must_use = "services do nothing unless called"]
pub struct PendingWhileOpen<S> {
    breaker: S,
    waiting: Option<Waiting>,
}

ready_and_oneshot!(PendingWhileOpen<S>);

impl<S> PendingWhileOpen<S> {
    fn new(breaker: S) -> Self {
        Self {
            breaker,
            waiting: None,
        }
    }

    /// As it is said of the service that rejects.
    pub(super) fn take_ready(&mut self, take: impl FnOnce(&mut S) -> S) -> Self {
        Self::new(take(&mut self.breaker))
    }

    /// The service that rejects.
    pub fn get_ref(&self) -> &S {
        &self.breaker
    }

    /// The service that rejects.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.breaker
    }

    /// The service that rejects.
    pub fn into_inner(self) -> S {
        self.breaker
    }
}

impl<S, C, R, X, Req> Service<Req> for PendingWhileOpen<CircuitBreaker<S, C, R, X>>
where
    CircuitBreaker<S, C, R, X>: Service<Req>,
{
    type Response = <CircuitBreaker<S, C, R, X> as Service<Req>>::Response;
    type Error = <CircuitBreaker<S, C, R, X> as Service<Req>>::Error;
    type Future = <CircuitBreaker<S, C, R, X> as Service<Req>>::Future;

    /// # Panics
    ///
    /// If it has to wait for an instant and there is no runtime of tokio's with time enabled.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.poll_admission(context).is_pending() {
            // Nor does who waits hold anything (G3).
            self.breaker.give_back();
            return Poll::Pending;
        }
        let polled = self.breaker.poll_ready(context);
        // The circuit may have begun to reject while the inner service was asked. A ramp and shedding, which choose
        // among calls, are not waited for.
        if self.breaker.would_reject() && self.poll_admission(context).is_pending() {
            return Poll::Pending;
        }
        polled
    }

    fn call(&mut self, request: Req) -> Self::Future {
        self.breaker.call(request)
    }
}

impl<S, C, R, X> PendingWhileOpen<CircuitBreaker<S, C, R, X>> {
    fn poll_admission(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let circuit = self.breaker.circuit();
        if self.waiting.is_none() && !circuit.would_refuse() {
            return Poll::Ready(());
        }
        // Taken out, so that nothing is left of a wait that panics.
        let begin = || -> Waiting { Box::pin(admission(circuit.clone())) };
        let mut waiting = self.waiting.take().unwrap_or_else(begin);
        let over = waiting.as_mut().poll(context).is_ready();
        // By a clock that is ahead of the timer, the wait may be over before anybody is woken.
        if over || circuit.refusal().is_none() {
            return Poll::Ready(());
        }
        self.waiting = Some(waiting);
        Poll::Pending
    }
}

/// Waits until the circuit would admit a call.
pub(crate) async fn admission(circuit: Circuit) {
    let mut look = Look::First;
    loop {
        // Before the look at the circuit, so that nothing that happens after it is missed.
        let changed = circuit.observers().changed();
        let Some(refusal) = circuit.refusal_of_waiting(look) else {
            return;
        };
        look = Look::Again;
        match refusal.lasts() {
            Some(left) => either(changed, tokio::time::sleep(left.duration())).await,
            None => changed.await,
        }
    }
}

impl<S: Clone> Clone for PendingWhileOpen<S> {
    fn clone(&self) -> Self {
        Self::new(self.breaker.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for PendingWhileOpen<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingWhileOpen")
            .field("breaker", &self.breaker)
            .field("waiting", &self.waiting.is_some())
            .finish()
    }
}
