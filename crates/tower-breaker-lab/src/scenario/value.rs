//! Values as people write them: `"20%"`, `"1m 30s"`. What is out of range is refused where it is read, so that the
//! format can say in which line.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

/// The longest time of any setting: a year.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// A share, from 0 to 1. It is written as `0.2` or as `"20%"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// All of it.
    pub const ALL: Self = Self(1.0);

    /// A share, if it is from 0 to 1.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// From 0 to 1.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

struct ReadShare;

impl Visitor<'_> for ReadShare {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share from 0 to 1, such as 0.2 or \"20%\"")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Share, E> {
        Share::new(value).ok_or_else(|| E::invalid_value(de::Unexpected::Float(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Share, E> {
        match value {
            0 => Ok(Share(0.0)),
            1 => Ok(Share(1.0)),
            _ => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
        let number = text.trim().strip_suffix('%').map(str::trim);
        let share = number.and_then(|number| number.parse::<f64>().ok());
        share
            .and_then(|percent| Share::new(percent / 100.0))
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadShare)
    }
}

/// A time such as `"150ms"` or `"1m 30s"`, of at most 366 days.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = "a time of at most 366 days, such as \"150ms\" or \"1m 30s\"";
    let time = humantime::parse_duration(&text).ok();
    time.filter(|time| *time <= LONGEST)
        .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &expected))
}

/// A time that is longer than none.
pub(super) fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let time = time(deserializer)?;
    if time.is_zero() {
        let expected = "a time that is longer than none";
        return Err(de::Error::invalid_value(
            de::Unexpected::Str("0s"),
            &expected,
        ));
    }
    Ok(time)
}

/// The same where a key may be missing.
pub(super) fn maybe_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    some_time(deserializer).map(Some)
}

/// Calls a second: above 0, and at most ten million.
pub(super) fn maybe_rate<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let rate = f64::deserialize(deserializer)?;
    if rate > 0.0 && rate <= 1e7 {
        return Ok(Some(rate));
    }
    let expected = "calls a second, above 0 and at most 10000000";
    Err(de::Error::invalid_value(
        de::Unexpected::Float(rate),
        &expected,
    ))
}

/// A count from 1 to a million.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let count = i64::deserialize(deserializer)?;
    match u32::try_from(count) {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => {
            let expected = "a count from 1 to 1000000";
            Err(de::Error::invalid_value(
                de::Unexpected::Signed(count),
                &expected,
            ))
        }
    }
}

/// The same where a key may be missing.
pub(super) fn maybe_count<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    count(deserializer).map(Some)
}

/// A number from 0 to the most that it may be.
fn up_to<'de, D: Deserializer<'de>>(
    most: f64,
    expected: &str,
    deserializer: D,
) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if (0.0..=most).contains(&number) {
        return Ok(number);
    }
    Err(de::Error::invalid_value(
        de::Unexpected::Float(number),
        &expected,
    ))
}

/// An exponent from 0 to 10.
pub(super) fn exponent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    up_to(10.0, "an exponent from 0 to 10", deserializer)
}

/// A factor from 0 to a million.
pub(super) fn factor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    up_to(1e6, "a factor from 0 to 1000000", deserializer)
}
