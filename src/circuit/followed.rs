//! What a circuit and the fleet that it belongs to know of each other (rules N1 to N7).
//!
//! A circuit knows no store and no task. It has a [`Follows`], which it tells that there is something to look at, and
//! from which a snapshot learns how the fleet stands.

#[cfg(any(feature = "fleet", feature = "registry"))]
use std::sync::atomic::{AtomicU64, Ordering};
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

/// What a circuit has of its fleet.
pub(crate) struct Follower {
    member: Arc<dyn Follows>,
    /// How often it was told that it takes no part any more, by why.
    #[cfg(any(feature = "fleet", feature = "registry"))]
    detached: [AtomicU64; Why::ALL.len()],
}

impl Follower {
    pub(crate) fn new(member: Arc<dyn Follows>) -> Box<Self> {
        Box::new(Self {
            member,
            #[cfg(any(feature = "fleet", feature = "registry"))]
            detached: Default::default(),
        })
    }

    pub(crate) fn member(&self) -> &dyn Follows {
        &*self.member
    }

    /// Relaxed: it is about nothing but itself.
    #[cfg(feature = "fleet")]
    pub(super) fn note_detached(&self, why: Why) {
        self.detached[why as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// How often circuits have lost their fleet, by [why](Why::ALL).
#[cfg(feature = "registry")]
pub(crate) type DetachedTotals = [u64; Why::ALL.len()];

#[cfg(feature = "registry")]
impl Circuit {
    /// How often it was told that it takes no part any more, if it is of a fleet. No clock is read for it, which would
    /// be somebody else's.
    pub(crate) fn detached_totals(&self) -> Option<DetachedTotals> {
        let follower = self.label().follower.as_ref()?;
        Some(
            follower
                .detached
                .each_ref()
                .map(|it| it.load(Ordering::Relaxed)),
        )
    }
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
/// It holds until the fleet's next decision. What is forced open here stays so until it is released, here or for all.
///
/// If you release the circuit here while the fleet is forced open, it stays released until the fleet opens, closes or
/// is forced open anew.
#[derive(Clone, Copy, Debug)]
#[must_use = "it does nothing by itself"]
pub struct Here<'a> {
    circuit: &'a Circuit,
}

impl Here<'_> {
    /// Like [`Circuit::force_open`], on this instance only.
    pub fn force_open(&self) -> bool {
        self.force_open_as(By::default())
    }

    /// Like [`Circuit::force_open_as`], on this instance only.
    pub fn force_open_as(&self, by: By) -> bool {
        self.circuit.force_here(&by, None)
    }

    /// Like [`Circuit::force_open_for`], on this instance only.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the time is zero, or longer than 584 years.
    pub fn force_open_for(&self, by: By, at_most: Duration) -> Result<bool, ConfigError> {
        self.circuit.check_forced(at_most)?;
        Ok(self.circuit.force_here(&by, Some(at_most)))
    }

    /// Like [`Circuit::release`], on this instance only.
    pub fn release(&self) -> bool {
        self.release_as(By::default())
    }

    /// Like [`Circuit::release_as`], on this instance only.
    pub fn release_as(&self, by: By) -> bool {
        self.circuit.release_here(&by)
    }

    /// Like [`Circuit::reset`], on this instance only.
    pub fn reset(&self) {
        self.reset_as(By::default());
    }

    /// Like [`Circuit::reset_as`], on this instance only.
    pub fn reset_as(&self, by: By) {
        self.circuit.reset_here(&by);
    }
}

impl Circuit {
    /// This instance only: what a person does through it to a [shared](crate::CircuitBuilder::shared) circuit is not
    /// done to the fleet (rule N6). If the circuit is not shared, it does what the circuit's own methods do.
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
    /// Cancel safe: if you ask again, you are told the same. So you are after a release that changed nothing.
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

/// How many instances heard the last thing that a person did to a shared circuit (rule N6). Told by
/// [`Circuit::heard`](crate::Circuit::heard).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Heard {
    /// The circuit is not shared.
    NotShared,
    /// The store told so many instances at once, this one among them. 0 is a warning: the others learn it when they
    /// look, within a second or so. If the store loses it before that, they do not.
    By(u64),
    /// The store has it, and cannot count who heard it. Also if there was nothing to tell: nobody has done anything
    /// yet, or the fleet is not forced open and was to be released.
    Unknown,
    /// It could not be told within the time of [`detach_after`], and holds on this instance only.
    ///
    /// [`detach_after`]: crate::observe::Sharing
    OnlyHere(Why),
}

/// How the fleet of a circuit stands, as this instance last heard. Shown by
/// [`Snapshot::fleet`](crate::Snapshot::fleet).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FleetNow {
    /// Whether this instance takes part, and since when.
    pub sharing: Sharing,
    /// The fleet's last decision that is known here: its era (elsewhere: generation), and a random number.
    pub stamp: (u64, u32),
    /// The state of the fleet's circuit. This instance may be open alone.
    pub state: State,
    /// Whether a person has forced the fleet open.
    pub forced: bool,
    /// Why the fleet made its last decision.
    pub cause: Option<Name>,
    /// Who made it, if a person or a program did.
    pub who: Option<Name>,
    /// How many times in a row the fleet has opened.
    pub attempt: u32,
    /// What the windows of all instances hold together.
    pub window: WindowCounts,
    /// Failures in a row, in all instances.
    pub consecutive_failures: u64,
    /// How many instances have calls, this one among them. It is heard with the answer to a report, so it is 0 if this
    /// instance has had no calls itself.
    pub contributors: u64,
    /// How many of these would open by themselves, or are open alone.
    pub agreeing: u64,
    /// How many probes this instance may send now.
    pub seats: u64,
    /// Whether another instance runs this circuit with other settings.
    pub mismatch: bool,
    /// How many answers of the store were refused because they made no sense.
    pub refused: u64,
}

#[cfg(any(test, feature = "fleet"))]
impl FleetNow {
    /// Of a fleet of which nothing is known yet.
    pub(crate) fn unknown(sharing: Sharing) -> Self {
        Self {
            sharing,
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

#[cfg(test)]
impl FleetNow {
    /// Of a circuit that has just joined.
    pub(crate) fn attached() -> Self {
        let since = Duration::from_secs(7);
        Self::unknown(Sharing::Attached { since })
    }
}

/// Whether an instance takes part in its fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sharing {
    /// It does: the store answers.
    Attached {
        /// For how long now.
        since: Duration,
    },
    /// It does not: the store cannot be used, and the circuit is what it would be alone.
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
    /// Sharing was turned off: by the circuit's setting, or for the fleet.
    Off,
}

impl Why {
    /// All there are, in their order.
    #[cfg(any(test, feature = "fleet", feature = "registry"))]
    pub(crate) const ALL: [Self; 10] = [
        Self::NotRunning,
        Self::NotReached,
        Self::TimedOut,
        Self::Refused,
        Self::ReadOnly,
        Self::Full,
        Self::Nonsense,
        Self::Clock,
        Self::Replaced,
        Self::Off,
    ];

    /// One word for machines, such as the label of a metric. It stays the same in every later release. For people there
    /// is [`Display`](fmt::Display). [All labels](crate::observe#labels).
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

/// News of a circuit's part in its fleet (rule N7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FleetNews {
    /// The instance takes part again, or for the first time.
    Attached,
    /// The instance takes no part any more.
    Detached(Why),
    /// Another instance runs the circuit with other settings. Told once for each pair of settings.
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

#[cfg(test)]
mod places {
    use super::Why;

    // N7: a counter is found by its place.
    #[test]
    fn each_reason_has_its_place() {
        for (at, why) in Why::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, at);
        }
    }
}

/// A fleet that does nothing, for tests that say what it has decided.
#[cfg(all(test, feature = "fleet", not(tower_breaker_loom)))]
pub(crate) mod fake {
    use std::sync::Mutex;

    use super::*;
    use crate::circuit::{
        builder::CircuitBuilder,
        clock::{Clock, ManualClock},
        settings::Agreement,
    };

    /// What it was told.
    #[derive(Debug, Default)]
    pub(crate) struct Told {
        pub(crate) stirred: usize,
        pub(crate) acts: Vec<(Act, Option<String>)>,
        pub(crate) began: usize,
        pub(crate) forced: bool,
    }

    #[derive(Clone, Default)]
    pub(crate) struct FakeFleet(Arc<Mutex<Told>>);

    impl FakeFleet {
        pub(crate) fn told<T>(&self, with: impl FnOnce(&mut Told) -> T) -> T {
            with(&mut self.0.lock().expect("nobody panics with it"))
        }

        /// How often it was stirred since this was last asked.
        pub(crate) fn take_stirred(&self) -> usize {
            self.told(|told| std::mem::take(&mut told.stirred))
        }
    }

    impl Joins for FakeFleet {
        fn member(&self, _: &Name) -> Arc<dyn Follows> {
            Arc::new(self.clone())
        }
    }

    impl Follows for FakeFleet {
        fn began(&self, circuit: WeakCircuit) {
            assert!(circuit.upgrade().is_some());
            self.told(|told| told.began += 1);
        }

        fn stir(&self) {
            self.told(|told| told.stirred += 1);
        }

        fn act(&self, act: Act, by: &By) {
            let who = by.get_who().map(str::to_owned);
            self.told(|told| told.acts.push((act, who)));
        }

        fn now(&self) -> FleetNow {
            let since = Duration::ZERO;
            FleetNow {
                forced: self.told(|told| told.forced),
                ..FleetNow::unknown(Sharing::Attached { since })
            }
        }

        fn heard(&self) -> Pin<Box<dyn Future<Output = Heard> + Send + '_>> {
            Box::pin(async { Heard::By(7) })
        }
    }

    pub(crate) const SECOND: Duration = Duration::from_secs(1);

    /// A circuit that is shared, and its fleet.
    pub(crate) fn shared(
        build: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
    ) -> (Circuit, FakeFleet) {
        let fleet = FakeFleet::default();
        let circuit = Circuit::builder("payments")
            .consecutive_failures(3)
            .open_for(7 * SECOND)
            .shared(Agreement::default())
            .joining(Arc::new(fleet.clone()));
        (build(circuit).build().expect("valid"), fleet)
    }

    /// The same, with a clock that stands still.
    pub(crate) fn timed() -> (Circuit, FakeFleet, ManualClock) {
        let clock = ManualClock::new();
        let (circuit, fleet) = shared(|circuit| circuit.clock(clock.clone()));
        (circuit, fleet, clock)
    }

    /// The fleet has opened it, for no time, and holds it for so long.
    pub(crate) fn hold(circuit: &Circuit, fleet: &FakeFleet, time: Duration) {
        let until = u64::try_from(time.as_nanos()).expect("short");
        circuit.core().hold(circuit.now() + until);
        let opened = circuit.open_as_fleet(Duration::ZERO);
        assert!(matches!(opened, OpenShared::Told(_)), "{opened:?}");
        assert_eq!(circuit.core().take_wanted(), 0);
        fleet.take_stirred();
    }

    /// It has so many seats for as long as that.
    pub(crate) fn seat(circuit: &Circuit, seats: u32, time: Duration) -> Led {
        let until = u64::try_from(time.as_nanos()).expect("short");
        circuit.seat(seats, circuit.now() + until, time)
    }

    #[test]
    fn the_clock_of_a_timed_circuit_stands_still() {
        let (circuit, _, clock) = timed();
        assert_eq!((circuit.now(), clock.now()), (0, Duration::ZERO));
    }
}

#[cfg(all(test, feature = "fleet", not(tower_breaker_loom)))]
mod tests {
    use super::{
        fake::{FakeFleet, SECOND, hold, seat, shared, timed},
        *,
    };
    use crate::{
        circuit::{bulkhead::NotIn, error::Reason, settings::Agreement},
        machine::{Cause, Mode, Outcome},
    };

    // N1: each transition, by whomever it was made, and nothing that a call does to a closed circuit.
    #[test]
    fn the_fleet_is_stirred_by_what_there_is_to_look_at() {
        let (circuit, fleet, _) = timed();
        assert_eq!(fleet.told(|told| told.began), 1);
        for _ in 0..2 {
            circuit.try_acquire().expect("closed").success();
            circuit.try_acquire().expect("closed").failure();
            circuit.try_acquire().expect("closed").success();
        }
        assert_eq!(fleet.take_stirred(), 0);
        circuit.trip(SECOND).expect("normal mode");
        assert!(circuit.try_acquire().is_err());
        assert_eq!(fleet.take_stirred(), 1);
        circuit.set_mode(Mode::Shadow);
        circuit.here().reset();
        assert_eq!(fleet.take_stirred(), 2);
    }

    // N5: once, until somebody asks for it.
    #[test]
    fn a_call_that_is_held_stirs_the_fleet_once() {
        let (circuit, fleet, clock) = timed();
        hold(&circuit, &fleet, 3 * SECOND);
        for _ in 0..3 {
            let rejected = circuit.try_acquire().expect_err("held");
            assert_eq!(rejected.reason(), Reason::Open);
            assert_eq!(rejected.remaining(), Some(SECOND));
            assert_eq!(rejected.cause(), Some(Cause::Shared));
        }
        assert_eq!((fleet.take_stirred(), circuit.core().take_wanted()), (1, 3));
        assert!(circuit.try_acquire().is_err());
        assert_eq!(fleet.take_stirred(), 1);
        let totals = circuit.totals().expect("on");
        assert_eq!((totals.rejected, totals.rejected_by.open), (4, 4));
        // The hold lapses by itself, and nobody has to be woken for it.
        clock.advance(3 * SECOND);
        let probe = circuit.try_acquire().expect("alone");
        assert!(circuit.try_acquire().is_err());
        assert_eq!(circuit.core().take_wanted(), 1);
        drop(probe);
    }

    // N5
    #[test]
    fn a_look_that_changes_nothing_asks_for_nothing() {
        let (circuit, fleet, _) = timed();
        hold(&circuit, &fleet, 3 * SECOND);
        let _ = (circuit.snapshot(), circuit.state(), circuit.save());
        assert!(circuit.is_rejecting());
        assert_eq!((fleet.take_stirred(), circuit.core().take_wanted()), (0, 0));
    }

    // N5: the end of each probe of a seat is news, and of one that decides nothing, too.
    #[test]
    fn the_end_of_a_probe_stirs_the_fleet() {
        let (circuit, fleet, _) = timed();
        hold(&circuit, &fleet, 3 * SECOND);
        assert!(matches!(seat(&circuit, 3, SECOND), Led::Told(_)));
        assert_eq!(fleet.take_stirred(), 1);
        circuit.try_acquire().expect("a seat").success();
        assert_eq!(fleet.take_stirred(), 1);
        circuit.try_acquire().expect("a seat").failure();
        assert_eq!(fleet.take_stirred(), 1);
        circuit
            .try_acquire()
            .expect("a seat")
            .finish(Outcome::Ignored);
        assert_eq!(fleet.take_stirred(), 1);
        assert_eq!(circuit.state(), State::HalfOpen);
        assert!(circuit.close_as_fleet(false, None) && fleet.take_stirred() == 1);
    }

    // N5, D7: nobody calls, and the driver's check is the probe.
    #[tokio::test(start_paused = true)]
    async fn a_driver_asks_for_a_seat_and_gets_it() {
        let (circuit, fleet) = shared(|circuit| circuit);
        hold(&circuit, &fleet, 3 * SECOND);
        let check = || async { Ok::<_, std::io::Error>(()) };
        let driver = tokio::spawn(circuit.probe_with(check));
        tokio::task::yield_now().await;
        assert_eq!((fleet.take_stirred(), circuit.core().take_wanted()), (1, 1));
        // It says so anew, for as long as it waits.
        tokio::time::sleep(SECOND * 3 / 2).await;
        assert_eq!((fleet.take_stirred(), circuit.core().take_wanted()), (1, 1));
        assert!(matches!(seat(&circuit, 1, SECOND), Led::Told(_)));
        tokio::task::yield_now().await;
        let tally = circuit.core().tally().expect("led");
        assert_eq!((tally.granted, tally.ok), (1, 1));
        driver.abort();
    }

    // N5, M2: whoever waits for a place of the bulkhead, too.
    #[tokio::test(start_paused = true)]
    async fn a_call_that_asks_for_a_place_asks_for_a_seat() {
        let (circuit, fleet) = shared(|circuit| circuit.bulkhead(1, SECOND));
        hold(&circuit, &fleet, 3 * SECOND);
        let Err(NotIn::Rejected(rejected)) = circuit.ask_in() else {
            panic!("it is held");
        };
        assert_eq!(rejected.reason(), Reason::Open);
        assert_eq!((fleet.take_stirred(), circuit.core().take_wanted()), (1, 1));
    }

    // N7: who waits need not wait for the hold to lapse.
    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_by_seats_and_when_the_circuit_goes_alone() {
        let woken = |circuit: &Circuit, act: &dyn Fn(&Circuit)| {
            let changed = circuit.observers().changed();
            let mut changed = std::pin::pin!(changed);
            assert!(!changed.as_mut().enable());
            act(circuit);
            changed.as_mut().enable()
        };
        let (circuit, fleet, clock) = timed();
        hold(&circuit, &fleet, 60 * SECOND);
        let plan = Alone {
            permits: 1,
            need: 1,
            spare: 0,
        };
        assert!(woken(&circuit, &|circuit| circuit.go_alone(plan)));
        hold(&circuit, &fleet, 60 * SECOND);
        assert!(woken(&circuit, &|circuit| {
            seat(circuit, 1, SECOND);
        }));
        clock.advance(SECOND);
        assert!(woken(&circuit, &|circuit| {
            assert_eq!(seat(circuit, 1, SECOND), Led::Seated);
        }));
        assert!(woken(&circuit, &|circuit| circuit.go_alone(plan)));
    }

    fn acts(fleet: &FakeFleet) -> Vec<(Act, Option<String>)> {
        fleet.told(|told| std::mem::take(&mut told.acts))
    }

    // N6
    #[tokio::test]
    async fn what_a_person_does_is_said_to_the_fleet() {
        let (circuit, fleet, _) = timed();
        let ops = || By::who("ops");
        let who = || Some("ops".to_owned());
        assert!(circuit.force_open_as(ops()));
        assert_eq!(acts(&fleet), [(Act::Force(None), who())]);
        assert!(!circuit.force_open());
        assert_eq!(acts(&fleet), [(Act::Force(None), None)]);
        assert!(circuit.release_as(ops()));
        circuit.reset_as(ops());
        assert_eq!(acts(&fleet), [(Act::Release, who()), (Act::Reset, who())]);
        assert_eq!(circuit.force_open_for(ops(), SECOND), Ok(true));
        assert!(circuit.force_open_for(ops(), Duration::ZERO).is_err());
        assert_eq!(acts(&fleet), [(Act::Force(Some(SECOND)), who())]);
        assert!(!circuit.set_mode(Mode::ForcedOpen) || acts(&fleet).len() == 1);
        assert_eq!(circuit.heard().await, Heard::By(7));
        // E3: here at once.
        assert_eq!(circuit.mode(), Mode::ForcedOpen);
    }

    // N6: what is no news for the fleet is not said to it: or it would close, if it is open.
    #[test]
    fn only_what_is_forced_is_released() {
        let (circuit, fleet, _) = timed();
        assert!(!circuit.release());
        assert_eq!(acts(&fleet), []);
        // Not here; but there.
        fleet.told(|told| told.forced = true);
        assert!(!circuit.release());
        assert_eq!(acts(&fleet), [(Act::Release, None)]);
    }

    // N6, E1: and a trip is what this instance has seen (N3).
    #[tokio::test]
    async fn what_a_person_does_here_is_said_to_nobody() {
        let (circuit, fleet, _) = timed();
        let here = circuit.here();
        assert!(here.force_open() && here.release());
        assert!(here.force_open_as(By::who("ops")) && here.release_as(By::unknown()));
        assert_eq!(here.force_open_for(By::unknown(), SECOND), Ok(true));
        assert!(here.force_open_for(By::unknown(), Duration::ZERO).is_err());
        here.reset();
        here.reset_as(By::unknown());
        circuit.trip(SECOND).expect("normal mode");
        for mode in [Mode::Shadow, Mode::Disabled, Mode::Normal] {
            assert!(circuit.set_mode(mode));
        }
        assert_eq!(acts(&fleet), []);
    }

    // N6, E5: a circuit that is shared no more, and one that never was.
    #[tokio::test]
    async fn a_circuit_that_is_not_shared_has_nobody_to_tell() {
        let (circuit, fleet, _) = timed();
        let off = circuit.reconfigure(|settings| settings.set_shared(None::<Agreement>));
        assert!(off.is_ok());
        let alone = Circuit::builder("alone").build().expect("valid");
        for circuit in [&circuit, &alone] {
            assert!(circuit.force_open() && circuit.here().release());
            circuit.reset();
            assert_eq!(circuit.heard().await, Heard::NotShared);
        }
        assert_eq!(acts(&fleet), []);
    }

    // N6, L1: who did it is told wherever it is done.
    #[test]
    fn what_the_fleet_does_is_told_with_who_did_it() {
        let (circuit, _, _) = timed();
        let ops = By::who("ops");
        assert!(circuit.force_as_fleet(Some(SECOND), Some(&ops)));
        let snapshot = circuit.snapshot();
        assert_eq!(snapshot.by.as_ref().and_then(By::get_who), Some("ops"));
        assert!(!circuit.close_as_fleet(false, None));
        assert!(circuit.release_as_fleet(Some(&ops)) && !circuit.release_as_fleet(None));
        assert_eq!(circuit.state(), State::Closed);
    }
}
