//! A registry beside the naive one: each step is done to both, and then both are looked at.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tower_breaker::{
    Circuit, Outcome, OwnedGuard, State,
    clock::ManualClock,
    config::ApplyError,
    registry::{CreateError, Event, Registry, RegistryTotals},
};

use super::{
    naive::{Id, Naive, Told},
    steps::{Conf, Control, Step, name},
};

/// So many calls go on at once.
const MOST_CALLS: usize = 10;

#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Added,
    Removed,
    Evicted,
    Told(Told),
}

type Log = Arc<Mutex<VecDeque<(Id, Heard)>>>;

/// A call that goes on, in both.
struct Going {
    id: Id,
    circuit: Circuit,
    guards: (OwnedGuard, OwnedGuard),
}

pub(crate) struct World {
    registry: Registry,
    naive: Naive,
    log: Log,
    going: Vec<Going>,
    /// Names that were there once.
    known: BTreeSet<String>,
    /// The next name that nobody has asked for.
    fresh: usize,
    pub(crate) tally: BTreeMap<&'static str, u64>,
}

fn id_of(circuit: &Circuit) -> Id {
    let id = circuit.tags().get("id").expect("tagged");
    id.parse().expect("a number")
}

fn heard(event: Event<'_>) -> Heard {
    match event {
        Event::Added => Heard::Added,
        Event::Removed => Heard::Removed,
        Event::Evicted => Heard::Evicted,
        Event::Transition(told) => Heard::Told(Told::Transition(*told)),
        Event::Settings(told) => Heard::Told(Told::of_settings(told)),
        other => panic!("{other:?}"),
    }
}

impl World {
    pub(crate) fn new(conf: Conf) -> Self {
        let (clock, log, ids) = (ManualClock::new(), Log::default(), AtomicU64::new(0));
        let (time, events) = (clock.clone(), log.clone());
        let registry = conf.read().registry().defaults(move |circuit| {
            let id = ids.fetch_add(1, Relaxed);
            circuit.clock(time.clone()).tag("id", id.to_string())
        });
        let registry = registry.on_event(move |circuit, event| {
            let mut log = events.lock().expect("no panic");
            log.push_back((id_of(circuit), heard(event)));
        });
        let naive = Naive {
            clock,
            conf,
            twins: BTreeMap::new(),
            names: BTreeMap::new(),
            totals: RegistryTotals::default(),
            version: 0,
            left: BTreeSet::new(),
        };
        let mut world = Self {
            registry: registry.build().expect("valid"),
            naive,
            log,
            going: Vec::new(),
            known: BTreeSet::new(),
            fresh: 0,
            tally: BTreeMap::new(),
        };
        for name in world.naive.conf.names() {
            world.hear_added(&name);
        }
        world.look_at_both();
        world
    }

    fn note(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub(crate) fn live_through(&mut self, step: Step) {
        let len = self.registry.len();
        match step {
            Step::Begin(key) => self.begin(&name(key)),
            Step::End(which, outcome) => self.end(which, outcome),
            Step::Calls(key, calls, outcome) => {
                (0..calls).for_each(|_| self.call(&name(key), outcome));
            }
            Step::Flood(names, outcome) => self.flood(names, outcome),
            Step::Find(key) => self.find(&name(key)),
            Step::Remove(key) => self.remove(&name(key)),
            Step::Control(key, control) => self.control(&name(key), control),
            Step::ResetAll => self.reset_all(),
            Step::Pass(time) => self.naive.clock.advance(time),
            Step::Apply(mut conf, other_window) => {
                conf.window = self.naive.conf.window != other_window;
                self.apply(conf);
            }
        }
        let most = (self.naive.conf.max_circuits as usize).max(len);
        assert!(self.registry.len() <= most, "never more than there may be");
        self.look_at_both();
    }

    // ---- looking ---------------------------------------------------------------------------

    fn look_at_both(&mut self) {
        assert_eq!(
            self.log.lock().expect("no panic").front(),
            None,
            "more is told than happened"
        );
        let circuits = self.registry.circuits();
        let seen = circuits.iter().map(|it| (it.name(), id_of(it)));
        let known = self
            .naive
            .names
            .iter()
            .map(|(name, id)| (name.as_str(), *id));
        assert!(seen.eq(known), "the same circuits have the same names");
        circuits.iter().for_each(|circuit| self.look_alike(circuit));
        self.going
            .iter()
            .for_each(|going| self.look_alike(&going.circuit));
        assert_eq!(self.registry.totals(), self.naive.totals);
    }

    fn look_alike(&self, circuit: &Circuit) {
        let twin = &self.naive.twins[&id_of(circuit)];
        assert_eq!(circuit.snapshot(), twin.circuit.snapshot());
        assert_eq!(circuit.settings(), twin.circuit.settings());
    }

    // ---- listening -------------------------------------------------------------------------

    fn next_heard(&mut self) -> Option<(Id, Heard)> {
        self.log.lock().expect("no panic").pop_front()
    }

    fn hear_added(&mut self, name: &str) {
        let next = self.next_heard();
        let Some((id, Heard::Added)) = next else {
            panic!("{name} is added, but it is told {next:?}");
        };
        self.naive.add(id, name);
        self.note("made");
        if !self.known.insert(name.to_owned()) {
            self.note("made again");
        }
    }

    /// What was done to its twin is told of this circuit, if it is in the registry.
    fn hear_the_same(&mut self, id: Id) {
        let expected = self.naive.twin(id).take_told();
        let is_there = self.naive.is_in_registry(id);
        for told in expected {
            self.tally_told(&told);
            if is_there {
                assert_eq!(self.next_heard(), Some((id, Heard::Told(told))));
            }
        }
        assert_eq!(
            self.log.lock().expect("no panic").front(),
            None,
            "nothing else is told"
        );
    }

    fn tally_told(&mut self, told: &Told) {
        if let Told::Transition(told) = told {
            match (told.from, told.to) {
                (State::Closed, State::Open) => self.note("tripped"),
                (State::HalfOpen, State::Closed) => self.note("recovered"),
                _ => {}
            }
        }
    }

    /// A name that is not there has been asked for, and was made: somebody may have made room for it.
    fn hear_made(&mut self, name: &str) {
        let first = self.log.lock().expect("no panic").front().cloned();
        if let Some((gone, Heard::Evicted)) = first {
            self.next_heard();
            assert!(!self.naive.has_room(), "nobody has to leave");
            assert!(self.naive.is_its_turn(gone), "others leave first");
            let why = self.naive.twin(gone).may_leave();
            self.note(why.expect("somebody misses it"));
            self.naive.take_out(gone);
            self.naive.totals.evicted += 1;
        } else {
            assert!(self.naive.has_room(), "somebody has to leave");
        }
        self.hear_added(name);
    }

    fn hear_refused(&mut self) {
        assert!(
            self.naive.may_refuse(),
            "there is room, or somebody to leave"
        );
        self.naive.totals.refused += 1;
    }

    // ---- doing -----------------------------------------------------------------------------

    fn get_or_create(&mut self, name: &str) -> Option<(Id, Circuit)> {
        let max_circuits = self.naive.conf.max_circuits;
        match (
            self.registry.get_or_create(name),
            self.naive.names.get(name),
        ) {
            (Ok(circuit), Some(id)) => {
                assert_eq!(id_of(&circuit), *id, "there is one already");
                self.note("found");
                return Some((id_of(&circuit), circuit));
            }
            (Ok(circuit), None) => {
                self.hear_made(name);
                return Some((id_of(&circuit), circuit));
            }
            (Err(CreateError::Full { max_circuits: told }), None) if told == max_circuits => {}
            (Err(error), _) => panic!("{name}: {error}"),
        }
        self.hear_refused();
        self.note("refused: full");
        None
    }

    /// Whether both admit it, and with which words they do not, is the same.
    fn acquire(&mut self, id: Id, circuit: &Circuit) -> Option<(OwnedGuard, OwnedGuard)> {
        let twin = self.naive.twin(id).circuit.clone();
        let guards = (
            circuit.clone().try_acquire_owned(),
            twin.try_acquire_owned(),
        );
        self.hear_the_same(id);
        match guards {
            (Ok(real), Ok(twin)) => Some((real, twin)),
            (Err(real), Err(twin)) => {
                assert_eq!(format!("{real:?}"), format!("{twin:?}"));
                self.note("rejected");
                None
            }
            different => panic!("{different:?}"),
        }
    }

    fn begin(&mut self, name: &str) {
        if self.going.len() == MOST_CALLS {
            return;
        }
        let Some((id, circuit)) = self.get_or_create(name) else {
            return;
        };
        if let Some(guards) = self.acquire(id, &circuit) {
            self.naive.twin(id).held += 1;
            self.going.push(Going {
                id,
                circuit,
                guards,
            });
        }
    }

    fn end(&mut self, which: usize, outcome: Option<Outcome>) {
        if self.going.is_empty() {
            return;
        }
        let which = which % self.going.len();
        let Going {
            id,
            circuit,
            guards,
        } = self.going.swap_remove(which);
        finish(guards, outcome);
        self.hear_the_same(id);
        self.look_alike(&circuit);
        if !self.naive.is_in_registry(id) {
            self.note("late: gone");
            if self.naive.names.contains_key(circuit.name()) {
                self.note("late: made again");
            }
        }
        drop(circuit);
        self.naive.let_go(id);
    }

    fn call(&mut self, name: &str, outcome: Outcome) {
        let Some((id, circuit)) = self.get_or_create(name) else {
            return;
        };
        if let Some(guards) = self.acquire(id, &circuit) {
            finish(guards, Some(outcome));
            self.hear_the_same(id);
        }
    }

    fn flood(&mut self, names: usize, outcome: Outcome) {
        for _ in 0..names {
            self.fresh += 1;
            self.call(&format!("fresh {}", self.fresh), outcome);
        }
    }

    fn find(&mut self, name: &str) {
        let found = self.registry.get(name).map(|circuit| id_of(&circuit));
        assert_eq!(found.as_ref(), self.naive.names.get(name));
    }

    fn remove(&mut self, name: &str) {
        let removed = self.registry.remove(name).map(|circuit| id_of(&circuit));
        assert_eq!(removed.as_ref(), self.naive.names.get(name));
        if let Some(id) = removed {
            assert_eq!(self.next_heard(), Some((id, Heard::Removed)));
            self.naive.take_out(id);
            self.note("removed");
        }
    }

    fn control(&mut self, name: &str, control: Control) {
        let Some(circuit) = self.registry.get(name) else {
            assert!(!self.naive.names.contains_key(name));
            return;
        };
        let id = id_of(&circuit);
        let twin = self.naive.twin(id).circuit.clone();
        let (real, changed) = (interfere(&circuit, control), interfere(&twin, control));
        assert_eq!(real, changed);
        match control {
            Control::Reconfigure(_) if changed => {
                self.naive.twin(id).by_hand = true;
                self.note("by hand");
            }
            Control::ForceOpen if changed => self.note("forced open"),
            Control::Release if changed => self.note("released"),
            _ => {}
        }
        self.hear_the_same(id);
    }

    fn reset_all(&mut self) {
        self.registry.reset_all();
        let ids: Vec<_> = self.naive.names.values().copied().collect();
        for id in ids {
            let twin = self.naive.twin(id);
            twin.circuit.reset();
            for told in twin.take_told() {
                assert_eq!(self.next_heard(), Some((id, Heard::Told(told))));
            }
        }
    }

    // ---- configurations --------------------------------------------------------------------

    fn apply(&mut self, conf: Conf) {
        let applied = self.registry.apply(&conf.read());
        let refused = match applied {
            Ok(_) => false,
            Err(ApplyError::Refused(_)) => true,
            Err(error) => panic!("{error}"),
        };
        let dropped = &self.naive.conf.names() - &conf.names();
        let mut left = &(&self.naive.left | &dropped) - &conf.names();
        left.retain(|name| self.naive.names.contains_key(name));
        let lives = self.naive.names.iter().filter(|it| !left.contains(it.0));
        if lives
            .clone()
            .any(|it| self.naive.twins[it.1].window != conf.window)
        {
            assert!(refused, "the window of a circuit that lives");
            self.note("apply refused: a window");
            return;
        }
        let old = std::mem::replace(&mut self.naive.conf, conf);
        let before = self.naive.strangers();
        if !self.hear_named(refused) {
            self.naive.conf = old;
            before
                .into_iter()
                .for_each(|id| self.naive.make_stranger(id));
            self.note("apply refused: no room");
            return;
        }
        self.naive.version += 1;
        self.naive.left = left;
        assert_eq!(self.registry.version(), self.naive.version);
        self.hear_changed();
        assert!(!refused, "nothing is in the way");
        self.note("applied");
    }

    /// Those that are named are made, one after the other. Not if one of them finds no room: then those before it are
    /// taken out again.
    fn hear_named(&mut self, refused: bool) -> bool {
        let mut made = Vec::new();
        for name in self.naive.conf.names() {
            if let Some(id) = self.naive.names.get(&name).copied() {
                self.naive.twin(id).named = true;
                continue;
            }
            let next = self.log.lock().expect("no panic").front().cloned();
            if refused && !matches!(next, Some((_, Heard::Added | Heard::Evicted))) {
                self.hear_refused();
                for id in made {
                    assert_eq!(self.next_heard(), Some((id, Heard::Removed)));
                    self.naive.take_out(id);
                }
                return false;
            }
            self.hear_made(&name);
            made.push(self.naive.names[&name]);
        }
        true
    }

    /// Those that are there have what they would be built with now.
    fn hear_changed(&mut self) {
        let lives: Vec<_> = self.naive.names.clone().into_iter().collect();
        for (name, id) in lives {
            if self.naive.left.contains(&name) {
                continue;
            }
            let anew = self.naive.conf.tell(&name, Circuit::builder("anew"));
            let anew = anew.build().expect("valid").settings();
            let twin = self.naive.twin(id);
            let changed = twin.circuit.reconfigure(|settings| settings.set_to(&anew));
            if !changed.expect("valid").is_empty() {
                twin.by_hand = false;
            }
            for told in twin.take_told() {
                let told = told.by_configuration(self.naive.version);
                assert_eq!(self.next_heard(), Some((id, Heard::Told(told))));
            }
        }
    }
}

fn finish(guards: (OwnedGuard, OwnedGuard), outcome: Option<Outcome>) {
    let Some(outcome) = outcome else {
        return drop(guards);
    };
    guards.0.finish(outcome);
    guards.1.finish(outcome);
}

/// Whether it has changed anything.
fn interfere(circuit: &Circuit, control: Control) -> bool {
    match control {
        Control::Trip(open_for) => circuit.trip(open_for).is_ok(),
        Control::ForceOpen => circuit.force_open(),
        Control::Release => circuit.release(),
        Control::Reset => {
            circuit.reset();
            true
        }
        Control::SetMode(mode) => circuit.set_mode(mode),
        Control::Reconfigure(failures) => {
            let change =
                circuit.reconfigure(|settings| settings.set_consecutive_failures(failures));
            !change.expect("valid").is_empty()
        }
    }
}
