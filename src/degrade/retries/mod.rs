//! Retries that know circuits: a policy for `tower::retry` (rule M8). Needs the feature `retries`.
//!
//! A retry that knows nothing of the circuit further in repeats rejections, in vain. And it goes on when the circuit
//! has just seen that the dependency is down. This policy does neither. How often it repeats, and how long it may wait,
//! are settings of the circuit ([`CircuitBuilder::retries`](crate::CircuitBuilder::retries)), and can be changed while
//! it lives:
//!
//! ```
//! use std::time::Duration;
//!
//! use http::{Request, Response};
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
//! use tower_breaker::{Circuit, CircuitBreakerLayer, RetryLimits, degrade::retries::Retries};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let circuit = Circuit::builder("reviews")
//!     .consecutive_failures(5)
//!     .retries(RetryLimits::new(2).max_wait(Duration::from_secs(1)))
//!     .build()?;
//!
//! let mut tries = 0;
//! let client = service_fn(move |_: Request<String>| {
//!     tries += 1;
//!     let status = if tries == 1 { 502 } else { 200 };
//!     let response = Response::builder().status(status).body(format!("try {tries}"));
//!     std::future::ready(response.map_err(BoxError::from))
//! });
//! # let client = tower::buffer::Buffer::new(client, 1);
//! let mut service = ServiceBuilder::new()
//!     .retry(Retries::new(&circuit)) // outside of the breaker, which then hears of each try
//!     .layer(CircuitBreakerLayer::new(circuit))
//!     .service(client);
//!
//! let response = service.ready().await?.call(Request::default()).await?;
//! assert_eq!(response.into_body(), "try 2");
//! # Ok(())
//! # }
//! ```
//!
//! # What is repeated, and when
//!
//! | the call | is it repeated? |
//! |---|---|
//! | was rejected, by this circuit or one further in | never: nobody was asked |
//! | failed, as the [classifier](Retries::classifier) says | yes |
//! | got a 429 or 503 with a `Retry-After` | yes, but not before that time |
//! | failed, and it was not [repeatable](Idempotent), such as a POST | never |
//! | … and the circuit is not closed, still ramping up (slow start), or [shedding](crate::CircuitBuilder::shed) | no |
//! | … and was repeated [`at_most`](crate::RetryLimits::at_most) times | no |
//! | … and would have to wait past [`max_wait`](crate::RetryLimits::max_wait), all its waits together | no |
//! | … and the budget is spent | no |
//! | ran out of the time that its caller had, or [would](Retries::shortened_by) | no |
//! | was answered by a fallback further in | no |
//! | ended in anything else | no |
//!
//! If the circuit's setting `retries` is off, no call is repeated, and those that have failed are counted as
//! [off](crate::observe::RetryTotals::off). In any case, a call that may be repeated costs a copy of its request, and,
//! if it succeeds, one look at the clock. Decisions about failed calls are counted:
//! [`Parts::retries`](crate::observe::Parts::retries). Failed calls that were not repeatable are not counted there,
//! because Tower asks no policy about them.
//!
//! *The wait* is drawn between zero and 100 ms before the first repeat, 200 ms before the second, and so on
//! ([`backoff`](Retries::backoff)). It is never shorter than a `Retry-After` says.
//!
//! *The budget* is the circuit's, however many policies and clones there are. Over the last ten seconds, at most
//! [`share`](crate::RetryLimits::share) of the calls that succeeded may be repeated, and
//! [`per_second`](crate::RetryLimits::per_second) more each second. Rejections and failures add nothing to it. So a
//! dependency that is down is not asked much more often than without retries, even if no breaker has opened.
//!
//! **Watch out:** two layers of retries multiply. Three repeats around a client that makes three of its own are sixteen
//! requests for one call. If a service further down does the same, it is sixty-four. Have retries in one place.
//! (reqwest repeats by itself what an HTTP/2 server has refused. hyper's client repeats a request on a connection that
//! was closed before it was sent. Both are safe, because no call has been made then.)
//!
//! **Watch out:** around a keyed breaker (`keyed_by`) there is no one circuit whose state the policy could look at.
//! Give the policy a circuit of its own, for its limits and its budget. Rejections of all keys are left alone, too. But
//! if a call's circuit has just opened, the call is made once more, and then the rejection is the answer.
//!
//! **Watch out:** put retries outside of the breaker. Inside, a call and all its repeats are one call, and the circuit
//! hears only of the last.
//!
//! # First tries always go
//!
//! If a circuit must never reject a first try, let it gate only the retries. It runs in [shadow](crate::Mode::Shadow):
//! it admits every call, decides, and shows what it has decided. The policy obeys that:
//!
//! ```
//! # use tower_breaker::{Circuit, CircuitBreakerLayer, Mode, RetryLimits, degrade::retries::Retries};
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let circuit = Circuit::builder("reviews")
//!     .mode(Mode::Shadow)
//!     .retries(RetryLimits::new(3))
//!     .build()?;
//! let retries: Retries = Retries::new(&circuit).gate_only();
//! # Ok(())
//! # }
//! ```
//!
//! **Watch out:** without [`gate_only`](Retries::gate_only), a circuit in shadow stops no retries, because shadow is
//! there to see what a circuit would do. If a retry already waits when the circuit opens, it is still made, because
//! nothing in between rejects it. And a person who sets the mode to normal makes it a whole breaker.

mod backoff;
mod budget;
mod causes;
mod kept;
mod policy;
mod repeat;
mod wait;

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use tokio::time::Instant;
use tower::retry::budget::Budget;

use self::{backoff::Backoff, budget::OfCircuit};
pub use self::{
    causes::{AnyError, Boxed, BoxedInside, Plain},
    kept::Kept,
    repeat::{Idempotent, Repeat},
    wait::Wait,
};
use crate::{
    circuit::handle::Circuit,
    service::{classify::HttpClassifier, deadline::NoDeadline},
};

/// A policy for `tower::retry`, by the limits and the state of a circuit. See [the module](self).
///
/// It takes every `http::Request` whose body is [`Clone`](Kept), and every `http::Response`. It does not take those of
/// reqwest. For reqwest's client, the guide `degrading` has an adapter. A clone is the same policy for another call.
///
/// The third parameter says how a rejection is found in the service's error. It is [`Plain`] for a type that implements
/// `Error`, and [`Boxed`] for a `BoxError`. The compiler finds it, unless the type has to be written down:
///
/// ```
/// use tower::{BoxError, retry::Retry};
/// use tower_breaker::{
///     CircuitBreaker,
///     classify::HttpClassifier,
///     degrade::retries::{Boxed, Idempotent, Retries},
/// };
///
/// /// Around a client whose error is one, such as hyper's.
/// struct Reviews<S> {
///     service: Retry<Retries, CircuitBreaker<S>>,
/// }
///
/// /// Around one whose error is a `BoxError`.
/// struct Prices<S> {
///     service: Retry<Retries<HttpClassifier, Idempotent, Boxed>, CircuitBreaker<S>>,
/// }
/// ```
pub struct Retries<C = HttpClassifier, R = Idempotent, M = Plain, D = NoDeadline> {
    rules: Arc<Rules<C, R, D>>,
    /// How often this call was repeated.
    repeats: u64,
    /// For how long it has waited in all.
    waited: Duration,
    /// When its caller's time is over, if that is known.
    ends: Option<Instant>,
    searched: PhantomData<fn() -> M>,
}

/// What holds for all calls.
struct Rules<C, R, D> {
    circuit: Circuit,
    budget: Arc<dyn Budget + Send + Sync>,
    backoff: Backoff,
    classifier: Arc<C>,
    repeat: Arc<R>,
    deadline: Arc<D>,
    gate_only: bool,
}

impl<M> Retries<HttpClassifier, Idempotent, M> {
    /// Makes a policy that obeys the settings and the state of this circuit. It should be the circuit of the breaker
    /// further in.
    #[must_use]
    pub fn new(circuit: &Circuit) -> Self {
        circuit.join_retries();
        Self::by(Rules {
            circuit: circuit.clone(),
            budget: Arc::new(OfCircuit(circuit.clone())),
            backoff: Backoff::default(),
            classifier: Arc::default(),
            repeat: Arc::default(),
            deadline: Arc::default(),
            gate_only: false,
        })
    }
}

impl<C, R, M, D> Retries<C, R, M, D> {
    fn by(rules: Rules<C, R, D>) -> Self {
        Self {
            rules: Arc::new(rules),
            repeats: 0,
            waited: Duration::ZERO,
            ends: None,
            searched: PhantomData,
        }
    }

    /// Sets what a failure is. As a rule, use the breaker's classifier. Default: [`HttpClassifier`].
    #[must_use]
    pub fn classifier<C2>(self, classifier: C2) -> Retries<C2, R, M, D> {
        let rules = Arc::unwrap_or_clone(self.rules);
        Retries::by(Rules {
            classifier: Arc::new(classifier),
            circuit: rules.circuit,
            budget: rules.budget,
            backoff: rules.backoff,
            repeat: rules.repeat,
            deadline: rules.deadline,
            gate_only: rules.gate_only,
        })
    }

    /// Sets which requests may be made twice. Default: [`Idempotent`].
    ///
    /// ```
    /// use http::Request;
    /// # use tower_breaker::{Circuit, degrade::retries::{Idempotent, Repeat, Retries}};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("reviews").build()?;
    /// // A search that comes as a POST, and what may be repeated anyway.
    /// let retries = Retries::new(&circuit).repeat(|request: &Request<String>| {
    ///     request.uri().path() == "/search" || Idempotent.may_repeat(request)
    /// });
    /// # let _: Retries<_, _> = retries;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Over gRPC every call is a POST, so none is repeated unless you allow it here.
    ///
    /// **Watch out:** a call that has failed may have done its work all the same. If you allow a payment to be
    /// repeated, it may be made twice.
    #[must_use]
    pub fn repeat<R2>(self, repeat: R2) -> Retries<C, R2, M, D> {
        let rules = Arc::unwrap_or_clone(self.rules);
        Retries::by(Rules {
            repeat: Arc::new(repeat),
            circuit: rules.circuit,
            budget: rules.budget,
            backoff: rules.backoff,
            classifier: rules.classifier,
            deadline: rules.deadline,
            gate_only: rules.gate_only,
        })
    }

    /// Repeats no call whose caller would have given up by then (rule M5), as far as the request says when that is. No
    /// wait begins that would not end before.
    ///
    /// A request that is sent again has what is left of that time in its extensions, as a
    /// [`TimeLeft`](crate::deadline::TimeLeft). A header stays as it was. So if the breaker further in is
    /// [shortened](crate::CircuitBreakerLayer::shortened_by) by a header, let it look at the extension first:
    ///
    /// ```
    /// use http::{HeaderName, Request};
    /// use tower::ServiceBuilder;
    /// use tower_breaker::{
    ///     Circuit, CircuitBreakerLayer, RetryLimits,
    ///     deadline::{self, Deadline, Extension},
    ///     degrade::retries::Retries,
    /// };
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("reviews").retries(RetryLimits::new(2)).build()?;
    /// let header = deadline::header(HeaderName::from_static("x-time-left"));
    /// let left = move |request: &Request<String>| Extension.left(request).or_else(|| header.left(request));
    /// let layers = ServiceBuilder::new()
    ///     .retry(Retries::new(&circuit).shortened_by(left.clone()))
    ///     .layer(CircuitBreakerLayer::new(circuit).shortened_by(left));
    /// # let service = layers.service(tower::service_fn(async |_: Request<String>| {
    /// #     Ok::<_, std::io::Error>(http::Response::new(String::new()))
    /// # }));
    /// # fn is_service<S: tower::Service<Request<String>>>(_: S) {}
    /// # is_service(service);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: the caller's deadline is not looked at.
    #[must_use]
    pub fn shortened_by<D2>(self, deadline: D2) -> Retries<C, R, M, D2> {
        let rules = Arc::unwrap_or_clone(self.rules);
        Retries::by(Rules {
            deadline: Arc::new(deadline),
            circuit: rules.circuit,
            budget: rules.budget,
            backoff: rules.backoff,
            classifier: rules.classifier,
            repeat: rules.repeat,
            gate_only: rules.gate_only,
        })
    }

    /// Sets the longest wait: `first` before the first repeat, twice that before the second, and so on, but never above
    /// `max`. The wait itself is drawn between zero and that (*full jitter*), so that calls which failed together do
    /// not come back together.
    ///
    /// Default: 100 ms and 10 s. With a `first` of zero there is no wait.
    #[must_use]
    pub fn backoff(self, first: Duration, max: Duration) -> Self {
        self.with(|rules| rules.backoff = rules.backoff.clone().between(first, max))
    }

    /// Draws the same waits each time, for tests. Default: other waits in each process.
    #[must_use]
    pub fn jitter_seed(self, seed: u64) -> Self {
        self.with(|rules| rules.backoff = rules.backoff.clone().seeded(seed))
    }

    /// Takes another budget in place of the circuit's, such as one that several circuits share. Then
    /// [`share`](crate::RetryLimits::share) and [`per_second`](crate::RetryLimits::per_second) have no effect.
    #[must_use]
    pub fn budget(self, budget: impl Budget + Send + Sync + 'static) -> Self {
        self.with(|rules| rules.budget = Arc::new(budget))
    }

    /// Obeys the state of the circuit also in [shadow](crate::Mode::Shadow). Then the circuit gates the retries, and
    /// first tries always go. [How](self#first-tries-always-go).
    #[must_use]
    pub fn gate_only(self) -> Self {
        self.with(|rules| rules.gate_only = true)
    }

    fn with(self, change: impl FnOnce(&mut Rules<C, R, D>)) -> Self {
        let mut rules = Arc::unwrap_or_clone(self.rules);
        change(&mut rules);
        Self::by(rules)
    }
}

/// By hand: nothing of the user's has to be `Clone`.
impl<C, R, M, D> Clone for Retries<C, R, M, D> {
    fn clone(&self) -> Self {
        Self {
            rules: self.rules.clone(),
            repeats: self.repeats,
            waited: self.waited,
            ends: self.ends,
            searched: PhantomData,
        }
    }
}

/// The same.
impl<C, R, D> Clone for Rules<C, R, D> {
    fn clone(&self) -> Self {
        Self {
            circuit: self.circuit.clone(),
            budget: self.budget.clone(),
            backoff: self.backoff.clone(),
            classifier: self.classifier.clone(),
            repeat: self.repeat.clone(),
            deadline: self.deadline.clone(),
            gate_only: self.gate_only,
        }
    }
}

impl<C, R, M, D> fmt::Debug for Retries<C, R, M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retries")
            .field("circuit", &self.rules.circuit)
            .field("backoff", &self.rules.backoff)
            .field("gate_only", &self.rules.gate_only)
            .field("repeats", &self.repeats)
            .field("waited", &self.waited)
            .finish_non_exhaustive()
    }
}
