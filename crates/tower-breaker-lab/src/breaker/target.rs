//! A controller: it refuses more until the calls that it lets through fail no more often than they may.

use std::time::Duration;

use tower_breaker::State;

use super::{
    Breaker, Contender, End, Ticket,
    evidence::{Even, Evidence},
};

/// How often the share is moved.
const EVERY: Duration = Duration::from_millis(100);

/// An integral controller of the share of calls that is refused: each second it grows by `gain · (e − target)`. `e` is
/// the failure rate of the calls that were let through and have ended within the last seconds.
///
/// If the failures come from too many calls, it finds how many are not. If they do not, refusing does not help, and it
/// refuses all that it may.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
    failure_rate: f64,
    gain: f64,
    floor: f64,
    window: Duration,
}

impl Target {
    /// Holds the failure rate (0 to 1) of what it lets through at this one.
    #[must_use]
    pub fn new(name: impl Into<String>, failure_rate: f64) -> Self {
        Self {
            name: name.into(),
            failure_rate,
            gain: 0.2,
            floor: 0.1,
            window: Duration::from_secs(5),
        }
    }

    /// How fast it moves: by how much of all calls in a second, if all that it lets through fail and none should.
    /// Default: 0.2.
    #[must_use]
    pub fn gain(mut self, gain: f64) -> Self {
        self.gain = gain;
        self
    }

    /// At least this share of the calls goes through, from 0 to 1. Default: 0.1.
    #[must_use]
    pub fn floor(mut self, share: f64) -> Self {
        self.floor = share;
        self
    }

    /// The calls that ended within this time are looked at. Default: 5 s.
    #[must_use]
    pub fn time_window(mut self, time: Duration) -> Self {
        self.window = time;
        self
    }
}

impl Contender for Target {
    fn name(&self) -> &str {
        &self.name
    }

    fn breaker(&self, _number: u64, _seed: u64) -> Box<dyn Breaker> {
        Box::new(One {
            evidence: Evidence::new(self.window),
            even: Even::default(),
            refuses: 0.0,
            settings: self.clone(),
        })
    }
}

#[derive(Debug)]
struct One {
    settings: Target,
    evidence: Evidence,
    even: Even,
    /// From 0 to 1.
    refuses: f64,
}

impl Breaker for One {
    fn ask(&mut self, _now: Duration) -> Option<Ticket> {
        (!self.even.is_chosen(self.refuses)).then_some(Ticket::Number(0))
    }

    fn ended(&mut self, _ticket: Ticket, end: End, now: Duration) {
        self.evidence.ended(end, now);
    }

    fn state(&self) -> State {
        State::Closed
    }

    fn thinks_every(&self) -> Option<Duration> {
        Some(EVERY)
    }

    /// Without a call nothing fails, and less is refused.
    fn think(&mut self, now: Duration) {
        self.evidence.forget(now);
        let failed = self.evidence.failed() as f64 / self.evidence.calls().max(1) as f64;
        let moved =
            self.settings.gain * EVERY.as_secs_f64() * (failed - self.settings.failure_rate);
        self.refuses = (self.refuses + moved).clamp(0.0, 1.0 - self.settings.floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_through(breaker: &mut dyn Breaker, now: Duration) -> usize {
        (0..100).filter_map(|_| breaker.ask(now)).count()
    }

    /// Ten failures and ten successes within a second: 0.2 · (0.5 − 0.1) = 8 % more are refused after each.
    #[test]
    fn it_moves_as_fast_as_the_failure_rate_is_off() {
        let mut breaker = Target::new("target", 0.1).breaker(0, 1);
        for end in [End::Failure, End::Success].repeat(10) {
            breaker.ended(Ticket::Number(0), end, Duration::ZERO);
        }
        for second in [0, 1, 2] {
            let now = Duration::from_secs(second);
            let through = let_through(&mut *breaker, now);
            let expected = 100 - 8 * usize::try_from(second).expect("small");
            assert!(through.abs_diff(expected) <= 1, "{through} for {expected}");
            (0..10).for_each(|_| breaker.think(now));
        }
    }

    #[test]
    fn it_goes_to_the_floor_and_back() {
        let mut breaker = Target::new("target", 0.1).gain(1.0).breaker(0, 1);
        for _ in 0..10 {
            breaker.ended(Ticket::Number(0), End::Failure, Duration::ZERO);
        }
        (0..100).for_each(|_| breaker.think(Duration::ZERO));
        assert!((9..=11).contains(&let_through(&mut *breaker, Duration::ZERO)));
        // The window is empty: no failures, and 10 % of the calls come back each second.
        let later = Duration::from_secs(6);
        (0..10).for_each(|_| breaker.think(later));
        assert!((19..=21).contains(&let_through(&mut *breaker, later)));
        (0..200).for_each(|_| breaker.think(later));
        assert_eq!(let_through(&mut *breaker, later), 100);
    }
}
