//! What operators see of circuits: numbers for a dashboard, logs, and traces.
//!
//! | | needs the feature | what it is |
//! |---|---|---|
//! | `Metrics` | `metrics` | the numbers of all circuits through the `metrics` facade |
//! | `Exposition` | `registry` | the numbers of all circuits as text for Prometheus |
//! | `Labels` | `registry` | which names become labels, for instruments of your own |
//! | [`attributes`] | – | the names of what is said of a circuit in traces, and in numbers for OpenTelemetry |
//! | `log_transitions` | `tracing`; for a registry, `registry`, too | transitions as events |
//! | `record_on_current_span` | the same | what became of a call, on the caller's span |
//! | `SpanLayer` | `tracing` | a span around each call |
//!
//! Numbers cost a call nothing. They are read where they are kept anyway.

pub mod attributes;
#[cfg(feature = "registry")]
mod counted;
#[cfg(feature = "registry")]
mod labels;
#[cfg(feature = "metrics")]
mod meter;
#[cfg(feature = "registry")]
mod names;
#[cfg(feature = "metrics")]
mod one_at_a_time;
#[cfg(feature = "metrics")]
mod recorded;
#[cfg(feature = "registry")]
mod series;
#[cfg(feature = "tracing")]
mod spans;
#[cfg(feature = "registry")]
mod text;
#[cfg(feature = "registry")]
mod tracked;

#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use self::meter::{Metrics, MetricsBuilder};
#[cfg(feature = "registry")]
#[cfg_attr(docsrs, doc(cfg(feature = "registry")))]
pub use self::{labels::Labels, text::Exposition};
/// For the macro, which has no other way to it.
#[cfg(feature = "tracing")]
#[doc(hidden)]
pub use tracing as __tracing;

#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use self::spans::{SpanLayer, Spanned, SpannedFuture};
#[cfg(all(feature = "registry", feature = "tracing"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "registry", feature = "tracing"))))]
pub use self::spans::{log_transitions, record_on_current_span};
