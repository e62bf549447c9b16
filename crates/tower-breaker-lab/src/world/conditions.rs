//! How the dependency is just now, and what it makes of a call.

use std::time::Duration;

use crate::{
    chance::{Chance, Of},
    scenario::{Dependency, Phase, Scenario},
};

/// What the dependency makes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answers { after: Duration, fails: bool },
    Hangs,
}

#[derive(Debug)]
pub(super) struct Conditions<'a> {
    dependency: &'a Dependency,
    phase: &'a Phase,
    seed: u64,
    /// How long each endpoint of each target takes, if that is fixed.
    endpoints: Vec<Duration>,
}

impl<'a> Conditions<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        let dependency = &scenario.dependency;
        let endpoints =
            u64::from(dependency.endpoints.unwrap_or(0)) * u64::from(dependency.targets);
        let draw = |number| {
            let mut chance = Chance::new(scenario.seed, Of::Endpoints, number);
            dependency.latency.draw(&mut chance)
        };
        Self {
            dependency,
            // There is at least one, which `Scenario::from_toml` has checked.
            phase: &scenario.phases[0],
            seed: scenario.seed,
            endpoints: (0..endpoints).map(draw).collect(),
        }
    }

    pub(super) fn becomes(&mut self, phase: &'a Phase) {
        self.phase = phase;
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.phase.is_healthy()
    }

    pub(super) fn slots(&self, target: u32) -> Option<u32> {
        let changed = self.phase.slots.filter(|_| self.affects(target));
        changed.or(self.dependency.slots)
    }

    fn affects(&self, target: u32) -> bool {
        self.phase.targets.is_none_or(|affected| target < affected)
    }

    /// What becomes of this try of a call to this target, while so many others are worked on and wait. It is the same
    /// whenever it is asked in the same phase.
    pub(super) fn fate(
        &self,
        call: u64,
        tries: u32,
        target: u32,
        (others, waiting): (u32, u32),
    ) -> Fate {
        let number = call.wrapping_mul(1 << 16).wrapping_add(u64::from(tries));
        let mut chance = Chance::new(self.seed, Of::Calls, number);
        // Each is drawn whether or not it is needed, so that a change of one leaves the others as they are.
        let (luck, part) = (chance.share(), chance.share());
        let (takes, part) = self.takes(&mut chance, target, part);
        let is_affected = self.affects(target) && part < self.phase.part.get();
        if is_affected && self.phase.hangs {
            return Fate::Hangs;
        }
        let slower = self
            .phase
            .slower_by
            .filter(|_| is_affected)
            .unwrap_or_default();
        let errors = self
            .phase
            .errors
            .filter(|_| is_affected)
            .unwrap_or(self.dependency.errors);
        let takes = takes
            .saturating_add(slower)
            .saturating_add(self.dependency.per_call.saturating_mul(others))
            .saturating_add(self.dependency.per_waiting.saturating_mul(waiting));
        let fails = luck < errors.get();
        let after = match fails {
            true => takes.mul_f64(self.dependency.errors_after.get()),
            false => takes,
        };
        Fate::Answers { after, fails }
    }

    /// How long it takes, and where in the whole the call is: from 0 to 1.
    fn takes(&self, chance: &mut Chance, target: u32, part: f64) -> (Duration, f64) {
        let Some(endpoints) = self.dependency.endpoints else {
            return (self.dependency.latency.draw(chance), part);
        };
        let endpoint = chance.one_of(endpoints);
        let index = target as usize * endpoints as usize + endpoint as usize;
        (
            self.endpoints[index],
            f64::from(endpoint) / f64::from(endpoints),
        )
    }
}
