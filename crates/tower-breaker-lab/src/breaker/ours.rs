//! This crate's own circuit, as it runs in production, on a clock that the run moves.

use std::time::Duration;

use tower_breaker::{
    Circuit, ConfigError, Outcome, Settings, State,
    clock::{Clock, ManualClock},
};

use super::{Breaker, Contender, End, Ticket};
use crate::chance::whole;

/// A circuit of `tower-breaker` with some settings.
#[derive(Clone, Debug)]
pub struct Ours {
    name: String,
    settings: Settings,
    clock: ManualClock,
}

impl Ours {
    /// A circuit with these settings.
    ///
    /// # Errors
    ///
    /// If the settings make no sense together.
    pub fn new(name: impl Into<String>, settings: Settings) -> Result<Self, ConfigError> {
        let ours = Self {
            name: name.into(),
            settings,
            clock: ManualClock::new(),
        };
        ours.circuit(0).map(|_| ours)
    }

    /// The settings that it has.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn circuit(&self, jitter_seed: u64) -> Result<Circuit, ConfigError> {
        Circuit::builder("lab")
            .settings(&self.settings)
            .jitter_seed(jitter_seed)
            .clock(self.clock.clone())
            .build()
    }
}

impl Contender for Ours {
    fn name(&self) -> &str {
        &self.name
    }

    fn breaker(&self, number: u64, seed: u64) -> Box<dyn Breaker> {
        // The same settings have been built once, in `new`.
        let circuit = self.circuit(seed ^ number).expect("valid settings");
        Box::new(One {
            sheds: self.settings.shed().is_some(),
            call_timeout: self.settings.call_timeout(),
            probe_timeout: self.settings.probe_timeout(),
            circuit,
        })
    }

    fn time_is(&self, now: Duration) {
        self.clock.advance(now.saturating_sub(self.clock.now()));
    }

    fn begins(&mut self) {
        self.clock = ManualClock::new();
    }
}

#[derive(Debug)]
struct One {
    circuit: Circuit,
    sheds: bool,
    call_timeout: Option<Duration>,
    probe_timeout: Option<Duration>,
}

impl Breaker for One {
    fn ask(&mut self, _now: Duration) -> Option<Ticket> {
        let guard = self.circuit.clone().try_acquire_owned();
        guard.ok().map(Ticket::Guard)
    }

    fn ended(&mut self, ticket: Ticket, end: End, _now: Duration) {
        match (ticket, end) {
            (Ticket::Guard(guard), End::Success) => guard.finish(Outcome::Success),
            (Ticket::Guard(guard), End::Failure) => guard.finish(Outcome::Failure),
            // Dropped, as by a caller that has gone (rule A4).
            (ticket, _) => drop(ticket),
        }
    }

    fn answered(&mut self, ticket: Ticket, _now: Duration) {
        if let Ticket::Guard(guard) = ticket {
            guard.finish(Outcome::Answered);
        }
    }

    fn ignored(&mut self, ticket: Ticket, _now: Duration) {
        if let Ticket::Guard(guard) = ticket {
            guard.finish(Outcome::Ignored);
        }
    }

    fn state(&self) -> State {
        self.circuit.state()
    }

    fn shed_share(&self) -> u64 {
        let share = match self.sheds {
            true => self.circuit.snapshot().shed_share,
            false => 0.0,
        };
        u64::from(whole((share * 1e6).round()))
    }

    /// The services of the crate keep these limits, and a guard does not. So the run does it in their place.
    fn limit(&self) -> Option<Duration> {
        let probes = match self.circuit.state() {
            State::Closed => Option::None,
            _ => self.probe_timeout,
        };
        [self.call_timeout, probes].into_iter().flatten().min()
    }
}
