//! When an instance speaks, and a chance that spreads what many instances do (rules N2, N4).

use std::time::Duration;

use super::wire::Register;
use crate::machine::nanos;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

/// How often a fleet speaks with its store, and for how long it waits for it.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) poll: Duration,
    pub(super) detach_after: Duration,
    pub(super) budget: u64,
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

    /// How soon the store is asked again that has failed so often in a row: all of it by chance, so that instances
    /// that were thrown out together do not come back together.
    pub(super) fn retry(&self, failures: u32, chance: &mut Chance) -> u64 {
        let doubled = 100 * MILLI << failures.saturating_sub(1).min(6);
        MILLI + chance.below(doubled.min(5 * SECOND))
    }

    /// For how long a store does not count that takes nothing: so long that everybody is alone meanwhile, and longer
    /// with each time, up to five minutes.
    pub(super) fn patience(&self, tries: u32) -> u64 {
        let first = (5 * SECOND).max(nanos(self.detach_after).saturating_mul(2));
        let longest = first.max(300 * SECOND);
        first.saturating_mul(1 << tries.min(10)).min(longest)
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
        let scaled = u128::from(self.next()) * u128::from(end) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }
}
