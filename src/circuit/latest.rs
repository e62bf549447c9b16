//! What was told of a circuit last, in whatever order it was told (rule E4).

use std::{sync::Arc, time::Duration};

use super::{by::By, handle::Circuit, snapshot::Trip};
use crate::machine::{Cause, Era, Mode, Nanos, State, Transition, View};

/// The newest transition that was told, the newest trip, and what else a snapshot tells of the past.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latest {
    pub(super) transition: Option<Transition>,
    pub(super) trip: Option<Trip>,
    /// Since the outage that goes on now, or the last one. The circuit's first era is none of a transition's.
    outage: Outage,
    acts: Option<Arc<Acts>>,
}

/// When the circuit left closed, and in which era it did that or came back.
#[derive(Clone, Copy, Debug, Default)]
struct Outage {
    era: u64,
    /// In nanoseconds; `None` if it has come back.
    since: Option<u64>,
}

/// What people have done that may still hold.
#[derive(Clone, Debug, Default)]
struct Acts {
    /// The last change of the mode: which, and in which era.
    mode: (Mode, u64, By),
    /// The last break that was begun by hand, by its era.
    trip: (u64, By),
    /// Of the last forced open that has ended by itself: the era that began then, and who had brought it about.
    expired: (u64, By),
}

impl Acts {
    /// Who has forced it open in this era. Another thread may tell that later.
    fn forced_in(&self, era: Era) -> By {
        let (mode, told, by) = &self.mode;
        let is_it = *mode == Mode::ForcedOpen && Era::new(*told) == era;
        match is_it {
            true => by.clone(),
            false => By::unknown(),
        }
    }
}

impl Latest {
    /// Of a circuit that begins in this state.
    pub(super) fn beginning(state: State) -> Self {
        let outage = Outage {
            era: 0,
            since: (state != State::Closed).then_some(0),
        };
        Self {
            outage,
            ..Self::default()
        }
    }

    /// How it opened last.
    #[cfg(feature = "fleet")]
    pub(crate) fn trip(&self) -> Option<Trip> {
        self.trip
    }

    /// Takes a transition in, and returns whether none that is newer was told before it. `left_closed`: when it left
    /// closed, if it did.
    pub(super) fn update(
        &mut self,
        new: &Transition,
        left_closed: Option<u64>,
        by: Option<&By>,
    ) -> bool {
        let trips = new.to == State::Open && new.begins_era();
        if trips && self.trip.is_none_or(|old| new.is_later(old.era)) {
            self.trip = Some(Trip::of(new, self.trip));
        }
        self.outage.update(new, left_closed);
        self.note_act(new, by);
        let newer = self.transition.is_none_or(|old| new.supersedes(&old));
        if newer {
            self.transition = Some(*new);
        }
        newer
    }

    /// Most circuits are never touched by anybody who says who it is.
    #[inline]
    fn note_act(&mut self, new: &Transition, by: Option<&By>) {
        if self.acts.is_some() || by.is_some_and(|by| !by.is_unknown()) {
            self.note_known_act(new, by.cloned().unwrap_or_default());
        }
    }

    #[cold]
    fn note_known_act(&mut self, new: &Transition, by: By) {
        let acts = Arc::make_mut(self.acts.get_or_insert_default());
        let (_, mode_era, _) = acts.mode;
        // Forced open can be brought about anew.
        let of_mode = new.mode != new.mode_before || new.mode == Mode::ForcedOpen;
        if of_mode && !is_later(mode_era, new.era) {
            if new.cause == Cause::ForceExpired {
                acts.expired = (new.era, acts.forced_in(Era::new(new.era).before(1)));
            }
            acts.mode = (new.mode, new.era, by);
        } else if new.to == State::Open && new.is_later(acts.trip.0) {
            acts.trip = (new.era, by);
        }
    }

    /// Who had forced it open, if that has ended by itself in this transition. It ends that, too.
    pub(super) fn forced_by(&self, told: &Transition) -> By {
        let acts = self.acts.as_deref();
        let of_it =
            acts.filter(|acts| told.cause == Cause::ForceExpired && acts.expired.0 == told.era);
        of_it.map(|acts| acts.expired.1.clone()).unwrap_or_default()
    }

    /// Who has brought about what holds, if somebody did by hand.
    pub(super) fn by(&self, seen: &View) -> Option<By> {
        let acts = self.acts.as_deref()?;
        let (mode, _, by_mode) = &acts.mode;
        let (trip_era, by_trip) = &acts.trip;
        let tripped = *trip_era == seen.era && seen.state == State::Open;
        let trip = tripped.then_some(by_trip);
        let mode = (*mode == seen.mode && *mode != Mode::Normal).then_some(by_mode);
        let told = trip.into_iter().chain(mode).find(|by| !by.is_unknown());
        told.cloned()
    }

    /// How long the outage has lasted that goes on as it was `seen`, at this nanosecond. As far as was told: where
    /// transitions are just being told, perhaps only for as long as the last of them.
    pub(super) fn outage(&self, seen: &View, now: u64) -> Option<Duration> {
        if seen.state == State::Closed {
            return None;
        }
        let told = self.transition.map_or(0, |told| told.era);
        // One transition does not end it and begin another.
        let seen_era = Era::new(seen.era);
        let goes_on = [0, 1].map(|more| seen_era.before(more));
        let goes_on = goes_on.contains(&Era::new(told));
        let since = self.outage.since.filter(|_| goes_on);
        let lasted = since.map(|since| Nanos::between(since, now).duration());
        Some(lasted.unwrap_or_default().max(seen.in_state))
    }
}

impl Outage {
    fn update(&mut self, new: &Transition, left_closed: Option<u64>) {
        // Between normal and shadow closed stays closed, which says nothing that is not known.
        let turns = left_closed.is_some() || new.to == State::Closed;
        if turns && is_later(new.era, self.era) {
            *self = Self {
                era: new.era,
                since: left_closed,
            };
        }
    }
}

fn is_later(era: u64, than: u64) -> bool {
    Era::new(era).is_later(Era::new(than))
}

/// When a transition has left closed, if it did.
pub(super) fn left_closed(circuit: &Circuit, told: &Transition) -> Option<u64> {
    let leaves = told.from == State::Closed && told.to != State::Closed;
    leaves.then(|| {
        let began = circuit.core().began(told.era);
        // It is over already.
        began.unwrap_or_else(|| circuit.now())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::WindowCounts;

    fn told(era: u64, to: State, modes: (Mode, Mode)) -> Transition {
        Transition {
            from: State::Closed,
            to,
            mode_before: modes.0,
            mode: modes.1,
            era,
            cause: if modes.0 == modes.1 {
                Cause::TripNow
            } else {
                Cause::Manual
            },
            vetoed: None,
            counts: None,
            threshold: None,
            shed_share: 0.0,
            attempt: 1,
            open_for: None,
        }
    }

    fn update(latest: &mut Latest, told: Transition) -> bool {
        latest.update(&told, None, None)
    }

    const NORMAL: (Mode, Mode) = (Mode::Normal, Mode::Normal);
    const TO_SHADOW: (Mode, Mode) = (Mode::Normal, Mode::Shadow);

    // E4
    #[test]
    fn an_older_transition_that_is_told_late_changes_nothing() {
        let mut latest = Latest::default();
        assert!(update(&mut latest, told(2, State::HalfOpen, NORMAL)));
        assert!(!update(&mut latest, told(1, State::Open, NORMAL)));
        assert_eq!(latest.transition.map(|newest| newest.era), Some(2));
        // But it was the newest trip.
        assert_eq!(latest.trip.map(|trip| trip.era), Some(1));
    }

    // E4
    #[test]
    fn a_change_of_mode_that_is_told_early_is_not_the_trip() {
        let mut latest = Latest::default();
        assert!(update(&mut latest, told(1, State::Open, TO_SHADOW)));
        assert_eq!(latest.trip, None);
        assert!(!update(&mut latest, told(1, State::Open, NORMAL)));
        assert_eq!(latest.trip.map(|trip| trip.era), Some(1));
        assert_eq!(
            latest.transition.map(|newest| newest.mode),
            Some(Mode::Shadow)
        );
    }

    // B9, E4: it begins and ends in an era that another transition has begun.
    #[test]
    fn shedding_is_newer_than_what_began_its_era() {
        let mut latest = Latest::default();
        let closed = told(1, State::Closed, NORMAL);
        assert!(update(&mut latest, closed));
        for cause in [Cause::ShedBegan(WindowCounts::default()), Cause::ShedEnded] {
            assert!(update(&mut latest, Transition { cause, ..closed }));
        }
        assert!(!update(&mut latest, closed));
    }

    fn seen(state: State, era: u64) -> View {
        View {
            state,
            mode: Mode::Normal,
            era,
            in_state: Duration::from_nanos(5),
            remaining: None,
            released_to: None,
            attempt: 1,
            counts: None,
            minimum_calls: 1,
            watches_slow: false,
            consecutive_failures: 0,
            probes: None,
            ramp_share: 0,
            shed_share: 0,
        }
    }

    // C5: an outage is no longer than it is known to be, whatever is told late.
    #[test]
    fn an_outage_is_not_taken_for_an_older_one() {
        let outage = |told: &[(u64, State)], state, era| {
            let mut latest = Latest::default();
            for (at, to) in told {
                let left = (*to == State::Open).then_some(100);
                latest.update(&told_of(*at, *to), left, None);
            }
            let lasted = latest.outage(&seen(state, era), 200);
            lasted.map(|lasted| lasted.as_nanos())
        };
        let left = (1, State::Open);
        assert_eq!(outage(&[left], State::Open, 1), Some(100));
        assert_eq!(outage(&[left], State::Closed, 2), None);
        // The next transition is just being told: it cannot have closed.
        assert_eq!(outage(&[left], State::HalfOpen, 2), Some(100));
        assert_eq!(outage(&[], State::Open, 1), Some(5));
        // Two are, and one of them may have closed it.
        assert_eq!(outage(&[left], State::Open, 3), Some(5));
        // It has closed, and opens again; in whatever order that is told.
        let closed = (2, State::Closed);
        assert_eq!(outage(&[left, closed], State::Open, 3), Some(5));
        assert_eq!(outage(&[closed, left], State::Open, 3), Some(5));
        assert_eq!(
            outage(&[(3, State::HalfOpen), left], State::HalfOpen, 3),
            Some(100)
        );
    }

    fn told_of(era: u64, to: State) -> Transition {
        told(era, to, NORMAL)
    }

    // L1: nobody is told to have done what another has, in whatever order it is told.
    #[test]
    fn forced_open_that_ends_by_itself_was_brought_about_by_whoever_did_that_and_nobody_else() {
        let shadow = told(1, State::Closed, TO_SHADOW);
        let forced = |era, before| told(era, State::Open, (before, Mode::ForcedOpen));
        let over = Transition {
            cause: Cause::ForceExpired,
            ..told(4, State::Closed, (Mode::ForcedOpen, Mode::Shadow))
        };
        let acts = [
            (shadow, "who put it in shadow"),
            (forced(2, Mode::Shadow), "who forced it open"),
            (forced(3, Mode::ForcedOpen), "who forced it open again"),
        ];
        for (told, forced_by) in [
            (&acts[..], Some("who forced it open again")),
            (&acts[..2], None),
            (&acts[..1], None),
        ] {
            let mut latest = Latest::default();
            for (told, who) in told {
                latest.update(told, None, Some(&By::who(*who)));
            }
            latest.update(&over, None, None);
            assert_eq!(latest.forced_by(&over).get_who(), forced_by);
        }
    }

    // L1: also if what came after the next end was told before it.
    #[test]
    fn whoever_forced_it_open_once_has_not_done_so_the_next_time() {
        let (normal, forced) = (Mode::Normal, Mode::ForcedOpen);
        let over = |era| Transition {
            cause: Cause::ForceExpired,
            ..told(era, State::Closed, (forced, normal))
        };
        let mut latest = Latest::default();
        let force = told(1, State::Open, (normal, forced));
        latest.update(&force, None, Some(&By::who("the first")));
        latest.update(&over(2), None, None);
        assert_eq!(latest.forced_by(&over(2)).get_who(), Some("the first"));
        assert!(
            latest
                .forced_by(&told(2, State::Closed, NORMAL))
                .is_unknown()
        );
        let later = told(5, State::Closed, (normal, Mode::Disabled));
        latest.update(&later, None, None);
        latest.update(&over(4), None, None);
        assert!(latest.forced_by(&over(4)).is_unknown());
    }

    // C5
    #[test]
    fn a_break_was_begun_by_whoever_did_that_and_nobody_else() {
        let by = |told: &[(u64, &'static str)], state, era| {
            let mut latest = Latest::default();
            for (era, who) in told {
                latest.update(&told_of(*era, State::Open), None, Some(&By::who(*who)));
            }
            let by = latest.by(&seen(state, era));
            by.and_then(|by| by.get_who().map(str::to_owned))
        };
        let (first, second) = ((1, "the first"), (3, "the second"));
        let who = |who: &str| Some(who.to_owned());
        assert_eq!(by(&[first], State::Open, 1), who("the first"));
        assert_eq!(by(&[first], State::Open, 3), None, "it is just being told");
        assert_eq!(by(&[first], State::HalfOpen, 2), None);
        for told in [[first, second], [second, first]] {
            assert_eq!(by(&told, State::Open, 3), who("the second"));
        }
    }
}
