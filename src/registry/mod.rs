//! Circuits by name: one for each thing that can fail, made where it is first used, from settings that are in one
//! place. Needs the feature `registry`.
//!
//! A single circuit over several dependencies turns the outage of one into the outage of all. A [`Registry`] keeps
//! one circuit per name:
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::registry::Registry;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::builder()
//!     // What every circuit begins with …
//!     .defaults(|circuit| circuit.failure_rate(0.5).open_for(Duration::from_secs(10)))
//!     // … what those have that are called so …
//!     .matching("search-*", |circuit| circuit.tag("tier", "search").failure_rate(0.3))
//!     // … and one that is there from the start.
//!     .circuit("payments", |circuit| circuit.consecutive_failures(3))
//!     .build()?;
//!
//! let payments = registry.circuit("payments")?;
//! let search = registry.get_or_create("search-eu")?;
//! assert_eq!(search.tags().get("tier"), Some("search"));
//! assert_eq!(registry.len(), 2);
//!
//! // A name that is mistyped is an error, never a new circuit.
//! assert!(registry.circuit("paymets").is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Which setting holds
//!
//! A circuit is built by these, one after the other. Where two set the same, the later holds:
//!
//! | | from | for |
//! |---|---|---|
//! | 1 | [`defaults`](RegistryBuilder::defaults), in the order in which they were given | every circuit |
//! | 2 | [`matching`](RegistryBuilder::matching), in the order in which they were given | each name that the pattern matches |
//! | 3 | [`circuit`](RegistryBuilder::circuit), in the order in which they were given | that name |
//!
//! # One circuit per name
//!
//! However many threads ask for the same name at once, one circuit is made, and all are given that one. To find a
//! circuit takes no lock. To make or to remove one does, so that nothing is ever made in vain: a circuit that lost
//! a race would have been a member of an [`EjectionCap`](crate::EjectionCap) for a moment.
//!
//! A registry is a value and not a global: pass it to whoever needs it. Clones are the same registry. It keeps its
//! circuits alive, and they do not keep it alive.
//!
//! # How many there may be
//!
//! There are never more than [`max_circuits`](RegistryBuilder::max_circuits). Those that are named are there from the
//! start, and leave only by [`remove`](Registry::remove). Others are *strangers*: when the registry is full and a new
//! name is asked for, one of them makes room that nobody will notice to be gone. Nobody holds it, and
//!
//! * it is as it was built: closed, in normal mode, nothing in its window, no failures in a row, no ramp, none of its
//!   settings changed, and so long after its last break that this is forgotten (rule C2); or
//! * it is open, and nobody has asked it since three breaks after the end of its wait.
//!
//! Where there is none, the new name is turned away ([`CreateError::Full`]) and counted
//! ([`RegistryTotals::turned_away`]). Where half of the strangers are less than a minute old, the new one takes the
//! place of such a one or none, so a flood of names drives out only itself. At most 16 are looked at for each new name.
//!
//! **Watch out:** names that come from whoever sends requests. They are bounded, but a flood of them leaves no room for
//! those you care about, and a healthy circuit with a count window is never as it was built: its window holds its
//! successes.
//!
//! ```
//! # use tower_breaker::registry::Registry;
//! # fn route_of(_: &str) -> &'static str { "/search" }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let registry = Registry::builder().build()?;
//! # let request = http::Request::new(());
//! # let path = request.uri().path();
//! // Wrong: a scanner fills the registry with paths that do not exist.
//! let circuit = registry.get_or_create(path)?;
//!
//! // Right: the routes are few, and they are yours.
//! let circuit = registry.get_or_create(route_of(path))?;
//! # Ok(())
//! # }
//! ```

mod builder;
mod error;
mod event;
mod map;
mod pattern;
mod rules;
mod strangers;
mod totals;

use std::{
    fmt,
    sync::{Arc, Weak},
};

pub use self::{
    builder::RegistryBuilder,
    error::{CreateError, UnknownCircuit},
    event::{Event, Subscription},
    totals::RegistryTotals,
};
use self::{
    event::{Listeners, Presence},
    map::{Entry, Map},
    rules::Rules,
};
use crate::{
    circuit::settings::ConfigError,
    circuit::{builder::CircuitBuilder, handle::Circuit, snapshot::Snapshot},
};

/// Whether a pattern of names matches a name.
#[cfg(feature = "config")]
pub(crate) fn matches(names: &str, name: &str) -> bool {
    pattern::Pattern::new(names).matches(name)
}

/// Circuits by name. Clones are the same registry. See [the module](self).
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    circuits: Map,
    rules: Rules,
    max_circuits: usize,
    listeners: Arc<Listeners>,
}

impl Registry {
    /// Begins a registry.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::new()
    }

    fn new(rules: Rules, max_circuits: usize, listeners: Listeners) -> Self {
        Self {
            shared: Arc::new(Shared {
                circuits: Map::new(),
                rules,
                max_circuits,
                listeners: Arc::new(listeners),
            }),
        }
    }

    /// The circuit of this name, if there is one. Never makes one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Circuit> {
        self.shared.circuits.get(name)
    }

    /// The circuit of this name. Never makes one.
    ///
    /// # Errors
    ///
    /// [`UnknownCircuit`] if there is none.
    pub fn circuit(&self, name: &str) -> Result<Circuit, UnknownCircuit> {
        self.get(name).ok_or_else(|| UnknownCircuit::new(name))
    }

    /// The circuit of this name; made now, if there is none yet.
    ///
    /// To find one that is there takes no lock and allocates nothing.
    ///
    /// # Errors
    ///
    /// [`CreateError`] if there is none and it cannot be made: the registry is full, or what it is made by makes no
    /// sense for this name.
    pub fn get_or_create(&self, name: &str) -> Result<Circuit, CreateError> {
        match self.get(name) {
            Some(circuit) => Ok(circuit),
            None => self.create(name),
        }
    }

    #[cold]
    fn create(&self, name: &str) -> Result<Circuit, CreateError> {
        let (builder, presence) = self.prepare(name);
        let mut circuits = self.shared.circuits.change();
        if let Some(circuit) = circuits.get(name) {
            return Ok(circuit.clone());
        }
        let checked = builder.check()?;
        let max_circuits = self.shared.max_circuits;
        let full = |_| CreateError::Full { max_circuits };
        let left = circuits.make_room(max_circuits).map_err(full)?;
        let circuit = checked.circuit(None);
        circuits.insert_stranger(&circuit, &presence);
        drop(circuits);
        if let Some(left) = left {
            self.tell_removed(&left);
        }
        self.shared.listeners.tell_added(&circuit, &presence);
        Ok(circuit)
    }

    /// Makes a circuit that is there from the start.
    fn create_named(&self, name: &str) -> Result<(), ConfigError> {
        let (builder, presence) = self.prepare(name);
        let circuit = builder.check()?.circuit(None);
        self.shared.circuits.change().insert(&circuit, &presence);
        self.shared.listeners.tell_added(&circuit, &presence);
        Ok(())
    }

    /// The rules are somebody else's code: they run before anything is held, and now and then in vain.
    fn prepare(&self, name: &str) -> (CircuitBuilder, Arc<Presence>) {
        let presence = Arc::new(Presence::default());
        let builder = self.shared.rules.builder(name);
        let builder = Listeners::listen(&self.shared.listeners, builder, &presence);
        (builder, presence)
    }

    fn tell_removed(&self, left: &Entry) {
        self.shared
            .listeners
            .tell_removed(&left.circuit, &left.presence);
    }

    /// Takes the circuit of this name out of the registry, and returns it, if there was one.
    ///
    /// Whoever holds it goes on with it, and results of its calls count for it. The registry's listeners hear no
    /// more of it. [`get_or_create`](Self::get_or_create) makes a new one.
    pub fn remove(&self, name: &str) -> Option<Circuit> {
        let removed = self.shared.circuits.change().remove(name)?;
        self.tell_removed(&removed);
        Some(removed.circuit)
    }

    /// All circuits there are at this instant, by name.
    #[must_use]
    pub fn circuits(&self) -> Vec<Circuit> {
        self.shared.circuits.change().all().cloned().collect()
    }

    /// What there is to see of all circuits, by name. Each is of one instant of its own.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.circuits().iter().map(Circuit::snapshot).collect()
    }

    /// [Resets](Circuit::reset) all circuits.
    pub fn reset_all(&self) {
        self.circuits().iter().for_each(Circuit::reset);
    }

    /// How many circuits there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.circuits.change().all().len()
    }

    /// How many circuits came and went, and how many names were turned away.
    #[must_use]
    pub fn totals(&self) -> RegistryTotals {
        self.shared.circuits.change().totals()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `listener` from now on for all that happens to any circuit, also to those that are there already,
    /// until what this returns is dropped. For a listener that stays, see
    /// [`on_event`](RegistryBuilder::on_event), which says how it is called.
    pub fn subscribe(
        &self,
        listener: impl Fn(&Circuit, Event<'_>) + Send + Sync + 'static,
    ) -> Subscription {
        Listeners::subscribe(&self.shared.listeners, Arc::new(listener))
    }

    /// A handle to the registry that keeps neither it nor its circuits alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakRegistry {
        WeakRegistry {
            shared: Arc::downgrade(&self.shared),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("circuits", &self.circuits())
            .finish_non_exhaustive()
    }
}

/// A handle to a registry that does not keep it alive. Made by [`Registry::downgrade`].
#[derive(Clone)]
pub struct WeakRegistry {
    shared: Weak<Shared>,
}

impl WeakRegistry {
    /// The registry, unless it is gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Registry> {
        let shared = self.shared.upgrade()?;
        Some(Registry { shared })
    }
}

impl fmt::Debug for WeakRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakRegistry").finish_non_exhaustive()
    }
}
