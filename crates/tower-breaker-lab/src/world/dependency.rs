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
        let callers = &self.scenario.callers;
        let within = [callers.timeout, own].into_iter().flatten().min();
        let limit = [within, callers.gives_up].into_iter().flatten().min();
        let place = self.attempts.insert(Attempt {
            number,
            caller,
            ticket: Some(ticket),
            place: Place::Waits,
            is_abandoned: within.is_none_or(|within| limit.is_some_and(|limit| limit < within)),
            fails: false,
        });
        let key = Key { place, number };
        let answered_after = self.reaches_server(key, caller.target);
        // Nothing is planned that an answer comes before: most calls are answered in time.
        if let Some(limit) = limit.filter(|limit| answered_after.is_none_or(|after| after > *limit))
        {
            self.agenda
                .put(self.now.saturating_add(limit), Event::TakesTooLong(key));
        }
    }

    /// After which time it will be answered, if that is known now.
    fn reaches_server(&mut self, key: Key, target: u32) -> Option<Duration> {
        let slots = self.conditions.slots(target);
        let server = &mut self.servers[target as usize];
        if !server.is_full(slots) {
            return self.serve(key);
        }
        let dependency = &self.scenario.dependency;
        if dependency.queue.is_some_and(|most| server.waiting >= most) {
            self.fails_at_once(key);
            return Some(Duration::ZERO);
        }
        server.queue.push_back(key);
        server.waiting += 1;
        if let Some(limit) = dependency.queue_timeout {
            self.agenda
                .put(self.now.saturating_add(limit), Event::QueuedTooLong(key));
        }
        None
    }

    fn fails_at_once(&mut self, key: Key) {
        if let Some(attempt) = self.attempts.try_remove(key.place) {
            self.caller_learns(attempt.caller, attempt.ticket, End::Failure);
        }
    }

    fn serve(&mut self, key: Key) -> Option<Duration> {
        let attempt = self.attempts.get_mut(key.place)?;
        let Caller {
            call,
            tries,
            target,
            ..
        } = attempt.caller;
        let server = &mut self.servers[target as usize];
        let others = (server.served, server.waiting);
        let fate = self.conditions.fate(call, tries, target, others);
        server.served += 1;
        match fate {
            Fate::Hangs => {
                attempt.place = Place::Hangs;
                None
            }
            Fate::Answers { after, fails } => {
                (attempt.place, attempt.fails) = (Place::IsServed, fails);
                self.agenda
                    .put(self.now.saturating_add(after), Event::Answers(key));
                Some(after)
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
                self.servers[target as usize].waiting -= 1;
                self.serve(key);
            }
        }
    }

    pub(super) fn queued_too_long(&mut self, key: Key) {
        if !self.is_current(key) || self.attempts[key.place].place != Place::Waits {
            return;
        }
        let target = self.attempts[key.place].caller.target;
        self.fails_at_once(key);
        self.has_left_queue(target);
    }

    /// Its place is looked for only once half of the queue has left: to look each time would take as long as the queue.
    fn has_left_queue(&mut self, target: u32) {
        let server = &mut self.servers[target as usize];
        server.waiting -= 1;
        if server.queue.len() as u64 > 2 * u64::from(server.waiting) + 64 {
            let attempts = &self.attempts;
            server.queue.retain(|key| {
                let attempt = attempts.get(key.place);
                attempt.is_some_and(|attempt| attempt.number == key.number)
            });
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
                self.attempts.remove(key.place);
                self.has_left_queue(target);
            }
            Place::Waits | Place::IsServed => {}
        }
    }
}
