//! The fields of a call on a span.

use tracing::Span;

use crate::{
    circuit::{
        error::{Reason, Rejected},
        handle::Circuit,
        observe::{AdmittedCall, CallEvent},
    },
    machine::State,
    telemetry::attributes,
};

/// All that is set. A span has to declare them when it is made.
const FIELDS: [&str; 11] = [
    attributes::NAME,
    attributes::STATE,
    attributes::ERA,
    attributes::PROBE,
    attributes::OUTCOME,
    attributes::REJECTED_REASON,
    attributes::CAUSE,
    attributes::TIMED_OUT,
    attributes::FALLBACK,
    attributes::FALLBACK_FAILED,
    attributes::RETRY,
];

/// Makes a span, as `tracing::span!` does, that declares the fields that
/// [`record_on_current_span`](crate::CircuitBuilder::record_on_current_span) sets. Needs the feature `tracing`.
///
/// If a field was not declared, `tracing` drops its value and says nothing. So a field that is forgotten or mistyped is
/// never there.
///
/// ```
/// use tower_breaker::circuit_breaker_span;
/// use tracing::Level;
///
/// # let request = http::Request::new(());
/// let span = circuit_breaker_span!(
///     Level::INFO,
///     "request",
///     method = %request.method(),
///     path = request.uri().path(),
/// );
/// ```
///
/// Without the macro, write out those that you want:
///
/// ```
/// use tracing::{field::Empty, info_span};
///
/// let span = info_span!(
///     "request",
///     circuit_breaker.name = Empty,
///     circuit_breaker.state = Empty,
///     circuit_breaker.era = Empty,
///     circuit_breaker.probe = Empty,
///     circuit_breaker.outcome = Empty,
///     circuit_breaker.rejected_reason = Empty,
///     circuit_breaker.cause = Empty,
///     circuit_breaker.timed_out = Empty,
///     circuit_breaker.fallback = Empty,
///     circuit_breaker.fallback_failed = Empty,
///     circuit_breaker.retry = Empty,
/// );
/// ```
#[macro_export]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
macro_rules! circuit_breaker_span {
    ($level:expr, $name:expr $(, $($fields:tt)*)?) => {
        $crate::telemetry::__tracing::span!(
            $level,
            $name,
            { $crate::telemetry::attributes::NAME } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::STATE } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::ERA } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::PROBE } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::OUTCOME } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::REJECTED_REASON } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::CAUSE } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::TIMED_OUT } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::FALLBACK } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::FALLBACK_FAILED } = $crate::telemetry::__tracing::field::Empty,
            { $crate::telemetry::attributes::RETRY } = $crate::telemetry::__tracing::field::Empty,
            $($($fields)*)?
        )
    };
}

/// Whether anything that is set of this span is kept.
pub(super) fn are_declared(span: &Span) -> bool {
    FIELDS.iter().any(|field| span.has_field(*field))
}

/// Sets of a span what it declares.
pub(super) fn record(span: &Span, circuit: &Circuit, event: CallEvent<'_>) {
    match event {
        CallEvent::Admitted(call) => record_admitted(span, circuit, call),
        CallEvent::Rejected(rejected) => record_rejected(span, rejected),
        CallEvent::Ended(call) => {
            span.record(attributes::OUTCOME, call.end.label());
        }
        CallEvent::TimedOut(timed_out) => {
            span.record(attributes::TIMED_OUT, timed_out.whose().label());
        }
        CallEvent::FellBack(fell_back) => {
            span.record(attributes::FALLBACK, fell_back.kind.label())
                .record(attributes::FALLBACK_FAILED, !fell_back.answered);
        }
        CallEvent::Retried(decision) => {
            span.record(attributes::RETRY, decision.label());
        }
        CallEvent::NotReady => {}
    }
}

fn record_admitted(span: &Span, circuit: &Circuit, call: AdmittedCall) {
    span.record(attributes::NAME, circuit.name())
        .record(attributes::STATE, call.state.label())
        .record(attributes::ERA, call.era)
        .record(attributes::PROBE, call.probe);
}

fn record_rejected(span: &Span, rejected: &Rejected) {
    span.record(attributes::NAME, rejected.circuit())
        .record(
            attributes::STATE,
            state_of(rejected.reason()).map(State::label),
        )
        .record(attributes::OUTCOME, "rejected")
        .record(attributes::REJECTED_REASON, rejected.reason().label())
        .record(
            attributes::CAUSE,
            rejected.cause().map(|cause| cause.label()),
        );
}

/// The state in which a call is rejected for this reason; `None` if it may be any.
fn state_of(reason: Reason) -> Option<State> {
    Some(match reason {
        Reason::Open | Reason::ForcedOpen => State::Open,
        Reason::HalfOpenFull => State::HalfOpen,
        Reason::Ramping | Reason::Shedding => State::Closed,
        Reason::BulkheadFull => return None,
    })
}

#[cfg(test)]
mod tests {
    use tracing::{Level, Metadata, Subscriber, span};

    use super::*;

    /// Nothing but that spans are enabled.
    struct Enabled;

    impl Subscriber for Enabled {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {}

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    // L7
    #[test]
    fn the_macro_declares_all_that_is_set_and_what_it_is_given() {
        tracing::subscriber::with_default(Enabled, || {
            let span = circuit_breaker_span!(Level::INFO, "request", method = "GET");
            let declared = span.metadata().expect("enabled").fields();
            let names: Vec<_> = declared.iter().map(|field| field.name()).collect();
            assert_eq!(names, [FIELDS.as_slice(), &["method"]].concat());
            assert!(circuit_breaker_span!(Level::INFO, "request").has_field(FIELDS[0]));
        });
    }
}
