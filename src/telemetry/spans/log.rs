//! Transitions, and changes of settings, as events (rule L7).

use tracing::Level;

use super::{TARGET, tell_once};
#[cfg(feature = "registry")]
use crate::registry::{Event, Registry, Subscription};
use crate::{
    circuit::{
        builder::CircuitBuilder, by::By, handle::Circuit, observe::Threshold,
        settings::SettingsChange,
    },
    machine::{Mode, State, Transition},
    telemetry::attributes,
};

/// Tells every transition of every circuit as an event of [`tracing`], from now on, until what this returns is
/// dropped: also of circuits that are made later. For a single circuit, see [`CircuitBuilder::log_transitions`], which
/// has the levels and the fields.
///
/// ```
/// use tower_breaker::{registry::Registry, telemetry::log_transitions};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let registry = Registry::builder().circuit("payments", |circuit| circuit).build()?;
///
/// // Wrong: it ends at once.
/// let _ = log_transitions(&registry);
///
/// // Right.
/// let _logging = log_transitions(&registry);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "registry")]
pub fn log_transitions(registry: &Registry) -> Subscription {
    registry.subscribe(|circuit, event| match event {
        Event::Transition(told) => log_transition(circuit, told, &By::default()),
        Event::Settings(told) => log_settings(circuit, told),
        _ => {}
    })
}

impl CircuitBuilder {
    /// Tells every transition, and every change of settings, as an event of [`tracing`](https://docs.rs/tracing)
    /// (rule L7). Feature `tracing`. The target is `tower_breaker`, and the message is the line that
    /// [`Transition::describe`] makes:
    ///
    /// ```text
    ///  WARN tower_breaker: circuit `payments` opened: 7 of 10 calls failed (70 %, threshold 50 %), next probe in 5 s …
    ///  INFO tower_breaker: circuit `payments` is half-open: the wait is over, the next call is a probe …
    ///  INFO tower_breaker: circuit `payments` closed: the probes succeeded …
    /// ```
    ///
    /// | what | level |
    /// |---|---|
    /// | opened, opened again, forced open, back to normal while open, a trip that was vetoed | `warn` |
    /// | half-open, closed, released, reset, disabled; anything in shadow | `info` |
    /// | the mode changed and the state did not; settings changed | `debug` |
    ///
    /// Each has all that is known in fields, so nothing has to be read out of the message:
    ///
    /// | field | what |
    /// |---|---|
    /// | `circuit_breaker.name` | the circuit |
    /// | `circuit_breaker.state`, `circuit_breaker.state_before` | [labels](crate::observe#labels) |
    /// | `circuit_breaker.mode`, `circuit_breaker.mode_before` | labels |
    /// | `circuit_breaker.cause` | a label |
    /// | `circuit_breaker.vetoed` | the cause of a trip that was vetoed |
    /// | `circuit_breaker.era` | grows with each transition |
    /// | `circuit_breaker.calls`, `.failures`, `.slow` | what the window held, as the circuit left closed |
    /// | `circuit_breaker.threshold` | what the cause was held against: failures in a row, or a share of 1 |
    /// | `circuit_breaker.attempt` | opens in a row |
    /// | `circuit_breaker.open_for_seconds` | the break that begins |
    /// | `circuit_breaker.who`, `.why` | of what a person did, as far as that was told |
    /// | `circuit_breaker.settings_version` | of a change of settings, which has of the others the name, who and why |
    ///
    /// What is not known has no field. An event belongs to the span in which it happened: that of the request that
    /// tripped the circuit.
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments").log_transitions().build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
    pub fn log_transitions(self) -> Self {
        self.on_transition(|circuit, told| log_transition(circuit, told, &By::default()))
            .on_settings_change(log_settings)
    }
}

/// A level has to be known when this is compiled.
macro_rules! tell {
    ($level:expr, $($told:tt)*) => {
        tell_once(|| match $level {
            Level::WARN => tracing::event!(target: TARGET, Level::WARN, $($told)*),
            Level::INFO => tracing::event!(target: TARGET, Level::INFO, $($told)*),
            _ => tracing::event!(target: TARGET, Level::DEBUG, $($told)*),
        })
    };
}

fn log_transition(circuit: &Circuit, told: &Transition, by: &By) {
    tell!(
        level_of(told),
        { attributes::NAME } = circuit.name(),
        { attributes::STATE } = told.to.label(),
        circuit_breaker.state_before = told.from.label(),
        circuit_breaker.mode = told.mode.label(),
        circuit_breaker.mode_before = told.mode_before.label(),
        { attributes::CAUSE } = told.cause.label(),
        circuit_breaker.vetoed = told.vetoed.map(|cause| cause.label()),
        { attributes::ERA } = told.era,
        circuit_breaker.calls = told.counts.map(|counts| counts.calls),
        circuit_breaker.failures = told.counts.map(|counts| counts.failed),
        circuit_breaker.slow = told.counts.map(|counts| counts.slow),
        circuit_breaker.threshold = told.threshold.map(number_of),
        circuit_breaker.attempt = told.attempt,
        circuit_breaker.open_for_seconds = told.open_for.map(|time| time.as_secs_f64()),
        circuit_breaker.who = by.get_who(),
        circuit_breaker.why = by.get_why(),
        "{}",
        told.describe(circuit.name()),
    );
}

fn log_settings(circuit: &Circuit, told: &SettingsChange) {
    tell!(
        Level::DEBUG,
        { attributes::NAME } = circuit.name(),
        circuit_breaker.settings_version = told.version(),
        circuit_breaker.who = told.by().get_who(),
        circuit_breaker.why = told.by().get_why(),
        "{told}",
    );
}

/// A warning is for somebody to look: calls are rejected from now on, or would be if not so many circuits were open.
fn level_of(told: &Transition) -> Level {
    match (told.mode, told.to) {
        (Mode::ForcedOpen, _) | (Mode::Normal, State::Open) => Level::WARN,
        _ if told.vetoed.is_some() => Level::WARN,
        // The mode alone.
        _ if !told.begins_era() => Level::DEBUG,
        _ => Level::INFO,
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody waits for 2^53 failures")]
fn number_of(threshold: Threshold) -> f64 {
    match threshold {
        Threshold::Failures(failures) => failures as f64,
        Threshold::Rate(share) => share,
    }
}
