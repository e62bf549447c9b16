//! The response says which of many has failed, and that one's circuit counts it.

use std::{fmt, sync::Arc};

use super::key::bounded;
use crate::{
    circuit::{handle::Circuit, nesting},
    machine::Outcome,
    registry::Registry,
    service::{classify::Classify, layer::CircuitBreakerLayer},
};

impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// Lets a response name the circuit that it is about, such as the shard that has failed. `key` finds that name, of
    /// at most 256 bytes. Then a failure or a success counts for that circuit of `registry`.
    ///
    /// For the circuit that the call went through, such a failure counts as answered (rule A1), not as a failure. The
    /// one that answered is up: it says that another has failed. If the named circuit would reject, it does not count
    /// the result.
    ///
    /// It looks at the head of a response. Whether a call was slow, and what the end of its body tells, counts for the
    /// circuit that it went through. Call it after the classifier, which it asks, and before
    /// [`keyed_by`](Self::keyed_by). The closure has to name the type of the response, as here.
    ///
    /// ```
    /// use http::Response;
    /// use tower_breaker::{Circuit, registry::Registry};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let shards = Registry::builder().defaults(|shard| shard.consecutive_failures(5)).build()?;
    /// // The store names the shard that did not answer it.
    /// let layer = Circuit::builder("store")
    ///     .build_layer()?
    ///     .key_from_response(&shards, |response: &Response<String>| {
    ///         response.headers().get("x-shard")?.to_str().ok()
    ///     });
    /// # let _: tower_breaker::CircuitBreakerLayer<_, _> = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// To reject calls that need a shard whose circuit is open, let the request name the shard, too. Use a [keyed
    /// layer](crate::keyed) on the same registry, or [`Circuit::try_acquire`].
    ///
    /// **Watch out:** if only failures name a circuit, its failure rate is 100 %. Then count failures in a row, or let
    /// all responses name it.
    ///
    /// Default: a response is about the circuit that its call went through.
    #[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
    pub fn key_from_response<F, Res>(
        self,
        registry: &Registry,
        key: F,
    ) -> CircuitBreakerLayer<ByResponse<C, F>, R, X, G>
    where
        F: Fn(&Res) -> Option<&str>,
    {
        let classifier = self.policies().classifier.clone();
        self.classifier(ByResponse {
            classifier,
            registry: registry.clone(),
            key,
        })
    }
}

/// A classifier whose responses say which circuit they are about. Made by
/// [`key_from_response`](CircuitBreakerLayer::key_from_response).
pub struct ByResponse<C, F> {
    classifier: Arc<C>,
    registry: Registry,
    key: F,
}

impl<C, F> ByResponse<C, F> {
    /// The circuit that a response names, if it is not the one that the call goes through.
    fn named<Res>(&self, response: &Res) -> Option<Circuit>
    where
        F: Fn(&Res) -> Option<&str>,
    {
        let name = bounded((self.key)(response)?)?;
        // Without room there is none, as for any key; the registry counts that.
        let circuit = self.registry.get_or_create(name).ok()?;
        (!nesting::is_called(circuit.identity())).then_some(circuit)
    }
}

impl<C, F, Res, E> Classify<Res, E> for ByResponse<C, F>
where
    C: Classify<Res, E>,
    F: Fn(&Res) -> Option<&str>,
{
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        let outcome = self.classifier.classify(result);
        if !outcome.is_failure() && outcome != Outcome::Success {
            return outcome;
        }
        let named = result.ok().and_then(|response| self.named(response));
        let Some(circuit) = named else {
            return outcome;
        };
        circuit.count(outcome);
        match outcome {
            Outcome::Success => Outcome::Success,
            _ => Outcome::Answered,
        }
    }
}

impl<C: fmt::Debug, F> fmt::Debug for ByResponse<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByResponse")
            .field("classifier", &self.classifier)
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}
