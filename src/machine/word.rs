//! The packed word: state, mode, era and the counters of the current state in 64 bits.
//!
//! Everything that decides is in this one word, so that every decision is one compare-and-swap.
//!
//! ```text
//!  63                                  27 26                     3 2    0
//! ┌──────────────────────────────────────┬────────────────────────┬──────┐
//! │ era (37 bits)                        │ payload (24 bits)      │ mode │
//! └──────────────────────────────────────┴────────────────────────┴──────┘
//!   closed      ramping (1) · shedding (1) · failures in a row (22)
//!   open        the length of the break: digits (20) · power of ten (4)
//!   forced open for how long at most: digits (18) · power of ten (4); zero: no end · the mode before (2)
//!   half-open   failures left (6) · successes left (6) · admissions left (6) · permits left (6)
//! ```
//!
//! * The **mode** is a [`StateMode`], state and mode in one: there are eight pairs that can be.
//! * The **era** goes up by one with every transition. At a thousand transitions a second it wraps
//!   after four years; to do harm, a call would have to be in flight all that time.
//! * The **identity** of a word is the word without its payload. A [`Ticket`](super::Ticket) keeps it, so whether
//!   a result is stale is one compare.

use std::time::Duration;

use super::{
    era::Era,
    saved::SavedState,
    types::{Mode, State},
};

const STATE_MODE_BITS: u32 = 3;
const PAYLOAD_BITS: u32 = 24;
const ERA_SHIFT: u32 = STATE_MODE_BITS + PAYLOAD_BITS;
const STATE_MODE_MASK: u64 = (1 << STATE_MODE_BITS) - 1;
const PAYLOAD_MASK: u64 = ((1 << PAYLOAD_BITS) - 1) << STATE_MODE_BITS;

const _: () = assert!(ERA_SHIFT + Era::BITS == u64::BITS);

const RAMPING: u64 = 1 << (ERA_SHIFT - 1);
const SHEDDING: u64 = 1 << (ERA_SHIFT - 2);

/// The largest number of failures in a row that the closed payload can count to.
pub(crate) const MAX_CONSECUTIVE_FAILURES: u64 = (1 << (PAYLOAD_BITS - 2)) - 1;

/// The largest number of probes, permits or successes that the half-open payload can hold.
pub(crate) const MAX_PROBES: u64 = 63;

/// The most probes that a shared circuit is decided by, and the most seats of a lease: so many results never decide on
/// one instance.
pub(crate) const MAX_SHARED_PROBES: u64 = 31;

/// State and mode. The numbers are chosen so that closed circuits that admit come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum StateMode {
    Closed = 0,
    ClosedShadow = 1,
    Disabled = 2,
    Open = 3,
    OpenShadow = 4,
    ForcedOpen = 5,
    HalfOpen = 6,
    HalfOpenShadow = 7,
}

impl StateMode {
    const ALL: [Self; 8] = [
        Self::Closed,
        Self::ClosedShadow,
        Self::Disabled,
        Self::Open,
        Self::OpenShadow,
        Self::ForcedOpen,
        Self::HalfOpen,
        Self::HalfOpenShadow,
    ];

    pub(crate) const fn state(self) -> State {
        match self {
            Self::Closed | Self::ClosedShadow | Self::Disabled => State::Closed,
            Self::Open | Self::OpenShadow | Self::ForcedOpen => State::Open,
            Self::HalfOpen | Self::HalfOpenShadow => State::HalfOpen,
        }
    }

    pub(crate) const fn mode(self) -> Mode {
        match self {
            Self::Closed | Self::Open | Self::HalfOpen => Mode::Normal,
            Self::ClosedShadow | Self::OpenShadow | Self::HalfOpenShadow => Mode::Shadow,
            Self::Disabled => Mode::Disabled,
            Self::ForcedOpen => Mode::ForcedOpen,
        }
    }

    /// The one that is in `state` under `mode`.
    ///
    /// Forced open is always open and disabled always closed, whatever `state` says.
    pub(crate) const fn of(state: State, mode: Mode) -> Self {
        match (mode, state) {
            (Mode::ForcedOpen, _) => Self::ForcedOpen,
            (Mode::Disabled, _) => Self::Disabled,
            (Mode::Normal, State::Closed) => Self::Closed,
            (Mode::Normal, State::Open) => Self::Open,
            (Mode::Normal, State::HalfOpen) => Self::HalfOpen,
            (Mode::Shadow, State::Closed) => Self::ClosedShadow,
            (Mode::Shadow, State::Open) => Self::OpenShadow,
            (Mode::Shadow, State::HalfOpen) => Self::HalfOpenShadow,
        }
    }
}

/// A copy of the word at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u64);

impl Word {
    const fn new(era: Era, state_mode: StateMode, payload: u64) -> Self {
        Self(era.number() << ERA_SHIFT | payload << STATE_MODE_BITS | state_mode as u64)
    }

    /// The word of the first era, closed or what `mode` makes of it.
    #[cfg(test)]
    pub(crate) const fn first(mode: Mode) -> Self {
        Self::new(Era::FIRST, StateMode::of(State::Closed, mode), 0)
    }

    /// The word a circuit is restored with, in the first era, too (E6).
    pub(crate) const fn restored(saved: &SavedState) -> Self {
        let payload = match (saved.mode_before, saved.remaining) {
            (Some(before), Some(left)) => forced(before, Some(BreakLength::of_forced(left))),
            (Some(before), None) => forced(before, None),
            (None, Some(remaining)) => BreakLength::at_least(remaining).0,
            (None, None) => 0,
        };
        Self::new(Era::FIRST, StateMode::of(saved.state, saved.mode), payload)
    }

    /// Disabled, with a payload: a word that no circuit ever has. It says what the circuit really was.
    pub(crate) const fn never(era: Era, state_mode: StateMode) -> Self {
        Self::new(era, StateMode::Disabled, 1 + state_mode as u64)
    }

    /// What the circuit really was, of a word that it [never](Self::never) has; of any other, what that says.
    pub(crate) const fn really(self) -> StateMode {
        match (self.state_mode(), self.payload()) {
            (StateMode::Disabled, 1..) => {
                StateMode::ALL[((self.payload() - 1) & STATE_MODE_MASK) as usize]
            }
            (state_mode, _) => state_mode,
        }
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn era(self) -> Era {
        Era::new(self.0 >> ERA_SHIFT)
    }

    pub(crate) const fn state_mode(self) -> StateMode {
        StateMode::ALL[(self.0 & STATE_MODE_MASK) as usize]
    }

    pub(crate) const fn state(self) -> State {
        self.state_mode().state()
    }

    pub(crate) fn is_shadow(self) -> bool {
        self.mode() == Mode::Shadow
    }

    /// Whether calls are kept away, by more than a shadow.
    pub(super) fn is_ejected(self) -> bool {
        matches!(
            self.state_mode(),
            StateMode::Open | StateMode::HalfOpen | StateMode::ForcedOpen
        )
    }

    /// Whether it is half-open and admits no further probe.
    pub(crate) fn is_full(self) -> bool {
        self.state() == State::HalfOpen && self.probes().admit().is_none()
    }

    pub(crate) const fn mode(self) -> Mode {
        self.state_mode().mode()
    }

    const fn payload(self) -> u64 {
        (self.0 & PAYLOAD_MASK) >> STATE_MODE_BITS
    }

    const fn with_payload(self, payload: u64) -> Self {
        Self(self.0 & !PAYLOAD_MASK | payload << STATE_MODE_BITS)
    }

    /// The word without its payload: what a ticket remembers of it.
    pub(crate) const fn identity(self) -> u64 {
        self.0 & !PAYLOAD_MASK
    }

    /// Closed, neither ramping nor shedding, and not disabled: the case that must cost nothing.
    pub(crate) const fn admits_fast(self) -> bool {
        self.0 & (STATE_MODE_MASK | RAMPING | SHEDDING) <= StateMode::ClosedShadow as u64
    }

    /// The closed word of the next era.
    pub(crate) const fn closed_next(self, mode: Mode, ramping: bool) -> Self {
        let word = Self::new(self.era().next(), StateMode::of(State::Closed, mode), 0);
        if ramping {
            Self(word.0 | RAMPING)
        } else {
            word
        }
    }

    /// The open word of the next era.
    pub(crate) const fn open_next(self, mode: Mode, open_for: BreakLength) -> Self {
        Self::new(
            self.era().next(),
            StateMode::of(State::Open, mode),
            open_for.0,
        )
    }

    /// The half-open word of the next era, with nobody admitted yet.
    pub(crate) const fn half_open_next(self, mode: Mode, probes: Probes) -> Self {
        let state_mode = StateMode::of(State::HalfOpen, mode);
        Self::new(self.era().next(), state_mode, probes.pack())
    }

    /// The same era under another mode. Only between normal and shadow does an era go on.
    pub(crate) const fn in_mode(self, mode: Mode) -> Self {
        Self(self.0 & !STATE_MODE_MASK | StateMode::of(self.state(), mode) as u64)
    }

    /// Failures in a row, in closed.
    pub(crate) const fn consecutive_failures(self) -> u64 {
        self.payload() & MAX_CONSECUTIVE_FAILURES
    }

    pub(crate) const fn with_consecutive_failures(self, consecutive_failures: u64) -> Self {
        self.with_payload(self.payload() & !MAX_CONSECUTIVE_FAILURES | consecutive_failures)
    }

    /// Whether a closed circuit is still holding back part of its traffic after it has closed.
    pub(crate) const fn is_ramping(self) -> bool {
        matches!(self.state(), State::Closed) && self.0 & RAMPING != 0
    }

    pub(crate) const fn ramped_up(self) -> Self {
        Self(self.0 & !RAMPING)
    }

    /// Whether a closed circuit refuses a share of its calls, as its window says, or has just done so.
    pub(crate) const fn is_shedding(self) -> bool {
        matches!(self.state(), State::Closed) && self.0 & SHEDDING != 0
    }

    /// The same of a word that is known to be closed.
    #[inline]
    pub(super) const fn may_be_shedding(self) -> bool {
        self.0 & SHEDDING != 0
    }

    pub(crate) const fn with_shedding(self, shedding: bool) -> Self {
        if shedding {
            Self(self.0 | SHEDDING)
        } else {
            Self(self.0 & !SHEDDING)
        }
    }

    /// Whether it is closed, and perhaps not for every call.
    pub(crate) const fn holds_back(self) -> bool {
        matches!(self.state(), State::Closed) && self.0 & (RAMPING | SHEDDING) != 0
    }

    /// The forced-open word of the next era, which remembers the mode before. Without an end, or with one: see
    /// [`BreakLength::of_forced`].
    pub(crate) const fn forced_next(self, at_most: Option<BreakLength>) -> Self {
        let before = match self.mode() {
            Mode::ForcedOpen => self.mode_before_forced(),
            before => before,
        };
        let payload = forced(before, at_most);
        Self::new(self.era().next(), StateMode::ForcedOpen, payload)
    }

    /// The mode before it was forced open.
    pub(crate) const fn mode_before_forced(self) -> Mode {
        const DISABLED: u64 = Mode::Disabled as u64;
        const SHADOW: u64 = Mode::Shadow as u64;
        match self.payload() & MODE_BEFORE_MASK {
            DISABLED => Mode::Disabled,
            SHADOW => Mode::Shadow,
            _ => Mode::Normal,
        }
    }

    /// For how long it is forced open at most; `None` if it is not, or a person has to end it.
    pub(crate) fn forced_for(self) -> Option<BreakLength> {
        let length = self.payload() >> MODE_BEFORE_BITS;
        let is_forced = self.state_mode() == StateMode::ForcedOpen;
        (is_forced && length != 0).then_some(BreakLength(length))
    }

    /// The word of the next era that is forced open no more: closed, in the mode before.
    pub(crate) const fn released_next(self) -> Self {
        self.closed_next(self.mode_before_forced(), false)
    }

    /// The length of the break, in open.
    pub(crate) const fn open_for(self) -> BreakLength {
        BreakLength(self.payload())
    }

    /// How long its era lasts, if it is open and time ends that.
    pub(crate) fn ends_after(self) -> Option<BreakLength> {
        match self.state_mode() {
            StateMode::Open | StateMode::OpenShadow => Some(self.open_for()),
            _ => self.forced_for(),
        }
    }

    /// The probes' accounts, in half-open.
    pub(crate) const fn probes(self) -> Probes {
        Probes::unpack(self.payload())
    }

    pub(crate) const fn with_probes(self, probes: Probes) -> Self {
        self.with_payload(probes.pack())
    }
}

const MODE_BEFORE_BITS: u32 = 2;
const MODE_BEFORE_MASK: u64 = (1 << MODE_BEFORE_BITS) - 1;

/// The payload of a word that is forced open.
const fn forced(before: Mode, at_most: Option<BreakLength>) -> u64 {
    let length = match at_most {
        Some(length) => length.0,
        None => 0,
    };
    length << MODE_BEFORE_BITS | before as u64
}

/// The accounts of one half-open era, kept as what is left rather than as what was spent, so that
/// the numbers it began with are frozen in it (E5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probes {
    /// Permits that are free.
    pub(crate) permits_left: u64,
    /// Probes that may still be admitted before m are in flight or finished.
    pub(crate) admissions_left: u64,
    /// Successes still needed to close.
    pub(crate) successes_left: u64,
    /// Failures that can still be afforded.
    pub(crate) failures_left: u64,
}

/// What the result of one probe makes of its half-open era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Not decided yet.
    Undecided(Probes),
    /// Enough have succeeded.
    Close,
    /// Too many have failed.
    Reopen,
}

impl Probes {
    const BITS: u32 = 6;
    const MASK: u64 = (1 << Self::BITS) - 1;

    /// Accounts for `successes` of `of` probes, at most `permits` at a time.
    pub(crate) const fn new(permits: u64, successes: u64, of: u64) -> Self {
        Self {
            permits_left: permits,
            admissions_left: of,
            successes_left: successes,
            failures_left: of - successes,
        }
    }

    /// D1: accounts for so many probes of an era that the fleet leads. They are so large that they decide nothing, and
    /// are told from those of any other era of a shared circuit by that.
    pub(super) const fn led(seats: u64) -> Self {
        Self {
            permits_left: seats,
            admissions_left: seats,
            successes_left: MAX_PROBES,
            failures_left: MAX_PROBES,
        }
    }

    /// Whether these are accounts of a led era, as long as no more than 62 results are taken off.
    pub(super) const fn are_led(self) -> bool {
        self.successes_left + self.failures_left > MAX_PROBES
    }

    /// The same era with so many seats in place of those that are left.
    pub(super) const fn led_anew(self, seats: u64) -> Self {
        Self {
            permits_left: seats,
            admissions_left: seats,
            ..self
        }
    }

    /// How many probes of a led era have succeeded, and how many have failed.
    pub(super) const fn led_results(self) -> (u64, u64) {
        (
            MAX_PROBES - self.successes_left,
            MAX_PROBES - self.failures_left,
        )
    }

    /// Whether of so many seats of a led era all were taken, and all their probes have ended.
    pub(super) const fn is_spent(self, seats: u64) -> bool {
        let (ok, failed) = self.led_results();
        self.admissions_left == 0 && ok + failed >= seats
    }

    const fn pack(self) -> u64 {
        ((self.failures_left << Self::BITS | self.successes_left) << Self::BITS
            | self.admissions_left)
            << Self::BITS
            | self.permits_left
    }

    const fn unpack(payload: u64) -> Self {
        Self {
            permits_left: payload & Self::MASK,
            admissions_left: payload >> Self::BITS & Self::MASK,
            successes_left: payload >> (2 * Self::BITS) & Self::MASK,
            failures_left: payload >> (3 * Self::BITS) & Self::MASK,
        }
    }

    /// Probes admitted and not yet finished.
    pub(crate) const fn in_flight(self) -> u64 {
        self.successes_left + self.failures_left - self.admissions_left
    }

    /// How many may be in flight at once.
    pub(crate) const fn permits(self) -> u64 {
        self.permits_left + self.in_flight()
    }

    /// D1: one more, if there is a free permit and its result could still decide.
    pub(crate) const fn admit(self) -> Option<Self> {
        if self.permits_left == 0 || self.admissions_left == 0 {
            return None;
        }
        Some(Self {
            permits_left: self.permits_left - 1,
            admissions_left: self.admissions_left - 1,
            ..self
        })
    }

    /// A2 and A4: an ignored or abandoned probe was never there.
    pub(crate) const fn give_back(self) -> Self {
        Self {
            admissions_left: self.admissions_left + 1,
            ..self.ended()
        }
    }

    /// A probe has ended. Of a led era, one of an older lease may, whose permit is long another's.
    pub(super) const fn ended(self) -> Self {
        let permits_left = self.permits_left + 1;
        Self {
            permits_left: if permits_left > MAX_PROBES {
                MAX_PROBES
            } else {
                permits_left
            },
            ..self
        }
    }

    /// D2: a success.
    pub(crate) const fn succeed(self) -> Decision {
        if self.successes_left <= 1 {
            return Decision::Close;
        }
        Decision::Undecided(Self {
            successes_left: self.successes_left - 1,
            ..self.ended()
        })
    }

    /// D2: a failure.
    pub(crate) const fn fail(self) -> Decision {
        if self.failures_left == 0 {
            return Decision::Reopen;
        }
        Decision::Undecided(Self {
            failures_left: self.failures_left - 1,
            ..self.ended()
        })
    }
}

/// The length of a break, in 24 bits: up to six decimal digits and a power of ten, in nanoseconds.
///
/// Decimal, because people write decimal: 5 s, 90 s and 2.5 h are exact. What has more digits is
/// rounded up, by at most 10 parts per million. It is in the word so that *open* can never be seen with
/// another era's deadline (F7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BreakLength(u64);

impl BreakLength {
    const DIGIT_BITS: u32 = 20;
    const MAX_DIGITS: u128 = (1 << Self::DIGIT_BITS) - 1;
    const MAX_DIGITS_FORCED: u128 = Self::MAX_DIGITS >> MODE_BEFORE_BITS;
    const MAX_POWER: u32 = 15;

    /// The shortest break that is at least `open_for`; what is longer than 584 years never
    /// ends.
    pub(crate) const fn at_least(open_for: Duration) -> Self {
        Self::rounded_up(open_for.as_nanos(), Self::MAX_DIGITS)
    }

    /// The same, with two bits less for the digits: the mode before takes them. So five decimal digits are exact, and
    /// what has more is rounded up by at most 40 parts per million. Nothing is ten times nothing, because no bits at
    /// all are no end.
    pub(crate) const fn of_forced(at_most: Duration) -> Self {
        if at_most.is_zero() {
            return Self(1);
        }
        Self::rounded_up(at_most.as_nanos(), Self::MAX_DIGITS_FORCED)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the loop ends at 20 bits")]
    const fn rounded_up(mut digits: u128, most: u128) -> Self {
        let mut power = 0;
        while digits > most {
            digits = digits.div_ceil(10);
            power += 1;
        }
        if power > Self::MAX_POWER {
            return Self(Self::MAX_POWER as u64 | (most as u64) << 4);
        }
        Self(power as u64 | (digits as u64) << 4)
    }

    #[cfg(all(test, not(tower_breaker_loom)))]
    #[expect(clippy::cast_possible_truncation, reason = "20 bits")]
    pub(crate) const FOREVER: Self = Self(Self::MAX_POWER as u64 | (Self::MAX_DIGITS as u64) << 4);

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Its length, saturating.
    pub(crate) const fn nanos(self) -> u64 {
        const POWERS: [u64; 16] = powers_of_ten();
        (self.0 >> 4).saturating_mul(POWERS[(self.0 & 15) as usize])
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

const fn powers_of_ten() -> [u64; 16] {
    let mut powers = [1; 16];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = powers[power - 1] * 10;
        power += 1;
    }
    powers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_break_is_never_shorter_and_hardly_longer(nanos in any::<u64>()) {
            let stored = BreakLength::at_least(Duration::from_nanos(nanos)).nanos();
            prop_assert!(stored >= nanos);
            prop_assert!(stored - nanos <= nanos / 100_000);
        }

        #[test]
        fn six_digits_are_exact(digits in 0..1_000_000u64, power in 0..13u32) {
            let nanos = digits * 10u64.pow(power);
            prop_assert_eq!(BreakLength::at_least(Duration::from_nanos(nanos)).nanos(), nanos);
        }

        // E2: and beside it the mode before.
        #[test]
        fn a_forced_open_word_keeps_its_end_and_the_mode_before(
            nanos in any::<u64>(), era in any::<u64>(),
            before in prop_oneof![Just(Mode::Normal), Just(Mode::Disabled), Just(Mode::Shadow)],
        ) {
            let first = Word::new(Era::new(era), StateMode::of(State::Closed, before), 0);
            let length = BreakLength::of_forced(Duration::from_nanos(nanos));
            let stored = length.nanos();
            prop_assert!(stored >= nanos && stored - nanos <= nanos / 25_000);
            let endless = first.forced_next(None);
            let ends = endless.forced_next(Some(length));
            prop_assert_eq!((endless.forced_for(), ends.forced_for()), (None, Some(length)));
            for (eras, word) in [(1, endless), (2, ends), (3, ends.forced_next(None))] {
                prop_assert_eq!(word.mode_before_forced(), before);
                prop_assert_eq!(word.era(), Era::new(era.wrapping_add(eras)));
                prop_assert_eq!(word.released_next().mode(), before);
            }
        }

        #[test]
        fn five_digits_of_an_expiry_are_exact(digits in 0..100_000u64, power in 0..14u32) {
            let nanos = digits * 10u64.pow(power);
            prop_assert_eq!(BreakLength::of_forced(Duration::from_nanos(nanos)).nanos(), nanos);
        }

        #[test]
        fn probes_survive_packing(
            permits_left in 0..=MAX_PROBES, admissions_left in 0..=MAX_PROBES,
            successes_left in 0..=MAX_PROBES, failures_left in 0..=MAX_PROBES,
        ) {
            let probes = Probes { permits_left, admissions_left, successes_left, failures_left };
            prop_assert_eq!(Probes::unpack(probes.pack()), probes);
        }
    }

    // N5: a seat of an older lease is given back to one that has them all.
    #[test]
    fn there_are_never_more_permits_than_fit() {
        for seats in [MAX_PROBES - 1, MAX_PROBES] {
            let ended = Probes::led(seats).ended();
            assert_eq!(Probes::unpack(ended.pack()).permits_left, MAX_PROBES);
        }
    }

    #[test]
    fn what_fits_in_twenty_bits_is_exact() {
        for digits in [1_048_574, 1_048_575] {
            let open_for = Duration::from_nanos(digits);
            assert_eq!(BreakLength::at_least(open_for).duration(), open_for);
        }
    }

    #[test]
    fn the_longest_break_never_ends() {
        assert_eq!(BreakLength::at_least(Duration::MAX).nanos(), u64::MAX);
    }

    #[test]
    fn every_state_mode_is_its_state_and_mode() {
        for state_mode in StateMode::ALL {
            assert_eq!(
                StateMode::of(state_mode.state(), state_mode.mode()),
                state_mode
            );
            assert_eq!(
                Word::new(Era::new(7), state_mode, 0).state_mode(),
                state_mode
            );
        }
    }

    #[test]
    fn the_era_wraps_inside_its_bits() {
        let last = Word::new(Era::FIRST.before(1), StateMode::Closed, 0);
        let next = last.open_next(Mode::Normal, BreakLength::at_least(Duration::ZERO));
        assert_eq!((next.era(), next.state()), (Era::FIRST, State::Open));
        assert!(next.era().is_later(last.era()) && !last.era().is_later(next.era()));
        let seven = Era::new(7);
        assert!(!seven.is_later(seven) && seven.next().is_later(seven));
    }

    #[test]
    fn only_a_plain_closed_word_admits_fast() {
        let closed = Word::first(Mode::Normal);
        assert!(closed.admits_fast());
        assert!(
            closed
                .with_consecutive_failures(MAX_CONSECUTIVE_FAILURES)
                .admits_fast()
        );
        assert!(Word::first(Mode::Shadow).admits_fast());
        assert!(!Word::first(Mode::Disabled).admits_fast());
        let ramping = closed.closed_next(Mode::Normal, true);
        assert!(!ramping.admits_fast() && ramping.ramped_up().admits_fast());
        let shedding = closed
            .with_consecutive_failures(MAX_CONSECUTIVE_FAILURES)
            .with_shedding(true);
        assert!(!shedding.admits_fast() && shedding.holds_back() && !shedding.is_ramping());
        assert_eq!(shedding.consecutive_failures(), MAX_CONSECUTIVE_FAILURES);
        assert!(shedding.with_shedding(false).admits_fast());
        for state_mode in &StateMode::ALL[2..] {
            assert!(!Word::new(Era::FIRST, *state_mode, 0).admits_fast());
        }
    }
}
