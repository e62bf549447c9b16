//! How long an answer takes.

use std::time::Duration;

use serde::Deserialize;

use super::value::{maybe_time, some_time};
use crate::chance::{Chance, seconds};

/// How the times of answers are spread.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Spread {
    /// All the same.
    #[default]
    Fixed,
    /// Many short, some long: as of a queue.
    Exponential,
    /// Most around a middle, few very long: as measured services are.
    LogNormal,
}

/// How long an answer takes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Latency {
    /// The mean, before `min` and `max`.
    #[serde(deserialize_with = "some_time")]
    pub mean: Duration,
    /// How they are spread. Default: all the same.
    #[serde(default)]
    pub spread: Spread,
    /// The standard deviation of a log-normal spread. Default: half of the mean.
    #[serde(default, deserialize_with = "maybe_time")]
    pub deviation: Option<Duration>,
    /// None is shorter. What would be, takes as long. Default: nothing.
    #[serde(default, deserialize_with = "maybe_time")]
    pub min: Option<Duration>,
    /// None is longer. What would be, takes as long. Default: no limit.
    #[serde(default, deserialize_with = "maybe_time")]
    pub max: Option<Duration>,
}

impl Latency {
    /// Always this long.
    #[must_use]
    pub fn fixed(mean: Duration) -> Self {
        Self {
            mean,
            spread: Spread::Fixed,
            deviation: None,
            min: None,
            max: None,
        }
    }

    pub(crate) fn draw(&self, chance: &mut Chance) -> Duration {
        let drawn = match self.spread {
            Spread::Fixed => self.mean,
            Spread::Exponential => chance.exponential(self.mean),
            Spread::LogNormal => self.log_normal(chance),
        };
        drawn
            .max(self.min.unwrap_or(Duration::ZERO))
            .min(self.max.unwrap_or(Duration::MAX))
    }

    /// Its mean and deviation are those of the times, and not of their logarithms.
    fn log_normal(&self, chance: &mut Chance) -> Duration {
        let mean = self.mean.as_secs_f64();
        let deviation = self.deviation.unwrap_or(self.mean / 2).as_secs_f64();
        let variance = (1.0 + (deviation / mean).powi(2)).ln();
        let middle = mean.ln() - variance / 2.0;
        seconds((middle + variance.sqrt() * chance.normal()).exp())
    }
}
