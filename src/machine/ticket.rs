//! The right to make one call.

use super::{
    Era, Mode, Nanos, State,
    word::{StateMode, Word},
};

/// The right to make one call, of the era that admitted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The word's identity, or [one that it never has](Word::never) for calls that decide nothing.
    pub(super) identity: u64,
    /// When it was given, in nanoseconds, or [`Ticket::UNTIMED`].
    pub(super) started: u64,
}

impl Ticket {
    pub(super) const UNTIMED: u64 = u64::MAX;

    #[inline]
    pub(super) fn new(word: Word) -> Self {
        Self {
            identity: word.identity(),
            started: Self::UNTIMED,
        }
    }

    /// The ticket of a call that the circuit does not judge, which was this as it let the call pass: the call enters
    /// the totals only.
    pub(super) fn bypass(era: Era, state_mode: StateMode) -> Self {
        Self {
            identity: Word::never(era, state_mode).bits(),
            started: Self::UNTIMED,
        }
    }

    pub(super) fn started_at(self, now: u64) -> Self {
        Self {
            started: now,
            ..self
        }
    }

    /// The same, of a call that was not timed.
    #[cfg(feature = "registry")]
    pub(crate) fn untimed(self) -> Self {
        self.started_at(Self::UNTIMED)
    }

    /// What is left of a ticket that has been used. No ticket is ever given in forced open.
    pub(super) const SPENT: Self = Self {
        identity: StateMode::ForcedOpen as u64,
        started: Self::UNTIMED,
    };

    /// How long the call has run, if that is measured.
    pub(crate) fn elapsed(self, now: impl FnOnce() -> u64) -> Option<Nanos> {
        self.ran(if self.is_untimed() { 0 } else { now() })
    }

    pub(super) fn ran(self, now: u64) -> Option<Nanos> {
        (!self.is_untimed()).then(|| Nanos::between(self.started, now))
    }

    /// The ticket, once.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Self> {
        let ticket = std::mem::take(self);
        (ticket.identity != Self::SPENT.identity).then_some(ticket)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.identity == Self::SPENT.identity
    }

    #[inline]
    pub(super) fn word(self) -> Word {
        Word::from_bits(self.identity)
    }

    #[inline]
    pub(crate) fn era(self) -> Era {
        self.word().era()
    }

    /// Whether the circuit does not judge the call.
    #[inline]
    pub(crate) fn is_bypass(self) -> bool {
        self.word().state_mode() == StateMode::Disabled
    }

    /// The state of the circuit that let the call pass.
    pub(crate) fn state(self) -> State {
        self.word().really().state()
    }

    /// Whether nothing but shadow mode let the call pass.
    pub(crate) fn is_shadowed(self) -> bool {
        self.is_bypass() && self.word().really().mode() == Mode::Shadow
    }

    #[inline]
    pub(crate) fn is_probe(self) -> bool {
        self.word().state() == State::HalfOpen
    }

    #[inline]
    pub(super) fn is_untimed(self) -> bool {
        self.started == Self::UNTIMED
    }

    /// Whether the call has run for at least `time`.
    pub(super) fn has_run(self, time: Nanos, now: u64) -> bool {
        self.ran(now).is_some_and(|ran| ran >= time)
    }

    /// A3: whether the call has run strictly longer than `limit`, in nanoseconds; zero is no limit.
    #[inline]
    pub(super) fn is_slow(self, limit: u64, now: u64) -> bool {
        limit != 0 && !self.is_untimed() && now.saturating_sub(self.started) > limit
    }
}

impl Default for Ticket {
    fn default() -> Self {
        Self::SPENT
    }
}

#[cfg(all(test, feature = "registry", not(tower_breaker_loom)))]
mod tests {
    use super::*;

    // A3, C4: it counts in its era, as any other.
    #[test]
    fn a_ticket_of_a_call_that_was_not_timed_is_of_its_era() {
        let word = Word::first(Mode::Normal).closed_next(Mode::Normal, false);
        let timed = Ticket::new(word).started_at(5);
        let untimed = timed.untimed();
        assert_eq!((timed.ran(9), untimed.ran(9)), (Some(Nanos::new(4)), None));
        assert_eq!(untimed.identity, timed.identity);
    }
}
