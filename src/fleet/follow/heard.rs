//! What an instance makes of an answer (rules N3 to N7).

use std::time::Duration;

use super::{Follow, Held, MILLI, Made};
use crate::{
    circuit::followed::{Act, FleetNews, Heard},
    fleet::{
        judge::agree,
        local::{Apply, Here, Local},
        wire::{Decided, Done, How, Proposal, Stamp, Standing, Stored, StoredMode, Told},
    },
    machine::Mode,
};

impl Follow {
    /// The answer to a look or a report that was sent at `asked`. `local` is the circuit now.
    pub(in crate::fleet) fn heard(
        &mut self,
        told: &Told,
        (asked, now): (u64, u64),
        local: &Local<'_>,
    ) -> Vec<Apply> {
        let mut out = self.passes(now, local);
        if !self.begin(asked, now, &mut out) {
            return out;
        }
        self.show(told, local, &mut out);
        if self.take(&told.standing, now, local, &mut out) {
            self.take_count(told, local, &mut out);
        }
        self.end(local, &mut out);
        out
    }

    /// The answer to a proposal.
    pub(in crate::fleet) fn decided(
        &mut self,
        asked_for: &Proposal,
        told: &Decided,
        (asked, now): (u64, u64),
        local: &Local<'_>,
    ) -> Vec<Apply> {
        let mut out = self.passes(now, local);
        let was_alone = self.asked.is_none();
        if !self.begin(asked, now, &mut out) {
            return out;
        }
        self.note_act(asked_for, told, (asked, local), &mut out);
        self.note(asked_for, told, was_alone, local);
        if self.take(&told.standing, now, local, &mut out)
            && matches!(asked_for, Proposal::Lease { .. })
        {
            self.take_seats(told, (asked, now), local, &mut out);
        }
        self.end(local, &mut out);
        out
    }

    /// The store has answered, and the fleet has decided nothing of this circuit since.
    pub(in crate::fleet) fn still(
        &mut self,
        asked: u64,
        now: u64,
        local: &Local<'_>,
    ) -> Vec<Apply> {
        let mut out = self.passes(now, local);
        // Whoever is alone has forgotten what was done here: it has to look.
        if self.is_attached(now) {
            self.begin(asked, now, &mut out);
        }
        out
    }

    /// Whoever answers is there. Returns false for an answer that is older than another one, or than a hold: it is
    /// none.
    fn begin(&mut self, asked: u64, now: u64, out: &mut Vec<Apply>) -> bool {
        let until = asked.saturating_add(self.alone_after);
        if self.asked.is_some_and(|last| asked < last) || now >= until {
            return false;
        }
        if self.asked.replace(asked).is_none() {
            out.push(Apply::News(FleetNews::Attached));
        }
        // Before anything that ends a break: no call is to get in between. Also by a store that has forgotten.
        out.push(Apply::Hold { until });
        true
    }

    fn end(&self, local: &Local<'_>, out: &mut Vec<Apply>) {
        let more = self.behind || self.speaks.trips.is_some();
        if more && local.mode != Mode::Disabled {
            out.push(Apply::Again);
        }
    }

    /// What was decided. Returns false if the store has forgotten what is known here: then nothing of it is true.
    fn take(
        &mut self,
        standing: &Standing,
        now: u64,
        local: &Local<'_>,
        out: &mut Vec<Apply>,
    ) -> bool {
        let before = self.known();
        self.behind = standing.stamp < before;
        if self.behind {
            return false;
        }
        let was = std::mem::replace(&mut self.standing, standing.clone());
        self.as_of = now;
        if was.stamp != standing.stamp {
            self.turn(local);
        }
        // What a person has just done here is newer than anything that is heard.
        if self.applied != Some(standing.stamp)
            && self.act.is_none()
            && local.mode != Mode::Disabled
        {
            self.apply(before, local, out);
        }
        true
    }

    /// The fleet has a new era: what was said in the last one is gone.
    fn turn(&mut self, local: &Local<'_>) {
        self.seats = super::Seats {
            wanted: self.seats.wanted,
            ..super::Seats::default()
        };
        self.speaks.counted = None;
        self.speaks.by_then = local.ended;
        self.speaks.sent = None;
        self.speaks.trips = None;
    }

    /// Does here what the fleet has decided. `before`: which decision was known.
    fn apply(&mut self, before: Stamp, local: &Local<'_>, out: &mut Vec<Apply>) {
        let goes_on = self.applied.is_some();
        self.applied = Some(self.known());
        if let StoredMode::Forced { left } = self.standing.mode {
            self.forced = true;
            let left = left.map(Duration::from_millis);
            out.push(Apply::Force { left });
            return;
        }
        if std::mem::take(&mut self.forced) {
            out.push(Apply::Release);
            if matches!(self.standing.state, Stored::Closed { .. }) {
                return;
            }
        }
        match self.standing.state {
            Stored::Closed { reset } => {
                let clear = reset && before != Stamp::default() && before < self.known();
                self.close(goes_on, clear, local, out);
            }
            Stored::Open { left } => self.open_here(left, local, out),
            Stored::HalfOpen { .. } => self.open_here(0, local, out),
        }
    }

    /// Whoever has just begun or come back, and is open alone, has a reason that the fleet does not know.
    fn close(&mut self, goes_on: bool, clear: bool, local: &Local<'_>, out: &mut Vec<Apply>) {
        if goes_on || clear || local.is_led() {
            out.push(Apply::Close { clear });
        }
        self.seats.wanted = 0;
    }

    /// A break that is over goes on as it is where it is led. Probes under way were those of another decision.
    fn open_here(&mut self, left: u64, local: &Local<'_>, out: &mut Vec<Apply>) {
        let waits = matches!(local.state, Here::Open { led: true, .. });
        if left > 0 {
            self.seats.wanted = 0;
        }
        if left > 0 || !waits {
            out.push(Apply::Open {
                left: Duration::from_millis(left),
            });
        }
    }

    // Seats.

    /// Seats, if there are any. That a look tells of them as well is of no use: whoever has not heard the answer asks
    /// again, and a call still waits.
    fn take_seats(
        &mut self,
        told: &Decided,
        (asked, now): (u64, u64),
        local: &Local<'_>,
        out: &mut Vec<Apply>,
    ) {
        let lease = told.lease.filter(|lease| lease.seats > 0);
        let Some(lease) = lease.filter(|_| told.done == Done::Yes) else {
            self.find_none(told, now, local.rules.life);
            return;
        };
        // No longer than it would be if it had just been given, wherever the store's clock has gone.
        let left = lease.left.min(local.rules.life).saturating_mul(MILLI);
        let new = Held {
            seats: lease.seats,
            until: asked.saturating_add(left),
            ends: told.now.saturating_add(lease.left),
        };
        match self.seats.lease.filter(|old| old.ends == new.ends) {
            None => {
                self.seats.told_by_then = self.seats.told.ok + self.seats.told.failed;
                self.lead(new, now, local, out);
            }
            Some(old) => self.have_still(old, new.seats, now, local, out),
        }
    }

    fn lead(&mut self, held: Held, now: u64, local: &Local<'_>, out: &mut Vec<Apply>) {
        self.seats.lease = Some(held);
        let opens = out.iter().any(|it| matches!(it, Apply::Open { .. }));
        let may = local.mode == Mode::Normal && self.act.is_none();
        if may && now < held.until && (opens || local.is_led()) {
            self.seats.wanted = 0;
            // Calls may have come closer together since it was asked for.
            let left = Duration::from_nanos(held.until.saturating_sub(now));
            out.push(Apply::Lead {
                seats: held.seats,
                until: held.until,
                life: Duration::from_millis(local.rules.life).max(left),
            });
        }
    }

    /// The same seats as before. Those that the circuit has not taken are still good. Those that are over here are not,
    /// and probes may have begun on them: they are given back, unless one is on its way.
    fn have_still(
        &mut self,
        old: Held,
        counted: u32,
        now: u64,
        local: &Local<'_>,
        out: &mut Vec<Apply>,
    ) {
        if old.seats > 0 && now < old.until {
            self.lead(old, now, local, out);
        } else if now >= old.until && !local.has_probe() {
            self.seats.stale = counted;
            out.push(Apply::Again);
        } else {
            self.seats.full_until = Some(now.saturating_add(1_000 * MILLI));
        }
    }

    /// Whoever has found no seat asks again for a call that comes later, and not for one that is gone.
    fn find_none(&mut self, told: &Decided, now: u64, life: u64) {
        let next = match (told.done, told.standing.state) {
            (Done::Full { next }, _) => next,
            // By its own clock the store has not got that far.
            (Done::No, Stored::Open { left }) => left,
            _ => return,
        };
        self.seats.wanted = 0;
        let wait = next.min(life).saturating_mul(MILLI);
        self.seats.full_until = Some(now.saturating_add(wait));
    }

    // Proposals.

    fn note(&mut self, asked_for: &Proposal, told: &Decided, was_alone: bool, local: &Local<'_>) {
        match *asked_for {
            _ if told.done == Done::Behind => {}
            Proposal::Open { .. } => {
                self.speaks.tripped = self.trip_at_once(local).or(self.speaks.tripped);
                self.speaks.trips = None;
            }
            Proposal::Results {
                ok, failed, unused, ..
            } => {
                let made = Made { ok, failed, unused };
                if was_alone {
                    // Of seats that the circuit had before.
                    self.seats.before = made;
                    return;
                }
                self.note_result(made, told.lease.is_some(), local);
            }
            _ => {}
        }
    }

    /// `counts`: the store still counts seats of this instance.
    fn note_result(&mut self, made: Made, counts: bool, local: &Local<'_>) {
        let seats = &mut self.seats;
        let told = made.minus(seats.before);
        seats.told = told;
        if seats.gone.take().is_some() {
            (seats.lease, seats.seen) = (None, None);
        }
        seats.stale = 0;
        if let Here::HalfOpen(Some(tally)) = local.state {
            // Nothing is under way: the seats are the store's again. But if it has not taken that for what became of
            // them, they are not to be taken for others.
            if tally.granted == told.ok + told.failed {
                let spent = |lease| Held { seats: 0, ..lease };
                seats.lease = seats.lease.filter(|_| counts).map(spent);
            }
        }
    }

    fn note_act(
        &mut self,
        asked_for: &Proposal,
        told: &Decided,
        (asked, local): (u64, &Local<'_>),
        out: &mut Vec<Apply>,
    ) {
        let Some(said) = &self.act else { return };
        let is_it = said.at <= asked && said.is_kind_of(asked_for);
        if !is_it || !matches!(told.done, Done::Yes | Done::No) {
            return;
        }
        if told.done == Done::Yes {
            // It was done here at once.
            self.forced = matches!(said.act, Act::Force(_));
            self.applied = Some(told.standing.stamp);
            out.extend(undone(&told.standing, local));
        }
        self.act = None;
        out.push(Apply::Heard(told.heard.map_or(Heard::Unknown, Heard::By)));
    }

    // What all see.

    fn show(&mut self, told: &Told, local: &Local<'_>, out: &mut Vec<Apply>) {
        self.all = told.window;
        let differs =
            (told.settings != 0 && told.settings != local.rules.settings).then_some(told.settings);
        if differs.is_some() && differs != self.differs {
            out.push(Apply::News(FleetNews::Mismatch));
        }
        self.differs = differs;
    }

    /// A report counts. If it has brought a failure or a slow call, it is judged what all see together.
    fn take_count(&mut self, told: &Told, local: &Local<'_>, out: &mut Vec<Apply>) {
        if told.how != How::Counted {
            return;
        }
        if told.my_seq > self.speaks.seq {
            out.push(Apply::NewInstance);
            self.speaks.counted = None;
            return;
        }
        let Some((register, by_then)) = self.speaks.sent.take() else {
            return;
        };
        let brings = by_then.brings_trouble(self.speaks.by_then);
        (self.speaks.counted, self.speaks.by_then) = (Some(register), by_then);
        if brings && local.mode == Mode::Normal {
            self.speaks.trips = local
                .judge
                .trips(&told.window)
                .filter(|_| agree(&told.window, &local.rules.agreement));
        }
    }
}

/// What a person has done here, if something of the fleet that was on its way has undone it since.
fn undone(standing: &Standing, local: &Local<'_>) -> Option<Apply> {
    match (standing.mode, standing.state) {
        _ if local.mode == Mode::Disabled => None,
        (StoredMode::Forced { left }, _) if local.mode != Mode::ForcedOpen => {
            let left = left.map(Duration::from_millis);
            Some(Apply::Force { left })
        }
        (StoredMode::Normal, Stored::Closed { .. }) if local.is_led() => {
            Some(Apply::Close { clear: true })
        }
        _ => None,
    }
}
