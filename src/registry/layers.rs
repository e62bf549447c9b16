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

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{circuit::handle::Circuit, machine::State, registry::Registry};

    /// Holds a circuit, and has a last call fail as it lets go of it.
    pub(crate) struct LastCall(Mutex<Option<Circuit>>);

    impl LastCall {
        fn of(circuit: Option<Circuit>) -> (Arc<Self>, Weak<dyn Layer>) {
            let this = Arc::new(Self(Mutex::new(circuit)));
            let weak = Arc::downgrade(&this);
            (this, weak)
        }

        /// Of a circuit that it makes.
        pub(crate) fn through(registry: &Registry, name: &str) -> Arc<Self> {
            let (this, weak) = Self::of(Some(registry.get_or_create(name).expect("made")));
            registry.add_layer(weak);
            this
        }
    }

    impl Layer for LastCall {
        fn idle_handles(&self, name: &str) -> usize {
            let held = self.0.lock().expect("no panic");
            held.iter().filter(|held| held.name() == name).count()
        }

        fn let_go(&self, _: &str) {
            let held = self.0.lock().expect("no panic").take();
            held.iter().for_each(fail);
        }
    }

    fn fail(circuit: &Circuit) {
        circuit.try_acquire().expect("closed").failure();
    }

    // J4
    #[test]
    fn a_layer_is_known_for_as_long_as_it_is_there() {
        let mut layers = Layers::default();
        let [first, gone, last] = [(); 3].map(|()| LastCall::of(None));
        layers.add(first.1);
        layers.add(gone.1);
        drop(gone.0);
        layers.add(last.1);
        assert_eq!((layers.0.len(), layers.present().0.len()), (2, 2));
    }

    // I5
    #[test]
    fn a_circuit_that_is_called_while_it_is_taken_out_stays() {
        let registry = Registry::builder().max_circuits(1);
        let registry = registry.defaults(|circuit| circuit.consecutive_failures(2));
        let registry = registry.build().expect("valid");
        let _layer = LastCall::through(&registry, "a");
        registry.get_or_create("b").expect_err("full");
        let a = registry.get("a").expect("there");
        fail(&a);
        assert_eq!(a.state(), State::Open, "the first failure is not lost");
    }
}
