//! What counts as a failure (rule A1).
//!
//! A [`Classify`] looks at the result of a call and says what it means for the circuit. A closure is one. So are
//! [`HttpClassifier`], the default, and [`ErrorsOnly`], for services that are not HTTP. If the classifier has to know
//! the request, too, use [`classify_with_request`](crate::CircuitBreakerLayer::classify_with_request).
//!
//! ```
//! use http::StatusCode;
//! use tower_breaker::{
//!     Outcome,
//!     classify::{Classify, HttpClassifier},
//! };
//!
//! fn judge(classifier: &HttpClassifier, status: StatusCode) -> Outcome {
//!     let response = http::Response::builder().status(status).body(()).unwrap();
//!     classifier.classify(Ok::<_, &std::io::Error>(&response))
//! }
//!
//! // 5xx and errors fail, a 4xx is an answer that says nothing about failures, the rest succeeds.
//! let default = HttpClassifier::new();
//! assert_eq!(judge(&default, StatusCode::BAD_GATEWAY), Outcome::Failure);
//! assert_eq!(judge(&default, StatusCode::NOT_FOUND), Outcome::Answered);
//! assert_eq!(judge(&default, StatusCode::OK), Outcome::Success);
//!
//! // Other sets of statuses.
//! let own = HttpClassifier::new()
//!     .failures([StatusCode::TOO_MANY_REQUESTS])
//!     .successes([StatusCode::NOT_FOUND])
//!     .ignored([StatusCode::NOT_IMPLEMENTED]);
//! assert_eq!(judge(&own, StatusCode::TOO_MANY_REQUESTS), Outcome::Failure);
//! assert_eq!(judge(&own, StatusCode::NOT_FOUND), Outcome::Success);
//! assert_eq!(judge(&own, StatusCode::NOT_IMPLEMENTED), Outcome::Ignored);
//! ```

pub use crate::circuit::classify::{Classify, ErrorsOnly, IgnoreRejections};

use std::{future::Future, sync::Arc};

use http::{Response, StatusCode};

#[cfg(feature = "retry-after")]
use super::retry_after::RetryAfter;
use crate::{
    circuit::{call::Call, error::Rejected, handle::Circuit},
    machine::Outcome,
};

/// The default for HTTP. Status 5xx and any error are failures, a 4xx is [answered](Outcome::Answered), everything else
/// succeeds (rules A1, A2). Each status can be moved.
///
/// *Answered* is neutral in the rates, so a crowd of missing pages hides no failure. It is also proof of life: a
/// half-open circuit that is asked for a missing page closes.
///
/// Three statuses are no such proof, because they speak of overload or of time: 408 (timeout), 425 (too early) and 429
/// (too many requests). They are [ignored](Outcome::Ignored), and decide nothing.
///
/// A response that a circuit breaker further in made from a rejection is ignored, whatever its
/// status: the dependency was not touched (rule H3).
///
/// With the feature `grpc`, a `grpc-status` in the head of a success counts as its code does over gRPC (rule H4).
///
/// **Watch out:** that softens the mistake of forgetting `.grpc()`, but not always. After messages, the status comes in
/// the trailers, which this classifier never sees.
#[derive(Clone, Debug, Default)]
#[doc(alias = "consecutive_gateway_failure")]
pub struct HttpClassifier {
    /// The last that names a status holds. Shared, because a classifier may be cloned per service.
    moved: Option<Arc<Vec<(StatusCode, Outcome)>>>,
    client_errors_succeed: bool,
    #[cfg(feature = "retry-after")]
    retry_after: Option<RetryAfter>,
}

/// The head of a response, whoever's type that is.
pub(crate) struct Head<'a> {
    pub(crate) status: StatusCode,
    #[cfg(feature = "retry-after")]
    pub(crate) headers: &'a http::HeaderMap,
    pub(crate) extensions: &'a http::Extensions,
}

impl HttpClassifier {
    /// The default: 5xx and errors fail, most 4xx are answered, the rest succeeds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts these statuses as failures, too.
    #[must_use]
    pub fn failures(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.classify_as(Outcome::Failure, statuses)
    }

    /// Counts these statuses as successes, too.
    #[must_use]
    pub fn successes(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.classify_as(Outcome::Success, statuses)
    }

    /// Counts 4xx as successes, so that they are in the rates and end a streak of failures. 408, 425 and 429 stay
    /// ignored. Statuses that were moved stay where they are.
    ///
    /// Default: a 4xx is answered, and in no rate.
    #[must_use]
    pub fn client_errors_succeed(mut self) -> Self {
        self.client_errors_succeed = true;
        self
    }

    /// Ignores these statuses, too.
    #[must_use]
    pub fn ignored(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.classify_as(Outcome::Ignored, statuses)
    }

    /// Counts these statuses as `outcome`. With [`Outcome::TripNow`], such a status opens the circuit at once (rule
    /// A7).
    #[must_use]
    pub fn classify_as(
        mut self,
        outcome: Outcome,
        statuses: impl IntoIterator<Item = StatusCode>,
    ) -> Self {
        let moved = statuses.into_iter().map(|status| (status, outcome));
        Arc::make_mut(self.moved.get_or_insert_default()).extend(moved);
        self
    }

    /// Honours the `Retry-After` of failures (rule A7): if such a failure opens the circuit, the break is at least that
    /// long. For statuses that trip at once ([`Outcome::TripNow`]), it says how long the break is.
    ///
    /// Default: not honoured.
    #[cfg(feature = "retry-after")]
    #[cfg_attr(docsrs, doc(cfg(feature = "retry-after")))]
    #[must_use]
    pub fn retry_after(mut self, retry_after: RetryAfter) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// What the head of a response tells.
    pub(crate) fn classify_head(&self, head: &Head<'_>) -> Outcome {
        if head.extensions.get::<Rejected>().is_some() {
            return Outcome::InnerRejection;
        }
        let outcome = self.classify_status(head.status);
        #[cfg(feature = "grpc")]
        if let Some(outcome) = self.classify_code(outcome, head) {
            return outcome;
        }
        #[cfg(feature = "retry-after")]
        if let Some(retry_after) = self.retry_after {
            return RetryAfter::add_to(outcome, || retry_after.read(head.headers));
        }
        outcome
    }

    /// What the head of a gRPC call says, where `.grpc()` was forgotten: to HTTP it is a 200 like any other.
    #[cfg(feature = "grpc")]
    fn classify_code(&self, outcome: Outcome, head: &Head<'_>) -> Option<Outcome> {
        if outcome != Outcome::Success || head.headers.is_empty() {
            return None;
        }
        let outcome = super::grpc_code::classify_code(head, self.retry_after)?;
        match outcome {
            Outcome::Answered if self.client_errors_succeed => Some(Outcome::Success),
            outcome => Some(outcome),
        }
    }

    pub(crate) fn classify_status(&self, status: StatusCode) -> Outcome {
        let mut moved = self.moved.iter().flat_map(|moved| moved.iter().rev());
        match moved.find(|(moved, _)| *moved == status) {
            Some((_, outcome)) => *outcome,
            None if status.is_server_error() => Outcome::Failure,
            None if status.is_client_error() => self.classify_client_error(status),
            None => Outcome::Success,
        }
    }

    fn classify_client_error(&self, status: StatusCode) -> Outcome {
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Outcome::Ignored
            }
            _ if self.client_errors_succeed => Outcome::Success,
            _ => Outcome::Answered,
        }
    }
}

impl<B, E> Classify<Response<B>, E> for HttpClassifier {
    fn classify(&self, result: Result<&Response<B>, &E>) -> Outcome {
        match result {
            Ok(response) => self.classify_head(&Head {
                status: response.status(),
                #[cfg(feature = "retry-after")]
                headers: response.headers(),
                extensions: response.extensions(),
            }),
            Err(_) => Outcome::Failure,
        }
    }
}

/// Whether a circuit breaker further in made this response from a rejection (rule H3).
pub fn is_rejection<B>(response: &Response<B>) -> bool {
    response.extensions().get::<Rejected>().is_some()
}

/// Calls over HTTP, without Tower.
impl Circuit {
    /// Like [`call`](Self::call), for a future that ends in an HTTP response: an `http::Response`, or with the feature
    /// `reqwest` a `reqwest::Response`. The default [`HttpClassifier`] says what counts as a failure: errors and 5xx.
    /// For another, use [`call_with_classifier`](Self::call_with_classifier).
    ///
    /// The call ends with the head of the response (rule A3). The circuit does not see what becomes of the body.
    ///
    /// ```
    /// # use http::{Response, StatusCode};
    /// # use tower_breaker::{Circuit, State};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let circuit = Circuit::builder("payments").consecutive_failures(1).build()?;
    /// let response = circuit
    ///     .call_http(async {
    ///         // As a client does.
    ///         let mut response = Response::new("out of order");
    ///         *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    ///         Ok::<_, std::io::Error>(response)
    ///     })
    ///     .await?;
    /// assert_eq!(response.status(), 500);
    /// assert_eq!(circuit.state(), State::Open);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_http<F, T, E>(&self, future: F) -> Call<'_, F, HttpClassifier>
    where
        F: Future<Output = Result<T, E>>,
        HttpClassifier: Classify<T, E>,
    {
        self.call_with_classifier(HttpClassifier::new(), future)
    }
}
