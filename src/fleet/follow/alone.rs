//! What an instance does without the store (rule N7).

use super::{Follow, Held, Seats};
use crate::{
    circuit::followed::{FleetNews, Heard, Why},
    fleet::{
        local::{Apply, Local},
        wire::Stored,
    },
    machine::Alone,
};

impl Follow {
    /// Time has passed. To be asked from time to time, also while no answer comes.
    pub(in crate::fleet) fn passes(&mut self, now: u64, local: &Local<'_>) -> Vec<Apply> {
        self.lost(Why::TimedOut, now, local)
    }

    /// The same, and why no answer comes.
    pub(in crate::fleet) fn lost(&mut self, why: Why, now: u64, local: &Local<'_>) -> Vec<Apply> {
        let mut out = Vec::new();
        self.give_up_act(why, now, &mut out);
        let stays = local.rules.agreement.stay_open_when_detached;
        if self.asked.is_some() && !self.is_attached(now) {
            let alone = self.goes_alone(local).filter(|_| !stays);
            self.leave(why, alone, &mut out);
        }
        if stays && self.asked.is_none() && local.is_led() {
            out.push(Apply::Hold {
                until: now.saturating_add(self.alone_after),
            });
        }
        out
    }

    /// It takes no part any more, from now on: it was turned off, say.
    pub(in crate::fleet) fn leaves_fleet(&mut self, why: Why, local: &Local<'_>) -> Vec<Apply> {
        let mut out = Vec::new();
        if self.act.take().is_some() {
            out.push(Apply::Heard(Heard::OnlyHere(why)));
        }
        // Nor does anybody wait for a store that nobody asks.
        let alone = self.goes_alone(local);
        match self.asked {
            Some(_) => self.leave(why, alone, &mut out),
            None if local.rules.agreement.stay_open_when_detached => {
                out.extend(alone.map(Apply::Alone));
            }
            None => {}
        }
        out
    }

    /// An act that nobody could be told of holds here only: it is not kept, to fall on the fleet some day.
    fn give_up_act(&mut self, why: Why, now: u64, out: &mut Vec<Apply>) {
        let over = |at: u64| now >= at.saturating_add(self.alone_after);
        if self.act.as_ref().is_some_and(|said| over(said.at)) {
            self.act = None;
            out.push(Apply::Heard(Heard::OnlyHere(why)));
        }
    }

    fn leave(&mut self, why: Why, alone: Option<Alone>, out: &mut Vec<Apply>) {
        out.push(Apply::News(FleetNews::Detached(why)));
        out.extend(alone.map(Apply::Alone));
        self.forgets_done();
    }

    /// Forgets what it did for the fleet, and not what it knows.
    pub(super) fn forgets_done(&mut self) {
        self.asked = None;
        self.applied = None;
        self.behind = false;
        // The store goes on counting its seats, and probes have begun on some of them.
        let spent = |lease| Held { seats: 0, ..lease };
        self.seats = Seats {
            lease: self.seats.lease.map(spent),
            before: self.seats.before.plus(self.seats.told),
            ..Seats::default()
        };
        self.speaks.trips = None;
        self.speaks.sent = None;
    }

    /// A led break is held no longer. Led half-open goes on with what the fleet still needs. The circuit takes off what
    /// has come of its own probes, so what the store has taken off already is added here.
    fn goes_alone(&self, local: &Local<'_>) -> Option<Alone> {
        let rules = &local.rules;
        let own = Alone {
            permits: rules.permits,
            need: rules.need,
            spare: rules.of.saturating_sub(rules.need),
        };
        let told = self.seats.told;
        local.is_led().then_some(match self.standing.state {
            Stored::HalfOpen {
                permits,
                need,
                spare,
                ..
            } => Alone {
                permits,
                need: need.saturating_add(told.ok),
                spare: spare.saturating_add(told.failed),
            },
            Stored::Open { .. } | Stored::Closed { .. } => own,
        })
    }
}
