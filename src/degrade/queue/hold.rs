//! [`HoldLayer`]: a call that would be rejected waits for its circuit (rule M6).

use std::{
    future::Future,
    mem,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Response;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{collect::ready, future::QueueFuture};
use crate::{
    circuit::{
        call_event::FellBack,
        error::{Reason, Rejected},
        handle::Circuit,
        limit::CallerLimit,
        parts::{FallbackCause, FallbackKind},
    },
    degrade::Degraded,
    machine::{Refusal, State},
    service::{
        breaker::CircuitBreaker,
        bulkhead::{Bulkhead, Guarded, HoldsPlace},
        check::ready_and_oneshot,
        pending::admission,
    },
    util::{
        future::{First, either, first},
        panic::catch_panic,
        size::size,
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// A layer that holds back calls that would be rejected, until their circuit admits them or their time is over.
///
/// The caller waits, and gets the answer of the dependency, or the rejection if there was none in time. Nothing is kept
/// but the request itself, and each call is made at most once.
///
/// Put it right around the breaker, or around its [`BulkheadLayer`](crate::BulkheadLayer):
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use http::{Request, Response};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use tower_breaker::{Circuit, CircuitBreakerLayer, degrade::queue::HoldLayer};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let circuit = Circuit::builder("search").build()?;
/// let mut search = ServiceBuilder::new()
///     .layer(HoldLayer::new(&circuit).at_most(Duration::from_secs(3)))
///     .layer(CircuitBreakerLayer::new(circuit.clone()))
///     .service(service_fn(async |_: Request<String>| {
///         Ok::<_, Infallible>(Response::new("found".to_owned()))
///     }));
///
/// circuit.trip(Duration::from_secs(2))?;
/// // It waits for two seconds, and is the probe.
/// let answer = search.ready().await?.call(Request::default()).await?;
/// assert_eq!(answer.into_body(), "found");
/// # Ok(())
/// # }
/// ```
///
/// * A call waits for at most [`at_most`](Self::at_most), and at most [`waiting`](Self::waiting) calls wait at once.
///   One more is rejected as usual.
/// * A call waits no longer than its caller, as far as the breaker is [told](crate::CircuitBreakerLayer::shortened_by)
///   of that. One that goes late has what is left of its caller's time.
/// * Calls wait in line, and go in the order in which they came. The first asks the circuit again right before its
///   request is given away. While the circuit is half-open, one goes at a time. The next goes when the answer is there,
///   or a second later if there is room for another probe.
/// * Once the circuit closes, they are under the ramp (slow start) as all calls are. One that the ramp turns away asks
///   again a second later.
/// * The answer to a call that was held back is marked with [`Degraded`], unless it is a failure or a rejection.
///
/// Nothing is reserved. If another call takes the probe in the very instant in which the first in line asks, the first
/// in line is rejected.
///
/// **Watch out**: each call that waits has a connection, a task and a request in memory. If many may come, or if the
/// break (wait duration) is longer than a caller will wait, keep the call for later instead:
/// [`DeferLayer`](super::DeferLayer).
///
/// The inner service has to be `Clone`.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct HoldLayer {
    circuit: Circuit,
    at_most: Duration,
    line: Arc<Line>,
}

/// Who waits.
#[derive(Debug)]
struct Line {
    places: Arc<Semaphore>,
    /// Whose turn it is to ask the circuit. Fair, so it is a line.
    turn: Arc<Semaphore>,
}

impl Line {
    fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            turn: Arc::new(Semaphore::new(1)),
        })
    }
}

impl HoldLayer {
    /// Makes a layer that holds back calls of this circuit: at most 100 at once, each for at most two seconds.
    ///
    /// All services that one layer makes share the line.
    pub fn new(circuit: &Circuit) -> Self {
        Self {
            circuit: circuit.clone(),
            at_most: Duration::from_secs(2),
            line: Line::new(100),
        }
    }

    /// Sets how long a call waits at most.
    ///
    /// Default: two seconds.
    pub fn at_most(mut self, at_most: Duration) -> Self {
        self.at_most = at_most;
        self
    }

    /// Until when a call waits: no longer than its caller.
    fn until(&self, caller: Option<&CallerLimit>) -> Instant {
        const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        let left = caller.map_or(FAR, CallerLimit::left);
        Instant::now() + self.at_most.min(left).min(FAR)
    }

    /// Sets how many calls wait at most. The line begins anew.
    ///
    /// Default: 100.
    pub fn waiting(mut self, calls: u32) -> Self {
        self.line = Line::new(size(calls));
        self
    }
}

impl<S> Layer<S> for HoldLayer {
    type Service = Hold<S>;

    fn layer(&self, inner: S) -> Hold<S> {
        Hold {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service whose calls wait for their circuit. Made by a [`HoldLayer`].
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct Hold<S> {
    inner: S,
    layer: HoldLayer,
}

ready_and_oneshot!(Hold<S>);

impl<S> Hold<S> {
    /// The breaker.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The breaker.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The breaker.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

/// A service that knows, once it is ready, whether the next call will reach anybody.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "`HoldLayer` goes right around a breaker or its bulkhead, and `{Self}` is neither",
    label = "neither a breaker nor a bulkhead"
)]
pub trait Holdable<Req>: Service<Req> + sealed::Sealed {
    /// Why the next call is rejected, if that was found out.
    #[doc(hidden)]
    fn rejected_by(&self) -> Option<Reason>;

    /// Until when the caller waits.
    #[doc(hidden)]
    fn caller_of(&self, request: &Req) -> Option<CallerLimit>;

    /// Calls for a caller that has said before until when it waits, if it has.
    #[doc(hidden)]
    fn call_of(&mut self, caller: Option<CallerLimit>, request: Req) -> Self::Future;
}

mod sealed {
    pub trait Sealed {}
}

impl<S, C, R, X> sealed::Sealed for CircuitBreaker<S, C, R, X> {}

impl<S: sealed::Sealed, E> sealed::Sealed for Bulkhead<S, E> {}

#[diagnostic::do_not_recommend]
impl<S, C, R, X, Req> Holdable<Req> for CircuitBreaker<S, C, R, X>
where
    Self: Guarded<Req, Way = ()>,
{
    fn rejected_by(&self) -> Option<Reason> {
        self.found_refusal().map(|refusal| Reason::of(refusal).0)
    }

    fn caller_of(&self, request: &Req) -> Option<CallerLimit> {
        Guarded::caller_of(self, &(), request)
    }

    fn call_of(&mut self, caller: Option<CallerLimit>, request: Req) -> Self::Future {
        let mut call = self.call(request);
        if let Some(caller) = caller {
            Self::shorten(&mut call, caller);
        }
        call
    }
}

/// Who gets no place is none of the circuit's rejections, and waits there.
#[diagnostic::do_not_recommend]
impl<S, E, Req> Holdable<Req> for Bulkhead<S, E>
where
    S: Holdable<Req> + Guarded<Req>,
    E: HoldsPlace<S::Response>,
{
    fn rejected_by(&self) -> Option<Reason> {
        self.get_ref().rejected_by()
    }

    fn caller_of(&self, request: &Req) -> Option<CallerLimit> {
        Holdable::caller_of(self.get_ref(), request)
    }

    fn call_of(&mut self, caller: Option<CallerLimit>, request: Req) -> Self::Future {
        self.call_of(caller, request)
    }
}

impl<S, Req, B> Service<Req> for Hold<S>
where
    S: Holdable<Req, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    Req: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = QueueFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let HoldLayer { circuit, line, .. } = &self.layer;
        let Some(cause) = cause(circuit, &self.inner) else {
            return QueueFuture::through(self.inner.call(request));
        };
        let Ok(place) = line.places.clone().try_acquire_owned() else {
            note(circuit, cause, false);
            return QueueFuture::through(self.inner.call(request));
        };
        // If it panics, it does so once more when the call is admitted, and that has failed.
        let caller = catch_panic(|| self.inner.caller_of(&request)).flatten();
        let fresh = self.inner.clone();
        let inner = mem::replace(&mut self.inner, fresh);
        let held = Held {
            layer: self.layer.clone(),
            cause,
            until: self.layer.until(caller.as_ref()),
            caller,
            place,
        };
        QueueFuture::boxed(held.call(inner, request))
    }
}

/// Why the next call would be rejected, if it would be.
fn cause<Req>(circuit: &Circuit, inner: &impl Holdable<Req>) -> Option<FallbackCause> {
    let refusal = match circuit.would_refuse() {
        true => circuit.refusal(),
        false => None,
    };
    let reason = refusal.map(Reason::of).map(|(reason, _)| reason);
    // What the circuit does not refuse now was turned away when readiness was asked. What shedding turns away is
    // rejected: whoever asks again undoes it.
    let found = || inner.rejected_by().filter(|by| *by != Reason::Shedding);
    let reason = reason.or_else(found);
    reason.map(FallbackCause::Rejected)
}

fn note(circuit: &Circuit, cause: FallbackCause, answered: bool) {
    circuit.note_fallback(FellBack {
        kind: FallbackKind::Hold,
        cause,
        answered,
    });
}

/// A call that waits.
struct Held {
    layer: HoldLayer,
    cause: FallbackCause,
    until: Instant,
    /// Its time runs while the call waits (M5).
    caller: Option<CallerLimit>,
    place: OwnedSemaphorePermit,
}

impl Held {
    async fn call<S, Req, B>(self, mut inner: S, request: Req) -> Result<Response<B>, S::Error>
    where
        S: Holdable<Req, Response = Response<B>> + Clone,
    {
        let turn = loop {
            if Instant::now() >= self.until {
                break None;
            }
            let Ok(turn) = timeout_at(self.until, self.turn()).await else {
                break None;
            };
            // One that has been asked by a ramp has had its turn.
            inner = inner.clone();
            ready(&mut inner).await?;
            if let None | Some(Reason::Shedding) = inner.rejected_by() {
                break Some(turn);
            }
            drop(turn);
            self.wait_for_the_ramp().await;
        };
        if turn.is_none() {
            // The circuit decides, and counts that.
            ready(&mut inner).await?;
        }
        let answer = inner.call_of(self.caller, request);
        drop(self.place);
        let result = in_turn(&self.layer.circuit, answer, turn.flatten()).await;
        finish(&self.layer.circuit, self.cause, result)
    }

    /// Waits until it is the first, and the circuit would admit it.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        let turn = self.layer.line.turn.clone().acquire_owned().await.ok();
        admission(self.layer.circuit.clone()).await;
        turn
    }

    /// Whoever is turned away by a ramp comes again when a rejection says that it should.
    async fn wait_for_the_ramp(&self) {
        if !self.layer.circuit.would_refuse() {
            let later = Instant::now() + SECOND;
            sleep_until(later.min(self.until)).await;
        }
    }
}

/// Waits for the answer, and lets nobody else go before that while the circuit is half-open.
async fn in_turn<F: Future>(
    circuit: &Circuit,
    answer: F,
    turn: Option<OwnedSemaphorePermit>,
) -> F::Output {
    let mut answer = pin!(answer);
    if let Some(turn) = turn {
        if let First::One(answered) = first(answer.as_mut(), decided(circuit)).await {
            return answered;
        }
        drop(turn);
    }
    answer.await
}

/// Waits until a circuit is not half-open any more. Of one that hangs, half-open has had enough after a while (D4),
/// which those who wait for their turn do not notice. Where there is room for another probe, a second is enough.
async fn decided(circuit: &Circuit) {
    loop {
        // Before the look, so that nothing that happens after it is missed.
        let changed = circuit.observers().changed();
        match circuit.refusal() {
            _ if circuit.state() != State::HalfOpen => return,
            Some(Refusal::HalfOpenFull(left)) => either(changed, sleep(left.duration())).await,
            _ => return either(changed, sleep(SECOND)).await,
        }
    }
}

fn finish<B, E>(
    circuit: &Circuit,
    cause: FallbackCause,
    result: Result<Response<B>, E>,
) -> Result<Response<B>, E> {
    let is_good = |response: &Response<B>| {
        let is_rejected = response.extensions().get::<Rejected>().is_some();
        !is_rejected && !response.status().is_server_error()
    };
    let is_good = result.as_ref().is_ok_and(is_good);
    note(circuit, cause, is_good);
    let mark = |response| match is_good {
        true => Degraded::new(FallbackKind::Hold, cause).mark_response(response),
        false => response,
    };
    result.map(mark)
}
