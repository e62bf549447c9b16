//! What became of a call, on the span of whoever made it (rule L7).

use std::cell::Cell;

use tracing::Span;

use super::{fields, own_span, tell_once};
#[cfg(feature = "registry")]
use crate::{circuit::observe::Subscription, registry::Registry};
use crate::{
    circuit::{builder::CircuitBuilder, handle::Circuit, observe::CallEvent},
    telemetry::attributes,
};

/// Sets on the current span what becomes of each call of every circuit, also of circuits that are made later. It ends
/// when what this returns is dropped. For the fields, and what to look out for, see
/// [`CircuitBuilder::record_on_current_span`], which does it for a single circuit.
///
/// ```
/// use tower_breaker::{registry::Registry, telemetry::record_on_current_span};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let registry = Registry::builder().circuit("payments", |circuit| circuit).build()?;
/// let _recording = record_on_current_span(&registry);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "registry")]
pub fn record_on_current_span(registry: &Registry) -> Subscription {
    registry.subscribe_calls(hear)
}

impl CircuitBuilder {
    /// Sets on the current span of [`tracing`](https://docs.rs/tracing) what becomes of each call (rule L7), where the
    /// span declares the fields. Feature `tracing`.
    ///
    /// | field | when | what |
    /// |---|---|---|
    /// | `circuit_breaker.name` | admitted, rejected | the circuit |
    /// | `circuit_breaker.state` | admitted, rejected | the state that the call met |
    /// | `circuit_breaker.era` | admitted | the era (generation): grows with each transition |
    /// | `circuit_breaker.probe` | admitted | whether the call is a probe |
    /// | `circuit_breaker.outcome` | rejected, ended | `success`, `failure`, `ignored`, `abandoned`, `rejected` |
    /// | `circuit_breaker.rejected_reason` | rejected | `open`, `half_open_full`, `forced_open`, `ramping`, `shedding`, `bulkhead_full` |
    /// | `circuit_breaker.cause` | rejected | why the circuit has opened, if that is known |
    /// | `circuit_breaker.timed_out` | cut off | whose limit it was: `call`, `probe`, `caller` |
    /// | `circuit_breaker.fallback` | answered otherwise | what did, or was to: `value`, `cached`, … |
    /// | `circuit_breaker.fallback_failed` | the same | whether that has failed as well |
    /// | `circuit_breaker.retry` | failed, and might be repeated | what was decided last: `retried`, `no_budget`, … |
    ///
    /// The names are [constants](crate::telemetry::attributes), and the values are [labels](crate::observe#labels). For
    /// the span that tower-http makes for each request of a server:
    ///
    /// ```
    /// use axum::{Router, extract::Request, routing::get};
    /// use tower_breaker::{Circuit, circuit_breaker_span};
    /// use tower_http::trace::TraceLayer;
    /// use tracing::Level;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let breaker = Circuit::builder("payments").record_on_current_span().build_layer()?;
    /// let traced = TraceLayer::new_for_http().make_span_with(|request: &Request| {
    ///     circuit_breaker_span!(
    ///         Level::INFO,
    ///         "request",
    ///         method = %request.method(),
    ///         path = request.uri().path(),
    ///     )
    /// });
    ///
    /// // The span is outside of the breaker: the layer that is added last.
    /// let app: Router = Router::new()
    ///     .route("/pay", get(|| async { "paid" }))
    ///     .layer(breaker)
    ///     .layer(traced);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** if the span did not declare a field when it was made, `tracing` drops its value and says nothing.
    /// So use [`circuit_breaker_span!`](crate::circuit_breaker_span), or copy the list from there:
    ///
    /// ```
    /// # use tracing::{Level, field::Empty, info_span};
    /// // Wrong: there is no field `outcome`, so nothing is ever set.
    /// let span = info_span!("request", outcome = Empty);
    ///
    /// // Right.
    /// let span = tower_breaker::circuit_breaker_span!(Level::INFO, "request");
    /// ```
    ///
    /// **Watch out:** the current span is that of whoever polls or drops the call at that moment:
    ///
    /// * Under tower-http's `TraceLayer`, a request whose client goes away is dropped outside of its span. So it has
    ///   no outcome, unless there is a [`SpanLayer`](crate::telemetry::SpanLayer) around the breaker.
    /// * A body that is read to its end in another task, and a call that is spawned, need a span there:
    ///   `future.in_current_span()`.
    ///
    /// **Watch out:** a span has one value for each field. If a request goes through several circuits that tell, the
    /// last one is seen. Then `name` and `outcome` belong together, and the rest may be another circuit's. A
    /// [`SpanLayer`](crate::telemetry::SpanLayer) around each breaker gives each call a span of its own.
    ///
    /// An inner service that fails to become ready is no call (rule A6), and nothing is set.
    ///
    /// Calls that are listened to are timed. That reads the clock twice a call.
    #[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
    pub fn record_on_current_span(self) -> Self {
        self.on_call(hear)
    }
}

fn hear(circuit: &Circuit, event: CallEvent<'_>) {
    tell_once(|| {
        let span = own_span::callers_span();
        if !span.is_disabled() {
            name_again_if_needed(&span, circuit, event);
            fields::record(&span, circuit, event);
        }
    });
}

/// The end of a call goes with its circuit's name. That is there from the beginning, unless a call of another circuit
/// came between the two on the same span.
fn name_again_if_needed(span: &Span, circuit: &Circuit, event: CallEvent<'_>) {
    thread_local! {
        /// The span that was told of a call last, and of which circuit.
        static LAST: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
    }
    // What is around the breaker is told of a call that has ended, or has not begun.
    if let CallEvent::FellBack(_) | CallEvent::Retried(_) = event {
        return;
    }
    let id = span.id().map_or(0, |id| id.into_u64());
    let last = LAST.replace((id, circuit.identity()));
    if matches!(event, CallEvent::Ended(_)) && last != (id, circuit.identity()) {
        span.record(attributes::NAME, circuit.name());
    }
}
