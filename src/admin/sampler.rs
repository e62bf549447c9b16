//! Looks at all circuits, once a second, for all who watch (rule L3).
//!
//! No task runs. Whoever watches comes by four times a second, and the first who finds that a second is over makes the
//! pass. What it finds is written once, and all send the same bytes. Nobody waits for a pass: who finds one under way
//! comes by again. Where nobody watches, nothing is done.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    boot::boot,
    history::{Counts, History, Told, state},
    json,
    ring::Ring,
};
use crate::{
    circuit::{handle::Circuit, name::Name, snapshot::Snapshot},
    registry::{Registry, WeakRegistry},
};

const SECOND: Duration = Duration::from_secs(1);

/// After so long without a pass, nobody has watched: what has come since is of no second.
const GAP: Duration = Duration::from_secs(3);

/// So many passes are kept for those who come late.
const KEPT: usize = 8;

/// So many circuits have a history.
const HISTORIES: usize = 1_000;

pub(super) struct Sampler {
    registry: WeakRegistry,
    pub(super) ring: Arc<Ring>,
    /// Who holds it makes a pass, or a list.
    sampling: Mutex<Sampling>,
    /// The last passes.
    passes: Mutex<VecDeque<Arc<Pass>>>,
}

/// What one pass has found.
pub(super) struct Pass {
    pub(super) number: u64,
    /// The place in the ring behind all events that came before it.
    pub(super) events: u64,
    at: SystemTime,
    second: u64,
    /// Circuits that are not as they were, by name.
    changed: Vec<(Name, Value)>,
    calls: Vec<(Name, Counts)>,
    gone: Vec<Name>,
    update: OnceLock<Bytes>,
    list: OnceLock<Bytes>,
}

/// What there is for a stream that knows one pass.
pub(super) enum Next {
    Pass(Arc<Pass>),
    /// The one after it is kept no more.
    Missed,
    Nothing,
}

impl Sampler {
    pub(super) fn new(registry: &Registry, ring: Arc<Ring>) -> Self {
        Self {
            registry: registry.downgrade(),
            ring,
            sampling: Mutex::default(),
            passes: Mutex::default(),
        }
    }

    /// Makes a pass, if it is time and nobody does. `false` if the registry is gone.
    pub(super) fn tick(&self, now: Instant) -> bool {
        let Some(registry) = self.registry.upgrade() else {
            return false;
        };
        if let Some(mut sampling) = self.try_sampling() {
            self.pass(&mut sampling, &registry, now);
        }
        true
    }

    /// Every circuit with its history, or one, and the pass after which that was so. `None` while somebody else looks.
    pub(super) fn list(&self, only: Option<&Name>, now: Instant) -> Option<(Arc<Pass>, Bytes)> {
        let registry = self.registry.upgrade()?;
        let mut sampling = self.try_sampling()?;
        self.pass(&mut sampling, &registry, now);
        let pass = self.passes().back()?.clone();
        let list = match only {
            None => {
                let all = || sampling.list(&pass, &registry, &registry.names());
                pass.list.get_or_init(all).clone()
            }
            Some(name) => sampling.list(&pass, &registry, std::slice::from_ref(name)),
        };
        Some((pass, list))
    }

    /// The pass after this one.
    pub(super) fn after(&self, number: u64) -> Next {
        let passes = self.passes();
        let oldest = passes.front().map_or(0, |pass| pass.number);
        match passes.iter().find(|pass| pass.number > number) {
            Some(_) if oldest > number + 1 => Next::Missed,
            Some(pass) => Next::Pass(pass.clone()),
            None => Next::Nothing,
        }
    }

    fn pass(&self, sampling: &mut Sampling, registry: &Registry, now: Instant) {
        if sampling.is_due(now) {
            let pass = Arc::new(sampling.pass(registry, self.ring.end(), now));
            let mut passes = self.passes();
            let oldest = match passes.len() {
                KEPT => passes.pop_front(),
                _ => None,
            };
            passes.push_back(pass);
            drop(passes);
            drop(oldest);
        }
    }

    fn try_sampling(&self) -> Option<MutexGuard<'_, Sampling>> {
        match self.sampling.try_lock() {
            Ok(sampling) => Some(sampling),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn passes(&self) -> MutexGuard<'_, VecDeque<Arc<Pass>>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// What has changed, as all streams tell it.
    pub(super) fn update(&self) -> Bytes {
        let write = || {
            let (circuits, calls) = (self.changed.iter(), self.calls.iter());
            self.write(circuits, calls, self.gone.iter())
        };
        self.update.get_or_init(write).clone()
    }

    /// The same of one circuit. `None` if there is nothing to tell.
    pub(super) fn update_of(&self, only: &Name) -> Option<Bytes> {
        let circuits = self.changed.iter().filter(|(name, _)| name == only);
        let calls = self.calls.iter().filter(|(name, _)| name == only);
        let gone = self.gone.iter().filter(|name| *name == only);
        let count = circuits.clone().count() + calls.clone().count() + gone.clone().count();
        (count > 0).then(|| self.write(circuits, calls, gone))
    }

    fn write<'a>(
        &self,
        circuits: impl Iterator<Item = &'a (Name, Value)>,
        calls: impl Iterator<Item = &'a (Name, Counts)>,
        gone: impl Iterator<Item = &'a Name>,
    ) -> Bytes {
        let row = |(name, Counts([success, failure, slow, rejected])): &(Name, Counts)| {
            json!([name.as_str(), success, failure, slow, rejected])
        };
        frame(
            "update",
            &json!({
                "now": json::time(self.at),
                "circuits": circuits.map(|(_, shown)| shown).collect::<Vec<_>>(),
                "calls": calls.map(row).collect::<Vec<_>>(),
                "gone": gone.map(Name::as_str).collect::<Vec<_>>(),
            }),
        )
    }
}

/// An event of a stream. JSON has no line breaks in it.
pub(super) fn frame(event: &str, data: &impl Serialize) -> Bytes {
    // Nothing that is written here has keys that are no texts.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n").into()
}

#[derive(Default)]
struct Sampling {
    number: u64,
    times: Option<Times>,
    circuits: BTreeMap<Name, Known>,
    /// How many of those have a history.
    histories: usize,
}

#[derive(Clone, Copy)]
struct Times {
    first: Instant,
    last: Instant,
    due: Instant,
}

/// A circuit as the last pass has seen it.
struct Known {
    pass: u64,
    seen: Seen,
    counts: Counts,
    history: Option<History>,
}

/// What a circuit was like, apart from how much time has passed.
#[derive(PartialEq)]
struct Seen {
    snapshot: Snapshot,
    settings_version: u64,
    named: bool,
}

impl Seen {
    fn new(circuit: &Circuit, snapshot: &Snapshot, named: bool) -> Self {
        let mut snapshot = snapshot.clone();
        snapshot.time_in_state = Duration::ZERO;
        // But whether a break is over.
        let remains = |time: Duration| time.min(Duration::from_nanos(1));
        snapshot.remaining = snapshot.remaining.map(remains);
        snapshot.outage = snapshot.outage.map(|_| Duration::ZERO);
        Self {
            snapshot,
            settings_version: circuit.settings_version(),
            named,
        }
    }
}

impl Sampling {
    fn is_due(&self, now: Instant) -> bool {
        self.times.is_none_or(|times| now >= times.due)
    }

    /// Whether those that were counted before this have been counted lately.
    fn advance(&mut self, now: Instant) -> bool {
        let old = self.times;
        let on_time = old.filter(|old| now < old.due + SECOND);
        self.times = Some(Times {
            first: old.map_or(now, |old| old.first),
            last: now,
            due: on_time.map_or(now, |old| old.due) + SECOND,
        });
        self.number += 1;
        old.is_some_and(|old| now.saturating_duration_since(old.last) < GAP)
    }

    fn second(&self, now: Instant) -> u64 {
        let since = |times: Times| now.saturating_duration_since(times.first);
        self.times.map_or(0, |times| since(times).as_secs())
    }

    fn pass(&mut self, registry: &Registry, events: u64, now: Instant) -> Pass {
        let counts_go_on = self.advance(now);
        let second = self.second(now);
        let mut pass = Pass {
            number: self.number,
            events,
            at: SystemTime::now(),
            second,
            changed: Vec::new(),
            calls: Vec::new(),
            gone: Vec::new(),
            update: OnceLock::new(),
            list: OnceLock::new(),
        };
        for name in registry.names() {
            if let Some(circuit) = registry.get(&name) {
                self.look(&mut pass, registry, &circuit, counts_go_on);
            }
        }
        self.forget(&mut pass);
        pass
    }

    fn look(&mut self, pass: &mut Pass, registry: &Registry, circuit: &Circuit, goes_on: bool) {
        let name = circuit.full_name();
        let snapshot = circuit.snapshot();
        let named = registry.is_named(name);
        let seen = Seen::new(circuit, &snapshot, named);
        let counts = Counts::of(&snapshot.totals.unwrap_or_default());
        let before = self.circuits.remove(name);
        if before.as_ref().is_none_or(|before| before.seen != seen) {
            let shown = json::circuit(circuit, &snapshot, named);
            pass.changed.push((name.clone(), shown));
        }
        let (then, history) = match before {
            Some(before) => (before.counts, before.history),
            None => (Counts::default(), self.new_history()),
        };
        let calls = if goes_on {
            counts.since(then)
        } else {
            Counts::default()
        };
        if !calls.is_none() {
            pass.calls.push((name.clone(), calls));
        }
        let mut known = Known {
            pass: pass.number,
            seen,
            counts,
            history,
        };
        if let Some(history) = &mut known.history {
            history.add(pass.second, calls, state(&snapshot));
        }
        self.circuits.insert(name.clone(), known);
    }

    fn new_history(&mut self) -> Option<History> {
        let has_room = self.histories < HISTORIES;
        self.histories += usize::from(has_room);
        has_room.then(History::default)
    }

    /// Those that were not there any more.
    fn forget(&mut self, pass: &mut Pass) {
        let (number, histories) = (self.number, &mut self.histories);
        self.circuits.retain(|name, known| {
            let stays = known.pass == number;
            if !stays {
                *histories -= usize::from(known.history.is_some());
                pass.gone.push(name.clone());
            }
            stays
        });
    }

    fn list(&self, pass: &Pass, registry: &Registry, names: &[Name]) -> Bytes {
        let epoch = pass.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let circuits = names.iter().filter_map(|name| {
            let circuit = registry.get(name)?;
            let known = self.circuits.get(name);
            let history = known.and_then(|known| known.history.as_ref());
            Some(Listed {
                circuit: json::circuit_now(&circuit, registry),
                history: history.map(|it| it.told(pass.second, epoch.as_secs())),
            })
        });
        let list = List {
            now: json::time(pass.at),
            circuits: circuits.collect(),
        };
        frame("circuits", &list)
    }
}

struct List<'a> {
    now: String,
    circuits: Vec<Listed<'a>>,
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("now", &self.now)?;
        map.serialize_entry("boot", boot())?;
        map.serialize_entry("circuits", &self.circuits)?;
        map.end()
    }
}

struct Listed<'a> {
    circuit: Value,
    history: Option<Told<'a>>,
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let none = Map::new();
        let fields = self.circuit.as_object().unwrap_or(&none);
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in fields {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("history", &self.history)?;
        map.end()
    }
}
