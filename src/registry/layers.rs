//! How a registry knows the layers that have one circuit for each key.
//!
//! So that threads do not contend for the count of a circuit, such a layer holds a few handles to each. A circuit that
//! nobody but layers holds may leave the registry (rule I5), and they let go of it.

use std::sync::{Arc, Weak};

/// A layer that holds circuits of a registry.
///
/// All of it is called with the registry's lock held.
pub(crate) trait Layer: Send + Sync {
    /// How many handles it has to the circuit of this name that no call holds.
    fn idle_handles(&self, name: &str) -> usize;

    /// Lets go of the circuit of this name. Calls that are under way hold it.
    fn let_go(&self, name: &str);
}

/// The layers of a registry, as long as they are there.
#[derive(Default)]
pub(super) struct Layers(Vec<Weak<dyn Layer>>);

impl Layers {
    pub(super) fn add(&mut self, layer: Weak<dyn Layer>) {
        self.0.retain(|layer| layer.strong_count() > 0);
        self.0.push(layer);
    }

    pub(super) fn present(&self) -> Present {
        Present(self.0.iter().filter_map(Weak::upgrade).collect())
    }
}

/// The layers that are there. This may be the last to let go of one, and then somebody else's code runs: not with the
/// registry's lock held.
#[derive(Default)]
pub(super) struct Present(Vec<Arc<dyn Layer>>);

impl Present {
    pub(super) fn idle_handles(&self, name: &str) -> usize {
        self.0.iter().map(|layer| layer.idle_handles(name)).sum()
    }

    pub(super) fn let_go(&self, name: &str) {
        self.0.iter().for_each(|layer| layer.let_go(name));
    }
}
