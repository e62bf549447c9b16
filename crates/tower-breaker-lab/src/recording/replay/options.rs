//! How a recording is replayed.

use std::{error::Error, fmt, time::Duration};

use crate::recording::{Outage, Recording};

/// As many steps and circuits as a run keeps in memory.
const MOST_STEPS: u128 = 1_000_000;
const MOST_INSTANCES: u32 = 1_000_000;

/// At each step a run looks at each circuit. As many looks as take a machine about half an hour.
const MOST_LOOKS: u128 = 100_000_000_000;

/// How a recording is replayed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplayOptions {
    /// What is counted together. At most 1,000,000 of them, and steps times instances are at most 100,000,000,000.
    /// Default: a second.
    pub step: Duration,
    /// Instances of the calling service. Each has a circuit of its own, and any of them makes a call. From 1 to
    /// 1,000,000. Default: 1.
    pub instances: u32,
    /// When the outage was. Default: the longest stretch in which more than 20 % failed.
    pub outage: Outage,
    /// What takes longer is a slow success. Default: nothing is slow.
    pub slow_after: Option<Duration>,
    /// The same seed gives the same run. Default: 1.
    pub seed: u64,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            step: Duration::from_secs(1),
            instances: 1,
            outage: Outage::default(),
            slow_after: None,
            seed: 1,
        }
    }
}

impl ReplayOptions {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is counted together.
    #[must_use]
    pub fn step(mut self, step: Duration) -> Self {
        self.step = step;
        self
    }

    /// Sets how many instances there are.
    #[must_use]
    pub fn instances(mut self, instances: u32) -> Self {
        self.instances = instances;
        self
    }

    /// Sets when the outage was.
    #[must_use]
    pub fn outage(mut self, outage: Outage) -> Self {
        self.outage = outage;
        self
    }

    /// Sets what is a slow success.
    #[must_use]
    pub fn slow_after(mut self, time: Duration) -> Self {
        self.slow_after = Some(time);
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    pub(super) fn check(&self, recording: &Recording) -> Result<(), ReplayError> {
        if self.step.is_zero() {
            return Err(ReplayError::new("step: a time that is longer than none"));
        }
        let steps = recording.length().as_nanos() / self.step.as_nanos();
        if steps >= MOST_STEPS {
            let text = format!(
                "step: {} steps are more than {MOST_STEPS}; let a step be longer",
                steps + 1
            );
            return Err(ReplayError::new(text));
        }
        if !(1..=MOST_INSTANCES).contains(&self.instances) {
            let text = format!("instances: from 1 to {MOST_INSTANCES}");
            return Err(ReplayError::new(text));
        }
        if steps * u128::from(self.instances) > MOST_LOOKS {
            let text = format!(
                "step, instances: {steps} steps of {} circuits take too long; let a step be longer, or there be fewer \
                 instances",
                self.instances
            );
            return Err(ReplayError::new(text));
        }
        if recording.unknown() == recording.len() as u64 {
            let text =
                "all calls of the recording were rejected: nobody knows how they would have ended";
            return Err(ReplayError::new(text));
        }
        Ok(())
    }
}

/// Why a recording cannot be replayed so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError(String);

impl ReplayError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ReplayError {}
