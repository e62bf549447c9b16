//! [`StackLayer`]: everything around one dependency, in the one right order (rule M9).

use std::fmt;

use tower_layer::{Identity, Layer};

use super::fallback::{FallbackLayer, OnFailure, OnRejection};
#[cfg(feature = "cached")]
use crate::degrade::cached::{Cached, CachedLayer};
#[cfg(feature = "retries")]
use crate::degrade::retries::{Idempotent, Plain, Retries};
use crate::{
    circuit::handle::Circuit,
    service::{
        bulkhead::{Bulkhead, BulkheadLayer},
        classify::HttpClassifier,
        give_back::Keep,
        layer::CircuitBreakerLayer,
        limited::Limited,
        reject::ServiceUnavailable,
        scope::HeadOnly,
    },
};

#[cfg(feature = "retries")]
type RetryLayer<P> = tower::retry::RetryLayer<P>;

/// A layer with everything around one dependency: fallback, kept answers, retries, bulkhead, breaker and call timeout.
/// They are in the one right order, in whatever order you name them (rule M9).
///
/// ```text
///                            request
///                               │
/// ┌───────────────────────  fallback  ───────────────────────┐  on_rejection, on_failure, fallback
/// │ ┌───────────────────  kept answers  ───────────────────┐ │  cached
/// │ │ ┌───────────────────  retries  ──────────────────┐   │ │  retries
/// │ │ │ ┌────────────────  bulkhead  ──────────────┐   │   │ │
/// │ │ │ │ ┌──────────────  breaker  ───────────┐   │   │   │ │  breaker, classify_with
/// │ │ │ │ │ ┌──────────  call timeout  ─────┐  │   │   │   │ │
/// │ │ │ │ │ │         the service           │  │   │   │   │ │
/// └─┴─┴─┴─┴─┴───────────────────────────────┴──┴───┴───┴───┴─┘
/// ```
///
/// An open circuit rejects a call at once. Otherwise the call waits for a place in the bulkhead, and is admitted when
/// it has one.
///
/// Bulkhead, breaker and timeout are always there. Their limits are settings of the circuit, in its builder or in its
/// block of a configuration. What is off there costs nothing. Fallback, kept answers and retries are there if you name
/// them:
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
/// use tower_breaker::{Circuit, degrade::{StackLayer, fallback}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let circuit = Circuit::builder("reviews")
///     .failure_rate(0.5)
///     .call_timeout(Duration::from_millis(800))
///     .bulkhead(20, Duration::from_millis(50))
///     .build()?;
/// let layer = StackLayer::of(&circuit)
///     .on_failure(fallback::value(Response::new("no reviews today".to_owned())));
///
/// let client = service_fn(async |_: Request<String>| {
///     Response::builder().status(502).body(String::new())
/// });
/// let answer = layer.layer(client).oneshot(Request::default()).await?;
/// assert_eq!(answer.body(), "no reviews today");
/// # Ok(())
/// # }
/// ```
///
/// # By hand
///
/// It is nothing but its parts. It behaves as they do when you put them around each other yourself:
///
/// ```
/// # use http::{Request, Response};
/// # use tower::{ServiceBuilder, service_fn};
/// # use tower_breaker::{BulkheadLayer, Circuit, CircuitBreakerLayer};
/// # use tower_breaker::degrade::fallback::{self, FallbackLayer};
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let circuit = Circuit::builder("reviews").build()?;
/// # let client = service_fn(async |_: Request<String>| Response::builder().body(String::new()));
/// let service = ServiceBuilder::new()
///     .layer(FallbackLayer::on_failure(&circuit, fallback::value(Response::new(String::new()))))
///     // .layer(cached.layer(&circuit))
///     // .layer(RetryLayer::new(Retries::new(&circuit)))
///     .layer(BulkheadLayer::new())
///     .layer(CircuitBreakerLayer::new(circuit.clone()).limit_calls())
///     .service(client);
/// # fn is_service<S: tower::Service<Request<String>>>(_: S) {}
/// # is_service(service);
/// # Ok(())
/// # }
/// ```
///
/// Some things go only by hand: a circuit for each key (`keyed`, with the feature `registry`), calls that are held
/// ([`HoldLayer`](super::queue::HoldLayer)), and what stands between two parts.
///
/// # Its type
///
/// A part that is left out is [`Identity`]. [`Stacked`] is the service's type, from the outside in:
///
/// ```
/// use std::convert::Infallible;
/// use http::{Request, Response};
/// use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};
/// use tower_breaker::{
///     Circuit,
///     degrade::{StackLayer, Stacked, fallback::{self, FallbackLayer, OnFailure, Value}},
/// };
///
/// # #[derive(Clone)]
/// # struct Client;
/// # impl Service<Request<String>> for Client {
/// #     type Response = Response<String>;
/// #     type Error = Infallible;
/// #     type Future = std::future::Ready<Result<Response<String>, Infallible>>;
/// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
/// #         std::task::Poll::Ready(Ok(()))
/// #     }
/// #     fn call(&mut self, _: Request<String>) -> Self::Future { std::future::ready(Ok(Response::default())) }
/// # }
/// /// In a field.
/// struct Shop {
///     prices: Stacked<Client>,
///     reviews: Stacked<Client, FallbackLayer<Value<Response<String>>, OnFailure>>,
/// }
///
/// /// As an object.
/// type Reviews = BoxCloneSyncService<Request<String>, Response<String>, Infallible>;
///
/// /// In a signature.
/// fn protect(client: Client, circuit: &Circuit) -> Stacked<Client> {
///     StackLayer::of(circuit).layer(client)
/// }
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("reviews").build()?;
/// let layer = StackLayer::of(&circuit).on_failure(fallback::value(Response::default()));
/// let shop = Shop { prices: protect(Client, &circuit), reviews: layer.layer(Client) };
/// let reviews: Reviews = BoxCloneSyncService::new(shop.reviews);
/// # let _ = (shop.prices, reviews);
/// # Ok(())
/// # }
/// ```
///
/// # Watch out
///
/// * The service inside has to be `Clone`: a call that waits for a place takes it along.
/// * With [`cached`](Self#method.cached) or [`retries`](Self#method.retries), requests and responses have to be those
///   of `http`. reqwest's client needs an adapter, which the guide `degrading` has.
/// * A breaker [without an answer to a time-out](crate::CircuitBreakerLayer::without_time_out_answer) lets a call that
///   took too long go on, and no fallback answers in its place.
/// * Around a service whose error is boxed, fallback and cache are made by hand, with `boxed_errors()`:
///
///   ```text
///   stack.on_failure(answer)                                                       // wrong: does not compile
///   stack.fallback(FallbackLayer::on_failure(&circuit, answer).boxed_errors())     // right
///   ```
/// * Each part has its own classifier, which says what a failure is. [`classify_with`](Self::classify_with) sets it for
///   all. Set it by hand for a part that you make by hand.
/// * With [`cached`](Self#method.cached), responses are `Response<CachedBody<B>>`. A fallback has to answer with these,
///   too. They are not `Clone`, so take `cached::otherwise` in place of
///   [`value`](super::fallback::value), or [`response`](super::fallback::response):
///
///   ```text
///   stack.cached(&cached).on_failure(value(Response::new(none)))        // wrong: does not compile
///   stack.cached(&cached).on_failure(otherwise(Response::new(none)))    // right
///   ```
/// * If a setting is off now and turned on later, such as a [bulkhead](crate::CircuitBuilder::bulkhead), it holds from
///   then on. For retries, that is so only if they are named here.
#[must_use = "a layer does nothing until it is applied"]
pub struct StackLayer<
    F = Identity,
    C = Identity,
    R = Identity,
    B = StackedBreaker,
    J = HttpClassifier,
> {
    circuit: Circuit,
    classifier: J,
    fallback: F,
    cached: C,
    retries: R,
    breaker: B,
}

/// The retries in a [`StackLayer`], with all defaults.
#[cfg(feature = "retries")]
#[cfg_attr(docsrs, doc(cfg(feature = "retries")))]
pub type StackedRetries<J = HttpClassifier, M = Plain> = RetryLayer<Retries<J, Idempotent, M>>;

/// The breaker's layer in a [`StackLayer`]. Its parameters say who classifies, what a rejection becomes, how far a call
/// is observed, and what a rejection gives back. Each has its usual default.
pub type StackedBreaker<J = HttpClassifier, R = ServiceUnavailable, X = HeadOnly, G = Keep> =
    CircuitBreakerLayer<J, R, Limited<X>, G>;

/// The service `S` with a [`StackLayer`] around it: fallback, kept answers, retries, breaker, each by its layer's type,
/// or [`Identity`].
pub type Stacked<S, F = Identity, C = Identity, R = Identity, B = StackedBreaker> =
    <StackLayer<F, C, R, B> as Layer<S>>::Service;

impl StackLayer {
    /// Makes a layer of bulkhead, breaker and call timeout, with the settings of `circuit`.
    pub fn of(circuit: &Circuit) -> Self {
        Self {
            circuit: circuit.clone(),
            classifier: HttpClassifier::new(),
            fallback: Identity::new(),
            cached: Identity::new(),
            retries: Identity::new(),
            breaker: CircuitBreakerLayer::new(circuit.clone()).limit_calls(),
        }
    }

    /// Sets what a failure is, by a [`Classify`](crate::classify::Classify). The breaker and each part that is named
    /// here get a clone of it. Call it first.
    ///
    /// ```
    /// # use http::{Response, StatusCode};
    /// use tower_breaker::{Circuit, classify::HttpClassifier, degrade::{StackLayer, fallback}};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("reviews").build()?;
    /// let layer = StackLayer::of(&circuit)
    ///     .classify_with(HttpClassifier::new().failures([StatusCode::TOO_MANY_REQUESTS]))
    ///     .on_failure(fallback::value(Response::new(String::new())));
    /// # let _: StackLayer<_> = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: [`HttpClassifier`].
    pub fn classify_with<J: Clone>(
        self,
        classifier: J,
    ) -> StackLayer<Identity, Identity, Identity, StackedBreaker<J>, J> {
        let breaker = CircuitBreakerLayer::new(self.circuit.clone()).classifier(classifier.clone());
        StackLayer {
            breaker: breaker.limit_calls(),
            classifier,
            circuit: self.circuit,
            fallback: self.fallback,
            cached: self.cached,
            retries: self.retries,
        }
    }
}

impl<F, C, R, B, J> StackLayer<F, C, R, B, J> {
    /// Changes the breaker: what a rejection becomes, gRPC, bodies, a deadline of the caller. If called twice, the
    /// second holds. The breaker [keeps its timers itself](CircuitBreakerLayer::limit_calls) in any case.
    ///
    /// ```
    /// # use tower_breaker::{Circuit, degrade::StackLayer};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("reviews").build()?;
    /// let layer = StackLayer::of(&circuit).breaker(|breaker| breaker.reject_as_error());
    /// # let _: StackLayer<_, _, _, _> = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: a [`CircuitBreakerLayer`] as it is made.
    pub fn breaker<J2, R2, X, G>(
        self,
        change: impl FnOnce(CircuitBreakerLayer<J>) -> CircuitBreakerLayer<J2, R2, X, G>,
    ) -> StackLayer<F, C, R, StackedBreaker<J2, R2, X, G>, J>
    where
        J: Clone,
    {
        let breaker = CircuitBreakerLayer::new(self.circuit.clone());
        let breaker = change(breaker.classifier(self.classifier.clone()));
        StackLayer {
            breaker: breaker.limit_calls(),
            circuit: self.circuit,
            classifier: self.classifier,
            fallback: self.fallback,
            cached: self.cached,
            retries: self.retries,
        }
    }

    /// Answers what was rejected: [`FallbackLayer::on_rejection`]. If called twice, or with another fallback, the last
    /// holds.
    pub fn on_rejection<A>(
        self,
        answer: A,
    ) -> StackLayer<FallbackLayer<A, OnRejection>, C, R, B, J> {
        let layer = FallbackLayer::on_rejection(&self.circuit, answer);
        self.fallback(layer)
    }

    /// Answers what was rejected, took too long, or failed: [`FallbackLayer::on_failure`].
    pub fn on_failure<A>(self, answer: A) -> StackLayer<FallbackLayer<A, OnFailure<J>>, C, R, B, J>
    where
        J: Clone,
    {
        let layer = FallbackLayer::on_failure(&self.circuit, answer);
        let layer = layer.classify_with(self.classifier.clone());
        self.fallback(layer)
    }

    /// Takes a fallback that was made by hand: one that keeps the request, has a predicate, or writes a header. Or
    /// another layer in its place, such as a [`DeferLayer`](super::queue::DeferLayer) or an
    /// [`OutboxLayer`](super::queue::OutboxLayer).
    ///
    /// Default: none.
    pub fn fallback<F2>(self, fallback: F2) -> StackLayer<F2, C, R, B, J> {
        StackLayer {
            fallback,
            circuit: self.circuit,
            classifier: self.classifier,
            cached: self.cached,
            retries: self.retries,
            breaker: self.breaker,
        }
    }

    /// Keeps good answers, and gives them when the dependency has none: [`Cached::layer`].
    #[cfg(feature = "cached")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cached")))]
    pub fn cached(self, cached: &Cached) -> StackLayer<F, CachedLayer<J>, R, B, J>
    where
        J: Clone,
    {
        let layer = cached.layer(&self.circuit);
        let layer = layer.classify_with(self.classifier.clone());
        self.cached_by(layer)
    }

    /// Keeps and gives good answers by a layer that was made by hand.
    ///
    /// Default: nothing is kept.
    #[cfg(feature = "cached")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cached")))]
    pub fn cached_by<C2>(self, cached: C2) -> StackLayer<F, C2, R, B, J> {
        StackLayer {
            cached,
            circuit: self.circuit,
            classifier: self.classifier,
            fallback: self.fallback,
            retries: self.retries,
            breaker: self.breaker,
        }
    }

    /// Repeats calls that have failed, as the circuit's [`retries`](crate::CircuitBuilder::retries) say: see
    /// [`Retries`]. Requests have to be `Clone` for that.
    #[cfg(feature = "retries")]
    #[cfg_attr(docsrs, doc(cfg(feature = "retries")))]
    pub fn retries<M>(self) -> StackLayer<F, C, StackedRetries<J, M>, B, J>
    where
        J: Clone,
    {
        let policy = Retries::new(&self.circuit).classifier(self.classifier.clone());
        self.retries_by(policy)
    }

    /// Repeats calls by a policy that was made by hand.
    ///
    /// Default: none.
    #[cfg(feature = "retries")]
    #[cfg_attr(docsrs, doc(cfg(feature = "retries")))]
    pub fn retries_by<P>(self, policy: P) -> StackLayer<F, C, RetryLayer<P>, B, J> {
        StackLayer {
            retries: RetryLayer::new(policy),
            circuit: self.circuit,
            classifier: self.classifier,
            fallback: self.fallback,
            cached: self.cached,
            breaker: self.breaker,
        }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }
}

impl<S, F, C, R, B, J> Layer<S> for StackLayer<F, C, R, B, J>
where
    B: Layer<S>,
    R: Layer<Bulkhead<B::Service>>,
    C: Layer<R::Service>,
    F: Layer<C::Service>,
{
    type Service = F::Service;

    fn layer(&self, inner: S) -> Self::Service {
        let guarded = BulkheadLayer::new().layer(self.breaker.layer(inner));
        let tried = self.retries.layer(guarded);
        self.fallback.layer(self.cached.layer(tried))
    }
}

/// By what its parts are.
impl<F: Clone, C: Clone, R: Clone, B: Clone, J: Clone> Clone for StackLayer<F, C, R, B, J> {
    fn clone(&self) -> Self {
        Self {
            circuit: self.circuit.clone(),
            classifier: self.classifier.clone(),
            fallback: self.fallback.clone(),
            cached: self.cached.clone(),
            retries: self.retries.clone(),
            breaker: self.breaker.clone(),
        }
    }
}

impl<F: fmt::Debug, C: fmt::Debug, R: fmt::Debug, B, J> fmt::Debug for StackLayer<F, C, R, B, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackLayer")
            .field("circuit", &self.circuit)
            .field("fallback", &self.fallback)
            .field("cached", &self.cached)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}
