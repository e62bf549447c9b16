//! The adaptive circuit breaker of Shopify's Semian, as it is in its version 0.28.2 (`lib/semian/pid_controller.rb`,
//! `simple_exponential_smoother.rb`): a controller moves the share of calls that it refuses.

use std::{collections::VecDeque, time::Duration};

use tower_breaker::State;

use super::{Breaker, Contender, End, Ticket};
use crate::chance::{Chance, Of};

/// How often all controllers are updated (`SEMIAN_ADAPTIVE_CIRCUIT_BREAKER_SLIDING_INTERVAL`, a second).
const EVERY: Duration = Duration::from_secs(1);
/// How long a call is remembered (`window_size`).
const WINDOW: Duration = Duration::from_secs(10);
/// At most so many calls of each kind are remembered: 200 for each second of the window.
const MOST_REMEMBERED: usize = 2_000;
/// The controller's factors (`kp`, `ki`). That of the derivative (`kd`) is 0.
const PROPORTIONAL: f64 = 1.0;
const INTEGRAL: f64 = 0.2;
/// The sum stays within these, on either side (`integral_upper_cap`, `integral_lower_cap`).
const LARGEST_SUM: f64 = 10.0;
/// So far above the usual share of errors, as a part of it, nothing happens (`dead_zone_ratio`).
const DEAD_ZONE: f64 = 0.25;
/// The usual share of errors, to begin with (`initial_error_rate`).
const FIRST_USUAL: f64 = 0.05;
/// Larger shares of errors are never usual (`ideal_error_rate_estimator_cap_value`).
const LARGEST_USUAL: f64 = 0.1;
/// After so many looks, 30 minutes, what is usual changes half as fast.
const LOOKS_UNTIL_SURE: u32 = 1_800;

/// Semian's adaptive circuit breaker, with its defaults.
///
/// Each second it takes the share of errors `e` among the calls of the last 10 s that it let through, and what is
/// usual, `e*`. The share `r` of calls that it refuses moves by `P + 0.2 · ΣP`, where `P = Δ − (1 − Δ) · r`. `Δ` is
/// `e − e*`, or 0 if `e` is at most a quarter above `e*`. `ΣP` stays within ±10, and `r` within 0 and 1.
///
/// What is usual is smoothed: it goes down by 7.8 % of the distance each second, and up by 0.17 % (after half an hour
/// 3.9 % and 0.09 %), from 5 %. Shares above 10 % do not change it.
///
/// What its code does, and its words do not tell:
///
/// * Without a call, `e` is 0. Then what is usual goes down, too.
/// * What is usual goes down 46 times faster than up. An instance that calls seldom has many looks without an error, so
///   that soon hardly any error is usual to it.
/// * In its first seconds, one error of two calls is a share of 50 %, and refuses nearly all.
/// * It has no minimum of calls, and no probes: it lets some calls through as long as `r` is below 1.
///
/// Its [state](Breaker::state) is as Semian names it: open at 1, closed at 0, and half-open between.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SemianAdaptive {
    name: String,
}

impl SemianAdaptive {
    /// With the defaults of Semian.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Contender for SemianAdaptive {
    fn name(&self) -> &str {
        &self.name
    }

    fn breaker(&self, number: u64, seed: u64) -> Box<dyn Breaker> {
        Box::new(One {
            errors: VecDeque::new(),
            successes: VecDeque::new(),
            controller: Controller::default(),
            chance: Chance::new(seed, Of::Throttle, number),
        })
    }
}

#[derive(Debug)]
struct One {
    errors: VecDeque<Duration>,
    successes: VecDeque<Duration>,
    controller: Controller,
    chance: Chance,
}

fn remember(times: &mut VecDeque<Duration>, now: Duration) {
    if times.len() >= MOST_REMEMBERED {
        times.pop_front();
    }
    times.push_back(now);
}

fn forget(times: &mut VecDeque<Duration>, before: Duration) {
    while times.front().is_some_and(|time| *time < before) {
        times.pop_front();
    }
}

impl Breaker for One {
    fn ask(&mut self, _now: Duration) -> Option<Ticket> {
        let is_refused = self.chance.share() < self.controller.refuses;
        (!is_refused).then_some(Ticket::Number(0))
    }

    fn ended(&mut self, _ticket: Ticket, end: End, now: Duration) {
        match end {
            End::Success => remember(&mut self.successes, now),
            End::Failure => remember(&mut self.errors, now),
            // An exception that it was not told of.
            End::Abandoned => {}
        }
    }

    fn state(&self) -> State {
        match self.controller.refuses {
            refuses if refuses <= 0.0 => State::Closed,
            refuses if refuses >= 1.0 => State::Open,
            _ => State::HalfOpen,
        }
    }

    fn thinks_every(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn think(&mut self, now: Duration) {
        let before = now.saturating_sub(WINDOW);
        forget(&mut self.errors, before);
        forget(&mut self.successes, before);
        let (errors, successes) = (self.errors.len(), self.successes.len());
        self.controller
            .look(errors as f64 / (errors + successes).max(1) as f64);
    }
}

/// What share of the calls is refused.
#[derive(Debug, Default)]
struct Controller {
    /// From 0 to 1.
    refuses: f64,
    sum: f64,
    usual: Usual,
}

impl Controller {
    /// With the share of errors in the window.
    fn look(&mut self, errors: f64) {
        self.usual.look(errors);
        let above = errors - self.usual.share;
        let is_noise = above > 0.0 && above <= self.usual.share * DEAD_ZONE;
        let delta = if is_noise { 0.0 } else { above };
        let p = delta - (1.0 - delta) * self.refuses;
        self.sum += p * EVERY.as_secs_f64();
        let change = PROPORTIONAL * p + INTEGRAL * self.sum;
        self.refuses = (self.refuses + change).clamp(0.0, 1.0);
        self.sum = self.sum.clamp(-LARGEST_SUM, LARGEST_SUM);
    }
}

/// The usual share of errors.
#[derive(Debug)]
struct Usual {
    share: f64,
    looks: u32,
}

impl Default for Usual {
    fn default() -> Self {
        Self {
            share: FIRST_USUAL,
            looks: 0,
        }
    }
}

impl Usual {
    fn look(&mut self, errors: f64) {
        if errors > LARGEST_USUAL {
            return;
        }
        self.looks = self.looks.saturating_add(1);
        let part = match (self.looks < LOOKS_UNTIL_SURE, errors > self.share) {
            (true, true) => 0.0017,
            (true, false) => 0.078,
            (false, true) => 0.0009,
            (false, false) => 0.039,
        };
        self.share = part * errors + (1.0 - part) * self.share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
    }

    #[test]
    fn what_is_usual_goes_down_fast_and_up_slowly() {
        let mut usual = Usual::default();
        usual.look(0.0);
        near(usual.share, 0.05 * 0.922);
        usual.look(0.1);
        near(usual.share, 0.0017 * 0.1 + 0.9983 * 0.0461);
        let before = usual.share;
        usual.look(0.100_001);
        near(usual.share, before);
        assert_eq!(usual.looks, 2, "what is dropped is no look");
    }

    /// 60 looks a minute, for 30 minutes. The 1,800th is the first that counts half.
    #[test]
    fn after_half_an_hour_it_changes_half_as_fast() {
        for (looks, part) in [(1_798, 0.078), (1_799, 0.039)] {
            let mut usual = Usual { share: 0.05, looks };
            usual.look(0.0);
            near(usual.share, 0.05 * (1.0 - part));
        }
    }

    /// By hand: e = 0.25, e* = 0.05: Δ = 0.2, P = 0.2, ΣP = 0.2, r = 0.2 + 0.04 = 0.24.
    /// Then P = 0.2 − 0.8 · 0.24 = 0.008, ΣP = 0.208, r = 0.24 + 0.008 + 0.0416 = 0.2896.
    #[test]
    fn two_looks_at_a_quarter_of_errors() {
        let mut controller = Controller::default();
        controller.look(0.25);
        near(controller.refuses, 0.24);
        controller.look(0.25);
        near(controller.refuses, 0.2896);
        near(controller.sum, 0.208);
    }

    #[test]
    fn a_quarter_above_what_is_usual_is_noise() {
        let mut controller = Controller::default();
        // It becomes 0.05 · 0.9983 + 0.06 · 0.0017 = 0.050017: 0.06 is 20 % above.
        controller.look(0.06);
        near(controller.refuses, 0.0);
        // 0.0640 is 28 % above, and all of the difference counts.
        controller.look(0.064);
        let above = 0.064 - controller.usual.share;
        near(controller.refuses, above * 1.2);
    }

    #[test]
    fn below_what_is_usual_it_refuses_less_and_never_below_nothing() {
        let mut controller = Controller::default();
        controller.look(0.0);
        near(controller.refuses, 0.0);
        near(controller.sum, -0.0461);
    }

    /// In a full outage nothing is let through at last: then the share of errors is 0, and r falls.
    #[test]
    fn the_sum_and_the_share_have_limits() {
        let mut controller = Controller::default();
        for _ in 0..100 {
            controller.look(1.0);
        }
        near(controller.refuses, 1.0);
        assert!(controller.sum <= LARGEST_SUM, "{controller:?}");
        let mut controller = Controller {
            sum: -LARGEST_SUM,
            ..Controller::default()
        };
        controller.look(0.0);
        near(controller.sum, -LARGEST_SUM);
    }

    #[test]
    fn a_call_is_remembered_for_ten_seconds() {
        let mut breaker = SemianAdaptive::new("adaptive").breaker(0, 1);
        breaker.ended(
            Ticket::Number(0),
            End::Failure,
            Duration::from_millis(1_500),
        );
        breaker.think(Duration::from_millis(11_500));
        assert_eq!(breaker.state(), State::Open, "all failed: P = 0.95");
        // Without calls the share is 0, and P = −0.05 − 1.05: less is refused.
        breaker.think(Duration::from_millis(12_500));
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn it_refuses_about_the_share_that_it_should() {
        let mut breaker = One {
            errors: VecDeque::new(),
            successes: VecDeque::new(),
            controller: Controller {
                refuses: 0.3,
                ..Controller::default()
            },
            chance: Chance::new(1, Of::Throttle, 0),
        };
        let passed = (0..10_000).filter(|_| breaker.ask(Duration::ZERO).is_some());
        let passed = passed.count();
        assert!((6_800..7_200).contains(&passed), "{passed}");
    }
}
