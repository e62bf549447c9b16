//! Transitions, and changes of settings, as events (rule L7).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::Level;

use super::{TARGET, tell_once};
#[cfg(feature = "registry")]
use crate::registry::{Registry, Subscription};
use crate::{
    circuit::{
        builder::CircuitBuilder,
        observe::{Event, FleetNews, Threshold, What},
        settings::SettingsChange,
    },
    machine::{Cause, Mode, State, Transition},
    telemetry::attributes,
};

/// Logs every transition of every circuit as an event of [`tracing`], also of circuits that are made later. It ends
/// when what this returns is dropped. For the levels and the fields, see [`CircuitBuilder::log_transitions`], which
/// does it for a single circuit.
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
    let bursts = Bursts::default();
    registry.subscribe_events(move |_, event| log(event, &bursts))
}

impl CircuitBuilder {
    /// Logs every transition, every change of settings, and what has no room around a circuit, as an event of
    /// [`tracing`](https://docs.rs/tracing) (rule L7). Feature `tracing`. The target is `tower_breaker`. The message is
    /// the line that an [`Event`] prints as:
    ///
    /// ```text
    ///  WARN tower_breaker: circuit `payments` opened: 7 of 10 calls failed (70 %, threshold 50 %), next probe in 5 s …
    ///  INFO tower_breaker: circuit `payments` is half-open: the wait is over, the next call is a probe …
    ///  INFO tower_breaker: circuit `payments` closed: the probes succeeded …
    /// ```
    ///
    /// | what | level |
    /// |---|---|
    /// | opened, forced open, back to normal while open, a trip that was vetoed | `warn` |
    /// | begins to [shed](Self::shed) a share of its calls | `warn` |
    /// | its bulkhead is full, or calls are not kept for later: once a minute | `warn` |
    /// | alone, not shared with its fleet: of all circuits that are so within a second, the first | `warn` |
    /// | other settings than in another instance, an answer of the fleet's store that was refused | `warn` |
    /// | shared with its fleet again: likewise the first | `info` |
    /// | opened again, half-open, closed, released, reset, disabled, sheds no more; anything in shadow | `info` |
    /// | the mode changed and the state did not; settings changed; the others of those that are alone or shared | `debug` |
    ///
    /// Each event has all that is known in fields, so nothing has to be read out of the message:
    ///
    /// | field | what |
    /// |---|---|
    /// | `circuit_breaker.event` | what happened, as a [label](crate::observe#labels) |
    /// | `circuit_breaker.event_id` | grows with each event of the process |
    /// | `circuit_breaker.name`, `circuit_breaker.tags` | the circuit, and its tags, as `tier=critical, zone=eu` |
    /// | `circuit_breaker.state`, `.state_before` | labels |
    /// | `circuit_breaker.mode`, `.mode_before` | labels |
    /// | `circuit_breaker.cause` | a label |
    /// | `circuit_breaker.vetoed` | the cause of a trip that was vetoed |
    /// | `circuit_breaker.era` | the era (generation): grows with each transition |
    /// | `circuit_breaker.calls`, `.failures`, `.slow` | what the window held, as the circuit left closed or began to shed |
    /// | `circuit_breaker.threshold` | what the cause was held against: failures in a row, or a share of 1 |
    /// | `circuit_breaker.shed_share` | which share of the calls it sheds at first, as it begins to |
    /// | `circuit_breaker.attempt` | opens in a row |
    /// | `circuit_breaker.open_for_seconds` | the break (wait duration) that begins |
    /// | `circuit_breaker.who`, `.why` | of what a person did, as far as that was told |
    /// | `circuit_breaker.detached_why` | why it is alone, as a label |
    /// | `circuit_breaker.settings_version` | of a change of settings, which has nothing of state, mode and cause |
    ///
    /// What is not known has no field. It is not logged that a circuit came to its registry or left it. An event
    /// belongs to the span in which it happened, such as that of the request that tripped the circuit.
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
        let bursts = Arc::new(Bursts::default());
        self.on_event(move |_, event| log(event, &bursts))
    }
}

/// A level has to be known when this is compiled.
macro_rules! tell {
    ($level:expr, $event:expr, $($fields:tt)*) => {
        match $level {
            Level::WARN => tell!(@ Level::WARN, $event, $($fields)*),
            Level::INFO => tell!(@ Level::INFO, $event, $($fields)*),
            _ => tell!(@ Level::DEBUG, $event, $($fields)*),
        }
    };
    (@ $level:expr, $event:expr, $($fields:tt)*) => {
        tracing::event!(
            target: TARGET,
            $level,
            { attributes::NAME } = $event.circuit.as_str(),
            { attributes::ERA } = $event.era,
            circuit_breaker.event = $event.label(),
            circuit_breaker.event_id = $event.id,
            circuit_breaker.tags = (!$event.tags.is_empty()).then(|| tracing::field::display(&$event.tags)),
            circuit_breaker.who = $event.by.get_who(),
            circuit_breaker.why = $event.by.get_why(),
            $($fields)*
            "{}",
            $event
        )
    };
}

fn log(event: &Event, bursts: &Bursts) {
    tell_once(|| match &event.what {
        What::Transition(told) => log_transition(event, told),
        What::Settings(told) => log_settings(event, told),
        // Calls are turned away, and somebody should look.
        What::Part(_) => tell!(Level::WARN, event,),
        What::Fleet(news) => {
            let why = match news {
                FleetNews::Detached(why) => Some(why.label()),
                _ => None,
            };
            tell!(
                bursts.level_of(*news, event.at),
                event,
                circuit_breaker.detached_why = why,
            );
        }
        What::Added | What::Removed | What::Evicted => {}
    });
}

/// A process loses its fleet with all its circuits at once. The first is news, and the others are the same again.
///
/// Relaxed: each is about nothing but itself.
#[derive(Default)]
struct Bursts {
    /// When something was news, in milliseconds since 1970.
    detached: AtomicU64,
    attached: AtomicU64,
}

impl Bursts {
    const SECOND: u64 = 1_000;

    fn level_of(&self, news: FleetNews, at: SystemTime) -> Level {
        let (last, level) = match news {
            FleetNews::Detached(_) => (&self.detached, Level::WARN),
            FleetNews::Attached => (&self.attached, Level::INFO),
            FleetNews::Mismatch | FleetNews::Refused => return Level::WARN,
        };
        let now = at
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX).max(1);
        let before = last.load(Ordering::Relaxed);
        // A clock that was set back is no reason to be silent.
        let is_news = before == 0 || now.abs_diff(before) >= Self::SECOND;
        let order = Ordering::Relaxed;
        match is_news && last.compare_exchange(before, now, order, order).is_ok() {
            true => level,
            false => Level::DEBUG,
        }
    }
}

fn log_transition(event: &Event, told: &Transition) {
    tell!(
        level_of(told),
        event,
        { attributes::STATE } = told.to.label(),
        circuit_breaker.state_before = told.from.label(),
        circuit_breaker.mode = told.mode.label(),
        circuit_breaker.mode_before = told.mode_before.label(),
        { attributes::CAUSE } = told.cause.label(),
        circuit_breaker.vetoed = told.vetoed.map(|cause| cause.label()),
        circuit_breaker.calls = told.counts.map(|counts| counts.calls),
        circuit_breaker.failures = told.counts.map(|counts| counts.failed),
        circuit_breaker.slow = told.counts.map(|counts| counts.slow),
        circuit_breaker.threshold = told.threshold.map(number_of),
        circuit_breaker.shed_share = (told.shed_share > 0.0).then_some(told.shed_share),
        circuit_breaker.attempt = told.attempt,
        circuit_breaker.open_for_seconds = told.open_for.map(|time| time.as_secs_f64()),
    );
}

fn log_settings(event: &Event, told: &SettingsChange) {
    let version = told.version();
    tell!(
        Level::DEBUG,
        event,
        circuit_breaker.settings_version = version,
    );
}

/// A warning is for somebody to look: calls are rejected from now on, or would be if not so many circuits were open.
/// One that opens again did reject before: its outage goes on, and each probe that fails is no news.
fn level_of(told: &Transition) -> Level {
    let opens_again = told.from != State::Closed && told.mode == told.mode_before;
    match (told.mode, told.to) {
        (Mode::ForcedOpen, _) => Level::WARN,
        (Mode::Normal, State::Open) if !opens_again => Level::WARN,
        (Mode::Normal, _) if matches!(told.cause, Cause::ShedBegan(_)) => Level::WARN,
        _ if told.vetoed.is_some() => Level::WARN,
        // The mode alone.
        _ if told.mode != told.mode_before && !told.begins_era() => Level::DEBUG,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::circuit::followed::Why;

    // L7, N7
    #[test]
    fn of_all_circuits_that_lose_their_fleet_at_once_the_first_is_a_warning() {
        let bursts = Bursts::default();
        let at = |millis: u64| UNIX_EPOCH + Duration::from_millis(1_000_000 + millis);
        let lost = FleetNews::Detached(Why::TimedOut);
        let levels = [0, 0, 5, 999, 1_000, 1_001].map(|millis| bursts.level_of(lost, at(millis)));
        let (warn, debug) = (Level::WARN, Level::DEBUG);
        assert_eq!(levels, [warn, debug, debug, debug, warn, debug]);
        // Set back by an hour.
        assert_eq!(bursts.level_of(lost, UNIX_EPOCH), warn);
        // That they are back is news of its own.
        let back = [0, 7].map(|millis| bursts.level_of(FleetNews::Attached, at(millis)));
        assert_eq!(back, [Level::INFO, debug]);
        for news in [FleetNews::Mismatch, FleetNews::Refused] {
            assert_eq!(
                [0, 0].map(|millis| bursts.level_of(news, at(millis))),
                [warn; 2]
            );
        }
    }
}
