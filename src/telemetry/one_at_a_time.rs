//! [`OneAtATime`]: what is set last is what holds (rule L5).

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::util::panic::catch_panic;

/// Has code that reads something and sets it elsewhere run on one thread at a time, and once more after each time that
/// somebody asks for it. So whatever has changed before somebody asked, the last run has seen.
///
/// Nobody waits: who asks while it runs leaves it to the thread that runs it. That may be further up on the same stack,
/// if what is set is heard by somebody who makes a change. So this is no lock.
#[derive(Debug, Default)]
pub(super) struct OneAtATime {
    /// How often it was asked for since it began to run; zero while it does not run.
    asked: AtomicUsize,
}

impl OneAtATime {
    pub(super) fn run(&self, read_and_set: impl Fn()) {
        // AcqRel, here and below: whoever sees that it was asked for sees what was changed before that.
        if self.asked.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let mut seen = 1;
        loop {
            catch_panic(&read_and_set);
            let done = self
                .asked
                .compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire);
            match done {
                Ok(_) => return,
                Err(asked) => seen = asked,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    // L5
    #[test]
    fn who_asks_while_it_runs_has_it_run_once_more_and_not_within() {
        let (at_once, runs, within) = (OneAtATime::default(), Cell::new(0), Cell::new(0));
        let ask = || at_once.run(|| within.set(within.get() + 1));
        at_once.run(|| {
            runs.set(runs.get() + 1);
            if runs.get() == 1 {
                ask();
            }
        });
        assert_eq!((runs.get(), within.get()), (2, 0));
        ask();
        assert_eq!((runs.get(), within.get()), (2, 1), "it is over");
    }
}
