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
};

/// Between two calls of one client. A client that is rejected without a pause would call for ever in one instant.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

impl World<'_> {
    pub(super) fn comes(&mut self, client: Option<u32>) {
        let call = self.calls;
        self.calls += 1;
        self.step().offered += 1;
        if client.is_none() {
            self.next_comes();
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
        match self.workers.take() {
            Some(instance) => self.first_try(
                Waits {
                    call,
                    client,
                    since,
                },
                instance,
            ),
            None => self.workers.wait(Waits {
                call,
                client,
                since,
            }),
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
        let was_closed = self.circuits.is_closed(&caller);
        let limit = self.circuits.limit(&caller);
        let asked = self
            .circuits
            .ask(&caller, self.now, self.conditions.is_healthy());
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
            self.circuits.limit(caller),
        ];
        let limit = limits.into_iter().flatten().min().unwrap_or(Duration::MAX);
        let fate = self
            .conditions
            .fate(caller.call, caller.tries, caller.target, 0);
        matches!(fate, Fate::Answers { after, fails: false } if after <= limit)
    }

    /// Whether there is one more try.
    fn tries_again(&mut self, caller: Caller) -> bool {
        let Some(retries) = &self.scenario.callers.retries else {
            return false;
        };
        if caller.tries >= retries.tries || !self.budgets[caller.instance as usize].retry() {
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
        if let Some(client) = caller.client {
            let pause = self.scenario.callers.pause.unwrap_or(Duration::ZERO);
            // Never at once: a client that is rejected without a pause would call for ever in one instant.
            let pause = pause.max(SHORTEST_PAUSE);
            self.agenda
                .put(self.now.saturating_add(pause), Event::Comes(Some(client)));
        }
        if self.workers.is_limited() {
            self.workers.is_free_again(caller.instance);
            // Not at once: a long line of calls that are all rejected would be as deep a recursion.
            self.agenda.put(self.now, Event::WorkerIsFree);
        }
    }

    pub(super) fn next_in_line(&mut self) {
        while let Some(waits) = self.workers.next() {
            let waited = self.now.saturating_sub(waits.since);
            if self
                .scenario
                .callers
                .patience
                .is_some_and(|patience| waited >= patience)
            {
                self.step().not_made += 1;
                self.client_comes_again(waits.client);
                continue;
            }
            match self.workers.take() {
                Some(instance) => return self.first_try(waits, instance),
                None => return self.workers.wait_first(waits),
            }
        }
    }

    fn client_comes_again(&mut self, client: Option<u32>) {
        if client.is_some() {
            let pause = self.scenario.callers.pause.unwrap_or(SHORTEST_PAUSE);
            self.agenda
                .put(self.now.saturating_add(pause), Event::Comes(client));
        }
    }

    pub(super) fn takes_too_long(&mut self, key: Key) {
        if !self.is_current(key) {
            return;
        }
        let attempt = &mut self.attempts[key.place];
        let (ticket, caller, took) = (
            attempt.ticket.take(),
            attempt.caller,
            self.now - attempt.began,
        );
        if ticket.is_none() {
            return;
        }
        self.caller_has_gone(key);
        self.step().timed_out += 1;
        // Whose limit it was: the caller's around the breaker drops the call.
        let is_around = self
            .scenario
            .callers
            .gives_up
            .is_some_and(|limit| took >= limit);
        let is_within = self
            .scenario
            .callers
            .timeout
            .is_some_and(|limit| took >= limit);
        let end = match is_around && !is_within {
            true => End::Abandoned,
            false => End::Failure,
        };
        self.caller_learns(caller, ticket, end);
    }

    /// Without a ticket the caller has gone before.
    pub(super) fn caller_learns(&mut self, caller: Caller, ticket: Option<Ticket>, end: End) {
        let Some(ticket) = ticket else { return };
        self.circuits
            .ended(&caller, ticket, end, self.now, self.conditions.is_healthy());
        if end == End::Success {
            let took = self.now - caller.since;
            let is_slow = self
                .scenario
                .callers
                .slow_after
                .is_some_and(|limit| took > limit);
            let step = self.step();
            step.succeeded += 1;
            step.slow += u64::from(is_slow);
            return self.is_over(caller);
        }
        if !self.tries_again(caller) {
            self.step().failed += 1;
            self.is_over(caller);
        }
    }
}
