//! The core: what a circuit decides, in numbers and atomics alone.
//!
//! It knows no clock (time arrives as nanoseconds, from a closure that is called only where the
//! time matters), no requests and no listeners. Every operation returns the [`Transition`] it caused,
//! if any; telling others about it is somebody else's work.
//!
//! Every decision is one compare-and-swap of the [`Word`], made from exactly the word it was
//! computed from. A swap that fails means that another thread got on.

mod backoff;
mod config;
mod control;
mod count_window;
mod era;
mod probe;
mod stripes;
mod time_window;
mod totals;
mod tunable;
mod types;
mod window;
mod word;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

pub(crate) use self::config::{Plan, Settings, nanos};
use self::{
    backoff::Backoff,
    config::{Numbers, reaches},
    era::EraFacts,
    totals::{End, TotalCounters},
    tunable::Tunable,
    window::Window,
    word::{Break, Kind, Probes, Word},
};
pub use self::{
    backoff::{Jitter, OpenFor},
    config::ConfigError,
    totals::Totals,
    types::{Abandoned, Cause, Counts, Mode, Outcome, ProbeCounts, State, Transition},
};
use crate::sync::{AtomicU64, Ordering};

/// A custom policy (B7).
pub(crate) type Policy = Arc<dyn Fn(&Counts) -> bool + Send + Sync>;

/// The state of one circuit.
pub(crate) struct Core {
    word: AtomicU64,
    /// A copy of the number, so that admission learns with one load whether calls are timed.
    slow_after: AtomicU64,
    window: Window,
    totals: Option<TotalCounters>,
    tunable: Tunable,
    facts: EraFacts,
    ramp_turn: AtomicU64,
    backoff: Backoff,
    policy: Option<Policy>,
}

/// The right to make one call, of the era that admitted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    /// The word's tag, or that of a disabled circuit for calls that decide nothing.
    tag: u64,
    /// When it was given, in nanoseconds, or [`Permit::UNTIMED`].
    started: u64,
}

impl Permit {
    const UNTIMED: u64 = u64::MAX;

    fn new(word: Word) -> Self {
        Self {
            tag: word.tag(),
            started: Self::UNTIMED,
        }
    }

    /// A permit that enters the totals only.
    fn pass() -> Self {
        Self::new(Word::first(Mode::Disabled))
    }

    /// What is left of a permit that has been used. No permit is ever given in forced open.
    const SPENT: Self = Self {
        tag: Kind::ForcedOpen as u64,
        started: Self::UNTIMED,
    };

    /// The permit, once.
    pub(crate) fn take(&mut self) -> Option<Self> {
        let permit = std::mem::replace(self, Self::SPENT);
        (permit.tag != Self::SPENT.tag).then_some(permit)
    }

    fn word(self) -> Word {
        Word::from_bits(self.tag)
    }

    fn era(self) -> u64 {
        self.word().era()
    }

    fn is_pass(self) -> bool {
        self.word().kind() == Kind::Disabled
    }

    fn is_probe(self) -> bool {
        self.word().state() == State::HalfOpen
    }

    /// How long the call has run, if it is timed.
    fn elapsed(self, now: impl FnOnce() -> u64) -> Option<u64> {
        (self.started != Self::UNTIMED).then(|| now().saturating_sub(self.started))
    }
}

/// Why a call is not admitted (C3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nanoseconds until the break is over.
    Open(u64),
    /// Nanoseconds until the probes time out.
    HalfOpenFull(u64),
    ForcedOpen,
    Ramping,
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
    pub(crate) counts: Option<Counts>,
    pub(crate) streak: u64,
    pub(crate) probes: Option<ProbeCounts>,
    /// In millionths.
    pub(crate) ramp_share: u64,
}

const WHOLE: u64 = 1_000_000;

impl Core {
    /// A circuit that begins at `now`.
    pub(crate) fn new(plan: Plan, extras: Extras, now: u64) -> Self {
        let Plan {
            window,
            numbers,
            open_for,
        } = plan;
        let watch_slow = numbers.slow_after > 0;
        Self {
            word: AtomicU64::new(Word::first(extras.mode).bits()),
            slow_after: AtomicU64::new(numbers.slow_after),
            window: Window::new(window, watch_slow),
            totals: extras.totals.then(TotalCounters::new),
            tunable: Tunable::new(numbers),
            facts: EraFacts::new(now),
            ramp_turn: AtomicU64::new(0),
            backoff: Backoff {
                function: open_for,
                seed: extras.seed,
            },
            policy: extras.policy,
        }
    }

    /// Acquire: pairs with the release of every swap; whoever sees a word sees all that was
    /// written before it, the facts of its era above all.
    fn load(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// The one swap. Release publishes the facts of the new era with the word.
    fn swap(&self, old: Word, new: Word) -> bool {
        self.word
            .compare_exchange(old.bits(), new.bits(), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    pub(crate) fn state(&self) -> State {
        self.load().state()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.load().mode()
    }

    // ---- admission -------------------------------------------------------------------------

    /// Admits a call or says why not. Whoever is admitted must see the permit to its end.
    #[inline]
    pub(crate) fn admit(
        &self,
        now: impl Fn() -> u64,
        change: &mut Option<Transition>,
    ) -> Result<Permit, Refusal> {
        let word = self.load();
        if !word.admits_freely() {
            return self.admit_slowly(word, now(), change);
        }
        let mut permit = Permit::new(word);
        // Relaxed: a number of its own; calls that race with its change may be timed or not.
        if self.slow_after.load(Ordering::Relaxed) != 0 {
            permit.started = now();
        }
        Ok(permit)
    }

    #[cold]
    fn admit_slowly(
        &self,
        seen: Word,
        now: u64,
        change: &mut Option<Transition>,
    ) -> Result<Permit, Refusal> {
        let mut word = seen;
        let refusal = loop {
            match self.try_admit(word, now, change) {
                Some(Ok(permit)) => {
                    return Ok(Permit {
                        started: now,
                        ..permit
                    });
                }
                Some(Err(refusal)) => break refusal,
                None => word = self.load(),
            }
        };
        // E1: shadow lets the call pass, without a permit.
        if word.mode() == Mode::Shadow {
            self.total(TotalCounters::shadowed);
            return Ok(Permit::pass());
        }
        self.total(TotalCounters::rejected);
        Err(refusal)
    }

    /// One try, from one word; `None` if the word has changed meanwhile.
    fn try_admit(
        &self,
        word: Word,
        now: u64,
        change: &mut Option<Transition>,
    ) -> Option<Result<Permit, Refusal>> {
        match word.kind() {
            Kind::Disabled => Some(Ok(Permit::pass())),
            Kind::Closed | Kind::ClosedShadow => self.admit_closed(word, now),
            Kind::ForcedOpen => Some(Err(Refusal::ForcedOpen)),
            Kind::Open | Kind::OpenShadow => self.admit_open(word, now, change),
            Kind::HalfOpen | Kind::HalfOpenShadow => self.admit_probe(word, now, change),
        }
    }

    /// D6: the admitted share of a ramp grows with the time since closing.
    fn admit_closed(&self, word: Word, now: u64) -> Option<Result<Permit, Refusal>> {
        let share = self.ramp_share(word, now);
        if share >= WHOLE {
            // The ramp is over: once somebody has said so, nobody looks at the clock for it again.
            return (!word.is_ramping() || self.swap(word, word.ramped_up()))
                .then(|| Ok(Permit::new(word)));
        }
        // Relaxed: the turns only have to differ.
        let turn = self.ramp_turn.fetch_add(1, Ordering::Relaxed);
        Some(if spread(turn) < share {
            Ok(Permit::new(word))
        } else {
            Err(Refusal::Ramping)
        })
    }

    /// The share of calls a closed circuit admits, in millionths.
    fn ramp_share(&self, word: Word, now: u64) -> u64 {
        if !word.is_ramping() {
            return WHOLE;
        }
        let numbers = self.tunable.read();
        let elapsed = now.saturating_sub(self.facts.since(word));
        if elapsed >= numbers.ramp {
            return WHOLE;
        }
        let grown = u128::from(WHOLE - numbers.ramp_from) * u128::from(elapsed);
        let grown = grown / u128::from(numbers.ramp);
        numbers.ramp_from + u64::try_from(grown).unwrap_or(WHOLE)
    }

    /// C1: at exactly the end of the break, the call becomes the first probe, in the swap that ends
    /// it.
    fn admit_open(
        &self,
        word: Word,
        now: u64,
        change: &mut Option<Transition>,
    ) -> Option<Result<Permit, Refusal>> {
        let remaining = self.break_remaining(word, now)?;
        if remaining > 0 {
            return Some(Err(Refusal::Open(remaining)));
        }
        let numbers = self.tunable.read();
        let probes = Probes::new(numbers.permits, numbers.successes, numbers.of);
        // Never `None`: there is at least one permit and one probe.
        let probes = probes.admit().unwrap_or(probes);
        let next = word.half_open_next(word.mode(), probes);
        self.facts
            .begin_patience(next, numbers.patience(word.open_for()));
        self.facts.stamp_probe(now);
        *change = Some(self.turn(word, next, Cause::BreakOver, now)?);
        Some(Ok(Permit::new(next)))
    }

    /// D1, D4.
    fn admit_probe(
        &self,
        word: Word,
        now: u64,
        change: &mut Option<Transition>,
    ) -> Option<Result<Permit, Refusal>> {
        if let Some(probes) = word.probes().admit() {
            self.facts.stamp_probe(now);
            let admitted = self.swap(word, word.with_probes(probes));
            return admitted.then(|| Ok(Permit::new(word)));
        }
        self.time_out(word, now, change).map(Err)
    }

    /// D4: half-open and full. If the probes have timed out, the circuit opens again.
    fn time_out(&self, word: Word, now: u64, change: &mut Option<Transition>) -> Option<Refusal> {
        let remaining = self.probes_remaining(word, now)?;
        if remaining > 0 {
            return Some(Refusal::HalfOpenFull(remaining));
        }
        let opened = self.open(word, Cause::ProbesTimedOut, Length::Policy(0), now)?;
        *change = Some(opened);
        Some(Refusal::Open(opened.open_for.map_or(0, nanos)))
    }

    /// Nanoseconds until the break of `word` is over; `None` if its era is.
    fn break_remaining(&self, word: Word, now: u64) -> Option<u64> {
        let deadline = self
            .facts
            .since(word)
            .saturating_add(word.open_for().nanos());
        // F7: the instant is this era's if the era still stands.
        (self.load().era() == word.era()).then(|| deadline.saturating_sub(now))
    }

    /// Nanoseconds until the probes of `word` time out; `None` if its era is over.
    fn probes_remaining(&self, word: Word, now: u64) -> Option<u64> {
        let deadline = self.facts.probes_deadline();
        (self.load().era() == word.era()).then(|| deadline.saturating_sub(now))
    }

    /// Whether a call would be rejected now, and why. Changes nothing (C5): what a call would do
    /// about timed-out probes is left to the call.
    #[inline]
    pub(crate) fn refusal(&self, now: impl Fn() -> u64) -> Option<Refusal> {
        let word = self.load();
        if word.admits_freely() {
            return None;
        }
        self.refusal_slowly(word, now)
    }

    #[cold]
    fn refusal_slowly(&self, seen: Word, now: impl Fn() -> u64) -> Option<Refusal> {
        let mut word = seen;
        loop {
            let remaining = match word.kind() {
                Kind::ForcedOpen => return Some(Refusal::ForcedOpen),
                Kind::Open => self.break_remaining(word, now()).map(Refusal::Open),
                Kind::HalfOpen if word.probes().admit().is_none() => self
                    .probes_remaining(word, now())
                    .map(Refusal::HalfOpenFull),
                // A ramp chooses among calls; whether it takes this one is known when it comes.
                _ => return None,
            };
            match remaining {
                Some(Refusal::Open(0)) => return None,
                Some(refusal) => return Some(refusal),
                None => word = self.load(),
            }
        }
    }

    /// The word as it stands, to be handed back to [`Core::fail_ready`].
    pub(crate) fn seen(&self) -> u64 {
        self.load().bits()
    }

    /// A6: readiness failed. The failure belongs to the era that was seen before readiness was
    /// asked for; where a call would have been a probe, a probe is admitted and fails.
    #[cold]
    pub(crate) fn fail_ready(&self, seen: u64, now: u64, mut tell: impl FnMut(Transition)) {
        let seen = Word::from_bits(seen);
        let Some(permit) = self.admit_failure(seen, now, &mut tell) else {
            return;
        };
        self.count_end(End::Failed, false);
        let verdict = Verdict::Failure {
            slow: false,
            floor: 0,
        };
        if let Some(change) = self.apply(permit, verdict, now) {
            tell(change);
        }
    }

    fn admit_failure(
        &self,
        seen: Word,
        now: u64,
        tell: &mut impl FnMut(Transition),
    ) -> Option<Permit> {
        loop {
            let word = self.load();
            if word.era() != seen.era() {
                return None;
            }
            let full = word.state() == State::HalfOpen && word.probes().admit().is_none();
            if full || word.kind() == Kind::ForcedOpen {
                return None;
            }
            if word.state() == State::Closed {
                return Some(Permit::new(word));
            }
            let mut change = None;
            let admission = self.try_admit(word, now, &mut change);
            change.into_iter().for_each(&mut *tell);
            if let Some(admission) = admission {
                return admission.ok();
            }
        }
    }

    /// Rejects a call for which `noted` was found when the word was `seen`. While the word stands,
    /// what was found holds and the clock is not read again.
    pub(crate) fn reject(
        &self,
        noted: Refusal,
        seen: u64,
        now: impl Fn() -> u64,
        change: &mut Option<Transition>,
    ) -> Refusal {
        self.total(TotalCounters::rejected);
        let word = self.load();
        if word.bits() == seen && !matches!(noted, Refusal::HalfOpenFull(_)) {
            return noted;
        }
        let full = word.state() == State::HalfOpen && word.probes().admit().is_none();
        let timed_out = full.then(|| self.time_out(word, now(), change)).flatten();
        timed_out.or_else(|| self.refusal(now)).unwrap_or(noted)
    }

    // ---- the end of a call -----------------------------------------------------------------

    /// Records what an admitted call came to. `answered` tells a response from an error.
    #[inline]
    pub(crate) fn record(
        &self,
        permit: Permit,
        outcome: Outcome,
        answered: bool,
        now: impl Fn() -> u64,
    ) -> Option<Transition> {
        let untimed = permit.started == Permit::UNTIMED;
        if untimed && outcome == Outcome::Success && self.record_success(permit, &now) {
            return None;
        }
        let proves = outcome == Outcome::Ignored && answered && self.takes_ignored(permit);
        let outcome = if proves { Outcome::Success } else { outcome };
        self.record_slowly(permit, outcome, now)
    }

    /// The usual case: an untimed success of a closed circuit with nothing to forget. Returns
    /// whether it was that.
    #[inline]
    fn record_success(&self, permit: Permit, now: impl FnOnce() -> u64) -> bool {
        // Equal: the same era, closed, no streak, no ramp. A half-open word never equals a permit,
        // because it always needs another success.
        if permit.is_pass() || self.load().bits() != permit.tag {
            return false;
        }
        self.window.record_plain(permit.era(), now);
        if let Some(totals) = &self.totals {
            totals.end(End::Successful);
        }
        true
    }

    #[cold]
    fn record_slowly(
        &self,
        permit: Permit,
        outcome: Outcome,
        now: impl Fn() -> u64,
    ) -> Option<Transition> {
        let now = now();
        let slow = self.is_slow(permit, now);
        let verdict = Verdict::of(outcome, slow);
        self.count_end(verdict.end(), slow);
        self.apply(permit, verdict, now)
    }

    /// A3: strictly longer.
    fn is_slow(&self, permit: Permit, now: u64) -> bool {
        let slow_after = self.slow_after.load(Ordering::Relaxed);
        let longer = |elapsed| elapsed > slow_after;
        slow_after != 0 && permit.elapsed(|| now).is_some_and(longer)
    }

    /// The call was dropped before its outcome was known (A4). `answered` says that the head of the
    /// response had come: such a call is not slow, whatever else it is.
    pub(crate) fn abandon(
        &self,
        permit: Permit,
        answered: bool,
        now: impl Fn() -> u64,
    ) -> Option<Transition> {
        let now = now();
        let failed = match self.tunable.read().abandoned {
            Abandoned::Ignore => false,
            Abandoned::Failure => true,
            Abandoned::FailureIfSlow => !answered && self.is_overdue(permit, now),
        };
        let slow = failed && self.is_slow(permit, now);
        self.count_end(if failed { End::Failed } else { End::Abandoned }, slow);
        let verdict = if failed {
            Verdict::Failure { slow, floor: 0 }
        } else {
            Verdict::Ignored
        };
        self.apply(permit, verdict, now)
    }

    /// Whether a call without an answer has run for so long that it counts as a slow failure.
    fn is_overdue(&self, permit: Permit, now: u64) -> bool {
        if self.slow_after.load(Ordering::Relaxed) != 0 || !permit.is_probe() {
            return self.is_slow(permit, now);
        }
        let patience = self.facts.patience().nanos();
        permit
            .elapsed(|| now)
            .is_some_and(|elapsed| elapsed > patience)
    }

    fn count_end(&self, end: End, slow: bool) {
        let Some(totals) = &self.totals else {
            return;
        };
        totals.end(end);
        if slow && matches!(end, End::Successful | End::Failed) {
            totals.slow();
        }
    }

    fn total(&self, count: impl FnOnce(&TotalCounters)) {
        if let Some(totals) = &self.totals {
            count(totals);
        }
    }

    /// What a verdict does to the era that admitted the call; to any other, nothing (C4).
    fn apply(&self, permit: Permit, verdict: Verdict, now: u64) -> Option<Transition> {
        if permit.is_pass() {
            return None;
        }
        if self.load().era() != permit.era() {
            self.total(TotalCounters::stale);
            return None;
        }
        if permit.is_probe() {
            return self.apply_probe(permit, verdict, now);
        }
        match verdict {
            Verdict::Ignored => None,
            Verdict::Trip { open_for } => {
                self.trip_from(permit, Cause::TripNow, Length::of_trip(open_for), now)
            }
            Verdict::Success { slow } => {
                self.end_streak(permit);
                self.apply_to_window(permit, false, slow, 0, now)
            }
            Verdict::Failure { slow, floor } => self
                .apply_to_window(permit, true, slow, floor, now)
                .or_else(|| self.extend_streak(permit, floor, now)),
        }
    }

    /// B4, B7.
    fn apply_to_window(
        &self,
        permit: Permit,
        failed: bool,
        slow: bool,
        floor: u64,
        now: u64,
    ) -> Option<Transition> {
        if !failed && !slow {
            self.window.record_plain(permit.era(), || now);
            return None;
        }
        if self.window.is_none() {
            return None;
        }
        let counts = self.window.record_marked(permit.era(), now, failed, slow);
        let cause = self.judge(&counts)?;
        self.trip_from(permit, cause, Length::Policy(floor), now)
    }

    fn judge(&self, counts: &Counts) -> Option<Cause> {
        let numbers = self.tunable.read();
        let Counts {
            calls,
            failed,
            slow,
        } = *counts;
        if calls < numbers.minimum_calls {
            return None;
        }
        if numbers.failure_rate > 0 && reaches(failed, calls, numbers.failure_rate) {
            return Some(Cause::FailureRate { failed, calls });
        }
        if numbers.slow_rate > 0 && reaches(slow, calls, numbers.slow_rate) {
            return Some(Cause::SlowCallRate { slow, calls });
        }
        let policy = self.policy.as_ref()?;
        // B7: a panicking policy does not trip and harms nobody.
        let trips = catch_unwind(AssertUnwindSafe(|| policy(counts))).unwrap_or(false);
        trips.then_some(Cause::CustomPolicy(*counts))
    }

    /// B1: a success.
    fn end_streak(&self, permit: Permit) {
        let mut word = self.load();
        while word.era() == permit.era() && word.streak() > 0 {
            if self.swap(word, word.with_streak(0)) {
                return;
            }
            word = self.load();
        }
    }

    /// B1: a failure. The n-th in a row is never written down; it is the trip.
    fn extend_streak(&self, permit: Permit, floor: u64, now: u64) -> Option<Transition> {
        let threshold = self.tunable.read().consecutive;
        if threshold == 0 {
            return None;
        }
        loop {
            let word = self.load();
            if word.era() != permit.era() {
                self.total(TotalCounters::stale);
                return None;
            }
            let streak = word.streak() + 1;
            if streak >= threshold {
                let cause = Cause::ConsecutiveFailures(streak);
                let opened = self.open(word, cause, Length::Policy(floor), now);
                if opened.is_some() {
                    return opened;
                }
            } else if self.swap(word, word.with_streak(streak)) {
                return None;
            }
        }
    }

    /// Opens the era of `permit`, unless it is over.
    fn trip_from(
        &self,
        permit: Permit,
        cause: Cause,
        length: Length,
        now: u64,
    ) -> Option<Transition> {
        loop {
            let word = self.load();
            if word.era() != permit.era() {
                return None;
            }
            let opened = self.open(word, cause, length, now);
            if opened.is_some() {
                return opened;
            }
        }
    }

    // ---- transitions -----------------------------------------------------------------------

    /// Opens, from exactly `word`. The open time is computed here, once, before the swap (C2).
    fn open(&self, word: Word, cause: Cause, length: Length, now: u64) -> Option<Transition> {
        let next = word.open_next(word.mode(), Break::at_least(Duration::ZERO));
        let open_for = match length {
            Length::Exactly(time) => Duration::from_nanos(time),
            Length::Policy(floor) => {
                let numbers = self.tunable.read();
                let attempt = self.next_attempt(word, State::Open);
                let time = self.backoff.open_for(&numbers, attempt, next.era());
                time.max(Duration::from_nanos(floor))
            }
        };
        let next = word.open_next(word.mode(), Break::at_least(open_for));
        self.turn(word, next, cause, now)
    }

    /// The transition from exactly `word` to `next`, a word of the next era.
    fn turn(&self, word: Word, next: Word, cause: Cause, now: u64) -> Option<Transition> {
        let attempt = self.next_attempt(word, next.state());
        self.facts.begin(next, now);
        if attempt > 0 {
            self.facts.begin_attempt(next, attempt);
        }
        if !self.swap(word, next) {
            return None;
        }
        if next.state() == State::Closed {
            self.window.enter(next.era());
        }
        Some(Transition {
            from: word.state(),
            to: next.state(),
            mode_before: word.mode(),
            mode: next.mode(),
            era: next.era(),
            cause,
            attempt,
            open_for: matches!(next.kind(), Kind::Open | Kind::OpenShadow)
                .then(|| next.open_for().duration()),
        })
    }

    /// The attempt of the era after `word`'s, if it is in `next`. It follows from `word` alone, so
    /// all who try to end the same era agree on it.
    fn next_attempt(&self, word: Word, next: State) -> u32 {
        match (word.state(), next) {
            (_, State::Closed) => 0,
            (State::Closed, _) => 1,
            (State::Open, _) => self.facts.attempt(word),
            (State::HalfOpen, _) => self.facts.attempt(word).saturating_add(1),
        }
    }

    // ---- looking ---------------------------------------------------------------------------

    /// Everything there is to see, of one era.
    pub(crate) fn view(&self, now: u64) -> View {
        loop {
            let word = self.load();
            let view = self.view_of(word, now);
            if self.load().era() == word.era() {
                return view;
            }
        }
    }

    fn view_of(&self, word: Word, now: u64) -> View {
        let since = self.facts.since(word);
        let state = word.state();
        let open = matches!(word.kind(), Kind::Open | Kind::OpenShadow);
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
            attempt: match state {
                State::Closed => 0,
                State::Open | State::HalfOpen => self.facts.attempt(word),
            },
            counts: (!self.window.is_none()).then(|| self.window.counts(word.era(), now)),
            streak: if state == State::Closed {
                word.streak()
            } else {
                0
            },
            probes: (state == State::HalfOpen).then(|| ProbeCounts {
                in_flight: probes.in_flight(),
                permits: probes.permits(),
                successes_needed: probes.need,
                failures_allowed: probes.spare,
            }),
            ramp_share: self.ramp_share(word, now),
        }
    }

    pub(crate) fn totals(&self) -> Option<Totals> {
        self.totals.as_ref().map(TotalCounters::read)
    }
}

/// What a circuit is built from beside its settings.
pub(crate) struct Extras {
    pub(crate) mode: Mode,
    pub(crate) totals: bool,
    pub(crate) seed: u64,
    pub(crate) policy: Option<Policy>,
}

/// How long an open era lasts.
#[derive(Clone, Copy)]
enum Length {
    /// As the policy says, but at least so long.
    Policy(u64),
    Exactly(u64),
}

impl Length {
    fn of_trip(time: Option<u64>) -> Self {
        time.map_or(Self::Policy(0), Self::Exactly)
    }
}

/// An outcome, with its speed.
#[derive(Clone, Copy)]
enum Verdict {
    Success { slow: bool },
    Failure { slow: bool, floor: u64 },
    Ignored,
    Trip { open_for: Option<u64> },
}

impl Verdict {
    fn of(outcome: Outcome, slow: bool) -> Self {
        match outcome {
            Outcome::Success => Self::Success { slow },
            Outcome::Failure => Self::Failure { slow, floor: 0 },
            Outcome::FailureRetryAfter(floor) => Self::Failure {
                slow,
                floor: nanos(floor),
            },
            Outcome::Ignored => Self::Ignored,
            Outcome::TripNow => Self::Trip { open_for: None },
            Outcome::TripFor(time) => Self::Trip {
                open_for: Some(nanos(time)),
            },
        }
    }

    fn end(self) -> End {
        match self {
            Self::Success { .. } => End::Successful,
            Self::Failure { .. } | Self::Trip { .. } => End::Failed,
            Self::Ignored => End::Ignored,
        }
    }
}

impl Numbers {
    /// D4: how long half-open waits for its probes. Where nothing is said, the longer of the break
    /// and 30 s, so that a dependency slower than the break can still prove itself.
    fn patience(&self, open_for: Break) -> Duration {
        if self.half_open_timeout > 0 {
            return Duration::from_nanos(self.half_open_timeout);
        }
        open_for.duration().max(Duration::from_secs(30))
    }
}

/// The `turn`-th of a sequence that fills 0..1,000,000 evenly: multiples of the golden ratio.
fn spread(turn: u64) -> u64 {
    let fraction = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u64::try_from(u128::from(fraction) * u128::from(WHOLE) >> 64).unwrap_or(0)
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.load();
        f.debug_struct("Core")
            .field("state", &word.state())
            .field("mode", &word.mode())
            .field("era", &word.era())
            .finish_non_exhaustive()
    }
}
