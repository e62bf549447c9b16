//! How the rules of a registry are replaced while it lives.

use std::sync::{
    Arc, PoisonError,
    atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::{
    CapChange, Named, Prepared, Registry, RegistryBuilder, Rules, Source, event::Departure,
};
use crate::{
    circuit::{
        builder::CircuitBuilder, ejection::EjectionCap, handle::Circuit, settings::ConfigError,
        tags::Tags,
    },
    machine::Limit,
};

/// The rules of a new configuration, in the place of an older one's, beside those of code.
///
/// There is one at a time: a registry is changed by one configuration after the other.
pub(crate) struct Replacement<'a> {
    registry: &'a Registry,
    new: Arc<Rules>,
    old: Arc<Rules>,
    pub(crate) max_circuits: u32,
    /// Of the older one.
    pub(crate) version: u64,
}

impl<'a> Replacement<'a> {
    /// `None` while another one is under way.
    pub(crate) fn begin(registry: &'a Registry, config: RegistryBuilder) -> Option<Self> {
        let begun = registry
            .shared
            .applying
            .compare_exchange(false, true, AcqRel, Acquire);
        begun.ok()?;
        let (config, max_circuits) = config.into_rules();
        let old = registry.shared.rules();
        Some(Self {
            registry,
            new: Arc::new(old.with_config(config)),
            old,
            max_circuits,
            version: registry.configuration_version(),
        })
    }

    /// What a circuit is built by with the new rules.
    pub(crate) fn builder(&self, name: &str) -> CircuitBuilder {
        self.new.builder(name)
    }

    /// What a circuit is built by with the old rules.
    pub(crate) fn old_builder(&self, name: &str) -> CircuitBuilder {
        self.old.builder(name)
    }

    /// From now on the registry has this version of the configuration.
    pub(crate) fn set_version(&self, version: u64) {
        self.registry.shared.version.store(version, Release);
    }

    /// The names that are there from the start with the new rules, and those of all circuits that do not leave by
    /// themselves. Those are named, or were so once.
    pub(crate) fn names(&self) -> (Vec<String>, Vec<String>) {
        let named = self.new.names().map(str::to_owned).collect();
        (named, self.registry.shared.circuits.change().residents())
    }

    /// From now on circuits are made by the new rules.
    pub(crate) fn take_rules(&self) {
        self.set_rules(&self.new);
    }

    /// By the old ones again.
    pub(crate) fn give_rules_back(&self) {
        self.set_rules(&Arc::new(self.old.remember_caps_of(&self.new)));
    }

    fn set_rules(&self, rules: &Arc<Rules>) {
        let current = self.registry.shared.rules.write();
        *current.unwrap_or_else(PoisonError::into_inner) = rules.clone();
    }

    /// Makes a circuit that the new rules name, unless it is there.
    pub(crate) fn create(&self, name: &str) -> Result<Named, ConfigError> {
        let prepared = self.registry.prepare(&self.new, name)?;
        self.registry.create_named(prepared)
    }

    /// The name is no longer one of a circuit that never leaves.
    pub(crate) fn take_back(&self, name: &str, named: Named) {
        match named {
            Named::Made => drop(self.registry.remove(name)),
            Named::Kept(Some(stranger)) => {
                self.registry
                    .shared
                    .circuits
                    .change()
                    .keep_no_more(stranger);
            }
            Named::Kept(None) => {}
        }
    }

    /// Gives each cap of the configuration its new limit, and those that are no more none. Returns what held before.
    pub(crate) fn take_caps(&self) -> Vec<(EjectionCap, Limit)> {
        let of_config = self.new.caps().iter();
        let of_config = of_config.filter(|cap| cap.source == Source::Config);
        // Each of them was checked when it was read.
        let limits = of_config.map(|cap| (&cap.set, cap.said.limit().unwrap_or(Limit::NONE)));
        let former = self
            .new
            .former_caps()
            .iter()
            .map(|cap| (&cap.set, Limit::NONE));
        let change = |(set, limit): (&EjectionCap, _)| {
            let before = (set.clone(), set.limit());
            set.set_limit(limit);
            before
        };
        limits.chain(former).map(change).collect()
    }

    /// What is different of the caps.
    pub(crate) fn cap_changes(&self) -> Vec<CapChange> {
        self.old.cap_changes(&self.new)
    }

    /// The set that a live circuit is to be a member of by the new rules, which would build it with the set `said`.
    pub(crate) fn cap_for(
        &self,
        circuit: &Circuit,
        said: Option<&EjectionCap>,
    ) -> Option<&EjectionCap> {
        let is_ours = |said: &EjectionCap| self.new.caps().iter().any(|cap| cap.set.is(said));
        if said.is_some_and(|said| !is_ours(said)) {
            return None;
        }
        self.new.cap_for(circuit.name(), circuit.tags())
    }

    /// The group of a cap that a live circuit would be a member of, had it the tags that the new rules say.
    pub(crate) fn missed_cap(&self, circuit: &Circuit, tags: &Tags) -> Option<String> {
        let group = self.new.group_of(circuit.name(), tags)?;
        let is_of_it = self.new.group_of(circuit.name(), circuit.tags()) == Some(group);
        (!is_of_it).then(|| group.to_string())
    }

    /// A circuit of the new rules, not made yet.
    pub(crate) fn prepare(&self, name: &str) -> Result<Prepared, ConfigError> {
        self.registry.prepare(&self.new, name)
    }

    /// Has a new circuit take the place of one that cannot become like it, unless that is gone meanwhile. It goes on
    /// where the old one is.
    pub(crate) fn replace(&self, old: &Circuit, new: Prepared) {
        let mut circuits = self.registry.shared.circuits.change();
        let is_there = circuits.get(old.name());
        if is_there.is_none_or(|there| there.identity() != old.identity()) {
            return;
        }
        let (circuit, presence) = new.restoring(old.save()).make();
        let gone = circuits.replace(&circuit, &presence);
        drop(circuits);
        gone.iter()
            .for_each(|gone| self.registry.tell_gone(gone, Departure::Removed));
        self.registry
            .shared
            .listeners
            .tell_added(&circuit, &presence);
    }

    /// Notes that a circuit has this version of its settings by the new rules.
    pub(crate) fn note_version(&self, name: &str, version: u64) {
        self.registry
            .shared
            .circuits
            .change()
            .note_version(name, version);
    }

    pub(crate) fn old_max_circuits(&self) -> u32 {
        self.registry.shared.max_circuits.load(Relaxed)
    }

    /// Gives the old one.
    pub(crate) fn take_max_circuits(&self) -> u32 {
        self.registry
            .shared
            .max_circuits
            .swap(self.max_circuits, Relaxed)
    }

    pub(crate) fn set_max_circuits(&self, most: u32) {
        self.registry.shared.max_circuits.store(most, Relaxed);
    }
}

impl Registry {
    /// Acquire: whoever sees a version sees all that it has changed.
    pub(crate) fn configuration_version(&self) -> u64 {
        self.shared.version.load(Acquire)
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        self.registry.shared.applying.store(false, Release);
    }
}
