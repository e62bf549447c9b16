//! Shedding: a closed circuit refuses a share of its calls, as large as the evidence in its window (rule B9).
//!
//! The share is a function of what the window holds, so there is nothing to keep of it: whoever is to be admitted looks
//! at the window. A bit of the [`Word`] says that there is something to look at. A failure sets it, and the end of a
//! call clears it, once there has been nothing to shed for a while. Until it is set, only a failure or a slow call of a
//! circuit that may shed pays for this: it looks at the window once more. A fast success pays nothing.

use super::{
    Cause, Core, Transition, WHOLE, WindowCounts,
    numbers::Numbers,
    record::{EndedCall, Verdict},
    retry::Attempt::{self, Done},
    word::Word,
};
use crate::machine::sync::Ordering;

/// How much is shed, in one word: each call that ends reads it.
///
/// `multiplier in millionths (44) | floor in millionths (20)`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shed(u64);

const FLOOR_BITS: u32 = 20;

impl Shed {
    pub(crate) const OFF: Self = Self(0);

    pub(crate) const fn new(multiplier: u64, floor: u64) -> Self {
        Self(multiplier << FLOOR_BITS | floor)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// K, in millionths; 0 if it is off.
    pub(crate) const fn multiplier(self) -> u64 {
        self.0 >> FLOOR_BITS
    }

    /// The share that always passes, in millionths.
    pub(crate) const fn floor(self) -> u64 {
        self.0 & ((1 << FLOOR_BITS) - 1)
    }

    /// The share that is refused, in millionths: (calls − K · accepted) / (calls + 1), if that is more than nothing,
    /// and no more than leaves the floor.
    fn share(self, calls: u64, accepted: u64) -> u64 {
        let [whole, calls, accepted] = [WHOLE, calls, accepted].map(u128::from);
        let allowed = u128::from(self.multiplier()) * accepted;
        let refused = (whole * calls).saturating_sub(allowed) / (calls + 1);
        let most = WHOLE.saturating_sub(self.floor());
        u64::try_from(refused).map_or(most, |refused| refused.min(most))
    }
}

impl Numbers {
    #[inline]
    pub(super) fn sheds(&self) -> bool {
        self.shed != Shed::OFF
    }

    /// What these counts say is to be shed, in millionths.
    pub(super) fn shed_share(&self, counts: &WindowCounts, is_shedding: bool) -> u64 {
        if !self.sheds() || counts.calls < self.minimum_to_shed(is_shedding) {
            return 0;
        }
        let slow = match self.slow_call_rate {
            0 => 0,
            _ => counts.slow,
        };
        // A slow failure is in both, and nobody knows how many are: no more is refused than is certain.
        let bad = counts.failed.max(slow);
        self.shed
            .share(counts.calls, counts.calls.saturating_sub(bad))
    }

    /// Whoever sheds already lets fewer calls through, and may need no more of them than that, or each window would end
    /// what the last one has begun. But one call is no evidence.
    fn minimum_to_shed(&self, is_shedding: bool) -> u64 {
        let few = (self.minimum_calls * self.shed.floor()).div_ceil(WHOLE);
        match is_shedding {
            true => few.max(2).min(self.minimum_calls),
            false => self.minimum_calls,
        }
    }
}

/// For how long there must have been nothing to shed until that is over, in nanoseconds: a share that comes and goes
/// at the edge is one event, and not one for each call.
const LINGERS: u64 = 1_000_000_000;

impl Core {
    /// The share of calls that a closed circuit refuses, in millionths.
    pub(super) fn shed_share(&self, word: Word, now: u64) -> u64 {
        if !word.is_shedding() {
            return 0;
        }
        let counts = self.window.counts(word.era().number(), now);
        self.tunable.read_deciding().shed_share(&counts, true)
    }

    /// A call of a closed circuit has ended: whether shedding is over with that, or begins if it `may_begin`. That may
    /// only a call that failed or was slow.
    #[cold]
    pub(super) fn look_at_shed(
        &self,
        call: &EndedCall,
        verdict: Verdict,
        may_begin: bool,
    ) -> Option<Transition> {
        // How many calls the window holds of this one.
        let own = u64::from(verdict.is_recorded());
        self.retry(|word| {
            if word.era() != call.ticket.era() || self.window.is_none() {
                return Done(None);
            }
            let counts = self.window.counts(word.era().number(), call.now);
            let sheds = call.numbers.shed_share(&counts, word.is_shedding()) > 0;
            match (word.is_shedding(), sheds) {
                (false, true) if may_begin => self.begin_to_shed(word, counts, call.now),
                (true, true) => {
                    self.note_no_calm();
                    Done(None)
                }
                // What the window held is gone: there is nothing left that could come back.
                (true, false) if counts.calls <= own || self.is_calm(call.now) => {
                    self.turn_shed(word, false, None)
                }
                _ => Done(None),
            }
        })
    }

    fn begin_to_shed(
        &self,
        word: Word,
        counts: WindowCounts,
        now: u64,
    ) -> Attempt<Option<Transition>> {
        self.note_no_calm();
        // G1: what a ramp has said of a call goes on while it holds anything back.
        if self.ramp_share(word, now) == WHOLE {
            // Relaxed: it only has to be another number by the time that somebody is asked again.
            self.shed_times.fetch_add(1, Ordering::Relaxed);
        }
        self.turn_shed(word, true, Some(counts))
    }

    /// There is something to shed. Mostly that is known, and threads that look at one word do not contend for it.
    ///
    /// Relaxed, as below: an instant of its own.
    pub(super) fn note_no_calm(&self) {
        if self.calm_since.load(Ordering::Relaxed) != u64::MAX {
            self.calm_since.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// There is nothing to shed now: whether that has been so for long enough.
    fn is_calm(&self, now: u64) -> bool {
        let relaxed = Ordering::Relaxed;
        let noted = self
            .calm_since
            .compare_exchange(u64::MAX, now, relaxed, relaxed);
        noted.is_err_and(|since| now.saturating_sub(since) >= LINGERS)
    }

    /// Its era goes on: who is in flight is of it as before.
    fn turn_shed(
        &self,
        word: Word,
        shedding: bool,
        counts: Option<WindowCounts>,
    ) -> Attempt<Option<Transition>> {
        let turned = self.swap(word, word.with_shedding(shedding));
        turned.map(|()| {
            Some(Transition {
                from: word.state(),
                to: word.state(),
                mode_before: word.mode(),
                mode: word.mode(),
                era: word.era().number(),
                cause: counts.map_or(Cause::ShedEnded, Cause::ShedBegan),
                vetoed: None,
                counts,
                threshold: None,
                shed_share: 0.0,
                attempt: 0,
                open_for: None,
            })
        })
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const K2: Shed = Shed::new(2 * WHOLE, WHOLE / 10);

    // B9: with K = 2 from more than half on, and all but the floor where nothing is accepted.
    #[test]
    fn the_share_is_that_of_the_book() {
        for (calls, accepted, share) in [
            (100, 100, 0),
            (100, 50, 0),
            (100, 49, 19_801),
            (100, 25, 495_049),
            (100, 6, 871_287),
            (100, 0, 900_000),
            (1, 0, 500_000),
            (0, 0, 0),
        ] {
            assert_eq!(K2.share(calls, accepted), share, "{accepted} of {calls}");
        }
    }

    proptest! {
        #[test]
        fn a_share_leaves_the_floor_and_shrinks_with_what_is_accepted(
            multiplier in WHOLE..=100 * WHOLE, floor in 1..=WHOLE, calls in 0..1u64 << 44, part in 0.0..=1.0,
        ) {
            let shed = Shed::new(multiplier, floor);
            prop_assert_eq!((shed.multiplier(), shed.floor()), (multiplier, floor));
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
            let accepted = (calls as f64 * part) as u64;
            let share = shed.share(calls, accepted);
            prop_assert!(share <= WHOLE - floor);
            prop_assert!(share >= shed.share(calls, accepted + 1));
        }
    }

    #[test]
    fn slow_calls_count_where_they_could_trip() {
        let counts = WindowCounts {
            calls: 100,
            failed: 10,
            slow: 75,
        };
        let mut numbers = Numbers {
            shed: K2,
            ..Numbers::default()
        };
        assert_eq!(numbers.shed_share(&counts, false), 0);
        numbers.slow_call_rate = WHOLE;
        assert_eq!(numbers.shed_share(&counts, false), 495_049);
    }

    // B9: a tenth of the minimum is enough for who lets a tenth through.
    #[test]
    fn the_minimum_is_lower_where_it_sheds_already() {
        for (minimum, floor, sheds) in [
            (100, 1, [true, true]),
            (1, WHOLE / 10, [true, true]),
            (101, WHOLE / 10, [false, true]),
            (1_000, WHOLE / 10, [false, true]),
            (1_001, WHOLE / 10, [false, false]),
            (u32::MAX.into(), WHOLE - 1, [false, false]),
        ] {
            let numbers = Numbers {
                shed: Shed::new(100 * WHOLE, floor),
                minimum_calls: minimum,
                ..Numbers::default()
            };
            let counts = WindowCounts {
                calls: 100,
                failed: 100,
                slow: 0,
            };
            let shares = [false, true].map(|already| numbers.shed_share(&counts, already));
            assert_eq!(shares.map(|share| share > 0), sheds, "{minimum}");
        }
    }
}
