//! How many more calls of a circuit may be repeated (rule M8): a share of those that succeed, and some each second.
//!
//! It looks back on ten seconds, as the budget of `tower::retry` does. That one is made with its numbers; this one is
//! given them when it is asked, because they may change while the circuit lives.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::settings::{RetryLimits, millionths};

const SECOND: u64 = 1_000_000_000;
const SLOTS: usize = 10;
/// In millionths.
const WHOLE: u128 = 1_000_000;

/// The budget of one circuit, whoever repeats its calls. Times are in nanoseconds.
#[derive(Default)]
pub(crate) struct RetryBudget {
    /// The second that `fresh` is of. Relaxed, as `fresh` is: a success that is told while the second changes is
    /// counted in either, and no other memory depends on it.
    second: AtomicU64,
    /// Successes that are not in a slot yet.
    fresh: AtomicU64,
    past: Mutex<Past>,
}

#[derive(Default)]
struct Past {
    second: u64,
    slots: [Slot; SLOTS],
}

/// What there was in one second.
#[derive(Clone, Copy, Default)]
struct Slot {
    successes: u64,
    repeats: u64,
}

impl RetryBudget {
    /// A call has succeeded. Only the first of a second takes the lock.
    pub(crate) fn deposit(&self, now: u64) {
        if self.second.load(Ordering::Relaxed) != now / SECOND {
            self.with_past(now, |_| ());
        }
        self.fresh.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether one more call may be repeated. If so, it is taken for repeated.
    pub(crate) fn withdraw(&self, now: u64, limits: &RetryLimits) -> bool {
        self.with_past(now, |past| {
            let may = past.repeats() < past.allowed(limits);
            past.now().repeats += u64::from(may);
            may
        })
    }

    fn with_past<T>(&self, now: u64, look: impl FnOnce(&mut Past) -> T) -> T {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.now().successes += self.fresh.swap(0, Ordering::Relaxed);
        past.roll(now / SECOND);
        self.second.store(past.second, Ordering::Relaxed);
        look(&mut past)
    }
}

impl Past {
    fn now(&mut self) -> &mut Slot {
        &mut self.slots[slot_of(self.second)]
    }

    /// Forgets what is ten seconds old. A clock that goes back changes nothing.
    fn roll(&mut self, second: u64) {
        let forgotten = (self.second + 1..=second).take(SLOTS);
        for second in forgotten {
            self.slots[slot_of(second)] = Slot::default();
        }
        self.second = self.second.max(second);
    }

    fn repeats(&self) -> u64 {
        self.slots.iter().map(|slot| slot.repeats).sum()
    }

    /// How many calls may be repeated in all that time.
    fn allowed(&self, limits: &RetryLimits) -> u64 {
        let successes: u64 = self.slots.iter().map(|slot| slot.successes).sum();
        // An error is a share of zero: there is no other that a circuit takes.
        let share = millionths("retries.share", limits.share).unwrap_or(0);
        let share = u128::from(share) * u128::from(successes) / WHOLE;
        let each_second = u128::from(limits.per_second) * SLOTS as u128;
        u64::try_from(share + each_second).unwrap_or(u64::MAX)
    }
}

fn slot_of(second: u64) -> usize {
    usize::try_from(second % SLOTS as u64).expect("few")
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// So many nanoseconds pass.
        Pass(u64),
        Deposit,
        /// By a share in tenths, and so many each second.
        Withdraw(u32, u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => (0..2 * SECOND).prop_map(Step::Pass),
            1 => (0..30 * SECOND).prop_map(Step::Pass),
            10 => Just(Step::Deposit),
            10 => (0_u32..=10, 0_u32..3).prop_map(|(tenths, more)| Step::Withdraw(tenths, more)),
        ]
    }

    /// Everything that ever happened, and the second in which it did.
    #[derive(Default)]
    struct Naive {
        successes: Vec<u64>,
        repeats: Vec<u64>,
    }

    impl Naive {
        fn withdraw(&mut self, second: u64, tenths: u32, per_second: u64) -> bool {
            let lately =
                |all: &[u64]| all.iter().filter(|then| second - **then < 10).count() as u64;
            let allowed = lately(&self.successes) * u64::from(tenths) / 10 + per_second * 10;
            let may = lately(&self.repeats) < allowed;
            self.repeats.extend(may.then_some(second));
            may
        }
    }

    proptest! {
        // M8
        #[test]
        fn it_is_what_a_list_of_all_calls_would_say(steps in prop::collection::vec(step(), 0..400)) {
            let (budget, mut naive, mut now) = (RetryBudget::default(), Naive::default(), 0);
            for step in steps {
                match step {
                    Step::Pass(time) => now += time,
                    Step::Deposit => {
                        budget.deposit(now);
                        naive.successes.push(now / SECOND);
                    }
                    Step::Withdraw(tenths, per_second) => {
                        let may = naive.withdraw(now / SECOND, tenths, per_second.into());
                        let limits = RetryLimits::new(1).share(f64::from(tenths) / 10.0);
                        let limits = limits.per_second(per_second);
                        prop_assert_eq!(budget.withdraw(now, &limits), may);
                    }
                }
            }
        }
    }

    // M8: while seconds pass, and others look.
    #[test]
    fn no_success_is_lost_and_none_counts_twice() {
        const EACH: u64 = 20_000;
        let (budget, limits) = (RetryBudget::default(), RetryLimits::new(1).per_second(0));
        let (none, all) = (limits.share(0.0), limits.share(1.0));
        thread::scope(|scope| {
            for _ in 0..3 {
                // Nine seconds: nothing is forgotten yet.
                let times = (0..EACH).map(|at| at * 9 * SECOND / EACH);
                scope.spawn(|| times.for_each(|now| budget.deposit(now)));
                scope.spawn(|| (0..EACH).for_each(|_| assert!(!budget.withdraw(0, &none))));
            }
        });
        let repeats = (0..4 * EACH).filter(|_| budget.withdraw(9 * SECOND, &all));
        assert_eq!(repeats.count() as u64, 3 * EACH);
    }

    // M8: a clock that goes back begins no second anew.
    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let budget = RetryBudget::default();
        let limits = RetryLimits::new(1).share(1.0).per_second(0);
        budget.deposit(20 * SECOND);
        budget.deposit(3 * SECOND);
        assert!(budget.withdraw(5 * SECOND, &limits));
        assert!(budget.withdraw(21 * SECOND, &limits));
        assert!(!budget.withdraw(21 * SECOND, &limits));
    }
}
