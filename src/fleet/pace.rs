//! When an instance speaks, and a chance that spreads what many instances do (rules N2, N4).

use std::time::Duration;

use super::wire::Register;
use crate::machine::nanos;

const MOST_IN_A_ROUND: usize = 2_000;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

/// How often a fleet speaks with its store, and for how long it waits for it.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) poll: Duration,
    pub(super) detach_after: Duration,
    pub(super) budget: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            poll: Duration::from_secs(1),
            detach_after: Duration::from_secs(3),
            budget: 10_000,
        }
    }
}

impl Pace {
    /// How long the store has for an answer.
    pub(super) fn timeout(&self) -> Duration {
        let four = self.interval.saturating_mul(4);
        four.clamp(Duration::from_millis(250), Duration::from_secs(1))
    }

    /// How soon the next look at all circuits is.
    pub(super) fn tick(&self, chance: &mut Chance) -> u64 {
        let interval = nanos(self.interval);
        interval / 5 * 4 + chance.below(interval / 5 * 2)
    }

    /// How soon failures are told again: seldom enough that all instances together stay within the budget.
    pub(super) fn news(&self, contributors: u64, circuits: u64) -> u64 {
        let reports = u128::from(contributors) * u128::from(circuits);
        let share = reports * u128::from(SECOND) / u128::from(self.budget.max(1));
        u64::try_from(share)
            .unwrap_or(u64::MAX)
            .max(nanos(self.interval))
    }

    /// How soon the store is asked again that has failed so often in a row. All of it is by chance, so that instances
    /// that were thrown out together do not come back together.
    pub(super) fn retry(&self, failures: u32, chance: &mut Chance) -> u64 {
        let doubled = (100 * MILLI) << failures.saturating_sub(1).min(6);
        MILLI + chance.below(doubled.min(5 * SECOND))
    }

    /// For how long a store does not count that takes nothing: so long that everybody is alone meanwhile, and longer
    /// with each time, up to five minutes.
    pub(super) fn patience(&self, tries: u32) -> u64 {
        let first = (5 * SECOND).max(nanos(self.detach_after).saturating_mul(2));
        let longest = first.max(300 * SECOND);
        first.saturating_mul(1 << tries.min(10)).min(longest)
    }

    /// At how many circuits an interval looks, besides those that have said that there is something to look at. They
    /// are so few that it takes little of the time, and so many that nobody is alone for want of a look.
    pub(super) fn in_a_round(&self, circuits: usize) -> usize {
        let (interval, enough) = (nanos(self.interval), nanos(self.detach_after) / 4);
        let circuits = u128::try_from(circuits).unwrap_or(u128::MAX);
        let share = circuits.saturating_mul(interval.into()) / u128::from(enough.max(1)) + 1;
        usize::try_from(share)
            .unwrap_or(usize::MAX)
            .max(MOST_IN_A_ROUND)
    }

    /// How often a led circuit is looked at, so that its hold is renewed well before it lapses.
    pub(super) fn led(&self) -> u64 {
        nanos(self.detach_after) / 6
    }
}

/// For how long the wish for a seat waits: the more instances, the longer, so that they do not all ask at once.
pub(super) fn lease_wait(contributors: u64, chance: &mut Chance) -> u64 {
    let spread = contributors.saturating_mul(20_000).clamp(MILLI, SECOND);
    chance.below(spread)
}

/// For how long a look waits that a hint has asked for.
pub(super) fn hint_wait(contributors: u64, chance: &mut Chance) -> u64 {
    chance.below(contributors.saturating_mul(5_000).min(SECOND))
}

/// How long after the last report the next one is due, if ever. `keep_for`: how long one counts, in milliseconds.
pub(super) fn report_due(
    new: &Register,
    old: Option<&Register>,
    (news, keep_for): (u64, u64),
) -> Option<u64> {
    let keep_for = keep_for.saturating_mul(MILLI);
    let Some(old) = old else {
        return (!is_zero(new)).then_some(0);
    };
    let failures = |register: &Register| (register.failed, register.slow, register.streak);
    if new.bad != old.bad {
        Some(0)
    } else if failures(new) != failures(old) {
        Some(news)
    } else if new.calls != old.calls {
        Some(SECOND.max(keep_for / 4).max(news))
    } else {
        (!is_zero(new)).then_some((keep_for / 2).max(news))
    }
}

fn is_zero(register: &Register) -> bool {
    let Register {
        calls,
        failed,
        slow,
        streak,
        ok: _,
        bad,
    } = register;
    [*calls, *failed, *slow, *streak] == [0; 4] && !bad
}

/// Numbers by chance: splitmix64.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Evenly of `0..end`; 0 of none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let scaled = (u128::from(self.next()) * u128::from(end)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Chance, Pace, Register, SECOND, hint_wait, lease_wait, report_due};

    // N7: nobody is alone for want of a look.
    #[test]
    fn all_circuits_are_looked_at_in_time() {
        let pace = |interval, detach_after| Pace {
            interval: Duration::from_millis(interval),
            detach_after: Duration::from_millis(detach_after),
            ..Pace::default()
        };
        for (pace, circuits, expected) in [
            (pace(100, 3_000), 10, 2_000),
            (pace(100, 3_000), 10_000, 2_000),
            (pace(100, 3_000), 150_000, 20_001),
            (pace(1_000, 4_000), 10_000, 10_001),
        ] {
            assert_eq!(pace.in_a_round(circuits), expected, "{pace:?}");
        }
    }

    // N2: so seeds mean the same for ever. The first numbers of splitmix64, as published.
    #[test]
    fn chance_is_splitmix64() {
        let mut chance = Chance::new(0);
        let numbers = [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ];
        assert_eq!(numbers.map(|_| chance.next()), numbers);
    }

    // N2: instances that were begun together do not stay together.
    #[test]
    fn looks_are_a_fifth_of_an_interval_around_it() {
        let (mut chance, pace) = (Chance::new(7), Pace::default());
        let ticks: Vec<_> = (0..500).map(|_| pace.tick(&mut chance)).collect();
        let of = |millis: std::ops::Range<u64>| {
            let (from, to) = (millis.start * super::MILLI, millis.end * super::MILLI);
            ticks
                .iter()
                .filter(|tick| (from..to).contains(tick))
                .count()
        };
        assert_eq!(of(80..120), ticks.len());
        assert!(of(80..82) > 0 && of(118..120) > 0);
    }

    // N2: all instances together stay within the budget.
    #[test]
    fn failures_are_told_as_often_as_the_budget_allows() {
        let millis =
            |pace: &Pace, instances, circuits| pace.news(instances, circuits) / super::MILLI;
        let pace = Pace::default();
        assert_eq!(millis(&pace, 0, 0), 100, "an interval at least");
        assert_eq!(millis(&pace, 10, 100), 100);
        assert_eq!(millis(&pace, 50, 100), 500);
        assert_eq!(millis(&pace, 300, 100), 3_000);
        let none = Pace { budget: 0, ..pace };
        assert_eq!(millis(&none, 2, 3), 6_000, "never none at all");
        assert_eq!(none.news(1 << 53, 1 << 32), u64::MAX);
    }

    // N7: a hold is renewed well before it lapses, and patience lasts until everybody is alone.
    #[test]
    fn times_follow_from_how_soon_somebody_is_alone() {
        let of = |seconds| Pace {
            detach_after: Duration::from_secs(seconds),
            ..Pace::default()
        };
        assert_eq!(of(3).led(), SECOND / 2);
        let patience = [1, 3, 10, 200].map(|seconds| of(seconds).patience(0) / SECOND);
        assert_eq!(patience, [5, 6, 20, 400]);
        assert_eq!(of(200).patience(9), 400 * SECOND);
    }

    // N7
    #[test]
    fn a_store_that_fails_is_asked_all_the_later_and_by_chance() {
        let mut chance = Chance::new(7);
        let pace = Pace::default();
        for (failures, most) in [(1, 101), (2, 201), (3, 401), (7, 5_001), (1_000, 5_001)] {
            let waits: Vec<_> = (0..200)
                .map(|_| pace.retry(failures, &mut chance))
                .collect();
            let most = most * super::MILLI;
            assert!(waits.iter().all(|wait| (1..=most).contains(wait)));
            assert!(waits.iter().any(|wait| *wait > most / 10 * 9));
            assert!(waits.iter().any(|wait| *wait < most / 5));
        }
        let patience = [0, 1, 2, 6, 60].map(|tries| pace.patience(tries) / SECOND);
        assert_eq!(patience, [6, 12, 24, 300, 300]);
    }

    // N4, N5: instances do not all ask at once.
    #[test]
    fn many_instances_spread_what_they_do() {
        let mut chance = Chance::new(7);
        let mut longest = |wait: fn(u64, &mut Chance) -> u64, instances| {
            let waits = (0..500).map(|_| wait(instances, &mut chance));
            Duration::from_nanos(waits.max().unwrap_or(0)).as_micros()
        };
        for (instances, lease, hint) in [
            (0, 990..=1_000, 0..=0),
            (50, 990..=1_000, 240..=250),
            (10_000, 198_000..=200_000, 49_000..=50_000),
            (u64::MAX, 990_000..=1_000_000, 990_000..=1_000_000),
        ] {
            assert!(lease.contains(&longest(lease_wait, instances)));
            assert!(hint.contains(&longest(hint_wait, instances)));
        }
    }

    // N2
    #[test]
    fn what_is_news_is_told_soon_and_what_is_none_is_not() {
        let of = |calls, failed, bad| Register {
            calls,
            failed,
            bad,
            ..Register::default()
        };
        let pace = (100 * super::MILLI, 60_000);
        let due = |new, old: Option<Register>| report_due(&new, old.as_ref(), pace);
        let old = Some(of(9, 1, false));
        assert_eq!(due(of(0, 0, false), None), None);
        assert_eq!(due(of(1, 0, false), None), Some(0));
        assert_eq!(due(of(9, 1, true), old), Some(0));
        assert_eq!(due(of(10, 2, false), old), Some(pace.0));
        assert_eq!(due(of(10, 1, false), old), Some(15 * SECOND));
        assert_eq!(due(of(9, 1, false), old), Some(30 * SECOND));
        assert_eq!(due(of(0, 0, false), Some(of(0, 0, false))), None);
    }
}
