//! The circuits of a registry.
//!
//! There are two maps. The *owner* keeps the circuits alive, behind a lock that is taken for each change. The *index*
//! finds them without a lock, and holds them weakly. That is because it frees what was removed in batches, some time
//! later: a circuit that is gone must not remain a member of a set meanwhile.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, Weak},
};

use super::{
    event::Presence,
    index::Index,
    layers::{Layer, Layers, Present},
    strangers::{NoRoom, Stranger, Strangers},
    totals::RegistryTotals,
};
use crate::{
    circuit::{
        handle::{AsBuilt, Circuit, WeakCircuit},
        name::Name,
    },
    machine::sync::{Mutex, MutexGuard},
};

/// A circuit, and what has been told of it.
pub(super) struct Entry {
    pub(super) circuit: Circuit,
    pub(super) presence: Arc<Presence>,
    built: AsBuilt,
}

pub(super) struct Map {
    owner: Mutex<Owner>,
    index: Index<WeakCircuit>,
}

#[derive(Default)]
struct Owner {
    circuits: BTreeMap<Name, Entry>,
    strangers: Strangers,
    totals: RegistryTotals,
    layers: Layers,
}

impl Map {
    pub(super) fn new(max_circuits: usize) -> Self {
        Self {
            owner: Mutex::new(Owner::default()),
            index: Index::with_room(max_circuits),
        }
    }

    /// Without a lock.
    pub(super) fn get(&self, name: &str) -> Option<Circuit> {
        self.index.find(name, WeakCircuit::upgrade)
    }

    /// Keeps all others from changing it.
    pub(super) fn change(&self) -> Changing<'_> {
        // Whoever panics leaves all as it was, so a poisoned lock is as good.
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        Changing {
            owner,
            index: &self.index,
            layers: Present::default(),
        }
    }
}

/// The map, for whoever changes it, and for whoever wants to see all of it at one instant.
pub(super) struct Changing<'a> {
    owner: MutexGuard<'a, Owner>,
    index: &'a Index<WeakCircuit>,
    /// Those that were asked. Dropped after the lock is given back: fields are in this order.
    layers: Present,
}

impl Changing<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&Circuit> {
        self.owner.circuits.get(name).map(|entry| &entry.circuit)
    }

    pub(super) fn insert(&mut self, circuit: &Circuit, presence: &Arc<Presence>) {
        self.insert_named(circuit.full_name().clone(), circuit, presence);
    }

    fn insert_named(&mut self, name: Name, circuit: &Circuit, presence: &Arc<Presence>) {
        self.index.insert(name.clone(), circuit.downgrade());
        let entry = Entry {
            circuit: circuit.clone(),
            presence: presence.clone(),
            built: AsBuilt {
                mode: circuit.mode(),
                version: 0,
            },
        };
        self.owner.circuits.insert(name, entry);
        self.owner.totals.created += 1;
    }

    /// Puts a circuit in the place of the one of its name. As that, it stays, or leaves when its place is needed.
    #[cfg(feature = "config")]
    pub(super) fn replace(&mut self, circuit: &Circuit, presence: &Arc<Presence>) -> Option<Entry> {
        let name = circuit.full_name().clone();
        let gone = self.owner.circuits.remove(&*name);
        self.layers = self.owner.layers.present();
        self.layers.let_go(&name);
        self.insert_named(name.clone(), circuit, presence);
        // It was made now, by its own clock.
        if self.owner.strangers.remove(&name).is_some() {
            self.owner.strangers.add(name.clone(), circuit);
        }
        // A mode that a person has put the old one in is not what the new one was built in.
        let mode = gone.as_ref().map(|gone| gone.built.mode);
        if let Some((mode, entry)) = mode.zip(self.owner.circuits.get_mut(&*name)) {
            entry.built.mode = mode;
        }
        gone
    }

    /// If the circuit is there, it is one of those that never leave from now on. What it was before, if it was a
    /// stranger.
    pub(super) fn keep(&mut self, name: &str) -> Option<Option<Stranger>> {
        self.owner.circuits.get(name)?;
        Some(self.owner.strangers.remove(name))
    }

    /// One that was [kept](Self::keep) is a stranger again, unless it is gone.
    #[cfg(feature = "config")]
    pub(super) fn keep_no_more(&mut self, stranger: Stranger) {
        if self.owner.circuits.contains_key(stranger.name()) {
            self.owner.strangers.remove(stranger.name());
            self.owner.strangers.put_back(stranger);
        }
    }

    /// The same for one that has to leave when its place is needed.
    pub(super) fn insert_stranger(&mut self, circuit: &Circuit, presence: &Arc<Presence>) {
        let name = circuit.full_name().clone();
        self.insert_named(name.clone(), circuit, presence);
        self.owner.strangers.add(name, circuit);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Entry> {
        self.owner.strangers.remove(name);
        self.index.remove(name);
        self.layers = self.owner.layers.present();
        self.layers.let_go(name);
        self.owner.circuits.remove(name)
    }

    /// A layer that holds circuits of these, and lets go of them when told.
    pub(super) fn add_layer(&mut self, layer: Weak<dyn Layer>) {
        self.owner.layers.add(layer);
    }

    /// Makes room for one more where there are as many circuits as there may be: takes one out that may leave.
    pub(super) fn make_room(&mut self, max_circuits: usize) -> Result<Option<Entry>, NoRoom> {
        self.layers = self.owner.layers.present();
        let layers = &self.layers;
        let Owner {
            circuits,
            strangers,
            totals,
            ..
        } = &mut *self.owner;
        let residents = circuits.len() - strangers.len();
        let places = max_circuits.saturating_sub(residents);
        strangers.grow_up(|name| circuits.get(name).map(|entry| entry.circuit.now()));
        let mut left = None;
        let take = |name: &Name| {
            left = take_unnoticed(circuits, layers, self.index, name);
            left.is_some()
        };
        let room = strangers.make_room(places, take);
        room.inspect_err(|_| totals.refused += 1)?;
        totals.evicted += u64::from(left.is_some());
        Ok(left)
    }

    /// Notes that the rules have given a circuit this version of its settings.
    #[cfg(feature = "config")]
    pub(super) fn note_version(&mut self, name: &str, version: u64) {
        if let Some(entry) = self.owner.circuits.get_mut(name) {
            entry.built.version = version;
        }
    }

    /// The names of all that do not leave by themselves.
    #[cfg(feature = "config")]
    pub(super) fn residents(&self) -> Vec<String> {
        let strangers: std::collections::BTreeSet<_> = self.owner.strangers.names().collect();
        let names = self.owner.circuits.keys();
        let residents = names.filter(|name| !strangers.contains(name));
        residents.map(|name| name.as_str().to_owned()).collect()
    }

    /// By name.
    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = &Circuit> {
        self.owner.circuits.values().map(|entry| &entry.circuit)
    }

    pub(super) fn totals(&self) -> RegistryTotals {
        self.owner.totals
    }
}

/// Takes a circuit out, if it may leave. Whoever looks it up meanwhile either gets it, and it stays, or finds none.
fn take_unnoticed(
    circuits: &mut BTreeMap<Name, Entry>,
    layers: &Present,
    index: &Index<WeakCircuit>,
    name: &Name,
) -> Option<Entry> {
    let may_leave =
        |entry: &Entry, handles: usize| entry.circuit.is_unnoticed(entry.built, handles);
    let found = circuits.get(name)?;
    if !may_leave(found, 1 + layers.idle_handles(name)) {
        return None;
    }
    layers.let_go(name);
    let mut entry = circuits.remove(name)?;
    let (circuit, is_only_handle) = entry.circuit.into_only_handle();
    entry.circuit = circuit;
    // Between the look at it and this, somebody may have called.
    if is_only_handle && may_leave(&entry, 1) {
        index.remove(name);
        return Some(entry);
    }
    if is_only_handle {
        index.insert(name.clone(), entry.circuit.downgrade());
    }
    circuits.insert(name.clone(), entry);
    None
}
