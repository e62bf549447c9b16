//! Where a recorder writes: bounded, and with a count of what was cut off.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tower_breaker::{
    Circuit, Snapshot,
    clock::Clock,
    observe::{CallEvent, Event},
};

use super::{
    entry::{Call, Entry, Recorded},
    transcript::{Beginning, Transcript},
};

pub(super) struct Log {
    clock: Arc<dyn Clock>,
    origin: Duration,
    keep: usize,
    written: Mutex<Written>,
}

struct Written {
    beginning: Beginning,
    entries: VecDeque<Entry>,
    cut_off: u64,
    transitions_cut_off: u64,
    counts: Counts,
}

impl Written {
    fn new(beginning: Beginning) -> Self {
        Self {
            beginning,
            entries: VecDeque::new(),
            cut_off: 0,
            transitions_cut_off: 0,
            counts: Counts::default(),
        }
    }

    fn last_at(&self) -> Duration {
        let last = self.entries.back();
        last.map_or(self.beginning.at, |entry| entry.at)
    }
}

/// Calls since the beginning.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) admitted: u64,
    pub(super) rejected: u64,
}

impl Log {
    pub(super) fn new(clock: Arc<dyn Clock>, keep: u32) -> Self {
        Self {
            origin: clock.now(),
            clock,
            keep: usize::try_from(keep).unwrap_or(usize::MAX),
            written: Mutex::new(Written::new(Beginning::unknown(Duration::ZERO))),
        }
    }

    /// A test that has failed while it held the lock still wants its transcript.
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.clock.now().saturating_sub(self.origin)
    }

    pub(super) fn event(&self, event: &Arc<Event>) {
        self.push(&mut self.written(), Recorded::Event(Arc::clone(event)));
    }

    pub(super) fn call(&self, call: CallEvent<'_>, is_recorded: bool) {
        let mut written = self.written();
        match call {
            CallEvent::Admitted(_) => written.counts.admitted += 1,
            CallEvent::Rejected(_) => written.counts.rejected += 1,
            _ => {}
        }
        if is_recorded {
            self.push(&mut written, Recorded::Call(Call::from(call)));
        }
    }

    /// The clock is read under the lock, so that times never go back from one entry to the next. If it cannot be read,
    /// as tokio's at the end of a thread, nothing is lost: it is as late as it was last.
    fn push(&self, written: &mut Written, what: Recorded) {
        let now = catch_unwind(AssertUnwindSafe(|| self.now()));
        let at = now.unwrap_or_else(|_| written.last_at());
        let entry = Entry { at, what };
        if written.beginning.has_seen(&entry) {
            return;
        }
        written.entries.push_back(entry);
        while written.entries.len() > self.keep {
            let oldest = written.entries.pop_front();
            written.cut_off += 1;
            if oldest.is_some_and(|oldest| oldest.changes_state()) {
                written.transitions_cut_off += 1;
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.written().counts
    }

    pub(super) fn transcript(&self) -> Transcript {
        let written = self.written();
        Transcript {
            beginning: written.beginning,
            entries: written.entries.iter().cloned().collect(),
            cut_off: written.cut_off,
            transitions_cut_off: written.transitions_cut_off,
        }
    }

    /// Begins anew, with a look at the circuit. The lock is not held for that: a look may run the code of somebody's
    /// own outbox. What comes meanwhile is kept, but for transitions that the look has seen.
    pub(super) fn begin(&self, circuit: &Circuit) {
        self.forget();
        self.begin_with(&circuit.snapshot());
    }

    fn forget(&self) {
        let at = self.now();
        *self.written() = Written::new(Beginning::unknown(at));
    }

    fn begin_with(&self, seen: &Snapshot) {
        let mut written = self.written();
        let written = &mut *written;
        written.beginning = Beginning {
            state: seen.state,
            mode: seen.mode,
            era: seen.era,
            at: written.beginning.at,
        };
        let beginning = written.beginning;
        written.entries.retain(|entry| !beginning.has_seen(entry));
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.transcript()).finish()
    }
}

#[cfg(test)]
mod tests {
    use tower_breaker::{State, clock::ManualClock};

    use super::*;

    #[test]
    fn what_is_told_between_the_look_and_the_lock_came_after_the_beginning() {
        let circuit = Circuit::builder("reviews").event_log(4).build();
        let circuit = circuit.expect("valid");
        let log = Log::new(Arc::new(ManualClock::new()), 10);
        let tell_last = || log.event(circuit.recent_events().last().expect("one"));

        log.forget();
        circuit.trip(Duration::from_secs(1)).expect("normal");
        tell_last();
        let seen = circuit.snapshot();
        circuit.reset();
        tell_last();
        log.begin_with(&seen);
        let transcript = log.transcript();
        assert_eq!(
            (transcript.began(), transcript.transitions()),
            (State::Open, vec![State::Closed])
        );
    }
}
