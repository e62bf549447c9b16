//! The shares of circuits that a layer gives out by key.
//!
//! A call holds its circuit. If all threads changed the count of one handle, they would contend for it. So there is a
//! handle for each thread and circuit, made when that thread first calls it. They are found without a lock, in an
//! index that holds them weakly, and kept behind one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::{
    circuit::{handle::Circuit, name::Name},
    registry::{Registry, index::Index, layers::Layer},
    service::{
        shared::{Policies, Shared, WeakShared},
        striped::ByThread,
    },
};

type SharesByName<C, R, X> = HashMap<Name, Vec<Shared<C, R, X>>>;

pub(crate) struct Kept<C, R, X> {
    policies: Policies<C, R, X>,
    index: Index<ByThread<WeakShared<C, R, X>>>,
    /// By name. Changed only while the registry notes something: so it has what the registry has.
    shares: Mutex<SharesByName<C, R, X>>,
}

impl<C, R, X> Kept<C, R, X>
where
    C: Send + Sync + 'static,
    R: Send + Sync + 'static,
    X: Send + Sync + 'static,
{
    /// For circuits of this registry, which from now on tells it what leaves.
    pub(super) fn of(registry: &Registry, policies: &Policies<C, R, X>) -> Arc<Self> {
        let kept = Arc::new(Self {
            policies: policies.clone(),
            index: Index::new(),
            shares: Mutex::default(),
        });
        let layer: Weak<Self> = Arc::downgrade(&kept);
        registry.add_layer(layer);
        kept
    }
}

impl<C, R, X> Kept<C, R, X> {
    /// The calling thread's, if it has called this circuit before.
    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<Shared<C, R, X>> {
        self.index
            .find(name, |shares| shares.own().get()?.upgrade())
    }

    /// Makes the calling thread's share of a circuit. Not kept, in `Err`, if the circuit has left the registry
    /// meanwhile.
    pub(super) fn make(
        &self,
        registry: &Registry,
        circuit: &Circuit,
    ) -> Result<Shared<C, R, X>, Shared<C, R, X>> {
        let share = Shared::alone(circuit.clone(), self.policies.clone());
        match registry.note(circuit, || self.keep(circuit.full_name(), &share)) {
            Some(()) => Ok(share),
            None => Err(share),
        }
    }

    fn keep(&self, name: &Name, share: &Shared<C, R, X>) {
        let mut shares = self.shares();
        let own = shares.entry(name.clone()).or_default();
        if own.is_empty() {
            self.index.insert(name.clone(), ByThread::new());
        }
        // Another thread may use the same, and have made it meanwhile.
        let set = |shares: &ByThread<_>| shares.own().set(share.downgrade()).ok();
        if self.index.find(name, set).is_some() {
            own.push(share.clone());
        }
    }

    fn shares(&self) -> MutexGuard<'_, SharesByName<C, R, X>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C, R, X> Layer for Kept<C, R, X>
where
    C: Send + Sync,
    R: Send + Sync,
    X: Send + Sync,
{
    fn idle_handles(&self, name: &str) -> usize {
        let shares = self.shares();
        let of_name = shares.get(name).into_iter().flatten();
        of_name.filter(|share| share.is_only()).count()
    }

    fn let_go(&self, name: &str) {
        self.index.remove(name);
        self.shares().remove(name);
    }
}
