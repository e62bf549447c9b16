//! [`DeferLayer`] and [`OutboxLayer`]: what is rejected is kept, and made later.

use std::{error::Error, fmt, marker::PhantomData, sync::Arc};

use http::{HeaderMap, HeaderName, Method, Request};
use tower_layer::Layer;

use super::{
    allow::CredentialHeader,
    intake::{Accepted, Intake},
    later::{Later, Plan},
    ledger::show,
    memory::Memory,
    outbox::Outbox,
};
use crate::{
    circuit::handle::Circuit,
    degrade::fallback::{BoxedErrors, Http},
};

/// A layer that keeps rejected calls **in memory**, answers them with 202, and has them made later. **They are lost if
/// the process ends**, and the answer says so: `x-kept: in-memory`. If that will not do, see [`OutboxLayer`].
///
/// If the process goes on, each call is delivered at least once. It may be made twice, because the answer of a try may
/// be lost. The dependency knows it by the `Idempotency-Key`, which all tries have.
///
/// Everything else is as with an [`OutboxLayer`].
#[must_use = "a layer does nothing until it is applied"]
pub struct DeferLayer<V = Http>(Keeping<Memory, V>);

/// A layer that keeps rejected calls in a durable [`Outbox`]. It answers them with 202 when they are there, and has
/// them made later, at least once each.
///
/// Put it around the breaker, and around its bulkhead and its retries if there are any. A [`Drainer`](super::Drainer)
/// makes the calls.
///
/// Which calls:
///
/// * Only calls that are rejected, by the circuit or by the bulkhead: nobody has seen them. With
///   [`also_on_failure`](Self::also_on_failure), failed ones, too.
/// * Only POST, PUT, PATCH and DELETE. [`methods`](Self::methods) sets others. Nobody waits for the answer of a GET
///   that comes later.
/// * No calls of gRPC, whose callers do not know a 202.
/// * Only with a body of at most 64 KiB ([`body_limit`](Self::body_limit)), whose length is known before it is read
///   (`Content-Length`, or of one piece). While the circuit rejects, of any body up to that length.
///
/// All others go through as if this layer were not there. So do calls for which there is no room: the caller gets the
/// rejection, a 503 with `Retry-After`.
///
/// What happens to those that may be kept:
///
/// * They get an `Idempotency-Key`, unless they have one, **before the first try**, so that the dependency knows a
///   later try for the same call. It is a quoted string, which is in the answer as well. Because of such a key alone,
///   retries further in repeat no call. With [`also_on_failure`](Self::also_on_failure), they do.
/// * The **body is read before the call is made**, after room is taken for it in the outbox. It has that room until the
///   call has ended. So the call is made when the client has sent all of it. A client that breaks off is answered with
///   400, and nothing is called. Trailers are dropped.
/// * **Of the headers, few are kept**, and no credentials: `accept`, `accept-language`, `content-encoding`,
///   `content-language`, `content-length`, `content-type`, `idempotency-key`, `traceparent`, `tracestate`, and those
///   that [are allowed](Self::allow_header). Of the address, no user and no password is kept, but the query is.
///   Extensions are not kept.
/// * **The address is kept as it is in the request.** A dependency that has moved meanwhile gets nothing. If that can
///   happen, keep the path alone, and let the drainer's client add the host.
/// * The answer has no body. It is marked: [`Degraded`](crate::degrade::Degraded) and [`Accepted`] are in its
///   extensions.
///
/// If the caller goes away while its call is being kept, the call may be made all the same.
///
/// If the store fails, the caller gets the rejection, and [`on_outbox_error`](Self::on_outbox_error) is told.
///
/// The inner service has to be `Clone`, and its body has to be made of bytes: `axum::body::Body`, `Full<Bytes>` and
/// `reqwest::Body` can be.
#[must_use = "a layer does nothing until it is applied"]
pub struct OutboxLayer<O, V = Http>(Keeping<O, V>);

/// What both have.
struct Keeping<O, V> {
    circuit: Circuit,
    outbox: O,
    intake: Intake,
    view: PhantomData<fn() -> V>,
}

impl DeferLayer {
    /// Keeps what is rejected in memory. `circuit` is the one that rejects: it counts and shows what is kept.
    pub fn new(circuit: &Circuit, memory: Memory) -> Self {
        Self(Keeping::new(circuit, memory))
    }

    /// Around a service whose error is boxed.
    pub fn boxed_errors(self) -> DeferLayer<BoxedErrors<Http>> {
        DeferLayer(self.0.viewed())
    }
}

impl<O: Outbox> OutboxLayer<O> {
    /// Keeps what is rejected in `outbox`. `circuit` is the one that rejects: it counts and shows what is kept.
    ///
    /// An outbox that is not durable is refused by the compiler; it is for a [`DeferLayer`]:
    ///
    /// ```compile_fail,E0080
    /// # use tower_breaker::{Circuit, degrade::queue::{Memory, OutboxLayer}};
    /// # fn layer(circuit: &Circuit) {
    /// let layer = OutboxLayer::new(circuit, Memory::new());
    /// # let _ = layer;
    /// # }
    /// # fn main() { layer(&Circuit::builder("orders").build().unwrap()); }
    /// ```
    pub fn new(circuit: &Circuit, outbox: O) -> Self {
        const {
            assert!(
                O::DURABLE,
                "an outbox that is not durable is for `DeferLayer`"
            );
        }
        Self(Keeping::new(circuit, outbox))
    }

    /// Around a service whose error is boxed.
    pub fn boxed_errors(self) -> OutboxLayer<O, BoxedErrors<Http>> {
        OutboxLayer(self.0.viewed())
    }
}

impl<O: Outbox> Keeping<O, Http> {
    fn new(circuit: &Circuit, outbox: O) -> Self {
        show(circuit, &outbox);
        Self {
            circuit: circuit.clone(),
            outbox,
            intake: Intake::default(),
            view: PhantomData,
        }
    }

    fn viewed<V>(self) -> Keeping<O, V> {
        Keeping {
            circuit: self.circuit,
            outbox: self.outbox,
            intake: self.intake,
            view: PhantomData,
        }
    }
}

/// What can be said of both, with the same words.
macro_rules! settings {
    ($layer:ident<$($parameter:ident),+>) => {
        impl<$($parameter),+> $layer<$($parameter),+> {
            /// Sets which methods are kept.
            ///
            /// Default: POST, PUT, PATCH and DELETE.
            pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
                self.0.intake.methods = methods.into_iter().collect();
                self
            }

            /// Sets how long a kept body may be, in bytes.
            ///
            /// Default: 64 KiB.
            pub fn body_limit(mut self, bytes: u64) -> Self {
                self.0.intake.body_limit = bytes;
                self
            }

            /// Keeps this header as well.
            ///
            /// # Errors
            ///
            /// [`CredentialHeader`] for `authorization`, `cookie`, `proxy-authorization` and `set-cookie`. The drainer
            /// [adds its own](super::Drainer::before_each_try).
            pub fn allow_header(mut self, name: HeaderName) -> Result<Self, CredentialHeader> {
                self.0.intake.allow(name)?;
                Ok(self)
            }

            /// Sets the order key of a call. Calls with the same key are delivered in order.
            ///
            /// Default: where the call goes to, without the query. If that is one path for all, a call that fails again
            /// and again holds up all others, until it is dead. So return what belongs together, such as the customer.
            pub fn order_by(mut self, order: impl Fn(&Request<()>) -> String + Send + Sync + 'static) -> Self {
                self.0.intake.order_by = Arc::new(order);
                self
            }

            /// Keeps calls that have failed, too: with an error, a time-out, or a status of 500 or more.
            ///
            /// **Watch out**: the dependency may have done what it was asked for. It is asked again with the same
            /// `Idempotency-Key`, and has to recognise that.
            ///
            /// Default: only what was rejected.
            pub fn also_on_failure(mut self) -> Self {
                self.0.intake.on_failure = true;
                self
            }

            /// Adds headers to the answer, such as a `Location` where the caller can ask what has become of the call.
            pub fn answer_headers(mut self, add: impl Fn(&Accepted, &mut HeaderMap) + Send + Sync + 'static) -> Self {
                self.0.intake.answer_headers = Some(Arc::new(add));
                self
            }

            /// Calls `told` with each error of the outbox itself. The caller gets the rejection then.
            ///
            /// Default: nobody is told. The call is counted as refused.
            pub fn on_outbox_error(mut self, told: impl Fn(&(dyn Error + 'static)) + Send + Sync + 'static) -> Self {
                self.0.intake.outbox_error = Some(Arc::new(told));
                self
            }
        }
    };
}

settings!(DeferLayer<V>);
settings!(OutboxLayer<O, V>);

impl<O: Outbox, V> Keeping<O, V> {
    fn around<S>(&self, inner: S) -> Later<S, O, V> {
        Later::new(
            inner,
            Plan {
                circuit: self.circuit.clone(),
                outbox: self.outbox.clone(),
                intake: self.intake.clone(),
            },
        )
    }
}

impl<S, V> Layer<S> for DeferLayer<V> {
    type Service = Later<S, Memory, V>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.around(inner)
    }
}

impl<S, O: Outbox, V> Layer<S> for OutboxLayer<O, V> {
    type Service = Later<S, O, V>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.around(inner)
    }
}

impl<O: Clone, V> Clone for Keeping<O, V> {
    fn clone(&self) -> Self {
        Self {
            circuit: self.circuit.clone(),
            outbox: self.outbox.clone(),
            intake: self.intake.clone(),
            view: PhantomData,
        }
    }
}

impl<V> Clone for DeferLayer<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<O: Clone, V> Clone for OutboxLayer<O, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> fmt::Debug for DeferLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeferLayer").field(&self.0.intake).finish()
    }
}

impl<O, V> fmt::Debug for OutboxLayer<O, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OutboxLayer").field(&self.0.intake).finish()
    }
}
