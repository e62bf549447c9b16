//! What finds by name without a lock: the one file that knows which concurrent map that is.
//!
//! It is papaya's: a lookup takes no lock, and no entry can be held while anything else happens, so there is
//! nothing to deadlock on. Names are hashed with the standard library's seeded hasher, since strangers may choose them.
//!
//! What is taken out is freed in batches, some time later. So what it holds must not keep a circuit. Others are a
//! little faster, but hold back as many as they have places, or copy all for each that is new, as `benches/maps` has
//! measured.

#[cfg(tower_breaker_loom)]
pub(crate) use self::modelled::Index;
#[cfg(not(tower_breaker_loom))]
use crate::circuit::name::Name;

/// Of those that are many, there may never be so many.
#[cfg(not(tower_breaker_loom))]
const MOST_ROOM: usize = 4_096;

#[cfg(not(tower_breaker_loom))]
pub(crate) struct Index<T>(papaya::HashMap<Name, T>);

#[cfg(not(tower_breaker_loom))]
impl<T> Index<T> {
    pub(crate) fn new() -> Self {
        Self(papaya::HashMap::new())
    }

    /// With room for so many names. Where it has to grow, it does so bit by bit as others are added. When none is, it
    /// is left with two tables, and each lookup may go through both.
    pub(crate) fn with_room(names: usize) -> Self {
        let room = names.min(MOST_ROOM);
        Self(papaya::HashMap::builder().capacity(room).build())
    }

    /// What `look` sees at this name. Nothing else must happen in it.
    pub(crate) fn find<U>(&self, name: &str, look: impl FnOnce(&T) -> Option<U>) -> Option<U> {
        look(self.0.pin().get(name)?)
    }

    pub(crate) fn insert(&self, name: Name, value: T) {
        self.0.pin().insert(name, value);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.pin().remove(name);
    }
}

/// What loom can look into. What was found is looked at after the map is given back, as with the other: it may have
/// been taken out by then.
#[cfg(tower_breaker_loom)]
mod modelled {
    use std::{
        collections::BTreeMap,
        sync::{Arc, PoisonError},
    };

    use crate::{
        circuit::name::Name,
        machine::sync::{Mutex, MutexGuard},
    };

    pub(crate) struct Index<T>(Mutex<BTreeMap<Name, Arc<T>>>);

    impl<T> Index<T> {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(BTreeMap::new()))
        }

        pub(crate) fn with_room(_: usize) -> Self {
            Self::new()
        }

        fn map(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<T>>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn find<U>(&self, name: &str, look: impl FnOnce(&T) -> Option<U>) -> Option<U> {
            let found = self.map().get(name).cloned()?;
            look(&found)
        }

        pub(crate) fn insert(&self, name: Name, value: T) {
            self.map().insert(name, Arc::new(value));
        }

        pub(crate) fn remove(&self, name: &str) {
            self.map().remove(name);
        }
    }
}
