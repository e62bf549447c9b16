//! What makes no sense in a scenario.

use std::{error::Error, fmt, time::Duration};

use super::Scenario;

/// As many steps, circuits and so on as a run keeps in memory.
const MOST_STEPS: u128 = 1_000_000;
const MOST_CIRCUITS: u64 = 1_000_000;
const MOST_WORKERS: u64 = 10_000_000;
const MOST_ENDPOINTS: u64 = 10_000_000;

/// As many as take a machine about half an hour.
const MOST_TRIES: f64 = 1e9;

/// At each step and at each phase a run looks at each circuit. As many looks as take about as long.
const MOST_LOOKS: u128 = 100_000_000_000;

/// As long as all clocks can tell.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Each try of a call has a number within the call.
const MOST_TRIES_OF_CALL: u32 = 65_535;

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
        self.check_retries()?;
        self.check_latency()?;
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

    fn check_retries(&self) -> Result<(), ScenarioError> {
        let tries = self.callers.most_tries();
        if tries > MOST_TRIES_OF_CALL {
            let text = format!("callers.retries.tries: {tries} are more than {MOST_TRIES_OF_CALL}");
            return Err(ScenarioError::new(text));
        }
        Ok(())
    }

    fn check_latency(&self) -> Result<(), ScenarioError> {
        let latency = &self.dependency.latency;
        if latency
            .max
            .is_some_and(|max| latency.min.is_some_and(|min| min > max))
        {
            return Err(ScenarioError::new(
                "dependency.latency: `min` is longer than `max`",
            ));
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
            if phase.emptied.is_some() && self.dependency.cache.is_none() {
                let text = format!("phases[{number}].emptied: is for a dependency with a `cache`");
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
        self.check_steps()?;
        let instances = u64::from(self.instances);
        let targets = u64::from(self.dependency.targets);
        let sizes = [
            ("instances, targets", "circuits", targets, MOST_CIRCUITS),
            (
                "instances, callers.workers",
                "workers",
                u64::from(self.callers.workers.unwrap_or(0)),
                MOST_WORKERS,
            ),
        ];
        for (keys, what, each, most) in sizes {
            not_more(keys, what, instances * each, most)?;
        }
        let endpoints = u64::from(self.dependency.endpoints.unwrap_or(0));
        not_more(
            "dependency.targets, dependency.endpoints",
            "endpoints",
            targets * endpoints,
            MOST_ENDPOINTS,
        )?;
        self.check_looks()?;
        let tries = self.expected_calls() * f64::from(self.callers.most_tries());
        if tries > MOST_TRIES {
            let text = format!(
                "callers, phases: {tries:.0} tries are to be expected, which is more than {MOST_TRIES:.0}; let it be \
                 shorter, or fewer calls"
            );
            return Err(ScenarioError::new(text));
        }
        Ok(())
    }

    fn check_looks(&self) -> Result<(), ScenarioError> {
        let times = self.steps() + self.phases.len() as u128;
        let circuits = self.circuits();
        if times * u128::from(circuits) > MOST_LOOKS {
            let text = format!(
                "step, phases, instances: {times} steps and phases of {circuits} circuits take too long; let a step be \
                 longer, or there be fewer circuits"
            );
            return Err(ScenarioError::new(text));
        }
        Ok(())
    }

    fn check_steps(&self) -> Result<(), ScenarioError> {
        if self.length() > LONGEST {
            let text = "phases: together they are longer than ten years";
            return Err(ScenarioError::new(text));
        }
        let steps = self.steps();
        if steps > MOST_STEPS {
            let text =
                format!("step: {steps} steps are more than {MOST_STEPS}; let a step be longer");
            return Err(ScenarioError::new(text));
        }
        Ok(())
    }
}

fn not_more(keys: &str, what: &str, many: u64, most: u64) -> Result<(), ScenarioError> {
    if many > most {
        let text = format!("{keys}: {many} {what} are more than {most}");
        return Err(ScenarioError::new(text));
    }
    Ok(())
}
