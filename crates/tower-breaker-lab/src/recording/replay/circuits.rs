//! The breakers of all instances, and each change of their states.

use std::time::Duration;

use tower_breaker::State;

use crate::{
    breaker::{Breaker, Contender, End, Ticket},
    measure::{Change, MOST_CHANGES},
    recording::Fate,
};

#[derive(Debug)]
struct Watched {
    breaker: Box<dyn Breaker>,
    state: State,
}

#[derive(Debug)]
pub(super) struct Circuits {
    all: Vec<Watched>,
    outage: Option<(Duration, Duration)>,
    pub(super) changes: Vec<Change>,
    pub(super) not_kept: u64,
}

impl Circuits {
    pub(super) fn new(
        many: u32,
        seed: u64,
        outage: Option<(Duration, Duration)>,
        contender: &dyn Contender,
    ) -> Self {
        let make = |number| {
            let breaker = contender.breaker(u64::from(number), seed);
            let state = breaker.state();
            Watched { breaker, state }
        };
        Self {
            all: (0..many).map(make).collect(),
            outage,
            changes: Vec::new(),
            not_kept: 0,
        }
    }

    pub(super) fn is_closed(&self, circuit: u32) -> bool {
        self.all[circuit as usize].state == State::Closed
    }

    pub(super) fn limit(&self, circuit: u32) -> Duration {
        let limit = self.all[circuit as usize].breaker.limit();
        limit.unwrap_or(Duration::MAX)
    }

    pub(super) fn ask(&mut self, circuit: u32, now: Duration) -> Option<Ticket> {
        let ticket = self.all[circuit as usize].breaker.ask(now);
        self.look(circuit as usize, now);
        ticket
    }

    pub(super) fn ended(&mut self, circuit: u32, ticket: Ticket, fate: Fate, now: Duration) {
        let breaker = &mut self.all[circuit as usize].breaker;
        match fate {
            Fate::Succeeded => breaker.ended(ticket, End::Success, now),
            Fate::Failed => breaker.ended(ticket, End::Failure, now),
            Fate::Answered => breaker.answered(ticket, now),
            Fate::Ignored => breaker.ignored(ticket, now),
            Fate::Abandoned | Fate::Unknown => breaker.ended(ticket, End::Abandoned, now),
        }
        self.look(circuit as usize, now);
    }

    /// All breakers of a run think equally often.
    pub(super) fn think_every(&self) -> Option<Duration> {
        let every = self.all.first()?.breaker.thinks_every()?;
        Some(every.max(Duration::from_millis(1)))
    }

    pub(super) fn think(&mut self, now: Duration) {
        for circuit in 0..self.all.len() {
            self.all[circuit].breaker.think(now);
            self.look(circuit, now);
        }
    }

    fn look(&mut self, circuit: usize, at: Duration) {
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
        let is_outage = |(begins, ends)| (begins..ends).contains(&at);
        self.changes.push(Change {
            at,
            circuit: circuit as u64,
            from,
            to,
            healthy: !self.outage.is_some_and(is_outage),
        });
    }

    /// How many are open, and half-open.
    pub(super) fn open(&self) -> (u64, u64) {
        let count = |state| self.all.iter().filter(|it| it.state == state).count() as u64;
        (count(State::Open), count(State::HalfOpen))
    }
}
