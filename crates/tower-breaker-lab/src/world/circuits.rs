//! The breakers of all instances and targets, and each change of their states.

use std::time::Duration;

use tower_breaker::State;

use super::attempt::Caller;
use crate::{
    breaker::{Breaker, Contender, End, Ticket},
    measure::{Change, MOST_CHANGES},
    scenario::Scenario,
};

#[derive(Debug)]
struct Watched {
    breaker: Box<dyn Breaker>,
    state: State,
    /// Its limit of a call while it is closed.
    limit: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Circuits {
    all: Vec<Watched>,
    targets: u32,
    changes: Vec<Change>,
    not_kept: u64,
}

impl Circuits {
    pub(super) fn new(scenario: &Scenario, contender: &dyn Contender) -> Self {
        let targets = scenario.dependency.targets;
        let make = |number| {
            let breaker = contender.breaker(number, scenario.seed);
            let state = breaker.state();
            let limit = breaker.limit();
            Watched {
                breaker,
                state,
                limit,
            }
        };
        let many = u64::from(scenario.instances) * u64::from(targets);
        Self {
            all: (0..many).map(make).collect(),
            targets,
            changes: Vec::new(),
            not_kept: 0,
        }
    }

    fn index(&self, caller: &Caller) -> usize {
        caller.instance as usize * self.targets as usize + caller.target as usize
    }

    pub(super) fn is_closed(&self, caller: &Caller) -> bool {
        self.all[self.index(caller)].state == State::Closed
    }

    pub(super) fn limit(&self, caller: &Caller) -> Option<Duration> {
        self.all[self.index(caller)].breaker.limit()
    }

    /// How long a call might take if the circuit were as it was at the beginning. Probes may have less.
    pub(super) fn limit_at_rest(&self, caller: &Caller) -> Option<Duration> {
        self.all[self.index(caller)].limit
    }

    pub(super) fn ask(&mut self, caller: &Caller, now: Duration, healthy: bool) -> Option<Ticket> {
        let index = self.index(caller);
        let ticket = self.all[index].breaker.ask(now);
        self.look(index, now, healthy);
        ticket
    }

    pub(super) fn ended(
        &mut self,
        caller: &Caller,
        ticket: Ticket,
        end: End,
        now: Duration,
        healthy: bool,
    ) {
        let index = self.index(caller);
        self.all[index].breaker.ended(ticket, end, now);
        self.look(index, now, healthy);
    }

    /// All breakers of a run think equally often.
    pub(super) fn think_every(&self) -> Option<Duration> {
        let every = self.all.first()?.breaker.thinks_every()?;
        Some(every.max(Duration::from_millis(1)))
    }

    pub(super) fn think(&mut self, now: Duration, healthy: bool) {
        for index in 0..self.all.len() {
            self.all[index].breaker.think(now);
            self.look(index, now, healthy);
        }
    }

    fn look(&mut self, index: usize, at: Duration, healthy: bool) {
        let watched = &mut self.all[index];
        let to = watched.breaker.state();
        let from = std::mem::replace(&mut watched.state, to);
        if from == to {
            return;
        }
        if self.changes.len() >= MOST_CHANGES {
            self.not_kept += 1;
            return;
        }
        let circuit = index as u64;
        self.changes.push(Change {
            at,
            circuit,
            from,
            to,
            healthy,
        });
    }

    /// How many are open, and half-open.
    pub(super) fn open(&self) -> (u64, u64) {
        let count = |state| {
            self.all
                .iter()
                .filter(|watched| watched.state == state)
                .count() as u64
        };
        (count(State::Open), count(State::HalfOpen))
    }

    pub(super) fn changes(self) -> (Vec<Change>, u64) {
        (self.changes, self.not_kept)
    }
}
