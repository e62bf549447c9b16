//! Chance that belongs to a call, and not to the order of events. What differs between two runs of one scenario is then
//! the breaker alone: the same call has the same luck in both (statisticians say *common random numbers*).

use std::time::Duration;

use rand_distr::{Distribution, StandardNormal, StandardUniform, Zipf};
use rand_pcg::Pcg64Mcg;

/// What a chance is for. Each has numbers of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// When the next call comes.
    Arrivals = 1,
    /// What becomes of a call.
    Calls,
    /// How long a caller waits before a retry.
    Waits,
    /// Which instance makes a call.
    Instances,
    /// Which target is called.
    Targets,
    /// How long an endpoint takes.
    Endpoints,
    /// Whom a breaker refuses that throws dice.
    Throttle,
    /// Which entry of a cache a call asks for.
    Entries,
    /// How old an entry is when a run begins.
    Ages,
    /// Whether an entry goes when a part of a cache does.
    Emptied,
}

/// A sequence of chances.
#[derive(Debug)]
pub(crate) struct Chance(Pcg64Mcg);

impl Chance {
    /// The same for the same three numbers, on any machine.
    pub(crate) fn new(seed: u64, of: Of, number: u64) -> Self {
        let high = mixed(seed ^ mixed(of as u64));
        let low = mixed(high ^ number);
        Self(Pcg64Mcg::new(u128::from(high) << 64 | u128::from(low)))
    }

    /// Evenly from 0 to below 1.
    pub(crate) fn share(&mut self) -> f64 {
        StandardUniform.sample(&mut self.0)
    }

    /// One of so many: from 0 to below `many`.
    pub(crate) fn one_of(&mut self, many: u32) -> u32 {
        // Below `many`, but for the rounding of the product, which `min` mends.
        whole(self.share() * f64::from(many)).min(many.saturating_sub(1))
    }

    /// 1 for the most popular, and so on.
    pub(crate) fn rank(&mut self, popularity: &Zipf<f64>) -> u32 {
        whole(popularity.sample(&mut self.0))
    }

    /// Around 0, with a deviation of 1.
    pub(crate) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// As times between things that know nothing of each other.
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        seconds(-(1.0 - self.share()).ln() * mean.as_secs_f64())
    }
}

/// Neighbouring numbers become ones that have nothing in common (the finalizer of splitmix64).
fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Never panics: what is no time is none, and what is too long is a hundred years.
pub(crate) fn seconds(seconds: f64) -> Duration {
    const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;
    if seconds.is_nan() {
        return Duration::ZERO;
    }
    Duration::from_secs_f64(seconds.clamp(0.0, LONGEST))
}

/// Without its fraction. What is no number, or below 0, is 0; what is too large is the largest.
pub(crate) fn whole(number: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` does just what is promised"
    )]
    let whole = number as u32;
    whole
}
