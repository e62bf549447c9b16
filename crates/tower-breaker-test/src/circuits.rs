//! [`TestCircuit`]: a circuit with a clock and a recorder, in the state in which a test begins.
//!
//! Each function takes a builder, so a test can use the settings of production. It panics, at the line of the test, if
//! the settings make no sense or do not let the circuit come into that state.

use std::time::Duration;

use tower_breaker::{
    By, Circuit, CircuitBreakerLayer, CircuitBuilder, ConfigError, Jitter, Mode, OpenFor, State,
    clock::ManualClock,
};

use crate::recorder::Recorder;

/// Who opens the circuits of [`open`] and [`half_open`]: [`Event::by`](tower_breaker::observe::Event::by).
pub const WHO: &str = "tower-breaker-test";

/// The seed of the jitter, so that each run of a test has the same breaks.
const JITTER_SEED: u64 = 0;

/// A circuit, the clock that moves it, and the recorder that hears of it.
///
/// The kit sets the builder's `clock` and `jitter_seed`, whatever they were. The rest is as the builder says.
///
/// **Watch out:** each has a clock of its own, and all circuits under an [`EjectionCap`](tower_breaker::EjectionCap)
/// need the same. Build those by yourself with clones of one [`ManualClock`], and record them with
/// [`Recorder::builder`].
///
/// Made by [`closed`], [`open`] and [`half_open`], or by `TestCircuit::try_from(builder)` for who wants the error.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestCircuit {
    /// The circuit. Give a clone to your code.
    pub circuit: Circuit,
    /// What it takes for the time. It stands still until the test moves it.
    ///
    /// **Watch out:** it moves this circuit, and no timer of tokio's.
    pub clock: ManualClock,
    /// What has happened since the circuit came into the state that was asked for.
    pub recorder: Recorder,
}

impl TestCircuit {
    /// Records what becomes of each call, too, from now on. What was recorded so far is forgotten.
    #[must_use]
    pub fn recording_calls(mut self) -> Self {
        let recorder = Recorder::builder().clock(self.clock.clone()).calls();
        self.recorder = recorder.record(&self.circuit);
        self
    }

    /// A layer with this circuit.
    pub fn layer(&self) -> CircuitBreakerLayer {
        CircuitBreakerLayer::new(self.circuit.clone())
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Moves the clock to the end of the break (elsewhere: wait duration), and returns by how much. The next call is a
    /// probe. If the circuit is not open, or forced open without an end, the clock stays where it is.
    ///
    /// The circuit stays open until that call comes. If it is forced open [for a
    /// time](tower_breaker::Circuit::force_open_for), the clock moves to the end of that, and the next call finds it
    /// closed.
    pub fn end_break(&self) -> Duration {
        let left = self.circuit.snapshot().remaining.unwrap_or_default();
        self.advance(left);
        left
    }
}

impl AsRef<Recorder> for TestCircuit {
    fn as_ref(&self) -> &Recorder {
        &self.recorder
    }
}

/// As [`closed`], with an error in place of a panic.
impl TryFrom<CircuitBuilder> for TestCircuit {
    type Error = ConfigError;

    // The circuit was built where the test says so, and not here: `short_lived_circuits` tells the place.
    #[track_caller]
    fn try_from(builder: CircuitBuilder) -> Result<Self, ConfigError> {
        let clock = ManualClock::new();
        let builder = builder.clock(clock.clone()).jitter_seed(JITTER_SEED);
        let circuit = builder.build()?;
        let recorder = Recorder::builder().clock(clock.clone()).record(&circuit);
        Ok(Self {
            circuit,
            clock,
            recorder,
        })
    }
}

/// A circuit as it is built: closed, unless the builder says otherwise.
///
/// # Panics
///
/// If the settings make no sense, with what [`ConfigError`] says.
#[must_use]
#[track_caller]
pub fn closed(builder: CircuitBuilder) -> TestCircuit {
    match TestCircuit::try_from(builder) {
        Ok(test) => test,
        Err(error) => panic!("no circuit can be built: {error}"),
    }
}

/// A circuit that has just opened for the first time. Its break (elsewhere: wait duration) is the first that its
/// settings have, without jitter.
///
/// It was opened by hand, by [`WHO`]: the builder's listeners hear so, and a rejection tells that cause. The recorder
/// begins after it. If it was [restored](CircuitBuilder::restore) open, it was reset before that, so that its attempts
/// are forgotten.
///
/// # Panics
///
/// If the settings make no sense, or the circuit cannot open: forced open or disabled from the start.
#[must_use]
#[track_caller]
pub fn open(builder: CircuitBuilder) -> TestCircuit {
    let test = closed(builder);
    let first = first_break(test.circuit.settings().open_for());
    let by = By::who(WHO).because("the test begins with an open circuit");
    // A reset would release it.
    if test.circuit.state() == State::Open && test.circuit.mode() != Mode::ForcedOpen {
        // Here only: a fixture says nothing to a fleet.
        test.circuit.here().reset_as(by.clone());
    }
    if let Err(error) = test.circuit.trip_as(by, first) {
        panic!("the circuit cannot begin open: {error}");
    }
    test.recorder.clear();
    test
}

/// How long the first break is, without jitter. Only a circuit can ask a function of the attempt: one is opened for
/// that.
fn first_break(open_for: &OpenFor) -> Duration {
    if !open_for.is_function() {
        return open_for.first();
    }
    let builder = Circuit::builder("the first break").consecutive_failures(1);
    let builder = builder.open_for(open_for.clone().jitter(Jitter::None));
    // Without totals nobody takes it for a circuit that is built for each call.
    let circuit = builder.totals(false).clock(ManualClock::new()).build();
    let circuit = circuit.expect("nothing else is set");
    circuit.try_acquire().expect("closed").failure();
    circuit.snapshot().remaining.unwrap_or_default()
}

/// A circuit that is half-open, with all of its permits (elsewhere: permitted calls in half-open) free.
///
/// It was [opened](open), its break is over, and one probe has decided nothing: totals and listeners know of it. The
/// recorder begins after it.
///
/// # Panics
///
/// If the settings make no sense, or the circuit cannot become half-open: forced open or disabled from the start, a
/// fleet that decides who probes, or a break that no clock sees the end of (584 years).
#[must_use]
#[track_caller]
pub fn half_open(builder: CircuitBuilder) -> TestCircuit {
    let test = open(builder);
    test.end_break();
    match test.circuit.try_acquire() {
        // Ignored: it gives its permit back and decides nothing, whatever is set for calls that are dropped.
        Ok(probe) => probe.ignore(),
        Err(rejected) => panic!("the circuit cannot begin half-open: {rejected}"),
    }
    assert_eq!(
        test.circuit.state(),
        State::HalfOpen,
        "after a probe that decides nothing"
    );
    test.recorder.clear();
    test
}
