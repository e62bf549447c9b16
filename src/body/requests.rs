//! [`RequestBodiesLayer`]: a slow client is not a slow dependency.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{BodyEnd, ClassifyEos, ClientBody, client::ClientTime, scope::ObservesBodies};
use crate::{
    circuit::{
        error::{Rejected, TimedOut},
        handle::Circuit,
        limit::CallerLimit,
    },
    machine::Outcome,
    service::{
        breaker::CircuitBreaker,
        check::ready_and_oneshot,
        classify::HttpClassifier,
        give_back::{GiveBack, Keep},
        layer::CircuitBreakerLayer,
        reject::{KeepTimeOut, Reject, ServiceUnavailable, TellTimeOut},
        scope::{CallScope, HeadOnly, ObserveResponse, ObservedCall, sealed},
        shared::{Policies, Shared},
    },
};

#[cfg_attr(docsrs, doc(cfg(feature = "body")))]
impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Subtracts the time in which a call waits for its client from the time it has taken (rules A3, A4). So a slow
    /// upload does not count as a slow dependency. For servers: see [the guide](crate::guide::servers#slow-clients).
    ///
    /// Call it last: nothing else can be set on the layer that it returns. It does not go together with
    /// [`pending_while_open`](CircuitBreakerLayer::pending_while_open), which is for the clients of a balancer.
    ///
    /// The inner service gets what `into_body` makes of a [`ClientBody`], which takes the place of the request's
    /// body. For axum that is `axum::body::Body::new`; for tonic, `tonic::body::Body::new`; and for a
    /// service that takes any body, [`std::convert::identity`]. Rejections get the request as it came.
    ///
    /// It matters only if calls are timed: slow ones, probes, and those that are abandoned. A call whose request has a
    /// body costs one allocation.
    ///
    /// ```
    /// use std::time::Duration;
    /// use axum::{Router, body::Body, routing::post};
    /// use tower_breaker::Circuit;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let breaker = Circuit::builder("uploads")
    ///     .slow_call_duration(Duration::from_secs(2))
    ///     .slow_call_rate(0.5)
    ///     .build_layer()?;
    /// let app: Router = Router::new()
    ///     .route("/upload", post(|upload: String| async move { upload.len().to_string() }))
    ///     .layer(breaker.observe_request_bodies(Body::new));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A stalled upload is still a call under way. So give the request's body a time-out, outside of the breaker:
    ///
    /// ```
    /// use std::time::Duration;
    /// use axum::{Router, body::Body, routing::post};
    /// use tower::ServiceBuilder;
    /// use tower_breaker::Circuit;
    /// use tower_http::timeout::RequestBodyTimeoutLayer;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let breaker = Circuit::builder("uploads").failure_rate(0.5).build_layer()?;
    /// let app: Router = Router::new()
    ///     .route("/upload", post(|upload: String| async move { upload.len().to_string() }))
    ///     .layer(
    ///         ServiceBuilder::new()
    ///             .layer(RequestBodyTimeoutLayer::new(Duration::from_secs(10)))
    ///             .layer(breaker.observe_request_bodies(Body::new)),
    ///     );
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** when a read finds nothing, all time counts as the client's until a read finds something or the
    /// body is dropped, whatever the handler does meanwhile.
    ///
    /// ```
    /// # use axum::body::Body;
    /// # use http_body_util::BodyExt;
    /// # async fn ask_dependency(_: Option<()>) {}
    /// # fn first(_: &mut Body) -> Option<()> { None }
    /// # async fn wrong(mut body: Body) {
    /// // Wrong: if the first look found nothing, the dependency's time is taken for the client's.
    /// let first = first(&mut body);
    /// ask_dependency(first).await;
    /// # }
    /// # async fn right(body: Body) {
    ///
    /// // Right: read all, or drop the body; then ask.
    /// let all = body.collect().await;
    /// ask_dependency(all.ok().map(drop)).await;
    /// # }
    /// ```
    ///
    /// Default: all of a call's time is the dependency's, from its admission on.
    pub fn observe_request_bodies<F>(self, into_body: F) -> RequestBodiesLayer<F, C, R, X, G> {
        RequestBodiesLayer {
            layer: self.with_policies(|policies| Policies {
                classifier: policies.classifier,
                rejection: Arc::new(AsItCame(policies.rejection)),
                scope: Arc::new(ObserveRequestBodies(policies.scope)),
            }),
            into_body,
        }
    }
}

/// A [`CircuitBreakerLayer`] to which a slow client is not a slow dependency. Made by
/// [`observe_request_bodies`](CircuitBreakerLayer::observe_request_bodies).
#[must_use = "a layer does nothing until it is applied"]
pub struct RequestBodiesLayer<F, C = HttpClassifier, R = ServiceUnavailable, X = HeadOnly, G = Keep>
{
    layer: CircuitBreakerLayer<C, AsItCame<R>, ObserveRequestBodies<X>, G>,
    into_body: F,
}

impl<F, C, R, X, G> RequestBodiesLayer<F, C, R, X, G> {
    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        self.layer.circuit()
    }
}

impl<S, F, C, R, X, G> Layer<S> for RequestBodiesLayer<F, C, R, X, G>
where
    F: Clone,
    X: CallScope,
    G: GiveBack<IntoBody<S, F>>,
{
    type Service =
        RequestBodies<CircuitBreaker<IntoBody<S, F>, C, AsItCame<R>, ObserveRequestBodies<X>>>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestBodies(self.layer.layer(IntoBody {
            inner,
            into_body: self.into_body.clone(),
        }))
    }
}

impl<F: Clone, C, R, X, G> Clone for RequestBodiesLayer<F, C, R, X, G> {
    fn clone(&self) -> Self {
        Self {
            layer: self.layer.clone(),
            into_body: self.into_body.clone(),
        }
    }
}

impl<F, C, R, X, G> fmt::Debug for RequestBodiesLayer<F, C, R, X, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBodiesLayer")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

/// A [`CircuitBreaker`] whose requests have [`ClientBody`]s. Made by a [`RequestBodiesLayer`].
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct RequestBodies<S>(S);

ready_and_oneshot!(RequestBodies<S>);

impl<S> RequestBodies<S> {
    /// The [`CircuitBreaker`].
    pub fn get_ref(&self) -> &S {
        &self.0
    }

    /// The [`CircuitBreaker`].
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.0
    }

    /// The [`CircuitBreaker`].
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S, B> Service<Request<B>> for RequestBodies<S>
where
    S: Service<Request<ClientBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.0.call(request.map(ClientBody::new))
    }
}

/// An inner service, which gets bodies of its own kind. Made by a [`RequestBodiesLayer`].
#[derive(Clone)]
#[must_use = "services do nothing unless called"]
pub struct IntoBody<S, F> {
    inner: S,
    into_body: F,
}

impl<S, F> IntoBody<S, F> {
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

impl<S, F, B, B2> Service<Request<ClientBody<B>>> for IntoBody<S, F>
where
    S: Service<Request<B2>>,
    F: Fn(ClientBody<B>) -> B2,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ClientBody<B>>) -> S::Future {
        self.inner.call(request.map(&self.into_body))
    }
}

impl<S: fmt::Debug, F> fmt::Debug for IntoBody<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoBody")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// A [`Reject`] that gets the request as it came.
#[derive(Debug)]
pub struct AsItCame<R>(Arc<R>);

#[diagnostic::do_not_recommend]
impl<R, B, Res, E> Reject<Request<ClientBody<B>>, Res, E> for AsItCame<R>
where
    R: Reject<Request<B>, Res, E>,
{
    type Error = R::Error;
    type Future = R::Future;

    fn reject(&self, rejected: Rejected, request: Request<ClientBody<B>>) -> Self::Future {
        self.0.reject(rejected, request.map(ClientBody::into_inner))
    }

    fn inner_error(&self, error: E) -> Self::Error {
        self.0.inner_error(error)
    }

    fn timed_out(&self, timed_out: TimedOut) -> Option<Result<Res, Self::Error>> {
        self.0.timed_out(timed_out)
    }
}

impl<R: TellTimeOut<F>, F> TellTimeOut<F> for AsItCame<R> {
    type With = AsItCame<R::With>;
    type Without = AsItCame<R::Without>;

    fn with(rejection: Arc<Self>, respond: F) -> Self::With {
        AsItCame(Arc::new(R::with(rejection.0.clone(), respond)))
    }

    fn without(rejection: Arc<Self>) -> Self::Without {
        AsItCame(Arc::new(R::without(rejection.0.clone())))
    }
}

impl<R: KeepTimeOut> KeepTimeOut for AsItCame<R> {
    type TimeOut = R::TimeOut;

    fn kept_time_out(&self) -> R::TimeOut {
        self.0.kept_time_out()
    }
}

/// A [`CallScope`] that also knows how long a call waits for its client.
#[derive(Debug)]
pub struct ObserveRequestBodies<X>(Arc<X>);

impl<X> sealed::Sealed for ObserveRequestBodies<X> {}

impl<X: CallScope> CallScope for ObserveRequestBodies<X> {
    type RequestFacts = X::RequestFacts;
    type Meter = ClientTime;
    type Timer = X::Timer;

    #[inline(always)]
    fn caller_limit(facts: &X::RequestFacts) -> Option<CallerLimit> {
        X::caller_limit(facts)
    }
}

impl<B, Res, C, R, X> ObserveResponse<Request<ClientBody<B>>, Res, C, R, Self>
    for ObserveRequestBodies<X>
where
    B: Body,
    X: ObserveResponse<Request<ClientBody<B>>, Res, C, R, Self>,
{
    type Response = X::Response;

    fn request_facts(
        &self,
        shared: &Shared<C, R, Self>,
        request: &Request<ClientBody<B>>,
    ) -> X::RequestFacts {
        self.0.request_facts(shared, request)
    }

    fn caller_of(&self, request: &Request<ClientBody<B>>) -> Option<CallerLimit> {
        self.0.caller_of(request)
    }

    fn meter(shared: &Shared<C, R, Self>, request: &mut Request<ClientBody<B>>) -> ClientTime {
        request.body_mut().measure(|| shared.clock())
    }

    fn finish_response<E>(
        outcome: Outcome,
        facts: &X::RequestFacts,
        admitted: &mut ObservedCall<C, R, Self>,
        result: Poll<Result<Res, E>>,
    ) -> Poll<Result<X::Response, E>> {
        X::finish_response(outcome, facts, admitted, result)
    }

    fn passthrough<E>(result: Poll<Result<Res, E>>) -> Poll<Result<X::Response, E>> {
        X::passthrough(result)
    }
}

impl<X: ObservesBodies> ObservesBodies for ObserveRequestBodies<X> {
    fn measures_to_end_of_body(&self) -> bool {
        self.0.measures_to_end_of_body()
    }
}

impl<X: ClassifyEos<E>, E> ClassifyEos<E> for ObserveRequestBodies<X> {
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        self.0.classify_eos(end)
    }

    fn awaits_trailers(&self) -> bool {
        self.0.awaits_trailers()
    }
}
