//! What a registry tells of its circuits.

use std::{
    fmt,
    sync::{Arc, Weak, atomic::Ordering},
};

use crate::{
    circuit::{
        builder::CircuitBuilder,
        event::What,
        events::{Above, Hub},
        handle::Circuit,
        listeners::{List, Subscription},
        settings::SettingsChange,
    },
    machine::{Transition, sync::AtomicU64},
};

/// Something that happened to a circuit of a registry. Printed, it is the rest of a log line that begins with the
/// circuit's name.
///
/// * `Added` is told once for each circuit. `Removed` or `Evicted` is told once, after it.
/// * A transition or a change of settings is told once, as to a listener of the circuit itself (rules E4, E5), unless
///   the circuit is gone by then. Another thread that uses a new circuit at once may tell a transition before `Added`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The circuit was made.
    Added,
    /// The circuit was [removed](super::Registry::remove).
    Removed,
    /// The circuit has left, because its place was needed for another (rule I5).
    Evicted,
    /// The circuit made a transition.
    Transition(&'a Transition),
    /// The circuit's settings were changed (rule E5).
    Settings(&'a SettingsChange),
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("was made"),
            Self::Removed => f.write_str("was removed"),
            Self::Evicted => f.write_str("has left, because its place was needed"),
            Self::Transition(transition) => transition.fmt(f),
            Self::Settings(change) => change.fmt_changes(f),
        }
    }
}

/// A listener.
pub(super) type OnEvent = dyn Fn(&Circuit, Event<'_>) + Send + Sync;

/// What has become of a circuit in its registry.
#[derive(Debug, Default)]
pub(super) struct Presence(AtomicU64);

const ADDED_TOLD: u64 = 1;
const GONE: u64 = 2;

/// How a circuit leaves its registry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Departure {
    Removed,
    Evicted,
}

impl Presence {
    /// Returns what was there before. `AcqRel`: of the two who mark, one sees the other's mark.
    fn mark(&self, mark: u64) -> u64 {
        self.0.fetch_or(mark, Ordering::AcqRel)
    }

    fn is_gone(&self) -> bool {
        self.0.load(Ordering::Acquire) & GONE != 0
    }
}

/// Who is told.
pub(super) struct Listeners {
    /// Without a value of their own for each event.
    all: Arc<List<OnEvent>>,
    pub(super) hub: Arc<Hub>,
}

impl Listeners {
    pub(super) fn new(listeners: Vec<Arc<OnEvent>>) -> Self {
        Self {
            all: Arc::new(List::new(listeners)),
            hub: Arc::new(Hub::new(Vec::new(), Vec::new(), 0)),
        }
    }

    /// As long as `goes_on`, which each listener may end.
    fn tell(&self, circuit: &Circuit, event: Event<'_>, goes_on: impl Fn() -> bool) {
        self.all.call(goes_on, |listener| listener(circuit, event));
    }

    /// How a circuit came or went.
    fn tell_presence(&self, circuit: &Circuit, event: Event<'_>, what: What) {
        self.tell(circuit, event, || true);
        if self.hub.wants_events() {
            self.hub.tell(circuit, what);
        }
    }

    fn tell_departure(&self, circuit: &Circuit, departure: Departure) {
        match departure {
            Departure::Removed => self.tell_presence(circuit, Event::Removed, What::Removed),
            Departure::Evicted => self.tell_presence(circuit, Event::Evicted, What::Evicted),
        }
    }

    /// And that it was removed, if it was meanwhile: whoever removed it left that to this thread. It was not evicted,
    /// since this thread holds it.
    pub(super) fn tell_added(&self, circuit: &Circuit, presence: &Presence) {
        self.tell_presence(circuit, Event::Added, What::Added);
        if presence.mark(ADDED_TOLD) & GONE != 0 {
            self.tell_departure(circuit, Departure::Removed);
        }
    }

    pub(super) fn tell_gone(&self, circuit: &Circuit, presence: &Presence, departure: Departure) {
        if presence.mark(GONE) & ADDED_TOLD != 0 {
            self.tell_departure(circuit, departure);
        }
        if !self.hub.calls.is_empty() {
            // Those of the registry hear of it no more.
            circuit.hear_calls_anew();
        }
    }

    /// Has the circuit tell what happens to it. That does not keep the registry alive.
    pub(super) fn listen(
        this: &Arc<Self>,
        builder: CircuitBuilder,
        presence: &Arc<Presence>,
    ) -> CircuitBuilder {
        builder.below(Arc::new(Below {
            listeners: Arc::downgrade(this),
            presence: presence.clone(),
        }))
    }

    pub(super) fn subscribe(
        &self,
        listener: impl Fn(&Circuit, Event<'_>) + Send + Sync + 'static,
    ) -> Subscription {
        List::subscribe(&self.all, Arc::new(listener))
    }
}

/// A circuit's way to its registry.
struct Below {
    listeners: Weak<Listeners>,
    presence: Arc<Presence>,
}

impl Below {
    fn tell(&self, circuit: &Circuit, event: Event<'_>) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.tell(circuit, event, || self.goes_on());
        }
    }
}

impl Above for Below {
    fn hub(&self) -> Option<Arc<Hub>> {
        let listeners = self.listeners.upgrade()?;
        self.goes_on().then(|| listeners.hub.clone())
    }

    fn goes_on(&self) -> bool {
        !self.presence.is_gone()
    }

    fn tell_transition(&self, circuit: &Circuit, told: &Transition) {
        self.tell(circuit, Event::Transition(told));
    }

    fn tell_settings(&self, circuit: &Circuit, told: &SettingsChange) {
        self.tell(circuit, Event::Settings(told));
    }
}
