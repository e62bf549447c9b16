//! What a circuit tells to the outside, and exactly when (rule E4).
//!
//! There are these ways to hear of transitions:
//!
//! | you want | take |
//! |---|---|
//! | a callback for each transition | [`CircuitBuilder::on_transition`] |
//! | a callback for each [`Event`]: with time, tags, who and why | [`CircuitBuilder::on_event`] |
//! | the same, of a circuit that is there already | [`Circuit::subscribe`] |
//! | every event, in async code that may be slow | [`Circuit::events`], which says how many it has lost |
//! | only what holds in the end, in async code | a [`Watch`]: [`Circuit::watch`] |
//! | the last events, after an outage | [`Circuit::recent_events`] |
//!
//! A circuit keeps no events for `recent_events`, unless [`event_log`] is set. A circuit of a registry keeps 16. For
//! all circuits of a registry at once, `registry::Registry` has `subscribe_events`, `events` and `recent_events`.
//!
//! [`CircuitBuilder::on_transition`]: crate::CircuitBuilder::on_transition
//! [`CircuitBuilder::on_event`]: crate::CircuitBuilder::on_event
//! [`event_log`]: crate::CircuitBuilder::event_log
//! [`Circuit::subscribe`]: crate::Circuit::subscribe
//! [`Circuit::events`]: crate::Circuit::events
//! [`Circuit::watch`]: crate::Circuit::watch
//! [`Circuit::recent_events`]: crate::Circuit::recent_events
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::{Circuit, State};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_breaker::ConfigError> {
//! let circuit = Circuit::builder("payments")
//!     .failure_rate(0.5)
//!     .minimum_calls(10)
//!     .open_for(Duration::from_secs(5))
//!     .on_transition(|circuit, transition| println!("{}", transition.describe(circuit.name())))
//!     .build()?;
//!
//! let mut watch = circuit.watch();
//! circuit.force_open();
//! let transition = watch.changed().await.expect("the circuit is still there");
//! assert_eq!(transition.to, State::Open);
//! # Ok(())
//! # }
//! ```
//!
//! [`Transition::describe`] makes a line for a log of it, with the numbers that somebody on duty needs:
//!
//! ```text
//! circuit `payments` opened: 7 of 10 calls failed (70 %, threshold 50 %), next probe in 5 s
//! circuit `payments` is half-open: the wait is over, the next call is a probe
//! circuit `payments` closed: the probes succeeded
//! circuit `search` sheds calls (1.9 % at first): 51 of 100 calls failed
//! circuit `search` sheds no more calls: there is nothing to shed any more
//! ```
//!
//! Neither a listener nor a watch keeps the circuit alive. A listener is given it, and a watch ends when it is gone.
//!
//! Every transition that happened is told once, on the thread that made it. A transition that did not happen is never
//! told.
//!
//! **Watch out:** transitions may be told out of order. Two threads that make two transitions in a row may tell them in
//! either order. A listener that controls the circuit makes a transition before the listeners after it have heard of
//! the first. So compare the *era*, a number that grows with each transition (elsewhere: generation):
//!
//! ```
//! # use std::sync::Mutex;
//! # use tower_breaker::{Circuit, State, Transition};
//! # let gauge = Mutex::new((0, State::Closed));
//! # let set = move |transition: &Transition| {
//! # let mut gauge = gauge.lock().unwrap();
//! // Wrong: the gauge may end with an old state.
//! // *gauge = (transition.era, transition.to);
//!
//! // Right.
//! if transition.era >= gauge.0 {
//!     *gauge = (transition.era, transition.to);
//! }
//! # };
//! # Circuit::builder("payments").on_transition(move |_, transition| set(transition)).build().unwrap().force_open();
//! ```
//!
//! A change between normal and shadow mode does not begin an era, so eras do not put two such changes in order. For the
//! mode, ask [`Circuit::mode`] when a transition is told.
//!
//! # Events
//!
//! A [`Transition`] is what a circuit does. An [`Event`] says more: the circuit with its tags, a time of day, an id. If
//! a person did it and [said so](crate::Circuit::force_open_as), it says who did it and why. Changes of settings are
//! events, too. One event is made for all who hear of it, and only if anybody does.
//!
//! # Calls
//!
//! What becomes of single calls is told only to those who [ask](crate::CircuitBuilder::on_call): see [`CallEvent`]. If
//! nobody asks, no call pays for it.
//!
//! # Settings
//!
//! Listeners of their own are told of changes of the [settings](crate::Circuit::reconfigure) of a live circuit:
//! [`CircuitBuilder::on_settings_change`](crate::CircuitBuilder::on_settings_change). Such a change has a
//! [version](SettingsChange::version) in place of an era.
//!
//! # Circuits that never open
//!
//! A circuit that is built anew for each request never opens. It is always closed, so nothing here tells of it.
//! [`short_lived_circuits`] shows it.
//!
//! # Labels
//!
//! Whatever is told here has a *label*: one word for machines, such as the labels of metrics and the fields of
//! structured logs. A label never changes. `Display` is for people: it may have spaces, and may read differently in a
//! later release.
//!
//! * Each state, mode, cause of a transition, reason of a rejection, end of a call and kind of event has one:
//!   [`State::label`], [`Mode::label`], [`Cause::label`], [`Reason::label`](crate::Reason::label), [`CallEnd::label`],
//!   [`Event::label`].
//! * So has what there is around a breaker. Whose limit cut a call off: [`LimitOf::label`](crate::LimitOf::label). What
//!   answered in place of the dependency, and why: [`FallbackKind::label`] and [`FallbackCause::label`]. What became of
//!   a retry: [`RetryDecision::label`].
//!
//! | | label | `Display` |
//! |---|---|---|
//! | [`State::Closed`] | `closed` | closed |
//! | [`State::Open`] | `open` | open |
//! | [`State::HalfOpen`] | `half_open` | half-open |
//! | [`Mode::Normal`] | `normal` | normal |
//! | [`Mode::ForcedOpen`] | `forced_open` | forced open |
//! | [`Mode::Disabled`] | `disabled` | disabled |
//! | [`Mode::Shadow`] | `shadow` | shadow |
//! | [`Reason::Open`](crate::Reason::Open) | `open` | open |
//! | [`Reason::HalfOpenFull`](crate::Reason::HalfOpenFull) | `half_open_full` | half-open and full |
//! | [`Reason::ForcedOpen`](crate::Reason::ForcedOpen) | `forced_open` | forced open |
//! | [`Reason::Ramping`](crate::Reason::Ramping) | `ramping` | ramping up |
//! | [`Reason::Shedding`](crate::Reason::Shedding) | `shedding` | shedding |
//! | [`Reason::BulkheadFull`](crate::Reason::BulkheadFull) | `bulkhead_full` | full |
//! | [`Cause::ConsecutiveFailures`] | `consecutive_failures` | 5 consecutive failures |
//! | [`Cause::FailureRate`] | `failure_rate` | 7 of 10 calls failed |
//! | [`Cause::SlowCallRate`] | `slow_call_rate` | 7 of 10 calls were slow |
//! | [`Cause::CustomPolicy`] | `custom_policy` | a custom policy |
//! | [`Cause::TripNow`] | `trip_now` | a result that trips at once |
//! | [`Cause::Manual`] | `manual` | by hand |
//! | [`Cause::ProbeFailed`] | `probe_failed` | a probe failed |
//! | [`Cause::ProbesTimedOut`] | `probes_timed_out` | the probes timed out |
//! | [`Cause::ProbesAbandoned`] | `probes_abandoned` | the probes were abandoned without an answer |
//! | [`Cause::TripVetoed`] | `trip_vetoed` | a trip was vetoed: too many circuits are open |
//! | [`Cause::WaitOver`] | `wait_over` | the wait is over, the next call is a probe |
//! | [`Cause::Recovered`] | `recovered` | the probes succeeded |
//! | [`Cause::ForceExpired`] | `force_expired` | the time is over for which it was forced open |
//! | [`Cause::Shared`] | `shared` | the fleet has decided |
//! | [`Cause::ShedBegan`] | `shed_began` | 7 of 10 calls failed |
//! | [`Cause::ShedEnded`] | `shed_ended` | there is nothing to shed any more |
//! | [`CallEnd::Successful`] | `success` | |
//! | [`CallEnd::Failed`] | `failure` | |
//! | [`CallEnd::Ignored`] | `ignored` | |
//! | [`CallEnd::Abandoned`] | `abandoned` | |
//! | [`LimitOf::Call`](crate::LimitOf::Call) | `call` | |
//! | [`LimitOf::Probe`](crate::LimitOf::Probe) | `probe` | |
//! | [`LimitOf::Caller`](crate::LimitOf::Caller) | `caller` | |
//! | [`FallbackKind::Value`] | `value` | |
//! | [`FallbackKind::Cached`] | `cached` | |
//! | [`FallbackKind::Fail`] | `fail` | |
//! | [`FallbackKind::Hold`] | `hold` | |
//! | [`FallbackKind::Defer`] | `defer` | |
//! | [`FallbackKind::Outbox`] | `outbox` | |
//! | [`FallbackKind::Own`] | `own` | |
//! | [`FallbackCause::Rejected`] | that of its [`Reason`](crate::Reason) | |
//! | [`FallbackCause::TimedOut`] | `timed_out` | |
//! | [`FallbackCause::Failed`] | `failed` | |
//! | [`RetryDecision::Retried`] | `retried` | |
//! | [`RetryDecision::NoBudget`] | `no_budget` | |
//! | [`RetryDecision::Rejected`] | `rejected` | |
//! | [`RetryDecision::NotClosed`] | `not_closed` | |
//! | [`RetryDecision::TooLong`] | `too_long` | |
//! | [`RetryDecision::Exhausted`] | `exhausted` | |
//! | [`RetryDecision::Off`] | `off` | |
//! | [`Why::NotRunning`] | `not_running` | nobody runs the fleet |
//! | [`Why::NotReached`] | `not_reached` | the store cannot be reached |
//! | [`Why::TimedOut`] | `timed_out` | the store does not answer in time |
//! | [`Why::Refused`] | `refused` | the store has refused it |
//! | [`Why::ReadOnly`] | `read_only` | the store only reads |
//! | [`Why::Full`] | `full` | the store is full |
//! | [`Why::Nonsense`] | `nonsense` | what the store says makes no sense |
//! | [`Why::Clock`] | `clock` | the clock of the store tells no time |
//! | [`Why::Replaced`] | `replaced` | a newer circuit of this name takes its place |
//! | [`Why::Off`] | `off` | it is turned off |
//!
//! | event | label |
//! |---|---|
//! | the circuit opened, perhaps again | `opened` |
//! | it is half-open | `half_open` |
//! | it closed, or was reset | `closed` |
//! | it should have opened, and was not let ([`Cause::TripVetoed`]) | `stays_closed` |
//! | it is closed, and begins to [shed](crate::CircuitBuilder::shed) a share of its calls | `sheds` |
//! | it sheds no more | `sheds_no_more` |
//! | its mode has changed, by whatever | `mode` |
//! | its settings have changed | `settings` |
//! | its bulkhead is full, for the first time in a minute | `bulkhead_full` |
//! | a call was not kept for later, for the first time in a minute | `queue_refused` |
//! | it takes part in its fleet ([`FleetNews`]) | `fleet_attached` |
//! | it takes no part any more | `fleet_detached` |
//! | another instance has other settings | `fleet_mismatch` |
//! | what the store of its fleet said was refused | `fleet_refused` |
//! | it was made by its registry | `added` |
//! | it was removed from it | `removed` |
//! | it has left it, because its place was needed | `evicted` |
//!
//! [`Cause::label`]: crate::Cause::label
//! [`Cause::ConsecutiveFailures`]: crate::Cause::ConsecutiveFailures
//! [`Cause::FailureRate`]: crate::Cause::FailureRate
//! [`Cause::SlowCallRate`]: crate::Cause::SlowCallRate
//! [`Cause::CustomPolicy`]: crate::Cause::CustomPolicy
//! [`Cause::TripNow`]: crate::Cause::TripNow
//! [`Cause::Manual`]: crate::Cause::Manual
//! [`Cause::ProbeFailed`]: crate::Cause::ProbeFailed
//! [`Cause::ProbesTimedOut`]: crate::Cause::ProbesTimedOut
//! [`Cause::ProbesAbandoned`]: crate::Cause::ProbesAbandoned
//! [`Cause::TripVetoed`]: crate::Cause::TripVetoed
//! [`Cause::WaitOver`]: crate::Cause::WaitOver
//! [`Cause::Recovered`]: crate::Cause::Recovered
//! [`Cause::ForceExpired`]: crate::Cause::ForceExpired
//! [`Cause::Shared`]: crate::Cause::Shared
//! [`Cause::ShedBegan`]: crate::Cause::ShedBegan
//! [`Cause::ShedEnded`]: crate::Cause::ShedEnded
//! [`Mode::label`]: crate::Mode::label
//! [`Mode::Normal`]: crate::Mode::Normal
//! [`Mode::ForcedOpen`]: crate::Mode::ForcedOpen
//! [`Mode::Disabled`]: crate::Mode::Disabled
//! [`Mode::Shadow`]: crate::Mode::Shadow

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering, fence},
};

use tokio::sync::{Notify, futures::Notified, watch};

pub use super::call_event::{AdmittedCall, CallEnd, CallEvent, EndedCall, FellBack};
pub use super::event::{Event, PartNews, What};
pub use super::followed::{FleetNews, FleetNow, Heard, Sharing, Why};
pub use super::listeners::Subscription;
pub use super::parts::{
    BulkheadNow, FallbackCause, FallbackKind, FallbackTotal, Parts, QueueNow, RetryDecision,
    RetryTotals, TimedOutTotals,
};
pub use super::settings::{ChangedSetting, SettingsChange};
pub use super::short_lived::{ShortLivedCircuits, short_lived_circuits};
pub use super::subscribers::{Events, Told};

pub use super::snapshot::{Began, RatesOf, Trip};
use super::{
    by::By,
    events::{self, Above, Hub, OnCall, OnEvent},
    handle::{Circuit, WeakCircuit},
    latest::{Latest, left_closed},
};
pub use crate::machine::{BucketTotals, CALL_DURATION_BUCKETS, Durations, Threshold};
use crate::{
    machine::{State, Transition},
    util::{panic::catch_panic, size::size},
};

/// A listener (E4, E5).
type Listener<Event> = Arc<dyn Fn(&Circuit, &Event) + Send + Sync>;

/// How many events a circuit of a registry keeps, unless something else is said of it.
pub(crate) const KEPT_IN_A_REGISTRY: u32 = 16;

/// Who is called in place, for each kind of event.
#[derive(Clone, Default)]
pub(crate) struct Listeners {
    pub(crate) transition: Vec<Listener<Transition>>,
    pub(crate) settings: Vec<Listener<SettingsChange>>,
    pub(crate) events: Vec<Arc<OnEvent>>,
    pub(crate) calls: Vec<Arc<OnCall>>,
    /// The registry that the circuit is of.
    pub(crate) above: Option<Arc<dyn Above>>,
}

/// Who is told of a circuit's transitions and of changes to its settings.
pub(crate) struct Observers {
    transition: Vec<Listener<Transition>>,
    settings: Vec<Listener<SettingsChange>>,
    /// Whether there is a registry, a log, a hub, or a fleet.
    tells_more: AtomicBool,
    /// Whoever else hears of this circuit, since there first was somebody.
    hub: OnceLock<Box<Hub>>,
    /// How many events are kept.
    event_log: usize,
    above: Option<Arc<dyn Above>>,
    latest: watch::Sender<Latest>,
    /// Tasks that wait to be ready (G7), and drivers (D7), since there first was one. Most circuits have none,
    /// and for them nothing is locked (F3).
    waiting: OnceLock<Arc<Notify>>,
    /// Tasks that wait for an inner service (G1), since there first was one.
    held_up: OnceLock<Notify>,
}

impl Observers {
    /// With a log of so many events, if that was said.
    pub(crate) fn new(listeners: Listeners, event_log: Option<u32>, first: State) -> Self {
        let Listeners {
            transition,
            settings,
            events,
            calls,
            above,
        } = listeners;
        let unsaid = if above.is_some() {
            KEPT_IN_A_REGISTRY
        } else {
            0
        };
        let event_log = size(event_log.unwrap_or(unsaid));
        let hub = match events.is_empty() && calls.is_empty() {
            true => OnceLock::new(),
            false => Box::new(Hub::new(events, calls, event_log)).into(),
        };
        Self {
            transition,
            settings,
            tells_more: AtomicBool::new(above.is_some() || event_log > 0 || hub.get().is_some()),
            hub,
            event_log,
            above,
            latest: watch::Sender::new(Latest::beginning(first)),
            waiting: OnceLock::new(),
            held_up: OnceLock::new(),
        }
    }

    /// `by`: who has brought it about, if it was somebody.
    pub(crate) fn tell(&self, circuit: &Circuit, transition: &Transition, by: Option<&By>) {
        // Neither a panicking waker nor a panicking listener disturbs the caller or the accounting. What is
        // new is in place before anybody is woken.
        let left_closed = left_closed(circuit, transition);
        catch_panic(|| {
            self.latest
                .send_if_modified(|latest| latest.update(transition, left_closed, by))
        });
        self.wake_ready_waiters();
        self.wake_if_rejecting(circuit);
        for listener in &self.transition {
            catch_panic(|| listener(circuit, transition));
        }
        // Relaxed: a fence is in both of the above. It pairs with that of `hub`.
        if self.tells_more.load(Ordering::Relaxed) {
            self.tell_more(circuit, transition, by);
        }
    }

    /// The circuit belongs to a fleet, which is told of each transition.
    pub(super) fn follow(&self) {
        self.tells_more.store(true, Ordering::Relaxed);
    }

    #[cold]
    fn tell_more(&self, circuit: &Circuit, transition: &Transition, by: Option<&By>) {
        circuit.stir();
        if let Some(above) = &self.above {
            above.tell_transition(circuit, transition);
        }
        let forced_by = by
            .is_none()
            .then(|| self.latest.borrow().forced_by(transition));
        let by = by.or(forced_by.as_ref());
        self.tell_event(circuit, by, || What::Transition(*transition));
    }

    pub(crate) fn tell_settings(&self, circuit: &Circuit, change: &SettingsChange) {
        for listener in &self.settings {
            catch_panic(|| listener(circuit, change));
        }
        if let Some(above) = &self.above {
            above.tell_settings(circuit, change);
        }
        // Pairs with that of `hub`.
        fence(Ordering::SeqCst);
        if self.tells_more.load(Ordering::Relaxed) {
            let what = || What::Settings(Arc::new(change.clone()));
            self.tell_event(circuit, Some(change.by()), what);
        }
    }

    /// Tells of something around it.
    pub(super) fn tell_part(&self, circuit: &Circuit, news: PartNews) {
        // Pairs with that of `hub`.
        fence(Ordering::SeqCst);
        if self.tells_more.load(Ordering::Relaxed) {
            self.tell_event(circuit, None, || What::Part(news));
        }
    }

    /// Tells of its part in its fleet.
    #[cfg(feature = "fleet")]
    pub(crate) fn tell_fleet(&self, circuit: &Circuit, news: FleetNews) {
        if let (FleetNews::Detached(why), Some(follower)) = (news, &circuit.label().follower) {
            follower.note_detached(why);
        }
        // Pairs with that of `hub`.
        fence(Ordering::SeqCst);
        if self.tells_more.load(Ordering::Relaxed) {
            self.tell_event(circuit, None, || What::Fleet(news));
        }
    }

    fn tell_event(&self, circuit: &Circuit, by: Option<&By>, what: impl FnOnce() -> What) {
        let own = match self.event_log {
            0 => self.hub.get().map(|hub| &**hub),
            // Most circuits of a registry never have an event.
            _ => Some(self.hub_or_new()),
        };
        events::tell(circuit, own, self.above.as_deref(), by, what);
    }

    /// For whoever wants events from now on. If it then looks at the circuit, it either sees what an event tells, or
    /// hears of it.
    pub(crate) fn hub(&self) -> &Hub {
        let hub = self.hub_or_new();
        self.tells_more.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        hub
    }

    fn hub_or_new(&self) -> &Hub {
        self.hub
            .get_or_init(|| Box::new(Hub::new(Vec::new(), Vec::new(), self.event_log)))
    }

    /// Whether anybody hears of calls.
    pub(crate) fn hears_calls(&self) -> bool {
        let hears = |hub: &Hub| !hub.calls.is_empty();
        let above = || self.above.as_ref()?.hub();
        self.hub.get().is_some_and(|hub| hears(hub)) || above().is_some_and(|hub| hears(&hub))
    }

    pub(super) fn tell_call(&self, circuit: &Circuit, event: CallEvent<'_>) {
        if let Some(hub) = self.hub.get() {
            hub.calls.call(|| true, |listener| listener(circuit, event));
        }
        let above = self.above.as_ref();
        if let Some((above, hub)) = above.and_then(|above| Some((above, above.hub()?))) {
            hub.calls
                .call(|| above.goes_on(), |listener| listener(circuit, event));
        }
    }

    /// The last events that are kept, the oldest first.
    pub(crate) fn recent_events(&self) -> Vec<Arc<Event>> {
        let hub = self.hub.get();
        hub.map(|hub| hub.log.recent()).unwrap_or_default()
    }

    /// Wakes those who wait to be ready: a call might be admitted now.
    pub(crate) fn wake_ready_waiters(&self) {
        // Pairs with the fence of `awaited`: either the task is seen here, or the circuit there as it is now.
        fence(Ordering::SeqCst);
        if let Some(waiting) = self.waiting.get() {
            catch_panic(|| waiting.notify_waiters());
        }
    }

    /// Wakes those who wait for an inner service, if calls are rejected now (G1). To be called after whatever may
    /// have made it so.
    pub(crate) fn wake_if_rejecting(&self, circuit: &Circuit) {
        // Pairs with the fence of `rejecting`, as that of `wake_ready_waiters` does with `awaited`'s.
        fence(Ordering::SeqCst);
        if let Some(waiting) = self.held_up.get() {
            catch_panic(|| {
                if circuit.is_rejecting() {
                    waiting.notify_waiters();
                }
            });
        }
    }

    /// The next time that calls begin to be rejected, from this call on.
    pub(crate) fn rejecting(&self) -> Notified<'_> {
        let waiting = self.held_up.get_or_init(Notify::new);
        fence(Ordering::SeqCst);
        waiting.notified()
    }

    /// The next time that a call might be admitted, from this call on.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.awaited().notified()
    }

    /// The same for whoever must not hold the circuit while it waits. It is told, too, that the circuit is gone.
    pub(crate) fn waiting(&self) -> Arc<Notify> {
        self.awaited().clone()
    }

    fn awaited(&self) -> &Arc<Notify> {
        let waiting = self.waiting.get_or_init(Arc::default);
        fence(Ordering::SeqCst);
        waiting
    }

    /// What was told last.
    pub(crate) fn latest(&self) -> Latest {
        self.latest.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Latest> {
        self.latest.subscribe()
    }
}

/// The circuit is gone: nobody has to wait for it any more. A waker is somebody else's code, and the circuit may
/// go while a panic unwinds.
impl Drop for Observers {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.get() {
            catch_panic(|| waiting.notify_waiters());
        }
        if self.latest.receiver_count() > 0 {
            let closed = watch::Sender::new(Latest::default());
            let latest = std::mem::replace(&mut self.latest, closed);
            catch_panic(|| drop(latest));
        }
    }
}

/// Transitions of one circuit, for async code to await. Made by [`Circuit::watch`].
///
/// It holds the newest transition that was told. If several transitions happen between two awaits, it shows only the
/// last one. To hear of each, use a listener.
///
/// A watch does not keep its circuit alive. It ends when the circuit is gone: when the last handle is dropped, and
/// everything that holds one. So a task that loops on it ends, too, and you need not abort it.
///
/// ```
/// # use tower_breaker::{Circuit, State};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let circuit = Circuit::builder("payments").build()?;
/// let mut watch = circuit.watch();
/// let logging = tokio::spawn(async move {
///     while let Some(transition) = watch.changed().await {
///         println!("payments: {transition}");
///     }
/// });
///
/// circuit.force_open();
/// drop(circuit);
/// logging.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Watch {
    circuit: WeakCircuit,
    latest: watch::Receiver<Latest>,
}

impl Watch {
    pub(crate) fn new(circuit: &Circuit) -> Self {
        Self {
            circuit: circuit.downgrade(),
            latest: circuit.observers().subscribe(),
        }
    }

    /// Waits for the next transition after the last one seen. Returns `None` when the circuit is gone. A transition
    /// that was told before that is shown first.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<Transition> {
        loop {
            self.latest.changed().await.ok()?;
            let transition = self.latest.borrow_and_update().transition;
            if transition.is_some() {
                return transition;
            }
        }
    }

    /// Waits until the circuit is in `state`, and returns `true`. Returns at once if it is in it already. Returns
    /// `false` if the circuit is gone, unless its last transition, unseen until now, was to that state.
    ///
    /// A state that came and went before this was polled is missed, and [`changed`](Self::changed) may show
    /// the same transition again.
    ///
    /// If the wait of an open circuit is over, it stays open until a call comes (rule C5). So waiting for half-open
    /// needs traffic, or a [driver](Circuit::probe_with).
    pub async fn wait_for(&mut self, state: State) -> bool {
        while self.circuit.upgrade().map(|circuit| circuit.state()) != Some(state) {
            let Some(told) = self.changed().await else {
                return false;
            };
            if told.to == state && self.circuit.upgrade().is_none() {
                break;
            }
        }
        true
    }
}
