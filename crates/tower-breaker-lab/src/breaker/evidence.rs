//! What is known of the calls that a breaker has let through, and a share of calls chosen without dice. For breakers
//! that refuse a share of their calls.

use std::{collections::VecDeque, time::Duration};

use super::{End, Ticket};

/// Which calls are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Window {
    /// The last so many that ended.
    Count(usize),
    /// Those that ended within the last so long.
    Time(Duration),
}

/// The calls of a window: let through, and ended.
#[derive(Debug)]
pub(super) struct Evidence {
    window: Window,
    /// What takes at least as long is slow.
    slow: Option<Duration>,
    calls: VecDeque<Ended>,
    failed: usize,
    slow_calls: usize,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Duration,
    failed: bool,
    slow: bool,
}

impl Evidence {
    pub(super) fn new(window: Window, slow: Option<Duration>) -> Self {
        Self {
            window,
            slow,
            calls: VecDeque::new(),
            failed: 0,
            slow_calls: 0,
        }
    }

    /// For a call that begins now.
    pub(super) fn ticket(now: Duration) -> Ticket {
        Ticket::Number(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    }

    /// With the ticket that it got. A call that was given up says nothing.
    pub(super) fn ended(&mut self, ticket: &Ticket, end: End, now: Duration) {
        let (Ticket::Number(began), false) = (ticket, end == End::Abandoned) else {
            return;
        };
        let took = now.saturating_sub(Duration::from_nanos(*began));
        let call = Ended {
            at: now,
            failed: end == End::Failure,
            slow: self.slow.is_some_and(|slow| took >= slow),
        };
        self.calls.push_back(call);
        self.failed += usize::from(call.failed);
        self.slow_calls += usize::from(call.slow);
        self.forget(now);
    }

    /// What is outside of the window now.
    pub(super) fn forget(&mut self, now: Duration) {
        while self.is_oldest_outside(now) {
            let Some(call) = self.calls.pop_front() else {
                return;
            };
            self.failed -= usize::from(call.failed);
            self.slow_calls -= usize::from(call.slow);
        }
    }

    fn is_oldest_outside(&self, now: Duration) -> bool {
        match self.window {
            Window::Count(calls) => self.calls.len() > calls,
            Window::Time(time) => self
                .calls
                .front()
                .is_some_and(|call| call.at.saturating_add(time) < now),
        }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Neither failed nor, if that is looked at, slow. As with two thresholds, the worse of the two counts.
    pub(super) fn accepted(&self) -> usize {
        self.calls.len() - self.failed.max(self.slow_calls)
    }
}

/// Chooses a share of the calls as evenly as can be: multiples of the golden ratio fill 0 to 1 without gaps.
#[derive(Debug, Default)]
pub(super) struct Even {
    turn: u64,
}

impl Even {
    /// Whether the next call is among this share.
    pub(super) fn is_chosen(&mut self, share: f64) -> bool {
        self.turn = self.turn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (self.turn as f64) < share * 2.0_f64.powi(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn told(evidence: &mut Evidence, calls: &[(End, u64, u64)]) {
        for (end, began, now) in calls {
            evidence.ended(&Evidence::ticket(ms(*began)), *end, ms(*now));
        }
    }

    #[test]
    fn a_count_window_holds_the_last_so_many() {
        let mut evidence = Evidence::new(Window::Count(3), None);
        told(&mut evidence, &[(End::Failure, 0, 1); 1_000]);
        assert_eq!((evidence.calls(), evidence.accepted()), (3, 0));
        told(&mut evidence, &[(End::Success, 0, 2); 2]);
        assert_eq!((evidence.calls(), evidence.accepted()), (3, 2));
        told(&mut evidence, &[(End::Success, 0, 2)]);
        assert_eq!((evidence.calls(), evidence.accepted()), (3, 3));
    }

    #[test]
    fn a_time_window_forgets_what_is_older() {
        let mut evidence = Evidence::new(Window::Time(ms(100)), None);
        told(
            &mut evidence,
            &[(End::Failure, 0, 10), (End::Success, 0, 50)],
        );
        evidence.forget(ms(110));
        assert_eq!((evidence.calls(), evidence.accepted()), (2, 1));
        evidence.forget(ms(111));
        assert_eq!((evidence.calls(), evidence.accepted()), (1, 1));
    }

    #[test]
    fn the_worse_of_failed_and_slow_counts() {
        let mut evidence = Evidence::new(Window::Count(10), Some(ms(100)));
        let (quick, slow) = ((End::Success, 0, 99), (End::Success, 0, 100));
        told(&mut evidence, &[quick, slow, slow, (End::Failure, 0, 1)]);
        assert_eq!((evidence.calls(), evidence.accepted()), (4, 2));
    }

    #[test]
    fn a_call_that_was_given_up_says_nothing() {
        let mut evidence = Evidence::new(Window::Count(10), None);
        told(&mut evidence, &[(End::Abandoned, 0, 1)]);
        assert_eq!(evidence.calls(), 0);
    }

    /// Of any hundred calls in a row, and not only in the long run.
    #[test]
    fn a_share_is_chosen_evenly() {
        for share in [0.0, 0.1, 0.25, 0.5, 0.9, 1.0] {
            let mut even = Even::default();
            let chosen: Vec<bool> = (0..1_000).map(|_| even.is_chosen(share)).collect();
            for hundred in chosen.windows(100) {
                let found = hundred.iter().filter(|chosen| **chosen).count() as f64;
                assert!((found - 100.0 * share).abs() <= 2.0, "{found} for {share}");
            }
        }
    }
}
