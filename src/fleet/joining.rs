//! How circuits join a fleet.

use std::sync::Arc;

use super::{fleet::Fleet, member::Membership};
use crate::circuit::{
    builder::CircuitBuilder,
    followed::{Follows, Joins},
    name::Name,
};
#[cfg(feature = "registry")]
use crate::registry::RegistryBuilder;

impl Joins for Fleet {
    fn member(&self, name: &Name) -> Arc<dyn Follows> {
        Arc::new(Membership::new(self, name))
    }
}

impl CircuitBuilder {
    /// Sets the fleet with which the circuit is [shared](Self::shared), under its name. Without that setting it does
    /// nothing.
    ///
    /// If two circuits of a process have the same name, the newer one takes part. The other is alone for as long as the
    /// newer one lives.
    ///
    /// Default: none.
    #[cfg_attr(docsrs, doc(cfg(feature = "fleet")))]
    pub fn fleet(self, fleet: &Fleet) -> Self {
        self.joining(Arc::new(fleet.clone()))
    }
}

#[cfg(feature = "registry")]
impl RegistryBuilder {
    /// Sets the fleet with which circuits of the registry are shared: those that are [told to
    /// be](CircuitBuilder::shared).
    ///
    /// Default: none.
    #[cfg_attr(docsrs, doc(cfg(feature = "fleet")))]
    pub fn fleet(self, fleet: &Fleet) -> Self {
        let fleet = fleet.clone();
        self.defaults(move |circuit| circuit.fleet(&fleet))
    }
}
