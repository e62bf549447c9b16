//! A circuit as its fleet sees it: what a led one does with a call, and with what the fleet says (rules C1, D1, N5). It
//! has no window: what it would hold is said by the world.

use std::time::Duration;

use super::{
    super::local::{Apply, Here},
    world::TICK,
};
use crate::machine::{Alone, Tally};

/// Instants are nanoseconds of the fleet's clock.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Stub {
    pub(super) state: State,
    /// Until then, a led break that is over is held.
    pub(super) hold_until: u64,
    /// How often it has opened by itself.
    pub(super) trips: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum State {
    Closed,
    Open {
        led: bool,
        ends: u64,
    },
    /// Half-open, with seats of the fleet.
    Led(Seats),
    Forced {
        ends: Option<u64>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Seats {
    pub(super) until: u64,
    /// All that were given in this era, without those that ended unused.
    pub(super) granted: u32,
    pub(super) ok: u32,
    pub(super) failed: u32,
    pub(super) unused: u32,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Admitted,
    Rejected,
    Held,
    /// It is a probe, with a seat of the fleet.
    Seated,
    /// It is a probe of the circuit's own, and may succeed.
    Probe,
}

impl Seats {
    pub(super) fn flying(&self) -> u32 {
        self.granted - self.unused - self.ok - self.failed
    }

    fn are_spent(&self) -> bool {
        self.unused == 0 && self.flying() == 0
    }

    fn tally(&self) -> Tally {
        Tally {
            granted: self.granted,
            ok: self.ok,
            failed: self.failed,
            unused: self.unused,
            floor: Duration::ZERO,
        }
    }
}

impl Stub {
    pub(super) const CLOSED: Self = Self {
        state: State::Closed,
        hold_until: 0,
        trips: 0,
    };

    pub(super) fn here(&self, now: u64) -> Here {
        match self.state {
            State::Closed => Here::Closed,
            State::Open { led, ends } => Here::Open {
                led,
                left: ends.saturating_sub(now),
            },
            State::Led(seats) => Here::HalfOpen(Some(seats.tally())),
            State::Forced { ends } => Here::Open {
                led: false,
                left: ends.map_or(u64::MAX, |ends| ends.saturating_sub(now)),
            },
        }
    }

    /// A call comes.
    ///
    /// On its own, it is for the circuit to decide when it probes, and how often. Whenever it does, it may succeed: so
    /// it is open until it closes. How long its own breaks are, and which probes are under way, makes no difference to
    /// others.
    pub(super) fn call(&mut self, now: u64) -> Call {
        match &mut self.state {
            State::Closed => Call::Admitted,
            State::Open { ends, .. } if now < *ends => Call::Rejected,
            State::Open { led: true, .. } if now < self.hold_until => Call::Held,
            State::Open { led: true, .. } => {
                self.opens(now);
                Call::Probe
            }
            State::Open { led: false, .. } => {
                self.state = State::Closed;
                Call::Probe
            }
            State::Led(seats) if now < seats.until => seated(seats),
            State::Led(_) if now < self.hold_until => Call::Held,
            State::Led(_) => self.opens(now),
            State::Forced { ends } if ends.is_none_or(|ends| now < ends) => Call::Rejected,
            State::Forced { .. } => {
                self.state = State::Closed;
                Call::Admitted
            }
        }
    }

    fn opens(&mut self, ends: u64) -> Call {
        self.state = State::Open { led: false, ends };
        Call::Rejected
    }

    /// A call that came now would be held.
    pub(super) fn would_hold(&self, now: u64) -> bool {
        let over = match self.state {
            State::Open { led: true, ends } => ends <= now,
            State::Led(seats) => seats.until <= now,
            _ => false,
        };
        over && now < self.hold_until
    }

    pub(super) fn is_probing(&self) -> bool {
        match self.state {
            State::Led(seats) => seats.flying() > 0,
            _ => false,
        }
    }

    /// It opens by itself.
    pub(super) fn trip(&mut self, ends: u64) {
        self.opens(ends);
        self.trips += 1;
    }

    /// A probe ends, if there is one.
    pub(super) fn probe_ends(&mut self, well: bool) {
        match &mut self.state {
            State::Led(seats) if well => seats.ok += 1,
            State::Led(seats) => seats.failed += 1,
            _ => unreachable!("there is a probe"),
        }
    }

    /// Does what the fleet says, as far as it concerns a circuit.
    pub(super) fn apply(&mut self, what: &Apply, now: u64) {
        match *what {
            Apply::Hold { until } => self.hold_until = until,
            Apply::Open { left } => self.open(now + nanos(left)),
            Apply::Lead { seats, until, .. } => self.lead(seats, until, now),
            Apply::Close { .. } => self.close(),
            Apply::Force { left } => {
                let ends = left.map(|left| now + nanos(left));
                self.state = State::Forced { ends };
            }
            Apply::Release => self.release(),
            Apply::Alone(plan) => self.go_alone(plan),
            Apply::Heard(_) | Apply::News(_) | Apply::NewInstance | Apply::Again => {}
        }
    }

    fn open(&mut self, ends: u64) {
        if !matches!(self.state, State::Forced { .. }) {
            self.state = State::Open { led: true, ends };
        }
    }

    fn close(&mut self) {
        if !matches!(self.state, State::Forced { .. }) {
            self.state = State::Closed;
        }
    }

    fn release(&mut self) {
        if matches!(self.state, State::Forced { .. }) {
            self.state = State::Closed;
        }
    }

    /// The break turns half-open; or a half-open one whose lease is over has seats again, and those that it had are
    /// gone.
    fn lead(&mut self, k: u32, until: u64, now: u64) {
        let fresh = Seats {
            until,
            granted: k,
            ok: 0,
            failed: 0,
            unused: k,
        };
        match &mut self.state {
            State::Open { led: true, .. } => self.state = State::Led(fresh),
            State::Led(seats) if seats.until <= now || seats.are_spent() => {
                seats.granted = seats.granted - seats.unused + k;
                seats.unused = k;
                seats.until = until;
            }
            _ => {}
        }
    }

    /// What has come of its probes is taken off.
    fn go_alone(&mut self, plan: Alone) {
        self.hold_until = 0;
        if let State::Led(seats) = self.state {
            let is_well = plan.need <= seats.ok && seats.failed <= plan.spare;
            self.state = match is_well {
                true => State::Closed,
                false => State::Open {
                    led: false,
                    ends: 0,
                },
            };
        }
    }
}

fn seated(seats: &mut Seats) -> Call {
    if seats.unused == 0 {
        return Call::Rejected;
    }
    seats.unused -= 1;
    Call::Seated
}

pub(super) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

impl Stub {
    /// For a run that is told. Times are ticks.
    pub(super) fn shown(&self, now: u64) -> String {
        let left = |at: u64| at.saturating_sub(now) / TICK;
        let hold = left(self.hold_until);
        match self.state {
            State::Closed => "closed".into(),
            State::Open { led: true, ends } => {
                format!("open, led, {} left, hold {hold}", left(ends))
            }
            State::Open { led: false, ends } => format!("open alone, {} left", left(ends)),
            State::Led(seats) => {
                let Seats {
                    until,
                    ok,
                    failed,
                    unused,
                    ..
                } = seats;
                let (flying, until) = (seats.flying(), left(until));
                format!(
                    "half-open, lease {until}, hold {hold}: {unused} unused, {flying} flying, {ok} ok, {failed} failed"
                )
            }
            State::Forced { .. } => "forced open".into(),
        }
    }
}
