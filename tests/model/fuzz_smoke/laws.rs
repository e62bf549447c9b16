//! What holds for every circuit, whatever its settings and its history: stated rule by rule, and not as
//! a second implementation.

use std::{
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::{
    Cause, Circuit, CircuitBuilder, Guard, Mode, Outcome, Reason, Rejected, Settings, Snapshot,
    State, Totals, Transition, clock::ManualClock,
};

use super::bytes::Bytes;

const DAY: u64 = 24 * 60 * 60;
const MOST_STEPS: usize = 400;

/// Normal more often than the others, because it is there that most happens.
pub(crate) fn any_mode(bytes: &mut Bytes<'_>) -> Mode {
    match bytes.byte() % 8 {
        0..=4 => Mode::Normal,
        5 => Mode::Shadow,
        6 => Mode::Disabled,
        _ => Mode::ForcedOpen,
    }
}

/// The transitions that were told.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Transition>>>);

impl Log {
    pub(crate) fn listen(&self, builder: CircuitBuilder) -> CircuitBuilder {
        let log = self.0.clone();
        builder.on_transition(move |_, transition| log.lock().expect("no panic").push(*transition))
    }

    fn take(&self) -> Vec<Transition> {
        mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

/// A call that goes on, and the half-open era in which it took a seat.
struct Call<'c> {
    guard: Guard<'c>,
    seat: Option<u64>,
}

struct Play<'c> {
    circuit: &'c Circuit,
    clock: &'c ManualClock,
    log: &'c Log,
    calls: Vec<Call<'c>>,
    /// Eras of the seats that were taken for good.
    forgotten: Vec<u64>,
    admitted: u64,
    lost: u64,
    before: Snapshot,
}

/// Plays with a circuit for as long as there are bytes, then wants it to recover.
pub(crate) fn play(circuit: &Circuit, clock: &ManualClock, log: &Log, bytes: &mut Bytes<'_>) {
    let mut play = Play {
        circuit,
        clock,
        log,
        calls: Vec::new(),
        forgotten: Vec::new(),
        admitted: 0,
        lost: 0,
        before: circuit.snapshot(),
    };
    for _ in 0..MOST_STEPS {
        if !bytes.are_left() {
            break;
        }
        play.step(bytes);
        play.check();
    }
    play.end_all();
    play.recover();
}

impl<'c> Play<'c> {
    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.byte() % 16 {
            0..=4 => self.begin(),
            5..=9 => self.end(bytes),
            10 | 11 => self.pass(bytes),
            12 => self.wait_out(),
            13 => self.control(bytes),
            14 => self.set_mode(bytes),
            _ => self.reconfigure(bytes),
        }
    }

    fn begin(&mut self) {
        let shadowed = self.totals().map(|totals| totals.shadowed);
        match self.circuit.try_acquire() {
            Ok(guard) => {
                let passes = self.totals().map(|totals| totals.shadowed) != shadowed;
                let seen = self.circuit.snapshot();
                let seat = (seen.state == State::HalfOpen && !passes).then_some(seen.era);
                self.admitted += 1;
                self.calls.push(Call { guard, seat });
            }
            Err(rejected) => assert_honest(&rejected, &self.circuit.snapshot()),
        }
    }

    fn end(&mut self, bytes: &mut Bytes<'_>) {
        if self.calls.is_empty() {
            return;
        }
        let Call { guard, seat } = self.calls.swap_remove(bytes.index(self.calls.len()));
        match bytes.byte() % 16 {
            0..=4 => self.succeed(guard),
            5..=9 => guard.failure(),
            10 => guard.ignore(),
            11 => guard.finish(Outcome::FailureRetryAfter(bytes.any_duration())),
            12 => guard.finish(Outcome::TripNow),
            13 => guard.finish(Outcome::TripFor(bytes.any_duration())),
            14 => drop(guard),
            _ => {
                self.lost += 1;
                self.forgotten.extend(seat);
                mem::forget(guard);
            }
        }
    }

    /// B4: where nothing is slow, a success never opens a circuit that is closed.
    fn succeed(&self, guard: Guard<'_>) {
        let slow = self.totals().map(|totals| totals.slow);
        let before = self.circuit.state();
        guard.success();
        if before == State::Closed && slow.is_some() && slow == self.totals().map(|t| t.slow) {
            assert_eq!(self.circuit.state(), State::Closed);
        }
    }

    fn pass(&self, bytes: &mut Bytes<'_>) {
        self.clock.advance(match bytes.flag() {
            true => bytes.any_duration(),
            false => Duration::from_millis(bytes.below(1 << 16)),
        });
    }

    /// C1, to the nanosecond on either side.
    fn wait_out(&self) {
        let Some(left) = self.circuit.snapshot().remaining else {
            return;
        };
        let nanosecond = Duration::from_nanos(1);
        self.clock.advance(left.saturating_sub(nanosecond));
        if left > nanosecond && self.circuit.mode() == Mode::Normal {
            assert!(self.circuit.try_acquire().is_err(), "early by a nanosecond");
        }
        self.clock.advance(left.min(nanosecond));
    }

    fn control(&self, bytes: &mut Bytes<'_>) {
        let (state, mode) = (self.circuit.state(), self.circuit.mode());
        match bytes.byte() % 3 {
            0 => {
                let tripped = self.circuit.trip(bytes.any_duration());
                let refused = matches!(mode, Mode::ForcedOpen | Mode::Disabled);
                assert_eq!(tripped.is_err(), refused);
                let state = if refused { state } else { State::Open };
                assert_eq!(self.circuit.state(), state);
            }
            1 => {
                self.circuit.reset();
                assert_eq!(self.circuit.state(), State::Closed);
                assert_ne!(self.circuit.mode(), Mode::ForcedOpen);
            }
            _ => assert_eq!(self.circuit.release(), mode == Mode::ForcedOpen),
        }
    }

    fn set_mode(&self, bytes: &mut Bytes<'_>) {
        let (mode, before) = (any_mode(bytes), self.circuit.mode());
        assert_eq!(self.circuit.set_mode(mode), mode != before);
        assert_eq!(self.circuit.mode(), mode);
    }

    /// E5: accepted or refused by name, a change changes nothing there is to see.
    fn reconfigure(&self, bytes: &mut Bytes<'_>) {
        let before = self.look();
        let settings = self.circuit.settings();
        let below = |bytes: &mut Bytes<'_>, sides: u8| bytes.byte() % sides;
        let changed = self.circuit.reconfigure(|settings| match bytes.byte() % 9 {
            0 => settings.set_consecutive_failures(u32::from(below(bytes, 4))),
            1 => settings.set_failure_rate(bytes.any_share()),
            2 => settings.set_slow_call_rate(bytes.any_share()),
            3 => settings.set_slow_call_duration(bytes.any_duration()),
            4 => settings.set_open_for(bytes.any_duration()),
            5 => settings.set_probes((below(bytes, 8).into(), below(bytes, 8).into())),
            6 => settings.set_permits(u32::from(below(bytes, 8))),
            7 => settings.set_half_open_timeout(bytes.any_duration()),
            _ => take_back(settings, bytes.byte()),
        });
        match changed {
            Err(error) => {
                assert!(!error.field().is_empty() && !error.allowed().is_empty());
                assert_eq!(self.circuit.settings(), settings);
            }
            Ok(change) => {
                assert_eq!(change.before(), &settings);
                assert_eq!(change.after(), &self.circuit.settings());
                // A snapshot knows from how many calls on it has a rate.
                if change.before().minimum_calls() != change.after().minimum_calls() {
                    return;
                }
            }
        }
        // What is shed depends on settings (B9).
        let mut now = self.look();
        now.shed_share = before.shed_share;
        assert_eq!(now, before);
    }

    // ---- the laws ------------------------------------------------------------------------------

    fn totals(&self) -> Option<Totals> {
        self.circuit.snapshot().totals
    }

    /// C5: looking changes nothing.
    fn look(&self) -> Snapshot {
        let seen = self.circuit.snapshot();
        assert_eq!(self.circuit.snapshot(), seen);
        seen
    }

    fn check(&mut self) {
        let seen = self.look();
        self.check_transitions(&seen);
        check_state(&seen);
        self.check_probes(&seen);
        self.check_totals(&seen);
        self.before = seen;
    }

    /// E4, F1: each begins where the one before it ended, and leads to what is seen.
    fn check_transitions(&mut self, seen: &Snapshot) {
        let (mut state, mut mode) = (self.before.state, self.before.mode);
        let mut era = self.before.era;
        for told in self.log.take() {
            assert_eq!((told.from, told.mode_before), (state, mode), "{told:?}");
            let stays = is_change_of_mode(&told) || is_of_shedding(&told);
            assert!(told.era == era + 1 || told.era == era && stays, "{told:?}");
            assert!(is_legal(&told), "{told:?}");
            (state, mode, era) = (told.to, told.mode, told.era);
        }
        assert_eq!((seen.state, seen.mode, seen.era), (state, mode, era));
    }

    /// D1, F2
    fn check_probes(&self, seen: &Snapshot) {
        assert_eq!(seen.probes.is_some(), seen.state == State::HalfOpen);
        let Some(probes) = seen.probes else { return };
        assert!(
            probes.in_flight <= probes.permits && probes.permits <= 63,
            "{probes:?}"
        );
        assert!((1..=63).contains(&probes.successes_needed), "{probes:?}");
        let seats = self.calls.iter().filter_map(|call| call.seat);
        let taken = seats
            .chain(self.forgotten.iter().copied())
            .filter(|era| *era == seen.era);
        // Without totals nobody can tell whom shadow let pass.
        if seen.totals.is_some() {
            assert_eq!(probes.in_flight, taken.count() as u64, "{probes:?}");
        }
    }

    /// F4
    fn check_totals(&self, seen: &Snapshot) {
        let (Some(now), Some(before)) = (seen.totals, self.before.totals) else {
            return;
        };
        let numbers = |t: &Totals| {
            [
                t.successful,
                t.failed,
                t.ignored,
                t.abandoned,
                t.slow,
                t.stale,
                t.rejected,
                t.rejected_by.open,
                t.rejected_by.half_open_full,
                t.rejected_by.forced_open,
                t.rejected_by.ramping,
                t.rejected_by.shedding,
                t.shadowed,
            ]
        };
        let pairs = numbers(&before).into_iter().zip(numbers(&now));
        assert!(
            pairs.into_iter().all(|(before, now)| before <= now),
            "{now:?}"
        );
        let going_on = self.calls.len() as u64 + self.lost;
        assert_eq!(now.ended() + going_on, self.admitted, "{now:?}");
        assert!(now.slow <= now.successful + now.failed && now.stale <= now.ended());
    }

    // ---- the end -------------------------------------------------------------------------------

    /// Whatever is left comes back late.
    fn end_all(&mut self) {
        mem::take(&mut self.calls)
            .into_iter()
            .for_each(|call| drop(call.guard));
        self.check();
    }

    /// D4, E2: nothing is wedged. A break that never ends is a person's to end.
    fn recover(&mut self) {
        self.circuit.set_mode(Mode::Normal);
        self.circuit.release();
        for _ in 0..200 {
            if self.circuit.state() == State::Closed {
                return self.check();
            }
            if let Ok(call) = self.circuit.try_acquire() {
                self.admitted += 1;
                call.success();
            }
            self.clock.advance(Duration::from_secs(2 * DAY));
        }
        self.circuit.reset();
        assert_eq!(self.circuit.state(), State::Closed);
        self.circuit
            .try_acquire()
            .expect("closed, and not ramping")
            .success();
    }
}

/// C3, H1
fn assert_honest(rejected: &Rejected, seen: &Snapshot) {
    let (left, seconds) = (rejected.remaining(), rejected.retry_after_secs());
    assert_eq!(rejected.circuit(), &*seen.name);
    assert_eq!(left.is_some(), seconds.is_some());
    assert!(seconds.is_none_or(|seconds| (1..=DAY).contains(&seconds)));
    match rejected.reason() {
        Reason::Open => {
            assert_eq!(seen.state, State::Open);
            // The call that finds the probes timed out is told of the whole new break, of which the end
            // of time may leave less.
            let reopened = seen.time_in_state.is_zero() && left > seen.remaining;
            assert!(reopened || left == seen.remaining, "{left:?} in {seen:?}");
        }
        Reason::HalfOpenFull => {
            assert_eq!(seen.state, State::HalfOpen);
            assert!(left > Some(Duration::ZERO));
        }
        Reason::ForcedOpen => assert_eq!((seen.mode, left), (Mode::ForcedOpen, None)),
        Reason::Ramping => {
            assert_eq!(
                (seen.state, left),
                (State::Closed, Some(Duration::from_secs(1)))
            );
            assert!(seen.ramp_share < 1.0);
        }
        Reason::Shedding => {
            let (state, second) = (State::Closed, Some(Duration::from_secs(1)));
            assert_eq!((seen.state, left), (state, second));
            assert!(seen.shed_share > 0.0);
        }
        other => panic!("no such reason: {other:?}"),
    }
    assert_ne!(seen.mode, Mode::Disabled);
    assert_ne!(seen.mode, Mode::Shadow);
}

/// B9, C3, D6, E1, F5, F7
fn check_state(seen: &Snapshot) {
    let ends = seen.state == State::Open && seen.mode != Mode::ForcedOpen;
    assert_eq!(seen.remaining.is_some(), ends, "{seen:?}");
    assert_eq!(seen.attempt == 0, seen.state == State::Closed, "{seen:?}");
    assert!(seen.ramp_share > 0.0 && seen.ramp_share <= 1.0, "{seen:?}");
    let sheds = (0.0..1.0).contains(&seen.shed_share);
    assert!(
        sheds && (seen.shed_share == 0.0 || seen.state == State::Closed),
        "{seen:?}"
    );
    match seen.mode {
        Mode::ForcedOpen => assert_eq!(seen.state, State::Open),
        Mode::Disabled => assert_eq!(seen.state, State::Closed),
        Mode::Normal | Mode::Shadow => {}
    }
    if seen.state != State::Closed {
        assert_eq!(seen.consecutive_failures, 0, "{seen:?}");
        assert!(
            seen.window.is_none_or(|counts| counts.calls == 0),
            "{seen:?}"
        );
    }
    if let Some(counts) = seen.window {
        assert!(
            counts.failed <= counts.calls && counts.slow <= counts.calls,
            "{seen:?}"
        );
    }
}

fn is_change_of_mode(told: &Transition) -> bool {
    let deciding = |mode| matches!(mode, Mode::Normal | Mode::Shadow);
    let between = deciding(told.mode) && deciding(told.mode_before);
    between && told.mode != told.mode_before && told.from == told.to
}

/// B9
fn is_of_shedding(told: &Transition) -> bool {
    matches!(told.cause, Cause::ShedBegan(_) | Cause::ShedEnded)
}

/// The table of transitions that there are (A7, B6, C1, D2, D4, E1, E2).
fn is_legal(told: &Transition) -> bool {
    use State::{Closed, HalfOpen, Open};
    let ends = told.to == Open && told.mode != Mode::ForcedOpen;
    if told.open_for.is_some() != ends || (told.attempt == 0) != (told.to == Closed) {
        return false;
    }
    let decided = match (told.from, told.to) {
        (Closed, Open) => match told.cause {
            Cause::ConsecutiveFailures(n) => n >= 1,
            Cause::FailureRate { failed, calls } => (1..=calls).contains(&failed),
            Cause::SlowCallRate { slow, calls } => (1..=calls).contains(&slow),
            Cause::CustomPolicy(counts) => counts.failed <= counts.calls,
            cause => cause == Cause::TripNow,
        },
        (Closed, Closed) => is_of_shedding(told),
        (Open, HalfOpen) => told.cause == Cause::WaitOver,
        (HalfOpen, Closed) => told.cause == Cause::Recovered,
        (HalfOpen, Open) => matches!(
            told.cause,
            Cause::ProbeFailed | Cause::ProbesTimedOut | Cause::ProbesAbandoned | Cause::TripNow
        ),
        _ => false,
    };
    let by_hand = told.cause == Cause::Manual
        && (told.to != HalfOpen || is_change_of_mode(told))
        && (told.to == Open || told.to == Closed || told.from == HalfOpen);
    match decided {
        true => told.mode == told.mode_before && told.mode != Mode::Disabled,
        false => by_hand,
    }
}

fn take_back(settings: &mut Settings, which: u8) -> &mut Settings {
    match which % 8 {
        0 => settings.set_consecutive_failures(None),
        1 => settings.set_failure_rate(None),
        2 => settings.set_slow_call_rate(None),
        3 => settings.set_slow_call_duration(None),
        4 => settings.set_minimum_calls(None),
        5 => settings.set_probes(None),
        6 => settings.set_permits(None),
        _ => settings.set_half_open_timeout(None),
    }
}
