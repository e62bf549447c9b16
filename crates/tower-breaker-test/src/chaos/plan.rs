//! What is to become of each call: a function of the seed, the number of the call and the time.

use std::time::Duration;

use super::{
    error::ChaosError,
    random::{draw, share},
    when::When,
};

/// All that was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) rules: Vec<(When, Disturbance)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Disturbance {
    Fail,
    Hang,
    /// For at least the first and at most the second.
    Delay(Duration, Duration),
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The inner service answers.
    Passes,
    Fails,
    Hangs,
}

impl Plan {
    /// The fate of a call. Delays add up, and to hang is worse than to fail.
    pub(super) fn fate(&self, call: u64, elapsed: Duration) -> Fate {
        let mut fate = Fate {
            delay: Duration::ZERO,
            end: End::Passes,
        };
        for (purpose, (when, disturbance)) in (0..).step_by(2).zip(&self.rules) {
            if when.meets(self.seed, call, elapsed, purpose) {
                // Whether it is met and how long it takes are two numbers.
                fate.add(*disturbance, || draw(self.seed, call, purpose + 1));
            }
        }
        fate
    }

    pub(super) fn check(&self) -> Result<(), ChaosError> {
        for (when, disturbance) in &self.rules {
            when.check()?;
            disturbance.check()?;
        }
        Ok(())
    }
}

impl Fate {
    fn add(&mut self, disturbance: Disturbance, drawn: impl FnOnce() -> u64) {
        match disturbance {
            Disturbance::Hang => self.end = End::Hangs,
            Disturbance::Fail if self.end == End::Passes => self.end = End::Fails,
            Disturbance::Fail => {}
            Disturbance::Delay(least, most) => {
                let more = most.saturating_sub(least).mul_f64(share(drawn()));
                self.delay = self.delay.saturating_add(least).saturating_add(more);
            }
        }
    }
}

/// The longest delay: `mul_f64` is exact enough up to there, and no test waits for so long.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Disturbance {
    fn check(&self) -> Result<(), ChaosError> {
        match *self {
            Self::Delay(least, most) if least > most || most > LONGEST => Err(ChaosError::new(
                "delay",
                format!("{least:?}..={most:?}"),
                "a time, or a range with a time in it, of at most a year",
            )),
            Self::Delay(..) | Self::Fail | Self::Hang => Ok(()),
        }
    }
}
