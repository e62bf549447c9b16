//! What is known of the calls that a breaker has let through, and a share of calls chosen without dice. For breakers
//! that refuse a share of their calls.

use std::{collections::VecDeque, time::Duration};

use super::End;

/// The calls that were let through, and have ended within the window.
#[derive(Debug)]
pub(super) struct Evidence {
    window: Duration,
    /// When each ended, and whether it failed.
    calls: VecDeque<(Duration, bool)>,
    failed: usize,
}

impl Evidence {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            calls: VecDeque::new(),
            failed: 0,
        }
    }

    /// A call that was given up says nothing.
    pub(super) fn ended(&mut self, end: End, now: Duration) {
        if end == End::Abandoned {
            return;
        }
        let failed = end == End::Failure;
        self.calls.push_back((now, failed));
        self.failed += usize::from(failed);
        self.forget(now);
    }

    /// What is outside of the window now.
    pub(super) fn forget(&mut self, now: Duration) {
        while let Some((at, failed)) = self.calls.front().copied() {
            if at.saturating_add(self.window) >= now {
                return;
            }
            self.calls.pop_front();
            self.failed -= usize::from(failed);
        }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn failed(&self) -> usize {
        self.failed
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

    #[test]
    fn a_window_forgets_what_is_older() {
        let mut evidence = Evidence::new(ms(100));
        evidence.ended(End::Failure, ms(10));
        evidence.ended(End::Success, ms(50));
        evidence.forget(ms(110));
        assert_eq!((evidence.calls(), evidence.failed()), (2, 1));
        evidence.forget(ms(111));
        assert_eq!((evidence.calls(), evidence.failed()), (1, 0));
    }

    #[test]
    fn a_call_that_was_given_up_says_nothing() {
        let mut evidence = Evidence::new(ms(100));
        evidence.ended(End::Abandoned, ms(1));
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
