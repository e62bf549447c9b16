//! What a rejection does with what the inner service has reserved for the call (rule G3).
//!
//! Some services reserve in `poll_ready`: a place in a buffer, a permit of a limit, a connection of a pool. They give
//! it back with the call, or when they are dropped. A rejected call never reaches them. So the only way to give it back
//! is to drop the service, and to put a clone in its place.

use super::layer::CircuitBreakerLayer;

/// What a rejection does with an inner service that was asked to be ready. Usually [`Keep`]; or [`FreshClone`].
///
/// It is implemented for these two and nothing else.
#[diagnostic::on_unimplemented(
    message = "a rejection cannot put a fresh clone in the place of `{S}`, which is not `Clone`",
    label = "this layer gives back what its inner service has reserved, by a fresh clone of it",
    note = "layers for gRPC do so, and those told to by `fresh_clone_on_rejection`; either make the inner \
            service `Clone`, or say `.keep_on_rejection()` to do without"
)]
pub trait GiveBack<S>: sealed::Sealed {
    #[doc(hidden)]
    fn give_back(inner: &mut S);
}

mod sealed {
    pub trait Sealed {}
}

/// A rejection leaves the inner service as it is. It keeps what it has reserved until its next call or its drop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep;

/// A rejection replaces an inner service that was asked to be ready by a fresh clone. Set by
/// [`CircuitBreakerLayer::fresh_clone_on_rejection`].
#[derive(Clone, Copy, Debug, Default)]
pub struct FreshClone;

impl sealed::Sealed for Keep {}

impl sealed::Sealed for FreshClone {}

impl<S> GiveBack<S> for Keep {
    fn give_back(_: &mut S) {}
}

#[diagnostic::do_not_recommend]
impl<S: Clone> GiveBack<S> for FreshClone {
    fn give_back(inner: &mut S) {
        // If the clone panics, the old one is still there.
        let fresh = inner.clone();
        *inner = fresh;
    }
}

impl<C, R, X, G> CircuitBreakerLayer<C, R, X, G> {
    /// A rejection gives back what the inner service has reserved for the call (rule G3). For inner services that
    /// reserve in `poll_ready`: a buffer, a concurrency limit, a pool. If the inner service was asked to be ready, and
    /// the call is then rejected, a fresh clone takes its place, and the old one is dropped.
    ///
    /// It needs an inner service that is `Clone`. Calls that are admitted make no clone, nor do rejections by a circuit
    /// that was open already when `poll_ready` was called.
    ///
    /// **Watch out**: without it, a service that was ready when the circuit opened keeps its place until its next call
    /// or its drop. Once all places are kept so, nobody else is ever ready again:
    ///
    /// ```
    /// # use tower::{ServiceBuilder, service_fn};
    /// # use tower_breaker::{Circuit, CircuitBreakerLayer, classify::ErrorsOnly};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("payments").build()?;
    /// # let client = service_fn(|_: ()| async { Ok::<_, std::io::Error>(()) });
    /// let service = ServiceBuilder::new()
    ///     .layer(
    ///         CircuitBreakerLayer::new(circuit)
    ///             .classifier(ErrorsOnly)
    ///             .reject_as_error()
    ///             .fresh_clone_on_rejection(), // Wrong around a limit: to leave this out.
    ///     )
    ///     .concurrency_limit(100)
    ///     .service(client);
    /// # let _ = tower::util::BoxCloneService::new(service);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: [`keep_on_rejection`](Self::keep_on_rejection). For gRPC, this: its usual client, tonic's `Channel`, is
    /// a buffer of 1,024 places.
    pub fn fresh_clone_on_rejection(self) -> CircuitBreakerLayer<C, R, X, FreshClone> {
        self.giving_back()
    }

    /// A rejection leaves the inner service as it is. For inner services that are not `Clone`, or that
    /// reserve nothing in `poll_ready`. What an inner service does reserve stays with the instance until its next call
    /// or its drop (rule G3).
    ///
    /// This is the default, except for gRPC.
    pub fn keep_on_rejection(self) -> CircuitBreakerLayer<C, R, X, Keep> {
        self.giving_back()
    }
}
