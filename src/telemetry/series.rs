//! What is shown under one label: of the circuit of that name, or of all those that have no label of their own.
//!
//! **Counters** are sums that never fall (rule L4). A series has what its circuits have counted, and what those had
//! counted that have left. Their last numbers are taken in as they leave, under the lock under which sums are made.
//!
//! A circuit is known by where the text of its name lies. Each circuit of a registry has a text of its own, which does
//! not lie in the circuit ([`Name::shared`]). So it stays where it is when the registry moves the circuit, as it does
//! with one that it is about to take out. The handles do not survive that, and for a moment none can be had. For so
//! long, it shows what it showed last.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

#[cfg(feature = "metrics")]
use super::recorded::{Calls, Recorded};
use super::{counted::Counted, labels::OTHER};
use crate::{
    circuit::{
        followed::{FleetNow, Sharing, Why},
        handle::{Circuit, WeakCircuit},
        name::Name,
        parts::{BulkheadNow, Parts, QueueNow, RetryTotals, TimedOutTotals},
        settings::Settings,
        snapshot::Snapshot,
    },
    machine::{State, Transition},
    registry::Registry,
};

/// Where the text of a circuit's name lies. Whoever keeps one keeps the name, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity(usize);

impl Identity {
    pub(super) fn of(circuit: &Circuit) -> Self {
        Self(circuit.name().as_ptr().addr())
    }
}

/// From, to, and cause, by their labels.
pub(super) type Step = [&'static str; 3];

pub(super) struct Series {
    label: Name,
    #[cfg(feature = "metrics")]
    pub(super) setting: super::one_at_a_time::OneAtATime,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// What those have counted that have left.
    left: Counted,
    members: BTreeMap<Identity, Member>,
    #[cfg(feature = "metrics")]
    was_shown: bool,
    transitions: BTreeMap<Step, u64>,
    /// What a recorder was told of.
    #[cfg(feature = "metrics")]
    recorded: Recorded,
}

struct Member {
    name: Name,
    circuit: WeakCircuit,
    /// What was shown of it last.
    last: Counted,
}

/// What there is to show at one instant.
pub(super) struct Reading {
    pub(super) label: Name,
    pub(super) counted: Counted,
    pub(super) transitions: BTreeMap<Step, u64>,
    /// The circuit itself: `None` if it has left, and for those that share a label.
    pub(super) seen: Option<Seen>,
    /// Whether there ever was such a circuit.
    #[cfg(feature = "metrics")]
    pub(super) was_seen: bool,
}

impl Reading {
    /// What there is around the circuit or was around one before it, if anything.
    pub(super) fn parts(&self) -> Option<&Parts> {
        self.counted.parts.as_ref()
    }

    fn parts_now(&self) -> Option<&Parts> {
        self.seen.as_ref()?.snapshot.parts.as_ref()
    }

    fn is_set(&self, is_set: impl FnOnce(&Settings) -> bool) -> bool {
        self.seen
            .as_ref()
            .is_some_and(|seen| is_set(&seen.settings))
    }

    /// Calls that were cut off: there, at zero, where that may happen.
    pub(super) fn timed_out(&self) -> Option<TimedOutTotals> {
        let may = self.is_set(|it| it.call_timeout().or(it.probe_timeout()).is_some());
        let timed_out = self.parts().map(|parts| parts.timed_out);
        timed_out.or_else(|| may.then(TimedOutTotals::default))
    }

    /// The same of retries.
    pub(super) fn retries(&self) -> Option<RetryTotals> {
        let may = self.is_set(|it| it.retries().is_some());
        let retries = self.parts().and_then(|parts| parts.retries);
        retries.or_else(|| may.then(RetryTotals::default))
    }

    /// The bulkhead as it is. An empty one where only a circuit before this had one: what is shown of that must not
    /// stand still.
    pub(super) fn bulkhead(&self) -> Option<BulkheadNow> {
        let was_there = || self.parts()?.bulkhead.map(|_| BulkheadNow::default());
        let now = self.parts_now().and_then(|parts| parts.bulkhead);
        now.or_else(was_there)
    }

    /// What is shown of the fleet of a circuit. Of one that has left, and that was of a fleet, that it takes no part.
    pub(super) fn fleet(&self) -> Option<FleetShown> {
        let was_there = || self.counted.detached.map(|_| FleetShown::default());
        let now = self
            .seen
            .as_ref()
            .and_then(|seen| seen.snapshot.fleet.as_ref());
        now.map(FleetShown::of).or_else(was_there)
    }

    /// The queue as it is, or an empty one likewise.
    pub(super) fn queue(&self) -> Option<QueueNow> {
        let was_there = || self.parts()?.queue.map(|_| QueueNow::default());
        let now = self.parts_now().and_then(|parts| parts.queue);
        now.or_else(was_there)
    }
}

/// What is shown of the fleet of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct FleetShown {
    /// `None` where that is turned off.
    pub(super) attached: Option<bool>,
    pub(super) contributors: u64,
    pub(super) agreeing: u64,
    pub(super) mismatch: bool,
}

impl FleetShown {
    /// What the fleet has said last is no news of one that is alone.
    fn of(fleet: &FleetNow) -> Self {
        match fleet.sharing {
            Sharing::Attached { .. } => Self {
                attached: Some(true),
                contributors: fleet.contributors,
                agreeing: fleet.agreeing,
                mismatch: fleet.mismatch,
            },
            Sharing::Detached { why: Why::Off, .. } => Self::default(),
            Sharing::Detached { .. } => Self {
                attached: Some(false),
                ..Self::default()
            },
        }
    }
}

/// What there is to see of one circuit, as the next call finds it (rule L5).
pub(super) struct Seen {
    pub(super) snapshot: Snapshot,
    pub(super) settings: Settings,
}

impl Seen {
    fn of(circuit: &Circuit) -> Self {
        Self {
            snapshot: circuit.snapshot().into_found(),
            settings: circuit.settings(),
        }
    }

    /// What it will do most likely, so that it is there, at zero, before it happens for the first time. Otherwise, a
    /// query for a series' growth would miss its first value.
    fn likely(&self) -> impl Iterator<Item = Step> + use<> {
        let settings = &self.settings;
        let trips = [
            (
                settings.consecutive_failures().is_some(),
                "consecutive_failures",
            ),
            (settings.failure_rate().is_some(), "failure_rate"),
            (settings.slow_call_rate().is_some(), "slow_call_rate"),
        ];
        let trips = trips.into_iter().filter(|(is_set, _)| *is_set);
        trips.map(|(_, cause)| ["closed", "open", cause]).chain([
            ["open", "half_open", "wait_over"],
            ["half_open", "open", "probe_failed"],
            ["half_open", "closed", "recovered"],
        ])
    }
}

impl Series {
    pub(super) fn new(label: Name) -> Self {
        Self {
            label,
            #[cfg(feature = "metrics")]
            setting: Default::default(),
            kept: Mutex::default(),
        }
    }

    pub(super) fn label(&self) -> &Name {
        &self.label
    }

    /// Whether it has a circuit, or is that of those that share a label: its counters go on.
    pub(super) fn is_shown(&self) -> bool {
        *self.label == *OTHER || !self.kept().members.is_empty()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, circuit: &Circuit) {
        let identity = Identity::of(circuit);
        let member = Member {
            name: circuit.full_name().clone(),
            circuit: circuit.downgrade(),
            last: Counted::default(),
        };
        let mut kept = self.kept();
        kept.members.insert(identity, member);
        #[cfg(feature = "metrics")]
        {
            kept.was_shown |= *circuit.name() == *self.label;
        }
    }

    /// Whether it was the last one.
    pub(super) fn remove(&self, circuit: &Circuit) -> bool {
        let identity = Identity::of(circuit);
        let mut kept = self.kept();
        if kept.members.remove(&identity).is_some() {
            kept.left.add(&Counted::of(circuit));
        }
        kept.members.is_empty()
    }

    pub(super) fn count(&self, told: &Transition) {
        // What begins no era is a change of mode.
        if told.begins_era() {
            let step = [told.from.label(), told.to.label(), told.cause.label()];
            *self.kept().transitions.entry(step).or_default() += 1;
        }
    }

    /// Of circuits of this registry. As long as it is there, no handle that is taken here is the last of its circuit.
    /// So none takes a circuit along that would run somebody else's code under the lock.
    pub(super) fn read(&self, registry: &Registry) -> Reading {
        // Before the lock, so that it is dropped after it: it may have left before it is told.
        let there = registry.get(&self.label);
        let mut kept = self.kept();
        let counted = kept.count(registry);
        let shown = kept.shown(&self.label, there.as_ref(), registry);
        let mut reading = Reading {
            label: self.label.clone(),
            counted,
            transitions: kept.transitions.clone(),
            seen: None,
            #[cfg(feature = "metrics")]
            was_seen: kept.was_shown,
        };
        drop(kept);
        // That reads the clock, which is somebody else's.
        reading.seen = shown.as_ref().map(Seen::of);
        let likely = reading.seen.iter().flat_map(Seen::likely);
        for step in likely.collect::<Vec<_>>() {
            reading.transitions.entry(step).or_default();
        }
        reading
    }

    /// The durations that no recorder was told of. From now on it was.
    #[cfg(feature = "metrics")]
    pub(super) fn unrecorded(&self, registry: &Registry) -> Vec<Calls> {
        let mut kept = self.kept();
        let counted = kept.count(registry);
        let durations = counted.durations.iter();
        durations
            .flat_map(|all| kept.recorded.take_new(all))
            .collect()
    }

    /// Adds how many circuits there are in each state.
    pub(super) fn count_states(&self, registry: &Registry, states: &mut [u64; 3]) {
        let members: Vec<_> = self.kept().members.keys().copied().collect();
        for identity in members {
            // One at a time, so that others can make room, and not under the lock: the clock is somebody else's.
            if let Some(circuit) = self.find(identity, registry) {
                let state = circuit.core().state_found(|| circuit.now());
                states[index(state)] += 1;
            }
        }
    }

    fn find(&self, identity: Identity, registry: &Registry) -> Option<Circuit> {
        let mut kept = self.kept();
        kept.members.get_mut(&identity)?.find(identity, registry)
    }
}

impl Kept {
    /// What all of them have counted, and those that have left.
    fn count(&mut self, registry: &Registry) -> Counted {
        let mut counted = self.left.clone();
        for (identity, member) in &mut self.members {
            if let Some(circuit) = member.find(*identity, registry) {
                member.last = Counted::of(&circuit);
            }
            counted.add(&member.last);
        }
        counted
    }

    /// The one whose state is shown: of this name, the one that is `there`, in whatever order those of one name are
    /// told. Where that is just coming or leaving, whichever there is.
    fn shown(
        &mut self,
        name: &Name,
        there: Option<&Circuit>,
        registry: &Registry,
    ) -> Option<Circuit> {
        let is_known = |circuit: &&Circuit| self.members.contains_key(&Identity::of(circuit));
        if let Some(circuit) = there.filter(is_known) {
            return Some(circuit.clone());
        }
        let mut members = self.members.iter_mut();
        let (identity, member) = members.find(|(_, member)| member.name == *name)?;
        member.find(*identity, registry)
    }
}

impl Member {
    fn find(&mut self, identity: Identity, registry: &Registry) -> Option<Circuit> {
        if let Some(circuit) = self.circuit.upgrade() {
            return Some(circuit);
        }
        let moved = registry.get(&self.name)?;
        (Identity::of(&moved) == identity).then(|| {
            self.circuit = moved.downgrade();
            moved
        })
    }
}

/// The place of a state, and its value in a gauge.
pub(super) const fn index(state: State) -> usize {
    match state {
        State::Closed => 0,
        State::Open => 1,
        State::HalfOpen => 2,
    }
}

#[cfg(all(test, feature = "degrade"))]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicBool, Ordering::SeqCst},
            mpsc,
        },
        thread,
        time::Duration,
    };

    use super::*;
    use crate::{
        circuit::parts::ShownQueue, registry::layers::tests::LastCall, telemetry::Exposition,
    };

    /// A store that scrapes when it is asked for its oldest.
    struct Scraping(Exposition, AtomicBool);

    impl ShownQueue for Scraping {
        fn look(&self) -> QueueNow {
            if !self.1.swap(true, SeqCst) {
                assert!(self.0.render().contains("queue_entries"));
            }
            self.counted()
        }

        fn counted(&self) -> QueueNow {
            QueueNow {
                entries: 3,
                ..QueueNow::default()
            }
        }
    }

    // L4, M9: somebody else's store is not asked under a lock.
    #[test]
    fn a_store_that_scrapes_when_it_is_looked_at_is_no_deadlock() {
        let (told, text) = mpsc::channel();
        thread::spawn(move || {
            let registry = Registry::builder().circuit("a", |circuit| circuit).build();
            let registry = registry.expect("valid");
            let circuit = registry.try_get("a").expect("named");
            let exposition = Exposition::new(&registry);
            let store = Scraping(exposition.clone(), AtomicBool::new(false));
            assert!(circuit.parts().show_queue(Box::new(store)));
            let _ = told.send(exposition.render());
        });
        let text = text.recv_timeout(Duration::from_secs(20)).expect("in time");
        assert!(text.contains("circuit_breaker_queue_entries{circuit=\"a\"} 3\n"));
        assert!(text.contains("circuit_breaker_queue_total{circuit=\"a\",result=\"kept\"} 0\n"));
    }

    // L4: no handle to it from before is of use.
    #[test]
    fn a_circuit_that_was_almost_taken_out_is_counted_on() {
        let registry = Registry::builder().max_circuits(1);
        let registry = registry.defaults(|circuit| circuit.consecutive_failures(3));
        let registry = registry.build().expect("valid");
        let exposition = Exposition::new(&registry);
        let _layer = LastCall::through(&registry, "a");
        registry.get_or_create("b").expect_err("full");
        let a = registry.get("a").expect("there");
        a.try_acquire().expect("closed").failure();
        let calls = "circuit_breaker_calls_total{circuit=\"a\",result=\"failure\"} 2\n";
        assert!(exposition.render().contains(calls));
    }
}

#[cfg(all(test, feature = "fleet"))]
mod of_a_fleet;
