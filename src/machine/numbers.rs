//! The numbers that a live circuit can change (rule E5), and what a circuit is made from.

use std::time::Duration;

use super::WHOLE;
use super::backoff::{DEFAULT_OPEN_FOR, JitterKind, OfAttempt};
use super::shed::Shed;
use super::types::AbandonedPolicy;
use super::word::BreakLength;

/// A duration in nanoseconds; what is longer than 584 years counts as that.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(duration.subsec_nanos()))
}

/// Whether `part` of `whole` reaches a share in millionths (B4). 49.5 % never reaches 50 %, and 7
/// of 100 always reaches 7 %.
pub(crate) fn reaches(part: u64, whole: u64, millionths: u64) -> bool {
    u128::from(part) * u128::from(WHOLE) >= u128::from(whole) * u128::from(millionths)
}

/// What is kept in so many words, for cells that are read and written one at a time.
trait Words: Sized {
    const COUNT: usize = 1;

    /// Fills `words`, which are so many.
    fn write(self, words: &mut [u64]);

    /// What was written to `words`.
    fn read(words: &[u64]) -> Self;
}

/// The struct of the numbers, its default and its words, from one list.
macro_rules! numbers {
    ($(#[$of_struct:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr,)+ }) => {
        $(#[$of_struct])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            pub(crate) const WORDS: usize = 0 $(+ <$type as Words>::COUNT)+;

            /// As words, for cells that are read and written one at a time.
            pub(crate) fn to_words(self) -> [u64; Self::WORDS] {
                let mut words = [0; Self::WORDS];
                let rest = &mut words[..];
                $(
                    let (own, rest) = rest.split_at_mut(<$type as Words>::COUNT);
                    self.$field.write(own);
                )+
                debug_assert!(rest.is_empty());
                words
            }

            #[inline]
            pub(crate) fn from_words(words: [u64; Self::WORDS]) -> Self {
                let rest = &words[..];
                $(let ($field, rest) = rest.split_at(<$type as Words>::COUNT);)+
                debug_assert!(rest.is_empty());
                Self { $($field: Words::read($field),)+ }
            }
        }
    };
}

numbers! {
    /// The numbers that a live circuit can change (E5). Zero means *off* or *not said*.
    ///
    /// One line here is all that a new one takes in the machine, unless each call looks at it: then a hint of it is
    /// beside the word, see [`Core::reconfigure`](super::Core::reconfigure). What people say and see of it is in
    /// `Settings`.
    Numbers {
        /// Failures in a row that trip.
        consecutive_failures: u64 = 0,
        /// In nanoseconds: how long they have to span.
        consecutive_failures_span: u64 = 0,
        /// In millionths.
        failure_rate: u64 = 0,
        /// In millionths.
        slow_call_rate: u64 = 0,
        minimum_calls: u64 = 0,
        /// In nanoseconds.
        slow_call_duration: u64 = 0,
        /// In nanoseconds.
        open_first: u64 = nanos(DEFAULT_OPEN_FOR),
        open_factor: f64 = 1.0,
        /// In nanoseconds.
        open_max: u64 = u64::MAX,
        jitter: JitterKind = JitterKind::None,
        permits: u64 = 1,
        successes: u64 = 1,
        of: u64 = 1,
        /// In nanoseconds.
        half_open_timeout: u64 = 0,
        /// In nanoseconds.
        probe_timeout: u64 = 0,
        /// In nanoseconds.
        ramp: u64 = 0,
        /// In millionths.
        ramp_from: u64 = 0,
        /// In millionths.
        spread_retry_after: u64 = 0,
        shed: Shed = Shed::OFF,
        abandoned: AbandonedPolicy = AbandonedPolicy::FailureIfSlow,
        // Limits, which the machine only keeps, are the last: see `DECIDING`.
        /// In nanoseconds.
        call_timeout: u64 = 0,
        /// How many calls there may be at once.
        bulkhead: u64 = 0,
        /// In nanoseconds: how long a call may wait for a place.
        bulkhead_wait: u64 = 0,
        /// How often a call may be repeated.
        retries: u64 = 0,
        /// In millionths.
        retries_share: u64 = 0,
        retries_per_second: u64 = 0,
        /// In nanoseconds.
        retries_max_wait: u64 = 0,
        /// How many instances of the fleet have to agree; more than zero if it is shared.
        shared: u64 = 0,
        /// In millionths.
        shared_share: u64 = 0,
        shared_revision: u64 = 0,
        /// See `Agreement::flags`.
        shared_flags: u64 = 0,
    }
}

impl Numbers {
    /// How many of the words are of what the machine decides by. The rest are limits, and no call that ends reads them.
    pub(super) const DECIDING: usize = Self::WORDS - 11;

    /// D4: how long half-open waits for its probes. Where nothing is said, the longer of the break
    /// and 30 s, so that a dependency slower than the break can still prove itself.
    pub(super) fn half_open_timeout_after(&self, open_for: BreakLength) -> Duration {
        if self.half_open_timeout > 0 {
            return Duration::from_nanos(self.half_open_timeout);
        }
        open_for.duration().max(Duration::from_secs(30))
    }

    /// How long a success has to take, in nanoseconds, to be judged by all of the numbers: longer than what is slow.
    /// Where calls are timed for another reason, for ever; where they are not timed, 0.
    pub(super) fn judged_from(&self) -> u64 {
        match self.abandoned {
            _ if self.slow_call_duration > 0 => self.slow_call_duration.saturating_add(1),
            AbandonedPolicy::FailureAfter(_) => u64::MAX,
            AbandonedPolicy::Ignore | AbandonedPolicy::Failure | AbandonedPolicy::FailureIfSlow => {
                0
            }
        }
    }
}

impl Words for u64 {
    fn write(self, words: &mut [u64]) {
        words[0] = self;
    }

    fn read(words: &[u64]) -> Self {
        words[0]
    }
}

impl Words for f64 {
    fn write(self, words: &mut [u64]) {
        words[0] = self.to_bits();
    }

    fn read(words: &[u64]) -> Self {
        Self::from_bits(words[0])
    }
}

impl Words for Shed {
    fn write(self, words: &mut [u64]) {
        words[0] = self.bits();
    }

    fn read(words: &[u64]) -> Self {
        Self::from_bits(words[0])
    }
}

/// `share in millionths | kind (2)`.
impl Words for JitterKind {
    fn write(self, words: &mut [u64]) {
        words[0] = match self {
            Self::None => 0,
            Self::Full => 1,
            Self::Equal => 2,
            Self::Fraction(share) => share << 2 | 3,
        };
    }

    fn read(words: &[u64]) -> Self {
        match words[0] & 3 {
            0 => Self::None,
            1 => Self::Full,
            2 => Self::Equal,
            _ => Self::Fraction(words[0] >> 2),
        }
    }
}

impl Words for AbandonedPolicy {
    const COUNT: usize = 2;

    fn write(self, words: &mut [u64]) {
        let (policy, limit) = match self {
            Self::Ignore => (0, 0),
            Self::Failure => (1, 0),
            Self::FailureIfSlow => (2, 0),
            Self::FailureAfter(limit) => (3, nanos(limit)),
        };
        words.copy_from_slice(&[policy, limit]);
    }

    fn read(words: &[u64]) -> Self {
        match words[0] {
            0 => Self::Ignore,
            1 => Self::Failure,
            2 => Self::FailureIfSlow,
            _ => Self::FailureAfter(Duration::from_nanos(words[1])),
        }
    }
}

/// Which calls a circuit looks back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowKind {
    None,
    Count(u32),
    Time(Duration, u32),
}

/// What a circuit is made from: its memory and its numbers, which have been checked.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) window: WindowKind,
    pub(crate) numbers: Numbers,
    pub(crate) open_for: Option<OfAttempt>,
}

/// Without a window.
#[cfg(test)]
impl From<Numbers> for Plan {
    fn from(numbers: Numbers) -> Self {
        Self {
            window: WindowKind::None,
            numbers,
            open_for: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // B4
    #[test]
    fn rates_are_compared_in_integers() {
        assert!(!reaches(99, 200, 500_000), "49.5 % is not 50 %");
        assert!(reaches(100, 200, 500_000));
        for percent in 1..=100 {
            let share = percent * 10_000;
            assert!(reaches(percent, 100, share), "{percent} of 100");
            assert!(!reaches(percent - 1, 100, share), "{percent} - 1 of 100");
        }
    }

    fn jitter() -> impl Strategy<Value = JitterKind> {
        prop_oneof![
            Just(JitterKind::None),
            Just(JitterKind::Full),
            Just(JitterKind::Equal),
            (1..=WHOLE).prop_map(JitterKind::Fraction),
        ]
    }

    fn abandoned() -> impl Strategy<Value = AbandonedPolicy> {
        prop_oneof![
            Just(AbandonedPolicy::Ignore),
            Just(AbandonedPolicy::Failure),
            Just(AbandonedPolicy::FailureIfSlow),
            any::<u64>()
                .prop_map(Duration::from_nanos)
                .prop_map(AbandonedPolicy::FailureAfter),
        ]
    }

    proptest! {
        // E5: whatever the words are, each number has its own.
        #[test]
        fn numbers_survive_their_words(
            words: [u64; Numbers::WORDS],
            factor in 1.0..1e300,
            jitter in jitter(),
            abandoned in abandoned(),
        ) {
            let numbers = Numbers {
                open_factor: factor,
                jitter,
                abandoned,
                ..Numbers::from_words(words)
            };
            prop_assert_eq!(Numbers::from_words(numbers.to_words()), numbers);
            // What decides needs no more than its words.
            let mut deciding = [0; Numbers::WORDS];
            deciding[..Numbers::DECIDING].copy_from_slice(&numbers.to_words()[..Numbers::DECIDING]);
            let without_limits = Numbers {
                call_timeout: 0,
                bulkhead: 0,
                bulkhead_wait: 0,
                retries: 0,
                retries_share: 0,
                retries_per_second: 0,
                retries_max_wait: 0,
                shared: 0,
                shared_share: 0,
                shared_revision: 0,
                shared_flags: 0,
                ..numbers
            };
            prop_assert_eq!(Numbers::from_words(deciding), without_limits);
            // Those that are a word each are in there as they are.
            let plain = [numbers.consecutive_failures, numbers.ramp, numbers.spread_retry_after];
            prop_assert!(plain.iter().all(|number| words.contains(number)));
        }
    }
}
