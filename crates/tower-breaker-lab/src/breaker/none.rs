//! Nothing between callers and dependency: what the others are compared with.

use std::time::Duration;

use tower_breaker::State;

use super::{Breaker, Contender, End, Ticket};

/// Lets everything through.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct None;

impl None {
    /// Lets everything through.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Contender for None {
    fn name(&self) -> &str {
        "none"
    }

    fn breaker(&self, _number: u64, _seed: u64) -> Box<dyn Breaker> {
        Box::new(*self)
    }
}

impl Breaker for None {
    fn ask(&mut self, _now: Duration) -> Option<Ticket> {
        Some(Ticket::Number(0))
    }

    fn ended(&mut self, _ticket: Ticket, _end: End, _now: Duration) {}

    fn state(&self) -> State {
        State::Closed
    }
}
