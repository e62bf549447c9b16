//! A run in a few numbers.

use std::{collections::BTreeMap, time::Duration};

use tower_breaker::State;

use crate::{
    measure::{Run, Step},
    scenario::Scenario,
};

/// How long something took that each circuit did for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// Half of the circuits were as fast.
    pub median: Duration,
    /// 95 of 100 circuits were as fast.
    pub p95: Duration,
    /// How many circuits did it at all.
    pub circuits: u64,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        Some(Self {
            median: times[last / 2],
            // The first that 95 of 100 are not above: of two, the second.
            p95: times[(times.len() * 95).div_ceil(100) - 1],
            circuits: times.len() as u64,
        })
    }
}

/// When something was wrong in a run, and for how long nothing was: what a [`Summary`] is made in the light of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// From and to, since the beginning of the run. None if nothing was wrong.
    pub outage: Option<(Duration, Duration)>,
    /// For how long nothing was wrong.
    pub healthy: Duration,
}

impl Frame {
    /// With an outage from and to, and so much time in which nothing was wrong.
    #[must_use]
    pub fn new(outage: Option<(Duration, Duration)>, healthy: Duration) -> Self {
        Self { outage, healthy }
    }
}

impl From<&Scenario> for Frame {
    fn from(scenario: &Scenario) -> Self {
        let healthy = scenario.phases.iter().filter(|phase| phase.is_healthy());
        Self {
            outage: scenario.outage(),
            healthy: healthy.map(|phase| phase.lasts).sum(),
        }
    }
}

/// A run in a few numbers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Which breaker it was.
    pub breaker: String,
    /// All that was counted.
    pub total: Step,
    /// From the beginning of the outage until a circuit opened first. None if none did.
    pub to_trip: Option<Times>,
    /// From the end of the outage until a circuit closed that was not closed then. None if none had to, or none did.
    pub to_recover: Option<Times>,
    /// Circuits that were not closed at the end of the run.
    pub not_closed: u64,
    /// How often closed circuits opened while nothing was wrong.
    pub false_trips: u64,
    /// The same, of each circuit and for a day of nothing wrong.
    pub false_trips_a_day: f64,
}

impl Summary {
    /// What a run of a scenario has come to.
    #[must_use]
    pub fn new(scenario: &Scenario, run: &Run) -> Self {
        Self::of(&Frame::from(scenario), run)
    }

    /// What a run has come to: of a scenario, or of a recording.
    #[must_use]
    pub fn of(frame: &Frame, run: &Run) -> Self {
        let trips = run.changes.iter().filter(|change| change.is_trip());
        let false_trips = trips.filter(|change| change.healthy).count() as u64;
        let days = frame.healthy.as_secs_f64() / 86_400.0 * run.circuits as f64;
        let outage = frame.outage;
        Self {
            breaker: run.breaker.clone(),
            total: run.total(),
            to_trip: outage.and_then(|outage| Times::of(to_trip(run, outage))),
            to_recover: outage.and_then(|outage| Times::of(to_recover(run, outage))),
            not_closed: last_states(run, Duration::MAX)
                .values()
                .filter(|state| **state != State::Closed)
                .count() as u64,
            false_trips,
            false_trips_a_day: if days > 0.0 {
                false_trips as f64 / days
            } else {
                0.0
            },
        }
    }

    /// The share of calls that ended well, of those that ended. 0 to 1.
    #[must_use]
    pub fn succeeded(&self) -> f64 {
        share(self.total.succeeded, self.total.ended())
    }

    /// The share of calls that the [cache](crate::Cache) has answered, of those that ended. 0 to 1. They are among
    /// those that ended well.
    #[must_use]
    pub fn cached(&self) -> f64 {
        share(self.total.cached, self.total.ended())
    }

    /// The share of calls that failed, of those that ended. 0 to 1.
    #[must_use]
    pub fn failed(&self) -> f64 {
        share(self.total.failed, self.total.ended())
    }

    /// The share of calls that were rejected, of those that ended. 0 to 1.
    #[must_use]
    pub fn rejected(&self) -> f64 {
        share(self.total.rejected, self.total.ended())
    }

    /// The share of calls that were rejected, and would have ended well. 0 to 1.
    #[must_use]
    pub fn lost(&self) -> f64 {
        share(self.total.lost, self.total.ended())
    }

    /// How much less the dependency had to do than in another run of the same scenario, usually the one without a
    /// breaker. 0 to 1, and below 0 if it had to do more.
    #[must_use]
    pub fn spared(&self, other: &Self) -> f64 {
        spared(self.total.admitted, other.total.admitted)
    }
}

/// If there were no calls with a breaker nor without, none was spared.
pub(crate) fn spared(with: u64, without: u64) -> f64 {
    match (with, without) {
        (0, 0) => 0.0,
        _ => 1.0 - with as f64 / without.max(1) as f64,
    }
}

pub(crate) fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn to_trip(run: &Run, (begins, ends): (Duration, Duration)) -> Vec<Duration> {
    let mut first = BTreeMap::new();
    for change in &run.changes {
        if change.is_trip() && (begins..ends).contains(&change.at) {
            first.entry(change.circuit).or_insert(change.at - begins);
        }
    }
    first.into_values().collect()
}

/// How long each circuit took to close that was not closed when the outage ended.
pub(crate) fn to_recover(run: &Run, (_, ends): (Duration, Duration)) -> Vec<Duration> {
    let at_end = last_states(run, ends);
    let mut closed = BTreeMap::new();
    for change in &run.changes {
        let was_open = at_end
            .get(&change.circuit)
            .is_some_and(|state| *state != State::Closed);
        if was_open && change.at >= ends && change.to == State::Closed {
            closed.entry(change.circuit).or_insert(change.at - ends);
        }
    }
    closed.into_values().collect()
}

/// The states of those circuits that changed theirs before that time.
fn last_states(run: &Run, before: Duration) -> BTreeMap<u64, State> {
    let changes = run.changes.iter().filter(|change| change.at < before);
    changes.map(|change| (change.circuit, change.to)).collect()
}
