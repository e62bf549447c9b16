//! The run of a scenario: one event after the other, on simulated time, with one breaker for each instance and target.

mod agenda;
mod attempt;
mod budget;
mod cache;
mod callers;
mod conditions;
mod dependency;
mod kept;
mod server;
mod workers;

use std::time::Duration;

use slab::Slab;

use self::{
    agenda::{Agenda, Event},
    attempt::{Attempt, Caller},
    budget::Budget,
    cache::Cache,
    conditions::Conditions,
    server::Server,
    workers::Workers,
};
use crate::{
    breaker::Contender,
    chance::{Chance, Of, seconds},
    circuits::Circuits,
    measure::{MOST_UNDER_WAY, Run, Step},
    scenario::Scenario,
};

/// Runs a scenario with one breaker. The same scenario and breaker give the same run, on any machine.
pub fn run(scenario: &Scenario, contender: &mut dyn Contender) -> Run {
    run_with_progress(scenario, contender, &mut |_| {})
}

/// The same as [`run`], and says how far it is: at the beginning of each step, with the simulated time.
pub fn run_with_progress(
    scenario: &Scenario,
    contender: &mut dyn Contender,
    progress: &mut dyn FnMut(Duration),
) -> Run {
    contender.begins();
    let mut world = World::new(scenario, contender);
    world.begin();
    while let Some((now, event)) = world.agenda.next(world.end) {
        world.now = now;
        contender.time_is(now);
        if matches!(event, Event::Step) {
            progress(now);
        }
        world.happens(event);
    }
    world.over(contender.name())
}

struct World<'a> {
    scenario: &'a Scenario,
    now: Duration,
    end: Duration,
    agenda: Agenda,
    conditions: Conditions<'a>,
    circuits: Circuits,
    servers: Vec<Server>,
    cache: Option<Cache>,
    workers: Workers,
    budgets: Vec<Budget>,
    attempts: Slab<Attempt>,
    steps: Vec<Step>,
    /// Calls a second in an open loop.
    rate: Option<f64>,
    arrival: Arrival,
    calls: u64,
    tries: u64,
}

/// The next call of an open loop. A phase with another rate moves it, and it gets a new number.
#[derive(Debug, Default)]
struct Arrival {
    number: u64,
    at: Duration,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, contender: &dyn Contender) -> Self {
        let targets = scenario.dependency.targets;
        let callers = &scenario.callers;
        Self {
            scenario,
            now: Duration::ZERO,
            end: scenario.length(),
            agenda: Agenda::default(),
            conditions: Conditions::new(scenario),
            circuits: Circuits::new(scenario.circuits(), scenario.seed, contender),
            servers: (0..targets).map(|_| Server::default()).collect(),
            cache: Cache::new(scenario),
            workers: Workers::new(scenario.instances, callers.workers),
            budgets: vec![Budget::new(callers.retries.as_ref()); scenario.instances as usize],
            attempts: Slab::new(),
            steps: Vec::new(),
            rate: callers.rate,
            arrival: Arrival::default(),
            calls: 0,
            tries: 0,
        }
    }

    fn begin(&mut self) {
        let mut begins = Duration::ZERO;
        for (number, phase) in self.scenario.phases.iter().enumerate() {
            self.agenda.put(begins, Event::Phase(number));
            begins += phase.lasts;
        }
        self.agenda.put(Duration::ZERO, Event::Step);
        if let Some(every) = self.circuits.think_every() {
            self.agenda.put(every, Event::Think);
        }
        match self.scenario.callers.clients {
            None => self.next_comes(),
            Some(clients) => self.clients_begin(clients),
        }
    }

    /// They do not come all at once.
    fn clients_begin(&mut self, clients: u32) {
        let within = self
            .scenario
            .callers
            .pause
            .unwrap_or(self.scenario.dependency.latency.mean);
        for client in 0..clients {
            let mut chance = Chance::new(self.scenario.seed, Of::Arrivals, u64::from(client));
            let at = within.mul_f64(chance.share());
            self.agenda.put(at, Event::Calls(client));
        }
    }

    /// The next call of an open loop.
    fn next_comes(&mut self) {
        let Some(rate) = self.rate else { return };
        let mean = seconds(1.0 / rate);
        let gap = match self.scenario.callers.even {
            true => mean,
            false => Chance::new(self.scenario.seed, Of::Arrivals, self.calls).exponential(mean),
        };
        self.arrives_at(self.now.saturating_add(gap));
    }

    fn arrives_at(&mut self, at: Duration) {
        let number = self.arrival.number + 1;
        self.arrival = Arrival { number, at };
        self.agenda.put(at, Event::Arrives(number));
    }

    /// The wait for the next call is as much shorter as calls come more often, from now on.
    fn rate_becomes(&mut self, rate: Option<f64>) {
        let before = std::mem::replace(&mut self.rate, rate);
        let (Some(before), Some(rate)) = (before, rate) else {
            return;
        };
        if before != rate {
            let wait = self.arrival.at.saturating_sub(self.now);
            let wait = seconds(wait.as_secs_f64() * (before / rate));
            self.arrives_at(self.now.saturating_add(wait));
        }
    }

    /// Whether memory has room for no more. Each call under way, and each thing to come, takes some.
    fn is_full(&self) -> bool {
        self.agenda.len().max(self.attempts.len()) + self.workers.waiting() >= MOST_UNDER_WAY
    }

    /// The number of the circuit that this caller asks.
    fn circuit(&self, caller: &Caller) -> usize {
        caller.instance as usize * self.scenario.dependency.targets as usize
            + caller.target as usize
    }

    /// Calls that have come and have not ended.
    fn under_way(&self) -> u64 {
        let waited_for = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.ticket.is_some())
            .count();
        (waited_for + self.workers.waiting() + self.agenda.wait_to_try_again()) as u64
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrives(number) => self.arrives(number),
            Event::Calls(client) => self.comes(Some(client)),
            Event::Again(caller) => self.tries(caller),
            Event::Answers(key) => self.answers(key),
            Event::QueuedTooLong(key) => self.queued_too_long(key),
            Event::TakesTooLong(key) => self.takes_too_long(key),
            Event::WorkerIsFree => self.next_in_line(),
            Event::OutOfPatience => self.out_of_patience(),
            Event::Phase(number) => self.phase(number),
            Event::Step => self.next_step(),
            Event::Think => self.think(),
        }
    }

    fn step(&mut self) -> &mut Step {
        // The first event of all is a step.
        self.steps.last_mut().expect("a step")
    }

    fn next_step(&mut self) {
        self.step_ends();
        self.steps.push(Step::default());
        let at = self.now.saturating_add(self.scenario.step);
        self.agenda.put(at, Event::Step);
    }

    fn step_ends(&mut self) {
        let load = self.servers.iter().map(Server::load).sum();
        let (open, half_open) = self.circuits.open();
        if let Some(step) = self.steps.last_mut() {
            (step.load, step.open, step.half_open) = (load, open, half_open);
            step.shed = self.circuits.shed();
        }
    }

    fn phase(&mut self, number: usize) {
        let phase = &self.scenario.phases[number];
        self.conditions.becomes(phase);
        if let (Some(cache), Some(share)) = (&mut self.cache, phase.emptied) {
            cache.empty(share);
        }
        self.rate_becomes(phase.rate.or(self.scenario.callers.rate));
        for target in 0..self.scenario.dependency.targets {
            self.serve_waiting(target);
        }
    }

    fn think(&mut self) {
        if let Some(every) = self.circuits.think_every() {
            self.circuits.think(self.now, self.conditions.is_healthy());
            self.agenda
                .put(self.now.saturating_add(every), Event::Think);
        }
    }

    fn over(mut self, breaker: &str) -> Run {
        self.step_ends();
        let under_way = self.under_way();
        Run {
            breaker: breaker.to_owned(),
            step: self.scenario.step,
            circuits: self.circuits.many(),
            steps: self.steps,
            under_way,
            changes: self.circuits.changes,
            changes_not_kept: self.circuits.not_kept,
        }
    }
}
