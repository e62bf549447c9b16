//! What makes no sense in a scenario.

use std::{error::Error, fmt};

use super::Scenario;

/// As many steps, circuits and so on as a run keeps in memory.
const MOST_STEPS: u128 = 1_000_000;
const MOST_CIRCUITS: u64 = 1_000_000;

/// Why a scenario was refused. Its text names the line, or the keys.
#[derive(Debug)]
pub struct ScenarioError(String);

impl ScenarioError {
    pub(super) fn format(error: toml::de::Error) -> Self {
        Self(error.to_string().trim_end().to_owned())
    }

    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ScenarioError {}

impl Scenario {
    /// What no single value tells.
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        self.check_callers()?;
        self.check_phases()?;
        self.check_size()
    }

    fn check_callers(&self) -> Result<(), ScenarioError> {
        let callers = &self.callers;
        match (callers.rate, callers.clients) {
            (None, None) => return Err(ScenarioError::new("callers: say `rate` or `clients`")),
            (Some(_), Some(_)) => {
                let text =
                    "callers: say `rate` (an open loop) or `clients` (a closed one), not both";
                return Err(ScenarioError::new(text));
            }
            _ => {}
        }
        if callers.pause.is_some() && callers.clients.is_none() {
            return Err(ScenarioError::new("callers.pause: is for `clients`"));
        }
        if callers.patience.is_some() && callers.workers.is_none() {
            return Err(ScenarioError::new("callers.patience: is for `workers`"));
        }
        let limit = callers.timeout.or(callers.gives_up);
        if callers.clients.is_some()
            && limit.is_none()
            && self.phases.iter().any(|phase| phase.hangs)
        {
            let text =
                "callers: if a phase `hangs`, clients wait for ever; say `timeout` or `gives_up`";
            return Err(ScenarioError::new(text));
        }
        Ok(())
    }

    fn check_phases(&self) -> Result<(), ScenarioError> {
        if self.phases.is_empty() {
            return Err(ScenarioError::new("phases: there must be at least one"));
        }
        for (number, phase) in self.phases.iter().enumerate() {
            if phase.rate.is_some() && self.callers.rate.is_none() {
                let text = format!("phases[{number}].rate: is for callers with a `rate`");
                return Err(ScenarioError::new(text));
            }
            if phase
                .targets
                .is_some_and(|targets| targets > self.dependency.targets)
            {
                let text = format!(
                    "phases[{number}].targets: at most {}, as many as there are",
                    self.dependency.targets
                );
                return Err(ScenarioError::new(text));
            }
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), ScenarioError> {
        let steps = self.length().as_nanos() / self.step.as_nanos().max(1);
        if steps > MOST_STEPS {
            let text =
                format!("step: {steps} steps are more than {MOST_STEPS}; let a step be longer");
            return Err(ScenarioError::new(text));
        }
        let circuits = u64::from(self.instances) * u64::from(self.dependency.targets);
        if circuits > MOST_CIRCUITS {
            let text =
                format!("instances, targets: {circuits} circuits are more than {MOST_CIRCUITS}");
            return Err(ScenarioError::new(text));
        }
        Ok(())
    }
}
