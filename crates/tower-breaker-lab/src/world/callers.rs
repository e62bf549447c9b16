//! The callers of a run: who calls, waits, gives up and tries again.

use std::time::Duration;

use super::{
    World,
    agenda::{Event, Key},
    attempt::Caller,
    conditions::Fate,
    workers::Waits,
};
use crate::{
    breaker::{End, Ticket},
    chance::{Chance, Of, seconds},
    scenario::SHORTEST_PAUSE,
};

impl World<'_> {
    pub(super) fn arrives(&mut self, number: u64) {
        if number == self.arrival.number {
            self.comes(None);
            self.next_comes();
        }
    }

    pub(super) fn comes(&mut self, client: Option<u32>) {
        let call = self.calls;
        self.calls += 1;
        self.step().offered += 1;
        if self.is_full() {
            self.step().not_made += 1;
            return self.client_comes_again(client);
        }
        let (client, since) = (client, self.now);
        if !self.workers.is_limited() {
            let instance = self.instance(call, client);
            return self.first_try(
                Waits {
                    call,
                    client,
                    since,
                },
                instance,
            );
        }
        let waits = Waits {
            call,
            client,
            since,
        };
        // Nobody goes before those that wait already.
        let worker = (self.workers.waiting() == 0)
            .then(|| self.workers.take())
            .flatten();
        match worker {
            Some(instance) => self.first_try(waits, instance),
            None => self.waits_for_worker(waits),
        }
    }

    fn waits_for_worker(&mut self, waits: Waits) {
        self.workers.wait(waits);
        if let Some(patience) = self.scenario.callers.patience {
            let at = self.now.saturating_add(patience);
            self.agenda.put(at, Event::OutOfPatience);
        }
    }

    pub(super) fn out_of_patience(&mut self) {
        let patience = self.scenario.callers.patience.unwrap_or(Duration::MAX);
        let Some(since) = self.now.checked_sub(patience) else {
            return;
        };
        while let Some(waits) = self.workers.waits_since(since) {
            self.step().not_made += 1;
            self.client_comes_again(waits.client);
        }
    }

    /// Without a limit of workers: any, in an open loop. A client stays with its own.
    fn instance(&self, call: u64, client: Option<u32>) -> u32 {
        let instances = self.scenario.instances;
        match client {
            Some(client) => client % instances,
            None => Chance::new(self.scenario.seed, Of::Instances, call).one_of(instances),
        }
    }

    fn first_try(&mut self, waits: Waits, instance: u32) {
        let Waits {
            call,
            client,
            since,
        } = waits;
        let targets = self.scenario.dependency.targets;
        self.budgets[instance as usize].call();
        self.tries(Caller {
            call,
            instance,
            target: Chance::new(self.scenario.seed, Of::Targets, call).one_of(targets),
            tries: 1,
            client,
            since,
        });
    }

    pub(super) fn tries(&mut self, caller: Caller) {
        let now = self.now;
        let cache = self.cache.as_mut();
        if cache.is_some_and(|cache| cache.has(caller.call, now)) {
            self.step().cached += 1;
            return self.has_succeeded(caller);
        }
        self.asks_breaker(caller);
    }

    fn asks_breaker(&mut self, caller: Caller) {
        let circuit = self.circuit(&caller);
        let was_closed = self.circuits.is_closed(circuit);
        let limit = self.circuits.limit(circuit);
        let healthy = self.conditions.is_healthy();
        let asked = self.circuits.ask(circuit, self.now, healthy);
        let Some(ticket) = asked else {
            return self.is_rejected(caller);
        };
        let step = self.step();
        step.admitted += 1;
        step.probes += u64::from(!was_closed);
        self.calls_dependency(caller, ticket, limit);
    }

    fn is_rejected(&mut self, caller: Caller) {
        let retries = self.scenario.callers.retries.as_ref();
        if retries.is_some_and(|retries| retries.rejected) && self.tries_again(caller) {
            return;
        }
        let is_lost = self.would_succeed(&caller);
        let step = self.step();
        step.rejected += 1;
        step.lost += u64::from(is_lost);
        self.is_over(caller);
    }

    /// If it had been let through, and had not had to wait.
    fn would_succeed(&self, caller: &Caller) -> bool {
        let callers = &self.scenario.callers;
        let limits = [
            callers.timeout,
            callers.gives_up,
            self.circuits.limit_at_rest(self.circuit(caller)),
        ];
        let limit = limits.into_iter().flatten().min().unwrap_or(Duration::MAX);
        let fate = self
            .conditions
            .fate(caller.call, caller.tries, caller.target, (0, 0));
        matches!(fate, Fate::Answers { after, fails: false } if after <= limit)
    }

    /// Whether there is one more try.
    fn tries_again(&mut self, caller: Caller) -> bool {
        let Some(retries) = &self.scenario.callers.retries else {
            return false;
        };
        let is_full = self.is_full();
        let budget = &mut self.budgets[caller.instance as usize];
        budget.failed();
        if caller.tries >= retries.tries || is_full || !budget.retry() {
            return false;
        }
        let grown = retries.factor.powf(f64::from(caller.tries - 1));
        let mut wait = seconds(retries.wait.as_secs_f64() * grown);
        if retries.jitter {
            let number = caller
                .call
                .wrapping_mul(1 << 16)
                .wrapping_add(u64::from(caller.tries));
            wait = wait.mul_f64(Chance::new(self.scenario.seed, Of::Waits, number).share());
        }
        self.step().retries += 1;
        let tries = caller.tries + 1;
        let at = self.now.saturating_add(wait);
        self.agenda
            .put(at, Event::Again(Caller { tries, ..caller }));
        true
    }

    /// The caller knows how its call has ended. Its worker takes the next.
    fn is_over(&mut self, caller: Caller) {
        self.client_comes_again(caller.client);
        if self.workers.is_limited() {
            self.workers.is_free_again(caller.instance);
            // Not at once: a long line of calls that are all rejected would be as deep a recursion.
            self.agenda.put(self.now, Event::WorkerIsFree);
        }
    }

    pub(super) fn next_in_line(&mut self) {
        self.out_of_patience();
        let Some(waits) = self.workers.next() else {
            return;
        };
        match self.workers.take() {
            Some(instance) => self.first_try(waits, instance),
            None => self.workers.wait_first(waits),
        }
    }

    fn client_comes_again(&mut self, client: Option<u32>) {
        if let Some(client) = client {
            let pause = self.scenario.callers.pause.unwrap_or(Duration::ZERO);
            let at = self.now.saturating_add(pause.max(SHORTEST_PAUSE));
            self.agenda.put(at, Event::Calls(client));
        }
    }

    pub(super) fn takes_too_long(&mut self, key: Key) {
        if !self.is_current(key) {
            return;
        }
        let attempt = &mut self.attempts[key.place];
        let (ticket, caller) = (attempt.ticket.take(), attempt.caller);
        // Whose limit it was: the caller's around the breaker drops the call.
        let end = match attempt.is_abandoned {
            true => End::Abandoned,
            false => End::Failure,
        };
        if ticket.is_none() {
            return;
        }
        self.caller_has_gone(key);
        self.step().timed_out += 1;
        self.caller_learns(caller, ticket, end);
    }

    /// Without a ticket the caller has gone before.
    pub(super) fn caller_learns(&mut self, caller: Caller, ticket: Option<Ticket>, end: End) {
        let Some(ticket) = ticket else { return };
        let (circuit, now) = (self.circuit(&caller), self.now);
        let healthy = self.conditions.is_healthy();
        self.circuits.tell(circuit, now, healthy, |breaker| {
            breaker.ended(ticket, end, now);
        });
        if end == End::Success {
            if let Some(cache) = &mut self.cache {
                cache.keep(caller.call, now);
            }
            return self.has_succeeded(caller);
        }
        if !self.tries_again(caller) {
            self.step().failed += 1;
            self.is_over(caller);
        }
    }

    fn has_succeeded(&mut self, caller: Caller) {
        let took = self.now - caller.since;
        let is_slow = self
            .scenario
            .callers
            .slow_after
            .is_some_and(|limit| took > limit);
        let step = self.step();
        step.succeeded += 1;
        step.slow += u64::from(is_slow);
        self.is_over(caller);
    }
}
