//! What an instance wants of the store (rules N4 to N6).

use super::{Follow, Gone, MILLI, Made, Said, Seats};
use crate::{
    circuit::followed::Act,
    fleet::{
        local::{Asks, Here, Local},
        wire::{CAUSE_BYTES, Proposal, Register, Standing, Stored, StoredMode, Text},
    },
    machine::{Mode, Tally},
};

impl Follow {
    /// What there is to say now.
    pub(in crate::fleet) fn asks(&mut self, local: &Local<'_>, now: u64) -> Asks {
        self.see(local, now);
        if let Some(proposal) = self.proposal(local, now) {
            return Asks::Decide(proposal);
        }
        // Nothing is said once, and only where something was.
        let has_said = self.speaks.counted.is_some_and(|it| !it.is_nothing());
        let report = self.report(local, now);
        match report.filter(|it| has_said || !it.is_nothing()) {
            Some(register) => Asks::Report(register),
            None => Asks::Look {
                now: self.is_unknown(local, now),
            },
        }
    }

    /// What the fleet has decided is not known here, or not done.
    fn is_unknown(&self, local: &Local<'_>, now: u64) -> bool {
        let is_done = self.applied == Some(self.known()) || local.mode == Mode::Disabled;
        !self.is_attached(now) || !is_done || self.forced_is_over(now)
    }

    /// Whether the circuit is closed here, though the fleet is not, and its break is over.
    pub(in crate::fleet) fn stands_apart(&self, local: &Local<'_>, now: u64) -> bool {
        let is_done = self.applied == Some(self.known()) && self.act.is_none();
        let passed = now.saturating_sub(self.as_of) / MILLI;
        let is_over = match self.standing.state {
            Stored::Closed { .. } => false,
            Stored::Open { left } => passed >= left,
            Stored::HalfOpen { .. } => true,
        };
        let is_closed = local.state == Here::Closed && local.mode == Mode::Normal;
        is_done && is_over && is_closed && !self.is_forced() && self.is_attached(now)
    }

    /// A forced mode ends when somebody looks. Not at the very instant: the store's clock is another one.
    fn forced_is_over(&self, now: u64) -> bool {
        const LATER: u64 = 100;
        let StoredMode::Forced { left: Some(left) } = self.standing.mode else {
            return false;
        };
        let passed = now.saturating_sub(self.as_of) / MILLI;
        passed >= left.saturating_add(LATER)
    }

    /// The first of these that there is.
    fn proposal(&self, local: &Local<'_>, now: u64) -> Option<Proposal> {
        if self.behind {
            return Some(Proposal::Restore(self.standing_at(now)));
        }
        if let Some(said) = &self.act {
            return Some(said.proposal(now));
        }
        if !self.is_attached(now) || self.applied != Some(self.known()) {
            return None;
        }
        self.result(local, now)
            .or_else(|| self.seats_wanted(local, now))
            .or_else(|| self.open(local, now))
    }

    /// How the fleet stands by now, as far as is known.
    fn standing_at(&self, now: u64) -> Standing {
        let passed = now.saturating_sub(self.as_of) / MILLI;
        let mut standing = self.standing.clone();
        if let Stored::Open { left } = &mut standing.state {
            *left = left.saturating_sub(passed);
        }
        if let StoredMode::Forced { left: Some(left) } = &mut standing.mode {
            *left = left.saturating_sub(passed);
        }
        let calm = standing.closed_for.as_mut();
        calm.into_iter()
            .for_each(|it| *it = it.saturating_add(passed));
        standing
    }

    // Results.

    fn result(&self, local: &Local<'_>, now: u64) -> Option<Proposal> {
        let Seats { gone, told, .. } = self.seats;
        let unused = told.unused + self.seats.stale;
        let (made, length) = match (gone, local.state) {
            (Some(gone), _) => (gone.made, gone.length),
            (None, Here::HalfOpen(Some(tally)))
                if told.differs(&tally) && self.is_of_lease(&tally, now) =>
            {
                (Made::of(&tally, unused), millis(tally.floor))
            }
            (None, _) if self.seats.stale > 0 => (Made { unused, ..told }, 0),
            _ => return None,
        };
        let made = made.plus(self.seats.before);
        Some(Proposal::Results {
            ok: made.ok,
            failed: made.failed,
            unused: made.unused,
            length: length.max(self.next_break(self.standing.attempt, local)),
        })
    }

    /// A probe that has outlived its lease may end while there is another one. The store would take that for a seat of
    /// this one, and give it to somebody else. It is told of when so many of these are taken, or they are over.
    fn is_of_lease(&self, tally: &Tally, now: u64) -> bool {
        let lease = self.seats.lease.filter(|it| now < it.until);
        let ended = (tally.ok + tally.failed).saturating_sub(self.seats.told_by_then);
        lease.is_none_or(|it| ended <= it.seats.saturating_sub(tally.unused))
    }

    /// Looks what has become of the seats.
    pub(super) fn see_seats(&mut self, local: &Local<'_>, now: u64) {
        match local.state {
            // What it does by itself, it does not do for the fleet.
            _ if !self.is_attached(now) => {}
            Here::HalfOpen(Some(tally)) => {
                self.seats.seen = Some(Made::of(&tally, 0));
            }
            _ if self.seats.gone.is_none() => self.seats.gone = self.leaves(local),
            _ => {}
        }
    }

    /// The circuit is no longer led, and the fleet waits for what comes of the seats. A break that the circuit has
    /// begun by itself is a probe that failed; a person who has closed or forced it has answered nothing. Seats that
    /// are left end with their lease: a probe may have begun on them that nobody has seen.
    fn leaves(&self, local: &Local<'_>) -> Option<Gone> {
        let Seats {
            seen, told, lease, ..
        } = self.seats;
        let taken = seen.is_some() || lease.is_some_and(|it| it.seats > 0);
        let failed = u32::from(local.is_open_alone() && taken);
        let made = seen.unwrap_or(told);
        let made = Made {
            failed: made.failed + failed,
            unused: told.unused,
            ..made
        };
        let length = match local.state {
            Here::Open { left, .. } => left.div_ceil(MILLI),
            _ => 0,
        };
        (made != told).then_some(Gone { made, length })
    }

    // Seats.

    fn seats_wanted(&self, local: &Local<'_>, now: u64) -> Option<Proposal> {
        let seats = &self.seats;
        let may = seats.full_until.is_none_or(|until| now >= until) && seats.wanted > 0;
        let rules = &local.rules;
        (may && local.mode == Mode::Normal && self.has_none(local, now)).then(|| Proposal::Lease {
            permits: rules.permits,
            need: rules.need,
            of: rules.of,
            life: rules.life,
            want: seats.wanted.clamp(1, rules.permits.max(1)),
        })
    }

    /// A led break is over, or all seats have been used or are over.
    fn has_none(&self, local: &Local<'_>, now: u64) -> bool {
        match local.state {
            Here::Open { led: true, left } => left == 0,
            Here::HalfOpen(Some(_)) => self.seats.lease.is_none_or(|it| now >= it.until),
            _ => false,
        }
    }

    // The fleet opens.

    fn open(&self, local: &Local<'_>, now: u64) -> Option<Proposal> {
        if !matches!(self.standing.state, Stored::Closed { .. }) || local.mode != Mode::Normal {
            return None;
        }
        let at_once = || self.trip_at_once(local).map(|_| Text::of("trip_now"));
        let cause: Text<CAUSE_BYTES> = self.speaks.trips.clone().or_else(at_once)?;
        let calm = self.standing_at(now).closed_for;
        let in_a_row = calm.is_some_and(|calm| calm < self.standing.length);
        let before = if in_a_row { self.standing.attempt } else { 0 };
        Some(Proposal::Open {
            length: self.next_break(before, local),
            attempt: before.saturating_add(1),
            cause,
        })
    }

    /// The trip of this circuit by one result, if that opens all, and was not proposed yet.
    pub(super) fn trip_at_once(&self, local: &Local<'_>) -> Option<u64> {
        let trip = local
            .trip
            .filter(|trip| trip.at_once && local.is_open_alone());
        let new = trip.filter(|trip| self.speaks.tripped != Some(trip.era));
        new.filter(|_| local.rules.agreement.trip_now)
            .map(|it| it.era)
    }

    fn next_break(&self, attempt: u32, local: &Local<'_>) -> u64 {
        local
            .judge
            .break_of(attempt.saturating_add(1), self.known().era + 1)
    }
}

impl Said {
    /// Whether that may have been proposed of it.
    pub(super) fn is_kind_of(&self, asked_for: &Proposal) -> bool {
        match (self.act, asked_for) {
            (Act::Force(for_a_time), Proposal::Force { at_most, .. }) => {
                for_a_time.is_some() == at_most.is_some()
            }
            (Act::Release, Proposal::Release { .. }) | (Act::Reset, Proposal::Reset { .. }) => true,
            _ => false,
        }
    }

    fn proposal(&self, now: u64) -> Proposal {
        let who = self.who.clone();
        match self.act {
            Act::Force(at_most) => Proposal::Force {
                at_most: at_most.map(|length| {
                    let passed = now.saturating_sub(self.at) / MILLI;
                    millis(length).saturating_sub(passed).max(1)
                }),
                who,
            },
            Act::Release => Proposal::Release { who },
            Act::Reset => Proposal::Reset { who },
        }
    }
}

impl Made {
    fn of(tally: &Tally, unused: u32) -> Self {
        Self {
            ok: tally.ok,
            failed: tally.failed,
            unused,
        }
    }

    fn differs(&self, tally: &Tally) -> bool {
        (self.ok, self.failed) != (tally.ok, tally.failed)
    }
}

impl Register {
    /// No calls, and nothing to be said of them.
    pub(super) fn is_nothing(&self) -> bool {
        self.calls == 0 && self.failed == 0 && self.slow == 0 && self.streak == 0 && !self.bad
    }
}

/// Rounded up: a break is never shorter.
pub(super) fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_nanos().div_ceil(MILLI.into())).unwrap_or(u64::MAX)
}
