//! [`Event`]: something that happened to a circuit, with all there is to tell of it (rule L1).

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use super::{
    by::By, followed::FleetNews, handle::Circuit, name::Name, settings::SettingsChange, tags::Tags,
};
use crate::machine::{Cause, Mode, State, Transition};

/// Something that happened to a circuit, with all there is to tell of it. It is made once; all who hear of it share it.
///
/// It prints as one line for a log:
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use tower_breaker::{By, Circuit};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let log = lines.clone();
/// let circuit = Circuit::builder("payments")
///     .on_event(move |_, event| log.lock().unwrap().push(event.to_string()))
///     .build()?;
///
/// circuit.force_open_as(By::who("ops@example.org").because("INC-123"));
/// assert_eq!(
///     lines.lock().unwrap()[0],
///     "circuit `payments` is forced open: by hand (by ops@example.org: INC-123)",
/// );
/// # Ok(())
/// # }
/// ```
///
/// Events of one thread are told in the order in which they happened. Two threads that make two transitions in a row
/// may tell them in either order. The [era](Self::era) says which was first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// A number that grows with each event of the process, in the order in which they are kept. A gap is no loss: other
    /// circuits have events, too. A new process begins anew.
    pub id: u64,
    /// When it was told, by the [wall clock](crate::clock::Clock::wall). That clock may be set back; `id` never goes
    /// back.
    pub at: SystemTime,
    /// The circuit's name.
    pub circuit: Name,
    /// The circuit's tags.
    pub tags: Tags,
    /// For a transition, the era that it began or came into (rule E4). For anything else, the circuit's era as it was
    /// told. (Elsewhere an era is a generation.)
    pub era: u64,
    /// Who did it, and why, if somebody did it and said so.
    pub by: By,
    /// What happened.
    pub what: What,
}

/// What happened to a circuit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// The circuit made a transition, or its mode was changed.
    Transition(Transition),
    /// Its settings were changed (rule E5).
    Settings(Arc<SettingsChange>),
    /// Something around the circuit has no room (rule M9). Told at most once a minute, however many calls find it so.
    Part(PartNews),
    /// Its part in its fleet (rule N7).
    Fleet(FleetNews),
    /// A registry made it (rule I4).
    Added,
    /// It was removed from its registry.
    Removed,
    /// It has left its registry, because its place was needed for another (rule I5).
    Evicted,
}

/// What happened to something around a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartNews {
    /// A call was rejected because the bulkhead was full (rule M2).
    BulkheadFull,
    /// A call was not kept for later (rule M6): there was no room for it, or the store has failed.
    QueueRefused,
}

impl PartNews {
    /// One word for machines, such as a field of a structured log. It stays the same in every later release.
    /// [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::BulkheadFull => "bulkhead_full",
            Self::QueueRefused => "queue_refused",
        }
    }
}

impl What {
    /// One word for machines, such as a field of a structured log. It stays the same in every later release.
    /// [All labels](crate::observe#labels).
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Transition(told) => label_of(told),
            Self::Settings(_) => "settings",
            Self::Part(news) => news.label(),
            Self::Fleet(news) => news.label(),
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Evicted => "evicted",
        }
    }
}

fn label_of(told: &Transition) -> &'static str {
    match told.to {
        _ if told.mode != told.mode_before || told.mode == Mode::ForcedOpen => "mode",
        _ if told.cause == Cause::TripVetoed => "stays_closed",
        _ if matches!(told.cause, Cause::ShedBegan(_)) => "sheds",
        _ if told.cause == Cause::ShedEnded => "sheds_no_more",
        State::Closed => "closed",
        State::Open => "opened",
        State::HalfOpen => "half_open",
    }
}

impl Event {
    /// An event that is told now. Its `id` comes when it is kept.
    pub(crate) fn new(circuit: &Circuit, what: What, by: By) -> Self {
        let era = match &what {
            What::Transition(told) => told.era,
            _ => circuit.core().era(),
        };
        Self {
            id: 0,
            at: circuit.wall(),
            circuit: circuit.shared_name(),
            tags: circuit.tags().clone(),
            era,
            by,
            what,
        }
    }

    /// One word for machines that says [what](Self::what) happened: [`What::label`].
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.what.label()
    }

    /// When the next probe may go out, by the wall clock. `None` if no break was begun.
    #[must_use]
    pub fn next_probe(&self) -> Option<SystemTime> {
        let What::Transition(told) = &self.what else {
            return None;
        };
        self.at.checked_add(told.begun_break()?)
    }
}

/// From 1, so that there is a number before the first. Not a model's: it decides nothing. Relaxed: the lock under which
/// one is taken orders it.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The id of an event that is kept now.
pub(super) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// One line for a log, as [`Transition::describe`] makes it, with who did it and why. The words may change in a later
/// release.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let circuit = &self.circuit;
        match &self.what {
            What::Transition(told) => told.describe(circuit).fmt(f)?,
            // It says itself who has done it.
            What::Settings(change) => return change.fmt(f),
            What::Part(PartNews::BulkheadFull) => {
                write!(f, "circuit `{circuit}` rejects calls: its bulkhead is full")?;
            }
            What::Part(PartNews::QueueRefused) => write!(
                f,
                "circuit `{circuit}` has calls that are not kept for later: there is no room, or the store has failed"
            )?,
            What::Fleet(news) => write!(f, "circuit `{circuit}` {news}")?,
            What::Added => write!(f, "circuit `{circuit}` was made")?,
            What::Removed => write!(f, "circuit `{circuit}` was removed")?,
            What::Evicted => write!(
                f,
                "circuit `{circuit}` has left, because its place was needed"
            )?,
        }
        match self.by.is_unknown() {
            true => Ok(()),
            false => write!(f, " ({})", self.by),
        }
    }
}
