//! All series of a registry: which circuit is under which label, from when it is made until it has left.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[cfg(feature = "metrics")]
use super::recorded::Calls;
use super::{
    labels::{Labels, OTHER},
    series::{Identity, Reading, Series, index},
};
use crate::{
    circuit::{handle::Circuit, name::Name},
    machine::State,
    registry::{Event, Registry, WeakRegistry},
};

/// What becomes of the label of a name when its last circuit has left.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Labelled {
    #[cfg(feature = "metrics")]
    /// It stays: whoever was told of it cannot forget it.
    ForEver,
    /// If there is none for a new name, that takes the place of the one that has left first.
    UntilNeeded,
}

pub(super) struct Tracked {
    registry: WeakRegistry,
    labels: Labels,
    labelled: Labelled,
    /// Taken before the lock of any series.
    placed: Mutex<Placed>,
}

#[derive(Default)]
struct Placed {
    /// By label.
    series: BTreeMap<Name, Arc<Series>>,
    of: BTreeMap<Identity, Arc<Series>>,
    /// Labels of which no circuit is left.
    vacant: VecDeque<Name>,
}

impl Tracked {
    pub(super) fn new(registry: &Registry, max_labels: u32, labelled: Labelled) -> Self {
        Self {
            registry: registry.downgrade(),
            labels: Labels::with_max(registry, max_labels),
            labelled,
            placed: Mutex::default(),
        }
    }

    fn placed(&self) -> MutexGuard<'_, Placed> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is there. Whoever calls this hears events already.
    pub(super) fn begin(&self, registry: &Registry) {
        for circuit in registry.circuits() {
            self.find_or_place(registry, &circuit);
        }
    }

    /// `None` if it has left. Unless it has, that will be told.
    fn find_or_place(&self, registry: &Registry, circuit: &Circuit) -> Option<Arc<Series>> {
        let found = self.placed().of.get(&Identity::of(circuit)).cloned();
        found.or_else(|| registry.note(circuit, || self.place(circuit)))
    }

    /// The series that the event is about.
    pub(super) fn hear(&self, circuit: &Circuit, event: Event<'_>) -> Option<Arc<Series>> {
        match event {
            // If it has left meanwhile, that is told after this.
            Event::Added => Some(self.place(circuit)),
            Event::Removed | Event::Evicted => self.remove(circuit),
            Event::Transition(told) => {
                // Another thread may use a new circuit before that is told.
                let series = self.find_or_place(&self.registry.upgrade()?, circuit)?;
                series.count(told);
                Some(series)
            }
            Event::Settings(_) => self.placed().of.get(&Identity::of(circuit)).cloned(),
        }
    }

    fn place(&self, circuit: &Circuit) -> Arc<Series> {
        let mut placed = self.placed();
        let identity = Identity::of(circuit);
        if let Some(series) = placed.of.get(&identity) {
            return series.clone();
        }
        self.make_room(&mut placed, circuit.name());
        let label = match self.labels.label(circuit.name()) {
            OTHER => Name::from_static(OTHER),
            _ => circuit.full_name().clone(),
        };
        placed.vacant.retain(|vacant| *vacant != label);
        let series = placed.series.entry(label.clone());
        let series = series.or_insert_with(|| Arc::new(Series::new(label)));
        let series = series.clone();
        series.add(circuit);
        placed.of.insert(identity, series.clone());
        series
    }

    fn make_room(&self, placed: &mut Placed, name: &str) {
        if self.labelled == Labelled::UntilNeeded && self.labels.lacks(name) {
            if let Some(vacant) = placed.vacant.pop_front() {
                self.labels.take_back(&vacant);
                placed.series.remove(&vacant);
            }
        }
    }

    fn remove(&self, circuit: &Circuit) -> Option<Arc<Series>> {
        let mut placed = self.placed();
        let series = placed.of.remove(&Identity::of(circuit))?;
        let is_vacant = series.remove(circuit);
        if is_vacant && *series.label() != *OTHER {
            placed.vacant.push_back(series.label().clone());
        }
        Some(series)
    }

    /// By label, also those that no circuit has any more.
    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.placed().series.values().cloned().collect()
    }

    /// `None` if the registry is gone.
    pub(super) fn read(&self, series: &Series) -> Option<Reading> {
        Some(series.read(&self.registry.upgrade()?))
    }

    /// The durations that no recorder was told of.
    #[cfg(feature = "metrics")]
    pub(super) fn unrecorded(&self, series: &Series) -> Vec<Calls> {
        let registry = self.registry.upgrade();
        registry.map_or_else(Vec::new, |registry| series.unrecorded(&registry))
    }

    /// How many circuits there are in each state.
    pub(super) fn by_state(&self) -> [(&'static str, u64); 3] {
        let mut circuits = [0; 3];
        if let Some(registry) = self.registry.upgrade() {
            let all = self.all();
            all.iter()
                .for_each(|series| series.count_states(&registry, &mut circuits));
        }
        let states = [State::Closed, State::Open, State::HalfOpen];
        states.map(|state| (state.label(), circuits[index(state)]))
    }

    pub(super) fn registry(&self) -> Option<Registry> {
        self.registry.upgrade()
    }
}
