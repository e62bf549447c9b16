//! The dependency of a run: its slots, its queue, and what becomes of a call there.

use std::time::Duration;

use super::{
    World,
    agenda::{Event, Key},
    attempt::{Attempt, Caller, Place},
    conditions::Fate,
};
use crate::breaker::{End, Ticket};

impl World<'_> {
    pub(super) fn calls_dependency(
        &mut self,
        caller: Caller,
        ticket: Ticket,
        own: Option<Duration>,
    ) {
        let number = self.tries;
        self.tries += 1;
        let place = self.attempts.insert(Attempt {
            number,
            caller,
            began: self.now,
            ticket: Some(ticket),
            place: Place::Waits,
            fails: false,
        });
        let key = Key { place, number };
        let callers = &self.scenario.callers;
        let limit = [callers.timeout, callers.gives_up, own]
            .into_iter()
            .flatten()
            .min();
        self.reaches_server(key, caller.target);
        if let Some(limit) = limit {
            self.agenda
                .put(self.now.saturating_add(limit), Event::TakesTooLong(key));
        }
    }

    fn reaches_server(&mut self, key: Key, target: u32) {
        let slots = self.conditions.slots(target);
        let server = &mut self.servers[target as usize];
        if !server.is_full(slots) {
            return self.serve(key);
        }
        let dependency = &self.scenario.dependency;
        if dependency
            .queue
            .is_some_and(|most| server.queue.len() as u64 >= u64::from(most))
        {
            return self.fails_at_once(key);
        }
        server.queue.push_back(key);
        if let Some(limit) = dependency.queue_timeout {
            self.agenda
                .put(self.now.saturating_add(limit), Event::QueuedTooLong(key));
        }
    }

    fn fails_at_once(&mut self, key: Key) {
        if let Some(attempt) = self.attempts.try_remove(key.place) {
            self.caller_learns(attempt.caller, attempt.ticket, End::Failure);
        }
    }

    fn serve(&mut self, key: Key) {
        let Some(attempt) = self.attempts.get_mut(key.place) else {
            return;
        };
        let Caller {
            call,
            tries,
            target,
            ..
        } = attempt.caller;
        let server = &mut self.servers[target as usize];
        let fate = self.conditions.fate(call, tries, target, server.served);
        server.served += 1;
        match fate {
            Fate::Hangs => attempt.place = Place::Hangs,
            Fate::Answers { after, fails } => {
                (attempt.place, attempt.fails) = (Place::IsServed, fails);
                self.agenda
                    .put(self.now.saturating_add(after), Event::Answers(key));
            }
        }
    }

    pub(super) fn is_current(&self, key: Key) -> bool {
        let attempt = self.attempts.get(key.place);
        attempt.is_some_and(|attempt| attempt.number == key.number)
    }

    pub(super) fn answers(&mut self, key: Key) {
        if !self.is_current(key) {
            return;
        }
        let attempt = self.attempts.remove(key.place);
        self.leaves(attempt.caller.target);
        let end = match attempt.fails {
            true => End::Failure,
            false => End::Success,
        };
        self.caller_learns(attempt.caller, attempt.ticket, end);
    }

    fn leaves(&mut self, target: u32) {
        self.servers[target as usize].served -= 1;
        self.serve_waiting(target);
    }

    pub(super) fn serve_waiting(&mut self, target: u32) {
        while !self.servers[target as usize].is_full(self.conditions.slots(target)) {
            let Some(key) = self.servers[target as usize].queue.pop_front() else {
                return;
            };
            // It may have left the queue before.
            if self.is_current(key) {
                self.serve(key);
            }
        }
    }

    pub(super) fn queued_too_long(&mut self, key: Key) {
        if !self.is_current(key) || self.attempts[key.place].place != Place::Waits {
            return;
        }
        self.leaves_queue(key);
        self.fails_at_once(key);
    }

    fn leaves_queue(&mut self, key: Key) {
        let target = self.attempts[key.place].caller.target;
        let queue = &mut self.servers[target as usize].queue;
        // Nearly always one of the first: those that wait longest are in front.
        if let Some(index) = queue.iter().position(|waiting| *waiting == key) {
            queue.remove(index);
        }
    }

    /// The dependency notices, or works on for nobody.
    pub(super) fn caller_has_gone(&mut self, key: Key) {
        let attempt = &self.attempts[key.place];
        let (place, target) = (attempt.place, attempt.caller.target);
        match place {
            Place::Hangs => {
                self.attempts.remove(key.place);
                self.leaves(target);
            }
            Place::IsServed if self.scenario.dependency.cancels => {
                self.attempts.remove(key.place);
                self.leaves(target);
            }
            Place::Waits if self.scenario.dependency.cancels => {
                self.leaves_queue(key);
                self.attempts.remove(key.place);
            }
            Place::Waits | Place::IsServed => {}
        }
    }
}
