//! [`Recorder`]: what a circuit did, in order, to be printed when a test fails.

mod entry;
mod log;
mod transcript;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tower_breaker::{Circuit, State, clock::Clock, observe::Subscription};

use self::log::Log;
pub use self::{
    entry::{Call, Entry, Recorded},
    transcript::Transcript,
};

/// What a circuit does from now on, in order: its [events](tower_breaker::observe::Event), and its calls if asked.
///
/// A [`TestCircuit`](crate::TestCircuit) has one. For a circuit that your code has built, such as one of a registry,
/// make one yourself:
///
/// ```
/// use tower_breaker::{Circuit, State};
/// use tower_breaker_test::{Recorder, assert_transitions};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("reviews").consecutive_failures(2).build()?;
/// let recorder = Recorder::of(&circuit);
///
/// circuit.try_acquire().expect("closed").failure();
/// circuit.try_acquire().expect("closed").failure();
/// assert_transitions(&recorder, &[State::Open]);
/// # Ok(())
/// # }
/// ```
///
/// It holds a handle to the circuit, and hears of it until it is dropped. It never waits and starts nothing. Calls that
/// a [call listener](tower_breaker::CircuitBuilder::on_call) makes itself are told to nobody, so it does not count
/// them.
///
/// **Watch out:** with a recorder, each call of the circuit is told to a listener. That is slower than a call of which
/// nobody hears. A benchmark has none.
#[derive(Debug)]
#[must_use = "it records until it is dropped"]
pub struct Recorder {
    circuit: Circuit,
    log: Arc<Log>,
    _heard: [Heard; 2],
}

/// Keeps a listener.
struct Heard(#[expect(dead_code, reason = "held until the recorder is dropped")] Subscription);

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heard")
    }
}

impl Recorder {
    /// Records the events of this circuit, by tokio's clock: what [`builder`](Self::builder) makes by default.
    pub fn of(circuit: &Circuit) -> Self {
        Self::builder().record(circuit)
    }

    /// Begins a recorder that differs from [`of`](Self::of).
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder {
            clock: None,
            calls: false,
            keep: 10_000,
        }
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// What was recorded until now. It prints as one line for each entry.
    #[must_use]
    pub fn transcript(&self) -> Transcript {
        self.log.transcript()
    }

    /// The states that the circuit went through: [`Transcript::transitions`] of now. Those that were cut off are
    /// missing.
    #[must_use]
    pub fn transitions(&self) -> Vec<State> {
        self.transcript().transitions()
    }

    /// How many calls the circuit admitted, probes included, since the recorder was made or cleared. They are counted
    /// whether calls are recorded or not.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.log.counts().admitted
    }

    /// How many calls the circuit rejected, since the recorder was made or cleared. They are counted whether calls are
    /// recorded or not.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.log.counts().rejected
    }

    /// Forgets all entries and counts, and begins with the state as it is now. Times go on.
    pub fn clear(&self) {
        self.log.begin(&self.circuit);
    }
}

impl AsRef<Self> for Recorder {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Makes a [`Recorder`].
#[must_use = "it records nothing before `record`"]
pub struct RecorderBuilder {
    clock: Option<Arc<dyn Clock>>,
    calls: bool,
    keep: u32,
}

impl RecorderBuilder {
    /// The clock that says when something happened. Give it the clock of the circuit.
    ///
    /// Default: tokio's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Records what becomes of each call, too.
    ///
    /// Default: calls are counted, and not recorded.
    pub fn calls(mut self) -> Self {
        self.calls = true;
        self
    }

    /// How many entries to keep. When there are more, the oldest is cut off; the transcript says how many were. With 0,
    /// calls are counted and all entries cut off.
    ///
    /// Default: 10,000.
    pub fn keep(mut self, entries: u32) -> Self {
        self.keep = entries;
        self
    }

    /// Records this circuit from now on.
    pub fn record(self, circuit: &Circuit) -> Recorder {
        let clock = self
            .clock
            .unwrap_or_else(|| Arc::new(Tokio(Instant::now())));
        let log = Arc::new(Log::new(clock, self.keep));
        let (events, calls) = (Arc::clone(&log), Arc::clone(&log));
        let recorded = self.calls;
        let heard = [
            Heard(circuit.subscribe(move |_, event| events.event(event))),
            Heard(circuit.subscribe_calls(move |_, call| calls.call(call, recorded))),
        ];
        log.begin(circuit);
        Recorder {
            circuit: circuit.clone(),
            log,
            _heard: heard,
        }
    }
}

impl std::fmt::Debug for RecorderBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecorderBuilder")
            .field("calls", &self.calls)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// Tokio's clock, which stands still where its time is paused.
struct Tokio(Instant);

impl Clock for Tokio {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
