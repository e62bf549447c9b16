//! [`Backoff`]: how long to wait before the n-th repeat.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Doubles, up to a maximum, and is spread over all that is below: calls that failed together shall not come back
/// together.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    /// What it is that a wait is drawn from. All clones draw from the same.
    random: Arc<AtomicU64>,
}

impl Backoff {
    pub(super) fn between(self, first: Duration, max: Duration) -> Self {
        Self { first, max, ..self }
    }

    pub(super) fn seeded(self, seed: u64) -> Self {
        let random = Arc::new(AtomicU64::new(seed));
        Self { random, ..self }
    }

    /// Before the first repeat after 0, before the second after 1.
    pub(super) fn draw(&self, repeats: u64) -> Duration {
        let doublings = u32::try_from(repeats).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        let longest = self.first.saturating_mul(factor).min(self.max);
        longest.mul_f64(self.share())
    }

    /// Uniform in `0..1`: splitmix64, of whose numbers each is drawn once.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float has")]
    fn share(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self
            .random
            .fetch_add(STEP, Ordering::Relaxed)
            .wrapping_add(STEP);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// From 100 ms to 10 s, with a seed of its own.
impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            max: Duration::from_secs(10),
            random: Arc::new(AtomicU64::new(RandomState::new().hash_one(()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    // M8
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let backoff = Backoff::default().seeded(1_234_567);
        let published = [
            6_457_827_717_110_365_317_u64,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
        ];
        for number in published {
            // Exactly: a float has as many bits.
            let share = backoff.share() * 2_f64.powi(53);
            assert_eq!(format!("{share}"), (number >> 11).to_string());
        }
    }
}
