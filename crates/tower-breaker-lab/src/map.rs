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
    /// How much is lost: of the cache, if the second phase says [`emptied`](crate::Phase::emptied), and otherwise of
    /// the slots of the dependency, of which one is always left.
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

    /// The scenario with this trigger as its second phase. None if it has no second phase, or the callers no rate, or
    /// if there is nothing to lose: the dependency has no slots, and the phase does not empty its cache.
    #[must_use]
    pub fn applied(&self, scenario: &Scenario) -> Option<Scenario> {
        let mut scenario = scenario.clone();
        scenario.callers.rate = Some(scenario.callers.rate? * self.load);
        let slots = scenario.dependency.slots;
        let phase = scenario.phases.get_mut(1)?;
        match phase.emptied {
            Some(_) => phase.emptied = Some(self.depth),
            None => phase.slots = Some(self.left_of(slots?)),
        }
        phase.lasts = self.lasts;
        Some(scenario)
    }

    fn left_of(&self, slots: u32) -> u32 {
        whole((f64::from(slots) * (1.0 - self.depth.get())).round()).max(1)
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

/// For each trigger whether the system recovers. As text it is a table: a row for each duration or load, a column for
/// each depth, `.` where it recovers and `#` where it is stuck.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Map {
    /// Which breaker it was.
    pub breaker: String,
    /// The depths, in the order of the columns.
    pub depths: Vec<Share>,
    /// From the top to the bottom.
    pub rows: Vec<Row>,
}

/// A row of a [`Map`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// How it is marked: the duration, such as `10s`, or the load, such as `70%`.
    pub mark: String,
    /// Whether it recovers, with each of the depths.
    pub recovers: Vec<bool>,
}

impl Map {
    /// Runs the scenario with each depth and duration. None if it [can have no trigger](Trigger::applied).
    pub fn new(
        scenario: &Scenario,
        (depths, durations, load): (&[Share], &[Duration], f64),
        contender: &mut dyn Contender,
    ) -> Option<Self> {
        let row = |lasts: &Duration| (format!("{}s", lasts.as_secs_f64()), (*lasts, load));
        Self::of_rows(scenario, depths, durations.iter().map(row), contender)
    }

    /// Runs the scenario with each depth and load. None if it [can have no trigger](Trigger::applied).
    pub fn of_loads(
        scenario: &Scenario,
        (depths, lasts, loads): (&[Share], Duration, &[f64]),
        contender: &mut dyn Contender,
    ) -> Option<Self> {
        let row = |load: &f64| (format!("{:.0}%", 100.0 * load), (lasts, *load));
        Self::of_rows(scenario, depths, loads.iter().map(row), contender)
    }

    fn of_rows(
        scenario: &Scenario,
        depths: &[Share],
        rows: impl Iterator<Item = (String, (Duration, f64))>,
        contender: &mut dyn Contender,
    ) -> Option<Self> {
        let mut row = |(mark, (lasts, load))| {
            let mut cell = |depth: &Share| {
                let scenario = Trigger::new(*depth, lasts)
                    .at_load(load)
                    .applied(scenario)?;
                Some(recovers(&scenario, &run(&scenario, contender)))
            };
            let recovers = depths.iter().map(&mut cell).collect::<Option<_>>()?;
            Some(Row { mark, recovers })
        };
        Some(Self {
            rows: rows.map(&mut row).collect::<Option<_>>()?,
            breaker: contender.name().to_owned(),
            depths: depths.to_vec(),
        })
    }

    /// In how many cells it is stuck.
    #[must_use]
    pub fn stuck(&self) -> usize {
        let cells = self.rows.iter().flat_map(|row| &row.recovers);
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
        for row in &self.rows {
            write!(f, "\n{:>8}", row.mark)?;
            for recovers in &row.recovers {
                write!(f, " {:>4}", if *recovers { "." } else { "#" })?;
            }
        }
        writeln!(f)
    }
}
