//! The values of settings: what people say and what the machine computes with, and how they are written.

use std::{
    fmt::{self, Debug, Display},
    sync::Arc,
    time::Duration,
};

use super::{
    agreement::Agreement, error::ConfigError, open_for::OpenFor, retry_limits::RetryLimits,
};
use crate::machine::{AbandonedPolicy, Policy, WHOLE};

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
    let allowed = "a share above 0 and at most 1";
    Err(ConfigError::new(field, share, allowed))
}

/// A number of at least 1 and at most 100, in millionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is positive, and small"
)]
pub(crate) fn in_millionths(number: f64) -> u64 {
    (number * 1e6).round() as u64
}

/// The share that so many millionths are.
#[expect(clippy::cast_precision_loss, reason = "a million is far below 2^52")]
pub(crate) fn share(millionths: u64) -> f64 {
    millionths as f64 / WHOLE as f64
}

/// The duration that so many nanoseconds are. The most there is stands for anything longer.
pub(crate) fn duration(nanos: u64) -> Duration {
    match nanos {
        u64::MAX => Duration::MAX,
        nanos => Duration::from_nanos(nanos),
    }
}

/// The count that was said where the machine has this number.
pub(super) fn count(number: u64) -> u32 {
    u32::try_from(number).expect("the numbers of the machine are made of settings")
}

/// What stands for *off* where it is not zero.
pub(crate) fn unless_zero<T>(number: u64, value: impl FnOnce(u64) -> T) -> Option<T> {
    (number > 0).then(|| value(number))
}

/// A custom policy as part of a value: two are the same if one is a clone of the other.
#[derive(Clone)]
pub(crate) struct CustomPolicy(pub(crate) Policy);

impl PartialEq for CustomPolicy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Debug for CustomPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// The value of any setting, to be compared and written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Off,
    Number(u64),
    Share(f64),
    Time(Duration),
    Switch(bool),
    /// So many successes of so many probes.
    Probes(u32, u32),
    Ramp(Duration, f64),
    /// A multiple of what is accepted, and a floor.
    Shed(f64, f64),
    /// So many places, and a wait for one.
    Bulkhead(u32, Duration),
    Retries(RetryLimits),
    Shared(Agreement),
    Abandoned(AbandonedPolicy),
    OpenFor(OpenFor),
    Policy(CustomPolicy),
}

/// In few words, for a log.
impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Share(share) => write!(f, "{share:?}"),
            Self::Time(time) => write!(f, "{time:?}"),
            Self::Switch(on) => f.write_str(if *on { "on" } else { "off" }),
            Self::Probes(successes, of) => write!(f, "{successes} of {of}"),
            Self::Ramp(time, from) => write!(f, "{time:?} from {from:?}"),
            Self::Shed(multiplier, floor) => write!(f, "above {multiplier:?}, floor {floor:?}"),
            Self::Bulkhead(places, wait) => write!(f, "{places} places, wait {wait:?}"),
            Self::Retries(limits) => write!(f, "{limits}"),
            Self::Shared(agreement) => write!(f, "{agreement}"),
            Self::Abandoned(policy) => write!(f, "{policy:?}"),
            Self::OpenFor(open_for) => open_for.write_words(f),
            Self::Policy(_) => f.write_str("a closure"),
        }
    }
}

/// What is written as one would write it in a call of the builder.
pub(super) struct Code<T>(pub(super) T);

impl Display for Code<&Value> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Off => f.write_str("None"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Share(share) => write!(f, "{share:?}"),
            Value::Time(time) => Code(*time).fmt(f),
            Value::Switch(on) => write!(f, "{on}"),
            Value::Probes(successes, of) => write!(f, "{successes}, {of}"),
            Value::Ramp(time, from) => write!(f, "{}, {from:?}", Code(*time)),
            Value::Shed(multiplier, floor) => write!(f, "{multiplier:?}, {floor:?}"),
            Value::Bulkhead(places, wait) => write!(f, "{places}, {}", Code(*wait)),
            Value::Retries(limits) => Code(limits).fmt(f),
            Value::Shared(agreement) => Code(agreement).fmt(f),
            Value::Abandoned(AbandonedPolicy::FailureAfter(time)) => {
                write!(f, "AbandonedPolicy::FailureAfter({})", Code(*time))
            }
            Value::Abandoned(policy) => write!(f, "AbandonedPolicy::{policy:?}"),
            Value::OpenFor(open_for) => open_for.write_code(f),
            Value::Policy(_) => f.write_str("|counts| …"),
        }
    }
}

/// The calls that make it.
impl Display for Code<&RetryLimits> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RetryLimits {
            at_most,
            share,
            per_second,
            max_wait,
        } = self.0;
        write!(f, "RetryLimits::new({at_most})")?;
        let default = RetryLimits::new(*at_most);
        if *share != default.share {
            write!(f, ".share({share:?})")?;
        }
        if *per_second != default.per_second {
            write!(f, ".per_second({per_second})")?;
        }
        if *max_wait != default.max_wait {
            write!(f, ".max_wait({})", Code(*max_wait))?;
        }
        Ok(())
    }
}

/// The calls that make it.
impl Display for Code<&Agreement> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Agreement {
            instances,
            share,
            trip_now,
            stay_open_when_detached,
            revision,
        } = self.0;
        write!(f, "Agreement::of({instances})")?;
        if *share != Agreement::of(*instances).share {
            write!(f, ".share({share:?})")?;
        }
        if *trip_now {
            f.write_str(".trip_now(true)")?;
        }
        if *stay_open_when_detached {
            f.write_str(".stay_open_when_detached(true)")?;
        }
        match revision {
            0 => Ok(()),
            revision => write!(f, ".revision({revision})"),
        }
    }
}

/// To the nanosecond, in the largest unit that can.
impl Display for Code<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        match (self.0.as_nanos(), nanos) {
            _ if self.0 == Duration::MAX => f.write_str("Duration::MAX"),
            (_, 0) => write!(f, "Duration::from_secs({seconds})"),
            (all, nanos) if nanos % 1_000_000 == 0 && fits(all / 1_000_000) => {
                write!(f, "Duration::from_millis({})", all / 1_000_000)
            }
            (all, nanos) if nanos % 1_000 == 0 && fits(all / 1_000) => {
                write!(f, "Duration::from_micros({})", all / 1_000)
            }
            (all, _) if fits(all) => write!(f, "Duration::from_nanos({all})"),
            _ => write!(f, "Duration::new({seconds}, {nanos})"),
        }
    }
}

fn fits(number: u128) -> bool {
    number <= u64::MAX.into()
}

/// Makes a [`Value`] of what a setting is kept as; `None` is off.
macro_rules! value_from {
    ($($type:ty: $value:pat => $variant:expr;)+) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $variant
            }
        }
    )+};
}

value_from! {
    (f64, f64): (multiplier, floor) => Self::Shed(multiplier, floor);
    u32: calls => Self::Number(calls.into());
    u64: number => Self::Number(number);
    f64: share => Self::Share(share);
    Duration: time => Self::Time(time);
    bool: on => Self::Switch(on);
    (u32, u32): (successes, of) => Self::Probes(successes, of);
    (Duration, f64): (time, from) => Self::Ramp(time, from);
    (u32, Duration): (places, wait) => Self::Bulkhead(places, wait);
    RetryLimits: limits => Self::Retries(limits);
    Agreement: agreement => Self::Shared(agreement);
    AbandonedPolicy: policy => Self::Abandoned(policy);
    &OpenFor: open_for => Self::OpenFor(open_for.clone());
    CustomPolicy: policy => Self::Policy(policy);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Off, T::into)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // B8
    #[test]
    fn shares_outside_their_range_are_refused() {
        for share in [0.0, -0.1, 1.000_001, f64::NAN, f64::INFINITY, 4e-7] {
            assert!(millionths("rate", share).is_err(), "{share}");
        }
        assert_eq!(millionths("rate", 1.0), Ok(1_000_000));
        assert_eq!(millionths("rate", 1e-6), Ok(1));
    }

    #[test]
    fn a_time_is_written_in_the_largest_unit_that_can() {
        for (time, code) in [
            (Duration::from_secs(60), "Duration::from_secs(60)"),
            (Duration::from_millis(1_500), "Duration::from_millis(1500)"),
            (Duration::from_micros(1), "Duration::from_micros(1)"),
            (Duration::from_nanos(1_001), "Duration::from_nanos(1001)"),
            (
                Duration::from_millis(100_000_000_001),
                "Duration::from_millis(100000000001)",
            ),
            (
                Duration::from_micros(100_000_000_000_001),
                "Duration::from_micros(100000000000001)",
            ),
            (
                Duration::new(u64::MAX, 5_000_000),
                "Duration::new(18446744073709551615, 5000000)",
            ),
            (
                Duration::new(u64::MAX, 5_000),
                "Duration::new(18446744073709551615, 5000)",
            ),
            (
                Duration::new(u64::MAX, 5),
                "Duration::new(18446744073709551615, 5)",
            ),
            (Duration::MAX, "Duration::MAX"),
        ] {
            assert_eq!(Code(time).to_string(), code);
        }
    }

    proptest! {
        #[test]
        fn a_share_is_the_same_after_it_was_millionths(number in 1..=WHOLE) {
            prop_assert_eq!(millionths("rate", share(number)), Ok(number));
        }
    }
}
