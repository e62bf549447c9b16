//! [`ByKey`]: counts answers for the circuit of the request's key.

use std::fmt;

use super::{
    counted::CountedFor,
    keep::{CircuitOf, Keep},
    layer::FallbackLayer,
};
use crate::{
    circuit::{handle::Circuit, name::Name},
    keyed::{Key, Scratch, bounded},
    registry::Registry,
};

impl<A, W, K, V> FallbackLayer<A, W, K, V> {
    /// Counts answers for the circuits of a keyed layer further in, which has the same registry and key. Call it after
    /// what is kept.
    ///
    /// Rejections and time-outs name their circuit: for these, `on_rejection(&registry, ..)` is enough. A failure names
    /// none, and is known by the key of its request. So the key is looked at before each call. This makes no circuit.
    ///
    /// ```
    /// use tower_breaker::{
    ///     degrade::fallback::{self, FallbackLayer},
    ///     keyed::by,
    ///     registry::Registry,
    /// };
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    ///
    /// let registry = Registry::builder().build()?;
    /// let breaker = registry.layer_by(by::authority());
    /// let fallback = FallbackLayer::on_failure(&registry, fallback::value(http::Response::new("none")))
    ///     .keyed_by(&registry, by::authority());
    /// # let _: (_, FallbackLayer<_, _, _>) = (breaker, fallback);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: the circuit that a rejection or a time-out names, if there is a registry. Otherwise the circuit of the
    /// constructor.
    #[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
    pub fn keyed_by<Key>(
        self,
        registry: &Registry,
        key: Key,
    ) -> FallbackLayer<A, W, ByKey<K, Key>, V>
    where
        K: Clone,
    {
        self.in_registry(registry, |keep| ByKey {
            keep: keep.clone(),
            registry: registry.clone(),
            key,
        })
    }
}

/// As `K` says, and the circuit of the request's key counts. Made by
/// [`keyed_by`](FallbackLayer::keyed_by).
#[derive(Clone)]
pub struct ByKey<K, Key> {
    keep: K,
    registry: Registry,
    key: Key,
}

/// The circuit of a request. A key that has none yet may have one by the end of the call.
#[doc(hidden)]
pub enum FoundByKey {
    None,
    Circuit(Circuit),
    NotYet(Registry, Name),
}

impl CircuitOf for FoundByKey {
    fn find(self) -> Option<Circuit> {
        match self {
            Self::None => None,
            Self::Circuit(circuit) => Some(circuit),
            Self::NotYet(registry, name) => registry.get(&name),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<K, By, Req> Keep<Req> for ByKey<K, By>
where
    K: Keep<Req>,
    By: Key<Req>,
{
    type Kept = K::Kept;
    type CircuitOf = FoundByKey;

    fn keep(&self, request: &Req) -> K::Kept {
        self.keep.keep(request)
    }

    fn circuit_of(&self, request: &Req) -> FoundByKey {
        let mut scratch = Scratch::new();
        let Some(name) = self.key.of(request, &mut scratch).and_then(bounded) else {
            return FoundByKey::None;
        };
        match self.registry.get(name) {
            Some(circuit) => FoundByKey::Circuit(circuit),
            None => FoundByKey::NotYet(self.registry.clone(), name.to_owned().into()),
        }
    }
}

impl<K: fmt::Debug, Key> fmt::Debug for ByKey<K, Key> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByKey").field(&self.keep).finish()
    }
}

impl fmt::Debug for FoundByKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FoundByKey")
    }
}

impl CountedFor {
    /// The same, with what a circuit of the registry is named by.
    pub(super) fn in_registry(&self, registry: &Registry) -> Self {
        Self {
            circuit: self.circuit.clone(),
            registry: Some(registry.clone()),
        }
    }
}
