//! What holds where nothing is said.

use super::Settings;

/// The share of failures that trips where no policy is named at all.
pub(super) const DEFAULT_FAILURE_RATE: f64 = 0.5;
/// The calls a window holds where none is named.
const DEFAULT_COUNT_WINDOW: u32 = 100;
/// The calls a window must hold before a rate counts, or fewer if the window is smaller.
const DEFAULT_MINIMUM_CALLS: u32 = 20;
/// The buckets of a time window.
const DEFAULT_BUCKETS: u32 = 10;

/// What a builder was told of the rate of failures, where that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureRate {
    /// Nothing: then it may have a default.
    Unsaid,
    /// That there is none, if it is not set.
    Said,
}

/// What [`CircuitBuilder`](crate::CircuitBuilder) begins with.
impl Default for Settings {
    fn default() -> Self {
        Self::unsaid().with_defaults(FailureRate::Unsaid)
    }
}

impl Settings {
    /// The same, with the defaults of the builder filled in where a window and a rate were left out.
    pub(crate) fn with_defaults(mut self, rate: FailureRate) -> Self {
        let names_window = self.has_window();
        if !names_window && self.needs_window() {
            self.count_window = Some(DEFAULT_COUNT_WINDOW);
        }
        if self.time_window.is_some() {
            self.time_window_buckets.get_or_insert(DEFAULT_BUCKETS);
        }
        // A window that is there for slow calls only does not ask for a rate of failures. One that is named
        // beside consecutive failures does.
        let asks = self.has_window() && (self.consecutive_failures.is_none() || names_window);
        if asks && rate == FailureRate::Unsaid && self.trip_when.is_none() {
            self.failure_rate.get_or_insert(DEFAULT_FAILURE_RATE);
        }
        self
    }

    fn needs_window(&self) -> bool {
        self.consecutive_failures.is_none()
            || self.failure_rate.is_some()
            || self.slow_call_rate.is_some()
            || self.trip_when.is_some()
            || self.shed.is_some()
    }

    pub(super) fn has_window(&self) -> bool {
        self.count_window.is_some() || self.time_window.is_some()
    }

    /// `None` where there is no window.
    pub(super) fn default_minimum_calls(&self) -> Option<u32> {
        let most = self.count_window.unwrap_or(u32::MAX);
        self.has_window().then(|| most.min(DEFAULT_MINIMUM_CALLS))
    }
}
