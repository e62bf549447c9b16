//! [`RegistryBuilder`]: what circuits are made by.

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::{
    Registry,
    caps::GroupCap,
    event::{Event, Listeners, OnEvent},
    pattern::Pattern,
    rules::{Rank, Rules, Source},
};
use crate::{
    circuit::settings::ConfigError,
    circuit::{builder::CircuitBuilder, handle::Circuit},
    util::size::size,
};

pub(crate) const DEFAULT_MAX_CIRCUITS: u32 = 1_024;

/// Builds a [`Registry`]. See [the module](super).
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct RegistryBuilder {
    rules: Rules,
    /// Of the rules that are added now.
    source: Source,
    max_circuits: u32,
    listeners: Vec<Arc<OnEvent>>,
}

impl RegistryBuilder {
    pub(super) fn new() -> Self {
        Self {
            rules: Rules::default(),
            source: Source::Code,
            max_circuits: DEFAULT_MAX_CIRCUITS,
            listeners: Vec::new(),
        }
    }

    /// Sets what every circuit is built by, before anything else. Can be given several times.
    ///
    /// The closure runs whenever a circuit is made. If several threads ask for the same name at once, it may run for
    /// each of them. One circuit is made.
    ///
    /// Default: a circuit's own defaults.
    pub fn defaults(
        self,
        change: impl Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync + 'static,
    ) -> Self {
        self.rule(Rank::Defaults, "*", change)
    }

    /// Sets what circuits are built by whose name matches `pattern`, after the [`defaults`](Self::defaults). In the
    /// pattern, `*` stands for any characters, or for none. Can be given several times. If several match, all are
    /// applied, in the order in which they were given.
    pub fn matching(
        self,
        pattern: &str,
        change: impl Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync + 'static,
    ) -> Self {
        self.rule(Rank::Pattern, pattern, change)
    }

    /// Names a circuit that is there from the start, and sets what it is built by after all else. If it needs nothing
    /// of its own, write `.circuit("payments", |circuit| circuit)`.
    pub fn circuit(
        self,
        name: &str,
        change: impl Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync + 'static,
    ) -> Self {
        self.rule(Rank::Name, name, change)
    }

    fn rule(
        mut self,
        rank: Rank,
        names: &str,
        change: impl Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync + 'static,
    ) -> Self {
        self.rules.add(self.source, rank, names, Arc::new(change));
        self
    }

    /// Limits which share of a group of circuits may be open at once (rule K1). Can be given several times. If several
    /// are for the same circuit, the later holds. A circuit's own [`ejection_cap`](CircuitBuilder::ejection_cap) goes
    /// before all of them.
    ///
    /// Default: all of them may be open at once.
    ///
    /// **Watch out:** the members of a cap need the same [clock](CircuitBuilder::clock). And a circuit has one cap for
    /// as long as it lives. A configuration that would give it another [is refused](super::Registry#method.apply).
    pub fn cap(mut self, cap: GroupCap) -> Self {
        self.rules.add_cap(self.source, cap);
        self
    }

    /// What is said from now on is from there.
    #[cfg(feature = "config")]
    pub(crate) fn from(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// The rules, of which none is checked.
    #[cfg(feature = "config")]
    pub(super) fn into_rules(self) -> (Rules, u32) {
        (self.rules, self.max_circuits)
    }

    /// Sets how many circuits there may be at once. Those that are there from the start count, and it must be at least
    /// as many as those. [What happens](super#how-many-there-may-be) when there are so many.
    ///
    /// Default: 1,024.
    pub fn max_circuits(mut self, circuits: u32) -> Self {
        self.max_circuits = circuits;
        self
    }

    /// Calls `listener` when a circuit of the registry is made or leaves, makes a transition, or gets other settings:
    /// see [`Event`]. Can be given several times. All other events, such as that a circuit has lost its fleet, are in
    /// [`Registry::events`](super::Registry::events).
    ///
    /// The listener runs on the thread that made it happen, often in the middle of a call, so it should be quick. It
    /// may call back into the circuit and the registry. If it panics, nothing else happens.
    pub fn on_event(
        mut self,
        listener: impl Fn(&Circuit, Event<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Builds the registry and the circuits that are there from the start.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first of these:
    /// * a setting that makes no sense in the defaults, in a pattern (tried as it is, for a circuit of that name), or
    ///   in a named circuit;
    /// * a [`cap`](Self::cap) whose share makes no sense;
    /// * a `max_circuits` that is less than there are names.
    ///
    /// Two patterns that contradict each other are found later: when the first circuit that both match [is
    /// made](Registry::get_or_create).
    pub fn build(self) -> Result<Registry, ConfigError> {
        let Self {
            mut rules,
            max_circuits,
            listeners,
            ..
        } = self;
        rules.begin_caps()?;
        check(&rules)?;
        let names: BTreeSet<_> = rules.names().map(str::to_owned).collect();
        let enough = size(max_circuits) >= names.len().max(1);
        let allowed = "at least 1, and the number of circuits that are named";
        ConfigError::unless(enough, "max_circuits", &max_circuits, allowed)?;
        let registry = Registry::new(rules, max_circuits, Listeners::new(listeners));
        // All of them make sense before the first is made.
        let rules = registry.shared.rules();
        let prepared = names.iter().map(|name| registry.prepare(&rules, name));
        for prepared in prepared.collect::<Result<Vec<_>, _>>()? {
            registry.create_named(prepared)?;
        }
        Ok(registry)
    }
}

/// Builds circuits to throw away.
fn check(rules: &Rules) -> Result<(), ConfigError> {
    let check = |names| rules.builder(names).check().map(drop);
    check("*").map_err(|error| match has_more_for_all(rules) {
        true => error.of_pattern("*"),
        false => error.of_defaults(),
    })?;
    let mut patterns = rules.patterns();
    patterns.try_for_each(|names| check(names).map_err(|error| error.of_pattern(names)))
}

/// Whether more than the defaults is said for the circuit that stands for all.
fn has_more_for_all(rules: &Rules) -> bool {
    let mut patterns = rules.patterns().map(Pattern::new);
    rules.is_named("*") || patterns.any(|pattern| pattern.matches("*"))
}

impl fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBuilder")
            .field("names", &self.rules.names().collect::<Vec<_>>())
            .field("max_circuits", &self.max_circuits)
            .finish_non_exhaustive()
    }
}
