//! How long a circuit stays open (rule C2).

use std::{sync::Arc, time::Duration};

use crate::util::panic::catch_panic;

use super::era::Era;
use super::numbers::{Numbers, nanos};

/// The open time that is used where nothing else is said, and where a function of the attempt
/// panics: 30 seconds.
pub(crate) const DEFAULT_OPEN_FOR: Duration = Duration::from_secs(30);

pub(crate) type OfAttempt = Arc<dyn Fn(u32) -> Duration + Send + Sync>;

/// How open times are spread; a share is in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JitterKind {
    None,
    Full,
    Equal,
    Fraction(u64),
}

/// What is needed to compute an open time.
pub(crate) struct Backoff {
    pub(crate) function: Option<OfAttempt>,
    pub(crate) seed: u64,
}

impl Backoff {
    /// The open time of the `attempt`-th open in a row, which is era `era`.
    pub(crate) fn open_for(&self, numbers: &Numbers, attempt: u32, era: Era) -> Duration {
        let time = match &self.function {
            // A panicking function harms nobody: the circuit must be able to open.
            Some(function) => catch_panic(|| function(attempt)).unwrap_or(DEFAULT_OPEN_FOR),
            None => exponential(numbers, attempt),
        };
        let longest = Duration::from_nanos(numbers.open_max).max(time);
        jittered(
            time,
            numbers.jitter,
            longest,
            random(self.seed, era.number()),
        )
    }
}

fn exponential(numbers: &Numbers, attempt: u32) -> Duration {
    if numbers.open_factor <= 1.0 || attempt <= 1 {
        return Duration::from_nanos(numbers.open_first);
    }
    let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
    let growth = numbers.open_factor.powi(exponent);
    let max = Duration::from_nanos(numbers.open_max);
    // Infinite, or too long for a `Duration`: then it is longer than the maximum.
    let grown = Duration::from_nanos(numbers.open_first).as_secs_f64() * growth;
    Duration::try_from_secs_f64(grown).map_or(max, |grown| grown.min(max))
}

/// `random` is uniform over all of `u64`.
fn jittered(time: Duration, jitter: JitterKind, longest: Duration, random: u64) -> Duration {
    let (least, most) = match jitter {
        JitterKind::None => return time,
        JitterKind::Full => (Duration::ZERO, time),
        JitterKind::Equal => (time / 2, time),
        JitterKind::Fraction(share) => {
            let part = scale(time, share, 1_000_000);
            let most = time.saturating_add(part).min(longest);
            (time.saturating_sub(part), most)
        }
    };
    least.saturating_add(scale(most.saturating_sub(least), random, u64::MAX))
}

/// `time * part / whole`, for `part <= whole`.
fn scale(time: Duration, part: u64, whole: u64) -> Duration {
    let scaled = u128::from(nanos(time)) * u128::from(part) / u128::from(whole);
    Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// A well-mixed function of both: splitmix64.
fn random(seed: u64, era: u64) -> u64 {
    let mut z = seed.wrapping_add(era.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(numbers: &Numbers, function: Option<OfAttempt>, attempts: u32) -> Vec<Duration> {
        let backoff = Backoff { function, seed: 7 };
        let time = |attempt| backoff.open_for(numbers, attempt, Era::new(attempt.into()));
        (1..=attempts).map(time).collect()
    }

    fn seconds(seconds: &[u64]) -> Vec<Duration> {
        seconds.iter().copied().map(Duration::from_secs).collect()
    }

    /// 1 s, 2 s, 4 s … at most 10 s.
    fn doubling() -> Numbers {
        Numbers {
            open_first: 1_000_000_000,
            open_factor: 2.0,
            open_max: 10_000_000_000,
            ..Numbers::default()
        }
    }

    // C2
    #[test]
    fn exponential_times_grow_to_their_maximum() {
        assert_eq!(times(&doubling(), None, 6), seconds(&[1, 2, 4, 8, 10, 10]));
    }

    #[test]
    fn a_function_of_the_attempt_is_asked() {
        let function: OfAttempt = Arc::new(|attempt| Duration::from_secs(attempt.into()));
        let times = times(&Numbers::default(), Some(function), 3);
        assert_eq!(times, seconds(&[1, 2, 3]));
    }

    #[test]
    fn a_panicking_function_still_opens() {
        let function: OfAttempt = Arc::new(|_| panic!("no idea"));
        let times = times(&Numbers::default(), Some(function), 1);
        assert_eq!(times, [DEFAULT_OPEN_FOR]);
    }

    #[test]
    fn the_first_time_is_exact_however_long() {
        let numbers = Numbers {
            open_first: (1 << 60) + 1,
            open_factor: 2.0,
            open_max: u64::MAX,
            ..Numbers::default()
        };
        let first = Duration::from_nanos(numbers.open_first);
        assert_eq!(exponential(&numbers, 1), first);
    }

    // C2: the same seed gives the same times in every version.
    #[test]
    fn jitter_is_splitmix64() {
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        let eras = 1..=published.len() as u64;
        let random = eras.map(|era| random(1_234_567, era));
        assert!(random.eq(published));
    }

    #[test]
    fn extremes_saturate() {
        let numbers = Numbers {
            open_first: u64::MAX,
            open_factor: 1e300,
            open_max: u64::MAX,
            ..Numbers::default()
        };
        assert_eq!(
            exponential(&numbers, u32::MAX),
            Duration::from_nanos(u64::MAX)
        );
        let fraction = JitterKind::Fraction(1_000_000);
        let most = jittered(Duration::MAX, fraction, Duration::MAX, u64::MAX);
        assert!(most >= Duration::from_nanos(u64::MAX));
    }

    proptest! {
        #[test]
        fn jitter_stays_in_its_bounds(millis in 1..1_000_000u64, random: u64) {
            let time = Duration::from_millis(millis);
            let jittered = |jitter| jittered(time, jitter, Duration::MAX, random);
            let full = jittered(JitterKind::Full);
            let equal = jittered(JitterKind::Equal);
            let fraction = jittered(JitterKind::Fraction(200_000));
            prop_assert!(full <= time);
            prop_assert!(time / 2 <= equal && equal <= time);
            prop_assert!(time * 8 / 10 <= fraction && fraction <= time * 12 / 10);
        }

        // C2
        #[test]
        fn no_jitter_goes_beyond_the_longest_break(attempt in 1..10u32, seed: u64) {
            for jitter in [JitterKind::Full, JitterKind::Equal, JitterKind::Fraction(500_000)] {
                let numbers = Numbers { jitter, ..doubling() };
                let backoff = Backoff { function: None, seed };
                let time = backoff.open_for(&numbers, attempt, Era::new(attempt.into()));
                prop_assert!(time <= Duration::from_nanos(numbers.open_max));
            }
        }

        #[test]
        fn jitter_repeats_and_varies(seed: u64, era in 0..1u64 << 37) {
            prop_assert_eq!(random(seed, era), random(seed, era));
            prop_assert_ne!(random(seed, era), random(seed, era + 1));
        }
    }
}
