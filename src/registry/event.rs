//! What a registry tells of its circuits.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    circuit::{builder::CircuitBuilder, handle::Circuit, settings::SettingsChange},
    machine::{Transition, sync::AtomicU64},
    util::panic::catch_panic,
};

/// Something that happened to a circuit of a registry. It prints as the rest of a line for a log that begins with the
/// circuit's name.
///
/// * `Added` is told once for each circuit, and after it `Removed` or `Evicted`, once.
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

type Call = dyn Fn(&Circuit, Event<'_>) + Send + Sync;

/// Who is told, and whether it still wants to be.
#[derive(Clone)]
pub(super) struct Listener {
    call: Arc<Call>,
    ended: Arc<AtomicBool>,
}

impl Listener {
    pub(super) fn new(call: impl Fn(&Circuit, Event<'_>) + Send + Sync + 'static) -> Self {
        Self {
            call: Arc::new(call),
            ended: Arc::default(),
        }
    }
}

/// What has become of a circuit in its registry.
#[derive(Debug, Default)]
pub(super) struct Presence(AtomicU64);

const ADDED_TOLD: u64 = 1;
const REMOVED: u64 = 2;
const EVICTED: u64 = 4;
const GONE: u64 = REMOVED | EVICTED;

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
    /// Replaced as a whole, so that no lock is held while they run.
    all: RwLock<Arc<[Listener]>>,
}

impl Listeners {
    pub(super) fn new(listeners: Vec<Listener>) -> Self {
        Self {
            all: RwLock::new(listeners.into()),
        }
    }

    /// As long as `goes_on`, which each listener may end.
    fn tell(&self, circuit: &Circuit, event: Event<'_>, goes_on: impl Fn() -> bool) {
        let listeners = self
            .all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for listener in listeners.iter() {
            if goes_on() && !listener.ended.load(Ordering::Acquire) {
                catch_panic(|| (listener.call)(circuit, event));
            }
        }
    }

    /// And that it is gone, if it went meanwhile: whoever took it left that to this thread.
    pub(super) fn tell_added(&self, circuit: &Circuit, presence: &Presence) {
        self.tell(circuit, Event::Added, || true);
        match presence.mark(ADDED_TOLD) {
            REMOVED => self.tell(circuit, Event::Removed, || true),
            EVICTED => self.tell(circuit, Event::Evicted, || true),
            _ => {}
        }
    }

    pub(super) fn tell_gone(&self, circuit: &Circuit, presence: &Presence, departure: Departure) {
        let (mark, event) = match departure {
            Departure::Removed => (REMOVED, Event::Removed),
            Departure::Evicted => (EVICTED, Event::Evicted),
        };
        if presence.mark(mark) & ADDED_TOLD != 0 {
            self.tell(circuit, event, || true);
        }
    }

    /// Has the circuit tell what happens to it. That does not keep the registry alive.
    pub(super) fn listen(
        this: &Arc<Self>,
        builder: CircuitBuilder,
        presence: &Arc<Presence>,
    ) -> CircuitBuilder {
        let (weak, presence) = (Arc::downgrade(this), presence.clone());
        let forward = move |circuit: &Circuit, event: Event<'_>| {
            let Some(listeners) = weak.upgrade() else {
                return;
            };
            listeners.tell(circuit, event, || !presence.is_gone());
        };
        let of_settings = forward.clone();
        builder
            .on_transition(move |circuit, told| forward(circuit, Event::Transition(told)))
            .on_settings_change(move |circuit, told| of_settings(circuit, Event::Settings(told)))
    }

    pub(super) fn subscribe(this: &Arc<Self>, listener: Listener) -> Subscription {
        this.replace(|all| all.iter().cloned().chain([listener.clone()]).collect());
        Subscription {
            listeners: Arc::downgrade(this),
            listener,
        }
    }

    fn replace(&self, change: impl FnOnce(&[Listener]) -> Arc<[Listener]>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&all);
        // What is replaced is dropped after the lock is given back: listeners are somebody else's code.
        let old = std::mem::replace(&mut *all, changed);
        drop(all);
        drop(old);
    }
}

/// Ends the calls of a listener when it is dropped. Made by [`Registry::subscribe`](super::Registry::subscribe).
///
/// A call that another thread has begun by then goes on to its end.
#[must_use = "the listener is called until this is dropped"]
pub struct Subscription {
    listeners: Weak<Listeners>,
    listener: Listener,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.listener.ended.store(true, Ordering::Release);
        if let Some(listeners) = self.listeners.upgrade() {
            let others = |listener: &&Listener| !Arc::ptr_eq(&listener.ended, &self.listener.ended);
            listeners.replace(|all| all.iter().filter(others).cloned().collect());
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
