//! What a circuit says of calls and breaks that are its fleet's, by its own numbers (rules N3, N8).
#![cfg_attr(
    not(any(feature = "fleet", all(test, not(tower_breaker_loom)))),
    allow(dead_code, reason = "without the feature `fleet` nobody says it")
)]

use std::time::Duration;

use super::{
    Cause, Core, WindowCounts,
    era::Era,
    numbers::{Numbers, WindowKind, nanos},
};

impl Core {
    /// Whether the calls of the fleet would trip this circuit (B1, B4, B7): what is in its window, and the failures in
    /// a row, which span so long.
    pub(crate) fn judge_foreign(
        &self,
        counts: &WindowCounts,
        streak: u64,
        streak_for: Duration,
    ) -> Option<Cause> {
        let numbers = self.tunable.read();
        self.judge(&numbers, counts)
            .or_else(|| numbers.judge_streak(streak, streak_for))
    }

    /// Whether these calls, of one instance, reach what trips this circuit, however few they are and however fast the
    /// failures have come.
    pub(crate) fn reaches_alone(&self, counts: &WindowCounts, streak: u64) -> bool {
        let numbers = Numbers {
            minimum_calls: 1,
            ..self.tunable.read()
        };
        self.judge(&numbers, counts).is_some()
            || numbers.judge_streak(streak, Duration::MAX).is_some()
    }

    #[inline(never)]
    fn judge(&self, numbers: &Numbers, counts: &WindowCounts) -> Option<Cause> {
        let has_window = !self.window.is_none();
        has_window.then(|| self.evaluate(numbers, counts)).flatten()
    }

    /// How long a break of the fleet is, which is its `attempt`-th in a row (C2).
    pub(crate) fn break_of(&self, attempt: u32, era: u64) -> Duration {
        let numbers = self.tunable.read();
        self.backoff.open_for(&numbers, attempt, Era::new(era))
    }

    /// The numbers that all instances of a fleet have in common, unless one is of another release, as one number. The
    /// seed of the jitter, names and closures differ by right.
    pub(crate) fn fingerprint(&self) -> u64 {
        let numbers = self.tunable.read();
        let window = match self.lead.as_ref().map(|lead| lead.window) {
            None | Some(WindowKind::None) => [0, 0],
            Some(WindowKind::Count(size)) => [1, u64::from(size)],
            Some(WindowKind::Time(span, _)) => [2, nanos(span)],
        };
        let agreement = [numbers.shared, numbers.shared_share, numbers.shared_flags];
        let deciding = &numbers.to_words()[..Numbers::DECIDING];
        let words = deciding.iter().chain(&agreement).chain(&window);
        words.fold(FIRST, |hash, word| hash_of(hash, *word))
    }
}

impl Numbers {
    /// B1: whether so many failures in a row trip, which span so long.
    fn judge_streak(&self, streak: u64, streak_for: Duration) -> Option<Cause> {
        let needed = self.consecutive_failures;
        let trips =
            needed > 0 && streak >= needed && nanos(streak_for) >= self.consecutive_failures_span;
        trips.then_some(Cause::ConsecutiveFailures(streak))
    }
}

/// FNV-1a, the same in every process and every release.
const FIRST: u64 = 0xcbf2_9ce4_8422_2325;

fn hash_of(hash: u64, word: u64) -> u64 {
    let bytes = word.to_le_bytes();
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use super::*;
    use crate::machine::{CoreParts, JitterKind, Plan, Policy};

    fn core(window: WindowKind, numbers: Numbers, policy: Option<Policy>) -> Core {
        let plan = Plan {
            window,
            ..numbers.into()
        };
        let parts = CoreParts {
            totals: true,
            seed: 7,
            policy,
            shared: true,
            ..CoreParts::none()
        };
        Core::new(plan, parts, 0)
    }

    fn counts(calls: u64, failed: u64, slow: u64) -> WindowCounts {
        WindowCounts {
            calls,
            failed,
            slow,
        }
    }

    const COUNT: WindowKind = WindowKind::Count(10);
    const SECOND: Duration = Duration::from_secs(1);

    fn numbers() -> Numbers {
        Numbers {
            consecutive_failures: 5,
            consecutive_failures_span: nanos(SECOND),
            failure_rate: 500_000,
            slow_call_rate: 500_000,
            slow_call_duration: 1,
            minimum_calls: 20,
            ..Numbers::default()
        }
    }

    // N3, B1, B4: exactly as the circuit judges its own calls; the least number of calls is the fleet's.
    #[test]
    fn the_calls_of_the_fleet_are_judged_as_ones_own() {
        let core = core(COUNT, numbers(), None);
        let judge = |counts, streak| core.judge_foreign(&counts, streak, SECOND);
        let failures = Cause::FailureRate {
            failed: 10,
            calls: 20,
        };
        assert_eq!(judge(counts(20, 10, 20), 9), Some(failures));
        let slow = Cause::SlowCallRate {
            slow: 10,
            calls: 20,
        };
        assert_eq!(judge(counts(20, 9, 10), 9), Some(slow));
        let streak = Cause::ConsecutiveFailures(5);
        assert_eq!(judge(counts(19, 19, 19), 5), Some(streak));
        assert_eq!(judge(counts(19, 19, 19), 4), None);
        let short = SECOND - Duration::from_nanos(1);
        assert_eq!(core.judge_foreign(&counts(0, 0, 0), 5, short), None);
        assert_eq!(core.window.counts(0, 0).calls, 0);
    }

    // N3: an instance with a single call sees it, too; and one without sees nothing.
    #[test]
    fn one_instance_agrees_however_few_calls_it_has() {
        let with_window = core(COUNT, numbers(), None);
        for (calls, streak, agrees) in [
            (counts(1, 1, 0), 0, true),
            (counts(3, 1, 0), 0, false),
            (counts(2, 0, 1), 0, true),
            (counts(0, 0, 0), 4, false),
            (counts(0, 0, 0), 5, true),
        ] {
            assert_eq!(with_window.reaches_alone(&calls, streak), agrees);
        }
        // Without a window there is no rate (B8).
        let without = core(WindowKind::None, numbers(), None);
        assert!(!without.reaches_alone(&counts(1, 1, 1), 0));
        assert_eq!(without.judge_foreign(&counts(99, 99, 0), 0, SECOND), None);
    }

    // N3, B7
    #[test]
    fn a_custom_policy_is_asked_about_the_fleet_and_may_panic() {
        let policy: Policy = Arc::new(|counts: &WindowCounts| match counts.failed {
            0 => panic!("nothing has failed"),
            failed => failed == 3,
        });
        let numbers = Numbers {
            minimum_calls: 20,
            ..Numbers::default()
        };
        let core = core(COUNT, numbers, Some(policy));
        let asked = |failed| core.judge_foreign(&counts(20, failed, 0), 0, SECOND);
        let agrees = Cause::CustomPolicy(counts(20, 3, 0));
        assert_eq!([0, 2, 3].map(asked), [None, None, Some(agrees)]);
        assert!(core.reaches_alone(&counts(3, 3, 0), 0));
    }

    // N4, C2: and its own breaks are as long as if they were the fleet's.
    #[test]
    fn a_break_of_the_fleet_grows_with_its_attempts() {
        let numbers = Numbers {
            open_first: nanos(SECOND),
            open_factor: 2.0,
            ..Numbers::default()
        };
        let core = core(COUNT, numbers, None);
        let breaks = [1, 2, 3].map(|attempt| core.break_of(attempt, 1 << 43));
        assert_eq!(breaks, [SECOND, SECOND * 2, SECOND * 4]);
    }

    // N8: what instances have to have in common, and nothing else.
    #[test]
    fn settings_that_differ_have_another_fingerprint() {
        let fingerprint = |window, numbers| core(window, numbers, None).fingerprint();
        let same = fingerprint(COUNT, numbers());
        let free = Numbers {
            shared_revision: 9,
            bulkhead: 9,
            ..numbers()
        };
        assert_eq!(fingerprint(COUNT, free), same);
        let others = [
            Numbers {
                failure_rate: 1,
                ..numbers()
            },
            Numbers {
                jitter: JitterKind::Equal,
                ..numbers()
            },
            Numbers {
                shared: 2,
                ..numbers()
            },
            Numbers {
                shared_share: 2,
                ..numbers()
            },
            Numbers {
                shared_flags: 2,
                ..numbers()
            },
        ];
        let windows = [
            WindowKind::None,
            WindowKind::Count(11),
            WindowKind::Time(SECOND, 10),
            WindowKind::Time(SECOND * 2, 10),
        ];
        let others = others.map(|other| fingerprint(COUNT, other));
        let windows = windows.map(|window| fingerprint(window, numbers()));
        let mut all: Vec<u64> = others.into_iter().chain(windows).chain([same]).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10);
        // Live, too (E5).
        let live = core(COUNT, numbers(), None);
        let changed = live.reconfigure(|numbers, _| {
            Ok::<_, Infallible>(Numbers {
                failure_rate: 1,
                ..numbers
            })
        });
        assert!(changed.is_ok());
        assert_eq!(live.fingerprint(), others[0]);
    }
}
