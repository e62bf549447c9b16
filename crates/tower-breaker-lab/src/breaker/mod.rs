//! What stands between callers and a dependency: this crate's circuit, nothing at all, or what others do.

mod evidence;
mod none;
mod ours;
mod peers;
mod semian;
mod semian_adaptive;
mod target;
mod throttle;

use std::{fmt, time::Duration};

use tower_breaker::{OwnedGuard, State};

pub use self::{
    none::None as NoBreaker, ours::Ours, peers::peers, semian::Semian,
    semian_adaptive::SemianAdaptive, target::Target, throttle::Throttle,
};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// It was answered well.
    Success,
    /// It failed, or took longer than it may.
    Failure,
    /// Its caller has given it up, so that nobody knows.
    Abandoned,
}

/// What a breaker keeps of a call that it let through.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ticket {
    /// The guard of a circuit.
    Guard(OwnedGuard),
    /// Any number.
    Number(u64),
}

/// One circuit breaker of one instance.
pub trait Breaker: fmt::Debug {
    /// May a call begin now? None if it is rejected. Times are since the beginning of the run and never go back.
    fn ask(&mut self, now: Duration) -> Option<Ticket>;

    /// A call has ended that was let through.
    fn ended(&mut self, ticket: Ticket, end: End, now: Duration);

    /// A call that it let through was answered, and the answer says nothing about failures, such as a 404. Default: it
    /// was a success, as to a breaker that only knows errors.
    fn answered(&mut self, ticket: Ticket, now: Duration) {
        self.ended(ticket, End::Success, now);
    }

    /// A call that it let through says nothing about the dependency. Default: as one whose caller has given it up.
    fn ignored(&mut self, ticket: Ticket, now: Duration) {
        self.ended(ticket, End::Abandoned, now);
    }

    /// What it does with the next call.
    fn state(&self) -> State;

    /// The share of calls that it [sheds](tower_breaker::CircuitBuilder::shed) while it is closed, in millionths, for
    /// pictures. Default: none.
    fn shed_share(&self) -> u64 {
        0
    }

    /// How long it lets a call that begins now take. What takes longer is a failure. Default: no limit.
    fn limit(&self) -> Option<Duration> {
        Option::None
    }

    /// When it wants to be [asked to think](Self::think) for the first time, and how often. Default: never.
    fn thinks_every(&self) -> Option<Duration> {
        Option::None
    }

    /// What it does by itself, without a call. Default: nothing.
    fn think(&mut self, _now: Duration) {}
}

/// Makes the breakers of a run: one for each instance and target.
pub trait Contender: fmt::Debug {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// The breaker with this number. `seed` is that of the scenario.
    fn breaker(&self, number: u64, seed: u64) -> Box<dyn Breaker>;

    /// Told before anything happens at that time, so that clocks can be moved. Default: nothing.
    fn time_is(&self, _now: Duration) {}

    /// Told when a run begins: all is as when it was built. Default: nothing.
    fn begins(&mut self) {}
}
