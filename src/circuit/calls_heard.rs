//! Calls that somebody hears of (rule L2). All of it is off the path of those that nobody hears of.

use std::cell::Cell;

use super::{
    call_event::{AdmittedCall, CallEvent, EndedCall},
    error::Rejected,
    handle::Circuit,
};
use crate::machine::{Answer, HeardEnd, Nanos, Outcome, Ticket, WithTransition};

std::thread_local! {
    /// Whether this thread is telling of a call.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// What a listener does is not told to listeners, or one that makes a call would never end.
struct Telling;

impl Telling {
    fn begin() -> Option<Self> {
        // At the end of a thread nobody can tell.
        let told = TELLING.try_with(|telling| telling.replace(true));
        // Not `then_some`: one that is made ends when it is dropped.
        (!told.unwrap_or(true)).then(|| Self)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let _ = TELLING.try_with(|telling| telling.set(false));
    }
}

impl Circuit {
    /// Has calls told from now on if anybody hears of them, and else not.
    pub(crate) fn hear_calls_anew(&self) {
        loop {
            let heard = self.observers().hears_calls();
            self.core().hear_calls(heard);
            // Whoever changes who hears of calls does this after it. So the last of those who do has it right.
            if self.observers().hears_calls() == heard {
                return;
            }
        }
    }

    #[inline]
    pub(super) fn are_calls_heard(&self) -> bool {
        self.core().hears_calls()
    }

    /// Tells of a call that was admitted, unless it is a part of another.
    #[cold]
    pub(super) fn tell_admitted(&self, mut ticket: Ticket) {
        let Some(ticket) = ticket.take() else {
            return;
        };
        self.tell_call(CallEvent::Admitted(AdmittedCall {
            state: ticket.state(),
            era: ticket.era().number(),
            probe: ticket.is_probe(),
            shadowed: ticket.is_shadowed(),
        }));
    }

    #[cold]
    pub(super) fn tell_rejected(&self, rejected: &Rejected) {
        self.tell_call(CallEvent::Rejected(rejected));
    }

    #[cold]
    pub(super) fn tell_not_ready(&self) {
        self.tell_call(CallEvent::NotReady);
    }

    /// Records a call, and tells what it came to.
    #[cold]
    pub(super) fn record_and_tell(&self, ticket: Ticket, outcome: Outcome, took: Option<Nanos>) {
        let now = self.now();
        self.tell_ended(ticket, self.core().record_heard(ticket, outcome, took, now));
    }

    /// Abandons a call, and tells what it came to.
    #[cold]
    pub(super) fn abandon_and_tell(&self, ticket: Ticket, answer: Answer, took: Option<Nanos>) {
        let now = self.now();
        self.tell_ended(ticket, self.core().abandon_heard(ticket, answer, took, now));
    }

    fn tell_ended(&self, ticket: Ticket, ended: WithTransition<HeardEnd>) {
        self.tell_end(ticket, &ended.transition);
        let call = EndedCall::new(ended.answer, ticket.is_probe());
        self.tell_call(CallEvent::Ended(call));
    }

    pub(super) fn tell_call(&self, event: CallEvent<'_>) {
        if let Some(_telling) = Telling::begin() {
            self.observers().tell_call(self, event);
        }
    }
}
