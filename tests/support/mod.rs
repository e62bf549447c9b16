//! A circuit with a clock and a log, so that tests read as transcripts.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::{
    Circuit, CircuitBuilder, Guard, Outcome, Rejected, Snapshot, State, Totals, Transition,
    clock::ManualClock,
};

pub(crate) const NANO: Duration = Duration::from_nanos(1);
/// The `slow_call_duration` of [`Fixture::play`]'s slow calls.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A circuit, the clock it reads, and what it told its listeners.
pub(crate) struct Fixture {
    pub(crate) circuit: Circuit,
    pub(crate) clock: ManualClock,
    log: Arc<Mutex<Vec<Transition>>>,
}

impl Fixture {
    pub(crate) fn new(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        let clock = ManualClock::new();
        // Not at zero, so that an instant is never mistaken for a span.
        clock.advance(secs(1_000_000));
        let log = Arc::new(Mutex::new(Vec::new()));
        let heard = log.clone();
        let builder = Circuit::builder("payments")
            .clock(clock.clone())
            .on_transition(move |_, transition| heard.lock().expect("a log").push(*transition));
        let circuit = configure(builder)
            .build()
            .expect("settings that make sense");
        clock.advance(secs(7));
        Self {
            circuit,
            clock,
            log,
        }
    }

    /// One call after another:
    ///
    /// | letter | call |
    /// |---|---|
    /// | `s` `f` | succeeds, fails |
    /// | `S` `F` | the same, slowly: a nanosecond longer than [`SLOW`] |
    /// | `i` | is ignored |
    /// | `a` | is answered, and that says nothing about failures |
    /// | `d` `D` | is dropped; is dropped after more than [`SLOW`] |
    /// | `t` | trips now |
    /// | `x` | is rejected |
    ///
    /// All but `x` must be admitted.
    #[track_caller]
    pub(crate) fn play(&self, script: &str) {
        for (position, letter) in script.char_indices().filter(|(_, c)| *c != ' ') {
            let admission = self.circuit.try_acquire();
            assert_eq!(
                admission.is_err(),
                letter == 'x',
                "call {position} of `{script}`: {admission:?}"
            );
            if let Ok(guard) = admission {
                self.end(guard, letter);
            }
        }
    }

    /// Ends one admitted call, in the letters of [`play`](Self::play).
    pub(crate) fn end(&self, guard: Guard<'_>, letter: char) {
        if letter.is_uppercase() {
            self.wait(SLOW + NANO);
        }
        match letter.to_ascii_lowercase() {
            's' => guard.success(),
            'f' => guard.failure(),
            'i' => guard.ignore(),
            'a' => guard.finish(Outcome::Answered),
            'd' => drop(guard),
            't' => guard.finish(Outcome::TripNow),
            other => panic!("no such call: {other}"),
        }
    }

    /// The same call, many times.
    #[track_caller]
    pub(crate) fn play_times(&self, times: usize, script: &str) {
        for _ in 0..times {
            self.play(script);
        }
    }

    #[track_caller]
    pub(crate) fn admit(&self) -> Guard<'_> {
        self.circuit.try_acquire().expect("an admitted call")
    }

    #[track_caller]
    pub(crate) fn reject(&self) -> Rejected {
        self.circuit.try_acquire().expect_err("a rejected call")
    }

    pub(crate) fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Waits for the break to be over, to the nanosecond.
    #[track_caller]
    pub(crate) fn wait_out(&self) {
        self.wait(self.remaining());
    }

    #[track_caller]
    pub(crate) fn remaining(&self) -> Duration {
        self.look().remaining.expect("a break that ends")
    }

    pub(crate) fn look(&self) -> Snapshot {
        self.circuit.snapshot()
    }

    /// Everything there is to see but the totals, which never stand still.
    pub(crate) fn look_without_totals(&self) -> Snapshot {
        let mut snapshot = self.look();
        snapshot.totals = None;
        snapshot
    }

    #[track_caller]
    pub(crate) fn totals(&self) -> Totals {
        self.look().totals.expect("totals")
    }

    /// The totals, but for how often the circuit has opened.
    #[track_caller]
    pub(crate) fn totals_of_calls(&self) -> Totals {
        let mut totals = self.totals();
        totals.trips = 0;
        totals
    }

    /// What the window holds: calls, failed, slow.
    #[track_caller]
    pub(crate) fn window(&self) -> (u64, u64, u64) {
        let counts = self.look().window.expect("a window");
        (counts.calls, counts.failed, counts.slow)
    }

    #[track_caller]
    pub(crate) fn is(&self, state: State) {
        assert_eq!(self.circuit.state(), state);
    }

    /// The transitions told since the last look.
    pub(crate) fn told(&self) -> Vec<Transition> {
        std::mem::take(&mut *self.log.lock().expect("a log"))
    }

    /// These transitions were told since the last look, and no other.
    #[track_caller]
    pub(crate) fn tells(&self, transitions: &[&str]) {
        let told: Vec<String> = self.told().iter().map(Transition::to_string).collect();
        assert_eq!(told, transitions);
    }

    #[track_caller]
    pub(crate) fn tells_nothing(&self) {
        self.tells(&[]);
    }
}

/// A circuit that opens for 5 seconds at the first failure, and what else is said.
pub(crate) fn fragile(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Fixture {
    Fixture::new(|builder| configure(builder.consecutive_failures(1).open_for(secs(5))))
}

/// A circuit that opens for 5 seconds after 3 failures in a row.
pub(crate) fn three_failures() -> Fixture {
    Fixture::new(|c| c.consecutive_failures(3).open_for(secs(5)))
}

/// A fragile circuit, half-open: tripped, and the wait is over. The next call is the first probe.
pub(crate) fn fragile_after_break(
    configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
) -> Fixture {
    let fixture = fragile(configure);
    fixture.play("f");
    fixture.wait_out();
    fixture.told();
    fixture
}

/// Totals that are zero but for what `change` sets.
pub(crate) fn totals(change: impl FnOnce(&mut Totals)) -> Totals {
    let mut totals = Totals::default();
    change(&mut totals);
    totals
}

/// The message that `code` panics with.
#[track_caller]
pub(crate) fn panic_of(code: impl FnOnce()) -> String {
    message_of(&*catch_unwind(AssertUnwindSafe(code)).expect_err("a panic"))
}

/// The message of a panic that was caught.
#[track_caller]
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    match panic.downcast_ref::<String>() {
        Some(message) => message.clone(),
        None => (*panic.downcast_ref::<&str>().expect("a message")).to_owned(),
    }
}
