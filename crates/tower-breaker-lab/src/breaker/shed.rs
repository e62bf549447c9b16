//! A share of the calls is refused, as large as the failures of those that were let through.

use std::time::Duration;

use tower_breaker::State;

use super::{
    Breaker, Contender, End, Ticket,
    evidence::{Even, Evidence, Window},
};
use crate::formulas::throttled;

/// Refuses the share max(0, (n − K·a) / (n + 1)) of the calls: n calls that were let through have ended within the
/// window, and a of them well.
///
/// It is the throttle of Google's book, [`Throttle`](super::Throttle), but for one thing: what it has refused is no
/// evidence. So the share depends on the failure rate alone. It begins above a failure rate of 1 − 1/K: with 2 at 50 %,
/// with 1.5 at 33 %, with 1.25 at 20 %.
///
/// **Watch out:** a server with too many calls gets more of them than with the throttle, if they are very many: see
/// [`overload_left_by_shedding`](crate::formulas::overload_left_by_shedding). It gets well fast, and slowly where few
/// calls come: see [`shedding_ends_after`](crate::formulas::shedding_ends_after).
///
/// Which calls are refused is not left to chance: they are spread evenly.
#[derive(Clone, Debug)]
pub struct Shed {
    name: String,
    k: f64,
    floor: f64,
    window: Window,
    minimum_calls: usize,
    slow: Option<Duration>,
}

impl Shed {
    /// With this K.
    #[must_use]
    pub fn new(name: impl Into<String>, k: f64) -> Self {
        Self {
            name: name.into(),
            k,
            floor: 0.1,
            window: Window::Count(100),
            minimum_calls: 20,
            slow: None,
        }
    }

    /// At least this share of the calls goes through, from 0 to 1. Default: 0.1.
    #[must_use]
    pub fn floor(mut self, share: f64) -> Self {
        self.floor = share;
        self
    }

    /// The last so many calls are looked at. Default: 100.
    #[must_use]
    pub fn count_window(mut self, calls: u32) -> Self {
        self.window = Window::Count(usize::try_from(calls).unwrap_or(usize::MAX));
        self
    }

    /// The calls that ended within this time are looked at. Default: the last 100.
    #[must_use]
    pub fn time_window(mut self, time: Duration) -> Self {
        self.window = Window::Time(time);
        self
    }

    /// Nothing is refused while the window holds fewer. Default: 20.
    #[must_use]
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.minimum_calls = usize::try_from(calls).unwrap_or(usize::MAX);
        self
    }

    /// What takes at least as long has not gone well. Default: the time does not matter.
    #[must_use]
    pub fn slow_call_duration(mut self, slow: Duration) -> Self {
        self.slow = Some(slow);
        self
    }
}

impl Contender for Shed {
    fn name(&self) -> &str {
        &self.name
    }

    fn breaker(&self, _number: u64, _seed: u64) -> Box<dyn Breaker> {
        Box::new(One {
            evidence: Evidence::new(self.window, self.slow),
            even: Even::default(),
            settings: self.clone(),
        })
    }
}

#[derive(Debug)]
struct One {
    settings: Shed,
    evidence: Evidence,
    even: Even,
}

impl One {
    fn share_refused(&self) -> f64 {
        let calls = self.evidence.calls();
        if calls < self.settings.minimum_calls {
            return 0.0;
        }
        let accepted = self.evidence.accepted() as f64;
        throttled(calls as f64, accepted, self.settings.k).min(1.0 - self.settings.floor)
    }
}

impl Breaker for One {
    fn ask(&mut self, now: Duration) -> Option<Ticket> {
        self.evidence.forget(now);
        let refused = self.share_refused();
        (!self.even.is_chosen(refused)).then(|| Evidence::ticket(now))
    }

    fn ended(&mut self, ticket: Ticket, end: End, now: Duration) {
        self.evidence.ended(&ticket, end, now);
    }

    fn state(&self) -> State {
        State::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that end at once, so many in a thousand of them with a failure. Returns how many of the second thousand
    /// went through, when the window shows nothing else.
    fn let_through(contender: &Shed, failing: u32) -> usize {
        let mut breaker = contender.breaker(0, 1);
        let mut call = 0_u32;
        let mut one = || {
            let ticket = breaker.ask(Duration::ZERO)?;
            call += 1;
            // Spread evenly, too: no chance in a test.
            let fails = call * failing % 1_000 < failing;
            let end = if fails { End::Failure } else { End::Success };
            breaker.ended(ticket, end, Duration::ZERO);
            Some(())
        };
        let went = (0..2_000).map(|_| one().is_some()).collect::<Vec<_>>();
        went[1_000..].iter().filter(|went| **went).count()
    }

    fn of_a_thousand(through: usize, expected: usize) {
        assert!(through.abs_diff(expected) <= 6, "{through} for {expected}");
    }

    #[test]
    fn it_begins_above_one_minus_one_by_k() {
        for (k, begins) in [(2.0, 500), (1.5, 333), (1.25, 200)] {
            let shed = Shed::new("shed", k);
            assert_eq!(let_through(&shed, begins - 20), 1_000, "{k}");
            assert!(let_through(&shed, begins + 40) < 1_000, "{k}");
        }
    }

    /// At a failure rate of q, about K · (1 − q) goes through, and stays so: it does not feed on what it has refused.
    #[test]
    fn what_goes_through_depends_on_the_failure_rate_alone() {
        let twice = Shed::new("shed", 2.0);
        of_a_thousand(let_through(&twice, 600), 802);
        of_a_thousand(let_through(&twice, 800), 406);
        let less = Shed::new("shed", 1.25);
        of_a_thousand(let_through(&less, 600), 505);
    }

    #[test]
    fn the_floor_goes_through_in_a_total_outage() {
        let shed = Shed::new("shed", 2.0);
        of_a_thousand(let_through(&shed, 1_000), 100);
        of_a_thousand(let_through(&shed.floor(0.02), 1_000), 20);
    }

    #[test]
    fn below_the_minimum_of_calls_nothing_is_refused() {
        let mut breaker = Shed::new("shed", 2.0).minimum_calls(20).breaker(0, 1);
        for call in 0..20 {
            let ticket = breaker.ask(Duration::ZERO);
            let ticket = ticket.unwrap_or_else(|| panic!("{call} is refused"));
            breaker.ended(ticket, End::Failure, Duration::ZERO);
        }
        let through = (0..100).filter_map(|_| breaker.ask(Duration::ZERO));
        assert!((9..=11).contains(&through.count()));
    }

    #[test]
    fn a_time_window_that_has_emptied_refuses_nothing() {
        let shed = Shed::new("shed", 2.0).time_window(Duration::from_secs(10));
        let mut breaker = shed.breaker(0, 1);
        for _ in 0..100 {
            breaker.ended(Ticket::Number(0), End::Failure, Duration::ZERO);
        }
        let mut through = |secs| {
            let asked = (0..100).filter_map(|_| breaker.ask(Duration::from_secs(secs)));
            asked.count()
        };
        assert!((9..=11).contains(&through(10)));
        assert_eq!(through(11), 100);
    }

    #[test]
    fn slow_calls_are_refused_as_failed_ones_if_that_is_said() {
        let slow = Duration::from_secs(1);
        for (shed, through) in [
            (Shed::new("shed", 2.0), 100),
            (Shed::new("shed", 2.0).slow_call_duration(slow), 10),
        ] {
            let mut breaker = shed.breaker(0, 1);
            for _ in 0..100 {
                breaker.ended(Ticket::Number(0), End::Success, slow);
            }
            let found = (0..100).filter_map(|_| breaker.ask(slow)).count();
            assert!(found.abs_diff(through) <= 1, "{found} for {through}");
        }
    }
}
