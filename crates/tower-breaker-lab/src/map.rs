//! Where a system recovers by itself from a trigger, and where it is stuck: *metastable failures*.

use std::{fmt, time::Duration};

use crate::{
    breaker::Contender,
    chance::whole,
    measure::{Run, Step},
    scenario::{Scenario, Share},
    summary::share,
    world::run,
};

/// What sets off an outage, and the load that it meets. The scenario has three phases: before, the trigger, and after.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trigger {
    /// The part of its slots that the dependency loses. One is always left.
    pub depth: Share,
    /// For how long.
    pub lasts: Duration,
    /// The calls that come, as a part of those in the scenario. Above 0.
    pub load: f64,
}

impl Trigger {
    /// With the load of the scenario.
    #[must_use]
    pub fn new(depth: Share, lasts: Duration) -> Self {
        let load = 1.0;
        Self { depth, lasts, load }
    }

    /// With this part of the load.
    #[must_use]
    pub fn at_load(self, load: f64) -> Self {
        Self { load, ..self }
    }

    /// The scenario with this trigger as its second phase. None if it has no second phase, or the dependency no slots,
    /// or the callers no rate.
    #[must_use]
    pub fn applied(&self, scenario: &Scenario) -> Option<Scenario> {
        let mut scenario = scenario.clone();
        let slots = f64::from(scenario.dependency.slots?);
        scenario.callers.rate = Some(scenario.callers.rate? * self.load);
        let phase = scenario.phases.get_mut(1)?;
        phase.slots = Some(whole((slots * (1.0 - self.depth.get())).round()).max(1));
        phase.lasts = self.lasts;
        Some(scenario)
    }
}

/// Whether calls succeed at the end of a run nearly as they did before the outage: at least nine in ten of that share,
/// in the last tenth of the run. What never worked does not recover.
#[must_use]
pub fn recovers(scenario: &Scenario, run: &Run) -> bool {
    let length = scenario.length();
    let begins = scenario.outage().map_or(length, |(begins, _)| begins);
    let succeeded = |step: &Step| share(step.succeeded, step.offered);
    let before = succeeded(&run.between(Duration::ZERO, begins));
    let at_end = succeeded(&run.between(length - length / 10, Duration::MAX));
    before > 0.0 && at_end >= 0.9 * before
}

/// For each trigger whether the system recovers. As text it is a table: a row for each duration, a column for each
/// depth, `.` where it recovers and `#` where it is stuck.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Map {
    /// Which breaker it was.
    pub breaker: String,
    /// The depths, in the order of the columns.
    pub depths: Vec<Share>,
    /// For each duration, whether it recovers with each of the depths.
    pub rows: Vec<(Duration, Vec<bool>)>,
}

impl Map {
    /// Runs the scenario with each depth and duration. None if it [can have no trigger](Trigger::applied).
    pub fn new(
        scenario: &Scenario,
        (depths, durations, load): (&[Share], &[Duration], f64),
        contender: &mut dyn Contender,
    ) -> Option<Self> {
        let mut cell = |depth, lasts| {
            let trigger = Trigger { depth, lasts, load };
            let scenario = trigger.applied(scenario)?;
            Some(recovers(&scenario, &run(&scenario, contender)))
        };
        let mut rows = Vec::new();
        for lasts in durations {
            let row: Option<Vec<bool>> = depths.iter().map(|depth| cell(*depth, *lasts)).collect();
            rows.push((*lasts, row?));
        }
        Some(Self {
            breaker: contender.name().to_owned(),
            depths: depths.to_vec(),
            rows,
        })
    }

    /// In how many cells it is stuck.
    #[must_use]
    pub fn stuck(&self) -> usize {
        let cells = self.rows.iter().flat_map(|(_, recovers)| recovers);
        cells.filter(|recovers| !**recovers).count()
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: stuck in {}", self.breaker, self.stuck())?;
        write!(f, "{:>8}", "")?;
        for depth in &self.depths {
            write!(f, " {:>4.0}", -100.0 * depth.get())?;
        }
        for (lasts, recovers) in &self.rows {
            write!(f, "\n{:>7}s", lasts.as_secs_f64())?;
            for recovers in recovers {
                write!(f, " {:>4}", if *recovers { "." } else { "#" })?;
            }
        }
        writeln!(f)
    }
}
