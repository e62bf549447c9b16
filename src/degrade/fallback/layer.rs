//! [`FallbackLayer`]: puts a fallback around services.

use std::{fmt, marker::PhantomData, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;

use super::{
    counted::CountedFor,
    keep::{By, Head, Nothing, Whole},
    service::Fallback,
    view::{AnyResponse, BoxedErrors, Http},
    when::{Always, OnFailure, OnRejection},
};
use crate::{
    circuit::classify::ErrorsOnly,
    degrade::Because,
    service::{classify::HttpClassifier, striped::Family},
};

/// A layer that puts a fallback around services (rule M1): another answer, if the dependency has none.
///
/// `A` is what [answers](super::Answer), `W` [when](super::When), `K` what is [kept](super::Keep) of the request, and
/// `V` [where](super::View) a response or an error says that it is a rejection.
#[doc(alias = "FallbackPolicy")]
#[doc(alias = "withFallback")]
#[doc(alias = "recover")]
#[must_use = "a layer does nothing until it is applied"]
pub struct FallbackLayer<A, W = OnRejection, K = Nothing, V = Http> {
    /// For the services: one for each thread, so that threads do not contend for its count.
    family: Family<Plan<A, W, K, V>>,
}

/// All that a layer says.
pub(super) struct Plan<A, W, K, V> {
    pub(super) answer: Arc<A>,
    pub(super) when: Arc<W>,
    pub(super) keep: Arc<K>,
    pub(super) counted: CountedFor,
    pub(super) header: Option<HeaderName>,
    view: PhantomData<fn() -> V>,
}

impl<A, W, K, V> Clone for Plan<A, W, K, V> {
    fn clone(&self) -> Self {
        self.clone_with_view()
    }
}

impl<A, W, K, V> Plan<A, W, K, V> {
    fn clone_with_view<V2>(&self) -> Plan<A, W, K, V2> {
        self.with(self.when.clone(), self.keep.clone())
    }

    fn with<W2, K2, V2>(&self, when: Arc<W2>, keep: Arc<K2>) -> Plan<A, W2, K2, V2> {
        Plan {
            answer: self.answer.clone(),
            when,
            keep,
            counted: self.counted.clone(),
            header: self.header.clone(),
            view: PhantomData,
        }
    }
}

impl<A> FallbackLayer<A> {
    /// Answers if the call was **rejected**, and only then: by a circuit that is open, half-open and full, ramping
    /// up (slow start) or [shedding](crate::CircuitBuilder::shed), or by a full bulkhead. The dependency was not asked.
    /// What the dependency answers while the circuit is closed is passed on, also failures.
    ///
    /// `counted_for` is the circuit, usually: [`CountedFor`].
    pub fn on_rejection(counted_for: impl Into<CountedFor>, answer: A) -> Self {
        Self::new(counted_for.into(), answer, OnRejection)
    }
}

impl<A> FallbackLayer<A, OnFailure> {
    /// Answers if the call was **rejected, took too long, or failed**.
    ///
    /// [`classify_with`](Self::classify_with) sets what a failure is. [`when`](Self::when) narrows it.
    ///
    /// **Watch out:** if the call has failed or took too long, the dependency was asked, and may have done what it was
    /// asked for.
    ///
    /// `counted_for` is the circuit, usually: [`CountedFor`].
    pub fn on_failure(counted_for: impl Into<CountedFor>, answer: A) -> Self {
        let when = OnFailure {
            classifier: HttpClassifier::new(),
            predicate: Always,
        };
        Self::new(counted_for.into(), answer, when)
    }
}

impl<A, W> FallbackLayer<A, W> {
    fn new(counted: CountedFor, answer: A, when: W) -> Self {
        Self::of(Plan {
            answer: answer.into(),
            when: when.into(),
            keep: Nothing.into(),
            counted,
            header: None,
            view: PhantomData,
        })
    }
}

impl<A, C, P, K, V> FallbackLayer<A, OnFailure<C, P>, K, V> {
    /// Sets what a failure is, by a [`Classify`](crate::classify::Classify): usually the one that the breaker has.
    ///
    /// Default: [`HttpClassifier`], errors and 5xx.
    pub fn classify_with<C2>(self, classifier: C2) -> FallbackLayer<A, OnFailure<C2, P>, K, V>
    where
        P: Clone,
    {
        let when = OnFailure {
            classifier,
            predicate: self.plan().when.predicate.clone(),
        };
        self.with_when(when)
    }

    /// Answers only if `predicate` is true for the cause. Everything else is passed on.
    ///
    /// ```
    /// # use tower_breaker::{Circuit, degrade::{Because, fallback::{self, FallbackLayer}}};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("reviews").build()?;
    /// // A 501 will not go away, and is to be seen.
    /// let layer = FallbackLayer::on_failure(&circuit, fallback::value(http::Response::new("none")))
    ///     .when(|because: &Because<hyper::Error>| {
    ///         !matches!(because, Because::Status(status) if *status == 501)
    ///     });
    /// # let _: FallbackLayer<_, _> = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: always.
    pub fn when<F, E>(self, predicate: F) -> FallbackLayer<A, OnFailure<C, F>, K, V>
    where
        F: Fn(&Because<E>) -> bool,
        C: Clone,
    {
        let when = OnFailure {
            classifier: self.plan().when.classifier.clone(),
            predicate,
        };
        self.with_when(when)
    }
}

impl<A, W, K, V> FallbackLayer<A, W, K, V> {
    /// Keeps method, URI, version and headers of each request for the answer. It gets them as an `http::Request<()>`.
    /// The headers are cloned for each call.
    ///
    /// Default: nothing is kept, and the answer gets `()`.
    pub fn keeping_head(self) -> FallbackLayer<A, W, Head, V> {
        self.keep(Head)
    }

    /// Keeps a clone of each request for the answer. The request must be `Clone`. One with a body that streams is not.
    pub fn keeping_request(self) -> FallbackLayer<A, W, Whole, V> {
        self.keep(Whole)
    }

    /// Keeps what `take` takes of each request for the answer.
    pub fn keeping<F, Req, T>(self, take: F) -> FallbackLayer<A, W, By<F>, V>
    where
        F: Fn(&Req) -> T,
    {
        self.keep(By(take))
    }

    #[cfg(feature = "registry")]
    pub(super) fn in_registry<K2>(
        &self,
        registry: &crate::registry::Registry,
        keep: impl FnOnce(&K) -> K2,
    ) -> FallbackLayer<A, W, K2, V> {
        let plan = self.plan();
        let mut keyed = plan.with(plan.when.clone(), keep(&plan.keep).into());
        keyed.counted = plan.counted.in_registry(registry);
        FallbackLayer::of(keyed)
    }

    fn keep<K2>(self, keep: K2) -> FallbackLayer<A, W, K2, V> {
        FallbackLayer::of(self.plan().with(self.plan().when.clone(), keep.into()))
    }

    /// Makes the layer fit services whose error is boxed: `Box<dyn Error + Send + Sync>`.
    ///
    /// Default: the error is a [`std::error::Error`].
    pub fn boxed_errors(self) -> FallbackLayer<A, W, K, BoxedErrors<V>> {
        self.with_view()
    }

    /// Writes into this header of an answer what it is: `value; cause=open`, with the labels of
    /// [`FallbackKind`](crate::degrade::FallbackKind) and [`FallbackCause`](crate::degrade::FallbackCause). Only a
    /// fallback of this process may say so. If the response is not an answer of a fallback, the header is removed.
    ///
    /// Default: none. The mark in the extensions is always there.
    pub fn header(self, name: HeaderName) -> Self {
        let mut plan = self.plan().clone();
        plan.header = Some(name);
        Self::of(plan)
    }

    fn of(plan: Plan<A, W, K, V>) -> Self {
        Self {
            family: Family::new(|| plan.clone()),
        }
    }

    fn plan(&self) -> &Plan<A, W, K, V> {
        self.family.held()
    }

    fn with_when<W2, V2>(&self, when: W2) -> FallbackLayer<A, W2, K, V2> {
        FallbackLayer::of(self.plan().with(when.into(), self.plan().keep.clone()))
    }

    fn with_view<V2>(&self) -> FallbackLayer<A, W, K, V2> {
        FallbackLayer::of(self.plan().clone_with_view())
    }
}

impl<A, K> FallbackLayer<A, OnRejection, K, Http> {
    /// Makes the layer fit services that are not HTTP. A rejection is looked for in errors. Answers are counted, but
    /// not marked.
    ///
    /// Default: responses are `http::Response`.
    pub fn any_response(self) -> FallbackLayer<A, OnRejection, K, AnyResponse> {
        self.with_view()
    }
}

impl<A, K, P: Clone> FallbackLayer<A, OnFailure<HttpClassifier, P>, K, Http> {
    /// Makes the layer fit services that are not HTTP. Rejections and time-outs are looked for in errors. Any other
    /// error is a failure ([`ErrorsOnly`]). Answers are counted, but not marked.
    ///
    /// Default: responses are `http::Response`.
    pub fn any_response(self) -> FallbackLayer<A, OnFailure<ErrorsOnly, P>, K, AnyResponse> {
        let when = OnFailure {
            classifier: ErrorsOnly,
            predicate: self.plan().when.predicate.clone(),
        };
        self.with_when(when)
    }
}

impl<S, A, W, K, V> Layer<S> for FallbackLayer<A, W, K, V> {
    type Service = Fallback<S, A, W, K, V>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(inner, self.family.clone())
    }
}

/// By hand: a closure that is not `Clone` is shared, not cloned.
impl<A, W, K, V> Clone for FallbackLayer<A, W, K, V> {
    fn clone(&self) -> Self {
        Self {
            family: self.family.clone(),
        }
    }
}

impl<A: fmt::Debug, W: fmt::Debug, K: fmt::Debug, V> fmt::Debug for FallbackLayer<A, W, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer")
            .field("answer", &self.plan().answer)
            .field("when", &self.plan().when)
            .field("keep", &self.plan().keep)
            .field("counted_for", &self.plan().counted)
            .finish_non_exhaustive()
    }
}
