//! The maps, each asked the same way: the value at a name.
//!
//! All of them hash with the standard library's seeded hasher, since whoever sends requests may choose the names.

use std::{
    collections::HashMap,
    hash::RandomState,
    sync::{PoisonError, RwLock},
};

use arc_swap::ArcSwap;

/// What stands for a circuit.
type Value = usize;

/// A map that threads share.
pub trait Lookup: Sync {
    /// What is at this name.
    fn find(&self, name: &str) -> Option<Value>;
}

/// No concurrent map at all: what hashing and comparing take.
pub struct Floor(HashMap<String, Value>);

impl Lookup for Floor {
    fn find(&self, name: &str) -> Option<Value> {
        self.0.get(name).copied()
    }
}

/// A lookup takes no lock, and pins.
pub struct Papaya(papaya::HashMap<String, Value, RandomState>);

impl Lookup for Papaya {
    fn find(&self, name: &str) -> Option<Value> {
        self.0.pin().get(name).copied()
    }
}

/// A lookup takes no lock, and pins.
pub struct SccIndex(scc::HashIndex<String, Value, RandomState>);

impl Lookup for SccIndex {
    fn find(&self, name: &str) -> Option<Value> {
        self.0.peek_with(name, |_, value| *value)
    }
}

/// A map that never changes, replaced as a whole: each new name would copy all of it.
pub struct Swapped(ArcSwap<HashMap<String, Value>>);

impl Lookup for Swapped {
    fn find(&self, name: &str) -> Option<Value> {
        self.0.load().get(name).copied()
    }
}

/// What one has without a dependency.
pub struct Locked(RwLock<HashMap<String, Value>>);

impl Lookup for Locked {
    fn find(&self, name: &str) -> Option<Value> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.get(name).copied()
    }
}

/// A map, and what it is called in the table.
pub struct Contender {
    /// With its version.
    pub name: &'static str,
    /// With all names in it.
    pub map: Box<dyn Lookup>,
}

/// Whose time is one in the ratios.
pub const CHOSEN: &str = "papaya 0.2.5, with room";

/// All of them, with these names in them.
pub fn all(names: &[String]) -> Vec<Contender> {
    let entries = || names.iter().cloned().zip(0..);
    let plain: HashMap<_, _> = entries().collect();
    let papaya = papaya::HashMap::default();
    let roomy = papaya::HashMap::builder().capacity(names.len()).build();
    let index = scc::HashIndex::default();
    for (name, value) in entries() {
        papaya.pin().insert(name.clone(), value);
        roomy.pin().insert(name.clone(), value);
        index.insert_sync(name, value).expect("names differ");
    }
    let contender = |name, map| Contender { name, map };
    vec![
        contender("a plain map, not shared", Box::new(Floor(plain.clone()))),
        contender(CHOSEN, Box::new(Papaya(roomy))),
        contender("papaya, as it grows", Box::new(Papaya(papaya))),
        contender("scc 3.8.8, HashIndex", Box::new(SccIndex(index))),
        contender(
            "arc-swap 1.9.5, a map",
            Box::new(Swapped(ArcSwap::from_pointee(plain.clone()))),
        ),
        contender("std RwLock, a map", Box::new(Locked(RwLock::new(plain)))),
    ]
}
