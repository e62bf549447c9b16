//! A span of our own around each call (rule L7).

use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Level, Span, field::Empty};

use super::{TARGET, fields, tell_once};
#[cfg(feature = "registry")]
use crate::registry::Registry;
use crate::{
    circuit::{
        handle::Circuit,
        observe::{CallEvent, Subscription},
    },
    service::check::ready_and_oneshot,
    telemetry::attributes,
};

/// A layer that puts a span `circuit_breaker` around each call, with what became of it (rule L7). Feature `tracing`.
///
/// Put it outside of the breaker, and directly around it. The span has the fields that
/// [`record_on_current_span`](crate::CircuitBuilder::record_on_current_span) sets. Its target is `tower_breaker`, and
/// its level is `debug`, unless you [set](Self::level) another. Its parent is the span that is current when the call is
/// made. Spans of the inner service lie within it.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_breaker::{Circuit, CircuitBreakerLayer, telemetry::SpanLayer};
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let client = tower::service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
/// let circuit = Circuit::builder("payments").build()?;
/// let service = ServiceBuilder::new()
///     .layer(SpanLayer::new(&circuit))
///     .layer(CircuitBreakerLayer::new(circuit))
///     .service(client);
/// # tower::util::BoxCloneService::new(service);
/// # Ok(())
/// # }
/// ```
///
/// If a call is dropped before its response is there, the outcome is `abandoned`. It is told on this span, and on the
/// span around it if that is told of calls.
///
/// A fallback and a policy for retries are outside of the breaker, and no part of this span. They are told on the
/// request's span, by `record_on_current_span`. If each try shall have a span of its own, put this layer inside of the
/// retries.
///
/// **Watch out:** the span ends with the response's head. If bodies are observed, the outcome comes later, and is not
/// on this span. It is on the request's span, by `record_on_current_span`.
///
/// Clones are the same layer. Make one for each circuit, not one for each route. Each layer listens to all calls of its
/// circuit, from when it is made until the last of its services is gone. Calls that are listened to are timed. That
/// reads the clock twice a call.
#[derive(Clone)]
pub struct SpanLayer {
    hearing: Arc<Hearing>,
    level: Level,
}

/// Who listens to calls, for as long as a layer, one of its services, or a call of those is there.
struct Hearing {
    id: u64,
    _until: Subscription,
}

impl SpanLayer {
    /// Makes a layer for the calls of this circuit.
    #[must_use]
    pub fn new(circuit: &Circuit) -> Self {
        Self::hearing(|id| circuit.subscribe_calls(hear(id)))
    }

    /// Makes a layer for the calls of any circuit of this registry. Use it around a layer that has one circuit for each
    /// key. The span tells of the first circuit that its call comes to.
    #[cfg(feature = "registry")]
    #[cfg_attr(docsrs, doc(cfg(all(feature = "registry", feature = "tracing"))))]
    #[must_use]
    pub fn for_registry(registry: &Registry) -> Self {
        Self::hearing(|id| registry.subscribe_calls(hear(id)))
    }

    fn hearing(subscribe: impl FnOnce(u64) -> Subscription) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: it only has to be another one.
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let _until = subscribe(id);
        Self {
            hearing: Arc::new(Hearing { id, _until }),
            level: Level::DEBUG,
        }
    }

    /// Sets the level of the spans.
    ///
    /// Default: `debug`.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        Self { level, ..self }
    }
}

impl<S> Layer<S> for SpanLayer {
    type Service = Spanned<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        Spanned { inner, layer }
    }
}

impl fmt::Debug for SpanLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanLayer")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// A service with a span around each call. Made by [`SpanLayer`].
#[derive(Clone, Debug)]
pub struct Spanned<S> {
    inner: S,
    layer: SpanLayer,
}

ready_and_oneshot!(Spanned<S>);

impl<S: Service<Req>, Req> Service<Req> for Spanned<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = SpannedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let around = Around::begin(&self.layer);
        let inner = within(
            around.as_ref(),
            |around| &around.own,
            || self.inner.call(request),
        );
        SpannedFuture {
            inner: Some(inner),
            around,
        }
    }
}

pin_project! {
    /// The response of a [`Spanned`] service.
    #[must_use = "futures do nothing unless polled"]
    pub struct SpannedFuture<F> {
        #[pin]
        inner: Option<F>,
        around: Option<Arc<Around>>,
    }

    impl<F> PinnedDrop for SpannedFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            this.end();
        }
    }
}

impl<F> SpannedFuture<F> {
    /// Drops the call while its span is current: what it tells then is of this span.
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        within(this.around.as_ref(), Around::own_or_callers, || {
            this.inner.set(None);
        });
        *this.around = None;
    }
}

impl<F: Future> Future for SpannedFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let inner = this.inner.as_pin_mut().expect("polled after completion");
        let polled = within(
            this.around.as_ref(),
            |around| &around.own,
            || inner.poll(context),
        );
        if polled.is_ready() {
            // A timeout between here and the breaker has its answer before it drops the call.
            self.end();
        }
        polled
    }
}

impl<F> fmt::Debug for SpannedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpannedFuture").finish_non_exhaustive()
    }
}

/// The span around a call, and what was around that.
struct Around {
    /// Disabled, where its level is.
    own: Span,
    callers: Span,
    /// The layer's.
    hearing: Arc<Hearing>,
    /// The circuit that it tells of: the first that comes. None is 0.
    circuit: AtomicUsize,
}

thread_local! {
    /// Around the call that is polled, made or dropped on this thread right now: the innermost.
    static AROUND: Cell<Option<Arc<Around>>> = const { Cell::new(None) };
}

impl Around {
    /// `None` where nobody would see it.
    fn begin(layer: &SpanLayer) -> Option<Arc<Self>> {
        let (own, callers) = (span_at(layer.level), callers_span());
        if own.is_disabled() && !fields::are_declared(&callers) {
            return None;
        }
        Some(Arc::new(Self {
            own,
            callers,
            hearing: layer.hearing.clone(),
            circuit: AtomicUsize::new(0),
        }))
    }

    /// Whichever there is, so that a call that is dropped outside of all spans is told of somewhere.
    fn own_or_callers(&self) -> &Span {
        match self.own.is_disabled() {
            true => &self.callers,
            false => &self.own,
        }
    }

    fn is_of(&self, circuit: &Circuit) -> bool {
        let (none, this) = (0, circuit.identity());
        // Relaxed: nothing else is read or written with it.
        let first = self
            .circuit
            .compare_exchange(none, this, Ordering::Relaxed, Ordering::Relaxed);
        first.is_ok() || first == Err(this)
    }
}

/// A level has to be known when this is compiled.
fn span_at(level: Level) -> Span {
    macro_rules! span {
        ($level:expr) => {
            tracing::span!(
                target: TARGET,
                $level,
                "circuit_breaker",
                { attributes::NAME } = Empty,
                { attributes::STATE } = Empty,
                { attributes::ERA } = Empty,
                { attributes::PROBE } = Empty,
                { attributes::OUTCOME } = Empty,
                { attributes::REJECTED_REASON } = Empty,
                { attributes::CAUSE } = Empty,
                { attributes::TIMED_OUT } = Empty,
                { attributes::FALLBACK } = Empty,
                { attributes::FALLBACK_FAILED } = Empty,
                { attributes::RETRY } = Empty,
            )
        };
    }
    match level {
        Level::ERROR => span!(Level::ERROR),
        Level::WARN => span!(Level::WARN),
        Level::INFO => span!(Level::INFO),
        Level::DEBUG => span!(Level::DEBUG),
        Level::TRACE => span!(Level::TRACE),
    }
}

/// Runs `code`, which is a part of the call, in one of its spans.
fn within<T>(
    around: Option<&Arc<Around>>,
    span: impl FnOnce(&Around) -> &Span,
    code: impl FnOnce() -> T,
) -> T {
    let Some(around) = around else {
        return code();
    };
    let _back = Back(put(Some(around.clone())));
    span(around).in_scope(code)
}

/// Puts back what was there before, on unwinding as well.
struct Back(Option<Arc<Around>>);

impl Drop for Back {
    fn drop(&mut self) {
        put(self.0.take());
    }
}

/// Returns what was there. A thread that ends has nothing there any more.
fn put(around: Option<Arc<Around>>) -> Option<Arc<Around>> {
    AROUND
        .try_with(|there| there.replace(around))
        .ok()
        .flatten()
}

fn around() -> Option<Arc<Around>> {
    let around = put(None);
    put(around.clone());
    around
}

/// The span that is current, or if that is one of ours, what is around it.
pub(super) fn callers_span() -> Span {
    let current = Span::current();
    match around() {
        Some(around) if around.own.id().is_some() && around.own.id() == current.id() => {
            around.callers.clone()
        }
        _ => current,
    }
}

/// What a layer does with what it hears: it listens to all calls, and those under it are its own.
fn hear(id: u64) -> impl Fn(&Circuit, CallEvent<'_>) + Send + Sync {
    move |circuit, event| {
        if let Some(around) =
            around().filter(|around| around.hearing.id == id && around.is_of(circuit))
        {
            tell_once(|| fields::record(&around.own, circuit, event));
        }
    }
}
