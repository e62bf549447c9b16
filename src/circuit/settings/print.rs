//! Settings as one would write them.

use std::fmt;

use super::{
    Settings,
    values::{Code, Value},
};

impl Settings {
    /// Each by its name, in the order in which they are printed.
    pub(crate) fn values(&self) -> [(&'static str, Value); 27] {
        // Without `..`, so that none is forgotten.
        let Self {
            consecutive_failures,
            consecutive_failures_span,
            failure_rate,
            slow_call_rate,
            slow_call_duration,
            count_window,
            time_window,
            time_window_buckets,
            jitter_seed,
            event_log,
            half_open_timeout,
            probe_timeout,
            ramp,
            spread_retry_after,
            shed,
            call_timeout,
            bulkhead,
            retries,
            shared,
            permits,
            probes,
            abandoned,
            totals,
            durations,
            minimum_calls: _,
            open_for,
            trip_when,
        } = self;
        [
            ("consecutive_failures", (*consecutive_failures).into()),
            (
                "consecutive_failures_span",
                (*consecutive_failures_span).into(),
            ),
            ("count_window", (*count_window).into()),
            ("time_window", (*time_window).into()),
            ("time_window_buckets", (*time_window_buckets).into()),
            ("failure_rate", (*failure_rate).into()),
            ("slow_call_rate", (*slow_call_rate).into()),
            ("slow_call_duration", (*slow_call_duration).into()),
            ("trip_when", trip_when.clone().into()),
            ("minimum_calls", self.minimum_calls().into()),
            ("open_for", open_for.into()),
            ("jitter_seed", (*jitter_seed).into()),
            ("permits", (*permits).into()),
            ("probes", (*probes).into()),
            ("half_open_timeout", (*half_open_timeout).into()),
            ("probe_timeout", (*probe_timeout).into()),
            ("call_timeout", (*call_timeout).into()),
            ("bulkhead", (*bulkhead).into()),
            ("retries", (*retries).into()),
            ("shared", (*shared).into()),
            ("ramp", (*ramp).into()),
            ("shed", (*shed).into()),
            ("spread_retry_after", (*spread_retry_after).into()),
            ("abandoned", (*abandoned).into()),
            ("totals", (*totals).into()),
            // Left out where it is off, as it is by default.
            ("durations", durations.then_some(true).into()),
            ("event_log", (*event_log).into()),
        ]
    }

    /// Whether it has to be said that this is off, since it would have a default where it is left out.
    fn says_that_it_is_off(&self, name: &str) -> bool {
        name == "failure_rate" && self.has_window() && self.trip_when.is_none()
    }
}

/// As one would write it: the calls of the builder that make it, one on a line. What is off is left out. A closure
/// is printed as `…`.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said =
            |(name, value): &(&str, Value)| *value != Value::Off || self.says_that_it_is_off(name);
        let mut line_break = "";
        for (name, value) in self.values().iter().filter(|setting| said(setting)) {
            write!(f, "{line_break}.{name}({})", Code(value))?;
            line_break = "\n";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    // E5: what is printed can be written. Whoever adds a setting adds its method.
    #[test]
    fn each_setting_is_a_method_of_the_builder() {
        let builder = include_str!("../builder.rs");
        for (name, _) in Settings::unsaid().values() {
            let method = format!("pub fn {name}(");
            assert!(builder.contains(&method), "the builder has no `{name}`");
        }
    }
}
