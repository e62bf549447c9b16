//! How one era ends and the next begins: every transition goes through [`Core::transition`].

use std::time::Duration;

use super::{
    Cause, Core, State, Transition, WindowCounts,
    numbers::Numbers,
    record::EndedCall,
    retry::Attempt::{self, Done, Lost},
    totals::TotalCounters,
    trip_cause::PackedCause,
    word::{BreakLength, StateMode, Word},
};

impl Core {
    /// Opens the era that admitted `call`, unless it is over.
    pub(super) fn trip_from(
        &self,
        call: &EndedCall,
        cause: Cause,
        length: Length,
    ) -> Option<Transition> {
        let mut claim = None;
        self.retry(|word| {
            if word.era() != call.ticket.era() {
                return Done(None);
            }
            self.try_trip(word, (cause, length), call, &mut claim)
        })
    }

    /// The same; a call that finds the era over, or left to another, is stale.
    pub(super) fn trip_or_be_stale(
        &self,
        call: &EndedCall,
        cause: Cause,
        length: Length,
    ) -> Option<Transition> {
        let opened = self.trip_from(call, cause, length);
        if opened.is_none() && !call.vetoed.get() {
            self.mark_stale(call);
        }
        opened
    }

    /// Opens, from exactly `word`. The open time is computed here, once, before the swap (C2).
    pub(super) fn open(
        &self,
        word: Word,
        cause: Cause,
        length: Length,
        numbers: &Numbers,
        now: u64,
    ) -> Attempt<Transition> {
        let attempt = self.next_attempt(word, State::Open, now);
        let attempt = self.facts.begin_attempt(word, attempt);
        let open_for = self.open_for(word, length, numbers, attempt);
        let next = word.open_next(word.mode(), open_for);
        self.transition(word, next, cause, now)
    }

    /// How long the era after `word`'s lasts, if it is open.
    pub(super) fn open_for(
        &self,
        word: Word,
        length: Length,
        numbers: &Numbers,
        attempt: u32,
    ) -> BreakLength {
        BreakLength::at_least(match length {
            Length::Exactly(time) => time,
            Length::AtLeast(floor) => {
                let time = self.backoff.open_for(numbers, attempt, word.era().next());
                time.max(floor)
            }
        })
    }

    /// The transition from exactly `word` to `next`, a word of the next era.
    pub(super) fn transition(
        &self,
        word: Word,
        next: Word,
        cause: Cause,
        now: u64,
    ) -> Attempt<Transition> {
        let attempt = self.start_era(word, next, cause, now);
        let counts = self.counts_of_trip(word, next, cause, now);
        let Done(()) = self.swap(word, next) else {
            return Lost;
        };
        if matches!(next.state_mode(), StateMode::Open | StateMode::OpenShadow) {
            self.trip_cause.note(next.era(), PackedCause::of(cause));
        }
        self.place_follows(word, next, cause);
        self.forget(next, cause);
        if next.state() == State::Open {
            self.total(TotalCounters::trip);
        }
        self.window.start_era(next.era().number(), now);
        Done(Transition {
            from: word.state(),
            to: next.state(),
            mode_before: word.mode(),
            mode: next.mode(),
            era: next.era().number(),
            cause,
            vetoed: None,
            counts,
            threshold: None,
            shed_share: 0.0,
            attempt,
            open_for: next.ends_after().map(BreakLength::duration),
        })
    }

    /// B6: what the window holds as a closed circuit opens, or as that is vetoed. A policy of the window brings the
    /// counts that it has judged by.
    fn counts_of_trip(
        &self,
        word: Word,
        next: Word,
        cause: Cause,
        now: u64,
    ) -> Option<WindowCounts> {
        let trips = next.state() == State::Open || cause == Cause::TripVetoed;
        let judged = matches!(
            cause,
            Cause::FailureRate { .. } | Cause::SlowCallRate { .. } | Cause::CustomPolicy(_)
        );
        if word.state() != State::Closed || !trips || judged || self.window.is_none() {
            return None;
        }
        Some(self.window.counts(word.era().number(), now))
    }

    /// Notes the facts of the era of `next`, which is about to begin, and returns its attempt.
    fn start_era(&self, word: Word, next: Word, cause: Cause, now: u64) -> u32 {
        self.facts.start_era(next, now);
        if cause == Cause::Recovered {
            self.facts.carry_attempt(next, self.facts.attempt(word));
        }
        match self.next_attempt(word, next.state(), now) {
            0 => 0,
            attempt => self.facts.begin_attempt(word, attempt),
        }
    }

    /// Forgets what does not outlast a close (D5).
    fn forget(&self, closed: Word, cause: Cause) {
        if closed.state() != State::Closed {
            return;
        }
        self.facts.note_closed(closed);
        if cause != Cause::Recovered {
            self.facts.forget_attempt(closed);
        }
    }

    /// Opens in a row up to and including the era of `word`; 0 in closed.
    pub(super) fn attempt(&self, word: Word) -> u32 {
        match word.state() {
            State::Closed => 0,
            State::Open | State::HalfOpen => self.facts.attempt(word),
        }
    }

    /// The attempt of the era after `word`'s, if it is in `next`. All who try to end the same era agree on it,
    /// but for the instant at which a closed circuit has lasted as long as the break before it.
    pub(super) fn next_attempt(&self, word: Word, next: State, now: u64) -> u32 {
        match (word.state(), next) {
            (_, State::Closed) => 0,
            (State::Closed, _) => 1 + self.attempts_before(word, now),
            (State::Open, _) | (_, State::HalfOpen) => self.facts.attempt(word),
            (State::HalfOpen, _) => self.facts.attempt(word).saturating_add(1),
        }
    }

    /// C2: opens in a row before the closed era of `word`, as long as that has not lasted as long as the
    /// break before it.
    fn attempts_before(&self, word: Word, now: u64) -> u32 {
        let lasted = now.saturating_sub(self.facts.since(word));
        match self.facts.carried_attempt(word) {
            Some((attempt, open_for)) if lasted < open_for.nanos() => attempt,
            _ => 0,
        }
    }
}

/// How long an open era lasts.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// As the policy says, but at least so long.
    AtLeast(Duration),
    Exactly(Duration),
}

impl Length {
    pub(super) fn of_trip(time: Option<Duration>) -> Self {
        time.map_or(Self::AtLeast(Duration::ZERO), Self::Exactly)
    }
}
