//! The circuit and its reference, side by side, through one history.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::{
    By, Cause, Circuit, Guard, Mode, Reason, Rejected, Snapshot, State, Totals, Transition,
    clock::ManualClock,
    observe::{CallEnd, CallEvent},
};

use crate::{
    config::{Change, Config},
    history::{Edge, Ending, Step, Time},
    reference::{Chance, Event, Probes, Reference, Refused, Seen, Ticket, Trip},
};

/// How often each thing of interest happened.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

const UNPOISONED: &str = "nobody panics with the list in hand";

type Events = Arc<Mutex<Vec<Event>>>;

/// What is heard of calls, if anybody hears of them.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<HeardCalls>>);

#[derive(Clone, Copy, Default)]
struct HeardCalls {
    admitted: u64,
    probes: [u64; 2],
    totals: Totals,
}

impl Heard {
    fn hear(&self, event: CallEvent<'_>) {
        let mut heard = self.0.lock().expect(UNPOISONED);
        let HeardCalls {
            admitted,
            probes,
            totals,
        } = &mut *heard;
        match event {
            CallEvent::Admitted(call) => {
                *admitted += 1;
                probes[0] += u64::from(call.probe);
                totals.shadowed += u64::from(call.shadowed);
                assert_eq!(call.probe, call.state == State::HalfOpen && !call.shadowed);
            }
            CallEvent::Rejected(rejected) => {
                totals.rejected += 1;
                *by_reason(totals, rejected.reason()) += 1;
            }
            CallEvent::Ended(call) => {
                probes[1] += u64::from(call.probe);
                totals.slow += u64::from(call.slow);
                totals.stale += u64::from(call.stale);
                *match call.end {
                    CallEnd::Successful => &mut totals.successful,
                    CallEnd::Failed => &mut totals.failed,
                    CallEnd::Ignored => &mut totals.ignored,
                    CallEnd::Abandoned => &mut totals.abandoned,
                    _ => panic!("no such end"),
                } += 1;
                assert!(call.took.is_some(), "each is timed");
            }
            _ => panic!("nobody asks whether an inner service is ready"),
        }
    }
}

fn by_reason(totals: &mut Totals, reason: Reason) -> &mut u64 {
    let by = &mut totals.rejected_by;
    match reason {
        Reason::Open => &mut by.open,
        Reason::HalfOpenFull => &mut by.half_open_full,
        Reason::ForcedOpen => &mut by.forced_open,
        Reason::Ramping => &mut by.ramping,
        Reason::Shedding => &mut by.shedding,
        Reason::BulkheadFull => &mut by.bulkhead_full,
        _ => panic!("no such reason"),
    }
}

/// The circuit and its reference, side by side, with the calls that go on in both.
struct Pair<'c> {
    circuit: &'c Circuit,
    clock: &'c ManualClock,
    events: &'c Events,
    reference: Reference,
    calls: Vec<(Guard<'c>, Ticket)>,
    heard: Option<Heard>,
    leaked: u64,
    /// When it left closed, by its own clock.
    left_closed: Duration,
    tally: Tally,
}

impl Pair<'_> {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Begin => self.begin(),
            Step::End(which, ending) => self.end(*which, *ending),
            Step::Calls(calls, ending) => self.call(*calls, *ending),
            Step::Pass(time) => self.pass(*time),
            Step::Reconfigure(change) => self.reconfigure(change),
            control => self.control(control),
        }
        self.compare();
    }

    fn begin(&mut self) {
        let shadowed = self.shadowed();
        let real = self.circuit.try_acquire();
        self.reference.chance = Chance {
            admitted: real.is_ok() && self.shadowed() == shadowed,
            open_for: self.newest_break(),
        };
        match (real, self.reference.acquire()) {
            (Ok(guard), Ok(ticket)) => self.calls.push((guard, ticket)),
            (Err(real), Err(expected)) => self.compare_rejections(&real, expected),
            (real, expected) => panic!("{real:?}, but expected {expected:?}"),
        }
    }

    fn shadowed(&self) -> Option<u64> {
        self.circuit.snapshot().totals.map(|totals| totals.shadowed)
    }

    fn compare_rejections(&mut self, real: &Rejected, expected: Refused) {
        let real = Refused {
            reason: real.reason(),
            remaining: real.remaining(),
        };
        assert_eq!(real, expected);
        self.note(match real.reason {
            Reason::Open => "rejected: open",
            Reason::HalfOpenFull => "rejected: half-open full",
            Reason::ForcedOpen => "rejected: forced open",
            Reason::Ramping => "rejected: ramping",
            Reason::Shedding => "rejected: shedding",
            _ => "rejected: otherwise",
        });
    }

    fn end(&mut self, which: usize, ending: Ending) {
        if self.calls.is_empty() {
            return;
        }
        let (guard, ticket) = self.calls.swap_remove(which % self.calls.len());
        match ending {
            Ending::Outcome(outcome) => guard.finish(outcome),
            Ending::Dropped => drop(guard),
            Ending::Leaked => {
                mem::forget(guard);
                self.leaked += 1;
            }
        }
        self.reference.chance.open_for = self.newest_break();
        self.reference.end(ticket, ending);
    }

    fn call(&mut self, calls: usize, ending: Ending) {
        for _ in 0..calls {
            let before = self.calls.len();
            self.begin();
            self.compare();
            if self.calls.len() > before {
                self.end(before, ending);
                self.compare();
            }
        }
    }

    fn pass(&mut self, time: Time) {
        let time = match time {
            Time::For(time) => time,
            Time::Until(which, edge) => self.until(which, edge),
        };
        self.clock.advance(time);
        self.reference.pass(time);
    }

    fn until(&self, which: usize, edge: Edge) -> Duration {
        let edges = self.reference.edges(self.calls.iter().map(|call| &call.1));
        let Some(due) = edges.get(which % edges.len().max(1)) else {
            return Duration::ZERO;
        };
        let nanosecond = Duration::from_nanos(1);
        let due = match edge {
            Edge::Before => due.saturating_sub(nanosecond),
            Edge::Exactly => *due,
            Edge::After => *due + nanosecond,
        };
        due.saturating_sub(self.reference.now())
    }

    fn control(&mut self, step: &Step) {
        let (circuit, reference) = (self.circuit, &mut self.reference);
        match step {
            Step::Trip(time) => {
                let real = circuit.trip(*time).map_err(|error| error.mode());
                assert_eq!(real, reference.trip(*time));
            }
            Step::ForceOpen => {
                let expected = reference.set_mode(Mode::ForcedOpen);
                assert_eq!(circuit.force_open(), expected);
            }
            Step::ForceOpenFor(time) => {
                let real = circuit.force_open_for(By::default(), *time);
                assert_eq!(real, Ok(reference.force_open_for(*time)));
            }
            Step::Release => assert_eq!(circuit.release(), reference.release()),
            Step::Reset => {
                circuit.reset();
                reference.reset();
            }
            Step::SetMode(mode) => assert_eq!(circuit.set_mode(*mode), reference.set_mode(*mode)),
            _ => unreachable!("no control"),
        }
    }

    fn reconfigure(&mut self, change: &Change) {
        let real = self.circuit.reconfigure(|numbers| change.tell(numbers));
        let accepted = self.reference.reconfigure(change);
        assert_eq!(real.is_ok(), accepted, "{real:?}");
        self.note(if accepted { "changed" } else { "refused" });
    }

    // ---- comparing -------------------------------------------------------------------------

    fn compare(&mut self) {
        let snapshot = self.circuit.snapshot();
        let share = self.reference.ramp_share();
        assert!((snapshot.ramp_share - share).abs() < 2e-6, "{share}");
        let shed = self.reference.shed_share();
        assert!((snapshot.shed_share - shed).abs() < 1e-9, "{shed}");
        let events = mem::take(&mut *self.events.lock().expect(UNPOISONED));
        self.compare_outage(&snapshot, &events);
        self.compare_heard(&snapshot);
        assert_eq!(seen(snapshot), self.reference.look());
        assert_eq!(events, self.reference.take_events());
        events.iter().for_each(|event| self.note(word(event.cause)));
    }

    /// C5: all that happens in one step happens at one instant.
    fn compare_outage(&mut self, snapshot: &Snapshot, events: &[Event]) {
        let now = self.reference.now();
        let leaves = |event: &Event| event.from == State::Closed && event.to != State::Closed;
        if events.iter().any(leaves) {
            self.left_closed = now;
        }
        let lasted = (snapshot.state != State::Closed).then(|| now - self.left_closed);
        assert_eq!(snapshot.outage, lasted);
    }

    /// L2: what is heard of calls is what is counted of them, and each that was admitted ends once.
    fn compare_heard(&mut self, snapshot: &Snapshot) {
        let (Some(heard), Some(counted)) = (&self.heard, snapshot.totals) else {
            return;
        };
        let heard = *heard.0.lock().expect(UNPOISONED);
        let (trips, vetoed) = (counted.trips, counted.vetoed);
        let mut totals = heard.totals;
        (totals.trips, totals.vetoed) = (trips, vetoed);
        assert_eq!(totals, counted);
        let under_way = self.calls.len() as u64 + self.leaked;
        assert_eq!(heard.admitted, totals.ended() + under_way);
        let probes = heard.probes;
        assert!(probes[0] >= probes[1] && probes[0] - probes[1] <= under_way);
        *self.tally.entry("heard").or_default() += 1;
    }

    fn newest_break(&self) -> Option<Duration> {
        self.events.lock().expect(UNPOISONED).last()?.open_for
    }

    fn note(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn note_totals(&mut self) {
        let totals = self.circuit.snapshot().totals.expect("counted");
        for (what, number) in [
            ("calls", totals.ended() + totals.rejected),
            ("failed", totals.failed),
            ("ignored", totals.ignored),
            ("abandoned", totals.abandoned),
            ("slow", totals.slow),
            ("stale", totals.stale),
            ("shadowed", totals.shadowed),
        ] {
            *self.tally.entry(what).or_default() += number;
        }
    }
}

fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::ConsecutiveFailures(_) => "consecutive failures",
        Cause::FailureRate { .. } => "failure rate",
        Cause::SlowCallRate { .. } => "slow-call rate",
        Cause::CustomPolicy(_) => "custom policy",
        Cause::TripNow => "trip now",
        Cause::Manual => "manual",
        Cause::ProbeFailed => "probe failed",
        Cause::ProbesTimedOut => "probes timed out",
        Cause::ProbesAbandoned => "probes abandoned",
        Cause::WaitOver => "wait over",
        Cause::Recovered => "recovered",
        Cause::ForceExpired => "force expired",
        Cause::ShedBegan(_) => "shed began",
        Cause::ShedEnded => "shed ended",
        _ => "something else",
    }
}

fn seen(snapshot: Snapshot) -> Seen {
    Seen {
        state: snapshot.state,
        mode: snapshot.mode,
        era: snapshot.era,
        time_in_state: snapshot.time_in_state,
        remaining: snapshot.remaining,
        attempt: snapshot.attempt,
        last_trip: snapshot.last_trip.map(|trip| Trip {
            cause: trip.cause,
            era: trip.era,
            counts: trip.counts,
            threshold: trip.threshold,
        }),
        rates_of: snapshot.rates_of(),
        failure_rate: snapshot.failure_rate(),
        slow_call_rate: snapshot.slow_call_rate(),
        consecutive_failures: snapshot.consecutive_failures,
        window: snapshot.window,
        probes: snapshot.probes.map(|probes| Probes {
            in_flight: probes.in_flight,
            permits: probes.permits,
            successes_needed: probes.successes_needed,
            failures_allowed: probes.failures_allowed,
        }),
        totals: snapshot.totals,
    }
}

fn event(transition: &Transition) -> Event {
    Event {
        from: transition.from,
        to: transition.to,
        mode_before: transition.mode_before,
        mode: transition.mode,
        era: transition.era,
        cause: transition.cause,
        counts: transition.counts,
        threshold: transition.threshold,
        shed_share: transition.shed_share,
        attempt: transition.attempt,
        open_for: transition.open_for,
    }
}

/// Runs one history through both, and tells what happened in it.
pub(crate) fn live_through(config: &Config, history: &[Step]) -> Tally {
    let clock = ManualClock::new();
    // A circuit's time begins when it is built, whatever the clock says.
    clock.advance(Duration::from_nanos(1_234_567_891));
    let events = Events::default();
    let heard = events.clone();
    // What a circuit decides is the same, whether anybody hears of its calls or not.
    let heard_calls = (history.len() % 2 == 0).then(Heard::default);
    let mut builder = Circuit::builder("real");
    if let Some(heard_calls) = heard_calls.clone() {
        builder = builder.on_call(move |_, event| heard_calls.hear(event));
    }
    let circuit = config
        .tell(builder)
        .clock(clock.clone())
        .on_transition(move |_, transition| heard.lock().expect(UNPOISONED).push(event(transition)))
        .build()
        .expect("a possible configuration");
    let mut pair = Pair {
        circuit: &circuit,
        clock: &clock,
        events: &events,
        reference: Reference::new(config),
        calls: Vec::new(),
        heard: heard_calls,
        leaked: 0,
        left_closed: Duration::ZERO,
        tally: Tally::new(),
    };
    pair.compare();
    history.iter().for_each(|step| pair.take(step));
    pair.note_totals();
    pair.tally
}
