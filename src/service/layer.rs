//! [`CircuitBreakerLayer`]: puts a circuit around services.

use std::{fmt, future::Future, marker::PhantomData, sync::Arc};

use tower_layer::Layer;

use super::{
    breaker::CircuitBreaker,
    classify::HttpClassifier,
    give_back::{GiveBack, Keep},
    reject::{
        Fallback, KeepTimeOut, RejectAsBoxError, RejectAsError, RejectWith, ServiceUnavailable,
        TellTimeOut,
    },
    scope::{CallScope, HeadOnly},
    shared::{Family, Policies},
};
use crate::{
    circuit::{
        builder::CircuitBuilder,
        error::{Rejected, TimedOut},
        handle::Circuit,
        settings::ConfigError,
    },
    machine::Outcome,
};

/// Puts a circuit breaker around services.
///
/// **Every service that one layer makes shares the layer's circuit**, and so do their clones (rule G4). That is what a
/// router needs: it applies a layer once for each route, and a server makes its services anew for each connection. To
/// give a route a circuit of its own, give it a layer of its own.
///
/// Keep the layer, or a service that it has made itself, somewhere. Then threads do not contend for what the services
/// share: see [the guide](crate::guide::speed).
///
/// Where it goes: around [servers](crate::guide::servers), around [clients](crate::guide::clients), beside
/// [neighbours](crate::guide::neighbours). If it does not compile, see [what the compiler
/// says](crate::guide::compiler).
///
/// ```
/// use std::time::Duration;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use tower_breaker::{Circuit, CircuitBreakerLayer, State};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let circuit = Circuit::builder("payments")
///     .consecutive_failures(3)
///     .open_for(Duration::from_secs(5))
///     .build()?;
///
/// let mut service = ServiceBuilder::new()
///     .layer(CircuitBreakerLayer::new(circuit.clone()))
///     .service(service_fn(|_: http::Request<String>| async {
///         http::Response::builder().status(500).body(String::new())
///     }));
///
/// for _ in 0..3 {
///     let answer = service.ready().await?.call(http::Request::default()).await?;
///     assert_eq!(answer.status(), 500);
/// }
/// assert_eq!(circuit.state(), State::Open);
///
/// let answer = service.ready().await?.call(http::Request::default()).await?;
/// assert_eq!(answer.status(), 503);
/// assert_eq!(answer.headers()["retry-after"], "5");
/// # Ok(())
/// # }
/// ```
///
/// # Watch out
///
/// **Build a layer once**, outside of whatever runs for each request. A layer that is built for each request has a
/// circuit for each request. That circuit is always closed, and never opens:
///
/// ```
/// # use std::convert::Infallible;
/// # use tower::{Layer, ServiceExt, service_fn};
/// # use tower_breaker::{Circuit, CircuitBreakerLayer, ConfigError};
/// # type Request = http::Request<String>;
/// # type Response = http::Response<String>;
/// # async fn ask(_: Request) -> Result<Response, Infallible> { Ok(Response::default()) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ConfigError> {
/// // Wrong: a new circuit for each request.
/// async fn wrong(request: Request) -> Result<Response, ConfigError> {
///     let layer = Circuit::builder("payments").build_layer()?;
/// #   let client = service_fn(ask);
///     Ok(layer.layer(client).oneshot(request).await.unwrap())
/// }
///
/// // Right: it is built where the application starts.
/// let layer = Circuit::builder("payments").build_layer()?;
/// let right = async |request: Request| {
/// #   let client = service_fn(ask);
///     layer.layer(client).oneshot(request).await.unwrap()
/// };
/// # right(Request::default()).await;
/// # wrong(Request::default()).await?;
/// # assert_eq!(tower_breaker::observe::short_lived_circuits()[0].circuits, 1);
/// # Ok(())
/// # }
/// ```
///
/// A test can find it out: `assert_eq!(`[`short_lived_circuits`](crate::observe::short_lived_circuits)`(), [])` after a
/// few requests. Builds with debug assertions also say so. Once a hundred such circuits of one place are gone, they
/// write a line to standard error.
///
/// # Configured
///
/// Around a service that is not HTTP:
///
/// ```
/// use tower::{ServiceBuilder, service_fn};
/// use tower_breaker::{Circuit, CircuitBreakerLayer, Outcome};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let layer = CircuitBreakerLayer::new(Circuit::builder("database").build()?)
///     .classify(|result: Result<&u32, &std::io::Error>| match result {
///         Ok(_) => Outcome::Success,
///         Err(error) if error.kind() == std::io::ErrorKind::NotFound => Outcome::Ignored,
///         Err(_) => Outcome::Failure,
///     })
///     .reject_as_error();
///
/// let service = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|key: u32| async move { Ok::<u32, std::io::Error>(key) }));
/// # let _ = tower::util::BoxService::new(service);
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it is applied"]
pub struct CircuitBreakerLayer<C = HttpClassifier, R = ServiceUnavailable, X = HeadOnly, G = Keep> {
    /// What all services share, ready to be handed out: a router may apply a layer for each request.
    family: Family<C, R, X>,
    give_back: PhantomData<fn() -> G>,
}

impl CircuitBuilder {
    /// Builds the circuit and a layer that owns it, like [`CircuitBreakerLayer::new`]`(self.build()?)`.
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build).
    #[track_caller]
    pub fn build_layer(
        self,
    ) -> Result<CircuitBreakerLayer<HttpClassifier, ServiceUnavailable>, ConfigError> {
        self.build().map(CircuitBreakerLayer::new)
    }
}

impl CircuitBreakerLayer {
    /// A layer whose services all share `circuit`.
    pub fn new(circuit: Circuit) -> Self {
        Self::of_family(Family::new(&circuit, &Policies::default()))
    }
}

impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    fn of_family(family: Family<C, R, X>) -> Self {
        Self {
            family,
            give_back: PhantomData,
        }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        self.family.circuit()
    }

    /// A closure says what counts as a failure. Its argument usually needs its type written down:
    /// `|result: Result<&Response<Body>, &Infallible>| …`.
    ///
    /// Default: [`HttpClassifier`].
    #[doc(alias = "recordResult")]
    #[doc(alias = "ShouldHandle")]
    #[doc(alias = "failure_classifier")]
    #[doc(alias = "success_criteria")]
    pub fn classify<F, Res, E>(self, classifier: F) -> CircuitBreakerLayer<F, R, X, G>
    where
        F: Fn(Result<&Res, &E>) -> Outcome,
    {
        self.classifier(classifier)
    }

    /// A [`Classify`](crate::classify::Classify) says what counts as a failure.
    ///
    /// Default: [`HttpClassifier`].
    pub fn classifier<C2>(self, classifier: C2) -> CircuitBreakerLayer<C2, R, X, G> {
        self.with_policies(|policies| Policies {
            classifier: Arc::new(classifier),
            rejection: policies.rejection,
            scope: policies.scope,
        })
    }

    /// Answers rejections with a response of your own: a text (which becomes a 503), a status, both, or a whole
    /// response with the service's own body. See [`IntoAnswer`](crate::reject::IntoAnswer) for all that it may be. To
    /// return what an axum handler returns, call `.into_response()` on it:
    ///
    /// ```
    /// use axum::{Json, Router, http::StatusCode, response::IntoResponse, routing::get};
    /// use tower_breaker::Circuit;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let layer = || Circuit::builder("payments").build_layer();
    /// let text = layer()?.reject_with(|rejected| rejected.to_string());
    /// let status = layer()?.reject_with(|_| (StatusCode::TOO_MANY_REQUESTS, "later, please"));
    /// let json = layer()?.reject_with(|rejected| {
    ///     let problem = Json(serde_json::json!({ "circuit": rejected.circuit() }));
    ///     (StatusCode::SERVICE_UNAVAILABLE, problem).into_response()
    /// });
    /// let app: Router = Router::new()
    ///     .route("/text", get(|| async {}).layer(text))
    ///     .route("/status", get(|| async {}).layer(status))
    ///     .route("/json", get(|| async {}).layer(json));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// * An answer with a status of 4xx or 5xx and no `Retry-After` gets the usual one (rule H1). To leave it out, use
    ///   [`WithoutRetryAfter`](crate::reject::WithoutRetryAfter).
    /// * It is marked as a rejection, like the default one (rule H3).
    /// * A call that takes too long is answered as before: with 504, over gRPC with `grpc-status: 4`, or [with your
    ///   own](Self::time_out_with).
    ///
    /// **Watch out:** http and axum make a 200 of a response without a status of its own. Then a client, or a cache on
    /// the way to it, takes the rejection for a good answer:
    ///
    /// ```
    /// # use axum::{Json, Router, http::StatusCode, response::IntoResponse, routing::get};
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let layer = || Circuit::builder("payments").build_layer();
    /// // Wrong: 200.
    /// let layer_200 = layer()?.reject_with(|_| Json("sorry").into_response());
    ///
    /// // Right: 503.
    /// let layer_503 = layer()?
    ///     .reject_with(|_| (StatusCode::SERVICE_UNAVAILABLE, Json("sorry")).into_response());
    /// # let _: Router = Router::new()
    /// #     .route("/200", get(|| async {}).layer(layer_200))
    /// #     .route("/503", get(|| async {}).layer(layer_503));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: [`ServiceUnavailable`].
    pub fn reject_with<F, A>(
        self,
        respond: F,
    ) -> CircuitBreakerLayer<C, RejectWith<F, R::TimeOut>, X, G>
    where
        F: Fn(&Rejected) -> A,
        R: KeepTimeOut,
    {
        let time_out = self.family.policies().rejection.kept_time_out();
        self.rejection(RejectWith::new(respond, time_out))
    }

    /// A rejection becomes an error, for any service: [`CircuitError`](crate::CircuitError). If the inner error is
    /// boxed already, use [`reject_as_box_error`](Self::reject_as_box_error): a `CircuitError` of a boxed error is no
    /// [`Error`](std::error::Error).
    pub fn reject_as_error(self) -> CircuitBreakerLayer<C, RejectAsError, X, G> {
        self.rejection(RejectAsError)
    }

    /// A rejection becomes a boxed [`Rejected`]. The inner service's errors are boxed as they are.
    pub fn reject_as_box_error(self) -> CircuitBreakerLayer<C, RejectAsBoxError, X, G> {
        self.rejection(RejectAsBoxError)
    }

    /// Answers rejections with an async function of the rejection and the untouched request.
    ///
    /// Its answer is not marked as a rejection: a good answer is a good answer. If it is still a refusal, [mark
    /// it](Rejected::mark_response). A call that takes too long is answered as before: with 504, over gRPC with
    /// `grpc-status: 4`, or [with your own](Self::time_out_with).
    ///
    /// For more there is a layer of its own, `degrade::fallback` (feature `degrade`). It can also answer failures,
    /// marks and counts its answers, and keeps a fallback's error apart from the dependency's.
    #[doc(alias = "fallback.enabled")]
    #[doc(alias = "getFallback")]
    pub fn fallback<F, Req, Fut>(
        self,
        fallback: F,
    ) -> CircuitBreakerLayer<C, Fallback<F, R::TimeOut>, X, G>
    where
        F: Fn(Rejected, Req) -> Fut,
        Fut: Future,
        R: KeepTimeOut,
    {
        let time_out = self.family.policies().rejection.kept_time_out();
        self.rejection(Fallback::new(fallback, time_out))
    }

    /// Answers a call that takes too long with a response of your own (rules M5, D9). That is a call that takes longer
    /// than [`call_timeout`](CircuitBuilder::call_timeout), or a probe that takes longer than
    /// [`probe_timeout`](CircuitBuilder::probe_timeout). Rejections are answered as before.
    ///
    /// It takes what [`reject_with`](Self::reject_with) takes; a text becomes a 504. After
    /// [`fallback`](Self::fallback), [`reject_as_error`](Self::reject_as_error) and
    /// [`reject_as_box_error`](Self::reject_as_box_error) it takes the service's own response, of any type.
    ///
    /// An answer that says no (4xx, 5xx, or a `grpc-status` other than 0) carries the [`TimedOut`] in its extensions.
    /// After `fallback` it does not, unless you put it there.
    ///
    /// In two cases the layer has no answer to this: after `fallback` around a service that is not HTTP, and after
    /// `reject_with` if the body is not `Default`. Then it does not compile until you give it one here, or say that
    /// there is [none](Self::without_time_out_answer).
    ///
    /// [`reject_with`](Self::reject_with) and [`fallback`](Self::fallback) may come before it or after it.
    ///
    /// **Watch out:** whatever else is about rejections replaces it, if it is called after it. So does `grpc()`:
    ///
    /// ```
    /// # use http::Response;
    /// # use tower::{Layer, service_fn};
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let layer = || Circuit::builder("payments").build_layer();
    /// // Wrong: an error, as a rejection is.
    /// let wrong = layer()?.time_out_with(|_| Response::new("late".to_owned())).reject_as_error();
    ///
    /// // Right.
    /// let right = layer()?.reject_as_error().time_out_with(|_| Response::new("late".to_owned()));
    /// # let service = || service_fn(async |_: http::Request<()>| {
    /// #     Ok::<_, std::io::Error>(Response::new(String::new()))
    /// # });
    /// # let _ = (wrong.layer(service()), right.layer(service()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: 504, over gRPC `grpc-status: 4`, or an error if rejections are errors.
    pub fn time_out_with<F, A>(self, respond: F) -> CircuitBreakerLayer<C, R::With, X, G>
    where
        F: Fn(&TimedOut) -> A,
        R: TellTimeOut<F>,
    {
        self.with_policies(|policies| Policies {
            classifier: policies.classifier,
            rejection: Arc::new(R::with(policies.rejection, respond)),
            scope: policies.scope,
        })
    }

    /// Lets a call go on that takes too long: one that takes longer than
    /// [`call_timeout`](CircuitBuilder::call_timeout), or a probe that takes longer than
    /// [`probe_timeout`](CircuitBuilder::probe_timeout). To the circuit it has failed at its limit. Its caller waits
    /// for as long as it takes (rules H2, M5, D9).
    ///
    /// For a [`fallback`](Self::fallback) around a service that is not HTTP: no response can say there that a call took
    /// too long.
    ///
    /// ```
    /// # use tower::{Layer, service_fn};
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let layer = Circuit::builder("prices")
    ///     .build_layer()?
    ///     .classifier(tower_breaker::classify::ErrorsOnly)
    ///     .fallback(async |_, item: u32| Ok::<u32, std::io::Error>(item * 100))
    ///     .without_time_out_answer();
    /// # let _ = layer.layer(service_fn(async |item: u32| Ok::<u32, std::io::Error>(item)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn without_time_out_answer(self) -> CircuitBreakerLayer<C, R::Without, X, G>
    where
        R: TellTimeOut<()>,
    {
        self.with_policies(|policies| Policies {
            classifier: policies.classifier,
            rejection: Arc::new(R::without(policies.rejection)),
            scope: policies.scope,
        })
    }

    /// A [`Reject`](crate::reject::Reject) answers rejections.
    pub fn rejection<R2>(self, rejection: R2) -> CircuitBreakerLayer<C, R2, X, G> {
        self.with_policies(|policies| Policies {
            classifier: policies.classifier,
            rejection: Arc::new(rejection),
            scope: policies.scope,
        })
    }

    #[cfg(feature = "registry")]
    pub(crate) fn policies(&self) -> &Policies<C, R, X> {
        self.family.policies()
    }

    #[cfg(feature = "registry")]
    pub(crate) fn into_family(self) -> Family<C, R, X> {
        self.family
    }

    pub(crate) fn with_policies<C2, R2, X2>(
        self,
        change: impl FnOnce(Policies<C, R, X>) -> Policies<C2, R2, X2>,
    ) -> CircuitBreakerLayer<C2, R2, X2, G> {
        let policies = change(self.family.policies().clone());
        CircuitBreakerLayer::of_family(Family::new(self.circuit(), &policies))
    }

    pub(crate) fn giving_back<G2>(self) -> CircuitBreakerLayer<C, R, X, G2> {
        CircuitBreakerLayer::of_family(self.family)
    }
}

impl<S, C, R, X, G> Layer<S> for CircuitBreakerLayer<C, R, X, G>
where
    X: CallScope,
    G: GiveBack<S>,
{
    type Service = CircuitBreaker<S, C, R, X>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::of_family(inner, self.family.clone(), G::give_back)
    }
}

/// By hand: a closure that is not `Clone` is shared, not cloned.
impl<C, R, X, G> Clone for CircuitBreakerLayer<C, R, X, G> {
    fn clone(&self) -> Self {
        Self::of_family(self.family.clone())
    }
}

impl<C, R, X, G> fmt::Debug for CircuitBreakerLayer<C, R, X, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerLayer")
            .field("circuit", self.circuit())
            .finish_non_exhaustive()
    }
}
