//! The classic circuit breaker of Shopify's Semian, as it is in its version 0.28.2 (`lib/semian/circuit_breaker.rb`).

use std::{collections::VecDeque, time::Duration};

use tower_breaker::State;

use super::{Breaker, Contender, End, Ticket};

/// Semian's classic circuit breaker: it opens after so many errors within a time.
///
/// What its code does, and its words do not tell:
///
/// * It counts errors, and no calls. So the share that opens it depends on how often an instance calls. A success
///   clears nothing while it is closed.
/// * The break begins with the last error, and not with the opening. A call that was let through before, and fails
///   while it is open, makes the break longer.
/// * Half-open lets every call through. One error opens it again, also one of a call from before.
/// * A success counts in half-open, whenever its call began.
/// * Times are compared strictly: an error is forgotten once it is older than the threshold's time, and the first probe
///   comes later than the break.
///
/// Left out: the growing break (`exponential_backoff_error_timeout`), `lumping_interval`, and the timeout of probes
/// (`half_open_resource_timeout`). All three are off by default.
#[derive(Clone, Debug)]
pub struct Semian {
    name: String,
    error_threshold: usize,
    error_threshold_timeout: Duration,
    error_timeout: Duration,
    success_threshold: u32,
}

impl Semian {
    /// Opens after `error_threshold` errors (at least one) within `error_timeout`, stays open for `error_timeout` after
    /// the last error, and closes after one success. Semian itself has no defaults for these numbers.
    #[must_use]
    pub fn new(name: impl Into<String>, error_threshold: u32, error_timeout: Duration) -> Self {
        Self {
            name: name.into(),
            error_threshold: usize::try_from(error_threshold.max(1)).unwrap_or(usize::MAX),
            error_threshold_timeout: error_timeout,
            error_timeout,
            success_threshold: 1,
        }
    }

    /// The settings of its experiments: 12 errors within 20 s, a break of 15 s, 2 successes. In two of the experiments
    /// the threshold is another one.
    #[must_use]
    pub fn of_experiments(error_threshold: u32) -> Self {
        Self::new("semian classic", error_threshold, Duration::from_secs(15))
            .error_threshold_timeout(Duration::from_secs(20))
            .success_threshold(2)
    }

    /// Within which time the errors must come. Default: `error_timeout`, as there.
    #[must_use]
    pub fn error_threshold_timeout(mut self, time: Duration) -> Self {
        self.error_threshold_timeout = time;
        self
    }

    /// How many successes in half-open close it. Default: 1.
    #[must_use]
    pub fn success_threshold(mut self, successes: u32) -> Self {
        self.success_threshold = successes;
        self
    }
}

impl Contender for Semian {
    fn name(&self) -> &str {
        &self.name
    }

    fn breaker(&self, _number: u64, _seed: u64) -> Box<dyn Breaker> {
        Box::new(One {
            settings: self.clone(),
            state: State::Closed,
            errors: VecDeque::new(),
            successes: 0,
        })
    }
}

#[derive(Debug)]
struct One {
    settings: Semian,
    state: State,
    /// When the last errors came, as many as the threshold at most.
    errors: VecDeque<Duration>,
    successes: u32,
}

impl One {
    fn break_is_over(&self, now: Duration) -> bool {
        let last = self.errors.back();
        last.is_some_and(|last| last.saturating_add(self.settings.error_timeout) < now)
    }

    fn failed(&mut self, now: Duration) {
        let within = self.settings.error_threshold_timeout;
        self.errors
            .retain(|error| error.saturating_add(within) >= now);
        if self.errors.len() >= self.settings.error_threshold {
            self.errors.pop_front();
        }
        self.errors.push_back(now);
        let trips = match self.state {
            State::Closed => self.errors.len() == self.settings.error_threshold,
            State::HalfOpen => true,
            _ => false,
        };
        if trips {
            self.state = State::Open;
        }
    }

    fn succeeded(&mut self) {
        if self.state != State::HalfOpen {
            return;
        }
        self.successes += 1;
        if self.successes >= self.settings.success_threshold {
            self.state = State::Closed;
            self.errors.clear();
        }
    }
}

impl Breaker for One {
    fn ask(&mut self, now: Duration) -> Option<Ticket> {
        if self.state == State::Open && self.break_is_over(now) {
            self.state = State::HalfOpen;
            self.successes = 0;
        }
        (self.state != State::Open).then_some(Ticket::Number(0))
    }

    fn ended(&mut self, _ticket: Ticket, end: End, now: Duration) {
        match end {
            End::Success => self.succeeded(),
            End::Failure => self.failed(now),
            // An exception that it was not told of.
            End::Abandoned => {}
        }
    }

    fn state(&self) -> State {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// 3 errors within 20 s, a break of 15 s, 2 successes.
    fn one() -> Box<dyn Breaker> {
        Semian::of_experiments(3).breaker(0, 1)
    }

    fn end(breaker: &mut dyn Breaker, end: End, now: Duration) {
        breaker.ended(Ticket::Number(0), end, now);
    }

    fn opened_at_10() -> Box<dyn Breaker> {
        let mut breaker = one();
        for at in [8, 9, 10] {
            end(&mut *breaker, End::Failure, secs(at));
        }
        assert_eq!(breaker.state(), State::Open);
        breaker
    }

    #[test]
    fn errors_count_whatever_succeeds_between_them() {
        let mut breaker = one();
        for at in [1, 2, 3] {
            assert_eq!(breaker.state(), State::Closed, "at {at}");
            end(&mut *breaker, End::Failure, secs(at));
            end(&mut *breaker, End::Success, secs(at));
        }
        assert_eq!(breaker.state(), State::Open);
    }

    /// An error counts for 20 s, and not longer.
    #[test]
    fn an_error_is_forgotten_when_it_is_older_than_the_time() {
        for (third, state) in [(secs(21), State::Open), (secs(21) + MS, State::Closed)] {
            let mut breaker = one();
            for at in [secs(1), secs(11), third] {
                end(&mut *breaker, End::Failure, at);
            }
            assert_eq!(breaker.state(), state, "at {third:?}");
        }
    }

    #[test]
    fn the_break_is_over_later_than_15_s_after_the_last_error() {
        let mut breaker = opened_at_10();
        assert!(breaker.ask(secs(25)).is_none());
        assert!(breaker.ask(secs(25) + MS).is_some());
        assert_eq!(breaker.state(), State::HalfOpen);
    }

    #[test]
    fn a_late_error_makes_the_break_longer() {
        let mut breaker = opened_at_10();
        end(&mut *breaker, End::Failure, secs(20));
        assert!(breaker.ask(secs(25) + MS).is_none());
        assert!(breaker.ask(secs(35) + MS).is_some());
    }

    #[test]
    fn half_open_admits_all_and_two_successes_close() {
        let mut breaker = opened_at_10();
        for _ in 0..100 {
            assert!(breaker.ask(secs(26)).is_some());
        }
        end(&mut *breaker, End::Success, secs(27));
        assert_eq!(breaker.state(), State::HalfOpen);
        end(&mut *breaker, End::Success, secs(27));
        assert_eq!(breaker.state(), State::Closed);
        // And it has forgotten the errors.
        end(&mut *breaker, End::Failure, secs(28));
        end(&mut *breaker, End::Failure, secs(28));
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn one_error_in_half_open_opens() {
        let mut breaker = opened_at_10();
        assert!(breaker.ask(secs(26)).is_some());
        end(&mut *breaker, End::Success, secs(27));
        end(&mut *breaker, End::Failure, secs(27));
        assert_eq!(breaker.state(), State::Open);
        // The success before counts no more.
        assert!(breaker.ask(secs(43)).is_some());
        end(&mut *breaker, End::Success, secs(44));
        assert_eq!(breaker.state(), State::HalfOpen);
    }

    #[test]
    fn what_is_given_up_is_neither() {
        let mut breaker = opened_at_10();
        assert!(breaker.ask(secs(26)).is_some());
        end(&mut *breaker, End::Abandoned, secs(27));
        assert_eq!(breaker.state(), State::HalfOpen);
    }
}
