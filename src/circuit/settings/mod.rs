//! [`Settings`]: everything that people say of a circuit, as a value (rules B8, E5).
//!
//! The machine computes with [`Numbers`](crate::machine::Numbers). Here is what people say and see of them: each
//! setting with its getter and its setter, the [defaults], what is [refused](check), and how it is [written](print).
//! A live circuit keeps nothing of this but what it was built with: its settings are read from its numbers.

mod agreement;
mod change;
mod check;
mod defaults;
mod error;
mod kept;
mod open_for;
mod print;
mod retry_limits;
mod values;

use std::time::Duration;

pub(crate) use self::check::MAX_PROBES;
#[cfg(feature = "config")]
pub(crate) use self::check::{
    MAX_CONSECUTIVE_FAILURES, MAX_INSTANCES, MAX_PLACES, MAX_RETRIES, MAX_RETRIES_PER_SECOND,
    MAX_REVISION,
};
#[cfg(feature = "admin")]
pub(crate) use self::values::Value;
pub use self::{
    agreement::Agreement,
    change::{ChangedSetting, SettingsChange},
    error::{ConfigError, ReconfigureError},
    open_for::{Jitter, OpenFor},
    retry_limits::RetryLimits,
};
pub(crate) use self::{
    defaults::FailureRate,
    values::{CustomPolicy, millionths, share},
};
use crate::machine::AbandonedPolicy;

/// Defines [`Settings`] from two lists, with a getter and a setter for each line: of what can be off, and of what
/// always has a value.
macro_rules! settings {
    (
        $(#[$of_struct:meta])*
        off { $($(#[$off_doc:meta])* $off:ident, $set_off:ident: $off_type:ty;)+ }
        on { $($(#[$on_doc:meta])* $on:ident, $set_on:ident: $on_type:ty = $default:expr;)+ }
        by_hand { $($by_hand:ident: $by_hand_type:ty = $by_hand_default:expr;)+ }
    ) => {
        $(#[$of_struct])*
        pub struct Settings {
            $($off: Option<$off_type>,)+
            $($on: $on_type,)+
            $($by_hand: $by_hand_type,)+
        }

        impl Settings {
            /// What a builder begins with.
            pub(crate) fn unsaid() -> Self {
                Self {
                    $($off: None,)+
                    $($on: $default,)+
                    $($by_hand: $by_hand_default,)+
                }
            }

            $(
                $(#[$off_doc])*
                #[must_use]
                pub fn $off(&self) -> Option<$off_type> {
                    self.$off
                }

                #[doc = concat!(
                    "Sets [`", stringify!($off), "`](Self::", stringify!($off), "). `None` turns it off.",
                )]
                pub fn $set_off(&mut self, value: impl Into<Option<$off_type>>) -> &mut Self {
                    self.$off = value.into();
                    self
                }
            )+

            $(
                $(#[$on_doc])*
                #[must_use]
                pub fn $on(&self) -> $on_type {
                    self.$on
                }

                #[doc = concat!(
                    "Sets [`", stringify!($on), "`](Self::", stringify!($on), "). `None` is the default, `",
                    stringify!($default), "`.",
                )]
                pub fn $set_on(&mut self, value: impl Into<Option<$on_type>>) -> &mut Self {
                    self.$on = value.into().unwrap_or($default);
                    self
                }
            )+
        }
    };
}

settings! {
    /// All settings of a circuit as data, with the defaults filled in (rule E5).
    ///
    /// [`Circuit::settings`](crate::Circuit::settings) gives those that hold now. Getters are named like the methods
    /// of the [builder](crate::CircuitBuilder), which tell more of each. What can be off is an `Option`.
    ///
    /// They are printed as one would write them, and another circuit can be
    /// [built from them](crate::CircuitBuilder::settings):
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_breaker::Circuit;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments")
    ///     .failure_rate(0.25)
    ///     .probe_timeout(Duration::from_millis(250))
    ///     .build()?;
    ///
    /// let settings = circuit.settings();
    /// assert_eq!((settings.failure_rate(), settings.minimum_calls()), (Some(0.25), Some(20)));
    /// assert_eq!(settings.to_string(), "\
    /// .count_window(100)
    /// .failure_rate(0.25)
    /// .minimum_calls(20)
    /// .open_for(Duration::from_secs(30))
    /// .permits(1)
    /// .probes(1, 1)
    /// .probe_timeout(Duration::from_millis(250))
    /// .abandoned(AbandonedPolicy::FailureIfSlow)
    /// .totals(true)");
    ///
    /// let refunds = Circuit::builder("refunds").settings(&settings).build()?;
    /// assert_eq!(refunds.settings(), settings);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Setters check nothing. Values that make no sense are refused when a circuit is
    /// [built](crate::CircuitBuilder::build) from them, or a live one is [reconfigured](crate::Circuit::reconfigure).
    ///
    /// These are not settings: the name, the tags, the clock, the mode, a restored state, listeners and an ejection
    /// cap. Durations of 584 years and more hold for ever. They read as [`Duration::MAX`] here.
    #[derive(Clone, Debug)]
    off {
        /// How many failures in a row trip; see [the builder](crate::CircuitBuilder::consecutive_failures).
        consecutive_failures, set_consecutive_failures: u32;
        /// The time that these failures must span; see [the builder](crate::CircuitBuilder::consecutive_failures_span).
        consecutive_failures_span, set_consecutive_failures_span: Duration;
        /// The share of failures that trips; see [the builder](crate::CircuitBuilder::failure_rate).
        failure_rate, set_failure_rate: f64;
        /// The share of slow calls that trips; see [the builder](crate::CircuitBuilder::slow_call_rate).
        slow_call_rate, set_slow_call_rate: f64;
        /// A call is slow if it takes longer than this; see [the builder](crate::CircuitBuilder::slow_call_duration).
        slow_call_duration, set_slow_call_duration: Duration;
        /// How many calls the window holds; see [the builder](crate::CircuitBuilder::count_window). It cannot be
        /// changed while the circuit lives: `reconfigure` refuses that.
        count_window, set_count_window: u32;
        /// How long the window is; see [the builder](crate::CircuitBuilder::time_window). It cannot be changed while
        /// the circuit lives: `reconfigure` refuses that.
        time_window, set_time_window: Duration;
        /// In how many steps a time window rolls; see [the builder](crate::CircuitBuilder::time_window_buckets). It
        /// cannot be changed while the circuit lives: `reconfigure` refuses that.
        time_window_buckets, set_time_window_buckets: u32;
        /// The seed of the jitter, if it was set; see [the builder](crate::CircuitBuilder::jitter_seed). A random seed
        /// is not told, so that circuits built from these settings differ. It cannot be changed while the circuit
        /// lives: `reconfigure` refuses that.
        jitter_seed, set_jitter_seed: u64;
        /// How many of its last events a circuit keeps; see [the builder](crate::CircuitBuilder::event_log). `None` is
        /// the default: none, and 16 for a circuit of a registry. It cannot be changed while the circuit lives:
        /// `reconfigure` refuses that.
        event_log, set_event_log: u32;
        /// How long half-open waits for its probes; see [the builder](crate::CircuitBuilder::half_open_timeout). `None`
        /// is the default: the longer of the break before it and 30 seconds.
        half_open_timeout, set_half_open_timeout: Duration;
        /// How long a probe may take; see [the builder](crate::CircuitBuilder::probe_timeout).
        probe_timeout, set_probe_timeout: Duration;
        /// How long the ramp (slow start) after closing takes, and which share of the calls it admits at first; see
        /// [the builder](crate::CircuitBuilder::ramp).
        ramp, set_ramp: (Duration, f64);
        /// Up to which share later than they could rejections are told to come back; see [the
        /// builder](crate::CircuitBuilder::spread_retry_after).
        spread_retry_after, set_spread_retry_after: f64;
        /// Which multiple of what is accepted is let through before calls are refused, and which share is let through
        /// at least; see [the builder](crate::CircuitBuilder::shed).
        shed, set_shed: (f64, f64);
        /// How long a call may take; see [the builder](crate::CircuitBuilder::call_timeout).
        call_timeout, set_call_timeout: Duration;
        /// How many calls may be in flight at once, and how long one more waits for a place; see [the
        /// builder](crate::CircuitBuilder::bulkhead).
        bulkhead, set_bulkhead: (u32, Duration);
        /// How often calls may be repeated; see [the builder](crate::CircuitBuilder::retries).
        retries, set_retries: RetryLimits;
        /// Whether the circuit is shared with the other instances of a fleet, and when they open together; see [the
        /// builder](crate::CircuitBuilder::shared). While the circuit lives, it can be turned on only if it was on when
        /// the circuit was built.
        shared, set_shared: Agreement;
    }
    on {
        /// How many probes may be in flight at once (permitted calls in half-open); see [the
        /// builder](crate::CircuitBuilder::permits).
        permits, set_permits: u32 = 1;
        /// How many successes close, and of how many probes; see [the builder](crate::CircuitBuilder::probes).
        #[doc(alias = "success_threshold")]
        probes, set_probes: (u32, u32) = (1, 1);
        /// What calls count as that are dropped; see [the builder](crate::CircuitBuilder::abandoned).
        abandoned, set_abandoned: AbandonedPolicy = AbandonedPolicy::FailureIfSlow;
        /// Whether totals are counted; see [the builder](crate::CircuitBuilder::totals). It cannot be changed while the
        /// circuit lives: `reconfigure` refuses that.
        totals, set_totals: bool = true;
        /// Whether the circuit counts how long calls take; see [the builder](crate::CircuitBuilder::durations). It
        /// cannot be changed while the circuit lives: `reconfigure` refuses that.
        durations, set_durations: bool = false;
    }
    by_hand {
        minimum_calls: Option<u32> = None;
        open_for: OpenFor = OpenFor::default();
        trip_when: Option<CustomPolicy> = None;
    }
}

impl Settings {
    /// How many calls the window must hold before rates count; see [the builder](crate::CircuitBuilder::minimum_calls).
    /// `None` if there is no window.
    #[must_use]
    pub fn minimum_calls(&self) -> Option<u32> {
        self.minimum_calls.or_else(|| self.default_minimum_calls())
    }

    /// Sets [`minimum_calls`](Self::minimum_calls). `None` is the default: 20, or the size of a smaller count window.
    pub fn set_minimum_calls(&mut self, calls: impl Into<Option<u32>>) -> &mut Self {
        self.minimum_calls = calls.into();
        self
    }

    /// The wait duration: how long the circuit stays open; see [the builder](crate::CircuitBuilder::open_for).
    #[must_use]
    pub fn open_for(&self) -> &OpenFor {
        &self.open_for
    }

    /// Sets [`open_for`](Self::open_for). [`OpenFor::default`] is the default, 30 seconds.
    ///
    /// A [function of the attempt](OpenFor::from_fn) cannot be changed while the circuit lives, nor set if there was
    /// none: `reconfigure` refuses that. Its jitter can be changed.
    ///
    /// **Watch out:** a plain `Duration` replaces growth and jitter, too;
    /// [what keeps them](crate::Circuit::reconfigure).
    pub fn set_open_for(&mut self, open_for: impl Into<OpenFor>) -> &mut Self {
        self.open_for = open_for.into();
        self
    }

    /// Whether there is a custom policy; see [the builder](crate::CircuitBuilder::trip_when). It cannot be changed
    /// while the circuit lives: `reconfigure` refuses that. A circuit that is built from these settings gets the same
    /// policy.
    #[must_use]
    pub fn has_trip_when(&self) -> bool {
        self.trip_when.is_some()
    }

    pub(crate) fn trip_when(&self) -> Option<&CustomPolicy> {
        self.trip_when.as_ref()
    }

    pub(crate) fn set_trip_when(&mut self, policy: CustomPolicy) {
        self.trip_when = Some(policy);
    }

    /// Sets every setting to its value in `other`.
    pub fn set_to(&mut self, other: &Self) -> &mut Self {
        self.clone_from(other);
        self
    }

    /// The settings that differ between these and the `newer` ones, in the order in which settings are printed.
    #[must_use]
    pub fn changes_to(&self, newer: &Self) -> Vec<ChangedSetting> {
        let pairs = self.values().into_iter().zip(newer.values());
        pairs
            .filter(|((_, old), (_, new))| old != new)
            .map(|((name, old), (_, new))| ChangedSetting::new(name, &old, &new))
            .collect()
    }
}

/// Two settings are equal if they mean the same: a default equals the value that it stands for.
impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}
