//! What a live circuit keeps of its settings (rule E5).

use super::{ConfigError, Settings, values::Value};
use crate::machine::Numbers;

/// What is allowed of a setting that a live circuit keeps.
const KEPT: &str = "left as the circuit was built";

impl Settings {
    /// Puts the closures of a live circuit in the place of those that were made anew for it.
    #[cfg(feature = "config")]
    pub(crate) fn take_closures_of(&mut self, live: &Self) {
        if self.trip_when.is_some() && live.trip_when.is_some() {
            self.trip_when.clone_from(&live.trip_when);
        }
        self.open_for.take_function_of(&live.open_for);
        if self.jitter_seed.is_none() {
            self.jitter_seed = live.jitter_seed;
        }
    }

    /// The numbers of a live circuit that was `built` so, if the `old` settings that hold can become these.
    pub(crate) fn numbers_in_place(
        &self,
        old: &Self,
        built: &Self,
    ) -> Result<Numbers, ConfigError> {
        self.refuse_new_shape(built)?;
        self.refuse_unbuilt(built)?;
        self.numbers(Some(old))
    }

    /// What changes the memory's shape cannot be changed while calls are in flight, nor can closures.
    fn refuse_new_shape(&self, built: &Self) -> Result<(), ConfigError> {
        if self.time_window.is_some() {
            // What was said, before what is off because of it.
            keep("time_window", self.time_window, built.time_window)?;
        }
        keep("count_window", self.count_window, built.count_window)?;
        keep("time_window", self.time_window, built.time_window)?;
        let buckets = built.time_window_buckets;
        keep("time_window_buckets", self.time_window_buckets, buckets)?;
        keep("trip_when", self.trip_when.clone(), built.trip_when.clone())?;
        keep("totals", self.totals, built.totals)?;
        keep("durations", self.durations, built.durations)?;
        keep("event_log", self.event_log, built.event_log)?;
        keep("jitter_seed", self.jitter_seed, built.jitter_seed)?;
        let same = self.open_for.has_function_of(&built.open_for);
        ConfigError::unless(same, "open_for", &self.open_for, KEPT)
    }

    /// What needs memory that was not set aside when the circuit was built.
    fn refuse_unbuilt(&self, built: &Self) -> Result<(), ConfigError> {
        let watches_slow = built.slow_call_duration.is_some();
        if let (Some(agreement), None) = (self.shared, built.shared) {
            let allowed = "left out: the circuit was built without it";
            return Err(ConfigError::new(
                "shared",
                format_args!("{agreement}"),
                allowed,
            ));
        }
        let needs = |what| format!("left out: the circuit was built without a {what}");
        match (self.failure_rate, self.slow_call_rate) {
            (Some(rate), _) if !built.has_window() => {
                let needs = needs("`count_window` or `time_window`");
                Err(ConfigError::new("failure_rate", rate, needs).blaming("count_window"))
            }
            (_, Some(rate)) if !built.has_window() => {
                let needs = needs("`count_window` or `time_window`");
                Err(ConfigError::new("slow_call_rate", rate, needs).blaming("count_window"))
            }
            (_, Some(rate)) if !watches_slow => {
                let needs = needs("`slow_call_duration`");
                Err(ConfigError::new("slow_call_rate", rate, needs).blaming("slow_call_duration"))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses what is not as it was built.
fn keep<T: PartialEq + Into<Value>>(
    field: &'static str,
    said: T,
    built: T,
) -> Result<(), ConfigError> {
    let same = said == built;
    let value = said.into();
    ConfigError::unless(same, field, &format_args!("{value}"), KEPT)
}
