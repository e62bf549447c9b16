//! The circuits of a registry, and the one file that knows which concurrent map finds them.
//!
//! Two maps. The *owner* keeps the circuits alive, behind a lock that whoever changes it takes. The *index* finds
//! them without one, and holds them weakly: it frees what was removed in batches, some time later, and a circuit that
//! is gone must not remain a member of a set meanwhile.
//!
//! The index is papaya's: a lookup takes no lock, and no entry can be held while anything else happens, so there is
//! nothing to deadlock on. Keys are hashed with the standard library's seeded hasher, since strangers may choose them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    event::Presence,
    strangers::{NoRoom, Strangers},
    totals::RegistryTotals,
};
use crate::circuit::{
    handle::{Circuit, WeakCircuit},
    name::Name,
};

/// A circuit, and what has been told of it.
pub(super) struct Entry {
    pub(super) circuit: Circuit,
    pub(super) presence: Arc<Presence>,
}

pub(super) struct Map {
    owner: Mutex<Owner>,
    index: papaya::HashMap<Name, WeakCircuit>,
}

#[derive(Default)]
struct Owner {
    circuits: BTreeMap<Name, Entry>,
    strangers: Strangers,
    totals: RegistryTotals,
}

impl Map {
    pub(super) fn new() -> Self {
        Self {
            owner: Mutex::default(),
            index: papaya::HashMap::new(),
        }
    }

    /// Without a lock.
    pub(super) fn get(&self, name: &str) -> Option<Circuit> {
        self.index.pin().get(name)?.upgrade()
    }

    /// Keeps all others from changing it.
    pub(super) fn change(&self) -> Changing<'_> {
        // Whoever panics leaves all as it was, so a poisoned lock is as good.
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        Changing {
            owner,
            index: &self.index,
        }
    }
}

/// The map, for whoever changes it, and for whoever wants to see all of it at one instant.
pub(super) struct Changing<'a> {
    owner: MutexGuard<'a, Owner>,
    index: &'a papaya::HashMap<Name, WeakCircuit>,
}

impl Changing<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&Circuit> {
        self.owner.circuits.get(name).map(|entry| &entry.circuit)
    }

    pub(super) fn insert(&mut self, circuit: &Circuit, presence: &Arc<Presence>) {
        let name = Name::from(circuit.name().to_owned());
        self.index.pin().insert(name.clone(), circuit.downgrade());
        let entry = Entry {
            circuit: circuit.clone(),
            presence: presence.clone(),
        };
        self.owner.circuits.insert(name, entry);
        self.owner.totals.made += 1;
    }

    /// The same for one that has to leave when its place is needed.
    pub(super) fn insert_stranger(&mut self, circuit: &Circuit, presence: &Arc<Presence>) {
        self.insert(circuit, presence);
        self.owner.strangers.add(circuit);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Entry> {
        self.owner.strangers.remove(name);
        self.take_out(name)
    }

    fn take_out(&mut self, name: &str) -> Option<Entry> {
        self.index.pin().remove(name);
        self.owner.circuits.remove(name)
    }

    /// Makes room for a stranger where there are as many circuits as there may be: takes one out that may leave.
    pub(super) fn make_room(&mut self, max_circuits: usize) -> Result<Option<Entry>, NoRoom> {
        let Owner {
            circuits,
            strangers,
            totals,
        } = &mut *self.owner;
        let residents = circuits.len() - strangers.len();
        let places = max_circuits.saturating_sub(residents);
        let leaves = strangers.make_room(places, |name| circuits.get(name).map(|it| &it.circuit));
        let Some(name) = leaves.inspect_err(|_| totals.turned_away += 1)? else {
            return Ok(None);
        };
        totals.made_room += 1;
        Ok(self.take_out(&name))
    }

    /// By name.
    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = &Circuit> {
        self.owner.circuits.values().map(|entry| &entry.circuit)
    }

    pub(super) fn totals(&self) -> RegistryTotals {
        self.owner.totals
    }
}
