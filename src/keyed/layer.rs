//! [`KeyedLayer`]: puts one circuit for each key around services.

use std::{fmt, marker::PhantomData, sync::Arc};

use super::{
    kept::Kept,
    service::{Keyed, Parts},
    without_key::WithoutKey,
};
use crate::{
    circuit::handle::Circuit,
    machine::Mode,
    registry::Registry,
    service::{
        classify::HttpClassifier,
        give_back::{FreshClone, GiveBack, Keep},
        layer::CircuitBreakerLayer,
        reject::ServiceUnavailable,
        scope::{CallScope, HeadOnly},
        shared::Family,
        striped,
    },
};

/// A layer that puts a circuit breaker around services, with one circuit for each key of the requests. Made by
/// [`CircuitBreakerLayer::keyed_by`] and [`Registry::layer_by`]. See [the module](super).
///
/// `K` is the [`Key`](super::Key). The others are as for a [`CircuitBreakerLayer`].
#[must_use = "a layer does nothing until it is applied"]
pub struct KeyedLayer<K, C = HttpClassifier, R = ServiceUnavailable, X = HeadOnly, G = FreshClone> {
    parts: Parts<K, C, R, X>,
    /// For the services: one for each thread, so that threads do not contend for its count.
    family: striped::Family<Parts<K, C, R, X>>,
    give_back: PhantomData<fn() -> G>,
}

impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G>
where
    C: Send + Sync + 'static,
    R: Send + Sync + 'static,
    X: Send + Sync + 'static,
{
    /// Takes the circuit of each request from `registry`, by its key; see [`keyed`](crate::keyed). A request may have
    /// no key, or one for which the registry has no room. Such a request goes through the layer's own circuit. That
    /// circuit is not in the registry: look at it by [`KeyedLayer::circuit`].
    ///
    /// Call it last: what is set before it holds for all circuits alike. A rejection then gives back what the inner
    /// service has reserved, as with [`fresh_clone_on_rejection`](Self::fresh_clone_on_rejection). It does not go
    /// together with [`pending_while_open`](Self::pending_while_open), because readiness has no key.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tower_breaker::{Circuit, keyed::by, registry::Registry};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::builder()
    ///     .defaults(|host| host.time_window(Duration::from_secs(60)))
    ///     .build()?;
    /// // Requests to hosts that find no room share one circuit.
    /// let others = Circuit::builder("other hosts").consecutive_failures(5).build_layer()?;
    /// let layer = others.reject_as_error().keyed_by(&registry, by::authority());
    /// # let _: tower_breaker::keyed::KeyedLayer<_, _, _> = layer;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
    #[track_caller]
    pub fn keyed_by<K>(self, registry: &Registry, key: K) -> KeyedLayer<K, C, R, X> {
        KeyedLayer::new(Parts {
            registry: registry.clone(),
            key: Arc::new(key),
            kept: Kept::of(registry, self.policies()),
            own: self.into_family(),
            overflow: None,
            known_keys_only: false,
            making_none: None,
            without_key: Arc::new(WithoutKey::new()),
        })
    }
}

impl Registry {
    /// Makes a layer that takes the circuit of each request from this registry, by its key; see
    /// [`keyed`](crate::keyed). A request without a circuit is unguarded: it is admitted and counted, and nothing is
    /// decided. For other classifiers and rejections, for gRPC, and to guard those requests, too, see
    /// [`CircuitBreakerLayer::keyed_by`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tower_breaker::{keyed::by, registry::Registry};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let registry = Registry::builder()
    ///     .defaults(|host| host.failure_rate(0.3).time_window(Duration::from_secs(60)))
    ///     .build()?;
    /// let layer = registry.layer_by(by::authority());
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
    #[expect(clippy::missing_panics_doc, reason = "it never does")]
    #[track_caller]
    pub fn layer_by<K>(&self, key: K) -> KeyedLayer<K> {
        let unguarded = Circuit::builder("unguarded").mode(Mode::Disabled);
        let unguarded = unguarded.build_layer().expect("the defaults make sense");
        unguarded.keyed_by(self, key)
    }
}

impl<K, C, R, X, G> KeyedLayer<K, C, R, X, G> {
    pub(super) fn new(parts: Parts<K, C, R, X>) -> Self {
        Self {
            family: striped::Family::new(|| parts.clone()),
            parts,
            give_back: PhantomData,
        }
    }

    pub(super) fn parts(&self) -> &Parts<K, C, R, X> {
        &self.parts
    }

    /// Sends keys for which the registry has no room to `circuit`, and not to the layer's own. It has no effect on a
    /// layer that asks for no room when it meets a key. So with [`known_keys_only`](Self::known_keys_only) or
    /// [`create_on_first_failure`](Self::create_on_first_failure), such keys go to the layer's own circuit.
    ///
    /// Default: the layer's own circuit.
    pub fn overflow_to(self, circuit: Circuit) -> Self {
        let overflow = Family::new(&circuit, self.parts.own.policies());
        Self::new(Parts {
            overflow: Some(overflow),
            ..self.parts
        })
    }

    /// Never makes a circuit. A key for which there is no circuit yet goes to the layer's own. Use it if strangers
    /// choose the keys and all good ones are known, such as the methods of a gRPC server.
    ///
    /// **Watch out:** a pattern makes no key known. Name each with
    /// [`circuit`](crate::registry::RegistryBuilder::circuit):
    ///
    /// ```
    /// # use tower_breaker::registry::Registry;
    /// // Wrong: no circuit is there, and none is made.
    /// let registry = Registry::builder().matching("shard-*", |shard| shard.consecutive_failures(5));
    ///
    /// // Right.
    /// let registry = registry.circuit("shard-1", |shard| shard).circuit("shard-2", |shard| shard);
    /// # registry.build().unwrap();
    /// ```
    ///
    /// It holds whether it is called before or after [`create_on_first_failure`](Self::create_on_first_failure): a
    /// failure makes no circuit either.
    ///
    /// Default: a circuit is made on first use.
    pub fn known_keys_only(self) -> Self
    where
        C: Send + Sync + 'static,
        R: Send + Sync + 'static,
        X: Send + Sync + 'static,
    {
        let parts = Parts {
            known_keys_only: true,
            ..self.parts
        };
        Self::new(match parts.making_none {
            Some(making_none) => parts.in_scope(making_none(&parts.own.policies().scope)),
            None => parts,
        })
    }

    /// Lets a rejection leave the inner service as it is, and with it what `poll_ready` has reserved, until its next
    /// call or its drop (rule G3). For inner services that are not `Clone`.
    ///
    /// Default: a fresh clone takes its place.
    pub fn keep_on_rejection(self) -> KeyedLayer<K, C, R, X, Keep> {
        KeyedLayer::new(self.parts)
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.parts.registry
    }

    /// The layer's own circuit, for requests that have no other.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        self.parts.own.circuit()
    }

    /// How many requests through this layer and its clones have had no key, and so no circuit of their own (rule J7).
    ///
    /// A key that never finds anything guards nothing, and no call fails because of that. Check this number in a test
    /// of your application:
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower::{Layer, service_fn};
    /// # use tower_breaker::{keyed::by, registry::Registry};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let registry = Registry::builder().build()?;
    /// let layer = registry.layer_by(by::authority());
    /// # let client = service_fn(async |_: Request<()>| Ok::<_, std::io::Error>(Response::new(())));
    /// let service = layer.layer(client);
    /// service.oneshot(Request::get("http://api.example.com/users").body(())?).await?;
    ///
    /// assert_eq!(layer.without_key(), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// In builds with debug assertions, a line is written to standard error if none of the first hundred requests had a
    /// key.
    ///
    /// Where the layer is out of reach, [`Registry::totals`](crate::registry::Registry::totals) has the sum of all
    /// keyed layers of the registry, as a number for your own metrics.
    #[must_use]
    pub fn without_key(&self) -> u64 {
        self.parts.without_key.requests()
    }
}

impl<S, K, C, R, X, G> tower_layer::Layer<S> for KeyedLayer<K, C, R, X, G>
where
    X: CallScope,
    G: GiveBack<S>,
{
    type Service = Keyed<S, K, C, R, X>;

    fn layer(&self, inner: S) -> Self::Service {
        Keyed::new(inner, self.family.clone(), G::give_back)
    }
}

impl<K, C, R, X, G> Clone for KeyedLayer<K, C, R, X, G> {
    fn clone(&self) -> Self {
        Self {
            parts: self.parts.clone(),
            family: self.family.clone(),
            give_back: PhantomData,
        }
    }
}

impl<K, C, R, X, G> fmt::Debug for KeyedLayer<K, C, R, X, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLayer")
            .field("registry", self.registry())
            .field("circuit", self.circuit())
            .finish_non_exhaustive()
    }
}
