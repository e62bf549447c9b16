//! Which circuits have a label of their own (rule L6).

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{circuit::name::Name, registry::Registry, util::size::size};

/// The label of those that have none of their own.
pub(super) const OTHER: &str = "other";

pub(super) const MAX_LABELS: u32 = 200;

/// Decides which names of circuits become values of a label (rule L6): the first 200, or as many as you say. All others
/// are `other`, and so is a circuit of that name.
///
/// It is for instruments of your own, such as OpenTelemetry's, which drop what is over their limit of attribute sets.
/// `Metrics` and [`Exposition`](super::Exposition) choose in the same way. A name keeps its label. If it went from
/// `other` to a label of its own, a counter would fall.
///
/// ```
/// # use tower_breaker::{registry::Registry, telemetry::Labels};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().circuit("payments", |circuit| circuit).build()?;
/// let labels = Labels::with_max(&registry, 2);
/// assert_eq!(labels.label("payments"), "payments");
/// assert_eq!(labels.label("search"), "search");
/// assert_eq!(labels.label("mail"), "other");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Labels {
    most: usize,
    given: Mutex<BTreeSet<Name>>,
}

impl Labels {
    /// Gives at most 200 labels. The circuits that are there now get theirs first. Among them, those that were
    /// [named](Registry::is_named) go before the others.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        Self::with_max(registry, MAX_LABELS)
    }

    /// Gives at most `max_labels` labels, beside `other`. The order is that of [`of`](Self::of).
    #[must_use]
    pub fn with_max(registry: &Registry, max_labels: u32) -> Self {
        let most = size(max_labels);
        let mut circuits = registry.circuits();
        circuits.sort_by_cached_key(|circuit| !registry.is_named(circuit.name()));
        let names = circuits.iter().map(|circuit| circuit.full_name().clone());
        let names = names.filter(|name| name != OTHER).take(most);
        Self {
            most,
            given: Mutex::new(names.collect()),
        }
    }

    /// Finds the label for the circuit of this name.
    #[must_use]
    pub fn label<'a>(&self, name: &'a str) -> &'a str {
        let mut given = self.given();
        if name == OTHER {
            return OTHER;
        }
        if given.contains(name) {
            return name;
        }
        if given.len() >= self.most {
            return OTHER;
        }
        given.insert(Name::shared(name));
        name
    }

    /// Whether this name would be `other` only because all labels are given away.
    pub(super) fn lacks(&self, name: &str) -> bool {
        let given = self.given();
        name != OTHER && !given.contains(name) && given.len() >= self.most
    }

    pub(super) fn take_back(&self, name: &str) {
        self.given().remove(name);
    }

    fn given(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
