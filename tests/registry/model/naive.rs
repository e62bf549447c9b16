//! The naive registry: circuits that no registry knows, one for each that there is in the real one, to which the same
//! is done; and a plain map of who has which name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_breaker::{
    Cause, Circuit, Mode, State, Transition,
    clock::{Clock, ManualClock},
    observe::SettingsChange,
    registry::RegistryTotals,
};

use super::steps::Conf;

/// What sets one circuit apart from all others, also of the same name.
pub(crate) type Id = u64;

const YOUNG_FOR: Duration = Duration::from_secs(60);
/// How many are looked at among the young, and among the old.
const LOOKS: usize = 16;

/// What is told of a circuit while it is in the registry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Transition(Transition),
    Settings(String),
}

impl Told {
    pub(crate) fn of_settings(change: &SettingsChange) -> Self {
        Self::Settings(format!("version {}: {change}", change.version()))
    }

    /// The same, with the version of the configuration that it comes from.
    pub(crate) fn by_configuration(self, version: u64) -> Self {
        match self {
            Self::Settings(change) => Self::Settings(format!("{change} (configuration {version})")),
            told => told,
        }
    }
}

/// The naive counterpart of one circuit.
pub(crate) struct Twin {
    pub(crate) name: String,
    pub(crate) circuit: Circuit,
    told: Arc<Mutex<Vec<Told>>>,
    /// The newest transition.
    newest: Option<Transition>,
    /// The newest break.
    open_for: Duration,
    made: Duration,
    /// How many calls of it go on.
    pub(crate) held: usize,
    pub(crate) named: bool,
    pub(crate) by_hand: bool,
    pub(crate) window: bool,
}

impl Twin {
    /// What was told of it since it was asked.
    pub(crate) fn take_told(&mut self) -> Vec<Told> {
        let told = std::mem::take(&mut *self.told.lock().expect("no panic"));
        for transition in told.iter().filter_map(|told| match told {
            Told::Transition(transition) => Some(*transition),
            Told::Settings(_) => None,
        }) {
            self.newest = Some(transition);
            self.open_for = transition.open_for.unwrap_or(self.open_for);
        }
        told
    }

    /// Why nobody would miss it, if so.
    pub(crate) fn may_leave(&self) -> Option<&'static str> {
        let snapshot = self.circuit.snapshot();
        if self.held > 0 || self.named || self.by_hand || snapshot.mode != Mode::Normal {
            return None;
        }
        let recovered = self
            .newest
            .is_some_and(|newest| newest.cause == Cause::Recovered);
        let remembers = recovered && snapshot.time_in_state < self.open_for;
        let like_new = snapshot.state == State::Closed
            && snapshot.consecutive_failures == 0
            && snapshot.window.is_none_or(|window| window.calls == 0)
            && snapshot.ramp_share >= 1.0
            && !remembers;
        let forgotten =
            snapshot.state == State::Open && snapshot.time_in_state >= self.open_for * 4;
        match (like_new, forgotten) {
            (true, _) => Some("evicted: like new"),
            (_, true) => Some("evicted: forgotten"),
            _ => None,
        }
    }
}

pub(crate) struct Naive {
    pub(crate) clock: ManualClock,
    pub(crate) conf: Conf,
    /// Those that are in the registry, and those that are gone and still held.
    pub(crate) twins: BTreeMap<Id, Twin>,
    pub(crate) names: BTreeMap<String, Id>,
    pub(crate) totals: RegistryTotals,
    /// How many configurations were applied.
    pub(crate) version: u64,
    /// Names that a configuration has named, and a later one not.
    pub(crate) left: BTreeSet<String>,
}

impl Naive {
    pub(crate) fn add(&mut self, id: Id, name: &str) {
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let (of_transitions, of_settings) = (told.clone(), told.clone());
        let circuit = self
            .conf
            .tell(name, Circuit::builder(name.to_owned()))
            .clock(self.clock.clone())
            .on_transition(move |_, transition| {
                let told = Told::Transition(*transition);
                of_transitions.lock().expect("no panic").push(told);
            })
            .on_settings_change(move |_, change| {
                let told = Told::of_settings(change);
                of_settings.lock().expect("no panic").push(told);
            })
            .build();
        let twin = Twin {
            name: name.to_owned(),
            circuit: circuit.expect("valid"),
            told,
            newest: None,
            open_for: Duration::ZERO,
            made: self.clock.now(),
            held: 0,
            named: self.conf.names().contains(name),
            by_hand: false,
            window: self.conf.window,
        };
        assert!(
            self.twins.insert(id, twin).is_none(),
            "{id} was made before"
        );
        assert!(
            self.names.insert(name.to_owned(), id).is_none(),
            "{name} is there twice"
        );
        self.totals.created += 1;
    }

    pub(crate) fn twin(&mut self, id: Id) -> &mut Twin {
        self.twins.get_mut(&id).expect("known")
    }

    pub(crate) fn is_in_registry(&self, id: Id) -> bool {
        self.names.get(&self.twins[&id].name) == Some(&id)
    }

    /// It has left the registry.
    pub(crate) fn take_out(&mut self, id: Id) {
        let name = self.twins[&id].name.clone();
        assert_eq!(self.names.remove(&name), Some(id), "{name} was there");
        self.left.remove(&name);
        self.forget_unless_held(id);
    }

    /// One of its calls is over.
    pub(crate) fn let_go(&mut self, id: Id) {
        self.twin(id).held -= 1;
        self.forget_unless_held(id);
    }

    fn forget_unless_held(&mut self, id: Id) {
        if self.twins[&id].held == 0 && !self.is_in_registry(id) {
            self.twins.remove(&id);
        }
    }

    /// Those that were made on first use.
    pub(crate) fn strangers(&self) -> Vec<Id> {
        let ids = self.names.values().copied();
        ids.filter(|id| !self.twins[id].named).collect()
    }

    /// One that would be named, if the configuration that names it had not been refused.
    pub(crate) fn make_stranger(&mut self, id: Id) {
        if let Some(twin) = self.twins.get_mut(&id) {
            twin.named = false;
        }
    }

    /// The strangers: the young, or the old.
    fn strangers_of_age(&self, young: bool) -> Vec<&Twin> {
        let all = self.names.values().map(|id| &self.twins[id]);
        let is_young = |twin: &Twin| self.clock.now() - twin.made < YOUNG_FOR;
        all.filter(|twin| !twin.named && is_young(twin) == young)
            .collect()
    }

    fn places(&self) -> usize {
        let named = self
            .names
            .values()
            .filter(|id| self.twins[id].named)
            .count();
        (self.conf.max_circuits as usize).saturating_sub(named)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.strangers_of_age(true).len() + self.strangers_of_age(false).len() < self.places()
    }

    fn young_are_few(&self) -> bool {
        self.strangers_of_age(true).len() < self.places().div_ceil(2)
    }

    /// Whether so many cannot leave that nobody needs to have been found.
    fn may_find_nobody(strangers: &[&Twin]) -> bool {
        let stay = strangers.iter().filter(|twin| twin.may_leave().is_none());
        stay.count() >= LOOKS.min(strangers.len())
    }

    /// Whether a new name may be refused.
    pub(crate) fn may_refuse(&self) -> bool {
        !self.has_room()
            && Self::may_find_nobody(&self.strangers_of_age(true))
            && (!self.young_are_few() || Self::may_find_nobody(&self.strangers_of_age(false)))
    }

    /// Whether the rule of the halves lets it make room.
    pub(crate) fn is_its_turn(&self, id: Id) -> bool {
        let is_young = self.clock.now() - self.twins[&id].made < YOUNG_FOR;
        let old_first = self.young_are_few();
        if is_young {
            !old_first || Self::may_find_nobody(&self.strangers_of_age(false))
        } else {
            old_first
        }
    }
}
