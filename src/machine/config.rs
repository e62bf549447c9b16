//! Every number of a circuit, its default, and what is refused (rule B8).

use std::{error::Error, fmt, fmt::Debug, time::Duration};

use super::WHOLE;
use super::backoff::{JitterKind, OfAttempt, OpenFor};
use super::count_window::MAX_SIZE;
use super::time_window::{MAX_BUCKETS, MAX_SPAN, MIN_SPAN};
use super::types::AbandonedPolicy;
use super::word::{BreakLength, MAX_CONSECUTIVE_FAILURES, MAX_PROBES};

/// A setting that makes no sense, refused when the circuit is built or reconfigured (rule B8).
///
/// It names the field, the value and what is allowed.
///
/// ```
/// use tower_breaker::Circuit;
///
/// let error = Circuit::builder("payments").failure_rate(1.5).build().unwrap_err();
/// assert_eq!(error.field(), "failure_rate");
/// assert_eq!(
///     error.to_string(),
///     "`failure_rate` is 1.5, but must be a share above 0 and at most 1",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    value: String,
    allowed: String,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, value: impl Debug, allowed: impl Into<String>) -> Self {
        Self {
            field,
            value: format!("{value:?}"),
            allowed: allowed.into(),
        }
    }

    /// What is allowed of a setting that a live circuit keeps.
    pub(crate) const KEPT: &'static str = "left as the circuit was built";

    /// An error, unless `valid`.
    pub(crate) fn unless(
        valid: bool,
        field: &'static str,
        value: &dyn Debug,
        allowed: &str,
    ) -> Result<(), Self> {
        if valid {
            Ok(())
        } else {
            Err(Self::new(field, value, allowed))
        }
    }

    /// The name of the setting: the builder's method, or `name` for the circuit's name.
    #[must_use]
    pub fn field(&self) -> &str {
        self.field
    }

    /// The value that was refused.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What would have been accepted.
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            value,
            allowed,
        } = self;
        write!(f, "`{field}` is {value}, but must be {allowed}")
    }
}

impl Error for ConfigError {}

/// A duration in nanoseconds; what is longer than 584 years counts as that.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(duration.subsec_nanos()))
}

/// A share in (0, 1] as millionths (B4).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be in 0..=1"
)]
pub(crate) fn millionths(field: &'static str, share: f64) -> Result<u64, ConfigError> {
    let rounded = (share * 1e6).round();
    if share <= 1.0 && rounded >= 1.0 {
        return Ok(rounded as u64);
    }
    Err(ConfigError::new(
        field,
        share,
        "a share above 0 and at most 1",
    ))
}

/// Whether `part` of `whole` reaches a share in millionths (B4). 49.5 % never reaches 50 %, and 7
/// of 100 always reaches 7 %.
pub(crate) fn reaches(part: u64, whole: u64, millionths: u64) -> bool {
    u128::from(part) * u128::from(WHOLE) >= u128::from(whole) * u128::from(millionths)
}

/// The numbers that a live circuit can change (E5). Zero means *off* or *not said*.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Numbers {
    /// Failures in a row that trip.
    pub(crate) consecutive: u64,
    /// In nanoseconds: how long they have to span.
    pub(crate) streak_span: u64,
    /// In millionths.
    pub(crate) failure_rate: u64,
    /// In millionths.
    pub(crate) slow_rate: u64,
    pub(crate) minimum_calls: u64,
    /// In nanoseconds.
    pub(crate) slow_after: u64,
    /// In nanoseconds.
    pub(crate) open_first: u64,
    pub(crate) open_factor: f64,
    /// In nanoseconds.
    pub(crate) open_max: u64,
    pub(crate) jitter: JitterKind,
    pub(crate) permits: u64,
    pub(crate) successes: u64,
    pub(crate) of: u64,
    /// In nanoseconds.
    pub(crate) half_open_timeout: u64,
    /// In nanoseconds.
    pub(crate) probe_timeout: u64,
    /// In nanoseconds.
    pub(crate) ramp: u64,
    /// In millionths.
    pub(crate) ramp_from: u64,
    /// In millionths.
    pub(crate) retry_spread: u64,
    pub(crate) abandoned: AbandonedPolicy,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            consecutive: 0,
            streak_span: 0,
            failure_rate: 0,
            slow_rate: 0,
            minimum_calls: 0,
            slow_after: 0,
            open_first: nanos(super::backoff::DEFAULT_OPEN_FOR),
            open_factor: 1.0,
            open_max: u64::MAX,
            jitter: JitterKind::None,
            permits: 1,
            successes: 1,
            of: 1,
            half_open_timeout: 0,
            probe_timeout: 0,
            ramp: 0,
            ramp_from: 0,
            retry_spread: 0,
            abandoned: AbandonedPolicy::FailureIfSlow,
        }
    }
}

impl Numbers {
    pub(crate) const WORDS: usize = 21;

    /// D4: how long half-open waits for its probes. Where nothing is said, the longer of the break
    /// and 30 s, so that a dependency slower than the break can still prove itself.
    pub(super) fn half_open_timeout_after(&self, open_for: BreakLength) -> Duration {
        if self.half_open_timeout > 0 {
            return Duration::from_nanos(self.half_open_timeout);
        }
        open_for.duration().max(Duration::from_secs(30))
    }

    /// As words, for cells that are read and written one at a time.
    pub(crate) fn to_words(self) -> [u64; Self::WORDS] {
        let (jitter, share) = match self.jitter {
            JitterKind::None => (0, 0),
            JitterKind::Full => (1, 0),
            JitterKind::Equal => (2, 0),
            JitterKind::Fraction(share) => (3, share),
        };
        let (abandoned, limit) = match self.abandoned {
            AbandonedPolicy::Ignore => (0, 0),
            AbandonedPolicy::Failure => (1, 0),
            AbandonedPolicy::FailureIfSlow => (2, 0),
            AbandonedPolicy::FailureAfter(limit) => (3, nanos(limit)),
        };
        [
            self.consecutive,
            self.failure_rate,
            self.slow_rate,
            self.minimum_calls,
            self.slow_after,
            self.open_first,
            self.open_factor.to_bits(),
            self.open_max,
            jitter,
            share,
            self.permits,
            self.successes,
            self.of,
            self.half_open_timeout,
            self.ramp,
            self.ramp_from,
            abandoned,
            limit,
            self.streak_span,
            self.retry_spread,
            self.probe_timeout,
        ]
    }

    /// What slow calls take longer than, so that a load of one word tells whether calls are timed; for ever
    /// where they are timed for another reason.
    pub(crate) fn timing(&self) -> u64 {
        match self.abandoned {
            _ if self.slow_after > 0 => self.slow_after,
            AbandonedPolicy::FailureAfter(_) => u64::MAX,
            AbandonedPolicy::Ignore | AbandonedPolicy::Failure | AbandonedPolicy::FailureIfSlow => {
                0
            }
        }
    }

    pub(crate) fn from_words(words: [u64; Self::WORDS]) -> Self {
        Self {
            consecutive: words[0],
            streak_span: words[18],
            failure_rate: words[1],
            slow_rate: words[2],
            minimum_calls: words[3],
            slow_after: words[4],
            open_first: words[5],
            open_factor: f64::from_bits(words[6]),
            open_max: words[7],
            jitter: match words[8] {
                0 => JitterKind::None,
                1 => JitterKind::Full,
                2 => JitterKind::Equal,
                _ => JitterKind::Fraction(words[9]),
            },
            permits: words[10],
            successes: words[11],
            of: words[12],
            half_open_timeout: words[13],
            probe_timeout: words[20],
            ramp: words[14],
            ramp_from: words[15],
            retry_spread: words[19],
            abandoned: match words[16] {
                0 => AbandonedPolicy::Ignore,
                1 => AbandonedPolicy::Failure,
                2 => AbandonedPolicy::FailureIfSlow,
                _ => AbandonedPolicy::FailureAfter(Duration::from_nanos(words[17])),
            },
        }
    }
}

/// Which calls a circuit looks back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowKind {
    None,
    Count(u32),
    Time(Duration, u32),
}

impl WindowKind {
    fn validate(self) -> Result<(), ConfigError> {
        match self {
            Self::None => Ok(()),
            Self::Count(size) => {
                let allowed = format!("1 to {MAX_SIZE} calls");
                let valid = (1..=MAX_SIZE).contains(&size);
                ConfigError::unless(valid, "count_window", &size, &allowed)
            }
            Self::Time(span, buckets) => {
                let allowed = format!("{MIN_SPAN:?} to {MAX_SPAN:?}");
                let valid = (MIN_SPAN..=MAX_SPAN).contains(&span);
                ConfigError::unless(valid, "time_window", &span, &allowed)?;
                let allowed = format!("1 to {MAX_BUCKETS}");
                let valid = (1..=MAX_BUCKETS).contains(&buckets);
                ConfigError::unless(valid, "time_window_buckets", &buckets, &allowed)
            }
        }
    }

    fn size(self) -> Option<u64> {
        match self {
            Self::Count(size) => Some(size.into()),
            Self::None | Self::Time(..) => None,
        }
    }
}

/// What a person has said, before it is checked. `None` is *not said*.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) consecutive_failures: Option<u64>,
    pub(crate) consecutive_failures_span: Option<Duration>,
    pub(crate) failure_rate: Option<f64>,
    pub(crate) slow_call_rate: Option<f64>,
    pub(crate) slow_call_duration: Option<Duration>,
    pub(crate) minimum_calls: Option<u64>,
    pub(crate) count_window: Option<u32>,
    pub(crate) time_window: Option<Duration>,
    pub(crate) time_window_buckets: Option<u32>,
    pub(crate) custom_policy: bool,
    pub(crate) open_for: Option<OpenFor>,
    pub(crate) permits: Option<u64>,
    pub(crate) probes: Option<Probing>,
    pub(crate) half_open_timeout: Option<Duration>,
    pub(crate) probe_timeout: Option<Duration>,
    pub(crate) ramp: Option<(Duration, f64)>,
    pub(crate) spread_retry_after: Option<f64>,
    pub(crate) abandoned: Option<AbandonedPolicy>,
}

/// How many probes decide, as a person has said it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probing {
    /// So many in a row.
    Threshold(u64),
    /// So many `of` so many.
    Of { successes: u64, of: u64 },
}

impl Probing {
    /// The numbers, if they can be.
    fn numbers(self) -> Result<(u64, u64), ConfigError> {
        let (successes, of, field) = match self {
            Self::Threshold(successes) => (successes, successes, "success_threshold"),
            Self::Of { successes, of } => (successes, of, "probes.of"),
        };
        let allowed = format!("1 to {MAX_PROBES}");
        ConfigError::unless((1..=MAX_PROBES).contains(&of), field, &of, &allowed)?;
        let allowed = format!("1 to {of}, the number of probes");
        let valid = (1..=of).contains(&successes);
        ConfigError::unless(valid, "probes.successes", &successes, &allowed)?;
        Ok((successes, of))
    }
}

/// The share of failures that trips where no policy is named at all.
pub(crate) const DEFAULT_FAILURE_RATE: f64 = 0.5;
/// The calls a window holds where none is named.
pub(crate) const DEFAULT_COUNT_WINDOW: u32 = 100;
/// The calls a window must hold before a rate counts, or fewer if the window is smaller.
pub(crate) const DEFAULT_MINIMUM_CALLS: u64 = 20;
/// The buckets of a time window.
pub(crate) const DEFAULT_BUCKETS: u32 = 10;

impl Settings {
    /// The window these settings ask for.
    pub(crate) fn window(&self) -> Result<WindowKind, ConfigError> {
        let kind = match (self.count_window, self.time_window) {
            (Some(_), Some(span)) => {
                let allowed = "the only window: a circuit has a count window or a time window";
                return Err(ConfigError::new("time_window", span, allowed));
            }
            (Some(size), None) => WindowKind::Count(size),
            (None, Some(span)) => {
                WindowKind::Time(span, self.time_window_buckets.unwrap_or(DEFAULT_BUCKETS))
            }
            (None, None) if self.needs_window() => WindowKind::Count(DEFAULT_COUNT_WINDOW),
            (None, None) => WindowKind::None,
        };
        if let (WindowKind::None | WindowKind::Count(_), Some(buckets)) =
            (kind, self.time_window_buckets)
        {
            let allowed = "left out where there is no `time_window`";
            return Err(ConfigError::new("time_window_buckets", buckets, allowed));
        }
        kind.validate().map(|()| kind)
    }

    fn needs_window(&self) -> bool {
        self.consecutive_failures.is_none()
            || self.failure_rate.is_some()
            || self.slow_call_rate.is_some()
            || self.custom_policy
    }

    /// Whether nothing says when failures trip. A window that is there for slow calls only does not say
    /// so; one that is named beside consecutive failures asks for a rate.
    fn leaves_failures_to_the_default(&self) -> bool {
        let window_is_named = self.count_window.is_some() || self.time_window.is_some();
        self.failure_rate.is_none()
            && !self.custom_policy
            && (self.consecutive_failures.is_none() || window_is_named)
    }

    /// The numbers these settings stand for, on top of `numbers`.
    pub(crate) fn apply(
        &self,
        mut numbers: Numbers,
        window: Option<WindowSize>,
    ) -> Result<Numbers, ConfigError> {
        self.apply_policies(&mut numbers, window)?;
        if let Some(open_for) = &self.open_for {
            open_for.write_to(&mut numbers)?;
        }
        self.apply_probes(&mut numbers)?;
        if let Some((ramp, from)) = self.ramp {
            ConfigError::unless(!ramp.is_zero(), "ramp", &ramp, "a time above zero")?;
            numbers.ramp = nanos(ramp);
            numbers.ramp_from = millionths("ramp.from", from)?;
        }
        if let Some(share) = self.spread_retry_after {
            numbers.retry_spread = millionths("spread_retry_after", share)?;
        }
        if let Some(abandoned) = self.abandoned {
            let valid = abandoned != AbandonedPolicy::FailureAfter(Duration::ZERO);
            ConfigError::unless(valid, "abandoned", &abandoned, "after a time above zero")?;
            numbers.abandoned = abandoned;
        }
        Ok(numbers)
    }

    fn apply_policies(
        &self,
        numbers: &mut Numbers,
        window: Option<WindowSize>,
    ) -> Result<(), ConfigError> {
        if let Some(failures) = self.consecutive_failures {
            let allowed = format!("1 to {MAX_CONSECUTIVE_FAILURES}");
            let valid = (1..=MAX_CONSECUTIVE_FAILURES).contains(&failures);
            ConfigError::unless(valid, "consecutive_failures", &failures, &allowed)?;
            numbers.consecutive = failures;
        }
        self.apply_span(numbers)?;
        if let Some(rate) = self.failure_rate {
            numbers.failure_rate = millionths("failure_rate", rate)?;
        }
        if let Some(rate) = self.slow_call_rate {
            numbers.slow_rate = millionths("slow_call_rate", rate)?;
        }
        if let Some(duration) = self.slow_call_duration {
            let allowed = "a time above zero";
            ConfigError::unless(
                !duration.is_zero(),
                "slow_call_duration",
                &duration,
                allowed,
            )?;
            numbers.slow_after = nanos(duration);
        }
        if numbers.slow_rate > 0 && numbers.slow_after == 0 {
            let allowed = "set together with `slow_call_rate`";
            let missing = format_args!("not set");
            return Err(ConfigError::new("slow_call_duration", missing, allowed));
        }
        self.apply_minimum(numbers, window)
    }

    fn apply_span(&self, numbers: &mut Numbers) -> Result<(), ConfigError> {
        let Some(span) = self.consecutive_failures_span else {
            return Ok(());
        };
        let field = "consecutive_failures_span";
        ConfigError::unless(!span.is_zero(), field, &span, "a time above zero")?;
        let allowed = "left out where there is no `consecutive_failures`";
        ConfigError::unless(numbers.consecutive > 0, field, &span, allowed)?;
        numbers.streak_span = nanos(span);
        Ok(())
    }

    fn apply_minimum(
        &self,
        numbers: &mut Numbers,
        window: Option<WindowSize>,
    ) -> Result<(), ConfigError> {
        let Some(minimum) = self.minimum_calls else {
            return Ok(());
        };
        let (valid, allowed) = match window {
            None => (false, "left out where there is no window".to_owned()),
            Some(WindowSize::Unbounded) => (minimum >= 1, "at least 1".to_owned()),
            Some(WindowSize::Calls(size)) => (
                (1..=size).contains(&minimum),
                format!("1 to {size}, the size of the window"),
            ),
        };
        ConfigError::unless(valid, "minimum_calls", &minimum, &allowed)?;
        numbers.minimum_calls = minimum;
        Ok(())
    }

    fn apply_probes(&self, numbers: &mut Numbers) -> Result<(), ConfigError> {
        if let Some(permits) = self.permits {
            numbers.permits = permits;
        }
        if let Some(probes) = self.probes {
            (numbers.successes, numbers.of) = probes.numbers()?;
        }
        let most = numbers.of;
        let allowed = format!("1 to {most}, the number of `probes`");
        let valid = (1..=most).contains(&numbers.permits);
        ConfigError::unless(valid, "permits", &numbers.permits, &allowed)?;
        if let Some(timeout) = self.half_open_timeout {
            let allowed = "a time above zero";
            ConfigError::unless(!timeout.is_zero(), "half_open_timeout", &timeout, allowed)?;
            numbers.half_open_timeout = nanos(timeout);
        }
        if let Some(limit) = self.probe_timeout {
            let allowed = "a time above zero";
            ConfigError::unless(!limit.is_zero(), "probe_timeout", &limit, allowed)?;
            numbers.probe_timeout = nanos(limit);
        }
        Ok(())
    }

    /// The settings of a new circuit: its window and its numbers, defaults filled in.
    pub(crate) fn resolve(&self) -> Result<Plan, ConfigError> {
        let window = self.window()?;
        let mut numbers = self.apply(Numbers::default(), WindowSize::of(window))?;
        if window != WindowKind::None && self.leaves_failures_to_the_default() {
            numbers.failure_rate = millionths("failure_rate", DEFAULT_FAILURE_RATE)?;
        }
        if numbers.minimum_calls == 0 {
            numbers.minimum_calls = window.size().unwrap_or(u64::MAX).min(DEFAULT_MINIMUM_CALLS);
        }
        Ok(Plan {
            window,
            numbers,
            open_for: self.open_for.as_ref().and_then(OpenFor::function),
        })
    }
}

/// Settings that have been checked: what a circuit is made from.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) window: WindowKind,
    pub(crate) numbers: Numbers,
    pub(crate) open_for: Option<OfAttempt>,
}

/// How many calls a window can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WindowSize {
    Calls(u64),
    Unbounded,
}

impl WindowSize {
    pub(crate) fn of(window: WindowKind) -> Option<Self> {
        match window {
            WindowKind::None => None,
            WindowKind::Count(size) => Some(Self::Calls(size.into())),
            WindowKind::Time(..) => Some(Self::Unbounded),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // B4
    #[test]
    fn rates_are_compared_in_integers() {
        let rate = |share| millionths("rate", share).expect("valid");
        assert!(!reaches(99, 200, rate(0.5)), "49.5 % is not 50 %");
        assert!(reaches(100, 200, rate(0.5)));
        for percent in 1..=100u32 {
            let share = rate(f64::from(percent) / 100.0);
            assert!(reaches(percent.into(), 100, share), "{percent} of 100");
            assert!(
                !reaches(u64::from(percent) - 1, 100, share),
                "{percent} - 1 of 100"
            );
        }
    }

    // B8
    #[test]
    fn shares_outside_their_range_are_refused() {
        for share in [0.0, -0.1, 1.000_001, f64::NAN, f64::INFINITY, 4e-7] {
            assert!(millionths("rate", share).is_err(), "{share}");
        }
        assert_eq!(millionths("rate", 1.0), Ok(1_000_000));
        assert_eq!(millionths("rate", 1e-6), Ok(1));
    }

    proptest! {
        #[test]
        fn numbers_survive_their_words(words: [u64; 19], share in 1..=WHOLE) {
            let numbers = Numbers {
                consecutive: words[0],
                streak_span: words[18],
                slow_after: words[1],
                open_factor: 1.5,
                jitter: JitterKind::Fraction(share),
                abandoned: AbandonedPolicy::FailureAfter(Duration::from_nanos(words[2])),
                half_open_timeout: words[3],
                probe_timeout: words[4],
                ..Numbers::default()
            };
            prop_assert_eq!(Numbers::from_words(numbers.to_words()), numbers);
        }
    }
}
