//! [`BulkheadLayer`]: at most so many calls at once (rule M2).

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    breaker::CircuitBreaker, by_request::ClassifiedBy, check::ready_and_oneshot,
    future::ResponseFuture, pending::PendingWhileOpen, reject::Reject, scope::ObserveResponse,
};
use crate::{
    circuit::{
        bulkhead::{NotIn, Place, Waiting},
        error::Rejected,
        handle::Circuit,
        limit::CallerLimit,
    },
    util::panic::catch_panic,
};

/// Puts a bulkhead around breakers: of each circuit, at most so many calls at once, as its
/// [`bulkhead`](crate::CircuitBuilder::bulkhead) setting says (rule M2). If a circuit has no such setting, it does
/// nothing.
///
/// A dependency that hangs then holds this many tasks, connections and buffers, and not all there are.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use http::{Request, Response};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use tower_breaker::{BulkheadLayer, Circuit, CircuitBreakerLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let circuit = Circuit::builder("reviews").bulkhead(1, Duration::ZERO).build()?;
/// let mut service = ServiceBuilder::new()
///     .layer(BulkheadLayer::new())
///     .layer(CircuitBreakerLayer::new(circuit.clone()))
///     .service(service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new()))));
///
/// let first = service.ready().await?.call(Request::default());
/// let second = service.ready().await?.call(Request::default()).await?;
/// assert_eq!((second.status().as_u16(), &second.headers()["retry-after"] == "1"), (503, true));
/// assert!(first.await?.status().is_success());
///
/// let bulkhead = circuit.snapshot().parts.and_then(|parts| parts.bulkhead).expect("it is used");
/// assert_eq!((bulkhead.taken, bulkhead.rejected), (0, 1));
/// # Ok(())
/// # }
/// ```
///
/// If all places are taken, a call waits for one, for as long as the setting says, in the order in which calls came. If
/// it gets none, it is rejected with [`Reason::BulkheadFull`](crate::Reason::BulkheadFull). That is no failure: the
/// dependency was not asked.
///
/// The breaker's layer answers it like any rejection: with a 503 with a `Retry-After` of a second, an error, a status
/// of gRPC, or a response of your own. Yours can tell it by [`Rejected::reason`].
///
/// While the circuit rejects, calls are rejected at once because of that, also calls that wait. A waiting call is no
/// probe.
///
/// # Watch out
///
/// * **It goes around the breaker**, with nothing between. Inside of the breaker, a call that waits would hold a
///   probe's permit. So that does not compile:
///
///   ```text
///   ServiceBuilder::new().layer(breaker).layer(BulkheadLayer::new())    // wrong
///   ServiceBuilder::new().layer(BulkheadLayer::new()).layer(breaker)    // right
///   ```
/// * A call that waits takes along the inner service that was found ready for it, and leaves a clone. So the inner
///   service has to be `Clone`. What it has reserved in `poll_ready`, such as a place in a buffer, is held while the
///   call waits. Put services that reserve outside.
/// * Readiness says nothing of places. A load shedder further out does not see that the bulkhead is full. The bulkhead
///   sheds calls itself.
/// * A call holds its place until the head of the response is there. To hold it to the end of the body, say
///   `to_end_of_body` (feature `body`).
/// * All layers of one circuit share its places. A call that meets its own circuit again needs no second place (rule
///   D8).
/// * A layer that observes request bodies (`observe_request_bodies`, feature `body`) has no bulkhead around it: the
///   compiler says that it is no breaker.
/// * It does not bound how many calls wait, only how long they do. A wait of a second at 1,000 calls per second is
///   1,000 calls.
#[must_use = "a layer does nothing until it is applied"]
pub struct BulkheadLayer<E = ToHead> {
    extent: PhantomData<fn() -> E>,
}

impl BulkheadLayer {
    /// A bulkhead for the circuits of whatever breaker it is put around.
    pub fn new() -> Self {
        Self::until()
    }
}

impl<E> BulkheadLayer<E> {
    pub(crate) fn until() -> Self {
        Self {
            extent: PhantomData,
        }
    }
}

impl Default for BulkheadLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, E> Layer<S> for BulkheadLayer<E> {
    type Service = Bulkhead<S, E>;

    fn layer(&self, breaker: S) -> Self::Service {
        Bulkhead {
            breaker,
            extent: PhantomData,
        }
    }
}

/// A breaker with a bulkhead around it. Made by a [`BulkheadLayer`].
///
/// `S` is the breaker, and `E` says how long a call holds its place.
///
/// It is ready when the breaker is: a place is taken for a call, and not before. A clone carries no readiness.
#[must_use = "services do nothing unless called"]
pub struct Bulkhead<S, E = ToHead> {
    breaker: S,
    extent: PhantomData<fn() -> E>,
}

ready_and_oneshot!(Bulkhead<S, E>);

impl<S, E> Bulkhead<S, E> {
    /// The breaker.
    pub fn get_ref(&self) -> &S {
        &self.breaker
    }

    /// The breaker.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.breaker
    }

    /// The breaker, without its bulkhead.
    pub fn into_inner(self) -> S {
        self.breaker
    }
}

impl<S, E, Req> Service<Req> for Bulkhead<S, E>
where
    S: Guarded<Req>,
    E: HoldsPlace<S::Response>,
{
    type Response = E::Response;
    type Error = S::Error;
    type Future = BulkheadFuture<S, Req, E>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.breaker.poll_ready(context)
    }

    /// # Panics
    ///
    /// If `poll_ready` has not returned ready on this very instance since its last call.
    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        self.call_of(None, request)
    }
}

impl<S, E> Bulkhead<S, E> {
    /// Calls for a caller that has said before until when it waits, if it has.
    #[inline(always)]
    pub(crate) fn call_of<Req>(
        &mut self,
        caller: Option<CallerLimit>,
        request: Req,
    ) -> BulkheadFuture<S, Req, E>
    where
        S: Guarded<Req>,
    {
        let breaker = &mut self.breaker;
        let Some(way) = breaker.way(&request) else {
            // It reaches nobody, and needs no place.
            return BulkheadFuture::called(breaker.call(request), None);
        };
        match breaker.circuit(&way).ask_in() {
            Ok(place) => BulkheadFuture::called_in(breaker, (way, request), place, caller),
            Err(not_in) => BulkheadFuture::not_in(breaker, (way, request), not_in, caller),
        }
    }
}

pin_project! {
    /// The response of a [`Bulkhead`]: the breaker's, once there is a place for the call.
    ///
    /// It begins to wait when it is first polled. If it is dropped while it waits, it leaves nothing behind.
    ///
    /// # Panics
    ///
    /// If it is polled and has to wait for a place, and there is no tokio runtime with time enabled.
    #[must_use = "futures do nothing unless polled"]
    pub struct BulkheadFuture<S, Req, E = ToHead>
    where
        S: Guarded<Req>,
    {
        #[pin]
        kind: Kind<S, Req>,
        extent: PhantomData<fn() -> E>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<S, Req>
    where
        S: Guarded<Req>,
    {
        // The place goes last when this is dropped.
        Called {
            #[pin]
            call: S::Future,
            place: Option<Place>,
        },
        Waits {
            waiting: Waiting,
            held: Option<Held<S, S::Way, Req>>,
        },
    }
}

/// What a call needs once it has its place.
struct Held<S, W, Req> {
    breaker: S,
    way: W,
    request: Req,
    /// Its time runs while the call waits (M5).
    caller: Option<CallerLimit>,
}

impl<S: Guarded<Req>, Req, E> BulkheadFuture<S, Req, E> {
    fn of(kind: Kind<S, Req>) -> Self {
        Self {
            kind,
            extent: PhantomData,
        }
    }

    #[inline]
    fn called(call: S::Future, place: Option<Place>) -> Self {
        Self::of(Kind::Called { call, place })
    }

    #[inline]
    fn called_in(
        breaker: &mut S,
        (way, request): (S::Way, Req),
        place: Place,
        caller: Option<CallerLimit>,
    ) -> Self {
        Self::of(Kind::called_in(breaker, (way, request), place, caller))
    }

    #[cold]
    #[inline(never)]
    fn not_in(
        breaker: &mut S,
        (way, request): (S::Way, Req),
        not_in: NotIn,
        caller: Option<CallerLimit>,
    ) -> Self {
        match not_in {
            NotIn::Rejected(rejected) => {
                Self::called(breaker.reject_by(way, rejected, request), None)
            }
            NotIn::MayWait(at_most) => {
                let circuit = breaker.circuit(&way).clone();
                // If it panics, it does so once more when the call is admitted, and that has failed.
                let says = catch_panic(|| breaker.caller_of(&way, &request)).flatten();
                let caller = CallerLimit::earlier(caller, says);
                let at_most = caller.map_or(at_most, |caller| at_most.min(caller.left()));
                let breaker = breaker.take_ready();
                Self::of(Kind::Waits {
                    waiting: Box::pin(circuit.wait_for_place(at_most)),
                    held: Some(Held {
                        breaker,
                        way,
                        request,
                        caller,
                    }),
                })
            }
        }
    }
}

impl<S: Guarded<Req>, Req> Kind<S, Req> {
    #[inline]
    fn called_in(
        breaker: &mut S,
        (way, request): (S::Way, Req),
        place: Place,
        caller: Option<CallerLimit>,
    ) -> Self {
        let mut call = breaker.call_by(way, request);
        if let Some(caller) = caller {
            S::shorten(&mut call, caller);
        }
        // An answer to a rejection may take its time. It needs no place for that.
        let place = (!S::is_rejected(&call)).then_some(place);
        Self::Called { call, place }
    }

    #[cold]
    fn after_wait(entered: Result<Place, Rejected>, held: Held<S, S::Way, Req>) -> Self {
        let Held {
            mut breaker,
            way,
            request,
            caller,
        } = held;
        match entered {
            Ok(place) => Self::called_in(&mut breaker, (way, request), place, caller),
            Err(rejected) => Self::Called {
                call: breaker.reject_by(way, rejected, request),
                place: None,
            },
        }
    }
}

impl<S, Req, E> Future for BulkheadFuture<S, Req, E>
where
    S: Guarded<Req>,
    E: HoldsPlace<S::Response>,
{
    type Output = Result<E::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut kind = self.project().kind;
        if let KindProjection::Waits { waiting, held } = kind.as_mut().project() {
            let entered = ready!(waiting.as_mut().poll(context));
            let held = held.take().expect("polled after completion");
            kind.set(Kind::after_wait(entered, held));
        }
        let KindProjection::Called { call, place } = kind.project() else {
            unreachable!("it has its place, or is rejected");
        };
        // In hand, so that a panic gives it back.
        let in_hand = place.take();
        match call.poll(context) {
            Poll::Pending => {
                *place = in_hand;
                Poll::Pending
            }
            Poll::Ready(result) => Poll::Ready(result.map(|response| E::hold(in_hand, response))),
        }
    }
}

/// A service that a [`BulkheadLayer`] goes around. That is a [`CircuitBreaker`], also one that is not ready while its
/// circuit is open. With the feature `registry` it may have many circuits.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "a bulkhead goes around a breaker: its place is taken before the circuit admits, and `{Self}` is no \
               breaker for requests of type `{Req}`",
    label = "no breaker with an inner service that is `Clone`",
    note = "in a `ServiceBuilder`, `BulkheadLayer` stands right above the breaker's layer; and the inner service has \
            to be `Clone`, because a call that waits takes it along"
)]
pub trait Guarded<Req>: Service<Req> + sealed::Sealed + Sized {
    /// What was found out about a request, to be asked once.
    #[doc(hidden)]
    type Way;

    /// None if the call will reach nobody.
    #[doc(hidden)]
    fn way(&self, request: &Req) -> Option<Self::Way>;

    #[doc(hidden)]
    fn circuit<'a>(&'a self, way: &'a Self::Way) -> &'a Circuit;

    #[doc(hidden)]
    fn call_by(&mut self, way: Self::Way, request: Req) -> Self::Future;

    /// Rejects a call, as the breaker's layer says, whose rejection is counted already.
    #[doc(hidden)]
    fn reject_by(&mut self, way: Self::Way, rejected: Rejected, request: Req) -> Self::Future;

    /// Until when the caller waits.
    #[doc(hidden)]
    fn caller_of(&self, way: &Self::Way, request: &Req) -> Option<CallerLimit>;

    #[doc(hidden)]
    fn shorten(future: &mut Self::Future, caller: CallerLimit);

    #[doc(hidden)]
    fn is_rejected(future: &Self::Future) -> bool;

    /// Takes what was found ready for the next call.
    #[doc(hidden)]
    fn take_ready(&mut self) -> Self;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

impl<S, C, R, X> sealed::Sealed for CircuitBreaker<S, C, R, X> {}

#[diagnostic::do_not_recommend]
impl<S, C, R, X, Req> Guarded<Req> for CircuitBreaker<S, C, R, X>
where
    X: ObserveResponse<Req, S::Response, C, R, X>,
    X::RequestFacts: ClassifiedBy<C, S::Response, S::Error>,
    S: Service<Req> + Clone,
    R: Reject<Req, S::Response, S::Error>,
{
    type Way = ();

    #[inline]
    fn way(&self, _: &Req) -> Option<()> {
        self.is_ready().then_some(())
    }

    #[inline]
    fn circuit<'a>(&'a self, (): &'a ()) -> &'a Circuit {
        self.circuit()
    }

    #[inline]
    fn call_by(&mut self, (): (), request: Req) -> Self::Future {
        self.call(request)
    }

    fn reject_by(&mut self, (): (), rejected: Rejected, request: Req) -> Self::Future {
        ResponseFuture::rejected(self.reject_ready(rejected, request))
    }

    fn caller_of(&self, (): &(), request: &Req) -> Option<CallerLimit> {
        self.scope().caller_of(request)
    }

    fn shorten(future: &mut Self::Future, caller: CallerLimit) {
        future.shorten(caller);
    }

    #[inline]
    fn is_rejected(future: &Self::Future) -> bool {
        future.is_rejected()
    }

    fn take_ready(&mut self) -> Self {
        self.take_ready()
    }
}

impl<S> sealed::Sealed for PendingWhileOpen<S> {}

#[diagnostic::do_not_recommend]
impl<S, C, R, X, Req> Guarded<Req> for PendingWhileOpen<CircuitBreaker<S, C, R, X>>
where
    CircuitBreaker<S, C, R, X>: Guarded<Req>,
{
    type Way = <CircuitBreaker<S, C, R, X> as Guarded<Req>>::Way;

    fn way(&self, request: &Req) -> Option<Self::Way> {
        self.get_ref().way(request)
    }

    fn circuit<'a>(&'a self, way: &'a Self::Way) -> &'a Circuit {
        Guarded::circuit(self.get_ref(), way)
    }

    fn call_by(&mut self, way: Self::Way, request: Req) -> Self::Future {
        self.get_mut().call_by(way, request)
    }

    fn reject_by(&mut self, way: Self::Way, rejected: Rejected, request: Req) -> Self::Future {
        self.get_mut().reject_by(way, rejected, request)
    }

    fn caller_of(&self, way: &Self::Way, request: &Req) -> Option<CallerLimit> {
        Guarded::caller_of(self.get_ref(), way, request)
    }

    fn shorten(future: &mut Self::Future, caller: CallerLimit) {
        <CircuitBreaker<S, C, R, X> as Guarded<Req>>::shorten(future, caller);
    }

    fn is_rejected(future: &Self::Future) -> bool {
        <CircuitBreaker<S, C, R, X> as Guarded<Req>>::is_rejected(future)
    }

    fn take_ready(&mut self) -> Self {
        self.take_ready(Guarded::take_ready)
    }
}

/// How long a call holds its place. The default is [`ToHead`]; with the feature `body`, it may be to the end of its
/// body.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "no place can be held for a response of type `{Res}` like this",
    note = "to the end of a body, it can be held for an `http::Response`"
)]
pub trait HoldsPlace<Res>: sealed::Sealed {
    /// The response of the protected service.
    type Response;

    #[doc(hidden)]
    fn hold(place: Option<Place>, response: Res) -> Self::Response;
}

/// A call holds its place until the head of its response is there, or its error.
#[derive(Clone, Copy, Debug)]
pub struct ToHead;

impl sealed::Sealed for ToHead {}

#[diagnostic::do_not_recommend]
impl<Res> HoldsPlace<Res> for ToHead {
    type Response = Res;

    #[inline]
    fn hold(_: Option<Place>, response: Res) -> Res {
        response
    }
}

/// By hand: nothing is asked of `E`.
impl<E> Clone for BulkheadLayer<E> {
    fn clone(&self) -> Self {
        Self::until()
    }
}

impl<E> fmt::Debug for BulkheadLayer<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadLayer").finish_non_exhaustive()
    }
}

impl<S: Clone, E> Clone for Bulkhead<S, E> {
    fn clone(&self) -> Self {
        Self {
            breaker: self.breaker.clone(),
            extent: PhantomData,
        }
    }
}

impl<S: fmt::Debug, E> fmt::Debug for Bulkhead<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

impl<S: Guarded<Req>, Req, E> fmt::Debug for BulkheadFuture<S, Req, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadFuture").finish_non_exhaustive()
    }
}
