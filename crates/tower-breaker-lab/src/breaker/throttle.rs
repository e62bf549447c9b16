//! The client-side throttle of Google's book *Site Reliability Engineering*, chapter *Handling Overload*.

use std::{collections::VecDeque, time::Duration};

use tower_breaker::State;

use super::{Breaker, Contender, End, Ticket};
use crate::{
    chance::{Chance, Of},
    formulas::throttled,
};

/// Refuses each call with the chance max(0, (R − K·A) / (R + 1)): R is how many were asked for within the window, and A
/// how many of them were accepted.
#[derive(Clone, Debug)]
pub struct Throttle {
    name: String,
    k: f64,
    window: Duration,
}

impl Throttle {
    /// With this K and window. The book's are 2 and two minutes.
    #[must_use]
    pub fn new(name: impl Into<String>, k: f64, window: Duration) -> Self {
        Self {
            name: name.into(),
            k,
            window,
        }
    }
}

impl Contender for Throttle {
    fn name(&self) -> &str {
        &self.name
    }

    fn breaker(&self, number: u64, seed: u64) -> Box<dyn Breaker> {
        Box::new(One {
            k: self.k,
            bucket: (self.window / BUCKETS).max(Duration::from_nanos(1)),
            buckets: VecDeque::new(),
            chance: Chance::new(seed, Of::Throttle, number),
        })
    }
}

const BUCKETS: u32 = 20;

#[derive(Debug)]
struct Bucket {
    number: u128,
    requests: u64,
    accepts: u64,
}

#[derive(Debug)]
struct One {
    k: f64,
    bucket: Duration,
    buckets: VecDeque<Bucket>,
    chance: Chance,
}

impl One {
    fn bucket(&mut self, now: Duration) -> &mut Bucket {
        let number = now.as_nanos() / self.bucket.as_nanos();
        let oldest = (number + 1).saturating_sub(u128::from(BUCKETS));
        while self
            .buckets
            .front()
            .is_some_and(|bucket| bucket.number < oldest)
        {
            self.buckets.pop_front();
        }
        if self
            .buckets
            .back()
            .is_none_or(|bucket| bucket.number < number)
        {
            self.buckets.push_back(Bucket {
                number,
                requests: 0,
                accepts: 0,
            });
        }
        self.buckets.back_mut().expect("pushed above")
    }

    fn chance_of_refusal(&self) -> f64 {
        let requests: u64 = self.buckets.iter().map(|bucket| bucket.requests).sum();
        let accepts: u64 = self.buckets.iter().map(|bucket| bucket.accepts).sum();
        throttled(requests as f64, accepts as f64, self.k)
    }
}

impl Breaker for One {
    fn ask(&mut self, now: Duration) -> Option<Ticket> {
        self.bucket(now);
        let refused = self.chance_of_refusal();
        self.bucket(now).requests += 1;
        (self.chance.share() >= refused).then_some(Ticket::Number(0))
    }

    fn ended(&mut self, _ticket: Ticket, end: End, now: Duration) {
        if end == End::Success {
            self.bucket(now).accepts += 1;
        }
    }

    fn state(&self) -> State {
        State::Closed
    }
}
