//! Circuits by name: one for each thing that can fail. A circuit is made when its name is first used, from settings
//! that are in one place. Needs the feature `registry`.
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
//! let payments = registry.try_get("payments")?;
//! let search = registry.get_or_create("search-eu")?;
//! assert_eq!(search.tags().get("tier"), Some("search"));
//! assert_eq!(registry.len(), 2);
//!
//! // A name that is mistyped is an error, never a new circuit.
//! assert!(registry.try_get("paymets").is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Which setting holds
//!
//! A circuit is built by these, one after the other. If two set the same thing, the later holds:
//!
//! | | from | for |
//! |---|---|---|
//! | 1 | [`defaults`](RegistryBuilder::defaults), in the order in which they were given | every circuit |
//! | 2 | [`matching`](RegistryBuilder::matching), in the order in which they were given | each name that the pattern matches |
//! | 3 | [`circuit`](RegistryBuilder::circuit), in the order in which they were given | that name |
//!
//! # One circuit per name
//!
//! If many threads ask for the same name at once, one circuit is made, and all are given that one. To find a circuit
//! takes no lock. To make or remove one takes a lock, so that no circuit is ever made in vain. Without it, one that
//! lost a race would have been a member of an [`EjectionCap`](crate::EjectionCap) for a moment.
//!
//! A registry is a value, not a global: pass it to whoever needs it. Clones are the same registry. The registry keeps
//! its circuits alive. They do not keep it alive.
//!
//! # How many there may be
//!
//! There are never more than [`max_circuits`](RegistryBuilder::max_circuits). Circuits that you name are there from the
//! start and leave only by [`remove`](Registry::remove). All others are made on first use: *strangers*. When the
//! registry is full, a new name takes the place of a stranger that nobody will miss:
//!
//! * nobody holds it;
//! * its settings were never changed by hand, not even changed and then changed back;
//! * its mode is normal; and
//! * it is as it was built: closed, nothing in its window, no failures in a row, no ramp (slow start). Its last break
//!   (wait duration) is so long ago that it is forgotten (rule C2). Or it is open, its break ended at least three
//!   breaks ago, and nobody has called it since.
//!
//! The registry looks at up to 32 of them. If none can leave, the new name is refused ([`CreateError::Full`]) and
//! counted ([`RegistryTotals::refused`]). A flood of new names takes at most half of the places from strangers that are
//! older than a minute. After that, new ones replace only each other.
//!
//! **Watch out:** a count window holds its calls for ever, so a circuit that has had a call is never again as it was
//! built. The default is a count window. So a registry in which you set nothing fills up. If you have names by the
//! thousand, take a short time window:
//!
//! ```
//! # use std::time::Duration;
//! # use tower_breaker::registry::Registry;
//! // Wrong: after the first thousand names, new ones are refused.
//! let registry = Registry::builder().defaults(|circuit| circuit.count_window(100));
//!
//! // Right: who is not called for a minute makes room.
//! let registry = Registry::builder().defaults(|circuit| circuit.time_window(Duration::from_secs(60)));
//! # registry.build().unwrap();
//! ```
//!
//! Failures in a row hold a circuit, too. One whose last call failed has a row of one until its next success, even if
//! that call was long ago.
//!
//! **Watch out:** do not make circuits by names that come from whoever sends requests. They are bounded, but a flood of
//! them leaves no room for those you care about:
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
//!
//! # How much memory it takes
//!
//! Whatever names come, a registry holds at most `max_circuits` circuits, and something beside them. On two cores, and
//! with a name of 32 bytes, a circuit takes at most
//!
//! | with | bytes | for each core more |
//! |---|--:|--:|
//! | failures in a row | 3,150 | 128 |
//! | the defaults, which have a count window of 100 calls | 4,480 | 256 |
//! | a time window | 3,830 | 384 |
//! | its first event, on top of that | 600 | 0 |
//! | each more, of [16 that it keeps](crate::CircuitBuilder::event_log) | 290 | 0 |
//!
//! A longer name takes so much more. It has at most 256 bytes. Cores are rounded up to a power of two, and those above
//! 16 do not count. Other windows are in [the guide](crate::guide::speed). What your own tags and closures hold comes
//! on top, and so do the words of [who and why](crate::By). An event about a change of settings has both settings, and
//! takes more.
//!
//! What has left is freed in batches. So beside the circuits, each thread that makes some may hold back up to 500,000
//! bytes: of some 64 that have left, with an event each. What more events take comes on top. That is 4.9 MB in all for
//! the defaults, which allow for 1,024 circuits, on two cores and one thread. It is 5.1 MB more if each of them has had
//! 16 events.
//!
//! # Around a service
//!
//! A circuit of a registry is one like any other. [`CircuitBreakerLayer::new`](crate::CircuitBreakerLayer::new) puts it
//! around a service. As long as that layer is kept, it holds the circuit.
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_breaker::{CircuitBreakerLayer, registry::Registry};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::builder()
//!     .defaults(|host| host.failure_rate(0.5).time_window(Duration::from_secs(60)))
//!     .circuit("other hosts", |circuit| circuit.failure_rate(0.8))
//!     .build()?;
//!
//! // What finds no room shares one circuit.
//! let host = "db1.internal";
//! let circuit = match registry.get_or_create(host) {
//!     Ok(circuit) => circuit,
//!     Err(_) => registry.try_get("other hosts")?,
//! };
//! let layer = CircuitBreakerLayer::new(circuit);
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! If the name is in the request, [one layer does all of that](crate::keyed).

mod builder;
mod caps;
mod error;
mod event;
pub(crate) mod index;
pub(crate) mod layers;
#[cfg(feature = "config")]
mod live;
#[cfg(all(test, tower_breaker_loom))]
mod loom_tests;
mod map;
mod pattern;
mod rules;
mod strangers;
mod totals;

#[cfg(feature = "config")]
use std::sync::atomic::AtomicBool;
use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

pub use self::{
    builder::RegistryBuilder,
    caps::{CapStatus, GroupCap},
    error::{CreateError, UnknownCircuit},
    event::Event,
    totals::RegistryTotals,
};
use self::{
    caps::Cap,
    event::{Departure, Listeners, Presence},
    layers::Layer,
    map::{Entry, Map},
    rules::Rules,
    strangers::Stranger,
};
pub use crate::circuit::listeners::Subscription;
use crate::{
    circuit::settings::ConfigError,
    circuit::{
        builder::{Checked, check_name},
        by::By,
        handle::Circuit,
        listeners::List,
        observe,
        snapshot::Snapshot,
    },
    util::size::size,
};

#[cfg(feature = "config")]
pub(crate) use self::{
    builder::DEFAULT_MAX_CIRCUITS, caps::CapChange, live::Replacement, rules::Source,
};
#[cfg(feature = "admin")]
use crate::circuit::name::Name;
#[cfg(feature = "config")]
use crate::machine::SavedState;

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
    /// Replaced as a whole, so that no lock is held while they run.
    rules: RwLock<Arc<Rules>>,
    max_circuits: AtomicU32,
    /// Relaxed: it publishes nothing but itself.
    without_key: AtomicU64,
    listeners: Arc<Listeners>,
    #[cfg(feature = "config")]
    applying: AtomicBool,
    /// Of the configuration.
    #[cfg(feature = "config")]
    version: AtomicU64,
}

impl Registry {
    /// Begins to build a registry.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::new()
    }

    fn new(rules: Rules, max_circuits: u32, listeners: Listeners) -> Self {
        Self {
            shared: Arc::new(Shared {
                circuits: Map::new(size(max_circuits)),
                rules: RwLock::new(Arc::new(rules)),
                max_circuits: AtomicU32::new(max_circuits),
                without_key: AtomicU64::new(0),
                listeners: Arc::new(listeners),
                #[cfg(feature = "config")]
                applying: AtomicBool::new(false),
                #[cfg(feature = "config")]
                version: AtomicU64::new(0),
            }),
        }
    }

    /// Finds the circuit of this name, if there is one. Never makes one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Circuit> {
        self.shared.circuits.get(name)
    }

    /// Finds the circuit of this name. Never makes one.
    ///
    /// # Errors
    ///
    /// [`UnknownCircuit`] if there is none.
    pub fn try_get(&self, name: &str) -> Result<Circuit, UnknownCircuit> {
        self.get(name).ok_or_else(|| UnknownCircuit::new(name))
    }

    /// Finds the circuit of this name, or makes it now.
    ///
    /// If it is there already, this takes no lock and allocates nothing.
    ///
    /// # Errors
    ///
    /// [`CreateError`] if there is none and it cannot be made. Then the registry is full, the settings for this name
    /// make no sense, or the name is empty, blank or longer than 256 bytes.
    pub fn get_or_create(&self, name: &str) -> Result<Circuit, CreateError> {
        match self.get(name) {
            Some(circuit) => Ok(circuit),
            None => self.create(name),
        }
    }

    #[cold]
    fn create(&self, name: &str) -> Result<Circuit, CreateError> {
        loop {
            let rules = self.shared.rules();
            let prepared = self.prepare(&rules, name)?;
            let mut circuits = self.shared.circuits.change();
            if let Some(circuit) = circuits.get(name) {
                return Ok(circuit.clone());
            }
            // Whoever replaces them looks for the circuits that were made by them after that.
            if !Arc::ptr_eq(&rules, &self.shared.rules()) {
                continue;
            }
            let max_circuits = self.shared.max_circuits.load(Ordering::Relaxed);
            let full = |_| CreateError::Full { max_circuits };
            let left = circuits.make_room(size(max_circuits)).map_err(full)?;
            let (circuit, presence) = prepared.make();
            if rules.is_named(name) {
                // It was removed, and is one of those that do not leave by themselves.
                circuits.insert(&circuit, &presence);
            } else {
                circuits.insert_stranger(&circuit, &presence);
            }
            drop(circuits);
            self.tell_made(left, &circuit, &presence);
            return Ok(circuit);
        }
    }

    /// Makes a circuit that is there from the start, unless it is there.
    fn create_named(&self, prepared: Prepared) -> Result<Named, ConfigError> {
        let mut circuits = self.shared.circuits.change();
        if let Some(stranger) = circuits.keep(&prepared.name) {
            drop(circuits);
            return Ok(Named::Kept(stranger));
        }
        let max_circuits = self.shared.max_circuits.load(Ordering::Relaxed);
        let left = match circuits.make_room(size(max_circuits)) {
            Ok(left) => left,
            Err(_) => {
                drop(circuits);
                let allowed =
                    "enough for one more that is named: there are as many, and none can leave";
                return Err(ConfigError::new("max_circuits", max_circuits, allowed));
            }
        };
        let (circuit, presence) = prepared.make();
        circuits.insert(&circuit, &presence);
        drop(circuits);
        self.tell_made(left, &circuit, &presence);
        Ok(Named::Made)
    }

    fn tell_made(&self, left: Option<Entry>, circuit: &Circuit, presence: &Presence) {
        if let Some(left) = left {
            self.tell_gone(&left, Departure::Evicted);
        }
        self.shared.listeners.tell_added(circuit, presence);
    }

    /// Rules, and the clocks that they give, are somebody else's code: they run before anything is held, and now and
    /// then in vain.
    fn prepare(&self, rules: &Rules, name: &str) -> Result<Prepared, ConfigError> {
        check_name(name)?;
        let presence = Arc::new(Presence::default());
        let builder = rules.builder(name);
        let builder = Listeners::listen(&self.shared.listeners, builder, &presence);
        Ok(Prepared {
            name: name.to_owned(),
            checked: builder.check()?,
            presence,
        })
    }

    fn tell_gone(&self, gone: &Entry, departure: Departure) {
        let Entry {
            circuit, presence, ..
        } = gone;
        self.shared
            .listeners
            .tell_gone(circuit, presence, departure);
    }

    /// Takes the circuit of this name out of the registry and returns it, if there was one.
    ///
    /// Whoever holds the circuit can go on using it, and results of its calls count for it. The registry's listeners
    /// hear no more of it. [`get_or_create`](Self::get_or_create) makes a new one.
    pub fn remove(&self, name: &str) -> Option<Circuit> {
        let removed = self.shared.circuits.change().remove(name)?;
        self.tell_gone(&removed, Departure::Removed);
        Some(removed.circuit)
    }

    /// Whether this is the name of a circuit that was there from the start, or would be. Others are made on first use.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.shared.rules().is_named(name)
    }

    /// The names of all circuits there are at this instant, in order. Whoever looks at one circuit after the other by
    /// them holds no more than one: a circuit that is held cannot make room (I5).
    #[cfg(feature = "admin")]
    pub(crate) fn names(&self) -> Vec<Name> {
        let circuits = self.shared.circuits.change();
        circuits
            .all()
            .map(|circuit| circuit.full_name().clone())
            .collect()
    }

    /// All circuits that there are at this instant, sorted by name.
    #[must_use]
    pub fn circuits(&self) -> Vec<Circuit> {
        self.shared.circuits.change().all().cloned().collect()
    }

    /// Snapshots of all circuits, sorted by name. Each is of an instant of its own.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.circuits().iter().map(Circuit::snapshot).collect()
    }

    /// [Resets](Circuit::reset) all circuits.
    pub fn reset_all(&self) {
        self.reset_all_as(&By::default());
    }

    /// [Resets](Self::reset_all) all circuits, and says who does it and why.
    pub fn reset_all_as(&self, by: &By) {
        let circuits = self.circuits().into_iter();
        circuits.for_each(|circuit| circuit.reset_as(by.clone()));
    }

    /// Has a layer let go of circuits that leave.
    pub(crate) fn add_layer(&self, layer: Weak<dyn Layer>) {
        self.shared.circuits.change().add_layer(layer);
    }

    /// Takes note of a circuit, unless it has left meanwhile. While `note` runs, none leaves.
    pub(crate) fn note<T>(&self, circuit: &Circuit, note: impl FnOnce() -> T) -> Option<T> {
        let circuits = self.shared.circuits.change();
        let current = circuits.get(circuit.name())?;
        (current.identity() == circuit.identity()).then(note)
    }

    /// How many circuits there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.circuits.change().all().len()
    }

    /// How many circuits came and went, how often a name was refused, and how many requests had none.
    #[must_use]
    pub fn totals(&self) -> RegistryTotals {
        RegistryTotals {
            without_key: self.shared.without_key.load(Ordering::Relaxed),
            ..self.shared.circuits.change().totals()
        }
    }

    /// A request to one of its keyed layers had no key (rule J7).
    pub(crate) fn note_without_key(&self) {
        self.shared.without_key.fetch_add(1, Ordering::Relaxed);
    }

    /// How each [cap](RegistryBuilder::cap) stands, in order. If several are for the same circuit, the last one holds.
    #[must_use]
    pub fn caps(&self) -> Vec<CapStatus> {
        let rules = self.shared.rules();
        rules.caps().iter().map(Cap::status).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `listener` from now on when something happens to any circuit, also to those that are there already. It
    /// ends when what this returns is dropped.
    ///
    /// ```
    /// # use tower_breaker::registry::Registry;
    /// # let registry = Registry::builder().build().unwrap();
    /// // Wrong: it ends at once.
    /// let _ = registry.subscribe(|circuit, event| println!("{} {event:?}", circuit.name()));
    ///
    /// // Right.
    /// let _subscription = registry.subscribe(|circuit, event| println!("{} {event:?}", circuit.name()));
    /// ```
    /// For a listener that stays, see [`on_event`](RegistryBuilder::on_event). It also says how a listener is called.
    pub fn subscribe(
        &self,
        listener: impl Fn(&Circuit, Event<'_>) + Send + Sync + 'static,
    ) -> Subscription {
        self.shared.listeners.subscribe(listener)
    }

    /// Calls `listener` from now on with every [event](observe::Event) of any circuit, until what this returns is
    /// dropped. Such an event has the circuit's tags, who did it and why, an id and a time, and it can be kept.
    ///
    /// What is said of [`subscribe`](Self::subscribe) holds here, too. The circuit's own listeners are called first.
    pub fn subscribe_events(
        &self,
        listener: impl Fn(&Circuit, &Arc<observe::Event>) + Send + Sync + 'static,
    ) -> Subscription {
        self.shared.listeners.hub.subscribe(listener)
    }

    /// Calls `listener` from now on with what becomes of each call of any circuit, until what this returns is dropped.
    /// See [`CallEvent`](observe::CallEvent). If a circuit is made later, the listener hears its calls from the first.
    /// If a circuit has left the registry, the listener hears no more of it.
    ///
    /// For how a listener is called, and what that costs, see [`on_call`](crate::CircuitBuilder::on_call). The
    /// circuit's own listeners are called first.
    pub fn subscribe_calls(
        &self,
        listener: impl Fn(&Circuit, observe::CallEvent<'_>) + Send + Sync + 'static,
    ) -> Subscription {
        let calls = &self.shared.listeners.hub.calls;
        let subscription = List::subscribe(calls, Arc::new(listener));
        // A circuit that is made meanwhile is either among these, or finds the listener.
        self.hear_calls_anew();
        let registry = self.downgrade();
        subscription.then(move || {
            if let Some(registry) = registry.upgrade() {
                registry.hear_calls_anew();
            }
        })
    }

    fn hear_calls_anew(&self) {
        self.circuits().iter().for_each(Circuit::hear_calls_anew);
    }

    /// The [events](observe::Event) of all circuits from now on, for async code to await. The stream ends when the
    /// registry is gone.
    ///
    /// ```
    /// # use tower_breaker::{observe::Told, registry::Registry};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::builder().build()?;
    /// let mut events = registry.events();
    /// registry.get_or_create("payments")?.force_open();
    /// while let Some(told) = events.try_next() {
    ///     match told {
    ///         Told::Event(event) => println!("{event}"),
    ///         Told::Lagged(lost) => println!("{lost} events were lost"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> observe::Events {
        self.shared.listeners.hub.events()
    }

    /// The last events of all circuits that there are, in the order of their ids. They are those that [each circuit
    /// keeps](crate::CircuitBuilder::event_log).
    #[must_use]
    pub fn recent_events(&self) -> Vec<Arc<observe::Event>> {
        let circuits = self.circuits();
        let mut events: Vec<_> = circuits.iter().flat_map(Circuit::recent_events).collect();
        events.sort_unstable_by_key(|event| event.id);
        events
    }

    /// Makes a handle to the registry that keeps neither it nor its circuits alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakRegistry {
        WeakRegistry {
            shared: Arc::downgrade(&self.shared),
        }
    }
}

/// How a name has come to stand for a circuit that never leaves.
#[cfg_attr(
    not(feature = "config"),
    expect(dead_code, reason = "nobody takes it back")
)]
pub(crate) enum Named {
    Made,
    /// It was there, perhaps as a stranger.
    Kept(Option<Stranger>),
}

/// A circuit that makes sense, and was not made yet.
pub(crate) struct Prepared {
    name: String,
    checked: Checked,
    presence: Arc<Presence>,
}

impl Prepared {
    /// It begins where another of its name was saved.
    #[cfg(feature = "config")]
    fn restoring(mut self, saved: SavedState) -> Self {
        self.checked = self.checked.restoring(saved);
        self
    }

    fn make(self) -> (Circuit, Arc<Presence>) {
        (self.checked.circuit(None), self.presence)
    }
}

impl Shared {
    fn rules(&self) -> Arc<Rules> {
        let rules = self.rules.read();
        rules.unwrap_or_else(PoisonError::into_inner).clone()
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
