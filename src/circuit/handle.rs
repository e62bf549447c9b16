//! [`Circuit`]: the one door to a circuit, for people and for the rest of the crate.

use std::{cell::Cell, fmt, future::Future, panic::Location, sync::OnceLock, time::Duration};

use super::{
    builder::CircuitBuilder,
    call::{Call, OwnedCall},
    call_event::CallEvent,
    classify::{Classify, ErrorsOnly},
    clock::CircuitClock,
    error::Rejected,
    event::Event,
    followed::{Follower, Follows},
    guard::{Guard, Owned, OwnedGuard},
    listeners::{List, Subscription},
    name::Name,
    observe::{Events, Observers, Watch},
    parts::PartCounters,
    settings::Settings,
    short_lived::count_if_short_lived,
    snapshot::Snapshot,
    tags::Tags,
};
#[cfg(feature = "config")]
use super::{
    ejection::EjectionCap,
    settings::{ChangedSetting, ConfigError},
};
use crate::machine::{
    Core, Mode, Outcome, SavedState, State, Totals,
    sync::{Arc, Weak},
};

/// A circuit: the state that decides. All who hold a handle to it share it.
///
/// A clone is another handle to the same circuit. Give one to a [`CircuitBreakerLayer`](crate::CircuitBreakerLayer),
/// and keep one to look and to control. Every later call sees what a control operation has changed, on every clone and
/// every thread (rule E3).
///
/// It also works without Tower, as around [databases, tasks and threads](crate::guide::around):
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Circuit, State};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("payments")
///     .consecutive_failures(3)
///     .open_for(Duration::from_secs(5))
///     .build()?;
///
/// for _ in 0..3 {
///     circuit.try_acquire().expect("closed").failure();
/// }
/// assert_eq!(circuit.state(), State::Open);
///
/// let rejected = circuit.try_acquire().unwrap_err();
/// assert_eq!(rejected.to_string(), "circuit `payments` is open: 3 consecutive failures");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[doc(alias = "ManualControl")]
pub struct Circuit {
    shared: Arc<Shared>,
}

/// Apart from the counts of its `Arc`, which change whenever a handle is cloned.
#[repr(align(128))]
struct Shared {
    core: Core,
    clock: CircuitClock,
    observers: Observers,
    label: Label,
    /// What is around it, once something is.
    parts: OnceLock<Box<PartCounters>>,
}

/// What a circuit was before anything happened to it.
#[cfg(feature = "registry")]
#[derive(Clone, Copy)]
pub(crate) struct AsBuilt {
    pub(crate) mode: Mode,
    /// Of its settings.
    pub(crate) version: u64,
}

/// What a circuit is called, and what it was built with.
pub(crate) struct Label {
    pub(crate) name: Name,
    pub(crate) tags: Tags,
    /// What was said of it.
    #[cfg(feature = "config")]
    pub(crate) mode: Mode,
    /// What holds now is this with the core's numbers.
    pub(crate) settings: Settings,
    /// Where it was built, unless it may well be gone after one call.
    pub(crate) built_at: Option<&'static Location<'static>>,
    /// The fleet that it belongs to.
    pub(crate) follower: Option<Box<Follower>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(built_at) = self.label.built_at {
            count_if_short_lived(self.core.totals(), built_at);
        }
    }
}

impl Circuit {
    /// Begins a circuit of this name: a `&str` of any lifetime, a `String`, an `Arc<str>`, a [`Name`].
    ///
    /// Names need not differ, but people will read them, in log lines and errors. A name that is empty, blank, or
    /// longer than 256 bytes is refused by [`build`](CircuitBuilder::build).
    ///
    /// ```
    /// # use tower_breaker::{Circuit, ConfigError};
    /// fn circuit_of(host: &str) -> Result<Circuit, ConfigError> {
    ///     Circuit::builder(host).build()
    /// }
    /// # fn main() -> Result<(), ConfigError> {
    /// assert_eq!(circuit_of("db1.internal")?.name(), "db1.internal");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "Name")]
    pub fn builder(name: impl Into<Name>) -> CircuitBuilder {
        CircuitBuilder::new(name.into())
    }

    pub(crate) fn new(
        label: Label,
        core: impl FnOnce(u64) -> Core,
        clock: CircuitClock,
        observers: Observers,
    ) -> Self {
        let core = core(clock.now());
        Self {
            shared: Arc::new(Shared {
                core,
                clock,
                observers,
                label,
                parts: OnceLock::new(),
            }),
        }
    }

    /// The circuit's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.label.name
    }

    /// The circuit's tags.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.shared.label.tags
    }

    /// The state. Reading it never changes it: if the wait of an open circuit is over, it reads open until a call comes
    /// (rule C5).
    #[must_use]
    #[doc(alias = "StateProvider")]
    #[doc(alias = "current_state")]
    pub fn state(&self) -> State {
        self.core().state()
    }

    /// The mode: who decides, the circuit or a person.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.core().mode()
    }

    /// Everything there is to see, at one instant. Looking changes nothing.
    #[must_use]
    #[doc(alias = "Counts")]
    #[doc(alias = "fail_counter")]
    #[doc(alias = "track_remaining")]
    pub fn snapshot(&self) -> Snapshot {
        // Before the view, so that it is none that came after.
        let latest = self.observers().latest();
        let now = Cell::new(0);
        let view = self.core().view(|| {
            now.set(self.now());
            now.get()
        });
        Snapshot::new(
            self.shared.label.name.clone(),
            (view, now.get()),
            &latest,
            (self.totals(), self.core().durations()),
            self.parts_if_any().map(PartCounters::read),
            (
                self.follower().map(Follows::now),
                self.core().numbers().shared > 0,
            ),
        )
    }

    /// Whether nobody holds it and nobody would notice that it is gone: its settings are as they were `built`, and it
    /// is like one that was just built, or open and forgotten.
    #[cfg(feature = "registry")]
    pub(crate) fn is_unnoticed(&self, built: AsBuilt, handles: usize) -> bool {
        let now = self.now();
        Arc::strong_count(&self.shared) == handles
            && self.core().settings_version() == built.version
            && (self.core().is_like_new(built.mode, now) || self.core().is_forgotten(now))
    }

    /// The circuit, and whether nobody else has a handle to it: then nobody can get one any more.
    #[cfg(feature = "registry")]
    pub(crate) fn into_only_handle(self) -> (Self, bool) {
        let (shared, is_only) = match Arc::try_unwrap(self.shared) {
            Ok(shared) => (Arc::new(shared), true),
            Err(shared) => (shared, false),
        };
        (Self { shared }, is_only)
    }

    /// Whether it is a member of this set.
    #[cfg(feature = "config")]
    pub(crate) fn is_member_of(&self, cap: &EjectionCap) -> bool {
        cap.has(self.core())
    }

    /// Whether it is a member of any set.
    #[cfg(feature = "config")]
    pub(crate) fn is_capped(&self) -> bool {
        self.core().is_member()
    }

    /// Becomes a member of a set, unless it is one of another. Returns whether it is a member of this one.
    #[cfg(feature = "config")]
    pub(crate) fn join(&self, cap: &EjectionCap) -> bool {
        self.core().join(cap.joined_by(&self.shared.clock))
    }

    /// The name, to be copied without a copy of its text.
    #[cfg(feature = "registry")]
    pub(crate) fn full_name(&self) -> &Name {
        &self.shared.label.name
    }

    /// The mode that was said when it was built, whatever it is in now.
    #[cfg(feature = "config")]
    pub(crate) fn first_mode(&self) -> Mode {
        self.shared.label.mode
    }

    /// What a change to these settings would do.
    ///
    /// Closures are no data, and are made anew whenever a circuit is described: its own stand for them.
    #[cfg(feature = "config")]
    pub(crate) fn plan(
        &self,
        settings: &Settings,
    ) -> Result<(Settings, Vec<ChangedSetting>), ConfigError> {
        let old = self.settings();
        let mut new = settings.clone();
        new.take_closures_of(&old);
        let built = &self.shared.label.settings;
        let numbers = new.numbers_in_place(&old, built);
        let new = built.with_numbers(&numbers.map_err(|error| error.of(&self.shared.label.name))?);
        let changes = old.changes_to(&new);
        Ok((new, changes))
    }

    /// What differs from these settings, whether it can be changed or not.
    #[cfg(feature = "config")]
    pub(crate) fn differences(&self, settings: &Settings) -> Vec<ChangedSetting> {
        let old = self.settings();
        let mut new = settings.clone();
        new.take_closures_of(&old);
        old.changes_to(&new)
    }

    /// What a circuit of a later process can be built from (rule E6): the state, what remains of the break, the attempt
    /// and the mode. See [`SavedState`].
    ///
    /// A half-open circuit is saved as an open one with nothing remaining. Saving changes nothing.
    #[must_use]
    pub fn save(&self) -> SavedState {
        self.core().save(|| self.now())
    }

    /// Transitions from now on, for async code to await. It ends when the circuit is gone.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self)
    }

    /// Calls `listener` for every [event](crate::observe::Event) of the circuit from now on, until what this returns is
    /// dropped.
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # let circuit = Circuit::builder("payments").build().unwrap();
    /// // Wrong: it ends at once.
    /// let _ = circuit.subscribe(|_, event| println!("{event}"));
    ///
    /// // Right.
    /// let _subscription = circuit.subscribe(|_, event| println!("{event}"));
    /// ```
    /// For a listener that stays, and for how listeners are called, see [`on_event`](CircuitBuilder::on_event).
    pub fn subscribe(
        &self,
        listener: impl Fn(&Self, &std::sync::Arc<Event>) + Send + Sync + 'static,
    ) -> Subscription {
        self.observers().hub().subscribe(listener)
    }

    /// Calls `listener` for what becomes of each call from now on, until what this returns is dropped. See
    /// [`CallEvent`].
    ///
    /// Of a call that is under way already, it may hear the end without the beginning, or neither. For a listener that
    /// stays, and for how listeners are called, see [`on_call`](CircuitBuilder::on_call).
    pub fn subscribe_calls(
        &self,
        listener: impl Fn(&Self, CallEvent<'_>) + Send + Sync + 'static,
    ) -> Subscription {
        let calls = &self.observers().hub().calls;
        let subscription = List::subscribe(calls, std::sync::Arc::new(listener));
        self.hear_calls_anew();
        let circuit = self.downgrade();
        subscription.then(move || {
            if let Some(circuit) = circuit.upgrade() {
                circuit.hear_calls_anew();
            }
        })
    }

    /// [Events](crate::observe::Event) from now on, for async code to await. They end when the circuit is gone. A
    /// receiver that is too slow [is told how many it has lost](crate::observe::Told::Lagged).
    ///
    /// If you look at the circuit after this, you have either seen what an event tells, or will hear of it.
    #[must_use]
    pub fn events(&self) -> Events {
        self.observers().hub().events()
    }

    /// The last events, the oldest first, in the order of their ids. There are as many as the circuit
    /// [keeps](CircuitBuilder::event_log): by default none, or 16 if the circuit is of a registry.
    #[must_use]
    pub fn recent_events(&self) -> Vec<std::sync::Arc<Event>> {
        self.observers().recent_events()
    }

    /// A handle that does not keep the circuit alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakCircuit {
        WeakCircuit {
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// Admits a call. Finish the call through the guard that this returns.
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # async fn query() -> Result<u32, std::io::Error> { Ok(1) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let circuit = Circuit::builder("database").build()?;
    /// let guard = circuit.try_acquire()?;
    /// let row = guard.finish_with(query().await)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out**: a `?` between the guard and its outcome makes every failure an abandoned call; see
    /// [`Guard`].
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the circuit does not admit the call. Then you must not make the call.
    #[inline]
    #[doc(alias = "TwoStepCircuitBreaker")]
    #[doc(alias = "calling")]
    #[doc(alias = "is_call_permitted")]
    pub fn try_acquire(&self) -> Result<Guard<'_>, Rejected> {
        match self.admit_fast() {
            Some(ticket) => Ok(Guard::new(self, ticket)),
            None => self.try_acquire_slowly(),
        }
    }

    /// Never inlined: what a rejection tells would be in the way of the usual call.
    #[inline(never)]
    fn try_acquire_slowly(&self) -> Result<Guard<'_>, Rejected> {
        match self.admit_any() {
            Ok(ticket) => Ok(Guard::new(self, ticket)),
            Err(refusal) => Err(self.rejected(refusal)),
        }
    }

    /// Like [`try_acquire`](Self::try_acquire), with a guard that can go to another task or thread: it keeps a handle
    /// of its own.
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # async fn query() -> Result<u32, std::io::Error> { Ok(1) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let circuit = Circuit::builder("database").build()?;
    /// let guard = circuit.clone().try_acquire_owned()?;
    /// let query = tokio::spawn(async move { guard.finish_with(query().await) });
    /// # query.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the circuit does not admit the call. Then you must not make the call.
    pub fn try_acquire_owned(self) -> Result<OwnedGuard, Rejected> {
        match self.admit() {
            Ok(ticket) => Ok(OwnedGuard::new(Owned::new(self), ticket)),
            Err(refusal) => Err(self.rejected(refusal)),
        }
    }

    /// Runs `future` if the circuit admits it. `Err` counts as a failure.
    ///
    /// The circuit admits the call when the returned future is first polled. If that future is dropped before, nothing
    /// has happened.
    ///
    /// * If the circuit rejects the call, the result is [`CircuitError::Rejected`](crate::CircuitError::Rejected), and
    ///   `future` is never polled.
    /// * If `future` fails, the result is [`CircuitError::Inner`](crate::CircuitError::Inner) with its error.
    /// * If it takes longer than [`call_timeout`](CircuitBuilder::call_timeout), it is dropped, and the result is
    ///   [`CircuitError::TimedOut`](crate::CircuitError::TimedOut). The same holds for a probe that takes longer than
    ///   [`probe_timeout`](CircuitBuilder::probe_timeout).
    ///
    /// ```
    /// # use tower_breaker::{Circuit, CircuitError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let circuit = Circuit::builder("payments").build()?;
    /// let answer = circuit.call(async { Ok::<_, std::io::Error>(42) }).await?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** an HTTP client answers a 500 with `Ok`, which is a success here. Use
    /// [`call_http`](Self::call_http):
    ///
    /// ```
    /// # use tower_breaker::{Circuit, CircuitError};
    /// # struct Client;
    /// # impl Client {
    /// #     async fn get(&self, _: &str) -> Result<http::Response<()>, std::io::Error> { Ok(http::Response::new(())) }
    /// # }
    /// # async fn ask(circuit: Circuit, client: Client) -> Result<(), CircuitError<std::io::Error>> {
    /// // Wrong: a server that answers nothing but 500 never opens the circuit.
    /// let response = circuit.call(client.get("/payments")).await?;
    ///
    /// // Right.
    /// let response = circuit.call_http(client.get("/payments")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** a timeout *around* the call drops it, which is neutral. So a dependency that hangs never opens
    /// the circuit. Put the timeout inside, or set [`call_timeout`](CircuitBuilder::call_timeout). If you cannot move
    /// it, say after which time a dropped call has failed
    /// ([`AbandonedPolicy::FailureAfter`](crate::AbandonedPolicy::FailureAfter)):
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokio::time::timeout;
    /// # use tower_breaker::Circuit;
    /// # async fn ask(circuit: Circuit) {
    /// # let limit = Duration::from_secs(2);
    /// # let payment = || async { Ok::<_, std::io::Error>(42) };
    /// // Wrong: who gives up has abandoned the call.
    /// let answer = timeout(limit, circuit.call(payment())).await;
    ///
    /// // Right: the time that has passed is the call's error.
    /// let answer = circuit.call(async { timeout(limit, payment()).await? }).await;
    /// # let _: Result<i32, tower_breaker::CircuitError<std::io::Error>> = answer;
    /// # }
    /// ```
    ///
    /// **Watch out:** a call within a call of the same circuit is part of it (rule D8). It is always admitted, and only
    /// the result of the outermost counts. So if the inner call fails and the outer one makes that good, it is no
    /// failure. But in another task, the inner call is a call of its own, and half-open may have no permit for it:
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # async fn payment() -> Result<u32, std::io::Error> { Ok(42) }
    /// # async fn ask(circuit: Circuit) -> Result<(), Box<dyn std::error::Error>> {
    /// # let inner = circuit.clone();
    /// // Wrong: two calls, and as a probe the first is failed by the rejection of the second.
    /// circuit.call(async { tokio::spawn(inner.call_owned(payment())).await? .map_err(std::io::Error::other) }).await?;
    ///
    /// // Right: one.
    /// circuit.call(async { tokio::spawn(payment()).await? }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** do not call a protected service of the same circuit in the argument. Such a call is made before
    /// this one is polled, so it is not within it. It takes the one permit of half-open, and this call is rejected:
    ///
    /// ```text
    /// circuit.call(service.call(request)).await               // wrong: two calls, and half-open never closes
    /// circuit.call(async { service.call(request).await }).await   // right: one
    /// ```
    #[doc(alias = "Execute")]
    pub fn call<F, T, E>(&self, future: F) -> Call<'_, F, ErrorsOnly>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.call_with_classifier(ErrorsOnly, future)
    }

    /// Like [`call`](Self::call), with a closure to say what counts as a failure.
    ///
    /// ```
    /// # use tower_breaker::{Circuit, Outcome};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("payments").build()?;
    /// let rows = circuit
    ///     .call_with(
    ///         |result| match result {
    ///             Ok(rows) if *rows == 0 => Outcome::Ignored,
    ///             Ok(_) => Outcome::Success,
    ///             Err(_) => Outcome::Failure,
    ///         },
    ///         async { Ok::<u32, std::io::Error>(0) },
    ///     )
    ///     .await;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "recordException")]
    #[doc(alias = "recordExceptions")]
    #[doc(alias = "IsSuccessful")]
    #[doc(alias = "exclude")]
    #[doc(alias = "exceptions")]
    pub fn call_with<C, F, T, E>(&self, classify: C, future: F) -> Call<'_, F, C>
    where
        C: Fn(Result<&T, &E>) -> Outcome,
        F: Future<Output = Result<T, E>>,
    {
        self.call_with_classifier(classify, future)
    }

    /// Like [`call`](Self::call), with a [`Classify`] to say what counts as a failure.
    pub fn call_with_classifier<C, F, T, E>(&self, classifier: C, future: F) -> Call<'_, F, C>
    where
        C: Classify<T, E>,
        F: Future<Output = Result<T, E>>,
    {
        Call::new(self, classifier, future)
    }

    /// Like [`call`](Self::call), with a future that can be spawned: it keeps a handle of its own.
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # async fn query() -> Result<u32, std::io::Error> { Ok(1) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let circuit = Circuit::builder("database").build()?;
    /// let row = tokio::spawn(circuit.clone().call_owned(query()));
    /// # row.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_owned<F, T, E>(self, future: F) -> OwnedCall<F, ErrorsOnly>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.call_owned_with_classifier(ErrorsOnly, future)
    }

    /// Like [`call_with`](Self::call_with), with a future that can be spawned.
    pub fn call_owned_with<C, F, T, E>(self, classify: C, future: F) -> OwnedCall<F, C>
    where
        C: Fn(Result<&T, &E>) -> Outcome,
        F: Future<Output = Result<T, E>>,
    {
        self.call_owned_with_classifier(classify, future)
    }

    /// Like [`call_with_classifier`](Self::call_with_classifier), with a future that can be spawned.
    pub fn call_owned_with_classifier<C, F, T, E>(self, classifier: C, future: F) -> OwnedCall<F, C>
    where
        C: Classify<T, E>,
        F: Future<Output = Result<T, E>>,
    {
        Call::new(Owned::new(self), classifier, future)
    }

    // ---- for the rest of the crate ------------------------------------------------------------

    /// Which circuit this is, for [`nesting`].
    #[inline(always)]
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        &self.shared.core
    }

    pub(super) fn follower(&self) -> Option<&dyn Follows> {
        self.shared.label.follower.as_ref().map(|it| it.member())
    }

    pub(super) fn label(&self) -> &Label {
        &self.shared.label
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.shared.observers
    }

    /// For where it always has to be read.
    #[inline(always)]
    pub(super) fn now_inlined(&self) -> u64 {
        self.shared.clock.now()
    }

    /// Never inlined: the usual call does not read the clock, and is the better for the room.
    #[inline(never)]
    pub(crate) fn now(&self) -> u64 {
        self.shared.clock.now()
    }

    /// The wall clock.
    pub(super) fn wall(&self) -> std::time::SystemTime {
        self.shared.clock.wall()
    }

    /// The name, for whoever must not hold the circuit.
    pub(crate) fn shared_name(&self) -> Name {
        self.shared.label.name.clone()
    }

    /// How long a call may take (M5), and a probe (D9), as far as that is limited.
    pub(crate) fn timeouts(&self) -> (Option<Duration>, Option<Duration>) {
        self.core().timeouts()
    }

    /// Whether calls that are no probes may be limited (M5).
    #[inline]
    pub(crate) fn limits_calls(&self) -> bool {
        self.core().limits_calls()
    }

    /// What has become of all calls, unless totals are turned off.
    pub(crate) fn totals(&self) -> Option<Totals> {
        let full = self
            .parts_if_any()
            .map_or(0, PartCounters::rejected_as_full);
        let totals = self.core().totals()?;
        Some(totals.with_bulkhead_full(full))
    }

    /// The counters of what is around it, which are made when they are first needed.
    #[cold]
    pub(crate) fn parts(&self) -> &PartCounters {
        self.shared.parts.get_or_init(Box::default)
    }

    /// The same, if something is around it.
    pub(crate) fn parts_if_any(&self) -> Option<&PartCounters> {
        self.shared.parts.get().map(|parts| &**parts)
    }

    /// The clock, for whoever must not hold the circuit.
    #[cfg(feature = "body")]
    pub(crate) fn clock(&self) -> CircuitClock {
        self.shared.clock.clone()
    }
}

/// A handle to a circuit that does not keep it alive. Made by [`Circuit::downgrade`].
///
/// For whoever looks after circuits of others: a registry, a task, a listener on another circuit. A circuit is gone
/// when the last [`Circuit`] is dropped, and with it the last layer, service, call and guard.
///
/// ```
/// # use tower_breaker::Circuit;
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("payments").build()?;
/// let weak = circuit.downgrade();
/// assert!(weak.upgrade().is_some());
///
/// drop(circuit);
/// assert!(weak.upgrade().is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WeakCircuit {
    shared: Weak<Shared>,
}

impl WeakCircuit {
    /// As [`Circuit::identity`]. As long as this exists, no other circuit is there.
    pub(crate) fn identity(&self) -> usize {
        self.shared.as_ptr().addr()
    }

    /// The circuit, or `None` if it is gone. What this returns keeps it alive: do not hold it across an `.await` that
    /// may take long.
    #[must_use]
    pub fn upgrade(&self) -> Option<Circuit> {
        let shared = self.shared.upgrade()?;
        Some(Circuit { shared })
    }
}

impl fmt::Debug for WeakCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakCircuit")
            .field("circuit", &self.upgrade())
            .finish()
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("name", &self.name())
            .field("state", &self.state())
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}
