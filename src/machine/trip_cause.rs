//! Why the circuit is open, for rejections to tell (rule C3), without a lock.
//!
//! Whoever wins a trip writes its cause down after the swap, beside the era that the cause belongs to. One
//! writer at a time: it claims the cell first, and whoever finds it claimed gives up, for nobody waits (F3).
//! A reader takes a cause only if the era is the one it asks for, before it has read the cause and after.
//! So a rejection tells the right cause or none: none for the few instructions between a trip and its cause,
//! and none where two trips came so close that the second gave up.

use super::{Cause, Core, Era, Nanos, Refusal, WindowCounts, word::StateMode};
use crate::machine::sync::{AtomicU64, Ordering};

/// The cause of the newest trip that got to write it down.
#[derive(Debug)]
pub(super) struct TripCause {
    /// `era | marks`; 0 before the first.
    tag: AtomicU64,
    cause: AtomicU64,
}

const MARK_BITS: u32 = 2;
/// Somebody is writing the cause.
const BUSY: u64 = 1;
/// The cause is that of the era.
const DONE: u64 = 2;

impl TripCause {
    pub(super) fn new() -> Self {
        Self {
            tag: AtomicU64::new(0),
            cause: AtomicU64::new(PackedCause::UNKNOWN.0),
        }
    }

    /// For whoever has begun `era`.
    pub(super) fn note(&self, era: Era, cause: PackedCause) {
        let era_bits = era.number() << MARK_BITS;
        let last = self.tag.load(Ordering::Acquire);
        let is_news = last == 0 || era.is_later(Era::new(last >> MARK_BITS));
        if last & BUSY != 0 || !is_news {
            return;
        }
        let claimed =
            self.tag
                .compare_exchange(last, era_bits | BUSY, Ordering::AcqRel, Ordering::Relaxed);
        if claimed.is_err() {
            return;
        }
        // Release: whoever reads this cause sees the claim.
        self.cause.store(cause.0, Ordering::Release);
        // Release: whoever sees that it is done reads this cause, or a newer one.
        self.tag.store(era_bits | DONE, Ordering::Release);
    }

    /// The cause of the trip that began `era`, if it is known.
    #[inline]
    pub(super) fn of(&self, era: Era) -> Option<PackedCause> {
        let done = era.number() << MARK_BITS | DONE;
        // Acquire: pairs with the release of this tag.
        if self.tag.load(Ordering::Acquire) != done {
            return None;
        }
        // Acquire: pairs with the release of a newer cause, whose claim is seen below.
        let cause = self.cause.load(Ordering::Acquire);
        if self.tag.load(Ordering::Relaxed) != done {
            return None;
        }
        Some(PackedCause(cause))
    }
}

impl Core {
    /// C3: what the usual rejection tells: the time that remains and the cause, of a circuit that is open, knows
    /// why, and spreads nothing, and of which nobody hears; `None` for any other. This is the fast path.
    #[inline]
    pub(crate) fn usual_rejection(&self, refusal: Refusal) -> Option<(Nanos, PackedCause)> {
        let Refusal::Open(remaining) = refusal else {
            return None;
        };
        let word = self.load();
        if word.state_mode() != StateMode::Open || self.spreads_or_is_heard() {
            return None;
        }
        let cause = self.trip_cause.of(word.era())?;
        Some((remaining, cause))
    }

    /// C3: why the circuit opened that rejects. Of the newest trip, if a call that is rejected tells of a break
    /// that is over by now. Nobody reads it of a call that was shed.
    pub(crate) fn cause_of_rejection(&self, refusal: Refusal) -> PackedCause {
        let word = self.load();
        let eras_since = match word.state_mode() {
            _ if matches!(refusal, Refusal::ForcedOpen(_)) => return PackedCause::UNKNOWN,
            StateMode::Open => 0,
            StateMode::HalfOpen => 1,
            StateMode::Closed if word.is_ramping() => 2,
            _ => return PackedCause::UNKNOWN,
        };
        let cause = self.trip_cause.of(word.era().before(eras_since));
        cause.unwrap_or(PackedCause::UNKNOWN)
    }
}

/// A cause in 62 bits: a kind, and two numbers of 29 bits or three of 19. What is larger is told as the largest
/// that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedCause(u64);

const KIND_BITS: u32 = 4;
const OF_TWO: u32 = 29;
const OF_THREE: u32 = 19;

impl PackedCause {
    pub(crate) const UNKNOWN: Self = Self(0);
    /// No cause has these kinds, and none reads as one: what a rejection that has no cause is told by.
    pub(crate) const RESERVED: Self = Self(15);
    pub(crate) const ALSO_RESERVED: Self = Self(14);
    pub(crate) const BITS: u32 = KIND_BITS + 2 * OF_TWO;

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Of a cause that opens.
    pub(crate) fn of(cause: Cause) -> Self {
        let two = |kind, first, second| numbers(kind, OF_TWO, &[first, second]);
        Self(match cause {
            Cause::ConsecutiveFailures(failures) => two(1, failures, 0),
            Cause::FailureRate { failed, calls } => two(2, failed, calls),
            Cause::SlowCallRate { slow, calls } => two(3, slow, calls),
            Cause::CustomPolicy(counts) => {
                let WindowCounts {
                    calls,
                    failed,
                    slow,
                } = counts;
                numbers(4, OF_THREE, &[calls, failed, slow])
            }
            Cause::TripNow => 5,
            Cause::Manual => 6,
            Cause::ProbeFailed => 7,
            Cause::ProbesTimedOut => 8,
            Cause::ProbesAbandoned => 9,
            Cause::Shared => 10,
            Cause::TripVetoed
            | Cause::WaitOver
            | Cause::Recovered
            | Cause::ForceExpired
            | Cause::ShedBegan(_)
            | Cause::ShedEnded => 0,
        })
    }

    pub(crate) fn cause(self) -> Option<Cause> {
        let number = |bits, place| self.0 >> (KIND_BITS + bits * place) & most(bits);
        let two = |place| number(OF_TWO, place);
        Some(match self.0 & most(KIND_BITS) {
            1 => Cause::ConsecutiveFailures(two(0)),
            2 => Cause::FailureRate {
                failed: two(0),
                calls: two(1),
            },
            3 => Cause::SlowCallRate {
                slow: two(0),
                calls: two(1),
            },
            4 => Cause::CustomPolicy(WindowCounts {
                calls: number(OF_THREE, 0),
                failed: number(OF_THREE, 1),
                slow: number(OF_THREE, 2),
            }),
            5 => Cause::TripNow,
            6 => Cause::Manual,
            7 => Cause::ProbeFailed,
            8 => Cause::ProbesTimedOut,
            9 => Cause::ProbesAbandoned,
            10 => Cause::Shared,
            _ => return None,
        })
    }
}

const fn most(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// A kind and its numbers of so many bits, the first in the lowest.
fn numbers(kind: u64, bits: u32, numbers: &[u64]) -> u64 {
    let packed = numbers.iter().rev().fold(0, |packed, number| {
        packed << bits | (*number).min(most(bits))
    });
    packed << KIND_BITS | kind
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::time::Duration;

    use super::super::{CoreParts, Numbers};
    use super::*;

    fn causes(number: u64) -> [Cause; 10] {
        [
            Cause::ConsecutiveFailures(number),
            Cause::FailureRate {
                failed: number,
                calls: number + 1,
            },
            Cause::SlowCallRate {
                slow: number,
                calls: number + 2,
            },
            Cause::CustomPolicy(WindowCounts {
                calls: number + 2,
                failed: number + 1,
                slow: number,
            }),
            Cause::TripNow,
            Cause::Manual,
            Cause::ProbeFailed,
            Cause::ProbesTimedOut,
            Cause::ProbesAbandoned,
            Cause::Shared,
        ]
    }

    // C3
    #[test]
    fn a_cause_survives_packing_as_far_as_its_numbers_fit() {
        for number in [0, 1, 7, 65_536, 524_285] {
            for cause in causes(number) {
                let packed = PackedCause::of(cause);
                assert_eq!(packed.cause(), Some(cause));
                assert_eq!(packed.bits() >> PackedCause::BITS, 0);
            }
        }
        assert_eq!(PackedCause::UNKNOWN.cause(), None);
    }

    // C3: and what does not fit is told as the largest that does, without harm to its neighbours.
    #[test]
    fn numbers_that_are_too_large_are_told_as_the_largest() {
        let [failures, failed, slow, policy, ..] =
            causes(1 << 40).map(|cause| PackedCause::of(cause).cause());
        let two = (1 << 29) - 1;
        let three = (1 << 19) - 1;
        assert_eq!(failures, Some(Cause::ConsecutiveFailures(two)));
        let told = Cause::FailureRate {
            failed: two,
            calls: two,
        };
        assert_eq!(failed, Some(told));
        let told = Cause::SlowCallRate {
            slow: two,
            calls: two,
        };
        assert_eq!(slow, Some(told));
        let told = Cause::CustomPolicy(WindowCounts {
            calls: three,
            failed: three,
            slow: three,
        });
        assert_eq!(policy, Some(told));
    }

    // C3: somebody who was held up since an older era does not undo what a newer one has written.
    #[test]
    fn an_older_cause_that_comes_late_changes_nothing() {
        let cell = TripCause::new();
        cell.note(Era::new(5), PackedCause::of(Cause::TripNow));
        cell.note(Era::new(3), PackedCause::of(Cause::Manual));
        assert_eq!(
            cell.of(Era::new(5)).and_then(PackedCause::cause),
            Some(Cause::TripNow)
        );
        assert_eq!(cell.of(Era::new(3)), None);
    }

    /// A circuit that a person has opened.
    fn open() -> Core {
        let core = Core::new(Numbers::default().into(), CoreParts::none(), 0);
        assert!(core.trip(Duration::MAX, 0).is_ok());
        core
    }

    // C3: whatever the circuit is by the time that it is told.
    #[test]
    fn who_was_turned_away_by_forced_open_is_told_no_cause() {
        let core = open();
        let told = |refusal| core.cause_of_rejection(refusal).cause();
        assert_eq!(told(Refusal::Open(Nanos::FOREVER)), Some(Cause::Manual));
        assert_eq!(told(Refusal::ForcedOpen(Nanos::FOREVER)), None);
    }
}
