//! What a driver asks of a circuit (rule D7): a probe and nothing else.

use super::{
    Core, Nanos, Refusal, State, Ticket, WithTransition,
    admission::TimeOut,
    retry::Attempt::{self, Done},
    word::{StateMode, Word},
};

impl Core {
    /// Admits a call if that is a probe, in shadow, too. If not, says why; `None` of one that is closed. No refusal is
    /// counted: nobody was turned away.
    pub(crate) fn admit_driven(&self, now: u64) -> WithTransition<Result<Ticket, Option<Refusal>>> {
        self.retry(|word| {
            if word.state() == State::Closed {
                return Done(WithTransition::none(Err(None)));
            }
            if word.state_mode() == StateMode::ForcedOpen {
                return self.look_whether_forced(word, now);
            }
            let admission = self.try_admit(word, now);
            admission.map(|admission| {
                admission.map(|answer| match answer {
                    Ok(ticket) => Ok(ticket.started_at(now)),
                    Err(refusal) => Err(Some(refusal)),
                })
            })
        })
    }

    /// E2: a driver waits for the end of forced open, and notices it. That takes no probe.
    fn look_whether_forced(
        &self,
        word: Word,
        now: u64,
    ) -> Attempt<WithTransition<Result<Ticket, Option<Refusal>>>> {
        self.expire_forced(word, now).map(|expired| WithTransition {
            answer: Err(expired.err().map(Refusal::ForcedOpen)),
            transition: expired.ok(),
        })
    }

    /// For how much longer the driver's own probe may run: as long as half-open waits for
    /// probes. `None` if its era is over. Whoever else's probes have timed out are found to have (D4).
    pub(crate) fn driven_remaining(
        &self,
        ticket: Ticket,
        now: u64,
    ) -> WithTransition<Option<Nanos>> {
        let word = self.load();
        if word.era() != ticket.era() {
            return WithTransition::none(None);
        }
        let half_open_timeout = self.facts.half_open_timeout().nanos();
        let deadline = ticket.started.saturating_add(half_open_timeout);
        let timed_out = (deadline <= now && self.may_time_out(word))
            .then(|| self.time_out(word, now).done())
            .flatten();
        // The half-open timeout is that of the newest half-open era: this one's, if the era still stands.
        let remaining = self.read_in_era(word, Nanos::between(now, deadline));
        WithTransition {
            answer: remaining.done(),
            transition: timed_out.and_then(TimeOut::transition),
        }
    }
}
