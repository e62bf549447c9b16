//! What there is to see. Looking changes nothing (rule C5).

use std::time::Duration;

use super::{
    Core, Mode, Nanos, ProbeCounts, State, Totals, WindowCounts, totals::TotalCounters, word::Word,
};
#[cfg(feature = "registry")]
use super::{WHOLE, retry::Attempt, word::StateMode};

/// The break itself and three more.
#[cfg(feature = "registry")]
const BREAKS_UNTIL_FORGOTTEN: u64 = 4;

impl Core {
    /// Everything there is to see, of one era. The clock is read after the word:
    /// [`EraFacts`](super::EraFacts) says why.
    pub(crate) fn view(&self, now: impl Fn() -> u64) -> View {
        self.retry(|word| self.read_in_era(word, self.view_of(word, now())))
    }

    /// The number of the era.
    pub(crate) fn era(&self) -> u64 {
        self.load().era().number()
    }

    /// The state in which a call now finds it: forced open for a time that is over is closed (E2).
    #[cfg(feature = "registry")]
    pub(crate) fn state_found(&self, now: impl Fn() -> u64) -> State {
        self.retry(|word| match word.forced_for() {
            None => Attempt::Done(word.state()),
            Some(_) => self
                .forced_remaining(word, now())
                .map(|left| match left.is_zero() {
                    true => State::Closed,
                    false => word.state(),
                }),
        })
    }

    /// When this era began, if it is the one that holds.
    pub(crate) fn began(&self, era: u64) -> Option<u64> {
        let word = self.load();
        let since = self.facts.since(word);
        let is_it = |word: Word| word.era().number() == era;
        (is_it(word) && is_it(self.load())).then_some(since)
    }

    fn view_of(&self, word: Word, now: u64) -> View {
        // Before the facts of the era: its fence would otherwise hide it if one of them were read without acquire.
        let minimum_calls = self.tunable.read().minimum_calls;
        let since = self.facts.since(word);
        let state = word.state();
        let probes = word.probes();
        let remaining = word.ends_after().map(|length| {
            let deadline = since.saturating_add(length.nanos());
            Nanos::between(now, deadline).duration()
        });
        let is_released = word.forced_for().is_some() && remaining == Some(Duration::ZERO);
        let view = View {
            state,
            mode: word.mode(),
            era: word.era().number(),
            in_state: Nanos::between(since, now).duration(),
            remaining,
            released_to: is_released.then(|| word.mode_before_forced()),
            attempt: self.attempt(word),
            counts: (!self.window.is_none()).then(|| self.window.counts(word.era().number(), now)),
            consecutive_failures: if state == State::Closed {
                word.consecutive_failures()
            } else {
                0
            },
            probes: (state == State::HalfOpen).then(|| ProbeCounts {
                in_flight: probes.in_flight(),
                permits: probes.permits(),
                successes_needed: probes.successes_left,
                failures_allowed: probes.failures_left,
            }),
            minimum_calls,
            watches_slow: self.window.watches_slow(),
            ramp_share: self.ramp_share(word, now),
            shed_share: self.shed_share(word, now),
        };
        self.show_led(word, view)
    }

    /// Whether nothing but its totals, the number of its era and its settings tell it from a circuit that was just
    /// built in this mode.
    #[cfg(feature = "registry")]
    pub(crate) fn is_like_new(&self, mode: Mode, now: u64) -> bool {
        let word = self.load();
        (word.state(), word.mode()) == (State::Closed, mode)
            && word.consecutive_failures() == 0
            && self.ramp_share(word, now) == WHOLE
            && self.next_attempt(word, State::Open, now) == 1
            && (self.window.is_none() || self.window.counts(word.era().number(), now).calls == 0)
    }

    /// How often its settings were changed.
    pub(crate) fn settings_version(&self) -> u64 {
        self.tunable.version()
    }

    /// Whether it is open, and nobody has called for three breaks after the one that it had to wait for.
    #[cfg(feature = "registry")]
    pub(crate) fn is_forgotten(&self, now: u64) -> bool {
        let word = self.load();
        let open_for = word.open_for().nanos();
        word.state_mode() == StateMode::Open
            && self.held(word, now) == Attempt::Done(None)
            && now.saturating_sub(self.facts.since(word))
                >= open_for.saturating_mul(BREAKS_UNTIL_FORGOTTEN)
    }

    pub(crate) fn totals(&self) -> Option<Totals> {
        self.totals.as_ref().map(TotalCounters::read)
    }
}

/// What a person sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) state: State,
    pub(crate) mode: Mode,
    pub(crate) era: u64,
    pub(crate) in_state: Duration,
    pub(crate) remaining: Option<Duration>,
    /// The mode in which the next call finds it closed, if it is forced open for a time that is over.
    pub(crate) released_to: Option<Mode>,
    pub(crate) attempt: u32,
    pub(crate) counts: Option<WindowCounts>,
    pub(crate) minimum_calls: u64,
    pub(crate) watches_slow: bool,
    pub(crate) consecutive_failures: u64,
    pub(crate) probes: Option<ProbeCounts>,
    /// In millionths.
    pub(crate) ramp_share: u64,
    /// In millionths.
    pub(crate) shed_share: u64,
}
