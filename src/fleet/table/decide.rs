//! One decision after the other (rule N4).

use super::{
    super::wire::{Decide, Decided, Done, Odd, Proposal, Standing, Stored, StoredMode, Text},
    Entry, Log, lease,
    record::{HalfOpen, State},
};

impl Entry {
    pub(super) fn decide(&mut self, now: u64, ask: &Decide, log: &mut Log) -> Result<Decided, Odd> {
        self.record.readable()?;
        if !matches!(ask.what, Proposal::Restore(_)) {
            self.read(now, &ask.name, log)?;
            self.record.can_go_on()?;
        }
        let entry = &mut *self;
        let step = Step {
            now,
            ask,
            log,
            entry,
        };
        let done = step.done();
        Ok(Decided {
            done,
            now,
            standing: self.record.standing(now),
            lease: self.lease_of(now, ask.instance),
            heard: None,
        })
    }
}

/// A proposal, and what it is about.
struct Step<'a> {
    now: u64,
    ask: &'a Decide,
    log: &'a mut Log,
    entry: &'a mut Entry,
}

impl Step<'_> {
    fn done(self) -> Done {
        if let Proposal::Restore(known) = &self.ask.what {
            return self.restore(known);
        }
        self.fence().unwrap_or_else(|| self.follow())
    }

    /// Only the decision that the instance knows is followed by another one. What a person does follows any.
    fn fence(&self) -> Option<Done> {
        let stamp = self.entry.record.stamp;
        if self.ask.seen > stamp {
            return Some(Done::Behind);
        }
        let is_late = self.ask.seen < stamp && !self.ask.what.is_a_persons();
        is_late.then_some(Done::Late)
    }

    fn follow(self) -> Done {
        match &self.ask.what {
            &Proposal::Open {
                length, attempt, ..
            } => self.open(length, attempt),
            &Proposal::Lease { life, want, .. } => self.lease(life, want),
            &Proposal::Results {
                ok,
                failed,
                unused,
                length,
            } => self.result(ok, failed, unused, length),
            Proposal::Force { at_most, .. } => self.force(*at_most),
            Proposal::Release { .. } if !self.entry.record.forced => Done::No,
            Proposal::Release { .. } => self.clear("release"),
            Proposal::Reset { .. } => self.clear("reset"),
            Proposal::Restore(known) => self.restore(known),
        }
    }

    fn turn(&mut self, to: State) {
        let (name, nonce) = (&self.ask.name, self.ask.nonce);
        self.entry.turn(self.now, name, self.log, to, nonce);
    }

    fn turn_because(&mut self, to: State, cause: &str) {
        self.turn(to);
        let who = match &self.ask.what {
            Proposal::Force { who, .. } | Proposal::Release { who } | Proposal::Reset { who } => {
                who.clone()
            }
            _ => Text::default(),
        };
        self.entry.record.say(cause, who);
    }

    fn open(mut self, length: u64, attempt: u32) -> Done {
        let record = &self.entry.record;
        if record.forced || record.state != State::Closed {
            return Done::No;
        }
        let attempt = attempt.min(record.next_attempt(self.now));
        self.turn_because(State::Open, self.ask.what.cause());
        self.entry.record.begin_break(self.now, length);
        self.entry.record.attempt = attempt;
        Done::Yes
    }

    fn lease(mut self, life: u64, want: u32) -> Done {
        let record = &self.entry.record;
        match record.state {
            _ if record.forced => Done::No,
            State::Closed => Done::No,
            State::Open if self.now < record.until => Done::No,
            State::Open => {
                // The numbers of whoever asks first hold until it is decided. Why it opened stays said.
                let numbers = self.ask.what.numbers();
                self.turn(State::HalfOpen(numbers));
                self.seat(numbers, life, want)
            }
            State::HalfOpen(numbers) => self.seat(numbers, life, want),
        }
    }

    fn seat(self, mut left: HalfOpen, life: u64, want: u32) -> Done {
        let Self {
            now, ask, entry, ..
        } = self;
        // As if those probes had never been.
        left.budget += lease::expire(&mut entry.leases, now, ask.instance);
        entry.record.state = State::HalfOpen(left);
        // Who asks once more has not heard the answer: the same seats, for what is left of their time.
        if entry.lease_of(now, ask.instance).is_some() {
            return Done::Yes;
        }
        let free = left.permits.saturating_sub(lease::held(&entry.leases));
        let seats = free.min(left.budget).min(want);
        if seats == 0 {
            let next = lease::next(&entry.leases, now);
            return Done::Full { next };
        }
        left.budget -= seats;
        entry.record.state = State::HalfOpen(left);
        let mine = entry.leases.entry(ask.instance).or_default();
        mine.give(seats, now, life);
        Done::Yes
    }

    fn result(mut self, ok: u32, failed: u32, unused: u32, length: u64) -> Done {
        let State::HalfOpen(mut left) = self.entry.record.state else {
            return Done::No;
        };
        let Some(mine) = self.entry.leases.get_mut(&self.ask.instance) else {
            return Done::No;
        };
        let was_over = mine.is_over(self.now);
        let news = mine.end(ok, failed, unused);
        if news.is_none() && was_over {
            return Done::No;
        }
        if news.failed > left.spare {
            return self.reopen(length);
        }
        left.budget += news.back;
        left.spare -= news.failed;
        left.need = left.need.saturating_sub(news.ok);
        self.entry.record.state = State::HalfOpen(left);
        if left.need == 0 {
            return self.recover();
        }
        Done::Yes
    }

    fn reopen(&mut self, length: u64) -> Done {
        self.turn_because(State::Open, "probe_failed");
        let record = &mut self.entry.record;
        record.begin_break(self.now, length);
        record.attempt = record.one_more_attempt();
        Done::Yes
    }

    fn recover(&mut self) -> Done {
        self.turn_because(State::Closed, "recovered");
        let record = &mut self.entry.record;
        (record.until, record.closed_at) = (0, self.now);
        Done::Yes
    }

    fn force(mut self, at_most: Option<u64>) -> Done {
        self.turn_because(State::Open, "manual");
        let record = &mut self.entry.record;
        record.forced = true;
        record.begin_break(self.now, at_most.unwrap_or(0));
        if at_most.is_none() {
            record.until = 0;
        }
        Done::Yes
    }

    fn clear(mut self, cause: &str) -> Done {
        self.turn_because(State::Closed, cause);
        let record = &mut self.entry.record;
        record.forced = false;
        (record.until, record.length) = (0, 0);
        (record.attempt, record.closed_at) = (0, 0);
        Done::Yes
    }

    /// Only if the store has forgotten: it has an older stamp, or none.
    fn restore(mut self, known: &Standing) -> Done {
        if known.stamp <= self.entry.record.stamp {
            return Done::No;
        }
        let to = match known.state {
            Stored::Closed { .. } if known.mode == StoredMode::Normal => State::Closed,
            _ => State::Open,
        };
        self.turn(to);
        self.entry.record.restore(self.now, known);
        Done::Yes
    }
}

impl Proposal {
    fn is_a_persons(&self) -> bool {
        matches!(
            self,
            Self::Force { .. } | Self::Release { .. } | Self::Reset { .. }
        )
    }

    fn cause(&self) -> &str {
        match self {
            Self::Open { cause, .. } => cause.as_str(),
            _ => "",
        }
    }

    fn numbers(&self) -> HalfOpen {
        match *self {
            Self::Lease {
                permits, need, of, ..
            } => HalfOpen {
                permits,
                need,
                spare: of - need,
                budget: of,
            },
            _ => HalfOpen::default(),
        }
    }
}
