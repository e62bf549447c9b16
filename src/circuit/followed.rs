//! What a circuit and the fleet that it belongs to know of each other (rules N1 to N7).
//!
//! A circuit knows no store and no task. It has a [`Follows`], which it tells that there is something to look at, and
//! from which a snapshot learns how the fleet stands.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use super::{
    by::By,
    handle::{Circuit, WeakCircuit},
    name::Name,
    settings::ConfigError,
};
#[cfg(feature = "fleet")]
use crate::machine::{Alone, Led, OpenShared, Transition};
use crate::machine::{State, WindowCounts};

/// One circuit as its fleet knows it. Nothing here waits, but [`heard`](Self::heard).
pub(crate) trait Follows: Send + Sync {
    /// The circuit is there. Told once.
    fn began(&self, circuit: WeakCircuit);

    /// A transition, the end of a probe, a held call: look at the circuit now.
    fn stir(&self);

    /// A person has said it of this circuit, and means the fleet's.
    fn act(&self, act: Act, by: &By);

    /// How the fleet stands, for a snapshot.
    fn now(&self) -> FleetNow;

    /// Waits until it is known how many instances heard the last act.
    fn heard(&self) -> Pin<Box<dyn Future<Output = Heard> + Send + '_>>;
}

/// Who makes a member of a fleet of a circuit that is being built.
pub(crate) trait Joins: Send + Sync {
    fn member(&self, name: &Name) -> Arc<dyn Follows>;
}

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// Forced open, for so long or until it is released.
    Force(Option<Duration>),
    Release,
    Reset,
}

/// What a person does on one instance of a shared circuit, and not to the fleet (rule N6). Made by [`Circuit::here`].
///
/// The fleet's next decision ends it: where a person has released the circuit here while the fleet is forced open, it
/// stays so until the fleet opens, closes or is forced open anew.
#[derive(Clone, Copy, Debug)]
#[must_use = "it does nothing by itself"]
pub struct Here<'a> {
    circuit: &'a Circuit,
}

impl Here<'_> {
    /// As [`Circuit::force_open`].
    pub fn force_open(&self) -> bool {
        self.force_open_as(By::default())
    }

    /// As [`Circuit::force_open_as`].
    pub fn force_open_as(&self, by: By) -> bool {
        self.circuit.force_here(&by, None)
    }

    /// As [`Circuit::force_open_for`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the time is zero, or longer than 584 years.
    pub fn force_open_for(&self, by: By, at_most: Duration) -> Result<bool, ConfigError> {
        self.circuit.check_forced(at_most)?;
        Ok(self.circuit.force_here(&by, Some(at_most)))
    }

    /// As [`Circuit::release`].
    pub fn release(&self) -> bool {
        self.release_as(By::default())
    }

    /// As [`Circuit::release_as`].
    pub fn release_as(&self, by: By) -> bool {
        self.circuit.release_here(&by)
    }

    /// As [`Circuit::reset`].
    pub fn reset(&self) {
        self.reset_as(By::default());
    }

    /// As [`Circuit::reset_as`].
    pub fn reset_as(&self, by: By) {
        self.circuit.reset_here(&by);
    }
}

impl Circuit {
    /// This instance only: what a person does through it to a [shared](crate::CircuitBuilder::shared) circuit is not done
    /// to the fleet (rule N6). Of any other circuit it is all there is.
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("payments").build()?;
    /// // On all instances.
    /// circuit.force_open();
    ///
    /// // On this one.
    /// circuit.here().release();
    /// # Ok(())
    /// # }
    /// ```
    pub fn here(&self) -> Here<'_> {
        Here { circuit: self }
    }

    /// Waits until it is known how many instances of the fleet have heard the last thing that a person did through this
    /// one: [`force_open`](Self::force_open), [`release`](Self::release) or [`reset`](Self::reset) (rule N6).
    ///
    /// Cancel safe: whoever asks again is told the same.
    ///
    /// ```
    /// # use tower_breaker::{Circuit, observe::Heard};
    /// # async fn stop(circuit: Circuit) {
    /// circuit.force_open();
    /// match circuit.heard().await {
    ///     Heard::By(instances) => println!("heard by {instances}"),
    ///     Heard::OnlyHere(why) => println!("only this instance is forced open: {why}"),
    ///     _ => {}
    /// }
    /// # }
    /// ```
    pub async fn heard(&self) -> Heard {
        match self.fleet() {
            Some(fleet) => fleet.heard().await,
            None => Heard::NotShared,
        }
    }

    /// Its fleet, if it is shared now.
    fn fleet(&self) -> Option<&dyn Follows> {
        let fleet = self.follower()?;
        (self.core().numbers().shared > 0).then_some(fleet)
    }

    /// What a person has done here is the fleet's to do (N6).
    pub(super) fn act(&self, act: Act, by: &By) {
        if let Some(fleet) = self.fleet() {
            fleet.act(act, by);
        }
    }

    /// Whether the fleet is forced open, whatever is so here.
    pub(super) fn is_fleet_forced(&self) -> bool {
        self.fleet().is_some_and(|fleet| fleet.now().forced)
    }

    /// There is something to look at.
    #[cold]
    pub(super) fn stir(&self) {
        if let Some(fleet) = self.follower() {
            fleet.stir();
        }
    }
}

/// What the fleet says to a circuit: each is done, and told as any other transition.
#[cfg(feature = "fleet")]
impl Circuit {
    /// The fleet has opened: open here, too, for as long as is `left`. To be [held](crate::machine::Core::hold) first.
    pub(crate) fn open_as_fleet(&self, left: Duration) -> OpenShared {
        let opened = self.core().open_shared(left, self.now());
        if let OpenShared::Told(told) | OpenShared::Vetoed(told) = &opened {
            self.tell(told);
        }
        opened
    }

    /// The fleet has closed. `clear`: a person has reset it.
    pub(crate) fn close_as_fleet(&self, clear: bool, by: Option<&By>) -> bool {
        self.tell_of_fleet(self.core().close_shared(clear, self.now()), by)
    }

    /// A person has forced the fleet open.
    pub(crate) fn force_as_fleet(&self, at_most: Option<Duration>, by: Option<&By>) -> bool {
        self.tell_of_fleet(self.core().force_shared(at_most, self.now()), by)
    }

    /// A person has released the fleet.
    pub(crate) fn release_as_fleet(&self, by: Option<&By>) -> bool {
        self.tell_of_fleet(self.core().release_shared(self.now()), by)
    }

    /// This instance has so many seats until `lease_until`, by the circuit's own clock.
    pub(crate) fn seat(&self, seats: u32, lease_until: u64, life: Duration) -> Led {
        let led = self.core().lead(seats, lease_until, life, self.now());
        match &led {
            Led::Told(told) => self.tell(told),
            Led::Seated => self.observers().wake_ready_waiters(),
            Led::Refused => {}
        }
        led
    }

    /// The fleet is out of reach: the circuit is on its own.
    pub(crate) fn go_alone(&self, plan: Alone) {
        let went = self.core().go_alone(plan, self.now());
        if !self.tell_of_fleet(went, None) {
            // A break that was held may be over.
            self.observers().wake_ready_waiters();
        }
    }

    fn tell_of_fleet(&self, transition: Option<Transition>, by: Option<&By>) -> bool {
        if let Some(told) = &transition {
            self.tell_by(told, by);
        }
        transition.is_some()
    }
}

/// By how many instances the last thing was heard that a person did to a shared circuit (rule N6):
/// [`Circuit::heard`](crate::Circuit::heard).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Heard {
    /// The circuit is not shared.
    NotShared,
    /// The store told so many instances at once, this one among them. 0 is a warning: the others learn it when they
    /// look, within a second or so, unless the store loses it before.
    By(u64),
    /// The store has it, and cannot count who heard it.
    Unknown,
    /// It could not be told within the time of [`detach_after`], and holds on this instance only.
    ///
    /// [`detach_after`]: crate::observe::Sharing
    OnlyHere(Why),
}

/// How the fleet of a circuit stands, as this instance last heard: [`Snapshot::fleet`](crate::Snapshot::fleet).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FleetNow {
    /// Whether this instance takes part, and since when.
    pub sharing: Sharing,
    /// Which of the fleet's decisions is the last one that is known here: its era, and a number by chance.
    pub stamp: (u64, u32),
    /// The state of the fleet's circuit. This instance may be open alone.
    pub state: State,
    /// Whether a person has forced the fleet open.
    pub forced: bool,
    /// Why the fleet has made its last decision.
    pub cause: Option<Name>,
    /// Who has made it, if a person or a program did.
    pub who: Option<Name>,
    /// The fleet's breaks in a row.
    pub attempt: u32,
    /// What the windows of all instances hold together.
    pub window: WindowCounts,
    /// Failures in a row, in all instances.
    pub consecutive_failures: u64,
    /// How many instances have calls.
    pub contributors: u64,
    /// How many of these would open by themselves, or are open alone.
    pub agreeing: u64,
    /// How many probes this instance may send now.
    pub seats: u64,
    /// Another instance runs this circuit with other settings.
    pub mismatch: bool,
    /// How many answers of the store were refused, because they made no sense.
    pub refused: u64,
}

#[cfg(test)]
impl FleetNow {
    /// Of a circuit that has just joined.
    pub(crate) fn attached() -> Self {
        Self {
            sharing: Sharing::Attached {
                since: Duration::from_secs(7),
            },
            stamp: (0, 0),
            state: State::Closed,
            forced: false,
            cause: None,
            who: None,
            attempt: 0,
            window: WindowCounts::default(),
            consecutive_failures: 0,
            contributors: 0,
            agreeing: 0,
            seats: 0,
            mismatch: false,
            refused: 0,
        }
    }
}

/// Whether an instance takes part in its fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sharing {
    /// The store answers.
    Attached {
        /// For how long now.
        since: Duration,
    },
    /// It does not: the circuit is what it would be alone.
    Detached {
        /// For how long now.
        since: Duration,
        /// Why not.
        why: Why,
    },
}

impl Sharing {
    /// The same, apart from how long it has been so.
    #[cfg(feature = "admin")]
    pub(crate) const fn whenever(self) -> Self {
        let since = Duration::ZERO;
        match self {
            Self::Attached { .. } => Self::Attached { since },
            Self::Detached { why, .. } => Self::Detached { since, why },
        }
    }
}

/// Why an instance takes no part in its fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// Nobody runs the fleet: its future was not spawned, or has ended.
    NotRunning,
    /// The store cannot be reached.
    NotReached,
    /// The store does not answer in time.
    TimedOut,
    /// The store has refused the login, or a command.
    Refused,
    /// The store only reads: it is a replica.
    ReadOnly,
    /// The store has no room.
    Full,
    /// What the store says makes no sense.
    Nonsense,
    /// The clock of the store tells no time.
    Clock,
    /// A newer circuit of this name, in the same process, takes part in place of this one.
    Replaced,
    /// It was turned off: the setting, or the fleet.
    Off,
}

impl Why {
    /// One word for machines, such as the label of a metric; its [`Display`](fmt::Display) is for people. It stays the
    /// same in every later release. [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotRunning => "not_running",
            Self::NotReached => "not_reached",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::ReadOnly => "read_only",
            Self::Full => "full",
            Self::Nonsense => "nonsense",
            Self::Clock => "clock",
            Self::Replaced => "replaced",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotRunning => "nobody runs the fleet",
            Self::NotReached => "the store cannot be reached",
            Self::TimedOut => "the store does not answer in time",
            Self::Refused => "the store has refused it",
            Self::ReadOnly => "the store only reads",
            Self::Full => "the store is full",
            Self::Nonsense => "what the store says makes no sense",
            Self::Clock => "the clock of the store tells no time",
            Self::Replaced => "a newer circuit of this name takes its place",
            Self::Off => "it is turned off",
        })
    }
}

/// What there is to tell of a circuit's part in its fleet (rule N7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FleetNews {
    /// It takes part again, or for the first time.
    Attached,
    /// It takes no part any more.
    Detached(Why),
    /// Another instance runs it with other settings. Told once for each pair of settings.
    Mismatch,
    /// An answer of the store was refused. Told at most once a minute.
    Refused,
}

impl FleetNews {
    /// One word for machines, such as a field of a structured log. It stays the same in every later release.
    /// [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Attached => "fleet_attached",
            Self::Detached(_) => "fleet_detached",
            Self::Mismatch => "fleet_mismatch",
            Self::Refused => "fleet_refused",
        }
    }
}

/// For a log, after the circuit's name.
impl fmt::Display for FleetNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attached => f.write_str("is shared with its fleet"),
            Self::Detached(why) => write!(f, "is alone, not shared with its fleet: {why}"),
            Self::Mismatch => f.write_str("has other settings than in another instance"),
            Self::Refused => f.write_str("has refused what the store of its fleet said"),
        }
    }
}
