//! [`CircuitBreaker`]: a service with a circuit around it.

use std::{
    fmt, mem,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    by_request::ClassifiedBy,
    check::ready_and_oneshot,
    classify::HttpClassifier,
    future::ResponseFuture,
    layer::CircuitBreakerLayer,
    reject::{Reject, ServiceUnavailable},
    scope::{HeadOnly, ObserveResponse},
    shared::{Family, Shared},
    waiting::{Waiting, rejection},
};
use crate::{
    circuit::{
        error::Rejected,
        guard::{Admitted, PanicGuard},
        handle::Circuit,
        nesting,
    },
    machine::{RampTurn, Refusal, Seen},
};

/// A service with a circuit around it. Made by a [`CircuitBreakerLayer`].
///
/// `S` is the inner service, `C` classifies, and `R` answers rejections. `X` says how far a call is observed.
///
/// A clone shares the circuit and carries no readiness: ask it with `poll_ready` before calling it (rule G4).
///
/// While the circuit would reject, this service is ready at once, whatever the inner one says. The call is then
/// answered without touching the inner service (rules G1, G2). If `poll_ready` was ready because the circuit rejects,
/// the next call is rejected, even if the circuit has closed in between.
///
/// The other way round, a call can be rejected although the inner service was ready, because the circuit has opened
/// since. What the inner service has reserved in `poll_ready`, such as a place in a buffer, then stays with this
/// instance until its next call or its drop (rule G3).
///
/// With [`fresh_clone_on_rejection`](CircuitBreakerLayer::fresh_clone_on_rejection), as layers for gRPC have it, a
/// fresh clone takes the inner service's place, and what was reserved is given back.
///
/// If a task already waits for the inner service when the circuit opens, it is woken, and its call is rejected as well
/// (rule G1).
///
/// **Watch out:** while the circuit is closed, this service is ready when the inner one is. To wait for that is no
/// call, and cannot fail. If the inner service may never be ready, bound the wait. A timeout around the service does
/// not: it looks at the call and not at `poll_ready`:
///
/// ```text
/// service.ready().await?                       // wrong: may wait for ever
/// timeout(limit, service.ready()).await??      // right
/// ```
///
/// Keep the layer, or a service that it has made itself: then threads do not contend for the counts of clones and
/// calls. If only clones are left, everything works the same, but clones share one count; see [the
/// guide](crate::guide::speed).
#[must_use = "services do nothing unless called"]
pub struct CircuitBreaker<S, C = HttpClassifier, R = ServiceUnavailable, X = HeadOnly> {
    inner: S,
    shared: Shared<C, R, X>,
    /// So that clones find a share of their thread's own. They do without: to count it would be to contend
    /// for it.
    _family: Option<Family<C, R, X>>,
    readiness: Readiness,
    /// What a ramp or shedding has said about the next call. Of an era whose ramp is over it may stay: that says
    /// nothing in any other.
    turn: RampTurn,
    /// What a rejection does about what the inner service has reserved (G3).
    give_back: fn(&mut S),
}

ready_and_oneshot!(CircuitBreaker<S, C, R, X>);

pub(crate) const NOT_READY: &str = "tower-breaker: `poll_ready` must have returned ready on this instance before \
                         `call`; a clone carries no readiness";

/// What `poll_ready` has found out for the next `call`.
enum Readiness {
    /// Nothing yet, and the inner service was not asked.
    Unknown,
    /// The inner service was asked, and has failed, or is not ready yet in part of another call.
    Asked,
    /// The inner service was asked, and is not ready yet. Who waits for it waits for the circuit to reject, too.
    Waiting(Waiting),
    /// The inner service is ready.
    Ready,
    /// The circuit rejects, and the inner service holds nothing for this call: why, and the word it was
    /// read from.
    Rejecting(Refusal, Seen),
}

impl Readiness {
    #[inline]
    fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }

    /// Where there is no wait to end: the usual call does not look for one each time.
    #[inline]
    fn set(&mut self, next: Self) {
        debug_assert!(!self.is_waiting(), "it would be leaked");
        mem::forget(mem::replace(self, next));
    }

    /// The inner service was asked, and that is all.
    #[cold]
    #[inline(never)]
    fn end_wait(&mut self) -> Option<Waiting> {
        match mem::replace(self, Self::Asked) {
            Self::Waiting(waiting) => Some(waiting),
            _ => None,
        }
    }
}

impl<S> CircuitBreaker<S> {
    /// Puts `circuit` around `inner`, with the default classifier and the default rejection. For others, and to wrap
    /// several services, use a [`CircuitBreakerLayer`].
    pub fn new(inner: S, circuit: Circuit) -> Self {
        CircuitBreakerLayer::new(circuit).layer(inner)
    }
}

impl<S, C, R, X> CircuitBreaker<S, C, R, X> {
    pub(crate) fn of_family(inner: S, family: Family<C, R, X>, give_back: fn(&mut S)) -> Self {
        Self {
            inner,
            shared: family.share(),
            _family: Some(family),
            readiness: Readiness::Unknown,
            turn: RampTurn::NOT_YET,
            give_back,
        }
    }

    /// G3: a call that is rejected leaves nothing reserved in the inner service, if that was asked at all.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_back(&mut self) {
        if let Readiness::Asked | Readiness::Ready | Readiness::Waiting(_) = self.readiness {
            (self.give_back)(&mut self.inner);
            self.readiness = Readiness::Unknown;
        }
    }

    /// G1: the inner service is not ready, and wakes the task when it is. So does the circuit, once it rejects;
    /// ready if it does so by now.
    #[cold]
    #[inline(never)]
    fn poll_rejecting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            // Taken out, so that nothing is left of a wait that panics.
            let waiting = self.readiness.end_wait();
            // D8: part of another call, which is not rejected.
            if self.shared.is_called_or_asked() {
                return Poll::Pending;
            }
            let begin = || -> Waiting { Box::pin(rejection(self.circuit().clone())) };
            let mut waiting = waiting.unwrap_or_else(begin);
            if waiting.as_mut().poll(context).is_pending() {
                self.readiness = Readiness::Waiting(waiting);
                return Poll::Pending;
            }
            let seen = self.shared.core().seen();
            if let Some(refusal) = self.shared.refusal_before_call(seen, &mut self.turn) {
                self.give_back();
                self.readiness = Readiness::Rejecting(refusal, seen);
                return Poll::Ready(());
            }
        }
    }

    /// Whether the inner service was found ready for the next call. If not, that reaches nobody.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.readiness, Readiness::Ready)
    }

    /// What was found ready for the next call, for somebody who makes that call later. A fresh clone of the inner
    /// service is left.
    pub(super) fn take_ready(&mut self) -> Self
    where
        S: Clone,
    {
        // It has no family, which so stays here.
        let mut ready = self.clone();
        mem::swap(&mut ready.inner, &mut self.inner);
        mem::swap(&mut ready.readiness, &mut self.readiness);
        mem::swap(&mut ready.turn, &mut self.turn);
        ready
    }

    /// How far calls are observed.
    pub(super) fn scope(&self) -> &X {
        self.shared.scope()
    }

    /// Rejects the next call, for which the inner service was found ready.
    #[cold]
    pub(super) fn reject_ready<Req, Res, E>(
        &mut self,
        rejected: Rejected,
        request: Req,
    ) -> R::Future
    where
        R: Reject<Req, Res, E>,
    {
        self.turn = RampTurn::NOT_YET;
        self.give_back();
        self.shared.rejection().reject(rejected, request)
    }

    /// Whether the next call is rejected.
    pub(crate) fn would_reject(&self) -> bool {
        self.found_refusal().is_some()
    }

    /// Why the next call is rejected.
    pub(crate) fn found_refusal(&self) -> Option<Refusal> {
        match self.readiness {
            Readiness::Rejecting(refusal, _) => Some(refusal),
            _ => None,
        }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.shared
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

impl<S, C, R, X, Req> Service<Req> for CircuitBreaker<S, C, R, X>
where
    X: ObserveResponse<Req, S::Response, C, R, X>,
    X::RequestFacts: ClassifiedBy<C, S::Response, S::Error>,
    S: Service<Req>,
    R: Reject<Req, S::Response, S::Error>,
{
    type Response = X::Response;
    type Error = R::Error;
    type Future = ResponseFuture<S::Future, R::Future, Req, C, R, X>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let circuit: &Circuit = &self.shared;
        let seen = circuit.core().seen();
        // The gate comes before readiness: while the circuit rejects, an inner service that is never
        // ready must not delay the rejection.
        if let Some(refusal) = circuit.refusal_before_call(seen, &mut self.turn) {
            self.give_back();
            self.readiness.set(Readiness::Rejecting(refusal, seen));
            return Poll::Ready(Ok(()));
        }
        // Before it is asked: a panic may come after something was reserved.
        if !self.readiness.is_waiting() {
            self.readiness.set(Readiness::Asked);
        }
        let inner = &mut self.inner;
        let Poll::Ready(asked) = nesting::asking(circuit.identity(), || inner.poll_ready(context))
        else {
            return self.poll_rejecting(context).map(Ok);
        };
        if self.readiness.is_waiting() {
            self.readiness.end_wait();
        }
        match asked {
            Ok(()) => {
                self.readiness.set(Readiness::Ready);
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.shared.fail_ready(seen);
                Poll::Ready(Err(self.shared.rejection().inner_error(error)))
            }
        }
    }

    /// # Panics
    ///
    /// If `poll_ready` has not returned ready on this very instance since its last call.
    // The future's words are stored one by one. Who awaits it copies it two words at a time, and that waits for the
    // stores: 7 ns, and 20 with totals. Inlined, they are stored where they are to stay.
    #[inline(always)]
    fn call(&mut self, mut request: Req) -> Self::Future {
        let shared = &self.shared;
        let rejected = match self.readiness {
            Readiness::Unknown | Readiness::Asked | Readiness::Waiting(_) => panic!("{NOT_READY}"),
            Readiness::Rejecting(refusal, seen) => {
                self.readiness.set(Readiness::Unknown);
                self.turn = RampTurn::NOT_YET;
                shared.reject_after_readiness(refusal, seen)
            }
            Readiness::Ready => match shared.admit_in_turn(&mut self.turn) {
                Ok(mut ticket) => {
                    self.readiness.set(Readiness::Unknown);
                    // The guard comes before the call: nothing is lost if that panics.
                    let panic_guard = PanicGuard::new(shared, &mut ticket);
                    let facts = shared.scope().request_facts(shared, &request);
                    let meter = X::meter(shared, &mut request);
                    let inner = self.inner.call(request);
                    panic_guard.disarm();
                    let admitted = Admitted::metered(shared.clone(), ticket, meter);
                    return ResponseFuture::admitted(inner, admitted, facts);
                }
                Err(refusal) => {
                    // It is counted, whatever becomes of what is given back.
                    let rejected = shared.rejected_cold(refusal);
                    self.give_back();
                    rejected
                }
            },
        };
        ResponseFuture::rejected(self.shared.rejection().reject(rejected, request))
    }
}

/// By hand, because readiness belongs to the instance that was asked.
impl<S: Clone, C, R, X> Clone for CircuitBreaker<S, C, R, X> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: self.shared.clone(),
            _family: None,
            readiness: Readiness::Unknown,
            turn: RampTurn::NOT_YET,
            give_back: self.give_back,
        }
    }
}

impl<S: fmt::Debug, C, R, X> fmt::Debug for CircuitBreaker<S, C, R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("inner", &self.inner)
            .field("circuit", self.circuit())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::thread;

    use super::*;
    use crate::machine::sync::stripe_count;

    /// Whether clones of `service` are counted by the threads that make them. Each new thread has another
    /// number than the one before it.
    fn counts_by_thread<S: Clone + Sync>(service: &CircuitBreaker<S>) -> bool {
        let counted = |_| {
            let clone = || service.clone().shared.is_own();
            thread::scope(|scope| scope.spawn(clone).join().expect("no panic"))
        };
        (0..100).all(counted)
    }

    #[test]
    fn a_service_that_a_layer_has_made_keeps_the_counts_for_its_clones() {
        let circuit = Circuit::builder("payments").build().expect("valid");
        let service = CircuitBreaker::new((), circuit);
        assert!(counts_by_thread(&service));
        assert!(counts_by_thread(&service.clone()));
    }

    #[test]
    fn where_only_clones_are_left_they_share_one_count() {
        let circuit = Circuit::builder("payments").build().expect("valid");
        let clone = CircuitBreaker::new((), circuit).clone();
        let threads = stripe_count();
        assert_eq!(counts_by_thread(&clone), threads == 1);
    }
}
