//! What there is to see. Looking changes nothing (rule C5).

use super::{
    Core, Mode, ProbeCounts, State, Totals, WindowCounts,
    totals::TotalCounters,
    word::{StateMode, Word},
};

impl Core {
    /// Everything there is to see, of one era. The clock is read after the word: with an older
    /// reading, the window of the era before could look like this one's.
    pub(crate) fn view(&self, now: impl Fn() -> u64) -> View {
        loop {
            let word = self.load();
            let view = self.view_of(word, now());
            if self.load().era() == word.era() {
                return view;
            }
        }
    }

    fn view_of(&self, word: Word, now: u64) -> View {
        let since = self.facts.since(word);
        let state = word.state();
        let open = matches!(word.state_mode(), StateMode::Open | StateMode::OpenShadow);
        let probes = word.probes();
        View {
            state,
            mode: word.mode(),
            era: word.era(),
            in_state: now.saturating_sub(since),
            remaining: open.then(|| {
                let deadline = since.saturating_add(word.open_for().nanos());
                deadline.saturating_sub(now)
            }),
            attempt: self.attempt(word),
            counts: (!self.window.is_none()).then(|| self.window.counts(word.era(), now)),
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
            minimum_calls: self.tunable.read().minimum_calls,
            watches_slow: self.window.watches_slow(),
            ramp_share: self.ramp_share(word, now),
        }
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
    pub(crate) in_state: u64,
    pub(crate) remaining: Option<u64>,
    pub(crate) attempt: u32,
    pub(crate) counts: Option<WindowCounts>,
    pub(crate) minimum_calls: u64,
    pub(crate) watches_slow: bool,
    pub(crate) consecutive_failures: u64,
    pub(crate) probes: Option<ProbeCounts>,
    /// In millionths.
    pub(crate) ramp_share: u64,
}
