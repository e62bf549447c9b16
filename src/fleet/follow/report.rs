//! What an instance says of its circuit (rule N2).

use super::{Follow, Speaks};
use crate::{
    fleet::{
        local::{Ended, Here, Local},
        wire::{Register, Stored},
    },
    machine::{Mode, WindowCounts},
};

impl Follow {
    /// What there is to say of the circuit, if the fleet is closed and counts it. What was said in an earlier era of
    /// the fleet is gone with that.
    pub(super) fn report(&self, local: &Local<'_>, now: u64) -> Option<Register> {
        let closed = matches!(self.standing.state, Stored::Closed { .. }) && !self.is_forced();
        let takes_part = closed && self.is_attached(now) && self.applied == Some(self.known());
        if !takes_part || local.mode != Mode::Normal {
            return None;
        }
        let ok = local.ended.successful > self.speaks.by_then.successful;
        let register = match local.state {
            Here::Closed => Some(self.of_window(local, now)),
            _ if local.is_open_alone() => self.speaks.evidence,
            _ => None,
        };
        register.map(|register| Register { ok, ..register })
    }

    fn of_window(&self, local: &Local<'_>, now: u64) -> Register {
        let own = self.speaks.window(local, now);
        let watched = local.rules.watches_streak && local.streak > 0;
        Register {
            calls: own.calls,
            failed: own.failed,
            slow: own.slow,
            streak: local.streak,
            ok: false,
            bad: watched || local.judge.reaches(&own, local.streak),
        }
    }

    /// Looks at the circuit: what is gone when it is asked for must be seen before.
    pub(super) fn see(&mut self, local: &Local<'_>, now: u64) {
        self.speaks.see(local, now);
        self.see_seats(local, now);
    }
}

impl Speaks {
    fn see(&mut self, local: &Local<'_>, now: u64) {
        if local.state == Here::Closed {
            self.evidence = None;
        } else if local.is_open_alone() && self.evidence.is_none() {
            self.evidence = Some(self.at_the_trip(local));
        }
        if local.rules.by_count || local.window.is_none() {
            self.look(local, now);
        }
    }

    /// What its window held when it opened: it has been cleared since. Of what no trip of its own has opened, what was
    /// said last.
    fn at_the_trip(&self, local: &Local<'_>) -> Register {
        let trip = local.trip.unwrap_or_default();
        let said = self.counted.unwrap_or_default();
        let (calls, failed, slow) = match trip.calls {
            0 => (said.calls, said.failed, said.slow),
            calls => (calls, trip.failed, trip.slow),
        };
        Register {
            calls,
            failed,
            slow,
            streak: trip.streak.max(said.streak),
            ok: false,
            bad: true,
        }
    }

    /// Remembers how many calls had ended when: the older look is at least as old as a register lasts.
    fn look(&mut self, local: &Local<'_>, now: u64) {
        let keep_for = local.rules.keep_for.saturating_mul(super::MILLI);
        let newer = self.looks[1].get_or_insert((now, local.ended));
        let changed = newer.1 != local.ended;
        let over = now.saturating_sub(newer.0) >= keep_for;
        if local.rules.by_count {
            // Of these, when the last change was.
            if changed {
                *newer = (now, local.ended);
            }
        } else if over {
            self.looks = [self.looks[1], Some((now, local.ended))];
        }
    }

    /// The calls that its window holds. Without one, what has ended for as long as a register lasts, or up to twice.
    fn window(&self, local: &Local<'_>, now: u64) -> WindowCounts {
        let Some(window) = local.window else {
            let since = self.looks[0]
                .or(self.looks[1])
                .map_or(local.ended, |it| it.1);
            return local.ended.since(since);
        };
        let keep_for = local.rules.keep_for.saturating_mul(super::MILLI);
        let is_idle = |(at, _): (u64, Ended)| now.saturating_sub(at) >= keep_for;
        match local.rules.by_count && self.looks[1].is_some_and(is_idle) {
            true => WindowCounts::default(),
            false => window,
        }
    }
}

impl Ended {
    fn since(self, before: Self) -> WindowCounts {
        let failed = self.failed.saturating_sub(before.failed);
        let successful = self.successful.saturating_sub(before.successful);
        WindowCounts {
            calls: successful.saturating_add(failed),
            failed,
            slow: self.slow.saturating_sub(before.slow),
        }
    }

    /// Whether a call has failed or was slow since then: the only ones that can trip anything (B4).
    pub(super) fn brings_trouble(self, before: Self) -> bool {
        self.failed > before.failed || self.slow > before.slow
    }
}
