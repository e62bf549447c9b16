//! What a registry tells of its circuits.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicU8, Ordering},
    },
};

use crate::{
    circuit::{builder::CircuitBuilder, handle::Circuit, settings::SettingsChange},
    machine::Transition,
    util::panic::catch_panic,
};

/// Something that happened to a circuit of a registry.
///
/// * `Added` and `Removed` are told once for each circuit, in this order.
/// * A transition or a change of settings is told once, as to a listener of the circuit itself (rules E4, E5), unless
///   the circuit has been removed. Another thread that uses a new circuit at once may tell a transition before `Added`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The circuit was made.
    Added,
    /// The circuit was taken out of the registry.
    Removed,
    /// The circuit made a transition.
    Transition(&'a Transition),
    /// The circuit's settings were changed (rule E5).
    Settings(&'a SettingsChange),
}

pub(super) type Listener = Arc<dyn Fn(&Circuit, Event<'_>) + Send + Sync>;

/// What has become of a circuit in its registry.
#[derive(Debug, Default)]
pub(super) struct Presence(AtomicU8);

const ADDED_TOLD: u8 = 1;
const REMOVED: u8 = 2;

impl Presence {
    /// Returns what was there before. `AcqRel`: of the two who mark, one sees the other's mark.
    fn mark(&self, mark: u8) -> u8 {
        self.0.fetch_or(mark, Ordering::AcqRel)
    }

    fn is_removed(&self) -> bool {
        self.0.load(Ordering::Acquire) & REMOVED != 0
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

    fn tell(&self, circuit: &Circuit, event: Event<'_>) {
        let listeners = self
            .all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for listener in listeners.iter() {
            catch_panic(|| listener(circuit, event));
        }
    }

    /// And that it was removed, if it was meanwhile: whoever did left that to this thread.
    pub(super) fn tell_added(&self, circuit: &Circuit, presence: &Presence) {
        self.tell(circuit, Event::Added);
        if presence.mark(ADDED_TOLD) & REMOVED != 0 {
            self.tell(circuit, Event::Removed);
        }
    }

    pub(super) fn tell_removed(&self, circuit: &Circuit, presence: &Presence) {
        if presence.mark(REMOVED) & ADDED_TOLD != 0 {
            self.tell(circuit, Event::Removed);
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
            if !presence.is_removed() {
                listeners.tell(circuit, event);
            }
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
/// A call that is under way on another thread then goes on to its end.
#[must_use = "the listener is called until this is dropped"]
pub struct Subscription {
    listeners: Weak<Listeners>,
    listener: Listener,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(listeners) = self.listeners.upgrade() {
            let others = |listener: &&Listener| !Arc::ptr_eq(listener, &self.listener);
            listeners.replace(|all| all.iter().filter(others).cloned().collect());
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
