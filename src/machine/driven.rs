//! What a driver asks of a circuit (rule D7): a probe and nothing else.

use super::{Core, Refusal, State, Ticket, Transition};

impl Core {
    /// Admits a call if that is a probe, in shadow, too. If not, says how many nanoseconds it is worth
    /// waiting, at most; `None` where only a transition makes room. No refusal is counted: nobody was
    /// turned away.
    pub(crate) fn admit_driven(
        &self,
        now: u64,
        change: &mut Option<Transition>,
    ) -> Result<Ticket, Option<u64>> {
        loop {
            let word = self.load();
            if word.state() == State::Closed {
                return Err(None);
            }
            match self.try_admit(word, now, change) {
                Some(Ok(ticket)) => return Ok(ticket.started_at(now)),
                Some(Err(Refusal::Open(left) | Refusal::HalfOpenFull(left))) => {
                    return Err(Some(left));
                }
                Some(Err(Refusal::ForcedOpen | Refusal::Ramping)) => return Err(None),
                None => {}
            }
        }
    }

    /// For how much longer the driver's own probe may run, in nanoseconds: as long as half-open waits for
    /// probes. `None` if its era is over. Whoever else's probes have timed out are found to have (D4).
    pub(crate) fn driven_remaining(
        &self,
        ticket: Ticket,
        now: u64,
        change: &mut Option<Transition>,
    ) -> Option<u64> {
        let word = self.load();
        if word.era() != ticket.era() {
            return None;
        }
        let deadline = ticket
            .started
            .saturating_add(self.facts.half_open_timeout().nanos());
        if deadline <= now && word.is_full() {
            self.time_out(word, now, change);
        }
        // The half-open timeout is that of the newest half-open era: this one's, if the era still stands.
        (self.load().era() == ticket.era()).then(|| deadline.saturating_sub(now))
    }
}
