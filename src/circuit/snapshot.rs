//! What a person sees of a circuit.

use std::time::Duration;

use super::{
    by::By, followed::FleetNow, latest::Latest, name::Name, parts::Parts, settings::share,
};
use crate::machine::{
    Cause, Durations, Era, Mode, ProbeCounts, State, Threshold, Totals, Transition, View,
    WindowCounts,
};

/// What there is to see of a circuit, at one instant. Looking changes nothing (rule C5).
///
/// State, era and times belong together: they are of one era (F7). The counts of the window are exact when no call is
/// in flight (F5).
///
/// Its `Display` is one line for a person, and may be worded differently in a later release. For a circuit with
/// `.failure_rate(0.5).minimum_calls(10).open_for(Duration::from_secs(5))`:
///
/// ```text
/// payments: open for 3.2 s, next probe in 1.8 s; opened: 7 of 10 calls failed (70 %, threshold 50 %)
/// ```
///
/// After a failed probe, the line says:
/// `opened again: a probe failed; the outage began 42 s ago: 7 of 10 calls failed (70 %, threshold 50 %)`.
///
/// The tags are not in here. Use [`Circuit::tags`](crate::Circuit::tags).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The circuit's name.
    pub name: Name,
    /// What the circuit does with calls; in shadow mode, what it would do.
    pub state: State,
    /// Who decides: the circuit or a person.
    pub mode: Mode,
    /// How many transitions there have been: the number of the era (elsewhere: generation).
    pub era: u64,
    /// How long the circuit has been in its state: in this break, not in the whole [outage](Self::outage).
    pub time_in_state: Duration,
    /// What is left of the break, or of the time for which the circuit is [forced
    /// open](crate::Circuit::force_open_for). Zero once that is over. `None` if a person has to end it, and if the
    /// circuit is not open.
    pub remaining: Option<Duration>,
    /// How long ago the circuit left closed, for whatever cause. `None` while it is closed. If it was
    /// [restored](crate::CircuitBuilder::restore) open: since it was built. While transitions are just being told, it
    /// may be as short as `time_in_state`.
    pub outage: Option<Duration>,
    /// How many times in a row the circuit has opened; 0 in closed. The count ends once closed has lasted as long as
    /// the last break (rule C2).
    pub attempt: u32,
    /// How the circuit last opened, also after it has closed. `None` if it has not opened since it was built. How the
    /// outage [began](Trip::began) is in it.
    ///
    /// While a trip is just happening, this may be the one before it. Compare its era.
    pub last_trip: Option<Trip>,
    /// Who made the break or the mode that holds, and why. `None` unless somebody did so by hand and [said
    /// so](crate::Circuit::force_open_as). For a mode it stays until the mode is changed; normal mode has nobody.
    pub by: Option<By>,
    /// Failures in a row, if those are counted. 0 unless closed.
    pub consecutive_failures: u64,
    /// What the window holds now, if there is one. Empty unless closed, because every era has a window of its own. For
    /// what it held at the trip, see `last_trip`.
    pub window: Option<WindowCounts>,
    /// The probes. `None` unless half-open.
    pub probes: Option<ProbeCounts>,
    /// The share of calls that is admitted while closed, in `0..=1`. Below 1 only while ramping.
    pub ramp_share: f64,
    /// The share of calls that is refused while closed, because so many fail, in `0..1` (rule B9). 0 unless the circuit
    /// [sheds](crate::CircuitBuilder::shed). In shadow mode, the share that would be refused.
    #[doc(alias = "RejectionRate")]
    pub shed_share: f64,
    /// What became of all calls. `None` if totals are turned off.
    pub totals: Option<Totals>,
    /// How long calls have taken. `None` unless [durations](crate::CircuitBuilder::durations) are turned on.
    pub durations: Option<Durations>,
    /// What there is around the circuit besides its breaker, and what came of it. `None` if there is nothing.
    pub parts: Option<Parts>,
    /// How its fleet stands. `None` unless it is [shared](crate::CircuitBuilder::shared) and belongs to a fleet. If it
    /// is shared and belongs to none, its printed line says so.
    pub fleet: Option<FleetNow>,
    /// Whether it is set, with a fleet or without.
    pub(super) is_shared: bool,
    minimum_calls: u64,
    released_to: Option<Mode>,
    pub(super) watches_slow: bool,
}

impl Snapshot {
    pub(crate) fn new(
        name: Name,
        (view, now): (View, u64),
        latest: &Latest,
        (totals, durations): (Option<Totals>, Option<Durations>),
        parts: Option<Parts>,
        (fleet, is_shared): (Option<FleetNow>, bool),
    ) -> Self {
        Self {
            name,
            state: view.state,
            mode: view.mode,
            era: view.era,
            time_in_state: view.in_state,
            remaining: view.remaining,
            outage: latest.outage(&view, now),
            attempt: view.attempt,
            last_trip: latest.trip,
            by: latest.by(&view),
            consecutive_failures: view.consecutive_failures,
            window: view.counts,
            probes: view.probes,
            ramp_share: share(view.ramp_share),
            shed_share: share(view.shed_share),
            totals,
            durations,
            parts,
            fleet,
            is_shared,
            minimum_calls: view.minimum_calls,
            released_to: view.released_to,
            watches_slow: view.watches_slow,
        }
    }

    /// Which calls [`failure_rate`](Self::failure_rate) and [`slow_call_rate`](Self::slow_call_rate) are of: those in
    /// the window now, or those that were in it at the trip.
    #[must_use]
    pub fn rates_of(&self) -> RatesOf {
        match self.state {
            State::Closed => RatesOf::Now,
            State::Open | State::HalfOpen => RatesOf::Trip,
        }
    }

    /// The share of failures, in `0..=1`. While closed, it is of the calls in the window. While open and half-open, it
    /// is of the calls that were in it when the circuit last left closed. [`rates_of`](Self::rates_of) says which.
    ///
    /// The counts themselves are in `window` and `last_trip`. `None` if
    ///
    /// * there is no window;
    /// * these are fewer calls than [`minimum_calls`](crate::CircuitBuilder::minimum_calls), as it is now;
    /// * the circuit is disabled;
    /// * it was [restored](crate::CircuitBuilder::restore) open and has not closed since;
    /// * it is opening at this instant.
    ///
    /// ```
    /// # use tower_breaker::{Circuit, observe::RatesOf};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments").failure_rate(0.5).minimum_calls(4).build()?;
    /// for _ in 0..2 {
    ///     circuit.try_acquire().expect("closed").success();
    /// }
    /// for _ in 0..2 {
    ///     circuit.try_acquire().expect("closed").failure();
    /// }
    /// let open = circuit.snapshot();
    /// assert_eq!((open.failure_rate(), open.rates_of()), (Some(0.5), RatesOf::Trip));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        self.rated().map(|counts| counts.failure_rate())
    }

    /// The share of slow calls, in `0..=1`, of the same calls as [`failure_rate`](Self::failure_rate).
    ///
    /// `None` if that is `None`, or if the circuit was built without a
    /// [`slow_call_duration`](crate::CircuitBuilder::slow_call_duration). If that was set
    /// [later](crate::Circuit::reconfigure), calls can be slow, but the window has no room to count them.
    #[must_use]
    pub fn slow_call_rate(&self) -> Option<f64> {
        let counts = self.rated().filter(|_| self.watches_slow);
        counts.map(|counts| counts.slow_call_rate())
    }

    /// The counts behind the rates, if they are enough for rates.
    pub(super) fn rated(&self) -> Option<WindowCounts> {
        let enough = self.minimum_calls.max(1);
        self.rate_counts().filter(|counts| counts.calls >= enough)
    }

    /// The counts behind the rates, however few they are.
    pub(crate) fn rate_counts(&self) -> Option<WindowCounts> {
        match self.rates_of() {
            RatesOf::Now => self.window,
            RatesOf::Trip => self.trip().and_then(|trip| trip.counts),
        }
    }

    /// The trip that has made it open or half-open, if that has been told by now.
    pub(crate) fn trip(&self) -> Option<Trip> {
        let eras_since = match self.state {
            State::Closed => return None,
            State::Open => 0,
            State::HalfOpen => 1,
        };
        self.last_trip
            .filter(|trip| trip.is_exactly_before(self.era, eras_since))
    }

    /// Whether it is forced open for a time that is over: the next call closes it.
    #[cfg(feature = "admin")]
    pub(crate) fn is_released(&self) -> bool {
        self.released_to.is_some()
    }

    /// As the next call finds it, if it is forced open for a time that is over: closed and cleared, in the mode before
    /// (E2).
    #[cfg(feature = "registry")]
    pub(crate) fn into_found(self) -> Self {
        match self.released_to {
            None => self,
            Some(mode) => Self {
                state: State::Closed,
                mode,
                remaining: None,
                outage: None,
                attempt: 0,
                by: None,
                released_to: None,
                ..self
            },
        }
    }

    /// That trip, if the outage is known to have begun with another.
    #[cfg(feature = "admin")]
    pub(crate) fn opened_again(&self) -> Option<Trip> {
        self.trip()
            .filter(|trip| trip.began_with_another().is_some())
    }
}

/// How a circuit has opened (rule B6).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trip {
    /// Why.
    pub cause: Cause,
    /// The era that began with it (rule E4).
    pub era: u64,
    /// What the window held when the circuit last left closed. For a rate, exactly the calls that decided. If this trip
    /// came out of open or half-open, where windows are empty, that was at the trip with which the outage began. `None`
    /// without a window, and if the circuit has not left closed since it was built.
    pub counts: Option<WindowCounts>,
    /// The setting that the cause reached, as it was at that moment. `None` if the cause has no such setting.
    pub threshold: Option<Threshold>,
    /// The trip with which the outage began. If that is this trip, the same again. `None` if the circuit has not left
    /// closed since it was built, and for an outage whose trips were told in another order.
    pub began: Option<Began>,
}

/// The [trip](Trip) with which an outage began. It stays through failed probes, trips by hand and forced open, until
/// the circuit closes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Began {
    /// Why.
    pub cause: Cause,
    /// The era that began with it (rule E4).
    pub era: u64,
    /// The setting that the cause reached, as it was at that moment. `None` if the cause has no such setting.
    pub threshold: Option<Threshold>,
}

impl Trip {
    /// What a transition that opens makes of the trip before.
    pub(super) fn of(told: &Transition, before: Option<Self>) -> Self {
        let goes_on = |before: &Self| match told.from {
            State::Closed => false,
            State::Open => before.is_exactly_before(told.era, 1),
            State::HalfOpen => before.is_exactly_before(told.era, 2),
        };
        let before = before.filter(goes_on);
        let (cause, era, threshold) = (told.cause, told.era, told.threshold);
        let begins = (told.from == State::Closed).then_some(Began {
            cause,
            era,
            threshold,
        });
        Self {
            cause,
            era,
            counts: told.counts.or(before.and_then(|before| before.counts)),
            threshold,
            began: begins.or(before.and_then(|before| before.began)),
        }
    }

    /// The trip with which the outage began, if that is another and is known.
    pub(super) fn began_with_another(&self) -> Option<Began> {
        self.began.filter(|began| began.era != self.era)
    }

    /// Whether its era is the one that came exactly so many `eras` before `era`.
    fn is_exactly_before(&self, era: u64, eras: u64) -> bool {
        Era::new(era).before(eras) == Era::new(self.era)
    }
}

/// Which calls the rates of a [`Snapshot`](crate::Snapshot) are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RatesOf {
    /// The calls that are in the window now: the circuit is closed.
    Now,
    /// The calls that were in the window when the circuit last left closed: it is open or half-open.
    Trip,
}

#[cfg(test)]
mod tests {
    use super::super::handle::Circuit;
    use super::*;

    fn trip(era: u64, calls: u64) -> Trip {
        let counts = WindowCounts {
            calls,
            ..WindowCounts::default()
        };
        Trip {
            cause: Cause::TripNow,
            era,
            counts: Some(counts),
            threshold: None,
            began: Some(Began {
                cause: Cause::TripNow,
                era,
                threshold: Some(Threshold::Failures(7)),
            }),
        }
    }

    fn opened(from: State, era: u64) -> Transition {
        Transition {
            from,
            to: State::Open,
            mode_before: Mode::Normal,
            mode: Mode::Normal,
            era,
            cause: Cause::ProbeFailed,
            vetoed: None,
            counts: None,
            threshold: None,
            shed_share: 0.0,
            attempt: 1,
            open_for: None,
        }
    }

    // C5: a trip that has not been told yet does not show the rates of an older one.
    #[test]
    fn the_rates_of_an_older_trip_are_not_shown_as_those_of_this_one() {
        let circuit = Circuit::builder("seen").failure_rate(0.5).build();
        let mut seen = circuit.expect("valid").snapshot();
        let mut rate_in = |state, era| {
            (seen.state, seen.era, seen.last_trip) = (state, era, Some(trip(1, 100)));
            seen.failure_rate().is_some()
        };
        assert_eq!(
            [1, 2, 3].map(|era| rate_in(State::Open, era)),
            [true, false, false]
        );
        assert_eq!(
            [2, 3, 4].map(|era| rate_in(State::HalfOpen, era)),
            [true, false, false]
        );
        assert!(!rate_in(State::Closed, 1));
    }

    // C5: what an outage began with is carried on only from the trip right before, across the wrap of eras, too.
    #[test]
    fn an_outage_has_the_cause_and_the_counts_that_it_began_with_and_no_others() {
        let last = (1 << 37) - 1;
        for (from, era, before, known) in [
            (State::HalfOpen, 5, 3, true),
            (State::HalfOpen, 5, 2, false),
            (State::HalfOpen, 1, last, true),
            (State::Open, 5, 4, true),
            (State::Open, 5, 3, false),
            (State::Closed, 5, 4, false),
        ] {
            let first = trip(before, 100);
            let next = Trip::of(&opened(from, era), Some(first));
            let case = format!("{from} to {era} after {before}");
            assert_eq!(next.counts.is_some(), known, "{case}");
            assert_eq!(
                next.began_with_another(),
                first.began.filter(|_| known),
                "{case}"
            );
            let begins = next.began.is_some_and(|began| began.era == era);
            assert_eq!(begins, from == State::Closed, "{case}");
        }
    }

    // E2, L5: as the next call finds it.
    #[cfg(feature = "registry")]
    #[test]
    fn forced_open_whose_time_is_over_is_shown_as_the_next_call_finds_it() {
        use super::super::clock::ManualClock;

        let clock = ManualClock::new();
        let circuit = Circuit::builder("seen").mode(Mode::Shadow);
        let circuit = circuit.clock(clock.clone()).build().expect("valid");
        let time = Duration::from_secs(5);
        let forced = circuit.force_open_for(By::who("ops"), time);
        assert_eq!(forced, Ok(true));
        assert_eq!(circuit.snapshot().into_found(), circuit.snapshot());
        clock.advance(time);
        let shown = circuit.snapshot().into_found();
        circuit.try_acquire().expect("closed by now").success();
        let found = circuit.snapshot();
        let expected = Snapshot {
            // Not by anything that is told of it.
            era: shown.era,
            last_trip: shown.last_trip,
            time_in_state: shown.time_in_state,
            totals: shown.totals,
            window: shown.window,
            ..found
        };
        assert_eq!(shown, expected);
    }
}
