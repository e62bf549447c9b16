//! The breakers of a run, and each change of their states.

use std::time::Duration;

use tower_breaker::State;

use crate::{
    breaker::{Breaker, Contender, Ticket},
    measure::{Change, MOST_CHANGES},
};

#[derive(Debug)]
struct Watched {
    breaker: Box<dyn Breaker>,
    state: State,
    /// Its limit of a call while it is closed.
    limit: Option<Duration>,
}

/// Each is named by its number. `healthy` is whether nothing is wrong now.
#[derive(Debug)]
pub(crate) struct Circuits {
    all: Vec<Watched>,
    pub(crate) changes: Vec<Change>,
    pub(crate) not_kept: u64,
}

impl Circuits {
    pub(crate) fn new(many: u64, seed: u64, contender: &dyn Contender) -> Self {
        let make = |number| {
            let breaker = contender.breaker(number, seed);
            let state = breaker.state();
            let limit = breaker.limit();
            Watched {
                breaker,
                state,
                limit,
            }
        };
        Self {
            all: (0..many).map(make).collect(),
            changes: Vec::new(),
            not_kept: 0,
        }
    }

    pub(crate) fn many(&self) -> u64 {
        self.all.len() as u64
    }

    pub(crate) fn is_closed(&self, circuit: usize) -> bool {
        self.all[circuit].state == State::Closed
    }

    pub(crate) fn limit(&self, circuit: usize) -> Option<Duration> {
        self.all[circuit].breaker.limit()
    }

    /// How long a call might take if the circuit were as it was at the beginning. Probes may have less.
    pub(crate) fn limit_at_rest(&self, circuit: usize) -> Option<Duration> {
        self.all[circuit].limit
    }

    pub(crate) fn ask(&mut self, circuit: usize, now: Duration, healthy: bool) -> Option<Ticket> {
        let ticket = self.all[circuit].breaker.ask(now);
        self.look(circuit, now, healthy);
        ticket
    }

    /// Says how a call has ended.
    pub(crate) fn tell(
        &mut self,
        circuit: usize,
        now: Duration,
        healthy: bool,
        say: impl FnOnce(&mut dyn Breaker),
    ) {
        say(&mut *self.all[circuit].breaker);
        self.look(circuit, now, healthy);
    }

    /// All breakers of a run think equally often.
    pub(crate) fn think_every(&self) -> Option<Duration> {
        let every = self.all.first()?.breaker.thinks_every()?;
        Some(every.max(Duration::from_millis(1)))
    }

    pub(crate) fn think(&mut self, now: Duration, healthy: bool) {
        for circuit in 0..self.all.len() {
            self.tell(circuit, now, healthy, |breaker| breaker.think(now));
        }
    }

    fn look(&mut self, circuit: usize, at: Duration, healthy: bool) {
        let watched = &mut self.all[circuit];
        let to = watched.breaker.state();
        let from = std::mem::replace(&mut watched.state, to);
        if from == to {
            return;
        }
        if self.changes.len() >= MOST_CHANGES {
            self.not_kept += 1;
            return;
        }
        self.changes.push(Change {
            at,
            circuit: circuit as u64,
            from,
            to,
            healthy,
        });
    }

    /// What all shed together, in millionths.
    pub(crate) fn shed(&self) -> u64 {
        self.all.iter().map(|it| it.breaker.shed_share()).sum()
    }

    /// How many are open, and half-open.
    pub(crate) fn open(&self) -> (u64, u64) {
        let count = |state| self.all.iter().filter(|it| it.state == state).count() as u64;
        (count(State::Open), count(State::HalfOpen))
    }
}
