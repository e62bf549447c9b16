//! Looks at all circuits, once a second, for all who watch (rule L3).
//!
//! No task runs. Whoever watches comes by four times a second, and the first who finds that a second is over makes the
//! pass. What it finds is written once, and all send the same bytes. A pass is made in pieces, so that a thousand
//! circuits hold up nobody's calls: whoever comes by while one is under way makes the next piece. Where nobody watches,
//! nothing is done.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
    time::{Duration, SystemTime, UNIX_EPOCH},
    vec,
};

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    answer::PIECE,
    boot::boot,
    history::{Counts, History, SECONDS, Told, state},
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
    /// Who holds it makes a piece of a pass, or of a list.
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
    changed: Vec<(Name, Box<str>)>,
    calls: Vec<(Name, Counts)>,
    gone: Vec<Name>,
    update: OnceLock<Bytes>,
}

/// What there is for a stream that knows one pass.
pub(super) enum Next {
    Pass(Arc<Pass>),
    /// The one after it is kept no more.
    Missed,
    Nothing,
}

/// What came of a piece of work.
pub(super) enum Looked<T> {
    Done(T),
    /// There is more to do, after others have had their turn.
    More,
    /// Somebody else is at it.
    Busy,
    /// There is no registry any more.
    Gone,
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

    /// Makes a piece of what is to be done by now, if nobody does.
    pub(super) fn tick(&self, now: Instant) -> Looked<()> {
        self.work(now, |_, _| Some(()))
    }

    /// Every circuit with its history, or one, and the pass after which that was so.
    pub(super) fn list(&self, only: Option<&Name>, now: Instant) -> Looked<(Arc<Pass>, Bytes)> {
        self.work(now, |sampling, registry| {
            let pass = self.passes().back()?.clone();
            let list = match only {
                None => sampling.list_after(&pass, registry)?,
                Some(name) => {
                    let mut list = Listing::new(&pass, vec![name.clone()], &sampling.watched);
                    list.piece(&sampling.known, registry);
                    list.end()
                }
            };
            Some((pass, list))
        })
    }

    /// Goes on with what is under way, and then with what is due, until `then` has what it needs or others have to have
    /// their turn.
    fn work<T>(
        &self,
        now: Instant,
        mut then: impl FnMut(&mut Sampling, &Registry) -> Option<T>,
    ) -> Looked<T> {
        let Some(registry) = self.registry.upgrade() else {
            return Looked::Gone;
        };
        let Some(mut sampling) = self.try_sampling() else {
            return Looked::Busy;
        };
        loop {
            if let Some(pass) = sampling.go_on(&registry) {
                self.keep(pass);
            }
            if sampling.is_at_work() {
                return Looked::More;
            }
            if sampling.is_due(now) {
                sampling.begin_pass(&registry, self.ring.end(), now);
                continue;
            }
            match then(&mut sampling, &registry) {
                Some(done) => return Looked::Done(done),
                None if sampling.is_at_work() => {}
                None => return Looked::Busy,
            }
        }
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

    fn keep(&self, pass: Pass) {
        let mut passes = self.passes();
        let oldest = match passes.len() {
            KEPT => passes.pop_front(),
            _ => None,
        };
        passes.push_back(Arc::new(pass));
        drop(passes);
        drop(oldest);
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
        circuits: impl Iterator<Item = &'a (Name, Box<str>)>,
        calls: impl Iterator<Item = &'a (Name, Counts)>,
        gone: impl Iterator<Item = &'a Name>,
    ) -> Bytes {
        let row = |(name, Counts([success, failure, slow, rejected])): &(Name, Counts)| {
            json!([name.as_str(), success, failure, slow, rejected])
        };
        let circuits: Vec<&str> = circuits.map(|(_, shown)| &**shown).collect();
        let [now, calls, gone] = [
            json!(json::time(self.at)),
            calls.map(row).collect(),
            gone.map(Name::as_str).collect(),
        ];
        let circuits = circuits.join(",");
        let data =
            format!(r#"{{"now":{now},"circuits":[{circuits}],"calls":{calls},"gone":{gone}}}"#);
        framed("update", &data)
    }
}

/// An event of a stream. JSON has no line breaks in it.
pub(super) fn frame(event: &str, data: &impl Serialize) -> Bytes {
    // Nothing that is written here has keys that are no texts.
    framed(event, &serde_json::to_string(data).unwrap_or_default())
}

fn framed(event: &str, data: &str) -> Bytes {
    format!("event: {event}\ndata: {data}\n\n").into()
}

#[derive(Default)]
struct Sampling {
    number: u64,
    times: Option<Times>,
    /// The seconds in which somebody watched, from and to, oldest first.
    watched: VecDeque<(u64, u64)>,
    known: AllKnown,
    work: Work,
    /// The last list of all circuits, and the number of the pass that it is of.
    listed: Option<(u64, Bytes)>,
}

/// What is under way. No list is made while a pass is: it would have seconds in it that the pass has yet to tell.
#[derive(Default)]
enum Work {
    #[default]
    Nothing,
    Pass(Passing),
    List(Listing),
}

/// A pass that is under way.
struct Passing {
    pass: Pass,
    /// Those that it has yet to look at.
    names: vec::IntoIter<Name>,
    counts_go_on: bool,
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

    /// Where nobody watched there were no calls to be seen, which is not the same as no calls.
    fn watch(&mut self, goes_on: bool, second: u64) {
        match self.watched.back_mut().filter(|_| goes_on) {
            Some((_, to)) => *to = second,
            None => self.watched.push_back((second, second)),
        }
        while self
            .watched
            .front()
            .is_some_and(|(_, to)| to + SECONDS < second)
        {
            self.watched.pop_front();
        }
    }

    fn is_at_work(&self) -> bool {
        !matches!(self.work, Work::Nothing)
    }

    fn begin_pass(&mut self, registry: &Registry, events: u64, now: Instant) {
        let counts_go_on = self.advance(now);
        self.watch(counts_go_on, self.second(now));
        let pass = Pass {
            number: self.number,
            events,
            at: SystemTime::now(),
            second: self.second(now),
            changed: Vec::new(),
            calls: Vec::new(),
            gone: Vec::new(),
            update: OnceLock::new(),
        };
        self.work = Work::Pass(Passing {
            pass,
            names: registry.names().into_iter(),
            counts_go_on,
        });
    }

    /// Makes a piece of what is under way. The pass, if that was the last of one.
    fn go_on(&mut self, registry: &Registry) -> Option<Pass> {
        let is_whole = match &mut self.work {
            Work::Nothing => return None,
            Work::Pass(passing) => passing.piece(&mut self.known, registry),
            Work::List(listing) => listing.piece(&self.known, registry),
        };
        if !is_whole {
            return None;
        }
        match mem::take(&mut self.work) {
            Work::Pass(mut passing) => {
                self.known.forget(&mut passing.pass);
                return Some(passing.pass);
            }
            Work::List(listing) => self.listed = Some((listing.of_pass, listing.end())),
            Work::Nothing => {}
        }
        None
    }

    /// The list of all circuits after this pass, if there is one. Else it is begun.
    fn list_after(&mut self, pass: &Pass, registry: &Registry) -> Option<Bytes> {
        match &self.listed {
            Some((number, list)) if *number == pass.number => Some(list.clone()),
            _ => {
                self.work = Work::List(Listing::new(pass, registry.names(), &self.watched));
                None
            }
        }
    }
}

/// All circuits as the last pass has seen them.
#[derive(Default)]
struct AllKnown {
    circuits: BTreeMap<Name, Known>,
    /// How many of those have a history.
    histories: usize,
}

impl Passing {
    /// Looks at some more circuits. Whether that were the last.
    fn piece(&mut self, known: &mut AllKnown, registry: &Registry) -> bool {
        for name in self.names.by_ref().take(PIECE) {
            if let Some(circuit) = registry.get(&name) {
                known.look(&mut self.pass, registry, &circuit, self.counts_go_on);
            }
        }
        self.names.len() == 0
    }
}

impl AllKnown {
    fn look(&mut self, pass: &mut Pass, registry: &Registry, circuit: &Circuit, goes_on: bool) {
        let name = circuit.full_name();
        let snapshot = circuit.snapshot();
        let named = registry.is_named(name);
        let seen = Seen::new(circuit, &snapshot, named);
        let counts = Counts::of(&snapshot.totals.unwrap_or_default());
        let before = self.circuits.remove(name);
        if before.as_ref().is_none_or(|before| before.seen != seen) {
            let shown = json::circuit(circuit, &snapshot, named).to_string();
            pass.changed.push((name.clone(), shown.into()));
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
        let (number, histories) = (pass.number, &mut self.histories);
        self.circuits.retain(|name, known| {
            let stays = known.pass == number;
            if !stays {
                *histories -= usize::from(known.history.is_some());
                pass.gone.push(name.clone());
            }
            stays
        });
    }
}

/// A list that is being written.
struct Listing {
    of_pass: u64,
    second: u64,
    epoch: u64,
    /// Those that it has yet to write.
    names: vec::IntoIter<Name>,
    /// The message so far.
    text: String,
}

impl Listing {
    fn new(pass: &Pass, names: Vec<Name>, watched: &VecDeque<(u64, u64)>) -> Self {
        let epoch = pass.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let watched = watched.iter().map(|(from, to)| {
            let age = |second: &u64| pass.second.saturating_sub(*second);
            [age(from), age(to)].map(|age| epoch.as_secs().saturating_sub(age))
        });
        // The circuits are as they are now, and not as the pass has seen them.
        let [now, boot, watched] = [
            json!(json::time(SystemTime::now())),
            json!(boot()),
            watched.map(|it| json!(it)).collect(),
        ];
        let head = format!(r#"{{"now":{now},"boot":{boot},"watched":{watched},"circuits":["#);
        Self {
            of_pass: pass.number,
            second: pass.second,
            epoch: epoch.as_secs(),
            names: names.into_iter(),
            text: format!("event: circuits\ndata: {head}"),
        }
    }

    /// Writes some more circuits. Whether that were the last.
    fn piece(&mut self, known: &AllKnown, registry: &Registry) -> bool {
        for name in self.names.by_ref().take(PIECE) {
            let Some(circuit) = registry.get(&name) else {
                continue;
            };
            let history = known.circuits.get(&name).and_then(|it| it.history.as_ref());
            let listed = Listed {
                circuit: json::circuit_now(&circuit, registry),
                history: history.map(|it| it.told(self.second, self.epoch)),
            };
            if !self.text.ends_with('[') {
                self.text.push(',');
            }
            // Nothing in it has keys that are no texts.
            self.text += &serde_json::to_string(&listed).unwrap_or_default();
        }
        self.names.len() == 0
    }

    fn end(self) -> Bytes {
        (self.text + "]}\n\n").into()
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
