//! Threads that do all of it at once, to few names with room for fewer: what holds then, and that they did collide.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tower_breaker::{
    Circuit, OwnedGuard, Transition,
    clock::ManualClock,
    registry::{CreateError, Event, Registry},
};

use crate::collisions::{Dice, race};

const THREADS: usize = 4;
const NAMES: u64 = 6;
const PLACES: u32 = 3;
const BREAK: Duration = Duration::from_secs(1);
const UNPOISONED: &str = "nobody panics with it in hand";

/// What was told of one circuit, and the circuit, from when it was gone: until then, whoever holds it keeps it there.
#[derive(Default)]
struct Story {
    added: u32,
    removed: u32,
    evicted: u32,
    transitions: Vec<Transition>,
    gone: Option<Circuit>,
}

/// Results that threads have recorded, for one circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Results {
    successful: u64,
    failed: u64,
    ignored: u64,
}

/// What was seen to have happened at the same time.
#[derive(Default)]
struct Collisions {
    /// A circuit that was prepared by one thread and was made by another.
    lost_races: AtomicU64,
    /// Results of calls that a circuit had admitted which was gone by then.
    late: AtomicU64,
    /// Of those, where another circuit had the name.
    late_for_another: AtomicU64,
    evicted: AtomicU64,
    removed: AtomicU64,
}

impl Collisions {
    fn are_enough(&self) -> bool {
        let all = [
            &self.lost_races,
            &self.late,
            &self.late_for_another,
            &self.evicted,
            &self.removed,
        ];
        all.iter().all(|seen| seen.load(Relaxed) >= 20)
    }
}

struct Crowd {
    registry: Registry,
    clock: ManualClock,
    stories: Arc<Mutex<BTreeMap<usize, Story>>>,
    results: Mutex<BTreeMap<usize, Results>>,
    prepared: Arc<AtomicUsize>,
    seen: Collisions,
}

fn id_of(circuit: &Circuit) -> usize {
    let id = circuit.tags().get("id").expect("tagged");
    id.parse().expect("a number")
}

impl Crowd {
    fn new() -> Self {
        let (clock, prepared) = (ManualClock::new(), Arc::new(AtomicUsize::new(0)));
        let stories = Arc::<Mutex<BTreeMap<usize, Story>>>::default();
        let (time, ids, log) = (clock.clone(), prepared.clone(), stories.clone());
        let registry = Registry::builder()
            .defaults(move |circuit| {
                let id = ids.fetch_add(1, Relaxed);
                circuit
                    .tag("id", id.to_string())
                    .consecutive_failures(2)
                    .open_for(BREAK)
                    .clock(time.clone())
            })
            .max_circuits(PLACES)
            .on_event(move |circuit, event| {
                let mut stories = log.lock().expect(UNPOISONED);
                stories
                    .entry(id_of(circuit))
                    .or_default()
                    .hear(circuit, event);
            });
        let registry = registry.build().expect("valid");
        // What `build` has tried the rules with.
        prepared.store(0, Relaxed);
        Self {
            registry,
            clock,
            stories,
            results: Mutex::default(),
            prepared,
            seen: Collisions::default(),
        }
    }

    fn work(&self, dice: &mut Dice) {
        let mut going: Vec<(OwnedGuard, Circuit)> = Vec::new();
        for _ in 0..200 {
            let name = format!("name {}", dice.below(NAMES));
            assert!(
                self.registry.len() <= PLACES as usize,
                "never more than there may be"
            );
            match dice.below(16) {
                0..=6 if going.len() < 2 => going.extend(self.begin(&name)),
                0..=9 => going.drain(..).for_each(|call| self.end(call, dice)),
                10 => drop(self.registry.remove(&name)),
                11 => self.interfere(&name),
                12 => self.clock.advance(BREAK),
                13 => std::thread::yield_now(),
                _ => self.find(&name),
            }
        }
        going.into_iter().for_each(|call| self.end(call, dice));
    }

    fn begin(&self, name: &str) -> Option<(OwnedGuard, Circuit)> {
        match self.registry.get_or_create(name) {
            Ok(circuit) => {
                assert_eq!(circuit.name(), name);
                let guard = circuit.clone().try_acquire_owned().ok()?;
                Some((guard, circuit))
            }
            Err(CreateError::Full { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn end(&self, (guard, circuit): (OwnedGuard, Circuit), dice: &mut Dice) {
        self.note_if_late(&circuit);
        let mut results = self.results.lock().expect(UNPOISONED);
        let results = results.entry(id_of(&circuit)).or_default();
        match dice.below(4) {
            0 => {
                results.successful += 1;
                guard.success();
            }
            1 => {
                results.ignored += 1;
                guard.ignore();
            }
            _ => {
                results.failed += 1;
                guard.failure();
            }
        }
    }

    fn note_if_late(&self, circuit: &Circuit) {
        let there = self.registry.get(circuit.name()).map(|there| id_of(&there));
        if there != Some(id_of(circuit)) {
            self.seen.late.fetch_add(1, Relaxed);
            self.seen
                .late_for_another
                .fetch_add(u64::from(there.is_some()), Relaxed);
        }
    }

    /// One that is held is the one that is found, until it is removed.
    fn find(&self, name: &str) {
        let Some(one) = self.registry.get(name) else {
            return;
        };
        if let Some(other) = self.registry.get(name) {
            let removed = id_of(&one) != id_of(&other);
            let stories = self.stories.lock().expect(UNPOISONED);
            assert!(!removed || stories.get(&id_of(&one)).is_none_or(|it| it.evicted == 0));
        }
    }

    fn interfere(&self, name: &str) {
        if let Some(circuit) = self.registry.get(name) {
            circuit.force_open();
            circuit.release();
        }
    }

    // ---- afterwards ------------------------------------------------------------------------

    fn look_back(&self) {
        let circuits = self.registry.circuits();
        let stories = self.stories.lock().expect(UNPOISONED);
        let results = self.results.lock().expect(UNPOISONED);
        let mut there = 0;
        for (id, story) in &*stories {
            let lives = circuits.iter().find(|circuit| id_of(circuit) == *id);
            there += usize::from(lives.is_some());
            let circuit = story.gone.as_ref().or(lives).expect("gone, or there");
            story.assert_told_once(lives.is_some());
            story.assert_in_order(circuit, lives.is_some());
            let totals = circuit.snapshot().totals.expect("counted");
            let recorded = results.get(id).copied().unwrap_or_default();
            let counted = Results {
                successful: totals.successful,
                failed: totals.failed,
                ignored: totals.ignored,
            };
            assert_eq!(
                counted, recorded,
                "results of circuit {id}, and of no other"
            );
        }
        assert_eq!(there, circuits.len(), "each was told of");
        let sum = |of: fn(&Story) -> u32| stories.values().map(|story| u64::from(of(story))).sum();
        let totals = self.registry.totals();
        assert_eq!(
            (totals.created, totals.evicted),
            (sum(|it| it.added), sum(|it| it.evicted))
        );
        let removed: u64 = sum(|story| story.removed);
        assert_eq!(
            totals.created,
            circuits.len() as u64 + totals.evicted + removed
        );
        let lost = self.prepared.load(Relaxed) as u64 - totals.created - totals.refused;
        self.seen.lost_races.fetch_add(lost, Relaxed);
        self.seen.evicted.fetch_add(totals.evicted, Relaxed);
        self.seen.removed.fetch_add(removed, Relaxed);
    }
}

impl Story {
    fn hear(&mut self, circuit: &Circuit, event: Event<'_>) {
        match event {
            Event::Added => self.added += 1,
            Event::Transition(transition) => self.transitions.push(*transition),
            Event::Removed | Event::Evicted => {
                let gone = match event {
                    Event::Removed => &mut self.removed,
                    _ => &mut self.evicted,
                };
                *gone += 1;
                assert_eq!(self.added, 1, "first it was added");
                self.gone = Some(circuit.clone());
            }
            other => panic!("{other:?}"),
        }
    }

    fn assert_told_once(&self, lives: bool) {
        let told = (self.added, self.removed + self.evicted);
        assert_eq!(told, (1, u32::from(!lives)));
    }

    /// Each transition once, and all of them up to the one during which it left. An eviction is told of one at rest,
    /// so nothing can be missing before it.
    fn assert_in_order(&self, circuit: &Circuit, lives: bool) {
        let mut eras: Vec<_> = self.transitions.iter().map(|told| told.era).collect();
        eras.sort_unstable();
        assert!(
            eras.windows(2).all(|pair| pair[0] < pair[1]),
            "{eras:?} are told twice"
        );
        let era = circuit.snapshot().era;
        if lives || self.evicted == 1 {
            assert!(eras.into_iter().eq(1..=era), "up to {era}");
        }
    }
}

// I1, I4, I5, C4
#[test]
fn a_crowd_finds_one_circuit_a_name_and_its_results_land_where_they_were_admitted() {
    let mut seen = Collisions::default();
    for round in 0..2_000 {
        let mut crowd = Crowd::new();
        crowd.seen = seen;
        race(THREADS, |thread| {
            crowd.work(&mut Dice::new(round * THREADS + thread));
        });
        crowd.look_back();
        seen = crowd.seen;
        if round >= 100 && seen.are_enough() {
            return;
        }
    }
    panic!("never collided");
}
